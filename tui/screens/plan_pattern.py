"""The prompt of `F`: freeze or thaw by a pattern of names, with what it hits as it is typed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Freeze
from tui.palette import Palette
from tui.plan_typed import Trial, freeze_of
from tui.widgets.choice import Choice
from tui.widgets.lines import LinesView

if TYPE_CHECKING:
    from textual.timer import Timer

    from inspect_core.plan.preview import Preview

TYPING_SECONDS = 0.15
"""What is typed is tried when the keys rest so long."""

GO_ON = (
    # With priority: what is typed ahead after a tab belongs to the next field.
    Binding("tab,down", "app.focus_next", "next", priority=True, show=False),
    Binding("shift+tab,up", "app.focus_previous", "before", priority=True, show=False),
)
"""Keys that go from field to field of a dialog."""

HELP = """\
query: every name that ends so, and all below it
*.layer.[01]   *.{n}.mlp: as in the shell, for the whole name
re:...: an expression   =name: just that   *: everything
mlp - LayerNorm: mlp, but what is LayerNorm stays as it is"""


class PatternPrompt(ModalScreen[Freeze | None]):
    """Asks for a pattern; gives a step, or None.

    Args:
        palette: colours and glyphs.
        try_step: tries a step after those of the plan, and gives what it hits to `tried`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="pattern.cancel"),
        *GO_ON,
    ]

    def __init__(self, palette: Palette, try_step: Callable[[Freeze, Trial], None]) -> None:
        super().__init__()
        self._palette = palette
        self._try = try_step
        self._resting: Timer | None = None
        self._count = 0
        self._refused: tuple[Freeze, str] | None = None

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

    @on(Input.Changed)
    @on(Choice.Chosen)
    def changed(self) -> None:
        """Try it when the keys rest."""
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(TYPING_SECONDS, self._try_now)

    def action_cancel(self) -> None:
        """Leave without a step."""
        self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give the step."""
        event.stop()
        try:
            step = self._step()
        except UsageError as error:
            self._say(str(error))
            return
        if self._refused is not None and self._refused[0] == step:
            self._say(self._refused[1])
        else:
            self.dismiss(step)

    def _step(self) -> Freeze:
        thaw = self.query_one(Choice).value == "thaw"
        return freeze_of(self.query_one(Input).value, thaw)

    def _try_now(self) -> None:
        self._count += 1
        number = self._count
        if not self.query_one(Input).value.strip():
            self.query_one(LinesView).show([])
            return
        try:
            step = self._step()
        except UsageError as error:
            self._say(str(error))
            return

        def tried(preview: "Preview | None", problem: str) -> None:
            if preview is None:
                self._refused = (step, problem)
            if number == self._count and self.is_running:
                self._show(preview, problem)

        self._try(step, tried)

    def _show(self, preview: "Preview | None", problem: str) -> None:
        from tui.figures.plan import hit_lines

        if preview is None:
            self._say(problem)
            return
        last = max((hits.step for hits in preview.hits), default=-1)
        hits = [one for one in preview.hits if one.step == last]
        view = self.query_one(LinesView)
        view.show(hit_lines(hits, self._palette, view.size.width))

    def _say(self, problem: str) -> None:
        from tui.figures.parts import note_lines

        view = self.query_one(LinesView)
        text = f"{self._palette.glyphs.note} {problem}"
        view.show(note_lines([text], self._palette, view.size.width))
