"""One of a few words, on one line: left and right choose."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.palette import Palette


class Choice(Widget, can_focus=True):
    """Shows all words, the chosen one marked.

    Args:
        palette: colours.
        words: key and word of each.
        chosen: the key that it begins with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "before", id="choice.before", show=False),
        Binding("right,l,space", "step(1)", "next", id="choice.next", show=False),
    ]

    class Chosen(Message):
        """Another word was chosen."""

    def __init__(
        self, palette: Palette, words: Sequence[tuple[str, str]], chosen: str, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._palette = palette
        self._words = list(words)
        keys = [key for key, _ in words]
        self._at = keys.index(chosen) if chosen in keys else 0

    @property
    def value(self) -> str:
        """The key of the chosen word."""
        return self._words[self._at][0]

    def action_step(self, by: int) -> None:
        """Choose the next word, or the one before."""
        self._go((self._at + by) % len(self._words))

    def on_click(self, event: events.Click) -> None:
        """Choose the word that was clicked."""
        end = 0
        for at, (_, word) in enumerate(self._words):
            end += len(word) + 3
            if event.x < end:
                self._go(at)
                return

    def on_focus(self) -> None:
        """The mark stands out."""
        self.refresh()

    def on_blur(self) -> None:
        """The mark is quiet."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The words."""
        styles, parts = self._palette.styles, []
        for at, (_, word) in enumerate(self._words):
            if at == self._at:
                over = Style(reverse=self.has_focus, bold=True)
                parts.append(Segment(f"[{word}]", styles["tunable"] + over))
            else:
                parts.append(Segment(f" {word} ", styles["muted"]))
            parts.append(Segment(" "))
        return Strip(parts).adjust_cell_length(self.size.width).apply_style(self.rich_style)

    def _go(self, at: int) -> None:
        if at != self._at:
            self._at = at
            self.refresh()
            self.post_message(self.Chosen())
