"""What dialogs share that try what is typed: when the keys rest, and again when it is taken."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from textual import on
from textual.binding import Binding
from textual.screen import ModalScreen
from textual.widgets import Input

from inspect_core.errors import UsageError
from tui.palette import Palette
from tui.widgets.choice import Choice
from tui.widgets.lines import LinesView

if TYPE_CHECKING:
    from textual.timer import Timer

TYPING_SECONDS = 0.15
"""What is typed is tried when the keys rest so long."""

GO_ON = (
    # With priority: what is typed ahead after a tab belongs to the next field.
    Binding("tab,down", "app.focus_next", "next", priority=True, show=False),
    Binding("shift+tab,up", "app.focus_previous", "before", priority=True, show=False),
)
"""Keys that go from field to field of a dialog."""

Asked = TypeVar("Asked")
Found = TypeVar("Found")
Given = TypeVar("Given")

Tried = Callable[[Found | None, str], None]
"""Takes what was found, or None and why it cannot be."""

TryOut = Callable[[Asked, Tried[Found]], None]
"""Tries what was asked for, and gives what it found later, or at once."""


class AskingScreen(ModalScreen[Given], Generic[Asked, Found, Given]):
    """A dialog of fields that says what they come to; holds one `LinesView` to say it in.

    A field is an `Input` or a `Choice`. Subclasses say what is asked for (`typed`), what it
    found (`show`) and what the dialog gives (`take`); they bind escape to `cancel`, beside
    `GO_ON`.

    Args:
        palette: colours and glyphs.
        try_out: tries what was typed; what comes after later keys is not shown.
    """

    def __init__(self, palette: Palette, try_out: TryOut[Asked, Found]) -> None:
        super().__init__()
        self._palette = palette
        self._try_out = try_out
        self._resting: Timer | None = None
        self._tries = 0
        self._refused: tuple[Asked, str] | None = None

    def typed(self) -> Asked:
        """What the fields ask for; it is compared with `==`.

        Raises:
            UsageError: they say nothing that could be tried.
        """
        raise NotImplementedError

    def is_blank(self) -> bool:
        """Whether nothing was typed yet, so that there is nothing to say of it."""
        return False

    def show(self, asked: Asked, found: Found) -> None:
        """Show what the last try found."""
        raise NotImplementedError

    def take(self, asked: Asked) -> None:
        """Dismiss the dialog with what it gives; it was not refused so far."""
        raise NotImplementedError

    def say(self, problem: str) -> None:
        """Show a problem where else stands what was found."""
        from tui.figures.parts import note_lines

        view = self.query_one(LinesView)
        text = f"{self._palette.glyphs.note} {problem}"
        view.show(note_lines([text], self._palette, view.size.width))

    def refuse(self, asked: Asked, problem: str) -> None:
        """Say why what was asked for cannot be taken, now and when it is submitted."""
        self._refused = (asked, problem)
        self.say(problem)

    def try_now(self) -> None:
        """Try what is typed."""
        self._tries += 1
        number = self._tries
        if self.is_blank():
            self.query_one(LinesView).show([])
            return
        try:
            asked = self.typed()
        except UsageError as error:
            self.say(str(error))
            return

        def tried(found: Found | None, problem: str) -> None:
            if found is None:
                self._refused = (asked, problem)
            if number == self._tries and self.is_running:
                if found is None:
                    self.refuse(asked, problem)
                else:
                    self.show(asked, found)

        self._try_out(asked, tried)

    def action_cancel(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)

    @on(Input.Changed)
    @on(Choice.Chosen)
    def something_changed(self) -> None:
        """Try it when the keys rest."""
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(TYPING_SECONDS, self.try_now)

    @on(Input.Submitted)
    def line_submitted(self, event: Input.Submitted) -> None:
        """Take it."""
        event.stop()
        self._submit()

    def key_enter(self) -> None:
        """The same on a choice."""
        self._submit()

    def _submit(self) -> None:
        try:
            asked = self.typed()
        except UsageError as error:
            self.say(str(error))
            return
        if self._refused is not None and self._refused[0] == asked:
            self.say(self._refused[1])
        else:
            self.take(asked)
