"""One heatmap of an overview, and how several of them share the width of the screen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from textual.strip import Strip

from inspect_core.results.heatmap import NOT_FINITE, HeatSection
from inspect_core.results.pooling import Pooled, pool_columns
from inspect_core.structure.fold import is_index
from inspect_core.structure.kinds import short_kinds, shortest_kinds
from inspect_core.text import clean
from tui.figures.cells import paint_heat
from tui.figures.figure import Plot, peak_of
from tui.figures.parts import Lines, cut, line, not_shown
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.results.scale import Scale

MOST_LINES = 300
"""Lines of one section; the pane scrolls, but not for ever."""

COMFORTABLE_CELL = 4
"""Columns that a cell gets before labels take the rest."""

WIDEST_CELL = 6
"""A cell of a number is no wider: wider ones would only be larger."""

LEAST_CELL = 2
"""Sections stand side by side only where their cells are at least so wide: about square."""

LONGEST_BESIDE = 20
"""Of a label no more than this is shown where sections stand side by side."""

GAP = 3
"""Columns between sections side by side."""

Says = Callable[[int, int, tuple[str, ...]], str]
"""What the cell at a row and column is; the names of all columns that it stands for, if several."""

Leads = Callable[[int, int], str | None]
"""The path of a tensor of the cell at a row and column."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A section and its part of the width.

    Attributes:
        number: its place among the sections.
        section: what is drawn.
        labels: of its kinds, safe to show, all different.
        gutter: columns of the labels, with the blank after them.
        cell: columns of a cell.
        cells: cells across; fewer than its columns where several share one.
        titled: whether its title has a line of its own.
    """

    number: int
    section: HeatSection
    labels: list[str]
    gutter: int
    cell: int
    cells: int
    titled: bool

    @property
    def width(self) -> int:
        """Columns of the screen it takes."""
        return self.gutter + self.cell * self.cells


def arrange(sections: Sequence[tuple[int, HeatSection]], width: int) -> list[list[Placed]]:
    """Put numbered sections side by side where the width allows, else below each other."""
    bands: list[list[Placed]] = []
    group: list[tuple[int, HeatSection]] = []
    for numbered in sections:
        if group and _needed([*group, numbered]) > width:
            bands.append(_band(group, width))
            group = []
        group.append(numbered)
    if group:
        bands.append(_band(group, width))
    return bands


def _needed(group: Sequence[tuple[int, HeatSection]]) -> int:
    gutters = [min(LONGEST_BESIDE, _longest(_labels(s, shortest=True))) + 1 for _, s in group]
    columns = sum(len(section.columns) for _, section in group)
    return sum(gutters) + LEAST_CELL * columns + GAP * (len(group) - 1)


def _band(group: Sequence[tuple[int, HeatSection]], width: int) -> list[Placed]:
    if len(group) == 1:
        return [_alone(*group[0], width)]
    columns = sum(len(section.columns) for _, section in group)
    room = width - GAP * (len(group) - 1)
    for shortest in (False, True):
        labels = [_labels(section, shortest) for _, section in group]
        gutters = [_longest(found) + 1 for found in labels]
        cell = min(WIDEST_CELL, (room - sum(gutters)) // columns)
        if cell >= COMFORTABLE_CELL:
            break
    if cell <= LEAST_CELL:
        # The longest labels are cut, for cells that are a little larger if they may.
        cell = LEAST_CELL
        each = max(LONGEST_BESIDE, (room - (LEAST_CELL + 1) * columns) // len(group) - 1)
        gutters = [min(each, _longest(found)) + 1 for found in labels]
        cell = max(cell, (room - sum(gutters)) // columns)
    return [
        Placed(
            number, section, _distinct(found, gutter - 1), gutter, max(1, cell),
            len(section.columns), titled=True,
        )
        for (number, section), found, gutter in zip(group, labels, gutters, strict=True)
    ]  # fmt: skip


def _alone(number: int, section: HeatSection, width: int) -> Placed:
    """A section that has the whole width: labels may take what the cells do not need."""
    columns = len(section.columns)
    spare = width - COMFORTABLE_CELL * columns - 1
    most = max(1, min(max(12, width // 3, spare), width - 9))
    labels = _labels(section, shortest=False)
    if _longest(labels) > most:
        labels = _labels(section, shortest=True)
    gutter = max(1, min(_longest(labels), most)) + 1
    cell = max(1, (width - gutter) // max(1, columns))
    if cell > 1:
        widest = max(map(len, section.columns), default=1) + 1
        cell = min(cell, max(WIDEST_CELL, min(widest, 24)))
    cells = min(columns, max(1, (width - gutter) // cell))
    title = clean(section.title)
    return Placed(
        number, section, _distinct(labels, gutter - 1), gutter, cell, cells, len(title) >= gutter
    )


def heat_block(
    placed: Placed, scale: "Scale", palette: Palette, tall: int, says: Says, leads: Leads
) -> tuple[Lines, Plot | None]:
    """A section drawn, `tall` lines a kind, and its cells for the cursor."""
    section = placed.section
    hidden = max(0, len(placed.labels) - MOST_LINES // tall)
    shown = len(placed.labels) - hidden
    pooled = pool_columns(section.values[:shown], section.states[:shown], placed.cells, scale.rest)
    title = clean(section.title)
    lines: Lines = []
    if placed.titled:
        lines.append(line((cut(title, placed.width), palette.styles["muted"])))
        title = ""
    head = _axis(_column_names(section, pooled, placed.cell), placed.cell)
    lines.append(
        line((f"{title:<{placed.gutter}}"[: placed.gutter], palette.styles["muted"]), head)
    )
    above = len(lines)
    cells = paint_heat(
        scale.shares(pooled.values), pooled.states, scale.clipped(pooled.values), palette,
        placed.cell,
    )  # fmt: skip
    for label, drawn in zip(placed.labels, cells, strict=False):
        text = line((label.ljust(placed.gutter), palette.styles["module"]))
        lines.append(Strip.join([text, drawn]))
        lines += [Strip.join([Strip.blank(placed.gutter), drawn])] * (tall - 1)
    if hidden:
        lines.append(not_shown(hidden, palette))
    if not shown or not pooled.values.shape[1]:
        return lines, None
    plot = Plot(
        top=above,
        left=placed.gutter,
        height=shown * tall,
        width=pooled.values.shape[1] * placed.cell,
        rows=shown,
        columns=pooled.values.shape[1],
        says=_says(section, pooled, says),
        target=lambda row, column: leads(row, int(pooled.shown[row, column])),
        peak=peak_cell(pooled.values, pooled.states, scale.rest),
    )
    return lines, plot


def peak_cell(
    values: NDArray[np.float64], states: NDArray[np.uint8], rest: float
) -> tuple[int, int] | None:
    """The cell of the largest size; what changed to or from NaN comes first."""
    largest = np.finfo(np.float64).max
    return peak_of(np.where(states == NOT_FINITE, largest, np.abs(values - rest)))


def _says(section: HeatSection, pooled: Pooled, says: Says) -> Callable[[int, int], str]:
    def say(row: int, column: int) -> str:
        start, stop = pooled.bounds[column], pooled.bounds[column + 1]
        several = section.columns[start:stop] if stop - start > 1 else ()
        return says(row, int(pooled.shown[row, column]), several)

    return say


def beside(
    blocks: Sequence[tuple[Lines, Plot | None]], band: list[Placed]
) -> tuple[Lines, list[Plot]]:
    """Blocks next to each other, from the same line on."""
    height = max(len(lines) for lines, _ in blocks)
    rows: Lines = []
    for at in range(height):
        parts: list[Strip] = []
        column = 0
        for (lines, _), placed in zip(blocks, band, strict=True):
            if at < len(lines):
                parts += [Strip.blank(column - sum(p.cell_length for p in parts)), lines[at]]
            column += placed.width + GAP
        rows.append(Strip.join(parts))
    plots, column = [], 0
    for (_, plot), placed in zip(blocks, band, strict=True):
        if plot is not None:
            plots.append(replace(plot, left=plot.left + column))
        column += placed.width + GAP
    return rows, plots


def _labels(section: HeatSection, shortest: bool) -> list[str]:
    shorten = shortest_kinds if shortest else short_kinds
    return [clean(kind, 80) for kind in shorten(section.kinds)]


def _longest(labels: Sequence[str]) -> int:
    return max(map(len, labels), default=0)


def _distinct(labels: Sequence[str], width: int) -> list[str]:
    """Labels of at most `width` characters; of those that are cut to the same, by number."""
    short = [cut(label, width) for label in labels]
    times: dict[str, int] = {}
    found = []
    for label in short:
        times[label] = times.get(label, 0) + 1
        number = f"~{times[label]}" if times[label] > 1 else ""
        found.append(f"{label[: max(0, width - len(number))]}{number}"[:width])
    return found


def _column_names(section: HeatSection, pooled: Pooled, cell: int) -> list[str]:
    """Names of the columns, of several in one cell the first; words are cut, numbers are not."""
    firsts = [section.columns[start] for start, _ in pairwise(pooled.bounds)]
    return [clean(name, None if is_index(name) else max(1, cell - 1)) for name in firsts]


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
