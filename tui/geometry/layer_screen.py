"""The page of one layer: its points in a plane, its clusters and their texts."""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from tui.geometry import words
from tui.geometry.state import GeometryState
from tui.geometry.steps import next_column, other_colors
from tui.keys import ELSEWHERE, GEOMETRY
from tui.palette import Palette
from tui.screens.drawn import PageScreen
from tui.widgets.bars import TitleBar

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.geometry.landscape import LayerDetail
    from tui.geometry.control import GeometryControl

_HERE = (
    *("choose", "column_before", "next_column", "left", "right", "up", "down", "page_up"),
    *("page_down", "first", "last", "color", "jump", "copy", "export", "back"),
)
"""Keys of the landscape that do something here."""


class LayerScreen(PageScreen["LayerDetail"]):
    """Shows a layer; its owner finds what there is of it.

    Args:
        palette: colours and glyphs.
        control: its owner, which has a state.
        space: whose layer.
        layer: its index.
    """

    PLACE = "geometry"
    BINDINGS: ClassVar[list[BindingType]] = [
        *[one for one in GEOMETRY if str(one.id).partition(".")[2] in _HERE],
        *ELSEWHERE,
    ]

    def __init__(
        self, palette: Palette, control: "GeometryControl", space: int, layer: int
    ) -> None:
        super().__init__(palette)
        assert control.state is not None
        self._control = control
        # Its own: what happens to the screen below does not change the page.
        self._state: GeometryState = replace(control.state, kind="curves", space=space, layer=layer)

    def on_mount(self) -> None:
        """Say whose page it is."""
        self._show_title()
        self.draw()

    def _show_title(self) -> None:
        state = self._state
        self.query_one(TitleBar).show(*words.page_title(state, state.space, state.layer))
        layer = state.report.spaces[state.space].layers[state.layer]
        self.status.say("  ".join(words.numbers(layer, state.column)))

    def page_of(self, detail: "LayerDetail", room: tuple[int, int]) -> "list[Strip]":
        """See `PageScreen.page_of`."""
        from tui.geometry.figures import draw_layer

        return draw_layer(self._state, detail, self._palette, *room)

    def find(self) -> None:
        """See `PageScreen.find`."""
        self._control.find_layer(self._state.space, self._state.layer)

    def leave(self) -> None:
        """See `PageScreen.leave`."""
        self._control.leave_page()

    # What keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that can do nothing here are not offered."""
        report = self._state.report
        if action == "color":
            return bool(report.columns)
        if action == "column":
            return len(report.columns) > 1
        return super().check_action(action, parameters)

    def action_across(self, by: int) -> None:
        """The page of the layer beside this one."""
        state = self._state
        at = state.layer + by
        if 0 <= at < len(state.report.spaces[state.space].layers):
            self._state = replace(state, layer=at)
            self.detail, self.problem = None, ""
            self._show_title()
            self.draw()
            self.find()

    def action_color(self) -> None:
        """Colours by cluster, or by label."""
        self._state = other_colors(self._state)
        self.draw(anew=False)

    def action_column(self, by: int) -> None:
        """Another column of labels."""
        self._state = next_column(self._state, by)
        self._show_title()
        self.draw(anew=False)

    def action_jump(self) -> None:
        """To this layer in the tree."""
        self._control.jump(self._state.space, self._state.layer)

    def action_copy(self) -> None:
        """Copy the numbers of the layer."""
        self.copy_text(words.layer_copied(self._state, self._state.space, self._state.layer))

    def action_export(self) -> None:
        """Write the page to a file."""
        name = self._state.report.spaces[self._state.space].layers[self._state.layer].name
        self._control.files.ask_screen(name, self.lines())
