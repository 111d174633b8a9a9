"""Layers across, parameter kinds down; or a list of bars where there is no axis."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from textual.strip import Strip

from inspect_core.structure.fold import is_index
from inspect_core.text import clean
from tui import format as fmt
from tui.figures.cells import level_ramp, paint_levels, swatch
from tui.figures.figure import Figure, Plot, peak_of
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
    from inspect_core.structure.overview import Section

SUMMARY_LINES = 7
"""Lines of the statistics below an overview, with the scale above them."""

MOST_LINES = 300
"""Lines of one section; the pane scrolls, but not for ever."""

COMFORTABLE_CELL = 4
"""Columns that a cell gets before labels take the rest."""

Tell = Callable[[int, int, int], str]
"""What the cell at (section, row, column) is, safe to show."""

Find = Callable[[int, int, int], str | None]
"""The path of the first tensor of the cell at (section, row, column)."""


def overview_figure(
    title: str,
    kind: str,
    sections: Sequence["Section"],
    values: Sequence[NDArray[np.float64]],
    metric: "Metric",
    summary: "Summary | None",
    delta: bool,
    notes: Sequence[str],
    tell: Tell,
    find: Find,
    palette: Palette,
    width: int,
    height: int,
) -> Figure:
    """Layers across, parameter kinds down, all sections on one scale.

    Args:
        title: the selected row's path, safe to show.
        kind: what it is, safe to show.
        sections: axes and kinds.
        values: for each section float64 `(kinds, columns)`; NaN has no value (yet).
        metric: what the values are.
        summary: of all tensors of the row together, as far as they were compared.
        delta: whether there is a reference, so that the summary is of a delta.
        notes: lines to show below the heading, safe to show.
        tell: what a cell says.
        find: where a cell leads.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.
    """
    lines = note_lines(notes, palette, width)
    finite = np.concatenate([v[np.isfinite(v)].ravel() for v in values] or [np.zeros(0)])
    top = float(finite.max()) if finite.size else 0.0
    wanted = sum(2 * len(section.kinds) + 1 for section in sections)
    tall = 2 if len(lines) + wanted + SUMMARY_LINES < height else 1
    grids: list[Plot] = []
    for number, (section, grid) in enumerate(zip(sections, values, strict=True)):
        says, leads = partial(tell, number), partial(find, number)
        block, plot = _section(section, grid, top, metric, palette, width, tall, says, leads)
        if plot is not None:
            grids.append(replace(plot, top=plot.top + 1 + len(lines)))
        lines += block
    if finite.size:
        same = delta and bool((finite == 0.0).any())
        undefined = any(bool(np.isinf(v).any()) for v in values)
        lines.append(_scale(top, metric, palette, same, undefined))
    else:
        lines.append(line((f"{metric.name}: nothing to show", palette.styles["muted"])))
    if summary is not None:
        statistics = statistics_lines(summary, delta, palette)
        half = min(width // 2, 34)
        lines += [Strip([]), *side_by_side(statistics[::2], statistics[1::2], half)]
    more = "" if len(lines) < height else "  (tab, page down: more below)"
    lines = [heading(title, f"{kind}{more}", palette, width), *lines]
    return Figure(fitted(lines, palette, width), tuple(grids))


def _section(
    section: "Section",
    grid: NDArray[np.float64],
    top: float,
    metric: "Metric",
    palette: Palette,
    width: int,
    tall: int,
    says: Callable[[int, int], str],
    leads: Callable[[int, int], str | None],
) -> tuple[Lines, Plot | None]:
    """One heatmap, `tall` lines a kind; a list of bars where there is no axis.

    The plot's top is counted from the section's first line.
    """
    labels = [clean(kind, 80) for kind in short_kinds(section.kinds)]
    hidden = max(0, len(labels) - MOST_LINES // tall)
    labels, grid = labels[: len(labels) - hidden], grid[: len(labels) - hidden]
    left_out = [not_shown(hidden, palette)] if hidden else []
    longest = max(map(len, labels), default=0)
    # Labels may take what the cells do not need: a label that is cut is a guess.
    spare = width - COMFORTABLE_CELL * len(section.columns) - 1
    gutter = max(1, min(longest, max(12, width // 3, spare), width - 9)) + 1
    if section.columns == ("",):
        bars = _bars(labels, grid[:, 0], top, metric, palette, gutter, width, section.title)
        above, rows = len(bars) - len(labels), len(labels)
        plot = (
            Plot(above, 0, rows, gutter - 1, rows, 1, says, leads, peak_of(grid)) if rows else None
        )
        return bars + left_out, plot
    cells = max(1, (width - gutter) // len(section.columns))
    longest = max(map(len, section.columns))
    cell = min(cells, max(6, min(longest + 1, 24))) if cells > 1 else 1
    shown = min(len(section.columns), max(1, (width - gutter) // cell))
    # Of numbers that do not fit every second or tenth is shown; words are cut.
    names = [clean(n, None if is_index(n) else max(1, cell - 1)) for n in section.columns]
    head = _axis(names[:shown], cell)
    title = cut(clean(section.title), gutter - 1)
    lines = [line((f"{title:<{gutter}}"[:gutter], palette.styles["muted"]), head)]
    for label, cells_line in zip(labels, _cells(grid[:, :shown], top, palette, cell), strict=True):
        text = line((cut(label, gutter - 1).ljust(gutter), palette.styles["module"]))
        lines.append(Strip.join([text, cells_line]))
        lines += [Strip.join([Strip.blank(gutter), cells_line])] * (tall - 1)
    lines += left_out
    if shown < len(section.columns):
        lines.append(not_shown(len(section.columns) - shown, palette, "columns"))
    rows, peak = len(labels), peak_of(grid[:, :shown])
    plot = (
        Plot(1, gutter, rows * tall, shown * cell, rows, shown, says, leads, peak) if rows else None
    )
    return lines, plot


def _cells(grid: NDArray[np.float64], top: float, palette: Palette, cell: int) -> Lines:
    """The heatmap of a section, one line a kind, drawn as one picture."""
    shares = grid / top if top > 0.0 else grid
    return paint_levels(shares.repeat(palette.rows_a_line, axis=0).repeat(cell, axis=1), palette)


def _bars(
    labels: list[str],
    values: NDArray[np.float64],
    top: float,
    metric: "Metric",
    palette: Palette,
    gutter: int,
    width: int,
    title: str,
) -> Lines:
    lines = [line((clean(title), palette.styles["muted"]))] if title else []
    most = max(4, min(30, width - gutter - 10))
    for label, value in zip(labels, values, strict=True):
        share = value / top if top > 0.0 and np.isfinite(value) else 0.0
        mark = "#" if palette.ascii_only else "█"
        filled = mark * max(1 if share > 0 else 0, round(share * most))
        text = fmt.metric_value(metric, float(value) if np.isfinite(value) else None)
        lines.append(
            line(
                (cut(label, gutter - 1).ljust(gutter), palette.styles["module"]),
                f"{text:>8} ",
                (filled, palette.bar_style(share)),
            )
        )
    return lines


def short_kinds(kinds: Sequence[str]) -> list[str]:
    """Kinds without the `.weight` that all or most of them end in, where they stay distinct."""
    short = [kind.removesuffix(".weight") for kind in kinds]
    return short if len(set(short)) == len(short) else list(kinds)


def _axis(names: list[str], cell: int) -> str:
    """Column names above their cells; only some where they would run into each other."""
    longest = max(map(len, names), default=1)
    step = 1 if longest < cell or cell == longest == 1 else -(-(longest + 1) // cell)
    row = [" "] * (cell * len(names))
    for at in range(0, len(names), step):
        start, stop = at * cell, at * cell + len(names[at])
        # Half a number would be another number.
        if stop <= len(row):
            row[start:stop] = names[at]
    return "".join(row)


def _scale(top: float, metric: "Metric", palette: Palette, same: bool, undefined: bool) -> Strip:
    """The colours from 0 to the most, and that of exactly 0 where there is such a cell."""
    if top == 0.0:
        return line(f"{metric.name} 0 everywhere")
    parts = [
        line("0 "),
        level_ramp(palette),
        line(f" {fmt.metric_value(metric, top)}  {metric.name}"),
    ]
    if same and not palette.marks:
        parts += [line("   "), swatch(0.0, palette), line(" no change")]
    if undefined:
        parts += [line("   "), swatch(inf, palette), line(" n/a")]
    return Strip.join(parts)
