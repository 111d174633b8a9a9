"""The only door to plotext: cells of colour or marks at cells in, lines of the screen out.

Where plotext cannot be imported (it has no wheel for some platforms) the same is drawn here
(marks in `tui.plot_fallback`), and `fallback_note` says so once. No foreign text passes: what is
named in a plot is named by its number.
"""

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from themes import Rgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HALF_BLOCK = "▀"

FINE = "braille"
"""A mark of two by four dots a cell, as plotext calls it."""

EIGHTHS = "▏▎▍▌▋▊▉█"
"""A cell filled from the left, by eighths."""

_PLOTEXT_LOCK = threading.Lock()
_TOKEN = re.compile("\x1b\\[([34])8;2;(\\d+;\\d+;\\d+)m|\x1b\\[0m|([^\x1b]+)")
_INKED = re.compile("\x1b\\[(?:(?P<ink>38;2;(\\d+);(\\d+);0)|[\\d;]*)m|([^\x1b]+)")
_ASCII_FRAME = str.maketrans("─│┤┬└", "-|+++")


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks of one look.

    Attributes:
        xs: float `(marks,)`, in cells from the left of the plot, 0 to its columns - 1.
        ys: float `(marks,)`, in cells from its bottom, 0 to its lines - 1.
        mark: a character one cell wide, or `FINE`.
        style: how it looks.
        joined: draw a line from each to the next.
    """

    xs: "NDArray[np.float64]"
    ys: "NDArray[np.float64]"
    mark: str
    style: Style
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """The axes to the left of a plot and below it.

    Attributes:
        left: ticks, each a line from the bottom and its label; ASCII.
        below: ticks, each a column and its label; ASCII. They have room.
        style: how lines and labels look.
        ascii_only: draw the lines in ASCII.
    """

    left: tuple[tuple[int, str], ...]
    below: tuple[tuple[int, str], ...]
    style: Style
    ascii_only: bool = False

    @property
    def gutter(self) -> int:
        """Columns that the labels and the line at the left take."""
        return max((len(label) for _, label in self.left), default=0) + 1


FRAME_LINES = 2
"""Lines that the axis below a plot takes."""


def half_blocks(rows: list[list[Rgb]]) -> list[Strip]:
    """Draw pixels two to a cell, the upper as foreground of a half-block.

    Args:
        rows: an even number of rows of equal length, from the top.

    Returns:
        one strip for every two rows.
    """
    if not rows or not rows[0]:
        return [Strip([]) for _ in rows[::2]]
    plotext = _plotext()
    if plotext is None:
        return [_strip(zip(rows[k], rows[k + 1], strict=True)) for k in range(0, len(rows), 2)]
    return _from_ansi(_draw(plotext, rows))


def marks(layers: Sequence[Marks], frame: Frame | None, columns: int, lines: int) -> list[Strip]:
    """Draw marks between axes; of several at one cell the later one is seen.

    Args:
        layers: from the lowest; what is outside of the plot is not drawn.
        frame: its axes; None for none.
        columns: of the plot, without the frame; 1 at least.
        lines: of the plot, without the frame; 1 at least.

    Returns:
        `lines + FRAME_LINES` strips of `frame.gutter + columns` cells; without a frame `lines`
        of `columns`.
    """
    inside = [kept for layer in layers if len((kept := _inside(layer, columns, lines)).xs)]
    plotext = _plotext()
    if plotext is None:
        from tui.plot_fallback import draw_marks

        drawn = draw_marks(inside, frame, columns, lines)
    else:
        inks = [frame.style if frame else Style(), *(layer.style for layer in inside)]
        drawn = _from_inks(_draw_marks(plotext, inside, frame, columns, lines), inks)
    return list(map(_ascii_frame, drawn)) if frame and frame.ascii_only else drawn


def bars(shares: Sequence[float], columns: int, style: Style, ascii_only: bool) -> list[Strip]:
    """A bar a line, as long as its share of the columns.

    Args:
        shares: from 0 to 1; clipped beyond, and none of NaN.
        columns: cells across.
        style: of all bars.
        ascii_only: draw in ASCII: whole cells.
    """
    import numpy as np

    parts = 1 if ascii_only else len(EIGHTHS)
    known = np.clip(np.nan_to_num(np.asarray(shares, np.float64), nan=0.0), 0.0, 1.0)
    # What is there is seen: only nothing has no bar.
    length = np.maximum(np.rint(known * columns * parts), known > 0.0).astype(int)
    up = len(length) - 1 - np.arange(len(length))
    whole = length // parts
    xs = np.concatenate([np.arange(full) for full in whole] or [np.empty(0)])
    layers = [Marks(xs, np.repeat(up, whole), "#" if ascii_only else EIGHTHS[-1], style)]
    for part in range(1, parts):
        ends = length % parts == part
        layers.append(Marks(whole[ends], up[ends], EIGHTHS[part - 1], style))
    return marks(layers, None, columns, len(length)) if len(length) else []


def fallback_note() -> str:
    """What to tell the user where plotext is missing; `""` where it is there."""
    return "" if _plotext() else "plotext cannot be imported here: plots are drawn without it"


@lru_cache(maxsize=1)
def _plotext() -> Any:
    try:
        import plotext
    except ImportError:
        return None
    # Otherwise it clamps every figure to the size of the terminal it believes to be in.
    plotext.terminal.limit(False, False)
    return plotext


def _draw(plotext: Any, rows: list[list[Rgb]]) -> str:
    height, width = len(rows) // 2, len(rows[0])
    markers: dict[tuple[Rgb, Rgb], Any] = {}
    xs, ys, points = [], [], []
    for line in range(height):
        for column, pair in enumerate(zip(rows[2 * line], rows[2 * line + 1], strict=True)):
            marker = markers.get(pair)
            if marker is None:
                marker = markers[pair] = plotext.marker(HALF_BLOCK, plotext.pixel(*pair))
            xs.append(column + 1)
            ys.append(height - line)
            points.append(marker)
    with _PLOTEXT_LOCK:
        figure = plotext.figure
        figure.clear()
        figure.plot_size(width, height)
        figure.axes(False)
        figure.canvas("default")
        figure.ruler("x").lim(1, width).frequency(0)
        figure.ruler("y").lim(1, height).frequency(0)
        figure.draw(figure.signal(xs, ys, marker=points))
        return str(figure.build())


def _ascii_frame(strip: Strip) -> Strip:
    return Strip([Segment(part.text.translate(_ASCII_FRAME), part.style) for part in strip])


def _inside(layer: Marks, columns: int, lines: int) -> Marks:
    """What of a layer is in the plot; what cannot be told apart on the screen once only."""
    import numpy as np

    xs, ys = np.asarray(layer.xs, np.float64), np.asarray(layer.ys, np.float64)
    kept = (xs >= 0) & (xs <= columns - 1) & (ys >= 0) & (ys <= lines - 1)
    points = np.stack((xs[kept], ys[kept]))
    if not layer.joined:
        fine = np.array([[2.0], [4.0]]) if layer.mark == FINE else np.ones((2, 1))
        points = np.unique(np.rint(points * fine), axis=1) / fine
    return Marks(points[0], points[1], layer.mark, layer.style, layer.joined)


def _draw_marks(
    plotext: Any, layers: Sequence[Marks], frame: Frame | None, columns: int, lines: int
) -> str:
    """What plotext draws; a colour is the number of a style (see `_from_inks`)."""

    def ink(number: int) -> Any:
        return plotext.pixel((number // 256, number % 256, 0))

    with _PLOTEXT_LOCK:
        figure = plotext.figure
        figure.clear()
        figure.canvas("default")
        figure.axes(False)
        x, y = figure.ruler("x"), figure.ruler("y")
        x.lim(0, max(columns - 1, 0.5))
        y.lim(0, max(lines - 1, 0.5))
        if frame is None:
            figure.plot_size(columns, lines)
            x.frequency(0)
            y.frequency(0)
        else:
            figure.plot_size(columns + frame.gutter, lines + FRAME_LINES)
            figure.axes(True, axis="x", side="lower", pixel=ink(0))
            figure.axes(True, axis="y", side="left", pixel=ink(0))
            for ruler, ticks in ((x, frame.below), (y, frame.left)):
                ruler.ticks([at for at, _ in ticks], [label for _, label in ticks])
                ruler.pixel(ink(0))
        for number, layer in enumerate(layers, 1):
            marker = plotext.marker(layer.mark, ink(number))
            signal = figure.signal(layer.xs.tolist(), layer.ys.tolist(), marker=marker)
            figure.draw(signal.lines(True) if layer.joined else signal)
        built = str(figure.build())
        figure.clear()
    return built


def _from_inks(text: str, inks: Sequence[Style]) -> list[Strip]:
    """Read what plotext wrote, its colours as numbers of styles."""
    strips = []
    for line in text.removesuffix("\n").split("\n"):
        style, segments = Style(), []
        for match in _INKED.finditer(line):
            numbered, high, low, cells = match.groups()
            if cells:
                segments.append(Segment(cells, style))
            elif numbered:
                style = inks[int(high) * 256 + int(low)]
            elif match.group() == "\x1b[0m":
                style = Style()
        strips.append(Strip(segments).simplify())
    return strips


def _from_ansi(text: str) -> list[Strip]:
    """Read what plotext wrote: 24-bit colours, resets and half-blocks, nothing else."""
    strips = []
    for line in text.split("\n"):
        colors = {"3": "0;0;0", "4": "0;0;0"}
        segments = []
        for match in _TOKEN.finditer(line):
            ground, color, cells = match.groups()
            if ground:
                colors[ground] = color
            elif cells:
                segments.append(Segment(cells, _style(colors["3"], colors["4"])))
        if segments:
            strips.append(Strip(segments).simplify())
    return strips


def _strip(cells: Iterable[tuple[Rgb, Rgb]]) -> Strip:
    return Strip([Segment(HALF_BLOCK, _style(*pair)) for pair in cells]).simplify()


@lru_cache(maxsize=8192)
def _style(upper: str | Rgb, lower: str | Rgb) -> Style:
    return Style(color=_color(upper), bgcolor=_color(lower))


@lru_cache(maxsize=1024)
def _color(value: str | Rgb) -> Color:
    red, green, blue = map(int, value.split(";")) if isinstance(value, str) else value
    return Color.from_rgb(red, green, blue)
