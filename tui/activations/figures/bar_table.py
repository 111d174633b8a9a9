"""Shares of features: a line each, with a bar and a number for each column."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from inspect_core.text import clean
from tui import format as fmt
from tui.figures.parts import Lines, line
from tui.figures.wrapping import padded
from tui.palette import Palette
from tui.plots import bars

LEAST_NAME, NAME = 8, 16
"""Cells of a name; a longer one is cut in its middle."""

NUMBER = 7
"""Cells of a percentage and the blank before it."""

GAP = 2
"""Blanks between columns."""

LEAST_BAR, MOST_BAR = 3, 40
"""Cells of the longest bar; a shorter one is none."""

Text = tuple[str, Style]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of bars.

    Attributes:
        title: safe.
        values: shares, one a row.
        style: of the bars, by its name in the palette.
        notes: a text after each number, left out where it is narrow; empty for none.
    """

    title: str
    values: Sequence[float]
    style: str
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Ends:
    """A last column of texts, left out where it is narrow."""

    title: str = ""
    texts: Sequence[Text] = field(default_factory=tuple)

    @property
    def width(self) -> int:
        """Cells that it takes."""
        return GAP + max(map(len, [self.title, *(text for text, _ in self.texts)]))


def bar_table(
    name: str,
    rows: Sequence[str],
    columns: Sequence[Column],
    palette: Palette,
    width: int,
    most: float = 0.0,
    ends: Ends | None = None,
) -> Lines:
    """A heading and a line for each row; all bars are on one scale.

    Args:
        name: what the rows are; safe.
        rows: their names; foreign.
        columns: at least one.
        palette: colours and glyphs.
        width: cells across.
        most: the longest bar stands for this share, or for the largest one if that is more.
        ends: what stands at the end of each row.
    """
    names = [clean(row, NAME) for row in rows]
    label = max(LEAST_NAME, *map(cell_len, [name, *names]))
    notes = max((len(note) + 1 for column in columns for note in column.notes), default=0)
    notes = max(notes, len("count") + 1) if notes else 0
    bar = _bar_width(width - label - (ends.width if ends else 0), len(columns), notes)
    if bar < LEAST_BAR:  # bars tell more than what stands beside them
        ends, notes = None, 0
        bar = _bar_width(width - label, len(columns), 0)
    bar = bar if bar >= LEAST_BAR else 0
    most = max([most, *(v for column in columns for v in column.values if math.isfinite(v))])
    drawn = [_drawn(column, bar, most, notes, palette) for column in columns]
    head = padded(name, label)
    for column in columns:
        title = column.title[: bar + NUMBER - 1]
        head += " " * GAP + f"{title:<{bar + NUMBER}}" + ("count".rjust(notes) if notes else "")
    head += f"{ends.title:>{ends.width}}" if ends else ""
    lines = [line((head, palette.styles["muted"]))]
    for at, shown in enumerate(names):
        parts = [line((padded(shown, label), palette.styles["module"]))]
        parts += [cells[at] for cells in drawn]
        if ends:
            text, style = ends.texts[at]
            parts.append(line((f"{text:>{ends.width}}", style)))
        lines.append(Strip.join(parts))
    return lines


def percent(share: float) -> str:
    """A share for people; `n/a` where it is not defined."""
    return fmt.percent(share) if math.isfinite(share) else "n/a"


def known(share: float) -> float:
    """A share that can be drawn: 0 where it is not defined."""
    return share if math.isfinite(share) else 0.0


def _bar_width(width: int, columns: int, notes: int) -> int:
    return min(MOST_BAR, width // columns - GAP - NUMBER - notes)


def _drawn(column: Column, bar: int, most: float, notes: int, palette: Palette) -> Lines:
    """The cells of a column: blanks, bar, number, note."""
    values = [known(value) / (most or 1.0) for value in column.values]
    style, blank = palette.styles[column.style], Strip([])
    cells = bars(values, bar, style, palette.ascii_only) if bar else [blank] * len(values)
    told = column.notes if notes else [""] * len(values)
    return [
        Strip.join(
            [
                line(" " * GAP),
                drawn,
                line(f"{percent(value):>{NUMBER}}", (f"{note:>{notes}}", palette.styles["muted"])),
            ]
        )
        for drawn, value, note in zip(cells, column.values, told, strict=True)
    ]
