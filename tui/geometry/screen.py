"""The screen of the landscape: curves along the layers, matrices of layers, all numbers."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from tui.geometry import words
from tui.geometry.rows import layer_rows
from tui.geometry.state import CURVES, MATRIX, TABLE, GeometryState
from tui.geometry.steps import (
    at_edge,
    at_space,
    moved,
    next_column,
    next_measure,
    next_view,
    shown_space,
    with_view,
)
from tui.keys import ELSEWHERE, GEOMETRY
from tui.messages import PaneResized, RowPicked, TableRowHighlighted
from tui.palette import Palette
from tui.screens.drawn import DrawnScreen
from tui.widgets.bars import StatusLine, TitleBar
from tui.widgets.key_line import KeyLine
from tui.widgets.picture import PictureView
from tui.widgets.table import TableView

if TYPE_CHECKING:
    from textual.strip import Strip

    from tui.geometry.control import GeometryControl

PAGE = 8
"""Layers that page up and page down go by, where there is no table."""


class GeometryScreen(DrawnScreen):
    """Shows the landscape; its owner runs the jobs and keeps what is shown.

    Args:
        palette: colours and glyphs.
        control: its owner.
        said: what the line of status says first.
    """

    PLACE = "geometry"
    BINDINGS: ClassVar[list[BindingType]] = [*GEOMETRY, *ELSEWHERE]

    def __init__(self, palette: Palette, control: "GeometryControl", said: str = "") -> None:
        super().__init__(palette)
        self._control, self._said = control, said

    def compose(self) -> ComposeResult:
        """Two lines of title, a picture or a table, the cursor's layer, status, keys."""
        yield TitleBar(self._palette, id="title")
        yield TitleBar(self._palette, id="about")
        yield PictureView(id="page")
        yield TableView(self._palette, id="layers")
        yield StatusLine(self._palette, id="readout")
        yield StatusLine(self._palette, id="status")
        yield KeyLine(self._palette, id="keys")

    @property
    def table(self) -> TableView:
        """The table of all numbers."""
        return self.query_one(TableView)

    @property
    def state(self) -> GeometryState | None:
        """What is on show; None before anything was found."""
        return self._control.state

    def on_mount(self) -> None:
        """Begin with what there is."""
        self.show()
        if self._said:
            self.status.say(self._said)

    # What is shown

    def show(self) -> None:
        """See `DrawnScreen.show`."""
        state = self.state
        self.set_class(state is not None and state.kind == TABLE, "-table-alone")
        self._show_words()
        if state is None:
            self._say_instead()
        elif state.kind == TABLE:
            self.draw_nothing_more()
            self._lay_out()
        else:
            self.draw()
        self.refresh_bindings()

    def _show_words(self) -> None:
        """The lines above and below."""
        state = self.state
        first, second = self.query(TitleBar)
        first.show(*words.title(state, self._control.where))
        second.show(*words.about(self._control, state))
        said = ("", "muted") if state is None else words.readout(state, self.size.width - 2)
        self.query_one("#readout", StatusLine).say(*said)
        if not self._control.running:
            self.status.say(*words.ready(self._control, state))

    def _say_instead(self) -> None:
        """What stands where there is no result."""
        from tui.figures.message import message_figure

        self.draw_nothing_more()
        text = words.instead(self._control)
        width, _ = self.picture.room
        self.picture.show(message_figure(text[0], text[1:], self._palette, width))

    def _lay_out(self) -> None:
        """The rows of the table, for its width."""
        state = self.state
        if state is not None:
            width = self.table.size.width or self.size.width
            self.table.show(layer_rows(state, self._palette, width), state.layer)

    def draw(self, anew: bool = True) -> None:
        """See `DrawnScreen.draw`."""
        state = self.state
        if state is None or state.kind == TABLE or not self.picture.size.width:
            return
        self.draw_with(partial(_drawn, state, self._palette, self.picture.room), anew)

    @on(PaneResized)
    def pane_resized(self) -> None:
        """Lay out and draw for the new size."""
        state = self.state
        if state is None:
            self._say_instead()
        elif state.kind == TABLE:
            self._lay_out()
        else:
            self.draw_soon()

    @on(TableRowHighlighted)
    def row_highlighted(self, message: TableRowHighlighted) -> None:
        """The cursor of the table is on another layer."""
        state = self.state
        if state is not None and state.kind == TABLE and message.at != state.layer:
            self._control.state = moved(state, message.at - state.layer, 0)
            self._show_words()

    def _go(self, state: GeometryState) -> None:
        """Show another state; one that differs by the cursor alone is drawn when it rests."""
        before, self._control.state = self.state, state
        same = before is not None and before.kind == state.kind != TABLE
        if same and _but_for_cursor(before, state):
            self._show_words()
            self.draw_soon()
        else:
            self.show()

    # What keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that can do nothing now are not offered."""
        state = self.state
        if action == "stop":
            return self._control.running
        if action == "color":
            return False
        if action in ("next_view", "measure", "export", "jump"):
            return state is not None
        if action == "column" and state is not None:
            several = state.report.pairs if state.kind == MATRIX else state.report.columns
            return len(several) > 1
        return True

    @on(RowPicked)
    def action_choose(self) -> None:
        """The page of the layer; or try again."""
        state = self.state
        if state is None:
            if not self._control.running:
                self._control.start()
        elif state.report.spaces and state.report.spaces[shown_space(state)].layers:
            self._control.open_layer(shown_space(state), state.layer)

    def action_view(self, view: str) -> None:
        """Show one of the views."""
        if self.state is not None:
            self._go(with_view(self.state, view))

    def action_next_view(self, by: int) -> None:
        """The next view."""
        if self.state is not None:
            self._go(next_view(self.state, by))

    def action_measure(self, by: int) -> None:
        """The next measure, or the other matrix."""
        if self.state is not None:
            self._go(next_measure(self.state, by))

    def action_column(self, by: int) -> None:
        """The next column of labels, or the next pair."""
        if self.state is not None:
            self._go(next_column(self.state, by))

    def action_across(self, by: int) -> None:
        """The next layer; in the table another model."""
        state = self.state
        if state is not None and state.kind == TABLE:
            self._go(_other_space(state, by))
        elif state is not None:
            self._go(moved(state, 0, by))

    def action_move(self, by: int) -> None:
        """Another model; in a matrix or the table another row."""
        state = self.state
        if state is None:
            self.picture.scroll_relative(y=by, animate=False)
        elif state.kind == TABLE:
            self.table.move(by)
        elif state.kind == CURVES:
            self._go(_other_space(state, by))
        else:
            self._go(moved(state, by, 0))

    def action_page(self, by: int) -> None:
        """Several layers further."""
        state = self.state
        if state is not None and state.kind == TABLE:
            self.table.page(by)
        elif state is not None:
            down, right = (by * PAGE, 0) if state.kind == MATRIX else (0, by * PAGE)
            self._go(moved(state, down, right))

    def action_edge(self, side: int) -> None:
        """The first layer, or the last."""
        if self.state is not None:
            self._go(at_edge(self.state, side))

    def action_jump(self) -> None:
        """To the layer in the tree."""
        state = self.state
        if state is not None and state.report.spaces:
            self._control.jump(shown_space(state), state.layer)

    def action_settings(self) -> None:
        """Other texts, places or measures."""
        self._control.ask()

    def action_earlier(self) -> None:
        """Show what was found before a run that was stopped, or failed."""
        if self.state is None:
            self._control.open_last()

    def action_stop(self) -> None:
        """Stop what runs."""
        self._control.stop()

    def action_copy(self) -> None:
        """Copy the layer and its numbers."""
        if self.state is not None:
            self.copy_text(words.copied(self.state))

    def action_export(self) -> None:
        """Write numbers, curves or the screen to a file."""
        if self.state is not None:
            self._control.files.ask(self.state, self.lines())

    def action_back(self) -> None:
        """Back to the tree; what runs goes on."""
        self._control.leave()


def _drawn(state: GeometryState, palette: Palette, room: tuple[int, int]) -> "list[Strip]":
    from tui.geometry.figures import draw_curves, draw_matrix

    draw = draw_matrix if state.kind == MATRIX else draw_curves
    return draw(state, palette, *room)


def _other_space(state: GeometryState, by: int) -> GeometryState:
    """The next space, round and round."""
    return at_space(state, (state.space + by) % max(1, len(state.report.spaces)))


def _but_for_cursor(before: GeometryState | None, state: GeometryState) -> bool:
    if before is None:
        return False
    cursor = replace(before, layer=state.layer, across=state.across, space=state.space)
    return cursor == state
