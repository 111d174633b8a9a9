"""Overviews: every cell has the colour of its value, every state its own look, on one scale."""

import math

import numpy as np
import pytest
from overview_made import (
    ASCII,
    COLOR,
    MONOCHROME,
    PALETTES,
    colors,
    line_of,
    overview,
    overview_plots,
    section,
    text,
)  # fmt: skip

from inspect_core.delta.metrics import METRICS
from inspect_core.results.heatmap import ABSENT, NOT_FINITE, SAME, UNCOMPARED, UNDEFINED, VALUE
from inspect_core.results.scale import SCALES
from tui.figures.cells import CLIPPED, paint_heat
from tui.figures.cells import MONO_LEVELS as MONO
from tui.figures.figure import neighbour
from tui.figures.heat import GAP, arrange
from tui.figures.legend import legend
from tui.figures.overview import View, overview_lines
from tui.palette import LEVELS, Depth, make_palette


def test_cells_of_an_overview_have_the_colour_of_their_value():
    values = np.array([[0.0, 0.25, 1.0], [0.5, 0.125, 0.75]])
    lines = overview([values], width=60)
    for row, label in enumerate(("kind0", "kind1")):
        found = colors(line_of(lines, label))
        cell = len(found) // 3
        for column in range(3):
            level = round(values[row, column] * (LEVELS - 1))
            value = values[row, column]
            wanted = (COLOR.sequential[level] if value else COLOR.same,) * 2
            assert found[column * cell : (column + 1) * cell] == [wanted] * cell


@pytest.mark.parametrize("width", [24, 80])
def test_all_sections_are_on_one_scale(width):
    sections = [section(["a"], "01", "one"), section(["b"], "01", "two")]
    values = [[[0.1, 0.1]], [[0.0, 0.4]]]
    lines = overview(values, sections=sections, width=width)
    found = [color for strip in lines[1:5] for color, _ in colors(strip)]
    assert COLOR.sequential[round(0.25 * (LEVELS - 1))] in found
    assert COLOR.sequential[-1] in found and COLOR.same in found
    assert ".400" in text(lines) and "relative L2" in text(lines)


def sections_of_two(width):
    sections = [section(["q", "k"], "0123", "encoder"), section(["q", "xq"], "01", "decoder")]
    values = np.arange(1.0, 9.0).reshape(2, 4), np.arange(1.0, 5.0).reshape(2, 2)
    return overview_plots(values, sections=sections, width=width)


def test_sections_stand_side_by_side_where_there_is_room():
    wide, narrow = sections_of_two(60), sections_of_two(18)
    assert wide.plots[0].top == wide.plots[1].top
    assert wide.plots[1].left >= wide.plots[0].left + wide.plots[0].width + GAP
    assert narrow.plots[1].top >= narrow.plots[0].top + narrow.plots[0].height
    head = next(strip.text for strip in wide.lines if "encoder" in strip.text)
    assert "decoder" in head


def test_cells_side_by_side_are_as_wide_as_each_other():
    encoder, decoder = sections_of_two(60).plots
    assert encoder.width // encoder.columns == decoder.width // decoder.columns


def test_a_cell_side_by_side_says_and_leads_to_its_own():
    figure = sections_of_two(60)
    for number, plot in enumerate(figure.plots):
        for row in range(plot.rows):
            for column in range(plot.columns):
                assert plot.says(row, column) == f"cell {(number, row, column)}"
                assert plot.target(row, column) == f"to {(number, row, column)}"
                line, at = plot.place(row, column)
                assert plot.cell(line, at) == (row, column)


def test_the_cursor_goes_over_to_the_next_section():
    plots = sections_of_two(60).plots
    assert neighbour(plots, 0, 1, 3, 0, 1) == (1, 1, 0)
    assert neighbour(plots, 1, 1, 0, 0, -1) == (0, 1, 3)
    assert neighbour(plots, 1, 1, 1, 0, 1) is None and neighbour(plots, 0, 1, 0, 1, 0) is None
    plots = sections_of_two(18).plots
    assert neighbour(plots, 0, 1, 0, 1, 0) == (1, 0, 0)
    assert neighbour(plots, 1, 0, 0, -1, 0) == (0, 1, 0)
    assert neighbour(plots, 0, 1, 3, 0, 1) is None


def test_the_cursor_goes_down_to_the_bars():
    sections = [section(["q"], "0123", "encoder"), section(["embed"], [""], "outside the layers")]
    figure = overview_plots([np.ones((1, 4)), np.ones((1, 1))], sections=sections)
    for column in range(4):
        assert neighbour(figure.plots, 0, 0, column, 1, 0) == (1, 0, 0)


def all_states(palette, shares=(0.5,)):
    without = [ABSENT, UNCOMPARED, UNDEFINED, SAME, NOT_FINITE]
    states = np.array([[*without, *[VALUE] * len(shares), VALUE]])
    values = np.array([[0.0, 0.0, 0.0, 0.0, math.nan, *shares, 1.0]])
    clipped = np.zeros(states.shape, bool)
    clipped[0, -1] = True
    (line,) = paint_heat(values, states.astype(np.uint8), clipped, palette, 1)
    return [
        (char, segment.style.color, segment.style.bgcolor)
        for segment in line
        for char in segment.text
    ]


@pytest.mark.parametrize("depth", list(Depth))
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("name", ["lamella-dark", "lamella-light", "lamella-contrast"])
def test_no_two_states_look_alike(depth, ascii_only, name):
    from themes import load_theme

    palette = make_palette(load_theme(name), ascii_only, depth=depth)
    found = all_states(palette, (0.0, 0.5, 1.0))
    assert len(set(found)) == len(found)


def test_a_cell_without_a_value_is_background():
    shape = section(["kind0"], "012")
    lines = overview([[[math.nan, 1.0, math.inf]]], sections=[shape])
    strip = line_of(lines, "kind0")
    assert "·" in strip.text
    assert colors(strip)[-1] == (COLOR.undefined,) * 2
    assert "n/a" in text(lines) and "not compared" in text(lines)
    assert "n/a" not in text(overview([[[math.nan, 1.0, 0.5]]]))
    mono = line_of(overview([[[math.nan, 1.0, math.inf, 0.0]]], MONOCHROME), "kind0").text
    assert set(mono.split("kind0")[1].strip(" ")) == {"/", "?", ".", MONO[-1]}


def not_finite(*values):
    states = [SAME if v == 0.0 else NOT_FINITE if math.isnan(v) else VALUE for v in values]
    return section(["kind0"], map(str, range(len(values))), values=[values], states=[states])


def drawn_of(found, palette=COLOR, delta=True):
    view = View(METRICS["rel_l2"], "linear", palette, 70, delta)
    return overview_lines([found], view, 20)


@PALETTES
def test_what_became_nan_has_a_mark_and_the_cursor_goes_there_first(palette):
    lines, (plot,) = drawn_of(not_finite(0.0, 1.0, math.nan, 0.5), palette)
    assert line_of(lines, "kind0").text.removeprefix("kind0").count("!") >= 1
    assert plot.peak == (0, 2)
    assert "! NaN or inf" in text(lines)


def test_a_model_that_changed_by_nan_alone_is_not_zero_everywhere():
    lines, _ = drawn_of(not_finite(0.0, 0.0, math.nan))
    assert "everywhere" not in text(lines) and "no change" in text(lines)
    lines, _ = drawn_of(not_finite(math.nan, math.nan))
    assert "0" not in text(lines[-1:]) and "NaN or inf" in text(lines)


def test_a_bar_of_what_became_nan_says_so():
    found = section(["a", "b"], [""], "", [[math.nan], [0.5]], [[NOT_FINITE], [VALUE]])
    lines, (plot,) = drawn_of(found)
    assert "! NaN or inf" in line_of(lines, "a ").text
    assert plot.peak == (0, 0)


def test_many_columns_in_a_cell_do_not_hide_what_became_nan():
    values = [1.0] * 200
    values[77] = math.nan
    _, (plot,) = drawn_of(not_finite(*values))
    assert plot.columns < 100 and plot.peak == (0, 77 // -(-200 // plot.columns))


@PALETTES
def test_nothing_compared_yet_is_a_figure_too(palette):
    lines = overview([np.full((2, 3), math.nan)], palette)
    assert "kind1" in text(lines)
    assert overview([], palette, sections=[])


def test_nothing_changed_is_said():
    assert "relative L2 0 everywhere" in text(overview([np.zeros((2, 3))]))
    assert "no change" in text(overview([[[0.0, 1.0]]]))
    assert "no change" not in text(overview([[[0.5, 1.0]]]))


def test_no_value_is_not_zero():
    drawn = text(overview([np.full((2, 3), math.nan)]))
    assert "nothing to show" in drawn and "0 everywhere" not in drawn


def test_every_column_has_its_name_or_its_place():
    lines = overview([np.ones((1, 12))], width=40)
    head = next(strip.text for strip in lines if strip.text.split()[:2] in (["0", "1"], ["0", "2"]))
    found = [int(part) for part in head.split() if part.isdigit()]
    assert found[0] == 0 and found == sorted(found) and len(found) > 1
    cells = len(colors(line_of(lines, "kind0"))) // 12
    for number in found:
        assert head.index(f" {number}") + 1 == head.index(" 0") + 1 + number * cells


@pytest.mark.parametrize("columns", [61, 96, 500])
def test_columns_that_do_not_fit_are_merged_and_the_largest_stays(columns):
    values = np.full((2, columns), 0.1)
    values[0, columns - 2] = 1.0
    figure = overview_plots([values], width=60)
    (plot,) = figure.plots
    each = -(-columns // plot.columns)
    assert f"{each} columns a cell: the largest" in text(figure.lines)
    assert plot.peak == (0, (columns - 2) // each)
    assert plot.says(*plot.peak).startswith(f"cell {(0, 0, columns - 2)}")
    assert plot.target(*plot.peak) == f"to {(0, 0, columns - 2)}"
    assert colors(line_of(figure.lines, "kind0"))[plot.peak[1]][0] == COLOR.sequential[-1]


def test_a_merged_cell_says_which_columns_it_is_of():
    told = []
    figure = overview_plots([np.ones((1, 96))], width=60, tell=lambda *at: told.append(at) or "")
    figure.plots[0].says(0, 1)
    number, row, column, several = told[0]
    assert (number, row) == (0, 0) and several == ("2", "3") and column in (2, 3)


def test_kinds_that_do_not_fit_are_counted():
    lines = overview([np.ones((90, 3))], height=20)
    assert sum(strip.text.startswith("kind") for strip in lines) == 90, "the pane scrolls"
    assert "page down" in lines[0].text
    assert "page down" not in overview([np.ones((2, 3))], height=20)[0].text
    lines = overview([np.ones((900, 3))], height=20)
    shown = sum(strip.text.startswith("kind") for strip in lines)
    assert f"{900 - shown} more rows" in text(lines)


def test_without_an_axis_there_are_bars():
    sections = [section(["embed.weight", "norm.weight"], [""], "")]
    lines = overview([[[0.5], [1.0]]], sections=sections)
    bars = [line_of(lines, name).text.count("█") for name in ("embed", "norm")]
    assert bars[1] == 2 * bars[0] > 0
    assert ".500" in line_of(lines, "embed").text


def test_a_bar_of_nothing_says_why():
    sections = [section(["a", "b", "c", "d"], [""], "")]
    lines = overview([[[0.0], [math.nan], [math.inf], [1.0]]], sections=sections)
    for label, words in (("a ", "no change"), ("b ", "not compared"), ("c ", "n/a")):
        assert words in line_of(lines, label).text and "█" not in line_of(lines, label).text


def test_labels_that_are_cut_stay_different():
    kinds = [f"block.very_long_name_of_a_kind_{k}_that_goes_on_and_on" for k in range(12)]
    for width in (20, 30, 44):
        placed = arrange([(0, section(kinds, "0123"))], width)[0][0]
        assert len(set(placed.labels)) == len(kinds), width


def test_monochrome_levels_grow_with_the_value():
    values = np.linspace(0.01, 1, 10)[None]
    marks = line_of(overview([values], MONOCHROME, width=80), "kind0").text[6:]
    order = [MONO.index(mark) for mark in dict.fromkeys(marks)]
    assert order == sorted(order) and order[-1] == len(MONO) - 1


OUTLIER = np.full((4, 12), 0.1) * np.linspace(0.5, 1.0, 12)
OUTLIER[2, 5] = 50.0


def test_a_robust_scale_leaves_the_rest_visible_and_marks_what_is_beyond():
    linear, robust = (overview_plots([OUTLIER], scale=kind, width=60) for kind in SCALES[1::-1])
    dark = {color for color, _ in colors(line_of(linear.lines, "kind0"))}
    assert dark == {COLOR.sequential[0]}
    assert len({color for color, _ in colors(line_of(robust.lines, "kind0"))}) > 5
    assert CLIPPED in line_of(robust.lines, "kind2").text
    assert CLIPPED not in line_of(robust.lines, "kind1").text
    drawn = text(robust.lines)
    assert "robust scale" in drawn and f"{CLIPPED} beyond, up to 50" in drawn
    assert CLIPPED not in text(linear.lines)


@pytest.mark.parametrize("kind", SCALES)
def test_the_legend_says_which_scale_it_is(kind):
    assert f"relative L2, {kind} scale" in text(overview([[[0.5, 1.0]]], scale=kind, width=60))


def test_a_logarithmic_scale_says_both_of_its_ends():
    lines = overview([[[1e-6, 1e-4, 1e-2]]], scale="log", width=60)
    levels = [COLOR.sequential.index(color) for color, _ in colors(line_of(lines, "kind0"))]
    steps = list(dict.fromkeys(levels))
    assert steps[1] - steps[0] == pytest.approx(steps[2] - steps[1], abs=1)
    assert "1.0e-6 " in text(lines) and ".0100  relative L2, log scale" in text(lines)


def test_of_a_cosine_the_least_is_the_most():
    lines = overview([[[1.0, 0.9, 0.5]]], metric=METRICS["cosine"], width=60)
    found = [color for color, _ in colors(line_of(lines, "kind0"))]
    assert found[-1] == COLOR.sequential[-1]
    assert text(lines).splitlines()[-1].startswith("1 ") and ".500  cosine" in text(lines)


@PALETTES
@pytest.mark.parametrize("width", [10, 20, 54, 120])
@pytest.mark.parametrize("kind", SCALES)
def test_a_legend_never_overflows_and_is_ascii_where_it_must(palette, width, kind):
    shape = section(["a"], map(str, range(12)), values=OUTLIER[:1])
    figure = overview_plots([OUTLIER], palette, width, scale=kind)
    assert max(strip.cell_length for strip in figure.lines) <= width
    if palette is ASCII:
        assert text(figure.lines).isascii()
    from inspect_core.results.scale import Scale

    assert legend([shape], Scale.of(kind, OUTLIER), METRICS["rel_l2"], palette, width)
