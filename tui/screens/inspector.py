"""The main screen: the tree to the left, what is selected to the right."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Input

from tui.keys import PLAN, SCREEN
from tui.messages import BackPressed, FilterKept, FilterTyped, RowChosen, ScreenReady
from tui.palette import Palette
from tui.widgets.bars import StatusLine, TitleBar
from tui.widgets.detail import DetailView
from tui.widgets.key_line import KeyLine
from tui.widgets.module_tree import ChangeOf, ModuleTreeView
from tui.widgets.plan_bar import PlanBar

ONE_PANE = 100
"""Below this width one pane is shown at a time."""


class InspectorScreen(Screen[None]):
    """Lays out the panes and owns their keys; the app does the work."""

    HORIZONTAL_BREAKPOINTS = [(0, "-one-pane"), (ONE_PANE, "-two-panes")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*PLAN, *SCREEN]

    def __init__(self, palette: Palette, change_of: ChangeOf) -> None:
        super().__init__()
        self._palette = palette
        self._change_of = change_of

    def compose(self) -> ComposeResult:
        """Title, panes, filter, status, keys."""
        yield TitleBar(self._palette, id="title")
        yield PlanBar(self._palette, id="plan")
        with Horizontal(id="panes"):
            yield ModuleTreeView(self._palette, self._change_of, id="tree")
            yield DetailView(self._palette, id="detail")
        yield StatusLine(self._palette, id="status")
        yield KeyLine(self._palette, id="keys")

    @property
    def tree_view(self) -> ModuleTreeView:
        """The tree."""
        return self.query_one(ModuleTreeView)

    @property
    def detail(self) -> DetailView:
        """The detail pane."""
        return self.query_one(DetailView)

    @property
    def status(self) -> StatusLine:
        """The status line."""
        return self.query_one(StatusLine)

    @property
    def title_bar(self) -> TitleBar:
        """The title bar."""
        return self.query_one(TitleBar)

    @property
    def plan_bar(self) -> PlanBar:
        """The line of plan mode."""
        return self.query_one(PlanBar)

    def show_plan_mode(self, keys: tuple[str, ...]) -> None:
        """Show plan mode, or without keys leave it.

        Args:
            keys: names of the bindings on the line of keys, in their order there.
        """
        self.set_class(bool(keys), "-plan")
        self.query_one(KeyLine).offer_only(keys)

    def offer_all_but(self, names: frozenset[str]) -> None:
        """Leave bindings out of the line of keys: what they do cannot be done now."""
        self.query_one(KeyLine).leave_out(names)

    def on_mount(self) -> None:
        """Begin in the tree."""
        self.tree_view.focus()
        self.post_message(ScreenReady())

    @on(RowChosen)
    def go_to_detail(self) -> None:
        """Enter on a row, or another look at it: with one pane, show its detail."""
        if self.has_class("-one-pane"):
            self._show_detail(True)

    def go_to_tree(self) -> None:
        """Show the tree, with the focus in it."""
        self._show_detail(False)

    def action_other_pane(self) -> None:
        """Go to the other pane."""
        self._show_detail(not self.detail.has_focus)

    async def action_back(self) -> None:
        """Leave the filter, or go back to the tree; from there, leave plan mode."""
        if self.tree_view.has_focus and not self.query("#filter"):
            self.post_message(BackPressed())
            return
        await self._close_filter()
        self._show_detail(False)

    async def action_filter(self) -> None:
        """Begin to type a filter."""
        self._show_detail(False)
        if not self.query("#filter"):
            field = Input(placeholder="names that hold all of these words", id="filter")
            await self.mount(field, before="#status")
        self.query_one("#filter", Input).focus()

    @on(Input.Changed, "#filter")
    def type_filter(self, event: Input.Changed) -> None:
        """Filter as it is typed."""
        self.post_message(FilterTyped(event.value.strip()))

    @on(Input.Submitted, "#filter")
    async def keep_filter(self) -> None:
        """Enter in the filter: go on in the tree, with the filter kept."""
        if not self.query_one("#filter", Input).value.strip():
            await self._close_filter()
        else:
            self.post_message(FilterKept())
        self.tree_view.focus()

    async def _close_filter(self) -> None:
        """Take the filter away, and with it what it hid."""
        if self.query("#filter"):
            await self.query("#filter").remove()
            self.post_message(FilterTyped(""))

    def _show_detail(self, show: bool) -> None:
        self.set_class(show, "-detail")
        (self.detail if show else self.tree_view).focus()
