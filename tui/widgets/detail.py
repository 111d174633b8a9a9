"""The detail pane: lines that were drawn elsewhere."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip


class DetailView(ScrollView, can_focus=True):
    """Shows ready lines; says when its size changed, so that they can be drawn again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "screen.back", "tree", id="detail.back", tooltip="Back to the tree"),
    ]

    class Resized(Message):
        """The pane has another size: what it shows must be drawn for it."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Strip] = []

    @property
    def room(self) -> tuple[int, int]:
        """Cells across and lines down that a figure may use."""
        return max(10, self.size.width - 1), max(4, self.size.height)

    def show(self, lines: list[Strip], anew: bool = True) -> None:
        """Show a figure, from its top, or from where the last one was if it is not `anew`."""
        self._lines = lines
        self.virtual_size = Size(self.size.width, len(lines))
        if anew:
            self.scroll_home(animate=False)
        self.refresh()

    def on_resize(self) -> None:
        """Ask for a drawing that fits."""
        self.post_message(self.Resized())

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        at = y + self.scroll_offset.y
        width = self.size.width
        if not 0 <= at < len(self._lines):
            return Strip.blank(width, self.rich_style)
        strip = Strip.join([Strip.blank(1), self._lines[at]]).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)
