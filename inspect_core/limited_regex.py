"""Regular expressions of files and users, so that they can be stopped.

PEFT runs them with Python's `re`, which cannot be stopped once it has started; the `regex`
package can, but reads some texts as something else: `{i,d}` and `{e<=1}` are fuzzy matches there,
`[[:alpha:]]` is a class. Only what both read alike is compiled here.
"""

import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex

_REPEAT = re.compile(r"\{(?:\d{1,9}(?:,\d{0,9})?|,\d{1,9})\}")
_ESCAPES = frozenset("AbBdDsSwWZafnrtvxuU0123456789")
"""Letters and digits after a backslash that are the same in both."""

_GROUPS = (
    "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?P<", "(?P=", "(?(", "(?i", "(?s", "(?m",
    "(?a", "(?u", "(?-",
)  # fmt: skip
_SET_OPERATIONS = ("--", "&&", "||", "~~")


def compiled(text: str) -> "regex.Pattern[str]":
    """Compile an expression whose matches take a `timeout`.

    Args:
        text: the whole expression; foreign. How long it may be is the caller's to say.

    Raises:
        ValueError: it is no regular expression, or `regex` would read it in another way than
            `re` does; its text says why, and holds foreign text.
    """
    import regex

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(text)
            _refuse_unlike(text)
            return regex.compile(text, regex.VERSION0)
    except (re.error, regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


def _refuse_unlike(text: str) -> None:
    """Refuse what the two packages read in two ways; `text` is one for `re`.

    Raises:
        ValueError: such a thing is in it.
    """
    at, size = 0, len(text)
    while at < size:
        letter = text[at]
        if letter == "\\":
            at = _after_escape(text, at)
        elif letter == "[":
            at = _after_set(text, at)
        elif letter == "{":
            repeat = _REPEAT.match(text, at)
            if repeat is None:
                raise _unlike(text, at, "a brace that is no number of repeats: write \\{")
            at = repeat.end()
        elif text.startswith(("(?", "(*"), at):
            if not text.startswith(_GROUPS, at) or "x" in _flags(text, at):
                raise _unlike(text, at, "a kind of group that is not understood here")
            at += 2
        else:
            at += 1


def _after_escape(text: str, at: int) -> int:
    letter = text[at + 1 : at + 2]
    if letter.isalnum() and letter not in _ESCAPES:
        raise _unlike(text, at, "an escape that is not understood here")
    if letter in "<>" and letter:
        raise _unlike(text, at, "an escape that is not understood here")
    return at + 2


def _after_set(text: str, at: int) -> int:
    """The place after a set; a `]` that comes first in it is one of its letters."""
    at += 1
    at += text[at : at + 1] == "^"
    first = at
    while at < len(text):
        letter = text[at]
        if letter == "]" and at > first:
            return at + 1
        if letter == "[":
            raise _unlike(text, at, "a bracket in a set: write \\[")
        if text.startswith(_SET_OPERATIONS, at):
            raise _unlike(text, at, "an operation of sets")
        at = _after_escape(text, at) if letter == "\\" else at + 1
    return at


def _flags(text: str, at: int) -> str:
    """The flags of a group such as `(?i-s:`, empty for other groups."""
    end = at + 2
    while end < len(text) and (text[end].isalpha() or text[end] == "-"):
        end += 1
    return text[at + 2 : end] if text[end : end + 1] in (":", ")") else ""


def _unlike(text: str, at: int, what: str) -> ValueError:
    return ValueError(f"{what} ({text[at : at + 12]})")
