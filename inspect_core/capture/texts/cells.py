"""What a row says in the columns that are meant; values of JSON must be of the right kind."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.capture.texts.rows import Row
from inspect_core.errors import LamellaError
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.capture.texts.columns import Columns

_LONGEST_NUMBER = 40
"""Characters."""


@dataclass(frozen=True, slots=True)
class Cells:
    """What a row says.

    Attributes:
        text: the text; foreign.
        tags: one a word; None without a column for them.
        labels: one for each label column.
    """

    text: str
    tags: tuple[str, ...] | None
    labels: tuple[str, ...]


def cells_of(row: Row, columns: "Columns", where: str) -> Cells:
    """What a row says in the columns that are meant.

    Raises:
        LamellaError: a value of a JSON object is of the wrong kind, or missing.
    """
    cells = row.cells
    if isinstance(cells, dict):
        tags = None if columns.tags is None else _list(row, cells, str(columns.tags), where)
        labels = tuple(_label(row, cells, str(name), where) for name in columns.labels)
        labels = _signed(row, labels, columns.signs, where)
        return Cells(_text(row, cells, str(columns.text), where), tags, labels)
    tags = None if columns.tags is None else tuple(cells[int(columns.tags)].split())
    labels = tuple(cells[int(place)].strip() for place in columns.labels)
    labels = _signed(row, labels, columns.signs, where)
    return Cells(cells[int(columns.text)], tags, labels)


def shown_value(value: object) -> str:
    """A value of JSON for people, never deeper than a list of texts; foreign."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list() if all(isinstance(part, str) for part in value):
            return " ".join(value)
        case _:
            return f"({kind_of(value)})"


def kind_of(value: object) -> str:
    """Of which kind a value of JSON is, for people."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def _text(row: Row, cells: dict[str, object], key: str, where: str) -> str:
    value = cells.get(key)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(_list(row, cells, key, where))
    found = f"'{key}' is {kind_of(value)}, not a text" if key in cells else f"there is no '{key}'"
    raise LamellaError(f"line {row.line:,}: {found}", where=where)


def _list(row: Row, cells: dict[str, object], key: str, where: str) -> tuple[str, ...]:
    """One entry a word: of a list, or of a text between white space."""
    value = cells.get(key)
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list):
        # A class is often a number. White space in an entry would make two words of it.
        kept = [str(part) for part in value if isinstance(part, str | int)]
        if len(kept) == len(value):
            return tuple("_".join(part.split()) or "_" for part in kept)
        raise LamellaError(f"line {row.line:,}: '{key}' is a list of other things", where=where)
    found = f"'{key}' is {kind_of(value)}" if key in cells else f"there is no '{key}'"
    raise LamellaError(
        f"line {row.line:,}: {found}", where=where, hint="a text or a list of texts is needed"
    )


def _signed(
    row: Row, labels: tuple[str, ...], signs: tuple[bool, ...], where: str
) -> tuple[str, ...]:
    """The labels, numbers that count by their sign as a word."""
    if not any(signs):
        return labels
    both = zip(labels, signs, strict=True)
    return tuple(_sign(row, label, where) if sign else label for label, sign in both)


def _sign(row: Row, label: str, where: str) -> str:
    if not label:
        return ""
    try:
        value = float(label[:_LONGEST_NUMBER])
    except ValueError:
        value = math.nan
    if math.isnan(value) or len(label) > _LONGEST_NUMBER:
        raise LamellaError(
            f"line {row.line:,}: '{clean(label, 30)}' is no number: it has no sign", where=where
        )
    return "positive" if value > 0 else "negative" if value < 0 else "zero"


def _label(row: Row, cells: dict[str, object], key: str, where: str) -> str:
    value = cells.get(key)
    if isinstance(value, list | dict):
        raise LamellaError(
            f"line {row.line:,}: '{key}' is {kind_of(value)}, not a label", where=where
        )
    return shown_value(value).strip()
