"""The prompt for a plan file: a path that completes."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Static

from tui.screens.reference import complete_path


class _PlanSuggester(Suggester):
    """Completes folders and TOML files."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first entry that continues what was typed."""
        import asyncio

        return await asyncio.to_thread(complete_path, value, (".toml",))


class PlanFilePrompt(ModalScreen[str | None]):
    """Asks for a plan file; gives what was typed, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="plan_file.cancel"),
        Binding("tab", "complete", "complete", id="plan_file.complete", priority=True),
    ]

    def compose(self) -> ComposeResult:
        """A box with a question and a line to type in."""
        with Vertical(id="plan-file-box", classes="plan-box"):
            yield Static("Open a plan file (.toml)", markup=False)
            yield Input(suggester=_PlanSuggester(), id="plan-file-input")
            yield Static("Tab completes, Enter opens, Esc leaves", markup=False, classes="quiet")

    def action_complete(self) -> None:
        """Take the suggestion."""
        self.query_one(Input).action_cursor_right()

    def action_cancel(self) -> None:
        """Leave without a plan."""
        self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give what was typed."""
        event.stop()
        self.dismiss(event.value.strip() or None)
