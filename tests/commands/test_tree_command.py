"""`lamella tree`, through the command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from inspect_core.errors import LamellaError
from inspect_core.work.backend import Workers
from tui.cli import main
from tui.demo import demo_pair

MODEL = demo_pair()[1]
F32 = np.float32

WITH_TYPES = """\
movies (LlamaForCausalLM)  862k parameters  74 tensors  1.72 MB  safetensors  1 file  BF16
├── model (LlamaModel) ● 862k
│   ├── embed_tokens (Embedding) ● 197k  weight:[2048, 96] BF16
│   ├── layers (ModuleList) ● 665k
│   │   └── 0-7 ×8 (LlamaDecoderLayer) ● 665k
│   │       ├── self_attn (LlamaAttention) ● 221k
│   │       │   ├── q_proj,o_proj ×2 (Linear) ● 147k  weight:[96, 96] BF16
│   │       │   └── k_proj,v_proj ×2 (Linear) ● 73.7k  weight:[48, 96] BF16
│   │       ├── mlp (LlamaMLP) ● 442k
│   │       │   ├── gate_proj,up_proj ×2 (Linear) ● 295k  weight:[192, 96] BF16
│   │       │   └── down_proj (Linear) ● 147k  weight:[96, 192] BF16
│   │       └── input_layernorm,post_attention_layernorm ×2 (LlamaRMSNorm) ● 1.54k  \
weight:[96] BF16
│   └── norm (LlamaRMSNorm) ● 96  weight:[96] BF16
└── lm_head (Linear)  weight:[2048, 96] BF16 tied to model.embed_tokens.weight
"""

FROM_NAMES = """\
movies  862k parameters  74 tensors  1.72 MB  safetensors  1 file  BF16
`-- model * 862k
    |-- embed_tokens * 197k  weight:[2048, 96] BF16
    |-- layers * 665k
    |   `-- 0-7 x8 * 665k ...
    `-- norm * 96  weight:[96] BF16
"""


def lamella(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["lamella", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


@pytest.fixture
def tree(monkeypatch, capsys):
    return lambda *words: lamella(monkeypatch, capsys, "tree", *words)


def test_with_types(tree) -> None:
    assert tree(MODEL) == (0, WITH_TYPES, "")


def test_from_names_in_ascii_to_a_depth(tree) -> None:
    assert tree(MODEL, "--no-types", "--ascii", "--depth", "3") == (0, FROM_NAMES, "")


def test_depth_zero_is_the_first_line(tree) -> None:
    assert tree(MODEL, "--no-types", "--depth", "0")[1] == FROM_NAMES.splitlines(True)[0]


def test_bare_modules(tree) -> None:
    status, out, _ = tree(MODEL, "--bare")
    assert status == 0
    assert "act_fn (SiLUActivation)" in out


def test_no_config_is_a_note(tree, tmp_path: Path) -> None:
    save_file({"a.weight": np.ones((2, 3), F32)}, tmp_path / "m.safetensors")
    status, out, err = tree(str(tmp_path / "m.safetensors"))
    assert status == 0
    assert "└── a ● 6  weight:[2, 3] F32\n" in out
    assert err == "lamella: no config.json: module types are not known\n"


def test_types_that_fail_are_a_note(tree, monkeypatch) -> None:
    class Failing:
        def result(self) -> None:
            raise LamellaError("the worker\x1b[2J died")

    monkeypatch.setattr(Workers, "submit", lambda *_: Failing())
    status, out, err = tree(MODEL)
    assert status == 0
    assert out.splitlines()[1] == "└── model ● 862k"
    assert err == "lamella: no module types: the worker\\x1b[2J died\n"


def test_leaves_buffers_and_dtypes(tree, tmp_path: Path) -> None:
    made = {
        "top": np.ones(3, F32),
        "mixed.weight": np.ones((2, 2), np.float16),
        "mixed.bias": np.ones(2, np.float16),
        "mixed.scale": np.array(1.0, F32),
        **{f"many.p{at}": np.ones(1, F32) for at in range(7)},
    }
    save_file(made, tmp_path / "m.safetensors")
    out = tree(str(tmp_path / "m.safetensors"), "--no-types")[1]
    assert "├── top:[3] F32\n" in out
    assert "mixed ● 7  weight:[2, 2]" in out
    assert "scale:[] F32" in out
    assert "bias:[2] F16" in out
    assert "many ● 7\n" in out
    assert "── p6:[1] F32\n" in out


def test_several_files_are_one_model(tree, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{at}.safetensors") for at in range(2)]
    for at, path in enumerate(paths):
        save_file({f"l.{at}.w": np.ones(2, F32)}, path)
    status, out, _ = tree("--no-types", *paths)
    assert status == 0
    assert "2 files" in out
    assert "0-1 ×2 ● 4  w:[2] F32" in out


HOSTILE = [
    "\x1b]52;c;QQ==\x07",
    "a\nb",
    "\u202egpj",
    "\x9b2J",
    "[@click=app.exit]x[/]",
    "\u200b",
    "é",
]


def test_hostile_names(tree, tmp_path: Path) -> None:
    made = {f"{name}.{name}": np.ones(2 + at, F32) for at, name in enumerate(HOSTILE)}
    save_file({**made, "x" * 5000: np.ones(1, F32)}, tmp_path / "m.safetensors")
    for words in ((), ("--ascii",), ("--json",)):
        _, out, err = tree(str(tmp_path / "m.safetensors"), "--no-types", *words)
        assert all(char.isprintable() or char == "\n" for char in out + err)
    document = json.loads(out)
    assert out.isascii()
    members = {row["members"][0] for row in document["tree"]["children"]}
    assert members == {name.partition(".")[0] for name in HOSTILE}
    assert [leaf["name"] for leaf in document["tree"]["tensors"]] == ["x" * 5000]


def test_json(tree) -> None:
    status, out, _ = tree(MODEL, "--json", "--no-types")
    document = json.loads(out)
    assert status == 0
    assert document["types"] is None
    assert document["model"] == MODEL
    root = document["tree"]
    assert root["totals"]["parameters"] == 861_792
    layers = root["children"][0]["children"][1]
    (fold,) = layers["children"]
    assert fold["path"] == "model.layers.0"
    assert fold["members"] == [str(at) for at in range(8)]
    assert fold["count"] == 8
    assert fold["totals"]["parameters"] == layers["totals"]["parameters"] == 665_088

    def parameters(row: dict) -> int:
        own = sum(int(np.prod(leaf["shape"])) for leaf in row["tensors"])
        return row["count"] * own + sum(map(parameters, row["children"]))

    assert parameters(root) == 861_792
    shallow = json.loads(tree(MODEL, "--json", "--no-types", "--depth", "1")[1])["tree"]
    assert shallow["children"][0]["children"] is None


def test_huge_levels_stream(tmp_path: Path) -> None:
    made = {f"e.{at}.w": np.zeros(at % 3000, np.uint8) for at in range(3000)}
    save_file(made, tmp_path / "m.safetensors")
    command = f"{sys.executable} -m tui.cli tree --no-types {tmp_path}/m.safetensors | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("m.safetensors")
    assert (done.stderr, done.returncode) == ("", 0)


def test_errors(tree, tmp_path: Path) -> None:
    status, out, err = tree(str(tmp_path / "no\x1b[2J.safetensors"))
    assert (status, out) == (2, "")
    assert err.startswith("lamella: ")
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert tree(MODEL, "--bare", "--no-types")[0] == 2


def test_imports_no_torch_without_types() -> None:
    code = (
        "import sys; from tui.commands.tree import print_tree; from tui.demo import demo_pair;"
        "print_tree(demo_pair()[1], types=True); heavy = {'torch', 'numba', 'numpy', 'textual'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_training_checkpoint_says_what_is_beside_the_model(tree, tmp_path):
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.save(
        {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 7},
        tmp_path / "last.pt",
    )
    code, out, err = tree(str(tmp_path / "last.pt"), "--no-types")
    assert code == 0 and out.startswith("last.pt  8 parameters  2 tensors  32 B  PyTorch  1 file")
    assert "beside the model: optimizer, 6 tensors" in err
    found = json.loads(tree(str(tmp_path / "last.pt"), "--json", "--no-types")[1])
    assert found["format"] == "PyTorch" and found["metadata"]["epoch"] == "7"
    assert [part["name"] for part in found["aside"]] == ["optimizer"]
