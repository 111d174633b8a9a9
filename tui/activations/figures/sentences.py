"""Sentences around a word: the word marked, the text wrapped."""

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.style import Style

from inspect_core.text import clean
from tui.figures.parts import Lines
from tui.figures.wrapping import wrapped
from tui.palette import Palette

MOST_READ = 20_000
"""Characters of a sentence in which the word is looked for."""

AROUND = 160
"""Characters shown on either side of the word."""

MOST_LINES = 4
"""Lines of one sentence."""


def marked_sentence(sentence: str, word: str, palette: Palette, width: int) -> Lines:
    """A sentence with a word marked wherever it stands by itself.

    Args:
        sentence: foreign text, of any length: what is far from the word is left out.
        word: foreign text; nothing is marked where it is not found.
        palette: colours; without them the word stands in brackets.
        width: cells across.
    """
    text = " ".join(sentence[:MOST_READ].split())
    found = list(_places(text, word))
    middle = found[0] if found else (0, 0)
    width = max(8, width)
    # As much as its lines hold, less what is lost at their ends.
    room = (MOST_LINES * width * 3 // 4) * len(text) // max(1, cell_len(text))
    around = max(4, min(AROUND, (room - middle[1] + middle[0]) // 2))
    start = max(0, middle[0] - around)
    stop = min(len(text), start + 2 * around + middle[1] - middle[0])
    plain, marked = Style(), palette.styles["note"] + Style(bold=True)
    brackets = palette.colorless or palette.ascii_only
    runs = [(palette.glyphs.more, plain)] if start else []
    at = start
    for first, last in found:
        if first >= at and last <= stop:
            hit = clean(text[first:last])
            runs += [(clean(text[at:first], None), plain),
                     (f"[{hit}]" if brackets else hit, marked)]  # fmt: skip
            at = last
    runs.append((clean(text[at:stop], None), plain))
    if stop < len(text) or len(sentence) > MOST_READ:
        runs.append((palette.glyphs.more, plain))
    return wrapped(runs, width)[:MOST_LINES]


def _places(text: str, word: str) -> Iterator[tuple[int, int]]:
    """Where a word stands by itself, whatever its case."""
    wanted = " ".join(word[:200].split())
    if not wanted:
        return
    for match in re.finditer(re.escape(wanted), text, re.IGNORECASE):
        before, after = text[: match.start()][-1:], text[match.end() : match.end() + 1]
        # A mark may touch a word, as a full stop does; a part of a word is not that word.
        inside = (wanted[0].isalnum() and before.isalnum()) or (
            wanted[-1].isalnum() and after.isalnum()
        )
        if not inside:
            yield match.span()
