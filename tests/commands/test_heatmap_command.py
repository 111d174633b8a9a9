"""`lamella diff --heatmap`: printed, and as a file."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from tui.cli import main

WORDS = ("attn.q.weight", "attn.k.weight", "mlp.weight")


@pytest.fixture
def models(tmp_path):
    """A base and two models, of an encoder of 4 layers and a decoder of 2."""
    rng = np.random.default_rng(0)
    names = [f"encoder.layers.{k}.{word}" for k in range(4) for word in WORDS]
    names += [f"decoder.layers.{k}.{word}" for k in range(2) for word in WORDS]
    base = {name: rng.normal(size=(3, 3)).astype(np.float32) for name in [*names, "head.weight"]}
    paths = []
    for number, step in enumerate((0.0, 0.1, 0.2)):
        moved = {
            name: values + np.float32(step) * rng.normal(size=(3, 3)).astype(np.float32)
            for name, values in base.items()
        }
        moved["encoder.layers.0.mlp.weight"] = base["encoder.layers.0.mlp.weight"]
        paths.append(str(tmp_path / f"model{number}.safetensors"))
        save_file(moved, paths[-1])
    return paths


@pytest.fixture
def lamella(monkeypatch, capsys):
    """Runs `lamella diff --heatmap`; gives its exit code, its output and what it complains of."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["lamella", "diff", "--heatmap", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return call


@pytest.fixture
def run(lamella):
    def printed(*words):
        code, out, err = lamella(*words)
        assert code == 0, err
        return out

    return printed


def test_both_stacks_are_printed_side_by_side(run, models):
    text = run(*models[:2])
    lines = text.splitlines()
    assert any("encoder.layers" in line and "decoder.layers" in line for line in lines)
    assert "relative L2" in text and ".. no change" in text
    assert "\x1b" not in text, "a pipe has no colours"


def test_ascii_is_ascii(run, models):
    assert run(*models[:2], "--ascii").isascii()


@pytest.mark.parametrize("depth", ["truecolor", "256", "16"])
def test_colours_where_they_are_asked_for(run, models, depth):
    text = run(*models[:2], "--colors", depth)
    assert "\x1b[" in text
    assert ("38;2;" in text) == (depth == "truecolor")
    assert ("38;5;" in text) == (depth == "256")


def test_names_and_numbers_have_the_colour_of_the_terminal(run, models):
    """A theme's own foreground is not to be read on a background that is not the theme's."""
    lines = run(*models[:2], "--colors", "truecolor").splitlines()
    for start in ("attn.q", "mlp"):
        assert any(line.startswith(start) for line in lines), "the name is not coloured"
    assert sum("\x1b[1m" in line for line in lines) == 1, "only the title is bold"


def test_the_metric_and_the_scale_are_those_that_were_asked_for(run, models):
    text = run(*models[:2], "--metric", "mean_abs", "--scale", "log")
    assert "mean |d|, log scale" in text


def test_a_metric_that_must_be_collected_for(run, models):
    assert "Lorenz area of |d|" in run(*models[:2], "--metric", "lorenz_area")


def test_tsv_is_laid_out_as_the_published_tables(run, models):
    lines = [line.split("\t") for line in run(*models[:2], "--format", "tsv").splitlines()]
    cells = {name: values for name, *values in lines}
    assert {len(values) for values in cells.values()} == {4}, "lines of equal length"
    assert cells["decoder.layers.*.attn.q.weight"][2:] == ["", ""]
    assert float(cells["encoder.layers.*.mlp.weight"][0]) == 0.0
    assert all(float(value) > 0.0 for value in cells["decoder.layers.*.mlp.weight"][:2])


def test_json_has_names_and_states(run, models):
    found = json.loads(run(*models[:2], "--format", "json"))
    encoder = next(s for s in found["sections"] if s["title"] == "encoder.layers")
    row = encoder["kinds"].index("mlp.weight")
    assert encoder["tensors"][row][0] == ["encoder.layers.0.mlp.weight"]
    assert encoder["states"][row] == ["same", "changed", "changed", "changed"]
    assert found["metric"] == "rel_l2"


def test_several_models_are_side_by_side_or_rows(run, models):
    text = run(*models, "--format", "json")
    titles = [section["title"] for section in json.loads(text)["sections"]]
    assert sum("encoder.layers" in title for title in titles) == 2
    steps = json.loads(run(*models, "--by", "layer", "--format", "json"))["sections"]
    encoder = next(section for section in steps if section["title"] == "encoder.layers")
    assert len(encoder["kinds"]) == 2 and len(encoder["columns"]) == 4
    first, second = (np.mean(row) for row in encoder["values"])
    assert second > first > 0.0


@pytest.mark.parametrize("suffix", ["svg", "png", "tsv", "csv", "md", "json"])
def test_it_can_be_a_file(run, lamella, models, tmp_path, suffix):
    path = tmp_path / f"map.{suffix}"
    assert run(*models[:2], "--output", str(path)) == ""
    if suffix == "png":
        assert Image.open(path).width > 100
    else:
        assert "decoder.layers" in path.read_text()
    code, _, err = lamella(*models[:2], "--output", str(path))
    assert code == 2 and "is there already" in err


def test_an_ending_that_is_none_is_refused(lamella, models, tmp_path):
    path = tmp_path / "map.jpg"
    code, _, err = lamella(*models[:2], "--output", str(path))
    assert code == 2 and ".png" in err and not path.exists()


def test_what_cannot_be_written_is_said_before_anything_is_read(lamella, tmp_path):
    missing = str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")
    code, _, err = lamella(*missing, "--output", str(tmp_path / "map.jpg"))
    assert code == 2 and ".png" in err


def test_a_part_of_the_model(run, models):
    text = run(*models[:2], "--node", "decoder")
    assert "decoder.layers" in text and "encoder" not in text


def test_a_limit_still_holds(lamella, models):
    code, out, err = lamella(*models[:2], "--fail-over", "rel_l2=1e-9")
    assert code == 1 and "encoder.layers" in out and err
