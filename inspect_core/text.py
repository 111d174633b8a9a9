"""The one sanitiser: every foreign string passes here before a person sees it."""

import unicodedata

DISPLAY_LIMIT = 200
"""Characters of a foreign string that a display shows; the middle of a longer one is cut."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_COMBINING = frozenset({"Mn", "Me"})
_MOST_COMBINING = 2


def clean(text: str, limit: int | None = DISPLAY_LIMIT) -> str:
    r"""Make foreign text safe to show: no control, format, private or unassigned characters.

    Hidden characters become `\xNN`, `\uNNNN` or `\UNNNNNNNN`, odd spaces too; of a run of
    combining marks two stay. The result is one line and holds nothing a terminal obeys.

    Args:
        text: any string, lone surrogates included.
        limit: the most characters to return, the middle replaced by `…`; None cuts nothing.
    """
    plain = text.isascii() and text.isprintable()
    safe = text if plain else "".join(_visible(text))
    if limit is None or len(safe) <= limit:
        return safe
    head = (limit - 1) // 2
    return f"{safe[:head]}…{safe[len(safe) - (limit - 1 - head) :]}"


def _visible(text: str) -> list[str]:
    shown: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in _COMBINING else 0
        odd_space = category == "Zs" and char != " "
        if category in _HIDDEN or odd_space or marks > _MOST_COMBINING:
            shown.append(_escape(char))
        else:
            shown.append(char)
    return shown


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
