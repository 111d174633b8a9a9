"""What the keys and the commands of the palette do; each goes to whoever can do it."""

from functools import partial

from textual.app import App
from textual.events import Key

from inspect_core.text import clean
from inspect_core.work.jobs import FindTypes
from themes import ThemeError, theme_names
from themes.own import own_problems
from tui import settings, wording
from tui.activations.control import ActivationControl
from tui.appearance import Appearance
from tui.common_view import CommonView
from tui.comparison import Comparison
from tui.detail_control import DetailControl
from tui.geometry.control import GeometryControl
from tui.help import help_text
from tui.job_desk import JobDesk
from tui.keys import PLAN_KEYS
from tui.metric_choice import MetricChoice
from tui.navigation import Navigation
from tui.options import Options
from tui.plan_control import PlanControl
from tui.reloading import Reloading
from tui.screens.inspector import InspectorScreen
from tui.screens.text import TextScreen
from tui.session import Session
from tui.takeaway import Takeaway
from tui.wire import Wire


class Actions(App[None]):
    """The actions of the app, for `LamellaApp`, which has all that they need."""

    session: Session
    desk: JobDesk
    detail: DetailControl
    comparison: Comparison
    reloading: Reloading
    navigation: Navigation
    takeaway: Takeaway
    plan: PlanControl
    activations: ActivationControl
    geometry: GeometryControl
    common: CommonView
    metric: MetricChoice
    appearance: Appearance
    wire: Wire
    bare_modules: bool
    options: Options
    problem: str
    device: str

    @property
    def inspector(self) -> InspectorScreen:
        """The main screen, also while another is above it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, InspectorScreen)
        return screen

    def warn(self, text: str) -> None:
        """Say something that must not be missed; foreign text is made safe."""
        self.notify(clean(text, 400), severity="warning", markup=False)

    def say_ready(self) -> None:
        """The status line while nothing runs."""
        if self.plan.active:
            self.plan.say()
            return
        if not self.desk.busy("sweep", "some", "pair"):
            text, warn = wording.ready(self.session, self.problem)
            text = f"{self.plan.kept}   {text}" if self.plan.kept else text
            self.inspector.status.say(text, "note" if warn else "muted")

    def show_title(self) -> None:
        """The title bar."""
        self.inspector.title_bar.show(*wording.title(self.session, self.device))

    # What keys do

    def action_step(self, by: int) -> None:
        """Back to the node that was visited before, or on again."""
        self.navigation.step(by)

    def action_next_match(self, by: int) -> None:
        """To the next match of the filter, or the one before."""
        self.navigation.next_match(by)

    def action_sort(self) -> None:
        """Siblings by how much they changed, or in the model's order."""
        if self.session.pairs is None:
            self.notify("to sort by change a reference is needed: press r")
            return
        self.navigation.sort(not self.session.by_change)
        self.remember(sort="change" if self.session.by_change else "model")

    def action_copy(self) -> None:
        """Copy the selected name, or what the cell under the cursor says."""
        self.takeaway.copy()

    def action_export(self) -> None:
        """Write the screen or its numbers to a file; in plan mode the plan."""
        if self.plan.active:
            self.plan.files.ask_export()
        else:
            self.takeaway.ask()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of plan mode do nothing outside it."""
        if action.startswith("plan_") and action != "plan_mode":
            return self.plan.active
        return super().check_action(action, parameters)

    def on_key(self, event: Key) -> None:
        """A key that nothing took: those of plan mode say where they do something."""
        if event.key in PLAN_KEYS and not self.plan.active and self.screen is self.inspector:
            self.inspector.status.say("p for plan mode", "note")

    def action_common_names(self) -> None:
        """Names that all architectures have in common, or the model's own again."""
        self.common.toggle()

    def action_plan_mode(self) -> None:
        """Plan mode, or the model as it is again."""
        self.plan.toggle()

    def action_activations(self) -> None:
        """What the neurons of the selected row listen to."""
        self.activations.open()

    def action_last_activations(self) -> None:
        """The activations that were shown last."""
        self.activations.open_last()

    def action_geometry(self) -> None:
        """The landscape of representations along the layers."""
        self.geometry.open()

    def action_last_geometry(self) -> None:
        """The landscape that was shown last."""
        self.geometry.open_last()

    def action_plan_freeze(self) -> None:
        """Freeze what the cursor is on, or thaw it."""
        self.plan.freeze()

    def action_plan_place(self) -> None:
        """Put an adapter on what the cursor is on, or take it off."""
        self.plan.place()

    def action_plan_by_name(self) -> None:
        """Freeze or thaw by a pattern of names."""
        self.plan.by_name()

    def action_plan_settings(self) -> None:
        """Settings of the placement and of the memory."""
        self.plan.settings()

    def action_plan_undo(self) -> None:
        """Take back the last change of the plan."""
        self.plan.undo()

    def action_plan_redo(self) -> None:
        """Do again what was taken back."""
        self.plan.redo()

    def action_open_plan(self) -> None:
        """Ask for a plan file."""
        self.plan.files.ask_file()

    def action_next_slice(self, by: int) -> None:
        """Look at another matrix of a 3-D tensor."""
        self.detail.next_slice(by)

    def action_next_aspect(self) -> None:
        """Look at the selected row in the next way."""
        if self.session.saved:
            self.notify("a saved result has no values to look at in another way")
            return
        self.inspector.go_to_detail()
        self.inspector.status.say(f"showing {self.detail.next_aspect().value}")

    def action_ask_reference(self) -> None:
        """Ask what to compare with."""
        self.comparison.ask()

    def action_next_metric(self) -> None:
        """Show the next metric."""
        self.metric.next()

    def action_choose_metric(self) -> None:
        """Choose one of all metrics."""
        self.metric.ask()

    def action_next_scale(self) -> None:
        """Spread values over the colours in the next way."""
        self.metric.next_scale()

    def remember(self, **words: str) -> None:
        """Keep a choice for the next run."""
        self.run_worker(partial(settings.remember, **words), thread=True, group="settings")

    def action_bare_modules(self) -> None:
        """Show modules without parameters (dropouts, activations), or hide them again."""
        listing = self.session.listing
        if listing is None or (listing.tree.untyped and not listing.has_config):
            self.notify("without a config.json only modules with parameters are known")
            return
        self.bare_modules = not self.bare_modules
        self.inspector.status.say("building the tree again")
        self.desk.submit("types", FindTypes(listing.opened, self.bare_modules))

    def action_show_warnings(self) -> None:
        """Show all warnings."""
        running = self.desk.busy("pair", "sweep")
        none = "nothing to warn of so far: still comparing" if running else "nothing to warn of"
        warnings = [*wording.warnings(self.session), *own_problems()] or [none]
        lines = [*dict.fromkeys(warnings), "", *wording.notes(self.session)]
        self.push_screen(TextScreen("\n".join(lines)))

    def metric_names(self) -> list[tuple[str, str]]:
        """Keys and names of the metrics there are to choose from; none without a reference."""
        if self.session.pairs is None:
            return []
        from inspect_core.delta.metrics import METRICS

        return [(metric.key, metric.name) for metric in METRICS.values()]

    def theme_names(self) -> list[str]:
        """The themes there are: lamella's, then the user's own."""
        return theme_names()

    def use_theme(self, name: str) -> None:
        """Draw with a theme from now on, and remember it; say so if it cannot be used."""
        try:
            self.appearance.use(name)
        except ThemeError as error:
            self.warn(str(error))
        else:
            self.remember(theme=name)

    def action_next_theme(self) -> None:
        """Draw with the next theme that can be used."""
        name = self.appearance.next()
        if name is not None:
            self.inspector.status.say(f"theme {clean(name)}")
            self.remember(theme=name)

    def action_reload(self) -> None:
        """Open the model and the reference again."""
        self.reloading.start()

    def action_help(self) -> None:
        """Show the help."""
        first = getattr(self.screen, "PLACE", "") or ("plan" if self.plan.active else "")
        self.push_screen(TextScreen(help_text(self.options.settings.keys, first)))

    def action_redraw(self) -> None:
        """Send the whole screen again: something else wrote over it."""
        self.wire.forget()
        self.screen.refresh(layout=True)
