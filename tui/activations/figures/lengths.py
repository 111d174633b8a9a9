"""How many words, and tags, each neuron listens to: before against after."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.neurons import GONE, NEW, SHARED
from inspect_core.text import clean
from tui.activations.figures.facts import (
    NO_REFERENCE,
    NO_TAGS,
    chosen_style,
    chosen_unit,
    cloud_mark,
    counts_lines,
    has_reference,
    marks_of,
    shown_units,
)
from tui.figures.captions import legend, notice, swatch_of, title_line
from tui.figures.chart import Dots, Name, draw_chart, spread
from tui.figures.parts import Lines, line, side_by_side
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.activations.neurons import NeuronTable, SiteReport
    from tui.activations.state import ViewState

WIDE = 110
"""From this width on words and tags stand side by side."""

TALL = 36
"""From this height on they stand one below the other."""

DIAGONAL = 512
"""Points of the line where nothing changed."""


def lengths(
    state: "ViewState", site: "SiteReport", palette: Palette, width: int, height: int
) -> Lines:
    """Words before against words after; tags beside or below where there is room."""
    table = site.neurons
    compared = has_reference(state.report)
    what = "words" if table.tag_length is None else "words and tags"
    title = f"{what} of each neuron" + ", before and after" * compared
    above = [
        title_line(title, clean(table.site), palette, width),
        *counts_lines(state, table, palette, width),
    ]
    if not compared:
        above += notice(NO_REFERENCE, palette, width)
    if not shown_units(table, state.hide_rare).any():
        text = "no neuron of this module is shown: none was activated, or all are rare and hidden"
        return [*above, line(""), *notice(text, palette, width)]
    room = height - len(above)
    if table.tag_length is None:
        if not compared:
            return [*above, *_alone(state, table, palette, width, room)]
        lines = _block(state, table, table.length, "words", palette, width, room - 1)
        return [*above, *lines, line((NO_TAGS, palette.styles["muted"]))]
    if not compared:
        return [*above, *_alone(state, table, palette, width, room)]
    if width >= WIDE:
        half = (width - 3) // 2
        blocks = [
            _block(state, table, values, what, palette, half, room)
            for values, what in ((table.length, "words"), (table.tag_length, "tags"))
        ]
        return [*above, *side_by_side(blocks[0], blocks[1], half + 3)]
    if height >= TALL:
        upper = room // 2
        return [
            *above,
            *_block(state, table, table.length, "words", palette, width, upper),
            *_block(state, table, table.tag_length, "tags", palette, width, room - upper),
        ]
    lines = _block(state, table, table.length, "words", palette, width, room - 1)
    text = f"tags: {shift_words(state, table, table.tag_length)}"
    return [*above, *lines, line((text, palette.styles["muted"]))]


def shifted(
    state: "ViewState", table: "NeuronTable", values: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], ...]:
    """Which shared neurons have fewer, as many, and more after than before."""
    shared = (table.state == SHARED) & shown_units(table, state.hide_rare)
    before, after = values
    return shared & (after < before), shared & (after == before), shared & (after > before)


def shift_words(state: "ViewState", table: "NeuronTable", values: NDArray[np.int64]) -> str:
    """How many neurons have fewer, as many, and more, in words."""
    fewer, same, more = (int(which.sum()) for which in shifted(state, table, values))
    return f"{fewer:,} reduced, {same:,} equal, {more:,} increased"


def _block(
    state: "ViewState",
    table: "NeuronTable",
    values: NDArray[np.int64],
    what: str,
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
    """Before across, after up; on the diagonal nothing changed, above it there are more."""
    marks, styles = marks_of(palette), palette.styles
    fewer, same, more = shifted(state, table, values)
    before, after = values.astype(np.float64)
    shown = shown_units(table, state.hide_rare)
    lone = shown & ((table.state == NEW) | (table.state == GONE))
    axis = spread(values[:, shown].astype(np.float64).ravel(), zero=bool(lone.any()))
    line_at = np.geomspace(axis.low, axis.high, DIAGONAL)
    dot = cloud_mark(int(shown.sum()), palette)
    letters = ("v", "=", "^") if palette.ascii_only else (dot,) * 3
    looks = ((fewer, "fold", "reduced"), (same, "module", "equal"), (more, "type", "increased"))
    dots = [
        Dots(line_at, line_at, "." if palette.ascii_only else "·", styles["muted"]),
        *[
            Dots(before[units], after[units], mark, styles["type"])
            for units, mark, _ in _one_sided(table, shown, palette)
        ],
    ]
    dots += [
        Dots(before[units], after[units], letter, styles[style])
        for (units, style, _), letter in zip(looks, letters, strict=True)
    ]
    names = []
    chosen = chosen_unit(state, table)
    if chosen is not None and shown[chosen]:
        at = [chosen]
        dots.append(Dots(before[at], after[at], marks.chosen, chosen_style(palette)))
        names.append(Name(before[chosen], after[chosen], str(chosen), chosen_style(palette)))
    places = ("below the line", "on it", "above it")
    parts = [("", styles["muted"], f"{what} before (across) and after (up)")]
    parts += [
        (swatch_of(letter), styles[style], f"{int(units.sum()):,} {word} ({place})")
        for (units, style, word), letter, place in zip(looks, letters, places, strict=True)
    ]
    for units, mark, word in _one_sided(table, shown, palette):
        if units.any():
            parts.append((mark, styles["type"], f"{int(units.sum()):,} {word} (at 0)"))
    if names:
        parts.append((marks.chosen, chosen_style(palette), "chosen"))
    below = legend(parts, palette, width)
    return [
        *draw_chart(dots, names, axis, axis, palette, width, height - len(below)),
        *below,
    ]


def _one_sided(
    table: "NeuronTable", shown: NDArray[np.bool_], palette: Palette
) -> list[tuple[NDArray[np.bool_], str, str]]:
    """New and gone neurons that are shown, their mark, and what they are called."""
    marks = marks_of(palette)
    sides = ((NEW, marks.new, "new"), (GONE, marks.gone, "gone"))
    return [(shown & (table.state == state), mark, word) for state, mark, word in sides]


def _alone(
    state: "ViewState", table: "NeuronTable", palette: Palette, width: int, height: int
) -> Lines:
    """Words against activations of one model."""
    styles = palette.styles
    shown = shown_units(table, state.hide_rare)
    length, count = table.length[1].astype(np.float64), table.count[1].astype(np.float64)
    dots = [
        Dots(length[shown], count[shown], cloud_mark(int(shown.sum()), palette), styles["tunable"])
    ]
    below = legend(
        [
            ("", styles["muted"], "across: words that activate it"),
            ("", styles["muted"], "up: activations"),
        ],
        palette,
        width,
    )
    chart = draw_chart(
        dots, [], spread(length[shown]), spread(count[shown]), palette, width, height - len(below)
    )
    return [*chart, *below]
