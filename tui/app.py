"""The app: it wires the backend, the session and the screen together."""

import asyncio
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from rich.console import RenderableType
from textual import on
from textual._compositor import CompositorUpdate
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip

from inspect_core.text import clean
from inspect_core.work.backend import Backend, Ticket
from inspect_core.work.jobs import (
    OpenModel,
)
from tui import wording
from tui.actions import Actions
from tui.activations.control import ActivationControl
from tui.appearance import Appearance
from tui.common_view import CommonView
from tui.comparison import Comparison
from tui.detail_control import QUIET_SECONDS, DetailControl
from tui.geometry.control import GeometryControl
from tui.help import COMMANDS
from tui.job_desk import JobDesk
from tui.keys import APP, complaints
from tui.messages import (
    BackPressed,
    CellChosen,
    FigureDrawn,
    FilterKept,
    FilterTyped,
    JobEnded,
    ProgressMade,
    RowChosen,
    RowHighlighted,
    ScreenReady,
    SweepArrived,
    ZoomAsked,
)
from tui.metric_choice import MetricChoice
from tui.navigation import Navigation
from tui.options import Options
from tui.plan_control import PlanControl
from tui.reloading import Reloading
from tui.results import Results
from tui.screens.inspector import InspectorScreen
from tui.session import Session
from tui.settings import Settings
from tui.takeaway import Takeaway
from tui.widgets.detail import DetailView
from tui.wire import Wire

SWITCH_SECONDS = 0.0005
"""How long a thread of the app keeps the interpreter while another wants it."""

TIMED = ("sweep", "some", "inspect")
"""Roles whose progress is shown: somebody waits for them."""


class LamellaApp(Actions):
    """The inspector.

    Args:
        options: what was asked for.
        backend: where jobs run; the app closes it.
        opening: the ticket of the `OpenModel` job, if it was submitted already.
    """

    CSS_PATH = "app.tcss"
    TITLE = "lamella"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [*APP]

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
        self.plan = PlanControl(self)
        self.activations = ActivationControl(self)
        self.geometry = GeometryControl(self)
        self.common = CommonView(self)
        self.metric = MetricChoice(self)
        self.results = Results(self)
        self._opening = opening
        self.bare_modules = False
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
        self.session.by_change = settings.sort == "change"
        if settings.scale is not None:
            self.session.scale = settings.scale
        if settings.keys:
            self.session.complaints += complaints(settings.keys)
            self.set_keymap(settings.keys)

    def get_default_screen(self) -> InspectorScreen:
        """The main screen is the first and lowest."""
        return InspectorScreen(self.palette, self.session.change)

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
        """From any thread, and in the order of the calls; the app may be closing."""
        # Textual queues a message of this thread at once, and would put the end of a short job
        # before the parts that its own thread gave.
        if self.is_running and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self.post_message, message)

    @property
    def gone(self) -> bool:
        """Whether the screens are closed: messages and timers may come after them."""
        return not self.screen_stack

    @on(JobEnded)
    def job_ended(self, message: JobEnded) -> None:
        """Take a result, or say why there is none."""
        if self.desk.close(message) and not self.gone:
            self.results.take(message)

    @on(SweepArrived)
    def sweep_arrived(self, message: SweepArrived) -> None:
        """Take in summaries."""
        if self.desk.wanted(message) and message.role == "inspect":
            self.detail.found(message.part)
        elif self.desk.wanted(message):
            self.comparison.arrived(message)

    @on(ProgressMade)
    def progress_made(self, message: ProgressMade) -> None:
        """Show how far a job is that somebody waits for."""
        progress, elapsed = message.progress, self.desk.elapsed(message.role)
        for run in (self.activations, self.geometry):
            if message.role == run.RUN and self.desk.wanted(message) and not self.gone:
                run.progress(progress, elapsed)
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

    # Filter, metric, help

    @on(BackPressed)
    def back_pressed(self) -> None:
        """Esc in the tree leaves plan mode."""
        if self.plan.active:
            self.plan.leave()

    @on(FilterTyped)
    def filter_typed(self, message: FilterTyped) -> None:
        """Keep the rows whose names match what was typed."""
        self.navigation.filter(message.query)

    @on(FilterKept)
    def filter_kept(self) -> None:
        """Go to what the filter found."""
        self.navigation.first_match()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: what the keys do, by name, beside Textual's own."""
        for name, about, action in COMMANDS:
            yield SystemCommand(name, about, partial(self.run_action, action, screen))
        for key, name in self.metric_names():
            yield SystemCommand(f"Metric: {name}", "Show it", partial(self.metric.use, key))
        for name in self.theme_names():
            yield SystemCommand(f"Theme: {name}", "Draw with it", partial(self.use_theme, name))
        for command in super().get_system_commands(screen):
            # Textual's themes have no colours for a model; our help has the keys.
            if command.title not in ("Theme", "Keys", "Maximize", "Minimize"):
                yield command

    async def action_quit(self) -> None:
        """Stop everything and leave; a plan that was not written is said once."""
        if self.plan.may_leave_app():
            self.exit()

    def _handle_exception(self, error: Exception) -> None:
        """An error of our own ends the app, and not a plan that nobody wrote."""
        with suppress(Exception):
            self.plan.files.rescue()
        super()._handle_exception(error)

    def on_unmount(self) -> None:
        """The backend ends with the app."""
        self.backend.close()
