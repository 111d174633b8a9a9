"""One shape for every table that is printed or written: columns with keys, rows of values.

A `Sheet` holds plain values and foreign names as they are; whoever writes it makes them safe.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["name", "text", "words", "count", "number", "share", "cosine"]
"""What a column holds: foreign names, other texts, words about the row (its status), whole
numbers, measured numbers, shares in [0, 1], and cosines, of which the digits near 1 count."""

MEASURED: frozenset[Kind] = frozenset({"number", "share", "cosine"})
"""The kinds of columns that hold measured numbers."""

Value = str | int | float | bool | tuple[int, ...] | None
"""A cell; a tuple is a shape, None is what is not defined or does not apply."""


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """A column of a sheet.

    Attributes:
        key: its name in files; the same from release to release.
        kind: what it holds.
        title: its heading for people.
        rank: where a terminal has no room the highest goes first; 0 always stays.
        to: files have more columns than people want, and people words that files do not need.
        band: columns of one band are printed together, below the band's name; those without
            a band are repeated.
    """

    key: str
    kind: Kind
    title: str = ""
    rank: int = 0
    to: Literal["all", "files", "people"] = "all"
    band: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table of plain values.

    Attributes:
        title: what its rows are, for people: `tensor`, `layer`.
        columns: one for each value of a row.
        rows: as many values each as there are columns.
        total: a last row over all of them, not only over those listed; None without.
    """

    title: str
    columns: tuple[SheetColumn, ...]
    rows: Sequence[tuple[Value, ...]]
    total: tuple[Value, ...] | None = None

    def __post_init__(self) -> None:
        for row in self.rows if self.total is None else [*self.rows, self.total]:
            if len(row) != len(self.columns):
                raise ValueError(f"{len(row)} values for {len(self.columns)} columns")

    def for_files(self) -> "Sheet":
        """The columns that files have, without the total."""
        kept = [at for at, column in enumerate(self.columns) if column.to != "people"]
        rows = [tuple([row[at] for at in kept]) for row in self.rows]
        return Sheet(self.title, tuple([self.columns[at] for at in kept]), rows)

    def records(self) -> list[dict[str, Value]]:
        """The rows that files have, as values by the keys of their columns."""
        sheet = self.for_files()
        keys = [column.key for column in sheet.columns]
        return [dict(zip(keys, row, strict=True)) for row in sheet.rows]
