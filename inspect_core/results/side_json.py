"""What differs between two JSON texts: old and new value of every key that is not the same."""

import json
import unicodedata
from collections.abc import Iterator
from math import isnan
from typing import NamedTuple

from inspect_core.checkpoint.strict_json import LongNumber
from inspect_core.text import clean

MOST_DIFFERENCES = 200
"""Differences of one file that are told one by one."""

SHORT_LIST = 6
"""Items up to which a list of plain values is one value; of a longer one each item is."""

_KEY_CELLS, _VALUE_CELLS = 120, 160
_MOST_TEXT = 2000
"""Characters of a value that are looked at: a display cuts it long before."""


class Difference(NamedTuple):
    """One value that is not the same.

    Attributes:
        key: its keys from the outside in, joined by dots; safe to show.
        old: JSON of the old value, cut and safe to show; None where there is none.
        new: the same for the new one.
    """

    key: str
    old: str | None
    new: str | None


class _Absent:
    """There is no such key, which is not the same as a null."""


_ABSENT = _Absent()


def json_differences(
    old: object, new: object, skip: frozenset[str] = frozenset()
) -> list[Difference]:
    """The differences of two parsed values, in the old one's order, then what is new.

    Args:
        old: what `parse_exact` gave.
        new: the same for the new text.
        skip: outermost keys that do not count.
    """
    found: list[Difference] = []
    walk = _walk(old, new, skip)
    for difference in walk:
        if len(found) == MOST_DIFFERENCES:
            more = 1 + sum(1 for _ in walk)
            found.append(Difference(f"{more:,} more", None, None))
            break
        found.append(difference)
    return found


def shown(value: object, ascii_only: bool = False) -> str | None:
    """A value as JSON, cut and safe to show; None where there is none."""
    if isinstance(value, _Absent):
        return None
    return clean(_text(value, ascii_only), _VALUE_CELLS)


def shown_key(key: str) -> str:
    """A key, cut and safe to show."""
    return clean(key, _KEY_CELLS)


def _walk(old: object, new: object, skip: frozenset[str]) -> Iterator[Difference]:
    # A stack of its own: JSON may nest deeper than Python likes to call.
    waiting: list[tuple[str, object, object]] = [("", old, new)]
    while waiting:
        path, a, b = waiting.pop()
        parts = _parts(a, b)
        if parts is None:
            if not _same(a, b):
                yield Difference(shown_key(path), *_told(a, b))
            continue
        for key, one, other in reversed(parts):
            if path or key not in skip:
                # Cut on the way: a thousand long keys inside each other are quadratic otherwise.
                inside = f"{path}.{key[:_MOST_TEXT]}" if path else key[:_MOST_TEXT]
                waiting.append((clean(inside, 2 * _KEY_CELLS), one, other))


def _told(a: object, b: object) -> tuple[str | None, str | None]:
    r"""Both values; in ASCII where they would look the same, as `é` and `e\u0301` do."""
    old, new = shown(a), shown(b)
    if old is not None and new is not None and _look(old) == _look(new):
        return shown(a, ascii_only=True), shown(b, ascii_only=True)
    return old, new


def _look(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _parts(a: object, b: object) -> list[tuple[str, object, object]] | None:
    """What is inside two values, side by side; None where they are compared as they are."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = dict.fromkeys([*a, *b])
        return [(key, a.get(key, _ABSENT), b.get(key, _ABSENT)) for key in keys]
    if isinstance(a, list) and isinstance(b, list):
        if max(len(a), len(b)) <= SHORT_LIST and _plain(a) and _plain(b):
            return None
        longest = max(len(a), len(b))
        return [(str(at), _item(a, at), _item(b, at)) for at in range(longest)]
    return None


def _plain(items: list[object]) -> bool:
    return not any(isinstance(item, dict | list) for item in items)


def _item(items: list[object], at: int) -> object:
    return items[at] if at < len(items) else _ABSENT


def _same(a: object, b: object) -> bool:
    """Whether two values are the same JSON: true is not 1, and 1.0 is not 1; NaN is NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) and isinstance(b, float) and isnan(a):
        return isnan(b)
    return a == b


def _text(value: object, ascii_only: bool) -> str:
    """Enough of a value's JSON."""
    if isinstance(value, str):
        return json.dumps(value[:_MOST_TEXT], ensure_ascii=ascii_only)
    if isinstance(value, LongNumber):
        return value.text
    if isinstance(value, dict):
        keys = "1 key" if len(value) == 1 else f"{len(value):,} keys"
        return f"{{{keys}}}" if value else "{}"
    if isinstance(value, list):
        if len(value) > SHORT_LIST or not _plain(value):
            return f"[{len(value):,} items]"
        return f"[{', '.join([_text(item, ascii_only) for item in value])}]"
    return json.dumps(value)
