"""Lines that were drawn elsewhere, in a box that does not scroll: what a prompt says beside."""

from textual.strip import Strip
from textual.widget import Widget


class LinesView(Widget):
    """Shows lines, cut to its size."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Strip] = []

    def show(self, lines: list[Strip]) -> None:
        """Show other lines."""
        self._lines = lines
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One of them."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        return self._lines[y].adjust_cell_length(self.size.width).apply_style(self.rich_style)
