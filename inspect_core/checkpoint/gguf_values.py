"""Values of a GGUF file's keys, as short texts: long lists are counted, not kept."""

from struct import Struct

from inspect_core.checkpoint.gguf_cursor import Cursor
from inspect_core.errors import CheckpointError

MAX_TEXT_BYTES = 1 << 16
"""Length of the longest value that is kept; chat templates take 4 to 20 KB."""

MAX_ITEM_BYTES = 200
"""Length of the longest string of a list that is kept."""

MOST_ITEMS = 16
"""Lists up to this long are written out."""

MAX_DEPTH = 4
"""Lists in lists; no known file has any."""

MAX_INNER_LISTS = 100_000
"""Lists inside lists in the whole file, at all depths."""

UINT32 = 4
"""Number of the one type that `general.alignment` may have."""

_FLOAT32, _BOOL, _STRING, _LIST = 6, 7, 8, 9
_NUMBERS: dict[int, Struct] = {
    0: Struct("<B"), 1: Struct("<b"), 2: Struct("<H"), 3: Struct("<h"), UINT32: Struct("<I"),
    5: Struct("<i"), _FLOAT32: Struct("<f"), _BOOL: Struct("<B"), 10: Struct("<Q"),
    11: Struct("<q"), 12: Struct("<d"),
}  # fmt: skip
"""How numbers and truth values are stored, by the format's number of their type."""

_LEAST_BYTES = {_STRING: 8, _LIST: 12} | {kind: form.size for kind, form in _NUMBERS.items()}


class Values:
    """Reads values one after another.

    Args:
        cursor: before the first value, and before each one that is asked for.
    """

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._inner_lists = MAX_INNER_LISTS

    def read(self, key: str, kind: int) -> str:
        """The next value as a text for people, foreign.

        Args:
            key: its key, for messages.
            kind: the format's number of its type.

        Raises:
            CheckpointError: it is of no known type, broken, or too deep.
        """
        if kind != _LIST:
            return self._item(key, kind, MAX_TEXT_BYTES)
        kind, count = self._list_head(key)
        if count <= MOST_ITEMS and kind != _LIST:
            items = [self._item(key, kind, MAX_ITEM_BYTES) for _ in range(count)]
            return f"[{', '.join(items)}]"
        self._skip_items(key, kind, count, 1)
        what = {_STRING: "strings", _LIST: "lists"}.get(kind, "values")
        return f"{count:,} {what}"

    def _item(self, key: str, kind: int, most: int) -> str:
        if kind == _STRING:
            text = self._cursor.text(most)
            return f"{text:,} bytes of text" if isinstance(text, int) else text
        if kind not in _NUMBERS:
            raise self._unknown(key, kind)
        [number] = self._cursor.unpack(_NUMBERS[kind])
        if kind == _FLOAT32:
            return f"{number:.7g}"  # the digits that it has: 1e-05, not 9.999999747378752e-06
        if kind == _BOOL:
            if number > 1:
                raise self._cursor.wrong(f"key '{key}': {number} is neither true nor false")
            return "true" if number else "false"
        return str(number)

    def _list_head(self, key: str) -> tuple[int, int]:
        """Type and number of the items that follow."""
        kind = self._cursor.u32()
        if kind not in _LEAST_BYTES:
            raise self._unknown(key, kind)
        return kind, self._cursor.length(_LEAST_BYTES[kind], "items of a list")

    def _skip_items(self, key: str, kind: int, count: int, depth: int) -> None:
        if kind == _STRING:
            self._cursor.skip_texts(count)
        elif kind != _LIST:
            self._cursor.skip(count * _LEAST_BYTES[kind])
        else:
            self._inner_lists -= count
            if depth >= MAX_DEPTH or self._inner_lists < 0:
                raise self._cursor.wrong(f"key '{key}': too many lists in lists")
            for _ in range(count):
                self._skip_items(key, *self._list_head(key), depth + 1)

    def _unknown(self, key: str, kind: int) -> CheckpointError:
        return self._cursor.wrong(f"key '{key}': value type {kind:,} is not known")
