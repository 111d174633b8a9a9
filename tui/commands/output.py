"""Where the printing commands print: colours on a terminal that wants them, else plain text."""

import os
import sys
from typing import TextIO

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

from inspect_core.text import DISPLAY_LIMIT, clean
from themes import DARK, LIGHT, load_theme
from tui.palette import make_palette

Part = str | tuple[str, "Style | str"]
"""Text that is safe to show, alone or with a style or the name of a state's colour."""

BOLD = Style(bold=True)
_FALLBACK_COLUMNS = 80
_NEEDED = "│├└─●×…━"
"""What the encoding of the output must have; else ASCII is drawn."""


class Output:
    """Standard output.

    Args:
        ascii_only: draw with ASCII alone.
        light: colours for a light terminal.
    """

    def __init__(self, ascii_only: bool = False, light: bool = False) -> None:
        ascii_only = ascii_only or not _encodes(_NEEDED)
        self.palette = make_palette(load_theme(LIGHT if light else DARK), ascii_only)
        self.width = columns(sys.stdout) if sys.stdout.isatty() else None
        self._colors = _color_system() if self.width is not None else None
        # The terminal's own foreground is the one that its background was chosen for.
        self._styles = {**self.palette.styles, "module": Style()}

    @property
    def ascii_only(self) -> bool:
        """Whether only ASCII may be drawn."""
        return self.palette.ascii_only

    def line(self, *parts: Part) -> None:
        """Print one line."""
        sys.stdout.write("".join([self._render(part) for part in parts]).rstrip() + "\n")

    def cut(self, text: str, cells: int = DISPLAY_LIMIT) -> str:
        """Foreign text, safe to show, its middle cut where it is wider than `cells`."""
        limit = cells
        safe = clean(text, limit)
        while limit > 1 and cell_len(safe) > cells:
            limit -= 1
            safe = clean(text, limit)
        return safe.replace("…", "~") if self.ascii_only else safe

    def _render(self, part: Part) -> str:
        if isinstance(part, str):
            return part
        text, style = part
        if self._colors is None or not text:
            return text
        if isinstance(style, str):
            style = self._styles[style]
        return style.render(text, color_system=self._colors)


def width_of(parts: list[Part]) -> int:
    """Cells that a line takes."""
    return sum(cell_len(part if isinstance(part, str) else part[0]) for part in parts)


def note(text: str) -> None:
    """Print one line on standard error; foreign text is allowed."""
    sys.stdout.flush()
    sys.stderr.write(f"lamella: {clean(text, 400)}\n")


def columns(stream: TextIO) -> int:
    """Cells across of the terminal that a stream goes to; 80 where it does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _FALLBACK_COLUMNS
    except (OSError, ValueError):
        return _FALLBACK_COLUMNS


def _color_system() -> ColorSystem | None:
    """What the terminal says it can show; None for no colour at all."""
    term = os.environ.get("TERM", "").lower()
    if "NO_COLOR" in os.environ or term in ("dumb", "unknown"):
        return None
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return ColorSystem.TRUECOLOR
    return ColorSystem.EIGHT_BIT if "256color" in term else ColorSystem.STANDARD


def _encodes(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
