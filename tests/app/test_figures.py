"""Figures: every cell has the colour of its value, every line fits, every name is inert."""

import math

import numpy as np
import pytest
from app_made import HOSTILE
from overview_made import (
    ASCII,
    COLOR,
    MONOCHROME,
    PALETTES,
    colors,
    line_of,
    overview,
    section,
    text,
)  # fmt: skip

from inspect_core.delta.heat import HeatGrid, MatrixView, Window
from inspect_core.delta.histogram import HISTOGRAM_BINS, histogram_edges
from inspect_core.delta.summary import Summary
from inspect_core.text import clean
from inspect_core.work.inspections import TensorDetail
from tui import format as fmt
from tui.figures.message import message_figure
from tui.figures.module import module_figure
from tui.figures.parts import statistics_lines
from tui.figures.tensor import SIDE_COLUMNS, WIDE, grid_for, tensor_figure
from tui.palette import LEVELS
from tui.plots import HALF_BLOCK

WIDTHS = [10, 20, 54, WIDE - 1, WIDE, 120, 200]

NUMBERS = Summary(
    numel=20, changed=5, left_out=2, nonfinite_model=2, sum_d=1.8, abs_d=3.6, sq_d=0.9,
    abs_model=9, abs_reference=8, sq_model=11, sq_reference=10, dot=9.99999, residual=1e-5,
    max_abs=0.7,
)  # fmt: skip


def detail_of(mean, name="a.weight", reference="a.weight", summary=NUMBERS, view=None):
    mean = np.array(mean, float)
    cells = np.zeros((4, *mean.shape))
    cells[0], cells[3] = np.nan_to_num(mean), ~np.isnan(mean)
    view = view or MatrixView(*mean.shape)
    return TensorDetail(name, reference, summary, HeatGrid(cells), view, Window.all_of(view))


def tensor(*mean, **of):
    return tensor_plots(*mean, **of).lines


def tensor_plots(mean, palette=COLOR, width=80, height=20, notes=(), **of):
    detail = of.pop("detail", None) or detail_of(mean)
    return tensor_figure(detail, (4, 4), "F32", notes, palette, width, height)


@PALETTES
@pytest.mark.parametrize("width", WIDTHS)
def test_an_overview_never_overflows(palette, width):
    for shape in ((1, 2), (3, 12), (40, 61)):
        _overview_fits(palette, width, np.random.default_rng(0).random(shape))


def _overview_fits(palette, width, values):
    for height in (4, 40):
        lines = overview([values], palette, width, height, NUMBERS, ["a note of some length " * 4])
        assert max(strip.cell_length for strip in lines) <= width
    sections = [section([f"{k}.weight" for k in range(len(values))], [""], "outside the layers")]
    lines = overview([values[:, :1]], palette, width, 24, NUMBERS, sections=sections)
    assert max(strip.cell_length for strip in lines) <= width


@PALETTES
@pytest.mark.parametrize("width", WIDTHS)
def test_a_tensor_never_overflows(palette, width):
    for shape in ((1, 1), (1, 300), (2, 2), (40, 174), (300, 7)):
        _tensor_fits(palette, width, np.random.default_rng(0).normal(size=shape))


def _tensor_fits(palette, width, mean):
    for height in (4, 40):
        rows, columns = grid_for(width, height, palette)
        detail = detail_of(mean[:rows, :columns], name="model.layers.11." * 5)
        notes = ["compared with another name, of some length " * 3]
        lines = tensor(None, palette, width, height, notes, detail=detail)
        assert max(strip.cell_length for strip in lines) <= width


@pytest.mark.parametrize("width", [60, 120])
def test_cells_of_a_matrix_have_the_colour_of_their_value(width):
    mean = np.array([[-1.0, -0.5, 0.0, 0.5], [1.0, 0.25, 0.0, -0.25]])
    lines = tensor(mean, width=width, height=20)
    rows = [colors(strip) for strip in lines if strip.text.startswith(HALF_BLOCK)][:2]
    wide = (width - SIDE_COLUMNS if width >= WIDE else width) // 4
    for at, pairs in enumerate(rows):
        for column in range(4):
            level = round(mean[at, column] * (LEVELS // 2)) + LEVELS // 2
            assert pairs[column * wide] == (COLOR.diverging[level],) * 2
            assert pairs[column * wide + wide - 1] == (COLOR.diverging[level],) * 2


def test_a_missing_cell_is_background_and_zero_is_the_middle():
    lines = tensor([[math.nan, 0.0], [1.0, -1.0]], width=40)
    pairs = [colors(strip) for strip in lines if strip.text.startswith(HALF_BLOCK)]
    assert pairs[0][0] == (COLOR.background,) * 2
    assert pairs[0][-1] == (COLOR.diverging[LEVELS // 2],) * 2
    assert pairs[1][0][0] == COLOR.diverging[-1] and pairs[1][-1][0] == COLOR.diverging[0]


def test_an_outlier_leaves_the_rest_visible():
    mean = np.full((40, 40), 0.1)
    mean[::2] *= -1
    mean[3, 3] = 1e6
    found = {pair for s in tensor(mean, width=60, height=30) for pair in colors(s)[:1]}
    assert (COLOR.diverging[0], COLOR.diverging[-1]) in found


@PALETTES
def test_nothing_in_a_tensor_is_said(palette):
    lines = tensor(np.zeros((3, 3)), palette)
    assert "0 everywhere" in text(lines)
    empty = detail_of(np.full((1, 1), math.nan), summary=Summary(), view=MatrixView(0, 4))
    lines = tensor(None, palette, detail=empty)
    assert "n/a" in text(lines) and "0--1" not in text(lines)


@pytest.mark.parametrize("palette", [MONOCHROME, ASCII], ids=["mono", "ascii"])
def test_a_sign_can_be_told_without_colour(palette):
    one, other = (text(tensor([[sign, sign]] * 2, palette)) for sign in (1.0, -1.0))
    assert one != other


def test_slices_are_counted_and_their_keys_named():
    view = MatrixView(2, 2, slices=8, index=3)
    lines = tensor(None, detail=detail_of([[1.0, 2.0], [3.0, 4.0]], view=view))
    assert "slice 4 of 8, [ ] for others; numbers are of all" in text(lines)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("relative L2", fmt.number(math.sqrt(0.09))), ("mean |d|", ".200"), ("max |d|", ".700"),
        ("L2", fmt.number(math.sqrt(0.9))), ("changed", "25.0%"), ("elements", "20"),
        ("cosine", f"1 - {fmt.number(1 - NUMBERS.cosine)}"),
        ("angle", f"{fmt.number(NUMBERS.angle)} rad"),
    ],
)  # fmt: skip
def test_statistics_of_a_delta_are_those_of_the_summary(label, value):
    found = line_of(statistics_lines(NUMBERS, True, COLOR), f"{label} ").text
    assert found.removeprefix(label).strip() == value


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("mean", ".100"), ("std", fmt.number(NUMBERS.std)), ("mean |w|", ".200"),
        ("max |w|", ".700"), ("L2", fmt.number(math.sqrt(0.9))), ("elements", "20"),
    ],
)  # fmt: skip
def test_statistics_of_values_are_those_of_the_summary(label, value):
    found = line_of(statistics_lines(NUMBERS, False, COLOR), f"{label} ").text
    assert found.removeprefix(label).strip() == value


def test_what_was_left_out_is_said():
    lines = statistics_lines(NUMBERS, True, COLOR)
    (line,) = [strip.text for strip in lines if "NaN" in strip.text]
    assert "2" in line
    lines = statistics_lines(Summary(numel=3, changed=3, left_out=3), True, COLOR)
    assert line_of(lines, "max |d|").text.endswith("n/a")


@PALETTES
def test_the_histogram_has_its_decades(palette):
    histogram = np.zeros(HISTOGRAM_BINS, np.int64)
    edges = histogram_edges()
    histogram[int(np.searchsorted(edges, 2e-5)) - 1] = 4
    histogram[int(np.searchsorted(edges, 0.5)) - 1] = 8
    summary = Summary(numel=12, changed=12, abs_d=1, sq_d=1, sq_reference=1, histogram=histogram)
    (bars,) = [s.text for s in statistics_lines(summary, True, palette) if "1e0" in s.text]
    assert bars.startswith("|d| 1e-5 ") and bars.endswith(" 1e0")
    marks = bars.removeprefix("|d| 1e-5 ").removesuffix(" 1e0")
    assert len(marks) == 5 and marks[1:4] == "   " and marks[0] != marks[4]


@pytest.mark.parametrize("name", HOSTILE)
@PALETTES
def test_foreign_names_reach_no_segment_raw(name, palette):
    sections = [section([name, f"{name}.weight"], [name, "1"], name), section([name], [""], name)]
    drawn = [
        *overview(
            [np.ones((2, 2)), np.ones((1, 1))], palette, sections=sections, title=clean(name)
        ),
        *tensor(None, palette, detail=detail_of([[1.0]], name=name)),
        *message_figure(clean(name), [clean(name)], palette, 40),
    ]
    for strip in drawn:
        for segment in strip:
            assert all(char.isprintable() for char in segment.text), segment.text
            assert segment.control is None
            assert segment.style is None or not (segment.style.link or segment.style.meta)


def test_ascii_is_ascii():
    values = np.random.default_rng(0).random((3, 5))
    drawn = [
        *overview([values], ASCII, summary=NUMBERS),
        *overview([values[:, :1]], ASCII, sections=[section("abc", [""], "")]),
        *tensor(values - 0.5, ASCII),
        *overview([np.ones((90, 300))], ASCII, 40, 12),
        *overview([np.ones((1, 2))], ASCII, 40, sections=[section(["long" * 30], "01")]),
    ]
    assert [strip.text for strip in drawn if not strip.text.isascii()] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_a_message_is_wrapped(width):
    lines = message_figure("cannot open", ["a sentence of words " * 9, "x" * 300], COLOR, width)
    assert all(strip.cell_length <= max(10, width) for strip in lines[1:])
    assert text(lines).count("sentence") == 9


def module(*details, **of):
    return module_plots(*details, **of).lines


def module_plots(details, palette=COLOR, width=80, height=20):
    shapes = ["4 x 4 F32"] * len(details)
    return module_figure("layers.1", "Layer", details, shapes, (), palette, width, height)


def test_a_module_draws_each_parameter_on_its_own_scale():
    large, small = (
        detail_of([[8.0, -8.0]] * 4, "layers.1.w"),
        detail_of([[1e-3, -1e-3]], "layers.1.b"),
    )
    lines = module([large, small])
    drawn = text(lines)
    assert "w  4 x 4 F32" in drawn and "scale 8" in drawn and "scale .00100" in drawn
    first_large = colors(lines[[s.text.startswith("w") for s in lines].index(True) + 1])
    first_small = colors(lines[[s.text.startswith("b") for s in lines].index(True) + 1])
    assert first_large[0] == first_small[0] == (COLOR.diverging[-1],) * 2
    assert first_large[-1] == (COLOR.diverging[0],) * 2


def test_a_module_says_which_parameters_did_not_change():
    lines = module([detail_of([[0.0]], "layers.1.w"), detail_of([[1.0]], "layers.1.b")])
    assert "w  4 x 4 F32  no change" in text(lines)


@pytest.mark.parametrize("width", [20, 50, 73, 74, 120, 200])
@PALETTES
def test_a_module_never_overflows(palette, width):
    name = "layers.1." + "very_long_name" * 9
    lines = module([detail_of([[1.0, 2.0]] * 5, name)] * 6, palette, width, 24)
    assert len(lines) <= 24
    assert all(strip.cell_length <= width for strip in lines)
