"""Layers across, parameter kinds down; or a list of bars where there is no axis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from textual.strip import Strip

from inspect_core.structure.fold import is_index
from inspect_core.text import clean
from themes import Rgb
from tui import format as fmt
from tui import plots
from tui.figures.parts import (
    Lines,
    cut,
    fitted,
    heading,
    hex_color,
    line,
    not_shown,
    note_lines,
    side_by_side,
    statistics_lines,
)
from tui.palette import LEVELS, Palette

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

MONO = " .:-=+*#%@"
"""Levels from no change to the most, where colour may not tell them apart."""


def overview_figure(
    title: str,
    kind: str,
    sections: Sequence["Section"],
    values: Sequence[NDArray[np.float64]],
    metric: "Metric",
    summary: "Summary | None",
    delta: bool,
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
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
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.
    """
    lines = note_lines(notes, palette, width)
    finite = np.concatenate([v[np.isfinite(v)].ravel() for v in values] or [np.zeros(0)])
    top = float(finite.max()) if finite.size else 0.0
    wanted = sum(2 * len(section.kinds) + 1 for section in sections)
    tall = 2 if len(lines) + wanted + SUMMARY_LINES < height else 1
    for section, grid in zip(sections, values, strict=True):
        block = _section(section, grid, top, metric, palette, width, tall)
        if len(block) > MOST_LINES:
            left = not_shown(len(block) - MOST_LINES, palette)
            block = [*block[:MOST_LINES], left]
        lines += block
    if finite.size:
        same = delta and bool((finite == 0.0).any())
        lines.append(_sequential_scale(top, metric, palette, same))
    else:
        lines.append(line((f"{metric.name}: nothing to show", palette.styles["muted"])))
    if summary is not None:
        statistics = statistics_lines(summary, delta, palette)
        half = min(width // 2, 34)
        lines += [Strip([]), *side_by_side(statistics[::2], statistics[1::2], half)]
    more = "" if len(lines) < height else "  (tab, page down: more below)"
    return fitted([heading(title, f"{kind}{more}", palette, width), *lines], palette, width)


def _section(
    section: "Section",
    grid: NDArray[np.float64],
    top: float,
    metric: "Metric",
    palette: Palette,
    width: int,
    tall: int,
) -> Lines:
    """One heatmap, `tall` lines a kind; a list of bars where there is no axis."""
    labels = [clean(kind, 80) for kind in short_kinds(section.kinds)]
    longest = max(map(len, labels), default=0)
    # Labels may take what the cells do not need: a label that is cut is a guess.
    spare = width - COMFORTABLE_CELL * len(section.columns) - 1
    gutter = max(1, min(longest, max(12, width // 3, spare), width - 9)) + 1
    if section.columns == ("",):
        return _bars(labels, grid[:, 0], top, metric, palette, gutter, width, section.title)
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
    if shown < len(section.columns):
        lines.append(not_shown(len(section.columns) - shown, palette, "columns"))
    return lines


def _cells(grid: NDArray[np.float64], top: float, palette: Palette, cell: int) -> Lines:
    """The heatmap of a section, one line a kind, drawn as one picture."""
    if palette.marks:
        return [line("".join(_mark(value, top) * cell for value in row)) for row in grid]
    rows = [_pixels(row, top, palette, cell) for row in grid]
    return plots.half_blocks([pixels for row in rows for pixels in (row, row)])


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
        color = palette.sequential[min(LEVELS - 1, 20 + int(share * (LEVELS - 21)))]
        mark = "#" if palette.ascii_only else "█"
        filled = mark * max(1 if share > 0 else 0, round(share * most))
        text = fmt.metric_value(metric, None if np.isnan(value) else float(value))
        lines.append(
            line(
                (cut(label, gutter - 1).ljust(gutter), palette.styles["module"]),
                f"{text:>8} ",
                (filled, Style(color=hex_color(color))),
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


def _pixels(values: NDArray[np.float64], top: float, palette: Palette, cell: int) -> list[Rgb]:
    pixels: list[Rgb] = []
    for value in values:
        if not np.isfinite(value):
            color = palette.background
        elif value == 0.0:
            color = palette.same
        else:
            level = 0 if top <= 0.0 else round(value / top * (LEVELS - 1))
            color = palette.sequential[max(0, min(LEVELS - 1, level))]
        pixels += [color] * cell
    return pixels


def _sequential_scale(top: float, metric: "Metric", palette: Palette, same: bool) -> Strip:
    """The colours from 0 to the most, and that of exactly 0 where there is such a cell."""
    if top == 0.0:
        return line(f"{metric.name} 0 everywhere")
    high = f" {fmt.metric_value(metric, top)}  {metric.name}"
    if palette.marks:
        return line("0 ", MONO, high)
    ramp = [palette.sequential[round(step * (LEVELS - 1) / 15)] for step in range(16)]
    parts = [line("0 "), plots.half_blocks([ramp, ramp])[0], line(high)]
    if same:
        swatch = [palette.same] * 2
        parts += [line("   "), plots.half_blocks([swatch, swatch])[0], line(" no change")]
    return Strip.join(parts)


def _mark(value: float, top: float) -> str:
    if not np.isfinite(value):
        return "?"
    return MONO[0 if top <= 0 else min(9, round(value / top * 9))]
