"""Heatmaps as text: the published layout, with the published numbers."""

import csv
import io
import json
import math

import numpy as np
import pytest
from results_made import F32, REFERENCE, compared

from inspect_core.delta.collect import Collect
from inspect_core.delta.metrics import METRICS, ORIGINALS
from inspect_core.results.heat_text import heatmap_text
from inspect_core.results.heatmap import heatmap_of


def t5() -> tuple[dict, dict, dict]:
    path = REFERENCE / "weight_diffs" / "t5_small_layout_tiny.npz"
    with np.load(path) as arrays:
        base, model = (
            {name.removeprefix(side): arrays[name] for name in arrays if name.startswith(side)}
            for side in ("ref/", "ft/")
        )
    told = json.loads(path.with_suffix(".expected.json").read_text())
    return base, model, told["tables"]


def lines(text: str) -> dict[str, list[str]]:
    return {name: values for name, *values in csv.reader(io.StringIO(text), delimiter="\t")}


@pytest.mark.parametrize("key", ["l1", "cossim"])
def test_the_published_tables(tmp_path, key) -> None:
    """The script rounds the cosine of each row to float32, which costs small angles digits."""
    base, model, tables = t5()
    found = compared(tmp_path, base, model, collect=Collect(rows=True, columns=True))
    table = lines(heatmap_text(heatmap_of(found, ORIGINALS[key]), "tsv"))
    told = [cells for side in tables.values() for cells in side.values()]
    assert len(told) >= 16
    for cells in told:
        stack, layers, _, *rest = cells[0]["key"].split(".")
        values = [float(value) for value in table[".".join((stack, layers, "*", *rest))]]
        expected = [cell[f"ORIG_{key}"] for cell in cells]
        assert values == pytest.approx(expected, rel=1e-5, abs=1e-5 if key == "cossim" else 0)
        if key == "cossim":
            exact = [cell["angular_rowmean_pi"] * math.pi / 3.141 for cell in cells]
            assert values == pytest.approx(exact, rel=1e-9)


def test_a_tensor_of_nan_is_no_zero_in_any_format(tmp_path) -> None:
    base = {f"h.{at}.w": np.ones(2, F32) for at in range(2)} | {"head": np.ones(2, F32)}
    broken = np.array([1.0, np.nan], F32)
    heatmap = heatmap_of(
        compared(tmp_path, base, base | {"h.1.w": broken, "head": broken}), METRICS["rel_l2"]
    )
    assert lines(heatmap_text(heatmap, "tsv")) == {"h.*.w": ["0.0", "NaN"], "head": ["NaN", ""]}
    rows = list(csv.DictReader(io.StringIO(heatmap_text(heatmap, "csv"))))
    assert [rows[0]["0"], rows[0]["1"], rows[1]["value"]] == ["0.0", "NaN", "NaN"]
    assert "NaN" in heatmap_text(heatmap, "md")
    told = json.loads(heatmap_text(heatmap, "json"))["sections"]
    assert told[0]["values"] == [[0.0, None]] and told[0]["states"] == [["same", "not_finite"]]


def test_hostile_names_keep_a_line_a_matrix(tmp_path) -> None:
    base = {f"=l\t{at}.{at}.a\nb\x1b[2J": np.ones(2, F32) for at in range(2)}
    base |= {f"h.{at}.w": np.ones(2, F32) for at in range(2)}
    found = compared(tmp_path, base, {name: v * 2 for name, v in base.items()})
    heatmap = heatmap_of(found, METRICS["rel_l2"])
    for form in ("tsv", "csv", "md", "json"):
        text = heatmap_text(heatmap, form)
        assert all(char.isprintable() or char in "\n\t" for char in text)
    table = lines(heatmap_text(heatmap, "tsv"))
    assert table["h.*.w"] == ["1.0", "1.0"]
    assert not any(name.startswith("=") for name in table)


def test_cells_without_a_number(tmp_path) -> None:
    base = {"h.0.w": np.zeros(2, F32), "h.1.w": np.ones(2, F32), "h.1.v": np.ones(2, F32)}
    found = compared(tmp_path, base, {name: v + 1 for name, v in base.items()})
    heatmap = heatmap_of(found, METRICS["rel_l2"])
    assert lines(heatmap_text(heatmap, "tsv")) == {"h.*.w": ["", "1.0"], "h.*.v": ["", "1.0"]}
    (section,) = json.loads(heatmap_text(heatmap, "json"))["sections"]
    values = dict(zip(section["kinds"], section["values"], strict=True))
    assert values == {"w": [None, 1.0], "v": [None, 1.0]}
    rows = heatmap_text(heatmap, "csv").splitlines()
    assert rows[0] == '"section","kind","0","1"'
    assert set(rows[1:]) == {'"h","w",,1.0', '"h","v",,1.0'}
    states = dict(zip(section["kinds"], section["states"], strict=True))
    assert states == {"w": ["undefined", "changed"], "v": ["absent", "changed"]}
