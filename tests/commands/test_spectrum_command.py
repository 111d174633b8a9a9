"""`lamella diff --spectrum`, through the command line."""

import json
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from tui.cli import main

A = "layer.0.a.weight"


@pytest.fixture
def pair(tmp_path):
    """A base, and a model with an update of rank 3, one of a single expert, and one equal."""
    rng = np.random.default_rng(0)
    base = {
        A: rng.normal(size=(40, 30)),
        "layer.0.b.weight": rng.normal(size=(20, 20)),
        "layer.0.bias": rng.normal(size=30),
        "layer.0.experts": rng.normal(size=(3, 16, 16)),
    }
    model = {name: values.copy() for name, values in base.items()}
    model[A] += rng.normal(size=(40, 3)) @ rng.normal(size=(3, 30))
    model["layer.0.experts"][1] += np.outer(rng.normal(size=16), rng.normal(size=16))
    model["layer.0.bias"] += 1.0
    paths = [str(tmp_path / "base.safetensors"), str(tmp_path / "model.safetensors")]
    for path, tensors in zip(paths, (base, model), strict=True):
        save_file({name: values.astype(np.float32) for name, values in tensors.items()}, path)
    return paths


@pytest.fixture
def spectra(monkeypatch, capsys, pair):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["lamella", "diff", *pair, "--spectrum", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        found = capsys.readouterr()
        return ended.value.code, found.out, found.err

    return run


def test_a_table_of_ranks(spectra):
    status, out, err = spectra()
    assert (status, err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:3]}
    assert rows[A][:4] == ["40", "x", "30", "3"]
    assert rows["layer.0.experts[1]"][:4] == ["16", "x", "16", "1"]
    assert "3 more did not change: rank 0" in out
    assert "1 tensor has no singular values" in out


def test_json_has_the_values(spectra):
    status, out, _ = spectra("--format", "json", "--node", A)
    [found] = json.loads(out)["spectra"]
    assert status == 0 and found["name"] == found["reference_name"] == A
    assert (found["rank"], found["rows"], found["columns"], found["exact"]) == (3, 40, 30, True)
    assert len(found["singular_values"]) == 30
    energy = sum(value**2 for value in found["singular_values"])
    assert found["energy"] == pytest.approx(energy, rel=1e-10)


def test_one_tensor_that_has_none_says_why(spectra):
    status, out, _ = spectra("--node", "layer.0.bias")
    assert status == 0 and "a vector has no singular values" in out


def test_an_equal_tensor_that_was_asked_for_is_listed(spectra):
    _, out, _ = spectra("--node", "*.b.weight")
    assert "identical" in out and "more did not change" not in out


@pytest.mark.parametrize(
    "words", [("--by", "layer"), ("--format", "csv"), ("--top", "3"), ("--exit-code",)]
)
def test_options_that_make_no_sense_are_refused(spectra, words):
    status, out, err = spectra(*words)
    assert status == 2 and not out and "--spectrum" in err


def test_a_pattern_that_fits_nothing_is_refused(spectra):
    status, _, err = spectra("--node", "nothing.like.it")
    assert status == 2 and "no tensor" in err


def test_a_matrix_without_a_spectrum_that_changed_has_a_row(monkeypatch, capsys, tmp_path):
    eye = np.eye(4, dtype=np.float32)
    odd = eye.copy()
    odd[1, 2:] = np.nan
    base = {"moved": eye, "nan": eye, "same.nan": odd, "other": eye, "vector": eye[0]}
    model = base | {"moved": eye * 2, "nan": odd, "other": eye[:2], "vector": eye[1], "new": eye}
    paths = [str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")]
    for path, tensors in zip(paths, (base, model), strict=True):
        save_file({name: values.copy() for name, values in tensors.items()}, path)
    monkeypatch.setattr(sys, "argv", ["lamella", "diff", *paths, "--spectrum"])
    with pytest.raises(SystemExit) as ended:
        main()
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines() if line and line[0] in "mnosv"}
    assert ended.value.code == 0
    assert "2 positions hold NaN or infinite values" in lines["nan"]
    assert "shape 2x4 here" in lines["other"]
    assert not {"same.nan", "vector", "new"} & lines.keys()
    assert "3 tensors have no singular values" in out


def test_the_lines_below_say_what_the_ranks_are(spectra):
    out = spectra()[1]
    assert "eff. rank: " in out and "stable rank: " in out
