"""The only door to plotext: cells of colour in, lines of the screen out.

Where plotext cannot be imported (it has no wheel for some platforms) the same half-blocks
are made here, and `fallback_note` says so once.
"""

import re
import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from themes import Rgb

HALF_BLOCK = "▀"

_PLOTEXT_LOCK = threading.Lock()
_TOKEN = re.compile("\x1b\\[([34])8;2;(\\d+;\\d+;\\d+)m|\x1b\\[0m|([^\x1b]+)")


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
