"""Fields of a stranger's table, taken one by one; what is wrong is said by its place."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from inspect_core.errors import UsageError
from inspect_core.plan.dtypes import dtype_of_field
from inspect_core.plan.plan import Pattern
from inspect_core.plan.written.spelling import ALL, MOST_LAYER, pattern_of
from inspect_core.text import clean

MOST_TEXT = 4000
"""Characters of a name, a pattern or an expression."""

MOST_NAMES = 100_000
"""Names in one list."""

MOST_LAYERS = 10_000
"""Layers in one list."""

MOST_RANK = 1 << 20
"""A rank beyond this fits no matrix that anybody has."""

MOST_ALPHA = 1e9
"""A scale numerator beyond this is a mistake."""

_HOWS = ("end", "glob", "regex", "exact")
Word = TypeVar("Word", bound=str)


class Wrong(ValueError):  # noqa: N818 - told on, never seen
    """What is wrong in a plan, by its place; foreign text is in it."""


class Fields:
    """One table of a plan file.

    Args:
        where: the place of the table, for people; empty for the file itself.
        table: what is in it; foreign.
    """

    def __init__(self, where: str, table: Mapping[str, Any]) -> None:
        self.where = where
        self._table = table

    def _wrong(self, key: str, what: str) -> Wrong:
        place = f"{self.where}: " if self.where else ""
        return Wrong(f"{place}{clean(key, 40)}: {what}")

    def only(self, known: Sequence[str]) -> None:
        """Refuse keys that mean nothing here: a plan that is half understood is not the plan."""
        for key in self._table:
            if key not in known:
                raise self._wrong(key, f"is not known here; known are {', '.join(known)}")

    def has(self, key: str) -> bool:
        """Whether a key is given."""
        return key in self._table

    def is_text(self, key: str) -> bool:
        """Whether a key is given a text."""
        return isinstance(self._table.get(key), str)

    def table(self, key: str) -> "Fields":
        """A table inside; empty where it is not given."""
        found = self._table.get(key, {})
        if not isinstance(found, dict):
            raise self._wrong(key, "not a table")
        return Fields(f"{self.where} {key}".strip(), found)

    def tables(self, key: str, most: int) -> list[Mapping[str, Any]]:
        """Tables in a row."""
        found = self._table.get(key, [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self._wrong(key, f"not tables: write [[{key}]]")
        if len(found) > most:
            raise self._wrong(key, f"{len(found):,} of them, more than the {most:,} accepted here")
        return found

    def text(self, key: str, default: str) -> str:
        """A text."""
        return self._text(key, self._table.get(key, default))

    def dtype(self, key: str, default: str) -> str:
        """A dtype by one of its names, or none where that means another's."""
        try:
            return dtype_of_field(key, self.text(key, default))
        except UsageError as error:
            raise self._wrong(key, str(error)) from None

    def _text(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            raise self._wrong(key, f"{_kind(value)}, where a text belongs")
        if len(value) > MOST_TEXT:
            raise self._wrong(key, f"a text of more than {MOST_TEXT:,} characters")
        return value

    def word(self, key: str, default: Word, known: Sequence[Word]) -> Word:
        """One of some words."""
        value = self._table.get(key, default)
        for one in known:
            if value == one and isinstance(value, str):
                return one
        raise self._wrong(key, f"not one of {', '.join(known)}")

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, none of them empty."""
        found = tuple([self._text(key, one) for one in self._list(key, MOST_NAMES)])
        if "" in found:
            raise self._wrong(key, "an empty text names nothing")
        return found

    def _list(self, key: str, most: int) -> list[Any]:
        found = self._table.get(key, [])
        if not isinstance(found, list):
            raise self._wrong(key, f"{_kind(found)}, where a list belongs")
        if len(found) > most:
            raise self._wrong(key, f"{len(found):,} entries, more than the {most:,} accepted here")
        return found

    def patterns(self, key: str) -> tuple[Pattern, ...]:
        """A list of patterns: as they are typed, or as tables with `match` and `how`."""
        return tuple(self._pattern(key, one) for one in self._list(key, MOST_NAMES))

    def _pattern(self, key: str, given: object) -> Pattern:
        if not isinstance(given, dict):
            try:
                return pattern_of(self._text(key, given))
            except UsageError as error:
                raise self._wrong(key, str(error)) from None
        if set(given) != {"match", "how"}:
            raise self._wrong(key, "a pattern's table has match and how, and nothing else")
        inside = Fields(f"{self.where} {key}", given)
        how: Literal["end", "glob", "regex", "exact"] = inside.word("how", "end", _HOWS)  # type: ignore[arg-type]
        made = Pattern(inside.text("match", ""), how)
        if not made.text and made != ALL:
            raise self._wrong(key, "an empty pattern fits nothing")
        return made

    def flag(self, key: str) -> bool:
        """True or false; false where it is not given."""
        value = self._table.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, f"{_kind(value)}, where true or false belongs")
        return value

    def integer(self, key: str, default: int, least: int) -> int:
        """A whole number up to `MOST_RANK`."""
        return self._integer(key, self._table.get(key, default), least, MOST_RANK)

    def _integer(self, key: str, value: object, least: int, most: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, f"{_kind(value)}, where a whole number belongs")
        if not least <= value <= most:
            raise self._wrong(key, f"not between {least} and {most:,}")
        return value

    def number(self, key: str, default: float) -> float:
        """A finite number; whole ones stay whole."""
        return self._number(key, self._table.get(key, default))

    def _number(self, key: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, f"{_kind(value)}, where a number belongs")
        if not (math.isfinite(value) if isinstance(value, float) else True) or not (
            -MOST_ALPHA <= value <= MOST_ALPHA
        ):
            raise self._wrong(key, f"not a number between -{MOST_ALPHA:g} and {MOST_ALPHA:g}")
        return value

    def share(self, key: str) -> float:
        """A number from 0 to less than 1; 0 where it is not given."""
        value = self.number(key, 0.0)
        if not 0 <= value < 1:
            raise self._wrong(key, "not from 0 to less than 1")
        return value

    def layers(self, key: str) -> tuple[int, ...]:
        """A list of numbers of layers."""
        found = self._list(key, MOST_LAYERS)
        return tuple(self._integer(key, one, 0, MOST_LAYER) for one in found)

    def integers(self, key: str, least: int) -> dict[str, int]:
        """Whole numbers by name."""
        pairs = self._pairs(key)
        return {name: self._integer(key, value, least, MOST_RANK) for name, value in pairs.items()}

    def numbers(self, key: str) -> dict[str, float]:
        """Numbers by name."""
        return {name: self._number(key, value) for name, value in self._pairs(key).items()}

    def _pairs(self, key: str) -> dict[str, object]:
        found = self._table.get(key, {})
        if not isinstance(found, dict):
            raise self._wrong(key, f"{_kind(found)}, where a table of names belongs")
        if len(found) > MOST_NAMES:
            raise self._wrong(key, f"more than the {MOST_NAMES:,} names accepted here")
        for name in found:
            if not name or len(name) > MOST_TEXT:
                raise self._wrong(key, f"a name of 1 to {MOST_TEXT:,} characters belongs here")
        return found


def _kind(value: object) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a text",
             list: "a list", dict: "a table"}  # fmt: skip
    return kinds.get(type(value), "a date")
