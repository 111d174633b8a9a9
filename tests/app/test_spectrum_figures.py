"""The figures of singular values, ranks and profiles, without an app."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.delta.heat import MatrixView
from inspect_core.delta.profile import Profile, Units
from inspect_core.delta.spectrum import Spectrum
from inspect_core.work.spectra import TensorProfile, TensorSpectrum
from themes import load_theme
from tui.figures.columns import column_chart, under
from tui.figures.profile import Side, profile_figure
from tui.figures.ranks import ranks_figure, shared
from tui.figures.spectrum import first_of, rank_words, spectrum_figure
from tui.palette import Depth, make_palette

SIZES = [(40, 12), (60, 20), (78, 30), (138, 56)]


@pytest.fixture(params=[(False, Depth.TRUE), (False, Depth.ANSI), (True, Depth.NONE)])
def palette(request):
    return make_palette(load_theme("lamella-dark"), request.param[0], depth=request.param[1])


def spectrum_of(values, noise=1e-3, exact=True, **more):
    values = np.array(values, np.float64)
    energy = float(np.sum(values**2))
    facts = {"method": "exact, LAPACK in float64", "rows": len(values), "columns": 90,
             "energy": energy, "changed": int(energy > 0), "noise": noise, "noise_dtype": "BF16",
             "numerical": 0.0} | more  # fmt: skip
    return Spectrum(values, exact, **facts)


def tensor_of(spectrum, name="layer.0.w", slices=1):
    return TensorSpectrum(name, name, MatrixView(6, 90, slices), spectrum)


def drawn(figure, width):
    assert all(strip.cell_length <= width for strip in figure.lines)
    return [strip.text.rstrip() for strip in figure.lines]


def of_spectrum(found, palette, width=78, height=30):
    figure = spectrum_figure(found, (6, 90), "BF16", [], palette, width, height)
    return figure, drawn(figure, width)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("count", [1, 6, 100, 1024])
def test_a_spectrum_fits_and_its_columns_can_be_visited(palette, count, width, height):
    values = 2.0 ** -np.arange(count)
    figure, lines = of_spectrum(tensor_of(spectrum_of(values)), palette, width, height)
    [plot] = figure.plots
    assert plot.top + plot.height <= len(lines) and plot.left + plot.width <= width
    said = [plot.says(0, column) for column in range(plot.columns)]
    assert said[0].startswith(("value 1 ", "value 1-")) and f"of {count} " in said[-1]
    if palette.ascii_only:
        assert all(line.isascii() for line in lines)


def test_the_rank_stands_above_and_noise_is_told_from_it(palette):
    figure, lines = of_spectrum(tensor_of(spectrum_of([1.0, 0.5, 1e-4, 1e-4])), palette)
    assert lines[1] == "rank 2 of 4, above the rounding noise of BF16 (.00100)"
    [plot] = figure.plots
    assert "below the noise" not in plot.says(0, 0)
    assert "below the noise" in plot.says(0, plot.columns - 1)
    mark = "-" if palette.ascii_only else "╌"
    assert any(line.count(mark * 3) for line in lines[2:])  # where no column stands


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "rank 1 of 2, above the rounding noise of BF16 (.00100)"),
        ({"exact": False, "noise": 1e-9}, "rank at least 2 of 2, above"),
        ({"changed": 0}, "rank 0: no value differs"),
        ({"untold": "it is so"}, "no rank can be told: it is so"),
        ({"numerical": 0.01}, "above what float64 can tell from zero (.0100)"),
    ],
)
def test_what_is_said_of_the_rank(more, words):
    assert words in rank_words(spectrum_of([1.0, 1e-4], **more))


def test_a_refusal_is_said_and_is_made_safe(palette):
    found = TensorSpectrum("x\x1b[31m", None, MatrixView(1, 3), None, "bad \x1b[2J name")
    figure, lines = of_spectrum(found, palette)
    assert not figure.plots and not any("\x1b" in line for line in lines)
    assert any("name" in line for line in lines)


@given(st.integers(1, 5000), st.integers(2, 200))
def test_columns_begin_in_order_and_end_with_the_last(count, width):
    firsts = [first_of(column, width, count) for column in range(width)]
    assert firsts == sorted(firsts) and firsts[0] == 0 and firsts[-1] == count - 1


@given(st.integers(1, 3000), st.integers(1, 150))
def test_every_unit_has_a_column(count, width):
    side = Side("row", "", Units(1, *np.ones((3, count))), True)
    spans = [side.span(column, width) for column in range(width)]
    assert {unit for a, b in spans for unit in range(a, b)} == set(range(count))
    for unit in (0, count // 2, count - 1):
        a, b = side.span(side.column(unit, width), width)
        assert a <= unit < b


def profile_of(rows, columns, slices=1):
    def units(sizes):
        with np.errstate(over="ignore"):
            squares = np.square(np.array(sizes, np.float64))
        return Units(4, np.array(sizes, np.float64), squares, np.full(len(squares), 4.0))

    view = MatrixView(len(rows), len(columns), slices)
    return TensorProfile("w", "w", view, Profile(units(rows), units(columns)))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_profile_names_the_units_that_moved(palette, width, height):
    rows, columns = np.full(200, 0.1), np.zeros(7)
    rows[143], columns[2] = 8.0, 3.0
    found = profile_of(rows, columns)
    figure = profile_figure(found, (200, 7), "F32", [], palette, width, height, "Linear")
    lines = drawn(figure, width)
    above, below = figure.plots
    assert above.says(*above.peak).startswith("row 143   L2 of d 8   relative L2 4")
    assert below.says(*below.peak).startswith("column 2   L2 of d 3")
    assert above.top + above.height < below.top and below.top + below.height <= len(lines)
    assert any("rows (output units), L2" in line for line in lines)
    if width > 70:
        assert any("in 1 of 200 rows" in line for line in lines)
        assert any("half of the squared change" in line for line in lines)


def test_the_type_says_what_rows_are(palette):
    figure = profile_figure(profile_of([1.0], [1.0]), (1, 1), "F32", [], palette, 80, 30, "Conv1D")
    assert any("rows (input units)" in line for line in drawn(figure, 80))


def test_a_profile_of_nothing_that_moved(palette):
    figure = profile_figure(profile_of([0.0] * 5, [0.0] * 5), (5, 5), "F32", [], palette, 80, 30)
    assert any("in 0 of 5 rows" in line for line in drawn(figure, 80))


@pytest.mark.parametrize("count", [1, 2, 4, 5, 32])
def test_no_unit_is_named_twice_on_an_axis(palette, count):
    figure = profile_figure(
        profile_of([1.0] * count, [1.0] * count), (count, count), "F32", [], palette, 120, 40
    )
    lines = drawn(figure, 120)
    axes = [words for words in map(str.split, lines) if words and all(map(str.isdigit, words))]
    assert len(axes) == 2
    for named in axes:
        ticks = [int(word) for word in named]
        assert ticks == sorted(set(ticks)) and ticks[-1] == count - 1
        assert len(ticks) == min(5, count)


def test_a_profile_of_infinite_units_is_drawn(palette):
    figure = profile_figure(
        profile_of([1e200, math.inf], [1.0, 2.0]), (2, 2), "F64", [], palette, 80, 30
    )
    assert figure.plots[0].says(0, 0)


def test_ranks_are_a_line_each_and_lead_to_their_tensor(palette):
    found = [
        tensor_of(spectrum_of([1.0, 0.1]), "layer.0.query.weight"),
        tensor_of(spectrum_of([0.0, 0.0]), "layer.0.key.weight"),
        tensor_of(spectrum_of([1.0, 0.1], exact=False), "layer.1.query.weight"),
    ]
    figure = ranks_figure("layer", "x2", found, 4, [], palette, 60, 20)
    lines = drawn(figure, 60)
    assert lines[1].split() == ["layer.*.query.weight", "rank", "effective", "stable", "top", "8"]
    assert lines[2].split()[:2] == ["0", "2"] and lines[3].split()[:2] == ["1", "2+"]
    assert "1 of 3 did not change: rank 0" in lines and "3 of 4 so far" in lines
    [plot] = figure.plots
    assert [plot.target(row, 0) for row in range(2)] == [
        "layer.0.query.weight", "layer.1.query.weight",
    ]  # fmt: skip
    assert "rank at least 2" in plot.says(1, 0)


def test_more_ranks_than_fit_are_scrolled_to(palette):
    found = [tensor_of(spectrum_of([1.0]), f"l.{k}.w") for k in range(30)]
    found.append(tensor_of(spectrum_of([0.0]), "l.30.w"))
    figure = ranks_figure("l", "", found, 40, [], palette, 60, 12)
    lines = drawn(figure, 60)
    assert figure.plots[0].rows == 30 and not any("do not fit" in line for line in lines)
    # What is said of all of them is in sight.
    assert "page down" in lines[0] and "31 of 40 so far" in lines[:12]
    assert "1 of 31 did not change: rank 0" in lines[:12]


def test_of_thousands_of_ranks_the_others_are_counted(palette):
    found = [tensor_of(spectrum_of([1.0]), f"l.{k}.w") for k in range(900)]
    figure = ranks_figure("l", "", found, 900, [], palette, 60, 12)
    lines = drawn(figure, 60)
    rows = figure.plots[0].rows
    assert rows < 900 and any(f"{900 - rows} more tensors do not fit" in line for line in lines)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.0.w", "a.1.w"], ("a.", ".w")),
        (["a.0.w"], ("", "")),
        (["w", "a.w"], ("", "")),
        (["a.b", "a.b.c"], ("a.", "")),
        (["a.a", "a.a.a"], ("a.", "")),
        (["ab.w", "ac.w"], ("", ".w")),
    ],
)
def test_what_names_share_is_said_once(names, expected):
    assert shared(names) == expected


def test_a_chart_shows_what_is_little_and_leaves_out_what_is_nothing(palette):
    style = palette.styles["tunable"]
    heights = [1e-9, 0.0, math.nan, 1.0, 2.0]
    lines = [strip.text for strip in column_chart(heights, 3, palette, [style] * 5)]
    full = "#" if palette.ascii_only else "█"
    assert [line[3:] for line in lines] == [full * 2] * 3
    assert lines[2][0] != " " and lines[2][1:3] == "  " and lines[0][:3] == "   "


def test_labels_do_not_run_into_each_other(palette):
    line = under([(0, "1"), (2, "1000"), (4, "2000"), (11, "3000")], 12, palette)
    assert line.text.split() == ["1", "1000", "3000"] and len(line.text) <= 12
