"""A state without a plot: what it is, and what can be done."""

from collections.abc import Sequence

from textual.strip import Strip

from tui.figures.parts import Lines, fitted, heading, line, wrap
from tui.palette import Palette


def message_figure(title: str, text: Sequence[str], palette: Palette, width: int) -> Lines:
    """A state without a plot: what it is, and what can be done."""
    lines = [heading(title, "", palette, width), Strip([])]
    for paragraph in text:
        lines += [line(part) for part in wrap(paragraph, width)]
    return fitted(lines, palette, max(10, width))
