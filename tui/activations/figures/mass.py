"""Activation mass of every neuron, both models aligned by neuron."""

from typing import TYPE_CHECKING

import numpy as np

from inspect_core.text import clean
from tui import format as fmt
from tui.activations.figures.facts import (
    NO_REFERENCE,
    chosen_style,
    chosen_unit,
    cloud_mark,
    counts_lines,
    has_reference,
    marks_of,
    shown_units,
)
from tui.figures.captions import legend, notice, swatch_of, title_line
from tui.figures.chart import Axis, Dots, Name, draw_chart, spread
from tui.figures.parts import Lines, line
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.activations.neurons import SiteReport
    from tui.activations.state import ViewState

KNOTS = 256
"""Points of the line: no screen shows more."""


def mass(
    state: "ViewState", site: "SiteReport", palette: Palette, width: int, height: int
) -> Lines:
    """Neurons across, by their mass before; each has its two masses above the same place."""
    table = site.neurons
    compared = has_reference(state.report)
    above = [
        title_line("activation mass by neuron", clean(table.site), palette, width),
        *counts_lines(state, table, palette, width),
    ]
    if not compared:
        above += notice(NO_REFERENCE, palette, width)
    units = np.flatnonzero(shown_units(table, state.hide_rare))
    before, after = np.where(np.isfinite(table.mass), table.mass, np.nan)
    values = np.concatenate((before[units], after[units]))
    if not (values > 0.0).any():
        text = "no neuron has activation mass here: other texts, or another rule, may do"
        if state.hide_rare and (table.mass > 0.0).any():
            text = "all neurons with activation mass are rare and hidden"
        return [*above, line(""), *notice(text, palette, width)]
    # Of equal mass, as 0 of all new ones, by mass after: the cloud stays a line there.
    order = units[np.lexsort((-np.nan_to_num(after[units]), -np.nan_to_num(before[units])))]
    place = np.arange(1.0, len(order) + 1.0)
    floor = bool((~(values > 0.0)).any())
    up = spread(values, zero=floor, whole=False)
    across = Axis(1.0, max(2.0, float(len(order))), whole=True)
    marks, styles = marks_of(palette), palette.styles
    ink = "-" if palette.ascii_only else "━"
    knots = np.unique(np.linspace(0, len(order) - 1, KNOTS).astype(int))
    dots = [Dots(place[knots], before[order[knots]], ink, styles["fold"], joined=len(order) > 1)]
    if compared:
        dots.insert(
            0, Dots(place, after[order], cloud_mark(len(order), palette), styles["tunable"])
        )
    names = []
    chosen = chosen_unit(state, table)
    if chosen is not None and chosen in order:
        at = float(np.flatnonzero(order == chosen)[0]) + 1.0
        pair = [(before[chosen], marks.chosen_before), (after[chosen], marks.chosen)]
        for value, mark in pair if compared else pair[1:]:
            dots.append(Dots(np.array([at]), np.array([value]), mark, chosen_style(palette)))
        names.append(Name(at, float(after[chosen]), str(chosen), chosen_style(palette)))
    inks = (ink, cloud_mark(len(order), palette))
    below = _below(state, site, floor, inks, palette, width)
    chart = draw_chart(dots, names, across, up, palette, width, height - len(above) - len(below))
    return [*above, *chart, *below]


def _below(
    state: "ViewState",
    site: "SiteReport",
    floor: bool,
    inks: tuple[str, str],
    palette: Palette,
    width: int,
) -> Lines:
    table, marks, styles = site.neurons, marks_of(palette), palette.styles
    titles = [clean(title, max(10, width // 3)) for title in state.report.titles]
    compared = has_reference(state.report)
    totals = [fmt.number(float(np.nansum(side))) for side in table.mass]
    ink, dot = inks
    parts = [("", styles["muted"], "across: neurons, by their mass before")]
    parts.append((ink * 2, styles["fold"], f"before: {titles[0]}, {totals[0]} in all"))
    if compared:
        parts.append((swatch_of(dot), styles["tunable"], f"after: {titles[1]}, {totals[1]} in all"))
    else:
        parts = [("", styles["muted"], f"across: neurons, by their mass; {totals[1]} in all")]
    if floor:
        parts.insert(1, ("", styles["muted"], "at 0: no activation, or no positive mass"))
    lines = legend(parts, palette, width)
    chosen = chosen_unit(state, table)
    if chosen is not None:
        both = [fmt.number(float(side[chosen])) for side in table.mass]
        before, after = marks.chosen_before, marks.chosen
        shown = f"{before} before {both[0]}  {after} after {both[1]}" if compared else both[1]
        first = "" if compared else f"{after} "
        lines.append(line((f"{first}neuron {chosen}: {shown}", chosen_style(palette))))
    return lines
