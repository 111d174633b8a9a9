"""The app: it wires the backend, the session and the screen together."""

import asyncio
import gc
import signal
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer

from inspect_core.devices import gpu_likely
from inspect_core.errors import Cancelled
from inspect_core.structure.branch import Row, Twig
from inspect_core.text import clean
from inspect_core.work.backend import Backend, Ticket, WorkerDied
from inspect_core.work.jobs import (
    FindDevice,
    FindTypes,
    Inspect,
    OpenModel,
    PairUp,
    Sweep,
    WarmUp,
)
from inspect_core.work.listings import Uri
from themes import ThemeFile
from tui import format as fmt
from tui import wording
from tui.drawing import Drawing
from tui.help import HELP
from tui.job_desk import JobDesk
from tui.messages import (
    FigureDrawn,
    FilterTyped,
    JobEnded,
    ProgressMade,
    RowChosen,
    RowHighlighted,
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

SETTLE_SECONDS = 0.12
"""The cursor rests this long before the detail follows it: one repaint per settled selection."""

QUIET_SECONDS = 0.15
"""A job shorter than this shows no progress line."""

MOST_UNASKED_BYTES = 256 << 20
"""Without a reference, values beyond this are read on Enter only, not when the cursor rests."""

REFRESH_SECONDS = 0.25
"""While a sweep runs, the change column is painted again at most this often."""


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
        self.drawing = Drawing(self.session, self.palette)
        self.reference = options.reference
        self.device = "cpu" if options.device == "auto" else options.device
        self._opening = opening
        self.desk = JobDesk(backend, self._post)
        self._drawings = 0
        self._settling: Timer | None = None
        self._refreshing: Timer | None = None
        self._started: dict[str, float] = {}
        self._row: Row | None = None
        self._slice = 0
        self._retried = False
        self._query = ""
        self.register_theme(textual_theme(options.theme))

    # Start

    def on_mount(self) -> None:
        """Show the frame and open the model."""
        self.theme = self.options.theme.name
        if not self.is_headless:
            # A plain SIGTERM would leave the alternate screen and mouse reports on.
            for number in (signal.SIGTERM, signal.SIGHUP):
                leave = partial(self.exit, return_code=128 + number)
                asyncio.get_running_loop().add_signal_handler(number, leave)
        self.call_after_refresh(self._open)

    def get_default_screen(self) -> InspectorScreen:
        """The main screen is the first and lowest."""
        return InspectorScreen(self.palette, self.session.change)

    @property
    def inspector(self) -> InspectorScreen:
        """The main screen, also while another is above it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, InspectorScreen)
        return screen

    def _open(self) -> None:
        self._show_title()
        self.inspector.status.say("opening the model")
        if self._opening is not None:
            self.desk.adopt("open", self._opening)
        else:
            self.desk.submit("open", OpenModel(self.options.model))

    # Jobs

    def _post(self, message: Message) -> None:
        """From any thread; the app may be closing."""
        if self.is_running:
            self.post_message(message)

    @property
    def _gone(self) -> bool:
        """Whether the screens are closed: messages and timers may come after them."""
        return not self.screen_stack

    @on(JobEnded)
    def job_ended(self, message: JobEnded) -> None:
        """Take a result, or say why there is none."""
        if not self.desk.close(message) or self._gone:
            return
        if message.error is None:
            getattr(self, f"_on_{message.role}")(message.result)
        elif not isinstance(message.error, Cancelled):
            self._failed(message.role, message.error)

    def _failed(self, role: str, error: BaseException) -> None:
        text = str(error)
        if role == "open":
            self.inspector.tree_view.hint("cannot open the model")
            self._draw_message("cannot open the model", [text])
            self.inspector.go_to_detail()
            self.inspector.status.say("press q to quit", "note")
        elif role == "device":
            self.inspector.status.say(f"no GPU is used: {text}", "note")
        elif role in ("sweep", "some", "inspect") and self.device != "cpu":
            # Another process may have taken the GPU's memory; the CPU is always there.
            self.device = "cpu"
            self._show_title()
            self.notify(f"{text}. The CPU takes over.", severity="warning", markup=False)
            self._pair() if role == "sweep" else self._inspect_now()
        elif role == "types":
            self.inspector.status.say(f"module types are not known: {text}", "note")
        elif role == "sweep" and isinstance(error, WorkerDied) and not self._retried:
            self._retried = True
            title = "sweep interrupted; going on"
            self.notify(text, title=title, severity="warning", markup=False)
            self._start_sweep()
        elif role == "inspect":
            self._draw_message(
                self._row.path if self._row else "", [text, "Press Enter to try again."]
            )
        else:
            if role == "pair":
                self._keep_old_reference()
            self.inspector.status.say(text, "note")
            self.notify(clean(text, 400), severity="error", markup=False)

    def _keep_old_reference(self) -> None:
        """Another reference could not be opened: what was compared before still counts."""
        pairs = self.session.pairs
        self.reference = pairs.uri if pairs is not None else None
        if pairs is not None:
            self._start_sweep()
        self._inspect_now()

    def _on_open(self, listing: Any) -> None:
        self.session.open(listing)
        tree_view = self.inspector.tree_view
        tree_view.show(Outline(listing.tree), clean(listing.title, 60))
        self._say_ready()
        self._show_title()
        self.call_after_refresh(self._after_first_rows)

    def _after_first_rows(self) -> None:
        """What would only delay the first rows: types, kernels, the reference."""
        gc.enable()
        gc.freeze()
        listing = self.session.listing
        if listing is None:
            return
        if listing.has_config:
            self.desk.submit("types", FindTypes(listing.uri))
        self.desk.submit("warm", WarmUp())
        self.run_worker(_import_ahead, thread=True, group="imports")
        if self.options.device == "auto" and gpu_likely():
            self.desk.submit("device", FindDevice())
        if self.reference is not None:
            self._pair()

    def _on_warm(self, _: None) -> None:
        pass

    def _on_device(self, device: str) -> None:
        self.device = device
        self._show_title()

    def _on_types(self, listing: Any) -> None:
        if listing.tree.untyped or self.session.listing is None:
            if self.session.listing is not None:
                self.session.listing = replace(self.session.listing, note=listing.note)
            self._say_ready()
            return
        tree_view = self.inspector.tree_view
        key = tree_view.current_key()
        self.session.open(listing)
        if tree_view.outline is not None:
            tree_view.outline.replace_tree(listing.tree)
            self._apply_filter()
            tree_view.lines_changed(key)
            # The row under the cursor is of the new tree, whose tensors have another order.
            self._row = tree_view.current_row
            self.drawing.select(self._row, None)
            self._inspect_now()
        self._say_ready()

    # Reference and sweep

    def action_ask_reference(self) -> None:
        """Ask what to compare with."""
        start = str(self.reference or "")
        if not start and isinstance(self.options.model, str):
            parent = Path(self.options.model).expanduser().parent
            start = f"{parent}/" if parent.is_dir() else ""

        def answered(path: str | None) -> None:
            if path:
                self.reference = path
                self._pair()

        self.push_screen(ReferencePrompt(start), answered)

    def _pair(self) -> None:
        if self.reference is not None and self.session.listing is not None:
            self.desk.cancel("sweep")
            # Summaries of values must not land among those of changes.
            self.desk.cancel("some")
            self.inspector.status.say("opening the reference")
            self.desk.submit("pair", PairUp(self.options.model, self.reference))

    def _on_pair(self, pairs: Any) -> None:
        self.session.pair(pairs)
        self._show_title()
        self._retried = False
        self._start_sweep()
        self._inspect_now()

    def _start_sweep(self) -> None:
        self._started["sweep"] = monotonic()
        job = Sweep(self.options.model, self.reference, self.device, done=self.session.done)
        self.desk.submit("sweep", job)

    @on(SweepArrived)
    def sweep_arrived(self, message: SweepArrived) -> None:
        """Take in summaries, and paint them soon."""
        if self.desk.wanted(message):
            self.session.put(message.part)
            if self._refreshing is None:
                self._refreshing = self.set_timer(REFRESH_SECONDS, self._refresh_changes)

    def _refresh_changes(self) -> None:
        self._refreshing = None
        if self._gone:
            return
        self.inspector.tree_view.changes_arrived()
        if self.drawing.shows_overview:
            self._draw()

    def _on_sweep(self, total: int) -> None:
        self._refresh_changes()
        self._say_ready()

    def _on_some(self, total: int) -> None:
        self._refresh_changes()
        self._say_ready()

    @on(ProgressMade)
    def progress_made(self, message: ProgressMade) -> None:
        """Show how far the sweep is."""
        progress = message.progress
        elapsed = monotonic() - self._started.get(message.role, monotonic())
        if not self.desk.wanted(message) or message.role not in ("sweep", "some", "inspect"):
            return
        if self._gone:
            return
        if elapsed > QUIET_SECONDS and progress.bytes_done:
            what = f"sweep {progress.done} of {progress.total} {progress.unit}"
            self.inspector.status.progress(
                "reading" if message.role == "inspect" else what,
                progress.bytes_done / max(1, progress.bytes_total),
                wording.progress_after(progress, elapsed),
            )

    # Selection and detail

    @on(RowHighlighted)
    def row_highlighted(self, message: RowHighlighted) -> None:
        """Let the cursor settle, then inspect what it is on."""
        self._row = message.row
        self._slice = 0
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(SETTLE_SECONDS, self._inspect_now)

    @on(RowChosen)
    def row_chosen(self, message: RowChosen) -> None:
        """Inspect at once."""
        self._row = message.row
        self._inspect_now(asked=True)

    def _inspect_now(self, asked: bool = False) -> None:
        row, listing = self._row, self.session.listing
        if row is None or listing is None or self._gone:
            return
        self.drawing.select(row, None)
        if isinstance(row, Twig) and row.branch.count == 1:
            self._inspect_tensor(row)
            return
        self.desk.cancel("inspect")
        self._draw()
        if self.session.pairs is None and self.reference is None:
            self._summarise_values(row, asked)

    def _summarise_values(self, row: Row, asked: bool) -> None:
        """Without a reference: summarise the row's own values, if they are few or asked for."""
        wanted = self.session.missing(row)
        nbytes = self.session.nbytes(row)
        if wanted and nbytes > MOST_UNASKED_BYTES and not asked:
            text = f"{fmt.size(nbytes)} of values are not read unasked: press Enter to read them"
            self.inspector.status.say(text)
        elif wanted:
            self._started["some"] = monotonic()
            job = Sweep(self.options.model, None, self.device, wanted, background=False)
            self.desk.submit("some", job)

    def _inspect_tensor(self, row: Twig) -> None:
        listing, pairs = self.session.listing, self.session.pairs
        assert listing is not None
        refusal = self.drawing.refusal(row)
        if refusal:
            self.desk.cancel("inspect")
            self._draw_message(clean(row.path), refusal)
            return
        tensor = self.session.tensor_at(row.firsts[0])
        name, partner = listing.names[tensor], None
        if pairs is not None and pairs.is_pair(tensor):
            partner = pairs.renamed.get(tensor, name)
        job = Inspect(
            model=self.options.model,
            reference=self.reference if partner is not None else None,
            name=name,
            reference_name=partner,
            grid=self.drawing.grid(*self.inspector.detail.room),
            slice_index=self._slice,
            device=self.device,
        )
        self.desk.submit("inspect", job)
        self._started["inspect"] = monotonic()
        self.set_timer(QUIET_SECONDS, partial(self._say_waiting, row))

    def _say_waiting(self, row: Twig) -> None:
        """A tensor takes its time: show its name, not the picture of another."""
        if self._row is row and self.desk.busy("inspect"):
            self._draw_message(row.path, [f"reading {fmt.size(self.session.nbytes(row))}"])

    def _on_inspect(self, detail: Any) -> None:
        self._say_ready()
        self.drawing.select(self._row, detail)
        self._draw()

    def action_next_slice(self, by: int) -> None:
        """Look at another matrix of a 3-D tensor."""
        count = self.drawing.slices
        if count > 1 and isinstance(self._row, Twig):
            self._slice = (self._slice + by) % count
            self._inspect_tensor(self._row)

    @on(DetailView.Resized)
    def detail_resized(self) -> None:
        """Draw again for the new size."""
        if self._row is None or self.session.listing is None:
            self._draw()
        else:
            if self._settling is not None:
                self._settling.stop()
            self._settling = self.set_timer(SETTLE_SECONDS, self._inspect_now)

    def _draw(self) -> None:
        """Draw what is selected, on a thread: plots take tens of milliseconds."""
        self._drawings += 1
        number, room = self._drawings, self.inspector.detail.room

        def draw() -> None:
            self._post(FigureDrawn(number, self.drawing.figure(*room)))

        self.run_worker(draw, thread=True, exclusive=True, group="draw", exit_on_error=True)

    def _draw_message(self, title: str, text: list[str]) -> None:
        self.drawing.say(title, text)
        self._draw()

    @on(FigureDrawn)
    def figure_drawn(self, message: FigureDrawn) -> None:
        """Show a drawing, unless another was asked for meanwhile."""
        if message.number == self._drawings and not self._gone:
            self.inspector.detail.show(message.lines)

    # Filter, metric, help

    @on(FilterTyped)
    def filter_typed(self, message: FilterTyped) -> None:
        """Keep the rows whose names match what was typed."""
        self._query = message.query
        tree_view = self.inspector.tree_view
        key = tree_view.current_key()
        self._apply_filter()
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
            self._say_ready()

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
        self._show_title()
        self._draw()

    def action_show_warnings(self) -> None:
        """Show all warnings."""
        warnings = wording.warnings(self.session)
        self.push_screen(TextScreen("\n".join(warnings) if warnings else "nothing to warn of"))

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

    def _say_ready(self) -> None:
        if not self.desk.busy("sweep", "some"):
            text, warn = wording.ready(self.session, self.reference is not None)
            self.inspector.status.say(text, "note" if warn else "muted")

    def _show_title(self) -> None:
        self.inspector.title_bar.show(*wording.title(self.session, self.device))
