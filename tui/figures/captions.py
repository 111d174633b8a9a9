"""What stands above and below a picture: its title, what its marks mean, what is missing."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.figures.parts import Lines, cut, fitted, line, wrap
from tui.palette import Palette
from tui.plots import FINE
from tui.short_paths import short_path

LEAST_NOTE = 8
"""Cells of what a title is of; shorter it is left out."""

BETWEEN = 3
"""Blanks between the parts of a legend."""


def swatch_of(mark: str) -> str:
    """A mark as a legend shows it."""
    return "⣿" if mark == FINE else mark


def number_words(count: int, one: str) -> str:
    """A number and what is counted: `1 word`, `1,200 words`."""
    return f"{count:,} {one}{'s' * (count != 1)}"


def title_line(title: str, note: str, palette: Palette, width: int) -> Strip:
    """What is drawn, in full, and of what, as far as there is room."""
    name = cut(title, width)
    room = width - len(name) - 2
    shown = short_path(note, room) if room >= LEAST_NOTE else ""
    return line((name, Style(bold=True)), "  ", (shown, palette.styles["muted"]))


def legend(parts: Sequence[tuple[str, Style, str]], palette: Palette, width: int) -> Lines:
    """What marks mean, over as many lines as they need."""
    lines: Lines = []
    for mark, style, text in parts:
        part = line((mark, style), " " if mark else "", (text, palette.styles["muted"]))
        if lines and lines[-1].cell_length + BETWEEN + part.cell_length <= width:
            lines[-1] = Strip.join([lines[-1], Strip.blank(BETWEEN, Style()), part])
        else:
            lines.append(part)
    return lines


def notice(text: str, palette: Palette, width: int) -> Lines:
    """What is missing and what can be done about it."""
    return [line((part, palette.styles["note"])) for part in wrap(text, width)]


def page(lines: Lines, palette: Palette, width: int, height: int | None = None) -> Lines:
    """Lines of exactly `width` cells, at most `height` of them."""
    kept = fitted(lines[:height], palette, width)
    return [_styled(strip).adjust_cell_length(width, Style()) for strip in kept]


def _styled(strip: Strip) -> Strip:
    """Segments that all have a style: Textual's filter needs one where there is no colour."""
    return Strip([Segment(part.text, part.style or Style()) for part in strip])
