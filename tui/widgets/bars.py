"""The line above the panes and the line below them."""

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.palette import Palette


class TitleBar(Widget):
    """What is open: names to the left, figures to the right. Both must be safe to show."""

    def __init__(self, palette: Palette, id: str | None = None) -> None:
        super().__init__(id=id)
        self.palette = palette
        self._left: list[tuple[str, str]] = []
        self._right = ""

    def show(self, left: list[tuple[str, str]], right: str) -> None:
        """Show parts `(text, state)` to the left, and text to the right."""
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line: the figures give way to the names where both do not fit."""
        styles, width = self.palette.styles, self.size.width
        strip = Strip([Segment(f" {text}", styles[state]) for text, state in self._left])
        room = width - strip.cell_length - 2
        parts = self._right.split("  ")
        while parts and sum(map(len, parts)) + 2 * (len(parts) - 1) > room:
            parts.pop()
        right = "  ".join(parts)
        strip = strip.adjust_cell_length(max(0, width - len(right) - 1))
        strip = Strip.join([strip, Strip([Segment(f"{right} ", styles["muted"])])])
        return strip.adjust_cell_length(width).apply_style(self.rich_style)


class StatusLine(Widget):
    """What is going on: a message, or a thin progress line. Text must be safe to show."""

    def __init__(self, palette: Palette, id: str | None = None) -> None:
        super().__init__(id=id)
        self.palette = palette
        self._text = ""
        self._state = "muted"
        self._share: float | None = None
        self._after = ""

    def say(self, text: str, state: str = "muted") -> None:
        """Show a message."""
        self._set(text, state, None, "")

    def progress(self, text: str, share: float, after: str) -> None:
        """Show how far something is, with a line between two texts."""
        self._set(text, "muted", share, after)

    def _set(self, text: str, state: str, share: float | None, after: str) -> None:
        if (text, state, share, after) != (self._text, self._state, self._share, self._after):
            self._text, self._state, self._share, self._after = text, state, share, after
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        styles, width = self.palette.styles, self.size.width
        parts = [Segment(f" {self._text} ", styles[self._state])]
        if self._share is not None:
            room = width - len(self._text) - len(self._after) - 4
            long = max(0, min(40, room))
            done = round(long * max(0.0, min(1.0, self._share)))
            rule = self.palette.glyphs.rule
            parts.append(Segment(rule * done, styles["tunable"]))
            parts.append(Segment(rule * (long - done), styles["muted"] + Style(dim=True)))
            parts.append(Segment(f" {self._after}", styles["muted"]))
        return Strip(parts).adjust_cell_length(width).apply_style(self.rich_style)
