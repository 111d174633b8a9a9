"""The prompt of `F`: freeze or thaw by a pattern of names, with what it hits as it is typed."""

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from inspect_core.plan.plan import Freeze
from tui.plan_typed import freeze_of
from tui.screens.asking import GO_ON, AskingScreen
from tui.widgets.choice import Choice
from tui.widgets.lines import LinesView

if TYPE_CHECKING:
    from inspect_core.plan.preview import Preview

HELP = """\
query: every name that ends so, and all below it
*.layer.[01]   *.{n}.mlp: as in the shell, for the whole name
re:...: an expression   =name: just that   *: everything
mlp - LayerNorm: mlp, but what is LayerNorm stays as it is"""


class PatternPrompt(AskingScreen[Freeze, "Preview", Freeze | None]):
    """Asks for a pattern; gives a step, or None. What it tries comes after the plan's steps."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="pattern.cancel"),
        *GO_ON,
    ]

    def compose(self) -> ComposeResult:
        """A choice, a line to type in, and what it hits."""
        words = [("freeze", "freeze"), ("thaw", "thaw")]
        with Vertical(id="pattern-box", classes="plan-box"):
            with Horizontal(classes="field"):
                yield Label("Do", classes="field-name")
                yield Choice(self._palette, words, "freeze", id="pattern-what")
            with Horizontal(classes="field"):
                yield Label("Names", classes="field-name")
                yield Input(id="pattern-input", placeholder="names - but not these")
            yield LinesView(id="pattern-hits")
            yield Static(HELP, markup=False, classes="quiet")
            yield Static(
                "Enter does it, Tab to freeze or thaw, Esc leaves", markup=False, classes="quiet"
            )

    def on_mount(self) -> None:
        """Begin with the names."""
        self.query_one(Input).focus()

    def typed(self) -> Freeze:
        """The step; see `AskingScreen.typed`."""
        thaw = self.query_one(Choice).value == "thaw"
        return freeze_of(self.query_one(Input).value, thaw)

    def is_blank(self) -> bool:
        """Whether no name was typed."""
        return not self.query_one(Input).value.strip()

    def show(self, asked: Freeze, found: "Preview") -> None:
        """Show what the step hits."""
        from tui.figures.plan import hit_lines

        last = max((hits.step for hits in found.hits), default=-1)
        hits = [one for one in found.hits if one.step == last]
        view = self.query_one(LinesView)
        view.show(hit_lines(hits, self._palette, view.size.width))

    def take(self, asked: Freeze) -> None:
        """Give the step."""
        self.dismiss(asked)
