"""The one sanitiser: every foreign string passes here before a person sees it."""

import unicodedata
from collections.abc import Callable, Iterator

DISPLAY_LIMIT = 200
"""Cells of a foreign string that a display shows; the middle of a longer one is cut."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal obeys, or nobody sees."""

_BLANKS = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0x13441, 0x13442), (0x1D159, 0x1D159),
    (0xE0100, 0xE01EF),
)  # fmt: skip
"""Letters, marks and symbols that show nothing: Unicode's Default_Ignorable_Code_Point, and a few
more that fonts leave empty. Its other members are in `_HIDDEN`."""

_JAMO_AND_SKIN = ((0x1160, 0x11FF), (0xD7B0, 0xD7FB), (0x1F3FB, 0x1F3FF))
"""Characters that take no cell of their own but join the one before, and are no marks."""

_MOST_MARKS = 2
_MOST_JOINED = 4
_KEPT_CHARACTERS = 1 << 16
"""Characters whose handling is remembered: no text can fill the memory with them."""


def clean(text: str, limit: int | None = DISPLAY_LIMIT) -> str:
    r"""Make foreign text safe to show: nothing that a terminal obeys, that hides, or that piles up.

    Hidden characters become `\xNN`, `\uNNNN` or `\UNNNNNNNN`, odd spaces too; of a run of
    combining marks two stay, and none without a letter to stand on. The result is one line.
    Printable ASCII stays as it is, and so does the result when it is cleaned again.

    Args:
        text: any string, lone surrogates included.
        limit: the most cells to return, and the most characters, the middle replaced by `…`;
            None cuts nothing. A wide character takes two cells.
    """
    if text.isascii():
        safe = text if text.isprintable() else text.translate(_SHOWN)
        return safe if limit is None or len(safe) <= limit else _cut(safe, safe, limit)
    if limit is None or len(text) <= limit:
        safe = _visible(text)
        if limit is None or 2 * len(safe) <= limit or _cells(safe) <= limit:
            return safe
        return _cut(safe, safe, limit)
    # No character becomes shorter: what is far from both ends of a huge text is never looked at.
    return _cut(_visible(text[:limit]), _visible(text[-limit:]), limit)


class _Table(dict[int, str]):
    """What each character becomes; filled as characters are met."""

    def __init__(self, make: Callable[[str], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, code: int) -> str:
        made = self._make(chr(code))
        if len(self) < _KEPT_CHARACTERS:
            self[code] = made
        return made


def _shown(char: str) -> str:
    category = unicodedata.category(char)
    odd_space = category == "Zs" and char != " "
    hidden = category in _HIDDEN or odd_space or _within(char, _BLANKS)
    return _escape(char) if hidden else char


_MARK, _JOINER, _LETTER, _NO_LETTER = "mjx "


def _kind(char: str) -> str:
    """Whether a character piles up on the one before, joins it, or can be joined."""
    if char == " " or _SHOWN[ord(char)] != char:
        return _NO_LETTER
    category = unicodedata.category(char)
    if category in ("Mn", "Me"):
        return _MARK
    return _JOINER if category == "Mc" or _within(char, _JAMO_AND_SKIN) else _LETTER


_SHOWN = _Table(_shown)
_KINDS = _Table(_kind)


def _visible(text: str) -> str:
    """All of a text, hidden characters escaped, and marks that have no letter or are too many."""
    kinds = text.translate(_KINDS)
    joined = kinds.replace(_MARK, _JOINER)
    orderly = _JOINER not in joined or not (
        joined.startswith(_JOINER)
        or _NO_LETTER + _JOINER in joined
        or _JOINER * (_MOST_JOINED + 1) in joined
        or _MARK * (_MOST_MARKS + 1) in kinds
    )
    return text.translate(_SHOWN) if orderly else "".join(_unpiled(text, kinds))


def _unpiled(text: str, kinds: str) -> Iterator[str]:
    marks = joined = 0
    has_letter = False
    for char, kind in zip(text, kinds, strict=True):
        if kind not in (_MARK, _JOINER):
            marks = joined = 0
            has_letter = kind == _LETTER
            yield _SHOWN[ord(char)]
            continue
        marks = marks + 1 if kind == _MARK else 0
        joined += 1
        has_letter = has_letter and marks <= _MOST_MARKS and joined <= _MOST_JOINED
        yield char if has_letter else _escape(char)


def _cut(start: str, end: str, limit: int) -> str:
    """The first cells of one safe text and the last of another, `limit` in all."""
    room = max(limit, 1) - 1
    head = _fitting(start, room // 2)
    tail = _fitting(end[::-1], room - room // 2)[::-1]
    # What joined a character that is cut off would now join the ellipsis.
    while tail and _KINDS[ord(tail[0])] in (_MARK, _JOINER):
        tail = tail[1:]
    return f"{head}…{tail}"


def _fitting(text: str, room: int) -> str:
    """As much of the start of a text as fits into some cells."""
    text = text[: max(room, 0)]
    if text.isascii():
        return text
    while _cells(text) > room:
        text = text[:-1]
    return text


def _cells(text: str) -> int:
    """Cells that a text takes at most; a character that joins another counts, too."""
    wide = [char for char in text if unicodedata.east_asian_width(char) in ("W", "F")]
    return len(text) + len(wide)


def _within(char: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= ord(char) <= last for first, last in ranges)


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
