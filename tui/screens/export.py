"""The prompt for an export: a file name, whose ending says what is written."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.widgets.input import Selection

ENDINGS = """\
.svg and .txt: this screen   .json: the numbers of the selected row
.png and .map.svg: the overview on show
.lamella: the whole comparison, to open without the models"""


class ExportPrompt(ModalScreen[str | None]):
    """Asks where to write; gives what was typed, or None.

    Args:
        start: a suggestion.
        question: what is asked.
        endings: what each ending writes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="export.cancel"),
    ]

    def __init__(
        self, start: str, question: str = "Write to a new file", endings: str = ENDINGS
    ) -> None:
        super().__init__()
        self._start, self._question, self._endings = start, question, endings

    def compose(self) -> ComposeResult:
        """A box with a question and a line to type in."""
        with Vertical(id="export-box"):
            yield Static(self._question, markup=False)
            yield Input(self._start, id="export-input", select_on_focus=False)
            yield Static(self._endings, markup=False, classes="quiet")

    def on_mount(self) -> None:
        """Show the beginning of the suggestion, all of it selected: what is typed replaces it."""
        field = self.query_one(Input)
        field.selection = Selection(len(field.value), 0)

    def action_cancel(self) -> None:
        """Leave without a file."""
        self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give what was typed."""
        event.stop()
        self.dismiss(event.value.strip() or None)
