"""All neurons of a site: how far each moved, against how many words it listens to."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.neurons import GONE, NEW, SHARED
from inspect_core.activations.ranking import marked, new_and_gone
from inspect_core.text import clean
from tui import format as fmt
from tui.activations.figures.facts import (
    MORE,
    NO_REFERENCE,
    chosen_style,
    chosen_unit,
    cloud_mark,
    counts_lines,
    has_reference,
    marks_of,
    rare_count,
    rare_words,
    shown_units,
)
from tui.figures.captions import legend, notice, number_words, title_line
from tui.figures.chart import Axis, Dots, Name, draw_chart, spread
from tui.figures.parts import Lines, line, wrap
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.activations.neurons import NeuronTable, SiteReport
    from tui.activations.state import ViewState

TOPS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
"""Where the axis of distances may end, if all are below; otherwise at 1."""


def overview(
    state: "ViewState", site: "SiteReport", palette: Palette, width: int, height: int
) -> Lines:
    """Distance against length, as published; without a reference mass against length."""
    table = site.neurons
    if not has_reference(state.report):
        return _alone(state, table, palette, width, height)
    original = _by(state) == "original"
    distance = table.original if original else table.distance
    what = "distance as TX-Ray's code computes it" if original else "Hellinger distance"
    above = [
        title_line(f"{what} of words, before and after", clean(table.site), palette, width),
        *counts_lines(state, table, palette, width),
    ]
    known = (table.state == SHARED) & np.isfinite(distance)
    if state.hide_rare:
        known &= ~table.rare
    if not known.any():
        lines = [*notice(_why_empty(state, table), palette, width)]
        if state.hide_rare and rare_count(table):
            lines += notice(MORE, palette, width)
        return [*above, line(""), *lines]
    below = _below(state, table, palette, width)
    most = float(distance[known].max())
    top = next((end for end in TOPS if most <= end), max(1.0, most))
    dots, names = _drawn(state, table, distance, known, palette)
    across = spread(table.union[known].astype(np.float64), whole=False)
    chart = draw_chart(
        dots, names, across, Axis(0.0, top), palette, width, height - len(above) - len(below)
    )  # fmt: skip
    return [*above, *chart, *below]


def _drawn(
    state: "ViewState",
    table: "NeuronTable",
    distance: NDArray[np.float64],
    known: NDArray[np.bool_],
    palette: Palette,
) -> tuple[list[Dots], list[Name]]:
    """Rare neurons lowest, then all others, then those that are marked."""
    marks, styles = marks_of(palette), palette.styles
    most, least = marked(table, by=_by(state))
    chosen = chosen_unit(state, table)
    apart = np.zeros(table.units, bool)
    apart[[*most, *least, *([] if chosen is None else [chosen])]] = True
    union = table.union.astype(np.float64)

    def at(units: NDArray[np.bool_] | list[int], mark: str, style: str) -> Dots:
        return Dots(union[units], distance[units], mark, styles[style])

    common, rare = known & ~table.rare & ~apart, known & table.rare & ~apart
    dots = [
        at(rare, marks.rare, "muted"),
        at(common, cloud_mark(int(common.sum()), palette), "tunable"),
        at(least, marks.least, "delta"),
        at(most, marks.most, "note"),
    ]
    named = [(unit, styles["note"]) for unit in most] + [(unit, styles["delta"]) for unit in least]
    if chosen is not None and known[chosen]:
        dots.append(Dots(union[[chosen]], distance[[chosen]], marks.chosen, chosen_style(palette)))
        named = [(chosen, chosen_style(palette)), *[pair for pair in named if pair[0] != chosen]]
    names = [Name(union[u], distance[u], str(u), style) for u, style in named]
    return dots, names


def _by(state: "ViewState") -> str:
    """Which distance is drawn: the one that the neurons are sorted by."""
    return "original" if state.order == "original" else "distance"


def _below(
    state: "ViewState",
    table: "NeuronTable",
    palette: Palette,
    width: int,
) -> Lines:
    marks, styles = marks_of(palette), palette.styles
    most, least = marked(table, by=_by(state))
    parts = [("", styles["muted"], "across: words of either side (Hellinger length)")]
    if most:
        parts.append((marks.most, styles["note"], f"the {len(most)} that moved most"))
    elif least:
        parts.append(("", styles["note"], "none moved"))
    if least:
        parts.append((marks.least, styles["delta"], f"the {len(least)} that moved least"))
    lone = new_and_gone(table)
    for kind, mark, word in ((NEW, marks.new, "new"), (GONE, marks.gone, "gone")):
        many = int((table.state[lone] == kind).sum())
        if many:
            parts.append((mark, styles["type"], f"{word}, listed: {many:,}"))
    if rare_count(table):
        mark = "" if state.hide_rare else marks.rare
        parts.append((mark, styles["muted"], rare_words(table, state.hide_rare)))
    lines = legend(parts, palette, width)
    chosen = chosen_unit(state, table)
    if chosen is not None:
        told = wrap(chosen_words(table, chosen), width - 2)[:2]
        lines.append(line((f"{marks.chosen} ", chosen_style(palette)), told[0]))
        lines += [line(f"  {part}") for part in told[1:]]
    return lines


def chosen_words(table: "NeuronTable", unit: int) -> str:
    """One neuron in a line."""
    before, after = table.top_word[0][unit], table.top_word[1][unit]
    lengths = (number_words(int(side[unit]), "word") for side in table.length)
    words = "{} before, {} after".format(*lengths)
    strongest = [f"'{clean(word, 24)}'" if word else "nothing" for word in (before, after)]
    rare = " (rare)" if table.rare[unit] else ""
    return (
        f"neuron {unit}{rare}: distance {fmt.number(float(table.distance[unit]))}, {words},"
        f" strongest {strongest[0]} before, {strongest[1]} after"
    )


def _why_empty(state: "ViewState", table: "NeuronTable") -> str:
    if not shown_units(table, hide_rare=False).any():
        return "no neuron of this module was activated: other texts, or another rule, may do"
    if state.hide_rare and (table.state == SHARED).any():
        return f"all shared neurons are rare and hidden ({rare_words(table, True)})"
    if (table.state == SHARED).any():
        return "no distance is defined here: the activation mass is 0, or not finite"
    return "no neuron is activated on both sides: there is no distance to draw"


def _alone(
    state: "ViewState", table: "NeuronTable", palette: Palette, width: int, height: int
) -> Lines:
    """Mass against length of one model."""
    above = [
        title_line("activation mass of each neuron", clean(table.site), palette, width),
        *counts_lines(state, table, palette, width),
        *notice(NO_REFERENCE, palette, width),
    ]
    mass, length = table.mass[1], table.length[1].astype(np.float64)
    known = shown_units(table, state.hide_rare) & np.isfinite(mass) & (mass > 0.0)
    if not known.any():
        return [*above, line(""), *notice(_why_empty(state, table), palette, width)]
    marks, styles = marks_of(palette), palette.styles
    ink = cloud_mark(int(known.sum()), palette)
    dots = [Dots(length[known], mass[known], ink, styles["tunable"])]
    names = []
    chosen = chosen_unit(state, table)
    if chosen is not None and known[chosen]:
        at = [chosen]
        dots.append(Dots(length[at], mass[at], marks.chosen, chosen_style(palette)))
        names.append(Name(length[chosen], mass[chosen], str(chosen), chosen_style(palette)))
    below = legend(
        [
            ("", styles["muted"], "across: words that activate it"),
            ("", styles["muted"], "up: activation mass"),
        ],
        palette,
        width,
    )
    chart = draw_chart(
        dots, names, spread(length[known]), spread(mass[known], whole=False), palette, width,
        height - len(above) - len(below),
    )  # fmt: skip
    return [*above, *chart, *below]
