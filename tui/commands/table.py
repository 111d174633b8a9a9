"""A table of tensors or layers: as wide as the terminal, and in a pipe as wide as it needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from inspect_core.text import clean
from tui.commands.output import Output, Part, cells_of

GAP = "  "

BAR = 16
"""Cells of the longest bar; a narrow terminal has half of them."""

WIDEST_NAME = 100
"""A longer name runs over its column in a pipe, so that one does not move all others."""

ENOUGH = 46
"""Cells of a name for which less important columns give way on a terminal."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column right of the names.

    Attributes:
        title: what cells name it by.
        width: cells of its longest text.
        rank: where there is no room the highest goes first; 0 always stays.
        heading: what stands above it; the title where it is empty.
    """

    title: str
    width: int
    rank: int = 0
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line.

    Attributes:
        name: what it is about; foreign text.
        cells: texts by the title of their column, safe to show; the last may be missing.
        words: follow the last of the cells; foreign text.
        share: length of its bar, 0 to 1.
        state: colour of the words, as a state of the theme.
    """

    name: str
    cells: dict[str, str] = field(default_factory=dict)
    words: str = ""
    share: float = 0.0
    state: str = "note"


class Table:
    """Prints rows below a heading; `left_out` are the columns for which there was no room.

    Args:
        output: where to.
        heading: the heading of the names.
        columns: the others.
        names: all names, to see how wide they are.
        bars: whether rows end in bars.
    """

    def __init__(
        self,
        output: Output,
        heading: str,
        columns: Sequence[Column],
        names: Iterable[str],
        bars: bool = False,
    ) -> None:
        self._output = output
        self._heading = heading
        self._columns = list(columns)
        self.left_out: list[str] = []
        longest = max((cells_of(clean(name, WIDEST_NAME)) for name in names), default=0)
        self._name = max(len(heading), min(longest, WIDEST_NAME))
        self._bar = BAR if bars else 0
        if output.width is not None:
            self._fit(output.width)

    def _fit(self, width: int) -> None:
        """Give up columns until names have room, then give names what is left."""
        wanted = min(self._name, ENOUGH)
        if self._bar and width - self._taken() < wanted:
            self._bar //= 2
        if width - self._taken() < wanted:
            self._bar = 0
        while width - self._taken() < wanted:
            least = max(self._columns, key=lambda column: column.rank)
            if least.rank == 0:
                break
            self._columns.remove(least)
            self.left_out.insert(0, least.title)
        self._name = max(len(self._heading), min(self._name, width - self._taken()))

    def _taken(self) -> int:
        """Cells of everything but the names."""
        bar = len(GAP) + self._bar if self._bar else 0
        return bar + sum(column.width + len(GAP) for column in self._columns)

    def head(self) -> None:
        """Print the headings."""
        titles = [(column.heading or column.title, column.width) for column in self._columns]
        padded = [f"{GAP}{' ' * (width - cells_of(title))}{title}" for title, width in titles]
        self._output.line((f"{self._heading:<{self._name}}" + "".join(padded), "muted"))

    def rows(self, rows: Iterable[Row]) -> None:
        """Print rows."""
        for row in rows:
            self._output.line(*self._parts(row))

    def _parts(self, row: Row) -> list[Part]:
        terminal = self._output.width
        # Only displays cut: what is piped is kept, and read later.
        name = clean(row.name, None) if terminal is None else self._output.cut(row.name, self._name)
        name = name or '""'
        used = max(self._name, cells_of(name))
        parts: list[Part] = [name, " " * (used - cells_of(name))]
        cells = row.cells
        last = max([at for at, c in enumerate(self._columns) if c.title in cells], default=-1)
        for column in self._columns[: last + 1]:
            text = cells.get(column.title, "")
            parts.append(f"{GAP}{' ' * (column.width - cells_of(text))}{text}")
            used += column.width + len(GAP)
        if row.words:
            words = clean(row.words, None)
            if terminal is not None:
                room = terminal - used - len(GAP)
                words = self._output.cut(row.words, room) if room > 3 else ""
            parts += [GAP, (words, row.state)]
        elif self._bar and row.share > 0.0:
            parts += [GAP, self._drawn(row.share)]
        return parts

    def _drawn(self, share: float) -> Part:
        palette = self._output.palette
        filled = palette.glyphs.rule * max(1, round(share * self._bar))
        return filled, palette.bar_style(share)
