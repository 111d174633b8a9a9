"""Marks between axes, drawn without plotext: where that cannot be imported."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

if TYPE_CHECKING:
    from tui.plots import Frame, Marks

BRAILLE = 0x2800
"""The empty braille character; its dots are bits."""

DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""The bit of each dot: by column, then from the bottom."""

Cell = tuple[str, Style]


def draw_marks(
    layers: "Sequence[Marks]", frame: "Frame | None", columns: int, lines: int
) -> list[Strip]:
    """As `tui.plots.marks`; layers are inside of the plot."""
    from tui.plots import FINE

    cells: dict[tuple[int, int], Cell] = {}
    for layer in layers:
        xs, ys = _joined(layer.xs, layer.ys) if layer.joined else (layer.xs, layer.ys)
        if layer.mark == FINE:
            _put_dots(cells, xs, ys, layer.style, columns, lines)
            continue
        places = np.rint((ys, xs)).astype(int).T.tolist()
        cells |= dict.fromkeys(map(tuple, places), (layer.mark, layer.style))
    blank = (" ", Style())
    if frame is None:
        across = range(columns)
        return [_strip([cells.get((row, at), blank) for at in across]) for row in range(lines)][
            ::-1
        ]
    ticks = dict(frame.left)
    room = frame.gutter - 1
    drawn = []
    for row in range(lines - 1, -1, -1):
        label = f"{ticks.get(row, ''):>{room}}{'┤' if row in ticks else '│'}"
        inner = [cells.get((row, column), blank) for column in range(columns)]
        drawn.append(_strip([(label, frame.style), *inner]))
    return [*drawn, *_axis_below(frame, columns)]


def _put_dots(
    cells: dict[tuple[int, int], Cell],
    xs: NDArray[np.float64],
    ys: NDArray[np.float64],
    style: Style,
    columns: int,
    lines: int,
) -> None:
    """Dots of two columns and four rows a cell; those that are there already stay."""
    across = np.rint(xs * ((2 * columns - 1) / max(1, columns - 1))).astype(int).tolist()
    up = np.rint(ys * ((4 * lines - 1) / max(1, lines - 1))).astype(int).tolist()
    for x, y in zip(across, up, strict=True):
        at = (y // 4, x // 2)
        before = ord(cells[at][0]) if at in cells else 0
        bits = before - BRAILLE if BRAILLE <= before < BRAILLE + 256 else 0
        cells[at] = (chr(BRAILLE + (bits | DOTS[x % 2][y % 4])), style)


def _joined(
    xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points along the lines from each to the next, close enough to leave no gap."""
    if len(xs) < 2:
        return xs, ys
    steps = np.maximum(np.abs(np.diff(xs)) * 4, np.abs(np.diff(ys)) * 8).astype(int) + 1
    start = np.repeat(np.arange(len(steps)), steps)
    part = (np.arange(len(start)) - np.repeat(np.cumsum(steps) - steps, steps)) / steps[start]
    return (
        np.append(xs[start] + np.diff(xs)[start] * part, xs[-1]),
        np.append(ys[start] + np.diff(ys)[start] * part, ys[-1]),
    )


def _axis_below(frame: "Frame", columns: int) -> Iterator[Strip]:
    rule, labels = ["─"] * columns, [" "] * columns
    for at, label in frame.below:
        rule[at] = "┬"
        start = max(0, min(at - len(label) // 2, columns - len(label)))
        labels[start : start + len(label)] = label
    edge = " " * (frame.gutter - 1)
    yield _strip([(f"{edge}└{''.join(rule)}", frame.style)])
    yield _strip([(f"{edge} {''.join(labels)[:columns]}", frame.style)])


def _strip(cells: Sequence[Cell]) -> Strip:
    """A line; runs of one style are one segment."""
    runs = groupby(cells, key=lambda cell: cell[1])
    return Strip([Segment("".join([text for text, _ in run]), style) for style, run in runs])
