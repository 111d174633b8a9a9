"""`lamella diff`, through the command line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tui import format as fmt
from tui.cli import main
from tui.commands.table import Column, Row, Table
from tui.demo import demo_pair

BASE, MODEL = demo_pair()
F32 = np.float32


@pytest.fixture
def diff(monkeypatch, capsys):
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamella", "diff", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


@pytest.fixture
def made(tmp_path: Path):
    def make(base: dict, model: dict) -> tuple[str, str]:
        paths = tmp_path / "base.safetensors", tmp_path / "model.safetensors"
        for path, tensors in zip(paths, (base, model), strict=True):
            save_file(tensors, path)
        return str(paths[0]), str(paths[1])

    return make


def row_of(out: str, name: str) -> list[str]:
    (line,) = [line for line in out.splitlines() if line.split("  ")[0] == name]
    return line[len(name) :].split()


def test_table_of_tensors(diff) -> None:
    status, out, err = diff(BASE, MODEL)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == ["--- glosses  74 tensors  BF16", "+++ movies  74 tensors  BF16"]
    assert " ".join(lines[3].split()) == "tensor shape rel. L2 mean |d| max |d| changed"
    assert "model.embed_tokens.weight" in lines[4]
    assert "\x1b" not in out
    assert len(lines) == 4 + 74 + 1 + 3
    assert lines[-1] == "861,792 values compared"


def double(path: str) -> dict[str, np.ndarray]:
    """BF16 values as float64; the library has no numpy type for them."""
    raw = Path(path, "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        bits = np.frombuffer(raw[start + first : start + last], np.uint16).astype(np.uint32) << 16
        found[name] = bits.view(F32).astype(np.float64)
    return found


def test_layers_equal_float64(diff) -> None:
    _, out, _ = diff(BASE, MODEL, "--by", "layer")
    old, new = double(BASE), double(MODEL)
    rows = [f"model.layers.{at}" for at in range(8)] + ["model.norm.weight", "all compared"]
    for row in rows:
        names = [name for name in old if row == "all compared" or name.startswith(row)]
        a = np.concatenate([new[name] for name in names])
        b = np.concatenate([old[name] for name in names])
        d = a - b
        cells = row_of(out, row)
        if not d.any():
            assert cells == [str(len(names)), "identical"]
            continue
        assert cells[:4] == [
            str(len(names)),
            fmt.number(float(np.linalg.norm(d) / np.linalg.norm(b))),
            fmt.number(float(np.abs(d).mean())),
            fmt.percent(float(np.count_nonzero(d) / d.size)),
        ]
    assert out.splitlines()[-2] == "74 tensors: 55 changed, 19 identical"


def test_layers_that_cannot_be_compared(diff, made) -> None:
    base = {"l.0.w": np.ones(2, F32), "l.1.w": np.ones(2, F32), "gone": np.ones(1, F32)}
    model = {
        "l.0.w": np.ones(2, F32) * 2, "l.0.new": np.ones(2, F32), "l.1.w": np.ones(3, F32),
        "l.2.w": np.ones(2, F32), "top": np.array([np.nan], F32),
    }  # fmt: skip
    _, out, _ = diff(*made(base, model), "--by", "layer")
    assert row_of(out, "l.0")[0] == "2"
    assert "1 added" in out
    assert row_of(out, "l.1") == ["1", "of", "another", "shape"]
    assert row_of(out, "l.2") == ["1", "added"]
    assert "1 removed" in out.splitlines()[-2]


def test_every_status_has_a_word(diff, made) -> None:
    a = np.ones((2, 3), F32)
    base = {"same": a, "moved": a, "gone": a, "turned": a, "odd": a.astype(np.complex64)}
    model = {"same": a, "moved": a.astype(np.float16) * 2, "new": a, "turned": a[:1].copy()}
    model["odd"] = base["odd"]
    _, out, _ = diff(*made(base, model))
    assert row_of(out, "same")[-1] == "identical"
    assert "F32 → F16" in out
    assert row_of(out, "moved")[-4:] == ["1", "1", "1", "100%"]
    assert row_of(out, "new")[-1] == "added"
    assert row_of(out, "gone")[-1] == "removed"
    assert "shape 1x3 here, 2x3 in the base" in out
    assert "dtype C64 is listed but not compared" in out
    counts = "1 changed, 1 identical, 1 added, 1 removed, 1 of another shape, 1 not comparable"
    assert f"6 tensors: {counts}\n" in out
    assert "F32 -> F16" in diff(*made(base, model), "--ascii")[1]


def test_exit_codes(diff, made, tmp_path: Path) -> None:
    assert diff(BASE, MODEL, "--exit-code")[0] == 1
    assert diff(BASE, BASE, "--exit-code")[0] == 0
    assert diff(BASE, MODEL, "--exit-code", "--format", "json")[0] == 1
    assert diff(BASE, MODEL, "--exit-code", "--node", "model.layers.0")[0] == 0
    zero = made({"w": np.zeros(3, F32)}, {"w": -np.zeros(3, np.float16)})
    assert diff(*zero, "--exit-code")[0] == 0
    assert diff(*made({"w": np.zeros(3, F32)}, {}), "--exit-code")[0] == 1
    status, out, err = diff(BASE, str(tmp_path / "no.safetensors"), "--exit-code")
    assert (status, out) == (2, "")
    assert re.fullmatch(r"lamella: .*\n", err)


def test_json(diff) -> None:
    status, out, err = diff(BASE, MODEL, "--format", "json")
    assert (status, err) == (0, "")
    assert out.isascii()
    document = json.loads(out)
    assert document["reference"] == BASE
    assert document["model"] == MODEL
    assert [tensor["name"] for tensor in document["tensors"]] == list(
        load_header(Path(MODEL, "model.safetensors"))
    )


def load_header(path: Path) -> dict:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    return dict(sorted(header.items(), key=lambda item: item[1]["data_offsets"]))


def names_of(diff, *words: str) -> list[str]:
    document = json.loads(diff(BASE, MODEL, "--format", "json", *words)[1])
    return [tensor["name"] for tensor in document["tensors"]]


def test_node_patterns(diff) -> None:
    assert len(names_of(diff, "--node", "model.layers.1")) == 9
    assert len(names_of(diff, "--node", "model.layers.[12]")) == 18
    assert len(names_of(diff, "--node", "*.q_proj")) == 8
    assert names_of(diff, "--node", "model.norm.weight") == ["model.norm.weight"]
    status, out, err = diff(BASE, MODEL, "--node", "nothing\x1b[2J")
    assert (status, out) == (2, "")
    assert err == "lamella: nothing\\x1b[2J: no tensor of the two fits this pattern\n"


def test_sorting(diff, made) -> None:
    by_change = json.loads(diff(BASE, MODEL, "--format", "json", "--sort", "change")[1])["tensors"]
    changes = [tensor["rel_l2"] for tensor in by_change]
    assert changes == sorted(changes, reverse=True)
    one = np.ones(1, F32)
    base = {"a.10": one, "a.2": one, "zero": one * 0, "n" + "9" * 5000: one}
    model = {**base, "a.2": one * 3, "zero": one, "new": one}
    del model["a.10"]
    pair = made(base, model)
    _, out, _ = diff(*pair, "--sort", "change", "--format", "json")
    order = [tensor["name"] for tensor in json.loads(out)["tensors"]]
    assert order[:2] == ["zero", "a.2"]
    assert order[-1].startswith("n9")
    _, out, _ = diff(*pair, "--sort", "name", "--format", "json")
    order = [tensor["name"] for tensor in json.loads(out)["tensors"]]
    assert order[:2] == ["a.2", "a.10"]
    layers = diff(BASE, MODEL, "--by", "layer", "--sort", "change")[1].splitlines()
    assert layers[4].startswith("model.layers.2 ")


HOSTILE = ["\x1b]52;c;QQ==\x07", "a\nb", "\u202egpj", "\x9b2J", "[@click=app.exit]x[/]", "\u2028"]


def test_hostile_names_are_cleaned_and_in_a_pipe_not_cut(diff, made) -> None:
    names = [*HOSTILE, "x" * 3000]
    base = {name: np.ones(2, F32) for name in names}
    model = {name: np.ones(2 + at % 2, F32) for at, name in enumerate(names)}
    pair = made(base, model)
    for words in ((), ("--by", "layer"), ("--ascii",), ("--format", "json")):
        _, out, err = diff(*pair, *words)
        assert all(char.isprintable() or char == "\n" for char in out + err)
        assert "x" * 3000 in out
    assert {t["name"] for t in json.loads(out)["tensors"]} == set(names)


def test_rows_fit_a_terminal(monkeypatch, capsys) -> None:
    from tui.commands.output import Output

    for width in (30, 50, 80, 120):
        output = Output()
        output.width = width
        names = ["模型" * 40, "a" * 300, "short", ""]
        columns = [Column("shape", 11, 2), Column("rel. L2", 8), Column("changed", 7, 1)]
        table = Table(output, "tensor", columns, names, bars=True)
        cells = {"shape": "2048 x 96", "rel. L2": ".123", "changed": "100%"}
        table.head()
        table.rows([Row(name, cells, share=1.0) for name in names])
        table.rows([Row(name, {"shape": "1"}, "why " * 50) for name in names])
        from rich.cells import cell_len

        assert all(cell_len(line) <= width for line in capsys.readouterr().out.splitlines())


def test_nothing_in_common_and_nothing_at_all(diff, made) -> None:
    for words in ((), ("--by", "layer"), ("--format", "json")):
        assert diff(*made({}, {}), *words)[0] == 0
        assert diff(*made({"a": np.ones(1, F32)}, {}), *words, "--exit-code")[0] == 1


def test_imports_no_torch() -> None:
    code = (
        "import sys; from tui.commands.diff import print_layers; from tui.demo import demo_pair;"
        "print_layers(*demo_pair());"
        "print(sorted({'torch', 'transformers', 'textual'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_numpy_reads_what_we_compare(tmp_path: Path, diff, made) -> None:
    rng = np.random.default_rng(3)
    base = {f"h.{at}.w": rng.normal(size=(8, 9)).astype(F32) for at in range(3)}
    model = {name: (w + 0.01 * rng.normal(size=w.shape)).astype(F32) for name, w in base.items()}
    pair = made(base, model)
    _, out, _ = diff(*pair, "--by", "layer")
    read = load_file(pair[1])
    for at in range(3):
        d = read[f"h.{at}.w"].astype(float) - base[f"h.{at}.w"]
        assert row_of(out, f"h.{at}")[2] == fmt.number(float(np.abs(d).mean()))


def test_nothing_in_common_is_said(diff, made) -> None:
    ones = np.ones(2, F32)
    assert "no tensor in common" in diff(*made({"a": ones}, {"b": ones}))[2]
    assert "no tensor in common" not in diff(*made({"a": ones, "c": ones}, {"a": ones}))[2]
