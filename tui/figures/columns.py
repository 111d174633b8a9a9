"""Columns of characters, as high as what they stand for: the curves of the detail pane.

Eighths of a block where the terminal has them, so that a column is as fine in sixteen colours,
or in none, as in all of them.
"""

import math
from collections.abc import Sequence
from itertools import groupby

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.figures.parts import Lines, line
from tui.palette import Palette

EIGHTHS = " ▁▂▃▄▅▆▇█"
ASCII_PARTS = " .:#"
"""A column's top line in ASCII: little of it, some of it, most of it."""


def column_chart(
    heights: Sequence[float],
    lines: int,
    palette: Palette,
    styles: Sequence[Style],
    rule: float | None = None,
) -> Lines:
    """Columns of one character's width.

    Args:
        heights: from 0 to 1 of the chart, clipped beyond; NaN is left blank. What is above 0
            is seen, however little it is.
        lines: lines of the chart.
        palette: its glyphs.
        styles: of each column.
        rule: a height at which a line is drawn where no column stands.
    """
    parts = ASCII_PARTS if palette.ascii_only else EIGHTHS
    steps = len(parts) - 1
    filled = [_steps(height, lines * steps) for height in heights]
    ruled = None if rule is None else max(0, min(lines - 1, math.ceil(rule * lines) - 1))
    mark, rule_style = ("-" if palette.ascii_only else "╌"), palette.styles["note"]
    drawn = []
    for at in reversed(range(lines)):
        cells = []
        for full, style in zip(filled, styles, strict=True):
            part = max(0, min(steps, full - at * steps))
            free = part == 0 and at == ruled
            cells.append((mark, rule_style) if free else (parts[part], style))
        runs = groupby(cells, key=lambda cell: cell[1])
        drawn.append(Strip([Segment("".join([c for c, _ in run]), style) for style, run in runs]))
    return drawn


def _steps(height: float, steps: int) -> int:
    if math.isnan(height) or height <= 0.0:
        return 0
    return max(1, min(steps, round(height * steps)))


def under(labels: Sequence[tuple[int, str]], width: int, palette: Palette) -> Strip:
    """A line of labels under a chart, each beginning at its column; none over another.

    Args:
        labels: columns and texts, from the left.
        width: columns of the chart.
        palette: colours.
    """
    text = ""
    for column, label in labels:
        at = min(column, width - len(label))
        if not text or at > len(text):
            text = text.ljust(max(0, at)) + label
    return line((text[:width], palette.styles["muted"]))


def beside_axis(chart: Lines, labels: Sequence[str], palette: Palette, width: int) -> Lines:
    """A chart with an axis to its left.

    Args:
        chart: its lines.
        labels: texts of its first and last line, and of those between, evenly.
        palette: colours.
        width: characters of the axis, a blank among them.
    """
    at = {round(k * (len(chart) - 1) / max(1, len(labels) - 1)): t for k, t in enumerate(labels)}
    muted = palette.styles["muted"]
    return [
        Strip.join([line((f"{at.get(number, ''):>{width - 1}} ", muted)), strip])
        for number, strip in enumerate(chart)
    ]
