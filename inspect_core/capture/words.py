"""Words of a text, and the word that each token is a part of."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from regex import Pattern

# White space is what `str.split` takes for it, which is a little more than Unicode says.
_SPACE = r"\s\x1c-\x1f"
# What continues a letter: marks, what joins or separates without a sign of its own, and the
# variation selectors, skin tones and tags of emoji.
_JOINED = r"\p{M}\u00ad\u200c\u200d\u2060\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
_LETTER = rf"[[\p{{L}}\p{{N}}]--\p{{Han}}][{_JOINED}]*+"
_INSIDE = r"[-'’‑] | (?<=\p{N}) [.,] (?=\p{N})"
_WORD = rf"""(?V1)
    (?: {_LETTER} )++ (?: (?: {_INSIDE} ) (?: {_LETTER} )++ )*+  # letters and digits
  | (\p{{P}}) \1++ [{_JOINED}]*+  # three points, two quotation marks: often one token
  | \p{{RI}} \p{{RI}}  # a flag
  | [^{_SPACE}] (?: [{_JOINED}] | (?<=\u200d) [^{_SPACE}] )*+  # a sign, a Han character, an emoji
"""


@cache
def _words() -> "Pattern[str]":
    import regex

    return regex.compile(_WORD, regex.VERBOSE)


@cache
def _apart() -> "Pattern[str]":
    import regex

    return regex.compile(rf"[^{_SPACE}]+")


def split_words(text: str) -> list[tuple[int, int]]:
    """Split a text into words: letters and digits, or single signs.

    Apostrophes and hyphens inside a word, and points and commas inside a number, belong to it;
    the same sign several times is one word; Han characters are words of their own. Each character
    that is no white space is in exactly one word.

    Returns:
        For each word its first character and the one after its last, in order.
    """
    return [match.span() for match in _words().finditer(text)]


def split_at_spaces(text: str) -> list[tuple[int, int]]:
    """Split a text at white space alone, as `str.split` does; returns as `split_words`."""
    return [match.span() for match in _apart().finditer(text)]


def word_of_tokens(
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    offsets: NDArray[np.int64],
    special: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Find the word of each token: the one that holds its first character that is no space.

    Tokens of several texts are found at once where their characters are numbered on.

    Args:
        starts: int64 `(words,)`, first character of each word, ascending.
        ends: int64 `(words,)`, the character after its last.
        offsets: int64 `(tokens, 2)`, first character of each token and the one after its last.
        special: bool `(tokens,)`, tokens that are not part of the text.

    Returns:
        int64 `(tokens,)`: an index of the words, or -1 for special tokens and white space. The
        tokens of a word follow each other: what a tokenizer puts between two of them without a
        character of its own belongs to the word, too.
    """
    if not len(starts) or not len(offsets):
        return np.full(len(offsets), -1, np.int64)
    first, last = offsets[:, 0], offsets[:, 1]
    at = np.searchsorted(ends, first, side="right")
    inside = np.minimum(at, len(starts) - 1)
    found = (at < len(starts)) & (first < last) & (starts[inside] < last) & ~special
    word = np.where(found, inside, -1)
    # A tokenizer may give a character to tokens on either side: words never go back.
    reached = np.maximum.accumulate(word)
    word = np.where(found, reached, -1)
    return _in_one_piece(word, reached, special)


def _in_one_piece(
    word: NDArray[np.int64], reached: NDArray[np.int64], special: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Words without gaps: filled where nothing special lies in between, else cut off there."""
    none = len(word)
    places = np.where(word >= 0, np.arange(none), none)
    following = np.minimum.accumulate(places[::-1])[::-1]
    after = np.append(word, -1)[following]
    gap = (word < 0) & (reached >= 0) & (after == reached)
    filled = np.where(gap & ~special, reached, word)
    broken = np.cumsum(gap & special)
    # Of each word the specials before its first token; later ones that saw more come too late.
    shown = np.flatnonzero(filled >= 0)
    first_of = (
        shown[np.append(True, filled[shown][1:] != filled[shown][:-1])] if len(shown) else shown
    )
    before = np.zeros(filled.max() + 1 if len(shown) else 0, np.int64)
    before[filled[first_of]] = broken[first_of]
    late = np.zeros(none, np.bool_)
    late[shown] = broken[shown] > before[filled[shown]]
    cut: NDArray[np.int64] = np.where(late, -1, filled)
    return cut
