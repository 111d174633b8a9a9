"""A state without a plot: what it is, and what can be done."""

import textwrap
from collections.abc import Sequence

from textual.strip import Strip

from tui.figures.parts import Lines, heading, line
from tui.palette import Palette


def message_figure(title: str, text: Sequence[str], palette: Palette, width: int) -> Lines:
    """A state without a plot: what it is, and what can be done."""
    lines = [heading(title, "", palette), Strip([])]
    for paragraph in text:
        lines += [line(part) for part in wrap(paragraph, width)]
    return lines


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines at spaces."""
    return textwrap.wrap(text, max(10, width), break_long_words=True) or [""]
