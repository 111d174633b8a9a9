"""The cells of a matrix of layers: how large they are, their colours, values and cursor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.style import Style
from textual.strip import Strip

from inspect_core.results.heatmap import UNDEFINED, VALUE
from tui import plots
from tui.figures.cells import paint_heat
from tui.figures.parts import Lines, line
from tui.palette import LEVELS, Palette

WIDEST_CELL, TALLEST_CELL = 8, 3
"""Columns and lines of a cell at most."""

WRITTEN = 5
"""Columns of a cell that has its value written in it."""


@dataclass(frozen=True, slots=True)
class Grid:
    """How a matrix is laid out.

    Attributes:
        rows: of cells on the screen; fewer than layers where several share one.
        columns: the same across.
        cell: columns of the screen of a cell.
        tall: lines of the screen of a cell.
        packed: two rows of cells on a line.
    """

    rows: int
    columns: int
    cell: int
    tall: int
    packed: bool

    def line_of(self, row: int) -> int:
        """The line, from the first one of the cells, on which a row of cells is named."""
        return row // 2 if self.packed else row * self.tall + (self.tall - 1) // 2


def lay_out(shape: tuple[int, ...], width: int, height: int, palette: Palette) -> Grid:
    """About square cells, a line high or half a line."""
    rows, columns = shape
    packed = rows > height and not palette.marks
    rows = min(rows, 2 * height if packed else height)
    tall = max(1, min(TALLEST_CELL, height // rows))
    cell = max(1, min(1 if packed else WIDEST_CELL, width // columns))
    if cell < WRITTEN:
        tall = 1
    return Grid(rows, min(columns, width // cell), cell, tall, packed)


def places(layers: int, cells: int) -> list[int]:
    """The cell of each layer."""
    return [at * cells // layers for at in range(layers)]


def pooled(values: NDArray[np.float64], down: list[int], across: list[int]) -> NDArray[np.float64]:
    """Means of the layers that share a cell; NaN where none is known."""
    known = np.isfinite(values)
    total = np.zeros((down[-1] + 1, across[-1] + 1))
    count = np.zeros_like(total)
    at = np.ix_(down, across)
    np.add.at(total, at, np.where(known, values, 0.0))
    np.add.at(count, at, known)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def painted(cells: NDArray[np.float64], grid: Grid, palette: Palette) -> Lines:
    """Cells from 0 to 1 as lines, their values written where they have room; NaN is n/a."""
    shares = np.clip(cells, 0.0, 1.0)
    states = np.where(np.isnan(cells), UNDEFINED, VALUE).astype(np.uint8)
    if not grid.packed:
        drawn = paint_heat(shares, states, np.zeros(cells.shape, np.bool_), palette, grid.cell)
        tall = [strip for strip in drawn for _ in range(grid.tall)]
        if grid.cell >= WRITTEN:
            for row, values in enumerate(cells.tolist()):
                at = grid.line_of(row)
                tall[at] = _written(tall[at], [_short(value) for value in values], grid, palette)
        return tall
    level = np.rint(np.nan_to_num(shares) * (LEVELS - 1)).astype(int)
    pixels = [
        [
            color
            for at, lost in zip(row, gone, strict=True)
            for color in [palette.undefined if lost else palette.sequential[at]] * grid.cell
        ]
        for row, gone in zip(level.tolist(), np.isnan(cells).tolist(), strict=True)
    ]
    if len(pixels) % 2:
        pixels.append([palette.background] * len(pixels[0]))
    return plots.half_blocks(pixels)


def _short(value: float) -> str:
    """A value in three characters, `.07` to `.99`; none where it is not known."""
    if np.isnan(value):
        return ""
    return f"{value:.0f}" if value > 0.995 or value < 0.005 else f"{value:.2f}".lstrip("0")


def _written(strip: Strip, texts: list[str], grid: Grid, palette: Palette) -> Strip:
    """A line of cells with a text in the middle of each, on its colour."""
    parts = []
    for at, text in enumerate(texts):
        cell = strip.crop(at * grid.cell, (at + 1) * grid.cell)
        parts.append(_over(cell, text, palette, palette.styles["muted"]) if text else cell)
    return Strip.join(parts)


def _over(cell: Strip, text: str, palette: Palette, plain: Style, cursor: bool = False) -> Strip:
    """A cell with a text in its middle.

    Args:
        cell: one line of a cell.
        text: no wider than it.
        palette: whether cells are colours.
        plain: of the text where they are not.
        cursor: whether ink and ground change places.
    """
    style = next((part.style for part in cell if part.style), None)
    ground = style.bgcolor if style and not palette.marks else None
    start = (cell.cell_length - len(text)) // 2
    ends = [cell.crop(0, start), cell.crop(start + len(text), cell.cell_length)]
    if ground is not None:
        ink = _against(ground)
        plain = Style(color=ground if cursor else ink, bgcolor=ink if cursor else ground,
                      bold=cursor)  # fmt: skip
        # Half a block of the colour would be seen as a bar.
        ends = [line((" " * end.cell_length, plain)) for end in ends]
    return Strip.join([ends[0], line((text, plain)), ends[1]])


def with_cursor(
    drawn: Lines, row: int, column: int, value: float, grid: Grid, palette: Palette
) -> Lines:
    """A mark on the cursor's cell, around its value where that is written."""
    at, start = grid.line_of(row), column * grid.cell
    strip = drawn[at]
    here = strip.crop(start, start + grid.cell)
    text = "X" if palette.ascii_only else "◆"
    if grid.cell >= WRITTEN and not np.isnan(value):
        text = f"[{_short(value)}]"
    chosen = palette.styles["note"] + Style(bold=True, reverse=True)
    parts = [
        strip.crop(0, start),
        _over(here, text, palette, chosen, cursor=True),
        strip.crop(start + grid.cell, strip.cell_length),
    ]
    return [*drawn[:at], Strip.join(parts), *drawn[at + 1 :]]


def _against(color: Color) -> Color:
    """Black or white, which of them is seen on a colour."""
    red, green, blue = color.get_truecolor()
    light = 0.299 * red + 0.587 * green + 0.114 * blue > 110
    return Color.from_rgb(0, 0, 0) if light else Color.from_rgb(255, 255, 255)
