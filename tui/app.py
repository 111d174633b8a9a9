"""The app: it wires the backend, the session and the screen together."""

import asyncio
import gc
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from textual import on
from textual._compositor import CompositorUpdate
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip

from inspect_core.devices import gpu_likely
from inspect_core.errors import Cancelled, FilesChanged
from inspect_core.text import clean
from inspect_core.work.backend import Backend, Ticket, WorkerDied
from inspect_core.work.jobs import (
    FindDevice,
    FindTypes,
    OpenModel,
    WarmUp,
)
from inspect_core.work.listings import Uri
from inspect_core.work.ticket import OverLimit
from themes import ThemeError, ThemeFile, theme_names
from themes.own import own_problems
from tui import wording
from tui.appearance import Appearance
from tui.comparison import Comparison
from tui.detail_control import QUIET_SECONDS, DetailControl
from tui.help import COMMANDS, HELP
from tui.job_desk import JobDesk
from tui.messages import (
    CellChosen,
    FigureDrawn,
    FilterTyped,
    JobEnded,
    ProgressMade,
    RowChosen,
    RowHighlighted,
    ScreenReady,
    SweepArrived,
    ZoomAsked,
)
from tui.navigation import Navigation
from tui.outline import Outline
from tui.palette import Depth
from tui.reloading import Reloading
from tui.screens.inspector import InspectorScreen
from tui.screens.reference import ReferencePrompt
from tui.screens.text import TextScreen
from tui.session import Session
from tui.settings import Settings, remember
from tui.takeaway import Takeaway
from tui.widgets.detail import DetailView
from tui.wire import Wire

SWITCH_SECONDS = 0.0005
"""How long a thread of the app keeps the interpreter while another wants it."""

FIRST_PAINT_SECONDS = 0.05
"""What the first rows do not need waits so long after they are made."""

REPEATED = ("open", "types", "pair")
"""Roles that are tried again when their worker dies; others the user or a sweep repeats."""

QUIET = ("warm", "device", "look")
"""Roles that nobody misses when their worker dies."""

TIMED = ("sweep", "some", "inspect")
"""Roles whose progress is shown: somebody waits for them."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for.

    Attributes:
        model: the model.
        reference: what to compare it with, or None.
        device: `auto`, `cpu`, `cuda`, `mps`.
        theme: the theme.
        ascii_only: draw with ASCII alone.
        depth: how many colours the terminal has.
        bookmark: a pattern of names to begin on, or None.
        settings: what the user wants every time.
    """

    model: Uri
    reference: Uri | None
    device: str
    theme: ThemeFile
    ascii_only: bool = False
    depth: Depth = Depth.TRUE
    bookmark: str | None = None
    settings: Settings = field(default_factory=Settings)


def _import_ahead() -> None:
    """Import what the first figure needs, on a thread, before somebody waits for it."""
    import tui.figures.overview
    import tui.figures.tensor  # noqa: F401
    from tui.plots import fallback_note

    fallback_note()


def _collect_again() -> None:
    """Turn the garbage collector on; it was off for the first frame (see `__main__`)."""
    gc.enable()
    gc.freeze()


class LamellaApp(App[None]):
    """The inspector.

    Args:
        options: what was asked for.
        backend: where jobs run; the app closes it.
        opening: the ticket of the `OpenModel` job, if it was submitted already.
    """

    CSS_PATH = "app.tcss"
    TITLE = "lamella"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "quit", id="app.quit", show=False, priority=True),
        Binding("ctrl+l", "redraw", "redraw", id="app.redraw", show=False),
    ]

    def __init__(self, options: Options, backend: Backend, opening: Ticket | None = None) -> None:
        super().__init__()
        self.options = options
        self.backend = backend
        self.session = Session(complaints=list(options.settings.problems))
        self.appearance = Appearance(self, options.theme, options.depth, options.ascii_only)
        self.palette = self.appearance.palette
        self.wire = Wire()
        self.device = "cpu" if options.device == "auto" else options.device
        self.desk = JobDesk(backend, self.post)
        self.detail = DetailControl(self)
        self.comparison = Comparison(self, options.reference)
        self.reloading = Reloading(self)
        self.navigation = Navigation(self, options.bookmark)
        self.takeaway = Takeaway(self)
        self._opening = opening
        self._bare_modules = False
        self._asked = ""
        self.problem = ""
        self.failure: BaseException | None = None

    # Start

    def on_mount(self) -> None:
        """Show the frame and open the model."""
        self.theme = self.options.theme.name
        self._use_settings(self.options.settings)
        # The event loop shares the interpreter with the thread that draws: with Python's own
        # 5 ms it would wait that long at each of its many small system calls.
        sys.setswitchinterval(SWITCH_SECONDS)
        if not self.is_headless:
            # A plain SIGTERM would leave the alternate screen and mouse reports on.
            for number in (signal.SIGTERM, signal.SIGHUP):
                leave = partial(self.exit, return_code=128 + number)
                asyncio.get_running_loop().add_signal_handler(number, leave)

    def _use_settings(self, settings: Settings) -> None:
        """Begin with the metric, the order and the keys that the user wants."""
        if settings.metric is not None:
            from inspect_core.delta.metrics import METRICS

            if settings.metric in METRICS:
                self.session.metric_key = settings.metric
            else:
                problem = f"{clean(settings.metric, 40)} is no metric of lamella"
                self.session.complaints.append(problem)
        self.navigation.by_change = settings.sort == "change"
        if settings.keys:
            self.set_keymap(settings.keys)

    def get_default_screen(self) -> InspectorScreen:
        """The main screen is the first and lowest."""
        return InspectorScreen(self.palette, self.session.change)

    @property
    def inspector(self) -> InspectorScreen:
        """The main screen, also while another is above it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, InspectorScreen)
        return screen

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Lines leave in the colours that the terminal has."""
        return self.appearance.filters(super().get_line_filters())

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Send only what the terminal does not show already."""
        if isinstance(renderable, CompositorUpdate):
            renderable = self.wire.thin(renderable)
        super()._display(screen, renderable)

    def on_resize(self) -> None:
        """A terminal does with its lines what it likes when it gets another size."""
        self.wire.forget()

    def action_redraw(self) -> None:
        """Send the whole screen again: something else wrote over it."""
        self.wire.forget()
        self.screen.refresh(layout=True)

    def screen_lines(self) -> list[Strip]:
        """What the main screen shows now."""
        return self.inspector._compositor.render_strips()

    @on(ScreenReady)
    def open_model(self) -> None:
        """Open the model; its rows may be there for the first paint."""
        self.show_title()
        self.inspector.status.say("opening the model")
        if self._opening is not None:
            self.desk.adopt("open", self._opening)
        else:
            self.desk.submit("open", OpenModel(self.options.model))

    # Jobs

    def post(self, message: Message) -> None:
        """From any thread; the app may be closing."""
        if self.is_running:
            self.post_message(message)

    @property
    def gone(self) -> bool:
        """Whether the screens are closed: messages and timers may come after them."""
        return not self.screen_stack

    @on(JobEnded)
    def job_ended(self, message: JobEnded) -> None:
        """Take a result, or say why there is none."""
        if not self.desk.close(message) or self.gone:
            return
        if message.error is None:
            getattr(self, f"_on_{message.role}")(message.result)
        elif not isinstance(message.error, Cancelled):
            self._failed(message.role, message.error)

    def _on_open(self, listing: Any) -> None:
        if self.failure is not None:  # with one pane, the reason is on show in place of the tree
            self.call_later(self.inspector.action_back)
        self.failure = None
        tree_view = self.inspector.tree_view
        if tree_view.outline is not None:
            self.reloading.opened(listing)
            self._ask_more()
            return
        self.problem = ""
        self.session.open(listing)
        tree_view.show(Outline(listing.tree), clean(listing.title, 60))
        self.navigation.opened()
        self.say_ready()
        self.show_title()
        # Later by a blink: imports and new processes would compete with the first paint.
        self.set_timer(FIRST_PAINT_SECONDS, self._after_first_rows)

    def _after_first_rows(self) -> None:
        """What would only delay the first rows: types, kernels, the reference."""
        _collect_again()
        if self.session.listing is None:
            return
        self._ask_more()
        if self.session.expects_pairs:  # 80 MB of memory that looking at names does not need
            self.desk.submit("warm", WarmUp())
        self.run_worker(_import_ahead, thread=True, group="imports")
        if self.options.device == "auto" and gpu_likely():
            self.desk.submit("device", FindDevice())

    def _ask_more(self) -> None:
        """What a model that was just opened lacks: its types, and its reference."""
        listing = self.session.listing
        if listing is not None and listing.has_config:
            self.desk.submit("types", FindTypes(listing.opened, self._bare_modules))
        self.comparison.start()

    def _on_types(self, listing: Any) -> None:
        if listing.tree.untyped or self.session.listing is None:
            if self.session.listing is not None:
                self.session.listing = replace(self.session.listing, note=listing.note)
            self.say_ready()
            return
        tree_view = self.inspector.tree_view
        key = self.reloading.cursor_key()
        self.session.open(listing)
        if tree_view.outline is not None:
            tree_view.outline.replace_tree(listing.tree)
            self.navigation.apply()
            tree_view.lines_changed(key)
            self.detail.replace_row(tree_view.current_row)
        self.say_ready()

    def _on_warm(self, _: None) -> None:
        """The kernels are ready; nothing to show."""

    def _on_device(self, device: str) -> None:
        self.device = device
        self.show_title()

    def _on_pair(self, pairs: Any) -> None:
        self.problem = ""
        self.comparison.paired(pairs)

    def _on_sweep(self, _: int) -> None:
        self.comparison.refresh()
        if self.navigation.by_change:
            self.navigation.resort()
        self.say_ready()

    def _on_some(self, _: int) -> None:
        self.comparison.refresh()
        self.say_ready()

    def _on_inspect(self, detail: Any) -> None:
        self.say_ready()
        self.detail.inspected(detail)

    def _on_look(self, replaced: tuple[bool, ...]) -> None:
        self.reloading.looked(replaced)

    def _on_zoom(self, heat: Any) -> None:
        self.detail.zoomed(heat)

    def _failed(self, role: str, error: BaseException) -> None:
        """Say what went wrong, and go on where there is a way."""
        text = str(error)
        if isinstance(error, WorkerDied) and self._died(role, error):
            return
        if isinstance(error, FilesChanged):
            self._refused(role, error)
        elif role in ("sweep", "some", "inspect", "zoom") and self.device != "cpu":
            # Another process may have taken the GPU's memory; the CPU is always there.
            self.device = "cpu"
            self.show_title()
            self.warn(f"{text}. The CPU takes over.")
            self.comparison.start() if role == "sweep" else self.detail.inspect()
        elif role == "open" and self.session.listing is not None:
            self.reloading.failed(text)
        elif role == "open":
            _collect_again()
            self.failure = error
            self.inspector.tree_view.hint("cannot open the model")
            self.detail.say("cannot open the model", [text])
            self.inspector.go_to_detail()
            self.inspector.status.say("press q to quit, R to try again", "note")
        elif role == "types" and self.session.listing is not None:
            note = f"module types are not known: {text}"
            self.session.listing = replace(self.session.listing, note=note)
            self.say_ready()
        elif role == "inspect":
            path = self.detail.row.path if self.detail.row else ""
            self.detail.say(path, [text, "Press Enter to try again."])
        else:
            self.problem = text
            if role == "pair":
                self.comparison.not_paired()
            self.say_ready()

    def _died(self, role: str, error: WorkerDied) -> bool:
        """A worker died: go on with another where that may help; False where it does not."""
        if role == "sweep" and self.device == "cpu":
            return self.comparison.interrupted(error)
        blameless = not isinstance(error, OverLimit)
        return role in QUIET or (role in REPEATED and blameless and self.desk.again(role))

    def _refused(self, role: str, error: FilesChanged) -> None:
        """The files are not those that were listed: nothing more is read of them."""
        if role == "pair":
            self.comparison.not_paired()
        elif role == "inspect":
            self.detail.say(self.detail.row.path if self.detail.row else "", [str(error)])
        self.reloading.refused(error)

    def warn(self, text: str) -> None:
        """Say something that must not be missed; foreign text is made safe."""
        self.notify(clean(text, 400), severity="warning", markup=False)

    @on(SweepArrived)
    def sweep_arrived(self, message: SweepArrived) -> None:
        """Take in summaries."""
        if self.desk.wanted(message):
            self.comparison.arrived(message)

    @on(ProgressMade)
    def progress_made(self, message: ProgressMade) -> None:
        """Show how far a job is that somebody waits for."""
        progress, elapsed = message.progress, self.desk.elapsed(message.role)
        if not self.desk.wanted(message) or message.role not in TIMED or self.gone:
            return
        if elapsed > QUIET_SECONDS and progress.bytes_done:
            what = f"sweep {progress.done} of {progress.total} {progress.unit}"
            self.inspector.status.progress(
                "reading" if message.role == "inspect" else what,
                progress.bytes_done / max(1, progress.bytes_total),
                wording.progress_after(progress, elapsed),
            )

    # Selection

    @on(RowHighlighted)
    def row_highlighted(self, message: RowHighlighted) -> None:
        """The detail follows the cursor."""
        self.reloading.look()
        self.detail.follow(message.row)

    @on(RowChosen)
    def row_chosen(self, message: RowChosen) -> None:
        """Inspect at once."""
        self.reloading.look()
        self.detail.choose(message.row)

    @on(DetailView.Resized)
    def detail_resized(self) -> None:
        """Draw for the new size."""
        self.detail.resized()

    @on(FigureDrawn)
    def figure_drawn(self, message: FigureDrawn) -> None:
        """Show a drawing."""
        if not self.gone:
            self.detail.drawn(message)

    @on(ZoomAsked)
    def zoom_asked(self, message: ZoomAsked) -> None:
        """Look at another part of the matrix on show."""
        self.detail.zoom(message.row, message.column, message.factor)

    @on(CellChosen)
    def cell_chosen(self, message: CellChosen) -> None:
        """Go to the tensor that a cell stands for."""
        self.navigation.go(message.path)

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
        self.navigation.sort(not self.navigation.by_change)
        self._remember(sort="change" if self.navigation.by_change else "name")

    def action_copy(self) -> None:
        """Copy the selected name, or what the cell under the cursor says."""
        self.takeaway.copy()

    def action_export(self) -> None:
        """Write the screen or its numbers to a file."""
        self.takeaway.ask()

    def action_next_slice(self, by: int) -> None:
        """Look at another matrix of a 3-D tensor."""
        self.detail.next_slice(by)

    def action_ask_reference(self) -> None:
        """Ask what to compare with; what was typed last is there to mend."""
        start = self._asked or str(self.comparison.reference or "")
        if not start and isinstance(self.options.model, str):
            # Whether it is there is for the completion to find out: this is the UI thread.
            start = f"{Path(self.options.model).parent}/"

        def answered(path: str | None) -> None:
            if path:
                self._asked = path
                self.comparison.start(path)

        self.push_screen(ReferencePrompt(start), answered)

    # Filter, metric, help

    @on(FilterTyped)
    def filter_typed(self, message: FilterTyped) -> None:
        """Keep the rows whose names match what was typed."""
        self.navigation.filter(message.query)

    def action_next_metric(self) -> None:
        """Show the next metric."""
        from inspect_core.delta.metrics import METRICS

        if self.session.pairs is None:
            self.notify("a metric needs a reference: press r")
            return
        keys = list(METRICS)
        at = (keys.index(self.session.metric_key) + 1) % len(keys)
        self.session.metric_key = keys[at]
        self.session.version += 1
        self.inspector.tree_view.changes_arrived()
        if self.navigation.by_change:
            self.navigation.resort()
        self.show_title()
        self.detail.draw()
        self._remember(metric=self.session.metric_key)

    def _remember(self, **words: str) -> None:
        """Keep a choice for the next run."""
        self.run_worker(partial(remember, **words), thread=True, group="settings")

    def action_bare_modules(self) -> None:
        """Show modules without parameters (dropouts, activations), or hide them again."""
        listing = self.session.listing
        if listing is None or not listing.has_config:
            self.notify("without a config.json only modules with parameters are known")
            return
        self._bare_modules = not self._bare_modules
        self.inspector.status.say("building the tree again")
        self.desk.submit("types", FindTypes(listing.opened, self._bare_modules))

    def action_show_warnings(self) -> None:
        """Show all warnings."""
        warnings = [*wording.warnings(self.session), *own_problems()]
        self.push_screen(TextScreen("\n".join(warnings) if warnings else "nothing to warn of"))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: what the keys do, by name, beside Textual's own."""
        for name, about, action in COMMANDS:
            yield SystemCommand(name, about, partial(self.run_action, action, screen))
        for name in self.theme_names():
            yield SystemCommand(f"Theme: {name}", "Draw with it", partial(self.use_theme, name))
        for command in super().get_system_commands(screen):
            if command.title != "Theme":  # Textual's own themes have no colours for a model
                yield command

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
            self._remember(theme=name)

    def action_next_theme(self) -> None:
        """Draw with the next theme that can be used."""
        name = self.appearance.next()
        if name is not None:
            self.inspector.status.say(f"theme {clean(name)}")
            self._remember(theme=name)

    def action_reload(self) -> None:
        """Open the model and the reference again."""
        self.reloading.start()

    def action_help(self) -> None:
        """Show the help."""
        self.push_screen(TextScreen(HELP))

    async def action_quit(self) -> None:
        """Stop everything and leave."""
        self.exit()

    def on_unmount(self) -> None:
        """The backend ends with the app."""
        self.backend.close()

    # Title and status

    def say_ready(self) -> None:
        """The status line while nothing runs."""
        if not self.desk.busy("sweep", "some", "pair"):
            text, warn = wording.ready(self.session, self.problem)
            self.inspector.status.say(text, "note" if warn else "muted")

    def show_title(self) -> None:
        """The title bar."""
        self.inspector.title_bar.show(*wording.title(self.session, self.device))
