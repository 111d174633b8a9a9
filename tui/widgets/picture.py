"""A pane of lines that were drawn elsewhere, and that scrolls."""

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.messages import PaneResized

MARGIN = 1
"""Blank columns to the left."""


class PictureView(ScrollView):
    """Shows lines; says when its size changed, so that they can be drawn again."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Strip] = []

    @property
    def room(self) -> tuple[int, int]:
        """Cells across and lines down that a picture may use."""
        return max(10, self.size.width - MARGIN), max(4, self.size.height)

    @property
    def text(self) -> str:
        """What it shows, without colours."""
        return "\n".join(strip.text.rstrip() for strip in self._lines)

    def show(self, lines: list[Strip], anew: bool = True) -> None:
        """Show other lines.

        Args:
            lines: what to show.
            anew: whether it is something else than before, so that it begins at its top.
        """
        self._lines = lines
        self.virtual_size = Size(self.size.width, len(lines))
        if anew:
            self.scroll_home(animate=False)
        self.refresh()

    def on_resize(self) -> None:
        """Ask for a drawing that fits."""
        self.post_message(PaneResized())

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        at, width = y + self.scroll_offset.y, self.size.width
        if not 0 <= at < len(self._lines):
            return Strip.blank(width, self.rich_style)
        strip = Strip.join([Strip.blank(MARGIN), self._lines[at]]).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)
