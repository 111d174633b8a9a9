"""The line of keys: what can be done here, one line, each with its key."""

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.strip import Strip
from textual.widget import Widget

from tui.palette import Palette

NAMES = {"enter": "⏎", "space": "␣", "slash": "/", "question_mark": "?", "escape": "esc"}
ASCII_NAMES = {**NAMES, "enter": "enter", "space": "space"}


class KeyLine(Widget):
    """Shows the keys of whatever has the focus; a click on one presses it."""

    def __init__(self, palette: Palette, id: str | None = None) -> None:
        super().__init__(id=id)
        self._palette = palette
        self._keys: list[tuple[str, str, Binding]] | None = None

    def on_mount(self) -> None:
        """Follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, _: object) -> None:
        before, self._keys = self._keys, None
        if self.keys() != before:
            self.refresh()

    def keys(self) -> list[tuple[str, str, Binding]]:
        """Key as shown, what it does, and its binding, in the order of the screen."""
        if self._keys is None:
            self._keys = self._find()
        return self._keys

    def _find(self) -> list[tuple[str, str, Binding]]:
        names = ASCII_NAMES if self._palette.ascii_only else NAMES
        found = []
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled:
                key = binding.key.split(",")[0]
                found.append((names.get(key, key), binding.description, binding))
        return found

    def render_line(self, y: int) -> Strip:
        """The line; what does not fit is left to the help."""
        key_style = self._palette.styles["note"] + Style(bold=True)
        segments: list[Segment] = []
        room = self.size.width
        for key, text, _ in self.keys():
            if len(key) + len(text) + 4 > room:
                break
            segments += [Segment(f" {key}", key_style), Segment(f" {text} ")]
            room -= len(key) + len(text) + 3
        return Strip(segments).adjust_cell_length(self.size.width).apply_style(self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked."""
        at = 0
        for key, text, binding in self.keys():
            at += len(key) + len(text) + 3
            if event.x < at:
                self.app.simulate_key(binding.key.split(",")[0])
                return
