"""The list of metrics."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option


class MetricList(ModalScreen[str | None]):
    """Asks for a metric; gives its key, or None.

    Args:
        metrics: key, name, and what to know before it is chosen, of each.
        chosen: the key of the one on show.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,M", "cancel", "cancel", id="metric.cancel"),
        Binding("j", "down", "down", id="metric.down"),
        Binding("k", "up", "up", id="metric.up"),
    ]

    def __init__(self, metrics: Sequence[tuple[str, str, str]], chosen: str) -> None:
        super().__init__()
        self._metrics = metrics
        self._chosen = chosen

    def compose(self) -> ComposeResult:
        """A box with a question and a line for each metric."""
        longest = max(len(name) for _, name, _ in self._metrics)
        with Vertical(id="metric-box"):
            yield Static("Show which metric", markup=False)
            yield OptionList(
                *[
                    Option(f"{name:<{longest}}  {note}".rstrip(), id=key)
                    for key, name, note in self._metrics
                ],
                id="metric-list",
            )
            yield Static("Enter shows it, Esc leaves", markup=False, classes="quiet")

    def on_mount(self) -> None:
        """Begin at the one on show."""
        options = self.query_one(OptionList)
        keys = [key for key, _, _ in self._metrics]
        options.highlighted = keys.index(self._chosen) if self._chosen in keys else 0
        options.focus()

    def action_down(self) -> None:
        """The next one."""
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """The one before."""
        self.query_one(OptionList).action_cursor_up()

    def action_cancel(self) -> None:
        """Leave without a choice."""
        self.dismiss(None)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Give the key."""
        event.stop()
        self.dismiss(event.option_id)
