"""Tables of text cells: columns and rows, without a widget (see `tui.widgets.table`)."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Cell = tuple[str, Style]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: above it.
        width: cells.
        cell: text and style for a row, by what the row stands for.
        left: whether it is aligned to the left.
    """

    title: str
    width: int
    cell: Callable[[int], Cell]
    left: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: its columns, and what each row stands for.

    Attributes:
        columns: from the left.
        at: what each row stands for: an index of what is listed.
        empty: what is said where there is no row.
    """

    columns: tuple[Column, ...]
    at: tuple[int, ...]
    empty: str = ""

    def header(self) -> Strip:
        """The line of titles."""
        style = Style(bold=True)
        cells = [_fit(column.title, column.width, column.left) for column in self.columns]
        return Strip([Segment(f"{cell} ", style) for cell in cells])

    def line(self, row: int, selected: bool) -> Strip:
        """One row; the highlight covers its number alone, so that all else keeps its colour."""
        parts = []
        for number, column in enumerate(self.columns):
            text, style = column.cell(self.at[row])
            over = Style(reverse=True, bold=True) if selected and number == 1 else Style()
            parts.append(Segment(_fit(text, column.width, column.left), style + over))
            parts.append(Segment(" "))
        return Strip(parts)


def that_fit(wanted: list[Column], rest: list[Column], width: int) -> list[Column]:
    """The columns that are wanted, and of the rest as many as fit, from the left."""
    kept = list(wanted)
    room = width - sum(column.width + 1 for column in kept)
    for column in rest:
        room -= column.width + 1
        if room < 0:
            break
        kept.append(column)
    return kept


def _fit(text: str, width: int, left: bool) -> str:
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) > width:
        return set_cell_size(text, width)
    blank = " " * (width - cell_len(text))
    return text + blank if left else blank + text
