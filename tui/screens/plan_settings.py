"""The dialog of `A`: the placement and the dtypes of memory, with what they hit as one types."""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from inspect_core.plan.plan import Place, Plan
from tui import format as fmt
from tui.palette import Palette
from tui.plan_edits import place_of, with_place
from tui.plan_typed import EXAMPLES, place_from, precision_from, typed_fields
from tui.screens.asking import GO_ON, AskingScreen, TryOut
from tui.widgets.choice import Choice
from tui.widgets.lines import LinesView

if TYPE_CHECKING:
    from inspect_core.plan.preview import Preview

METHODS = (
    ("lora", "LoRA"), ("lora rslora", "rsLoRA"), ("dora", "DoRA"), ("dora rslora", "rsDoRA"),
    ("ia3", "IA3"),
)  # fmt: skip

ROWS = (
    (("rank", "rank"), ("alpha", "alpha")),
    (("targets", "targets"),),
    (("layers", "layers"),),
    (("exclude", "but not"),),
    (("save", "save whole"),),
    (("ranks", "other ranks"), ("alphas", "alphas")),
)
"""Key and name of what is typed, row by row."""

WEIGHTS = (("", "as stored"), ("F32", "F32"), ("BF16", "BF16"), ("I8", "8 bit"), ("NF4", "4 bit"))
TRAINED = (("F32", "F32"), ("BF16", "BF16"), ("F16", "F16"))
OPTIMIZER = (("", "as the parameter"), ("F32", "F32"), ("BF16", "BF16"), ("I8", "8 bit"))


class PlacementDialog(AskingScreen[Plan, "Preview", Plan | str | None]):
    """Asks for a placement; gives the plan with it, `OPEN` for a plan file, or None.

    Args:
        palette: colours and glyphs.
        plan: the plan before.
        usual: the settings of a placement that is new.
        try_plan: tries a plan, and gives what it does.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="placement.cancel"),
        Binding("ctrl+o", "open", "open a plan file", id="placement.open"),
        *GO_ON,
    ]

    OPEN = "open"
    """What it gives where a plan file is wanted instead."""

    def __init__(
        self, palette: Palette, plan: Plan, usual: Place, try_plan: TryOut[Plan, "Preview"]
    ) -> None:
        super().__init__(palette, try_plan)
        found = place_of(plan)
        self._plan = plan
        self._new = found is None
        self._place = usual if found is None else found[1]

    def compose(self) -> ComposeResult:
        """A row for each setting, and what they come to."""
        typed, place, precision = typed_fields(self._place), self._place, self._plan.precision
        method = f"{place.method} rslora" if place.rslora else place.method
        with Vertical(id="placement-box", classes="plan-box"):
            yield Static(
                "Place adapters" if self._new else "The placement of the plan", markup=False
            )
            with Horizontal(classes="field"):
                yield Label("method", classes="field-name")
                yield Choice(self._palette, METHODS, method, id="placement-method")
            for row in ROWS:
                with Horizontal(classes="field"):
                    for key, name in row:
                        yield Label(name, classes="field-name")
                        yield Input(
                            typed[key], id=f"placement-{key}", placeholder=EXAMPLES[key],
                            select_on_focus=False,
                        )  # fmt: skip
            for key, name, words in (
                ("weights", "weights in", WEIGHTS),
                ("adapter", "adapter in", TRAINED),
                ("optimizer", "Adam in", OPTIMIZER),
            ):
                chosen = getattr(precision, key)
                known = words if chosen in dict(words) else (*words, (chosen, chosen))
                with Horizontal(classes="field"):
                    yield Label(name, classes="field-name")
                    yield Choice(self._palette, known, chosen, id=f"placement-{key}")
            yield LinesView(id="placement-hits")
            yield Static(
                "Enter takes it, Tab goes on, Ctrl+O opens a plan file, Esc leaves",
                markup=False,
                classes="quiet",
            )

    def on_mount(self) -> None:
        """Begin with the targets, and try what is there."""
        self.query_one("#placement-targets", Input).focus()
        self.try_now()

    def action_open(self) -> None:
        """Open a plan file instead."""
        self.dismiss(self.OPEN)

    def typed(self) -> Plan:
        """The plan; see `AskingScreen.typed`."""
        method, _, scale = self._choice("method").partition(" ")
        typed = {key: self._text(key) for row in ROWS for key, _ in row}
        place = place_from(self._place, method, scale, typed)
        gradients = self._plan.precision.gradients
        precision = precision_from(
            self._choice("weights"), self._choice("adapter"), gradients, self._choice("optimizer")
        )
        plan = replace(self._plan, precision=precision)
        # Opened for the memory alone, it places nothing.
        return plan if self._new and place == self._place else with_place(plan, place)

    def _text(self, key: str) -> str:
        return self.query_one(f"#placement-{key}", Input).value

    def _choice(self, key: str) -> str:
        return self.query_one(f"#placement-{key}", Choice).value

    def show(self, asked: Plan, found: "Preview") -> None:
        """Show what the plan comes to, and what its placement hits."""
        from tui.figures.parts import line, note_lines
        from tui.figures.plan import hit_lines

        view, note = self.query_one(LinesView), self._palette.glyphs.note
        width, totals, place = view.size.width, found.totals, place_of(asked)
        share = fmt.percent(totals.tunable / totals.params) if totals.params else "n/a"
        weights, adam = fmt.size(totals.weight_bytes), fmt.size(totals.optimizer_bytes)
        memory = f"{weights} weights + {fmt.size(totals.gradient_bytes)} gradients + {adam} Adam"
        text = f"{totals.tunable:,} tunable, {share}   {memory}"
        lines = [line((text, self._palette.styles["tunable"]))]
        if found.error:
            lines = note_lines([f"{note} {found.refusal}"], self._palette, width)
        if place is not None:
            hits = [one for one in found.hits if one.step == place[0]]
            lines += hit_lines(hits, self._palette, width, place[1].layers)
        view.show(lines)

    def take(self, asked: Plan) -> None:
        """Give the plan."""
        self.dismiss(asked)
