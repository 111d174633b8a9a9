"""What the detail pane shows: it follows the cursor, asks for numbers, and has them drawn."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.timer import Timer

from inspect_core.structure.branch import Branch, Row, Twig
from inspect_core.text import clean
from inspect_core.work.adapted_sheet import ModuleFinding
from tui import adapters, aspects, remarks, requests
from tui import format as fmt
from tui.aspects import Aspect, Finding
from tui.drawing import Drawing
from tui.messages import FigureDrawn

if TYPE_CHECKING:
    from inspect_core.delta.heat import HeatGrid, MatrixView, Window
    from inspect_core.work.inspections import TensorDetail
    from tui.app import LamellaApp
    from tui.figures.figure import Figure
    from tui.plan_words import PlanView

SETTLE_SECONDS = 0.12
"""The cursor rests this long before the detail follows it: one repaint per settled selection."""

QUIET_SECONDS = 0.15
"""A job shorter than this shows no progress line."""

LEAST_SIDE = 4
"""Rows or columns of the closest look at a matrix."""

MOST_UNASKED_BYTES = 256 << 20
"""Without a reference, values beyond this are read on Enter only, not when the cursor rests."""


class DetailControl:
    """Keeps the detail pane at the selected row.

    Args:
        app: its timers, its desk, its session and its screen.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app
        self.drawing = Drawing(app.session, app.palette)
        self.row: Row | None = None
        self.aspect = Aspect.MAP
        self.details: tuple[TensorDetail, ...] = ()
        self.findings: tuple[Finding, ...] = ()
        self._slice = 0
        self._window: Window | None = None
        self._drawings = 0
        self._wanted = 1
        self._settling: Timer | None = None

    def follow(self, row: Row) -> None:
        """The cursor moved: let it settle, then inspect what it is on."""
        self._app.desk.cancel("inspect")  # an answer would be drawn under the new row's name
        self.row = row
        self._slice, self._window = 0, None
        self._settle()

    def choose(self, row: Row) -> None:
        """Inspect a row at once; its values are read however many they are."""
        self.row = row
        self.inspect(asked=True)

    def replace_row(self, row: Row | None) -> None:
        """The same row in another tree, whose tensors have another order."""
        self.row, self._window = row, None
        self.drawing.select(row)
        self.inspect()

    def forget(self) -> None:
        """The model was opened anew: nothing that is on show or on its way holds any more."""
        self._drawings += 1
        self.details, self.findings, self._slice, self._window = (), (), 0, None

    def resized(self) -> None:
        """Draw again for the new size."""
        if self.row is None or self._app.session.listing is None:
            self.draw()
        else:
            self._settle()

    def next_aspect(self) -> Aspect:
        """Look at the row in the next way: its map, its singular values, what moved in it."""
        self._app.desk.cancel("inspect")
        single = isinstance(self.row, Twig) and self.row.branch.count == 1
        self.aspect, self._window = self.aspect.after(single), None
        self.inspect(asked=self._app.plan.active)
        return self.aspect

    def next_slice(self, by: int) -> None:
        """Look at another matrix of a 3-D tensor."""
        count = self.drawing.slices
        if count > 1 and isinstance(self.row, Twig):
            self._slice, self._window = (self._slice + by) % count, None
            self._inspect_tensor(self.row)

    def inspect(self, asked: bool = False) -> None:
        """Show the selected row, and compute what it lacks.

        Args:
            asked: whether the user pressed a key for it.
        """
        row, session = self.row, self._app.session
        if self._settling is not None:
            self._settling.stop()  # it would only do the same again, and undo an answer
        if row is None or session.listing is None or self._app.gone:
            return
        if self._app.plan.active and not asked:
            self._app.navigation.visited(row)
            self.show_plan(self._app.plan.view)
            return
        self.details, self.findings = (), ()
        self._app.navigation.visited(row)
        self.drawing.select(row)
        if session.saved and row.width:
            self.draw()
            return
        if isinstance(row, Twig) and row.branch.count == 1:
            self._inspect_tensor(row, asked)
            return
        if not row.width:
            self._app.desk.cancel("inspect")
            title = clean(row.path) or clean(session.listing.title)
            self.say(title, remarks.without_values(row))
            return
        if self.aspect is Aspect.SPECTRUM:
            self._find_ranks(row, asked)
            return
        few = session.nbytes(row) <= MOST_UNASKED_BYTES or asked
        if isinstance(row, Branch) and adapters.is_changed(row, session):
            self._submit(row, requests.adapted(session, row.anchor, with_base=few))
            return
        if isinstance(row, Branch) and few and self._inspect_module(row):
            return
        self._app.desk.cancel("inspect")
        self.draw()
        if session.pairs is None and not session.expects_pairs:
            self._summarise_values(row, asked)

    def inspected(self, details: Any) -> None:
        """The numbers of the selected tensor, or of those of a module, arrived."""
        if isinstance(details, ModuleFinding):
            self.drawing.tell(self.row, details)
            self.draw()
            return
        arrived = details if isinstance(details, tuple) else (details,)
        if all(isinstance(one, Finding) for one in arrived):
            self._show_findings(arrived)
            return
        self.details = arrived
        self.drawing.select(self.row, self.details)
        self.draw()
        if self._window is not None and len(self.details) == 1:  # the size of the pane changed
            self._zoom(self.details[0], self._window)

    def found(self, finding: Finding) -> None:
        """One of several findings arrived ahead of the others."""
        self._show_findings((*self.findings, finding), anew=not self.findings)

    def _show_findings(self, findings: tuple[Finding, ...], anew: bool = True) -> None:
        more = self._app.desk.busy("inspect")
        self.findings = findings
        self.drawing.find(self.row, findings, self._wanted if more else len(findings))
        self.draw(anew=anew)

    def zoom(self, row: int, column: int, factor: float) -> None:
        """Look at another part of the matrix on show (see `ZoomAsked`)."""
        from inspect_core.delta.heat import Window

        if len(self.details) != 1 or not isinstance(self.row, Twig):
            return
        [detail] = self.details
        window = Window.all_of(detail.view)
        if factor:
            rows, columns = closer(detail.window, detail.view, factor)
            window = detail.window.around(row, column, rows, columns, detail.view)
        if window != detail.window:
            self._window = window
            self._zoom(detail, window)

    def _zoom(self, detail: "TensorDetail", window: "Window") -> None:
        job = requests.zoom(self._app.session, detail, window, self._grid(), self._app.device)
        self._app.desk.submit("zoom", job)

    def _grid(self) -> tuple[int, int]:
        """Rows and columns that the pane has for a matrix."""
        return self.drawing.grid(*self._app.inspector.detail.room)

    def zoomed(self, heat: "HeatGrid") -> None:
        """The cells of the part that was asked for arrived."""
        if len(self.details) == 1 and self._window is not None:
            self.details = (replace(self.details[0], heat=heat, window=self._window),)
            self.drawing.select(self.row, self.details)
            self.draw(anew=False)

    def refresh(self) -> None:
        """Summaries arrived: draw again what is made of them."""
        if self.drawing.shows_overview and not self._app.desk.busy("inspect"):
            self.draw(anew=False)

    def say(self, title: str, text: list[str]) -> None:
        """Show a message until something is selected."""
        self.drawing.say(title, text)
        self.draw()

    def show_plan(self, view: "PlanView") -> None:
        """Show a plan, where plan mode is on, until a row is asked for."""
        if self.row is None:
            self.row = self._app.inspector.tree_view.current_row
        self._app.desk.cancel("inspect")
        self.details, self.findings = (), ()
        anew = not self.drawing.shows_plan
        self.drawing.plan(view)
        self.draw(anew=anew)

    def draw(self, anew: bool = True) -> None:
        """Draw what is selected, on a thread: plots take tens of milliseconds."""
        self._drawings += 1
        number, room = self._drawings, self._app.inspector.detail.room

        def work() -> None:
            figure = self._figure(room)
            self._app.post(FigureDrawn(number, figure, anew))

        self._app.run_worker(work, thread=True, exclusive=True, group="draw")

    def draw_now(self) -> None:
        """Draw what is on show again at once, so that it changes with all else."""
        self._drawings += 1
        detail = self._app.inspector.detail
        detail.show(self._figure(detail.room), anew=False)

    def _figure(self, room: tuple[int, int]) -> "Figure":
        """What is on show, drawn; an error in that is a message: it must not end the app."""
        try:
            return self.drawing.figure(*room)
        except Exception as error:  # whatever it is: a plan and a sweep are not lost for a picture
            return self.drawing.failure(error, room[0])

    def drawn(self, message: FigureDrawn) -> None:
        """Show a drawing, unless another was asked for meanwhile."""
        if message.number == self._drawings:
            self._app.inspector.detail.show(message.figure, message.anew)

    def _settle(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        self._settling = self._app.set_timer(SETTLE_SECONDS, self.inspect)

    def _summarise_values(self, row: Row, asked: bool) -> None:
        """Without a reference: summarise the row's own values, if they are few or asked for."""
        session = self._app.session
        wanted, nbytes = session.missing(row), session.nbytes(row)
        if wanted and nbytes > MOST_UNASKED_BYTES and not asked:
            text = f"{fmt.size(nbytes)} of values are not read unasked: press Enter to read them"
            self._app.inspector.status.say(text)
        elif wanted:
            self._app.desk.submit("some", requests.values(session, wanted, self._app.device))

    def _inspect_tensor(self, row: Twig, asked: bool = False) -> None:
        session = self._app.session
        refusal = remarks.refusal(row)
        if refusal:
            self._app.desk.cancel("inspect")
            self.say(clean(row.path), refusal)
            return
        tensor, grid = session.tensor_at(row.firsts[0]), self._grid()
        if self.aspect is Aspect.MAP:
            job = requests.tensor(session, tensor, grid, self._slice, self._app.device, asked)
            self._submit(row, job)
        else:
            self._submit(row, requests.aspect(session, tensor, self.aspect, self._slice))

    def _find_ranks(self, row: Row, asked: bool) -> None:
        """The ranks of a row's tensors, one after the other, where they are few or asked for."""
        session, count = self._app.session, row.width * row.count
        nbytes = session.nbytes(row)
        if count > aspects.MOST_RANKS or (nbytes > MOST_UNASKED_BYTES and not asked):
            self._app.desk.cancel("inspect")
            self.say(row.path, aspects.asking(count, nbytes))
            return
        tensors = aspects.matrices_of(row, session)
        self._wanted = len(tensors)
        if tensors:
            self._submit(row, requests.ranks(session, tensors))
        else:
            self._app.desk.cancel("inspect")
            self.say(row.path, ["no matrix here that is compared: no singular values"])

    def _inspect_module(self, row: Branch) -> bool:
        """Draw each parameter of a small module; False if an overview says more."""
        session = self._app.session
        grid = self.drawing.grids(row, *self._app.inspector.detail.room)
        if grid is None:
            return False
        self._submit(row, requests.module(session, row, grid, self._app.device))
        return True

    def _submit(self, row: Row, job: Any) -> None:
        self._app.desk.submit("inspect", job)
        self._app.set_timer(QUIET_SECONDS, partial(self._say_waiting, row))

    def _say_waiting(self, row: Row) -> None:
        """A tensor takes its time: show its name, not the picture of another."""
        if self.row is row and self._app.desk.busy("inspect") and not self._app.gone:
            self.say(row.path, [f"reading {fmt.size(self._app.session.nbytes(row))}"])


def closer(window: "Window", view: "MatrixView", factor: float) -> tuple[int, int]:
    """Rows and columns of a window a factor smaller or larger; some values at least."""

    def size(now: int, all_of_it: int) -> int:
        return max(min(LEAST_SIDE, all_of_it), min(all_of_it, round(now / factor)))

    return size(window.rows, view.rows), size(window.columns, view.columns)
