"""Layers across, parameter kinds down; or a list of bars where there is no axis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from textual.strip import Strip

from inspect_core.results.heatmap import (
    NOT_FINITE,
    SAME,
    UNCOMPARED,
    UNDEFINED,
    VALUE,
    HeatSection,
    scale_of,
)
from inspect_core.results.scale import ScaleKind
from inspect_core.structure.kinds import short_kinds
from inspect_core.text import clean
from tui import format as fmt
from tui.figures.figure import Figure, Plot
from tui.figures.heat import MOST_LINES, Placed, arrange, beside, heat_block, peak_cell
from tui.figures.legend import NAN, legend
from tui.figures.parts import (
    Lines,
    cut,
    fitted,
    heading,
    line,
    not_shown,
    note_lines,
    side_by_side,
    statistics_lines,
)
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric
    from inspect_core.delta.summary import Summary
    from inspect_core.results.scale import Scale

SUMMARY_LINES = 7
"""Lines of the statistics below an overview, with the scale above them."""

Tell = Callable[[int, int, int, tuple[str, ...]], str]
"""What the cell at (section, row, column) is, safe to show; and for which columns it stands."""

Find = Callable[[int, int, int], str | None]
"""The path of the first tensor of the cell at (section, row, column)."""


@dataclass(frozen=True, slots=True)
class View:
    """How an overview is drawn.

    Attributes:
        metric: what the values are.
        scale: how they are spread over the colours.
        palette: colours and glyphs.
        width: cells across.
        delta: whether there is a reference, so that values are changes.
        tell: what a cell says.
        find: where a cell leads.
    """

    metric: "Metric"
    scale: ScaleKind
    palette: Palette
    width: int
    delta: bool = True
    tell: Tell = lambda number, row, column, several: ""
    find: Find = lambda number, row, column: None


def overview_figure(
    title: str,
    kind: str,
    sections: Sequence[HeatSection],
    view: View,
    summary: "Summary | None",
    notes: Sequence[str],
    height: int,
    above: Lines | None = None,
) -> Figure:
    """Layers across, parameter kinds down, all sections on one scale.

    Args:
        title: the selected row's path, safe to show.
        kind: what it is, safe to show.
        sections: what to draw.
        view: how to draw it.
        summary: of all tensors of the row together, as far as they were compared.
        notes: lines to show below the heading, safe to show.
        height: lines at most.
        above: lines to show before the notes.
    """
    palette, width = view.palette, view.width
    lines = [*(above or []), *note_lines(notes, palette, width)]
    drawn, plots = overview_lines(sections, view, height - len(lines) - SUMMARY_LINES)
    plots = [replace(plot, top=plot.top + 1 + len(lines)) for plot in plots]
    lines += drawn
    if summary is not None:
        statistics = statistics_lines(summary, view.delta, palette)
        half = min(width // 2, 34)
        lines += [Strip([]), *side_by_side(statistics[::2], statistics[1::2], half)]
    more = "" if len(lines) < height else "  (tab, page down: more below)"
    lines = [heading(title, f"{kind}{more}", palette, width), *lines]
    return Figure(fitted(lines, palette, width), tuple(plots))


def overview_lines(
    sections: Sequence[HeatSection], view: View, height: int
) -> tuple[Lines, list[Plot]]:
    """The sections and their legend, without a heading.

    Sections with layers come first, side by side where there is room; then the others as bars.

    Args:
        sections: what to draw.
        view: how to draw it.
        height: lines it should take at most; it takes two a kind where that fits.
    """
    scale = scale_of(view.scale, view.metric, [section.values for section in sections])
    numbered = list(enumerate(sections))
    bands = arrange([(n, s) for n, s in numbered if s.has_axis], view.width)
    listed = [(number, section) for number, section in numbered if not section.has_axis]
    wanted = sum(2 * max(len(p.labels) for p in band) + 2 for band in bands)
    wanted += sum(len(section.kinds) + 1 for _, section in listed)
    tall = 2 if wanted < height else 1
    lines: Lines = []
    plots: list[Plot] = []
    for band in bands:
        blocks = [_block(placed, scale, view, tall) for placed in band]
        found, grids = beside(blocks, band)
        plots += [replace(plot, top=plot.top + len(lines)) for plot in grids]
        lines += found
    for number, section in listed:
        found, bars = _bars(number, section, scale, view)
        plots += [replace(plot, top=plot.top + len(lines)) for plot in bars]
        lines += found
    each = max((-(-len(p.section.columns) // p.cells) for band in bands for p in band), default=1)
    lines += legend(sections, scale, view.metric, view.palette, view.width, each, view.delta)
    return lines, plots


def _block(placed: Placed, scale: "Scale", view: View, tall: int) -> tuple[Lines, Plot | None]:
    says, leads = partial(view.tell, placed.number), partial(view.find, placed.number)
    return heat_block(placed, scale, view.palette, tall, says, leads)


def _bars(
    number: int, section: HeatSection, scale: "Scale", view: View
) -> tuple[Lines, list[Plot]]:
    """Kinds without layers: their values as numbers and bars."""
    palette, width = view.palette, view.width
    labels = [clean(kind, 80) for kind in short_kinds(section.kinds)]
    hidden = max(0, len(labels) - MOST_LINES)
    labels = labels[: len(labels) - hidden]
    gutter = max(1, min(max(map(len, labels), default=0), max(12, width - 24), width - 9)) + 1
    lines = [line((clean(section.title), palette.styles["muted"]))] if section.title else []
    above, rows = len(lines), len(labels)
    most = max(4, min(30, width - gutter - 10))
    shares = scale.shares(section.values[:, 0])
    for row, label in enumerate(labels):
        share, state = float(shares[row]), int(section.states[row, 0])
        text, after = _value(float(section.values[row, 0]), state, view)
        filled = 0 if state != VALUE else max(1 if share > 0.0 else 0, round(share * most))
        mark = ("#" if palette.ascii_only else "█") * filled
        quiet = palette.styles["note" if state == NOT_FINITE else "muted"]
        bar = (mark or after, palette.bar_style(share) if mark else quiet)
        name = (cut(label, gutter - 1).ljust(gutter), palette.styles["module"])
        lines.append(line(name, f"{text:>8} ", bar))
    lines += [not_shown(hidden, palette)] if hidden else []
    if not rows:
        return lines, []
    plot = Plot(
        above, 0, rows, max(1, gutter - 1), rows, 1,
        says=lambda row, column: view.tell(number, row, column, ()),
        target=partial(view.find, number),
        peak=peak_cell(section.values[:rows], section.states[:rows], scale.rest),
    )  # fmt: skip
    return lines, [plot]


def _value(value: float, state: int, view: View) -> tuple[str, str]:
    """The number beside a bar, and what stands in its place where it has none."""
    if state in (VALUE, SAME):
        return fmt.metric_value(view.metric, value), "no change" if view.delta else ""
    if state == NOT_FINITE:
        number = fmt.metric_value(view.metric, value) if np.isfinite(value) else "n/a"
        return number, f"! {NAN}"
    if state == UNDEFINED:
        return "n/a", ""
    return "", "not compared" if state == UNCOMPARED else "not there"
