"""The screen of activations: a table to the left, a picture to the right, or one of them."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from inspect_core.text import clean
from tui.activations import words
from tui.activations.rows import neuron_rows, site_rows
from tui.activations.state import LISTS_SITES, ViewState
from tui.activations.steps import (
    at_row,
    next_order,
    next_site,
    next_view,
    typed_number,
)
from tui.keys import ACTIVATIONS, ELSEWHERE
from tui.messages import PaneResized, RowPicked, TableRowHighlighted
from tui.palette import Palette
from tui.screens.drawn import DrawnScreen
from tui.screens.inspector import ONE_PANE
from tui.widgets.bars import StatusLine, TitleBar
from tui.widgets.key_line import KeyLine
from tui.widgets.picture import PictureView
from tui.widgets.table import TableView

if TYPE_CHECKING:
    from textual.strip import Strip

    from tui.activations.control import ActivationControl


class ActivationScreen(DrawnScreen):
    """Shows what neurons listen to; its owner runs the jobs and keeps what is shown.

    Args:
        palette: colours and glyphs.
        control: its owner.
        said: what the line of status says first.
    """

    PLACE = "activations"
    HORIZONTAL_BREAKPOINTS = [(0, "-one-pane"), (ONE_PANE, "-two-panes")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*ACTIVATIONS, *ELSEWHERE]

    def __init__(self, palette: Palette, control: "ActivationControl", said: str = "") -> None:
        super().__init__(palette)
        self._control, self._said = control, said
        self._query = ""

    def compose(self) -> ComposeResult:
        """Two lines of title, panes, filter, status, keys."""
        yield TitleBar(self._palette, id="title")
        yield TitleBar(self._palette, id="about")
        with Horizontal(id="activation-panes"):
            yield TableView(self._palette, id="neurons")
            yield PictureView(id="picture")
        yield StatusLine(self._palette, id="status")
        yield KeyLine(self._palette, id="keys")

    @property
    def table(self) -> TableView:
        """The table."""
        return self.query_one(TableView)

    @property
    def state(self) -> ViewState | None:
        """What is on show; None before anything was found."""
        return self._control.state

    def on_mount(self) -> None:
        """Begin in the table, with what there is."""
        self.table.focus()
        self.show()
        if self._said:
            self.status.say(self._said)

    # What is shown

    def show(self) -> None:
        """See `DrawnScreen.show`."""
        state = self.state
        self.show_titles()
        if state is None:
            self.set_class(True, "-picture-alone")
            self._say_instead()
            return
        self.set_class(False, "-picture-alone")
        self.set_class(state.kind == "table", "-table-alone")
        self._lay_out()
        self.draw()
        self.say_ready()
        self.refresh_bindings()

    def show_titles(self) -> None:
        """Both lines above."""
        first, second = self.query(TitleBar)
        first.show(*words.title(self._control, self.state))
        second.show(*words.about(self._control, self.state))

    def say_ready(self) -> None:
        """The line of status while nothing runs, or how far it is."""
        if not self._control.running:
            text, state = words.ready(self._control, self.state, self._query, self.size.width)
            self.status.say(text, state)

    def _say_instead(self) -> None:
        """What stands where there is no result."""
        from tui.figures.message import message_figure

        self.draw_nothing_more()
        text = words.instead(self._control)
        width, _ = self.picture.room
        self.picture.show(message_figure(text[0], text[1:], self._palette, width))
        self.say_ready()

    def _lay_out(self) -> None:
        """The rows of the table, for its width."""
        state = self.state
        if state is None:
            return
        # Beside a picture on one pane the table is hidden, and its cursor still moves.
        width = self.table.size.width or self.size.width
        if state.kind == LISTS_SITES:
            self.table.show(site_rows(state.report, self._palette, width), state.site)
        else:
            rows = neuron_rows(state, self._palette, width, self._query)
            self.table.show(rows, state.unit)
        if self.table.chosen is not None:  # before its message comes, which would draw again
            self._control.state = at_row(state, self.table.chosen)

    def draw(self, anew: bool = True) -> None:
        """See `DrawnScreen.draw`."""
        state, view = self.state, self.picture
        if state is None or state.kind == "table" or not view.size.width:
            return
        self.draw_with(partial(_drawn, state, self._palette, view.room), anew)

    @on(PaneResized)
    def pane_resized(self) -> None:
        """Lay out and draw for the new size."""
        if self.state is None:
            self._say_instead()
        else:
            self._lay_out()
            self.draw_soon()

    @on(TableRowHighlighted)
    def highlighted(self, message: TableRowHighlighted) -> None:
        """The picture follows the cursor, once it rests."""
        state = self.state
        if state is None:
            return
        chosen = at_row(state, message.at)
        if chosen != state:
            self._control.state = chosen
            self.show_titles()
            self.say_ready()
            self.draw_soon()

    def _go(self, state: ViewState) -> None:
        self._control.state = state
        self.show()

    # What keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that can do nothing now are not offered."""
        if action == "stop":
            return self._control.running
        if action in ("next_view", "order", "rare", "find", "export"):
            return self.state is not None
        if action == "site":
            return self.state is not None and len(self.state.report.sites) > 1
        return True

    @on(RowPicked)
    def action_choose(self) -> None:
        """The page of a neuron; beside the modules, the neurons of one; or try again."""
        state = self.state
        if state is None:
            if not self._control.running:
                self._control.start()
        elif state.kind == LISTS_SITES:
            self.action_view("overview")
        elif state.unit is not None and self.table.rows is not None and self.table.rows.at:
            self._control.open_neuron(state.site, state.unit, self.table.rows.at)

    def action_view(self, kind: str) -> None:
        """Show one of the views."""
        if self.state is not None:
            self._go(replace(self.state, kind=kind))

    def action_next_view(self, by: int) -> None:
        """The next view."""
        if self.state is not None:
            self._go(next_view(self.state, by))

    def action_site(self, by: int) -> None:
        """Another module of those that were recorded."""
        if self.state is not None:
            self._query = ""
            self._go(next_site(self.state, by))

    def action_order(self) -> None:
        """The next order that says something here."""
        if self.state is not None:
            self._go(next_order(self.state))

    def action_rare(self) -> None:
        """Hide neurons with few activations, or show them."""
        if self.state is not None:
            self._go(replace(self.state, hide_rare=not self.state.hide_rare))

    def action_move(self, by: int) -> None:
        """Another row."""
        if self.state is None:
            self.picture.scroll_relative(y=by, animate=False)
        else:
            self.table.move(by)

    def action_page(self, by: int) -> None:
        """A screen of rows further."""
        self.table.page(by)

    def action_edge(self, side: int) -> None:
        """The first row, or the last."""
        self.table.edge(side)

    def action_settings(self) -> None:
        """Other texts, or another rule."""
        self._control.ask()

    def action_stop(self) -> None:
        """Stop what runs."""
        self._control.stop()

    def action_copy(self) -> None:
        """Copy the neuron and its strongest words."""
        state = self.state
        if state is None:
            return
        self.copy_text(words.copied(state))

    def action_export(self) -> None:
        """Write the table or the screen to a file."""
        if self.state is not None:
            self._control.files.ask(self.state, self.lines())

    async def action_back(self) -> None:
        """Leave the filter, or the screen."""
        if self.query("#find"):
            await self._close_find("")
        elif self._query:
            self._query = ""
            self.show()
        else:
            self._control.leave()

    # Finding

    async def action_find(self) -> None:
        """Begin to type a number or a word."""
        state = self.state
        if state is not None and state.kind == LISTS_SITES:
            self.action_view("table")
        if not self.query("#find"):
            field = Input(
                self._query, placeholder="a neuron's number, or part of a word", id="find"
            )
            await self.mount(field, before="#status")
        self.query_one("#find", Input).focus()

    @on(Input.Changed, "#find")
    def type_find(self, event: Input.Changed) -> None:
        """Go to the number, or keep what has the word, as it is typed."""
        event.stop()
        typed = event.value.strip()
        number = typed_number(typed)
        query = "" if number is not None else typed
        if query != self._query:
            self._query = query
            self._lay_out()
        if number is not None and not self.table.go_to(number):
            self.status.say(f"no neuron {clean(typed, 12)} in this table", "note")
        elif number is None:
            self.say_ready()

    @on(Input.Submitted, "#find")
    async def keep_find(self, event: Input.Submitted) -> None:
        """Enter: go on in the table, with what was found kept."""
        event.stop()
        await self._close_find(self._query)

    async def _close_find(self, query: str) -> None:
        await self.query("#find").remove()
        self.table.focus()
        if query != self._query:
            self._query = query
            self._lay_out()
        self.say_ready()


def _drawn(state: ViewState, palette: Palette, room: tuple[int, int]) -> "list[Strip]":
    from tui.activations.figures import draw_view

    return draw_view(state, palette, *room)
