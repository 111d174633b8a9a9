"""The line of plan mode, above the panes: what is planned, what is trained, what it takes."""

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tui.palette import Palette

if TYPE_CHECKING:
    from tui.plan_words import PlanView


class PlanBar(Widget):
    """Shows a plan in one line; seen in plan mode alone."""

    def __init__(self, palette: Palette, id: str | None = None) -> None:
        super().__init__(id=id)
        self._palette = palette
        self._view: PlanView | None = None

    def show(self, view: "PlanView") -> None:
        """Show another plan."""
        if view != self._view:
            self._view = view
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        width = self.size.width
        if self._view is None:
            return Strip.blank(width, self.rich_style)
        from tui.plan_words import header

        parts = header(self._view, self._palette, width)
        strip = Strip([Segment(f" {text}", self._palette.styles[state]) for text, state in parts])
        return strip.adjust_cell_length(width).apply_style(self.rich_style)
