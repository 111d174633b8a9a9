"""Where the printing commands print: colours on a terminal that wants them, else plain text."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TextIO

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

from inspect_core.new_file import write_new
from inspect_core.text import DISPLAY_LIMIT, clean
from tui.palette import Depth, make_palette
from tui.terminal import Look, choose_theme, find_depth

Part = str | tuple[str, "Style | str"]
"""Text that is safe to show, alone or with a style or the name of a state's colour."""

BOLD = Style(bold=True)
_FALLBACK_COLUMNS = 80
_NEEDED = "│├└─●×…━"
"""What the encoding of the output must have; else ASCII is drawn."""


class Output:
    """Standard output.

    Args:
        look: how to draw; a pipe gets colours only where their number is asked for.

    Raises:
        NoSuchTheme: there is no theme of the name asked for.
    """

    def __init__(self, look: Look | None = None) -> None:
        look = look or Look()
        self.width = columns(sys.stdout) if sys.stdout.isatty() else None
        colored = self.width is not None or look.colors != "auto"
        depth = find_depth(look.colors, os.environ) if colored else Depth.NONE
        self._styled = depth is not Depth.NONE
        theme, problem = choose_theme(look)
        if problem:
            note(problem)
        ascii_only = look.ascii_only or not _encodes(_NEEDED)
        self.palette = make_palette(theme, ascii_only, depth=depth)
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
        if safe.isascii():
            return safe
        while limit > 1 and cell_len(safe) > cells:
            limit -= 1
            safe = clean(text, limit)
        return safe.replace("…", "~") if self.ascii_only else safe

    def _render(self, part: Part) -> str:
        if isinstance(part, str):
            return part
        text, style = part
        if not self._styled or not text:
            return text
        if isinstance(style, str):
            style = self._styles[style]
        # The palette has the colours of the terminal: nothing is left to translate.
        return style.render(text, color_system=ColorSystem.TRUECOLOR)


def width_of(parts: list[Part]) -> int:
    """Cells that a line takes."""
    return sum(cells_of(part if isinstance(part, str) else part[0]) for part in parts)


def cells_of(text: str) -> int:
    """Cells that a text takes that is safe to show."""
    return len(text) if text.isascii() else cell_len(text)


def of_base(text: str) -> str:
    """A reason in the words of the command line, which calls the other side the base."""
    return text.replace(" in the reference", " in the base")


def note(text: str) -> None:
    """Print one line on standard error; foreign text is allowed."""
    sys.stdout.flush()
    sys.stderr.write(f"lamella: {clean(text, 400)}\n")


@contextmanager
def into(path: Path | None) -> Iterator[None]:
    """Let what is printed become a new file; None prints it.

    Raises:
        UsageError: the file is there, or cannot be written.
    """
    if path is None:
        yield
        return
    data = io.BytesIO()
    text = io.TextIOWrapper(data, "utf-8", write_through=True)
    screen, sys.stdout = sys.stdout, text
    try:
        yield
    finally:
        sys.stdout = screen
    write_new(path, [data.getvalue()])


def columns(stream: TextIO) -> int:
    """Cells across of the terminal that a stream goes to; 80 where it does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _FALLBACK_COLUMNS
    except (OSError, ValueError):
        return _FALLBACK_COLUMNS


def _encodes(text: str) -> bool:
    if isinstance(sys.stdout, StringIO):  # it has no encoding, and holds any text
        return True
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
