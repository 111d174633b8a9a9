"""The line of keys: what can be done here, one line, each with its key."""

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.strip import Strip
from textual.widget import Widget

from tui.keys import NAMES
from tui.palette import Palette

UNICODE_NAMES = {"enter": "⏎", "space": "␣"}

ALWAYS = ("screen.help", "screen.quit")
"""Bindings that are shown however narrow the line is."""


class KeyLine(Widget):
    """Shows the keys of whatever has the focus; a click on one presses it."""

    def __init__(self, palette: Palette, id: str | None = None) -> None:
        super().__init__(id=id)
        self._palette = palette
        self._keys: list[tuple[str, str, Binding]] | None = None
        self._left_out: frozenset[str] = frozenset()
        self._only: tuple[str, ...] = ()

    def on_mount(self) -> None:
        """Follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, _: object) -> None:
        before, self._keys = self._keys, None
        if self.keys() != before:
            self.refresh()

    def leave_out(self, names: frozenset[str]) -> None:
        """Do not offer the bindings of these names; they still say why nothing is done."""
        self._left_out = names
        self._changed(None)

    def offer_only(self, names: tuple[str, ...]) -> None:
        """Offer these bindings in this order, and no others; without names, all again."""
        self._only = names
        self._changed(None)

    def keys(self) -> list[tuple[str, str, Binding]]:
        """Key as shown, what it does, and its binding, in the order of the screen."""
        if self._keys is None:
            self._keys = self._find()
        return self._keys

    def _find(self) -> list[tuple[str, str, Binding]]:
        names = NAMES if self._palette.ascii_only else {**NAMES, **UNICODE_NAMES}
        found, seen = [], set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.id in self._left_out:
                continue
            if binding.show and active.enabled and (binding.id, binding.action) not in seen:
                seen.add((binding.id, binding.action))  # one of several keys for the same
                key = binding.key.split(",")[0]
                found.append((names.get(key, key), binding.description, binding))
        if self._only:
            found = [one for one in found if one[2].id in self._only]
            found.sort(key=lambda one: self._only.index(str(one[2].id)))
        return found

    def shown(self) -> list[tuple[str, str, Binding]]:
        """The keys that fit; the way to the help and the way out always do."""
        keys = self.keys()
        kept = [key for key in keys if key[2].id in ALWAYS]
        room = self.size.width - 1 - sum(map(_width, kept))
        fitting = []
        for key in keys:
            if key not in kept:
                room -= _width(key)
                if room < 0:
                    break
                fitting.append(key)
        return [*fitting, *kept]

    def render_line(self, y: int) -> Strip:
        """The line; what does not fit is left to the help."""
        key_style = self._palette.styles["note"] + Style(bold=True)
        segments: list[Segment] = []
        for key, text, _ in self.shown():
            segments += [Segment(f" {key}", key_style), Segment(f" {text} ")]
        return Strip(segments).adjust_cell_length(self.size.width).apply_style(self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked."""
        at = 0
        for key in self.shown():
            at += _width(key)
            if event.x < at:
                self.app.simulate_key(key[2].key.split(",")[0])
                return


def _width(key: tuple[str, str, Binding]) -> int:
    """Cells of a key and what it does, with the blanks around them."""
    return len(key[0]) + len(key[1]) + 3
