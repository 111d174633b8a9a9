"""`--common`: one set of names in `lamella tree`, and a rule of pairing in `lamella diff`."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from two_architectures import GPT2, OPT, as_gpt2, opt

from tui.cli import main
from tui.demo import demo_pair

MODEL = demo_pair()[1]

PRINTED = """\
movies (LlamaForCausalLM)  862k parameters  74 tensors  1.72 MB  safetensors  1 file  BF16
common names, from those of llama: all 75 names known
├── embeddings ● 197k
│   └── word (Embedding) ● 197k  weight:[2048, 96] BF16
├── decoder ● 665k
│   ├── block (ModuleList) ● 665k
│   │   └── 0-7 ×8 (LlamaDecoderLayer) ● 665k
│   │       ├── attn ● 222k
│   │       │   ├── q,proj ×2 (Linear) ● 147k  weight:[96, 96] BF16
│   │       │   ├── k,v ×2 (Linear) ● 73.7k  weight:[48, 96] BF16
│   │       │   └── layer_norm (LlamaRMSNorm) ● 768  weight:[96] BF16
│   │       └── ff ● 443k
│   │           ├── w1,w3 ×2 (Linear) ● 295k  weight:[192, 96] BF16
│   │           ├── w2 (Linear) ● 147k  weight:[96, 192] BF16
│   │           └── layer_norm (LlamaRMSNorm) ● 768  weight:[96] BF16
│   └── layer_norm (LlamaRMSNorm) ● 96  weight:[96] BF16
└── lm_head (Linear)  weight:[2048, 96] BF16 tied to embeddings.word.weight
"""


@pytest.fixture
def lamella(monkeypatch, capsys):
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamella", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """An OPT and the same weights as a GPT-2."""
    for name, config, tensors in (("opt", OPT, opt()), ("gpt2", GPT2, as_gpt2(opt()))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        arrays = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
        save_file(arrays, folder / "model.safetensors")
    return str(tmp_path / "opt"), str(tmp_path / "gpt2")


def test_the_tree_with_types(lamella) -> None:
    assert lamella("tree", MODEL, "--common") == (0, PRINTED, "")


def test_json_has_both_names(lamella) -> None:
    status, out, _ = lamella("tree", MODEL, "--no-types", "--common", "--json")
    document = json.loads(out)
    assert status == 0 and document["common"] == "llama"
    found: dict[str, tuple[str, bool]] = {}

    def collect(row: dict) -> None:
        for tensor in row["tensors"]:
            path = f"{row['path']}.{tensor['name']}"
            found[path] = tensor["source"], tensor["own_name"]
        for child in row["children"]:
            collect(child)

    collect(document["tree"])
    assert found["decoder.block.0.ff.w1.weight"] == ("model.layers.0.mlp.gate_proj.weight", False)
    assert len(found) == 8


def test_without_the_option_json_has_one_name(lamella) -> None:
    document = json.loads(lamella("tree", MODEL, "--no-types", "--depth", "0", "--json")[1])
    assert "common" not in document
    assert "source" not in json.dumps(document)


def test_own_names_are_told(lamella, tmp_path: Path) -> None:
    tensors = {name: np.ones(2, np.float32) for name in ("wte.weight", "h.0.ln_1.weight", "odd")}
    save_file(tensors, tmp_path / "model.safetensors")
    path = str(tmp_path / "model.safetensors")
    out = lamella("tree", path, "--common", "--no-types")[1]
    assert "2 of 3 names known, 1 keeps its own" in out.splitlines()[1]
    assert "odd:[2] F32 own name" in out
    save_file({"a": np.ones(2, np.float32)}, tmp_path / "other.safetensors")
    out = lamella("tree", str(tmp_path / "other.safetensors"), "--common", "--no-types")[1]
    assert "no table of common names knows" in out


def test_bare_modules_have_no_common_names(lamella) -> None:
    status, _, err = lamella("tree", MODEL, "--common", "--bare")
    assert status == 2 and "without --bare" in err


def test_diff_pairs_two_architectures(lamella, two: tuple[str, str]) -> None:
    status, out, err = lamella("diff", *two, "--format", "json")
    assert status == 0 and "no tensor in common" in err
    assert {row["status"] for row in json.loads(out)["tensors"]} == {"added", "removed"}
    status, out, err = lamella("diff", *two, "--common", "--format", "json", "--exit-code")
    rows = json.loads(out)["tensors"]
    assert (status, err) == (0, "")
    assert {row["status"] for row in rows} == {"identical"}
    assert len(rows) == len(as_gpt2(opt()))


def test_singular_values_go_with_it(lamella, two: tuple[str, str]) -> None:
    status, out, _ = lamella(
        "diff", *two, "--common", "--spectrum", "--node", "h.0.mlp.c_fc.weight"
    )
    assert status == 0 and "c_fc" in out


def test_a_saved_result_is_paired_already(lamella, two: tuple[str, str], tmp_path: Path) -> None:
    saved = str(tmp_path / "kept.lamella")
    assert lamella("diff", *two, "--common", "--save", saved)[0] == 0
    status, out, _ = lamella("diff", saved, "--format", "json")
    assert status == 0
    assert {row["status"] for row in json.loads(out)["tensors"]} == {"identical"}
    status, _, err = lamella("diff", saved, "--common")
    assert status == 2 and "--common" in err
