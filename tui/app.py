"""The app: it wires the backend, the session and the screen together."""

import asyncio
import gc
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from inspect_core.devices import gpu_likely
from inspect_core.errors import Cancelled
from inspect_core.text import clean
from inspect_core.work.backend import Backend, Ticket
from inspect_core.work.jobs import (
    FindDevice,
    FindTypes,
    OpenModel,
    WarmUp,
)
from inspect_core.work.listings import Uri
from themes import ThemeFile
from tui import wording
from tui.comparison import Comparison
from tui.detail_control import QUIET_SECONDS, DetailControl
from tui.help import COMMANDS, HELP
from tui.job_desk import JobDesk
from tui.messages import (
    FigureDrawn,
    FilterTyped,
    JobEnded,
    ProgressMade,
    RowChosen,
    RowHighlighted,
    ScreenReady,
    SweepArrived,
)
from tui.outline import Outline
from tui.palette import make_palette
from tui.screens.inspector import InspectorScreen
from tui.screens.reference import ReferencePrompt
from tui.screens.text import TextScreen
from tui.session import Session, keep_matching
from tui.theme import textual_theme
from tui.widgets.detail import DetailView

SWITCH_SECONDS = 0.0005
"""How long a thread of the app keeps the interpreter while another wants it."""

FIRST_PAINT_SECONDS = 0.05
"""What the first rows do not need waits so long after they are made."""

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
        colorless: let no colour carry meaning.
    """

    model: Uri
    reference: Uri | None
    device: str
    theme: ThemeFile
    ascii_only: bool = False
    colorless: bool = False


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
    ]

    def __init__(self, options: Options, backend: Backend, opening: Ticket | None = None) -> None:
        super().__init__()
        self.options = options
        self.backend = backend
        self.session = Session()
        self.palette = make_palette(options.theme, options.ascii_only, options.colorless)
        self.device = "cpu" if options.device == "auto" else options.device
        self.desk = JobDesk(backend, self.post)
        self.detail = DetailControl(self)
        self.comparison = Comparison(self, options.reference)
        self._opening = opening
        self._query = ""
        self._bare_modules = False
        self._asked = ""
        self._problem = ""
        self.register_theme(textual_theme(options.theme))

    # Start

    def on_mount(self) -> None:
        """Show the frame and open the model."""
        self.theme = self.options.theme.name
        # The event loop shares the interpreter with the thread that draws: with Python's own
        # 5 ms it would wait that long at each of its many small system calls.
        sys.setswitchinterval(SWITCH_SECONDS)
        if not self.is_headless:
            # A plain SIGTERM would leave the alternate screen and mouse reports on.
            for number in (signal.SIGTERM, signal.SIGHUP):
                leave = partial(self.exit, return_code=128 + number)
                asyncio.get_running_loop().add_signal_handler(number, leave)

    def get_default_screen(self) -> InspectorScreen:
        """The main screen is the first and lowest."""
        return InspectorScreen(self.palette, self.session.change)

    @property
    def inspector(self) -> InspectorScreen:
        """The main screen, also while another is above it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, InspectorScreen)
        return screen

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
        self.session.open(listing)
        tree_view = self.inspector.tree_view
        tree_view.show(Outline(listing.tree), clean(listing.title, 60))
        self.say_ready()
        self.show_title()
        # Later by a blink: imports and new processes would compete with the first paint.
        self.set_timer(FIRST_PAINT_SECONDS, self._after_first_rows)

    def _after_first_rows(self) -> None:
        """What would only delay the first rows: types, kernels, the reference."""
        _collect_again()
        listing = self.session.listing
        if listing is None:
            return
        if listing.has_config:
            self.desk.submit("types", FindTypes(listing.opened, self._bare_modules))
        self.desk.submit("warm", WarmUp())
        self.run_worker(_import_ahead, thread=True, group="imports")
        if self.options.device == "auto" and gpu_likely():
            self.desk.submit("device", FindDevice())
        self.comparison.start()

    def _on_types(self, listing: Any) -> None:
        if listing.tree.untyped or self.session.listing is None:
            if self.session.listing is not None:
                self.session.listing = replace(self.session.listing, note=listing.note)
            self.say_ready()
            return
        tree_view = self.inspector.tree_view
        key = tree_view.current_key()
        self.session.open(listing)
        if tree_view.outline is not None:
            tree_view.outline.replace_tree(listing.tree)
            self._apply_filter()
            tree_view.lines_changed(key)
            self.detail.replace_row(tree_view.current_row)
        self.say_ready()

    def _on_warm(self, _: None) -> None:
        """The kernels are ready; nothing to show."""

    def _on_device(self, device: str) -> None:
        self.device = device
        self.show_title()

    def _on_pair(self, pairs: Any) -> None:
        self._problem = ""
        self.comparison.paired(pairs)

    def _on_sweep(self, _: int) -> None:
        self.comparison.refresh()
        self.say_ready()

    def _on_some(self, _: int) -> None:
        self.comparison.refresh()
        self.say_ready()

    def _on_inspect(self, detail: Any) -> None:
        self.say_ready()
        self.detail.inspected(detail)

    def _failed(self, role: str, error: BaseException) -> None:
        """Say what went wrong, and go on where there is a way."""
        text = str(error)
        if role in ("sweep", "some", "inspect") and self.device != "cpu":
            # Another process may have taken the GPU's memory; the CPU is always there.
            self.device = "cpu"
            self.show_title()
            self._warn(f"{text}. The CPU takes over.")
            self.comparison.start() if role == "sweep" else self.detail.inspect()
        elif role == "open":
            _collect_again()
            self.inspector.tree_view.hint("cannot open the model")
            self.detail.say("cannot open the model", [text])
            self.inspector.go_to_detail()
            self.inspector.status.say("press q to quit", "note")
        elif role == "types" and self.session.listing is not None:
            note = f"module types are not known: {text}"
            self.session.listing = replace(self.session.listing, note=note)
            self.say_ready()
        elif role == "inspect":
            path = self.detail.row.path if self.detail.row else ""
            self.detail.say(path, [text, "Press Enter to try again."])
        elif role == "sweep" and self.comparison.interrupted(error):
            self._warn(f"{text}. The sweep goes on.")
        else:
            self._problem = text
            if role == "pair":
                self.comparison.not_paired()
            self.say_ready()

    def _warn(self, text: str) -> None:
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
        self.detail.follow(message.row)

    @on(RowChosen)
    def row_chosen(self, message: RowChosen) -> None:
        """Inspect at once."""
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
        found = self._query and not message.query
        self._query = message.query
        tree_view = self.inspector.tree_view
        key, row = tree_view.current_key(), tree_view.current_row
        self._apply_filter()
        if found and row is not None and tree_view.outline is not None:
            tree_view.outline.reveal(row.anchor)  # what the filter found stays under the cursor
        tree_view.lines_changed(key)

    def _apply_filter(self) -> None:
        outline, listing = self.inspector.tree_view.outline, self.session.listing
        if outline is None or listing is None:
            return
        query = self._query
        keep = keep_matching(listing.names, listing.tree.order, query) if query else None
        outline.filter(keep)
        if keep is not None and not any(keep):
            self.inspector.status.say(f"no name holds {clean(query)!r}", "note")
        else:
            self.say_ready()

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
        self.show_title()
        self.detail.draw()

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
        warnings = wording.warnings(self.session)
        self.push_screen(TextScreen("\n".join(warnings) if warnings else "nothing to warn of"))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: what the keys do, by name, beside Textual's own."""
        for name, about, action in COMMANDS:
            yield SystemCommand(name, about, partial(self.run_action, action, screen))
        yield from super().get_system_commands(screen)

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
            text, warn = wording.ready(self.session, self._problem)
            self.inspector.status.say(text, "note" if warn else "muted")

    def show_title(self) -> None:
        """The title bar."""
        self.inspector.title_bar.show(*wording.title(self.session, self.device))
