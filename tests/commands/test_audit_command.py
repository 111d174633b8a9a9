"""`lamella audit`, through the command line: what it prints, and what a script gets."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tui.cli import main
from tui.demo import demo_pair

BASE, MODEL = demo_pair()


@pytest.fixture
def audit(monkeypatch, capsys):
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamella", "audit", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


def test_what_stayed_is_proven_in_one_line(audit) -> None:
    status, out, err = audit(BASE, MODEL, "--frozen", "model.layers.[01]")
    assert (status, out, err) == (0, "18 frozen tensors: 18 bit-identical\n", "")


def test_what_moved_is_named(audit) -> None:
    words = (
        "--frozen",
        "model.layers.0",
        "--frozen",
        "model.norm",
        "--trained",
        "model.layers.[17]",
    )
    status, out, err = audit(BASE, MODEL, *words)
    lines = out.splitlines()
    assert status == 1 and not err
    assert lines[0].split() == ["tensor", "expected", "changed", "rel.", "L2", "max", "|d|"]
    assert lines[1].split()[:2] == ["model.norm.weight", "frozen"] and lines[1].endswith("  moved")
    assert sum(line.endswith("  did not move") for line in lines) == 9
    assert lines[-2:] == [
        "10 frozen tensors: 9 bit-identical, 1 not",
        "18 trained tensors: 9 bit-identical, 9 moved",
    ]


def test_what_rounding_explains_is_hinted_at(audit, tmp_path) -> None:
    from made_of_others import in_f32

    wide = in_f32(Path(BASE) / "model.safetensors", tmp_path / "wide.safetensors")
    status, out, _ = audit(wide, BASE, "--frozen", "model.norm")
    assert status == 1
    assert "other bits: F32 became BF16, equal values" in out
    assert out.splitlines()[-1].endswith("--rounding accepts that")
    status, out, _ = audit(wide, BASE, "--frozen", "model.norm", "--rounding")
    assert (status, out) == (0, "1 frozen tensor: 1 equal up to rounding\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--frozen", "absent"), "absent: no tensor of the two fits this pattern"),
        ((), "--frozen PATTERN"),
        (("--frozen", "*", "--trained", "model.norm"), "should be both frozen and trained"),
        (("--frozen", "*", "--map", "absent.toml"), "no such file"),
    ],
)
def test_a_mistake_is_no_proof(audit, words, why) -> None:
    status, out, err = audit(BASE, MODEL, *words)
    assert (status, out) == (2, "") and why in err


def test_no_proof_is_exit_code_2(audit, tmp_path) -> None:
    from made_of_others import without

    short = without(
        Path(BASE) / "model.safetensors", tmp_path / "s.safetensors", "model.norm.weight"
    )
    status, out, _ = audit(short, BASE, "--frozen", "model.norm", "--frozen", "model.layers.0")
    assert status == 2
    assert "no proof: no partner in the base" in out
    assert out.splitlines()[-1] == "10 frozen tensors: 9 bit-identical, 1 without a proof"
    # What moved is certain, whatever else could not be proven.
    assert audit(short, MODEL, "--frozen", "*")[0] == 1


def test_json_lists_all_that_was_looked_at(audit) -> None:
    status, out, _ = audit(BASE, MODEL, "--frozen", "model.layers.7", "--format", "json")
    found = json.loads(out)
    assert status == 1 and out.isascii()
    assert (found["held"], found["broken"], found["unproven"]) == (False, 9, 0)
    assert found["tensors"][0]["verdict"] == "changed"
    assert [t["rel_l2"] for t in found["tensors"]] == sorted(
        [t["rel_l2"] for t in found["tensors"]], reverse=True
    )


@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_sheets_have_a_line_each(audit, form, delimiter) -> None:
    _, out, _ = audit(BASE, MODEL, "--frozen", "model.layers.0", "--format", form)
    rows = list(csv.DictReader(io.StringIO(out), delimiter=delimiter))
    assert len(rows) == 9 and {row["verdict"] for row in rows} == {"identical"}


def test_markdown(audit) -> None:
    _, out, _ = audit(BASE, MODEL, "--frozen", "model.norm", "--format", "md")
    assert out.splitlines()[2].startswith("| `model.norm.weight` |")


def test_what_no_number_shows_is_said(audit, tmp_path) -> None:
    paths = [str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")]
    values = np.ones((3, 5), np.float32)
    save_file({"w": values}, paths[0])
    values[0, 1:] = np.nan
    save_file({"w": values}, paths[1])
    status, out, _ = audit(*paths, "--frozen", "w")
    assert status == 1
    assert out.splitlines()[1].endswith("  moved: 4 positions hold NaN or infinity")
    (tensor,) = json.loads(audit(*paths, "--frozen", "w", "--format", "json")[1])["tensors"]
    assert tensor["nonfinite"] == 4


def test_patterns_fit_the_names_of_the_base_too(audit, tmp_path) -> None:
    paths = [str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")]
    for path, prefix in zip(paths, ("", "bert."), strict=True):
        save_file({f"{prefix}h.{at}.w": np.ones((2, 2), np.float32) for at in range(2)}, path)
    assert audit(*paths, "--frozen", "h.1")[:2] == (0, "1 frozen tensor: 1 bit-identical\n")
    assert audit(*paths, "--frozen", "h.1", "--trained", "bert.h.1")[0] == 2


def test_the_help_points_up(audit) -> None:
    out = " ".join(audit("--help")[1].split())
    assert "see above" in out and "see below" not in out and "in the base" in out


def test_a_saved_result_proves_nothing(audit, tmp_path) -> None:
    from inspect_core.results.comparison import compare
    from inspect_core.results.saved import save

    path = tmp_path / "result.lamella"
    save(path, compare(BASE, MODEL))
    for sides in ((str(path), MODEL), (BASE, str(path)), (str(path), str(path))):
        status, out, err = audit(*sides, "--frozen", "*")
        assert (status, out) == (2, "") and "a saved result, which holds no weights" in err
