"""The detail pane: a figure that was drawn elsewhere, and a cursor on its cells."""

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.keys import PICTURE, ZOOM
from tui.messages import CellChosen, ZoomAsked
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.delta.heat import Window
    from tui.figures.figure import Figure, Plot

MARGIN = 1
"""Blank columns to the left of a figure."""


class Spot(NamedTuple):
    """Where the cursor is: a plot of the figure, and a cell of it."""

    plot: int
    row: int
    column: int


class DetailView(ScrollView, can_focus=True):
    """Shows a figure; says when its size changed, so that it can be drawn again.

    While it has the focus, a cursor is on one of the figure's cells, and the last line says
    what that cell is.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*PICTURE]

    class Resized(Message):
        """The pane has another size: what it shows must be drawn for it."""

    def __init__(self, palette: Palette, id: str | None = None) -> None:
        super().__init__(id=id)
        self.palette = palette
        self._lines: list[Strip] = []
        self._plots: tuple[Plot, ...] = ()
        self._spot: Spot | None = None

    @property
    def room(self) -> tuple[int, int]:
        """Cells across and lines down that a figure may use; the last line is the cursor's."""
        return max(10, self.size.width - MARGIN), max(4, self.size.height - 1)

    def show(self, figure: "Figure", anew: bool = True) -> None:
        """Show a figure.

        Args:
            figure: what to show.
            anew: whether it shows something else than before, so that it begins at its top;
                otherwise the cursor stays where it is in the matrix.
        """
        before = self._plot if not anew else None
        self._lines, self._plots = figure.lines, figure.plots
        self._spot = self._kept_spot(before) if not anew else None
        if self._spot is None and self._plots:
            self._spot = Spot(0, 0, 0)
        self.virtual_size = Size(self.size.width, len(self._lines) + 1)
        if anew:
            self.scroll_home(animate=False)
        self.refresh()
        if self.has_focus:
            self.refresh_bindings()

    def _kept_spot(self, before: "Plot | None") -> Spot | None:
        """The cursor in the new figure: on the same place of the matrix, or the same cell."""
        spot = self._spot
        if spot is None or spot.plot >= len(self._plots):
            return None
        plot = self._plots[spot.plot]
        if before is not None and before.window is not None and plot.window is not None:
            part = before.window.cell(spot.row, spot.column, before.rows, before.columns)
            return Spot(spot.plot, *plot.cell_of(*_middle_of(part)))
        return Spot(spot.plot, min(spot.row, plot.rows - 1), min(spot.column, plot.columns - 1))

    @property
    def _plot(self) -> "Plot | None":
        return self._plots[self._spot.plot] if self._spot is not None else None

    @property
    def readout(self) -> str:
        """What the cell under the cursor is; empty without one."""
        plot, spot = self._plot, self._spot
        return "" if plot is None or spot is None else plot.says(spot.row, spot.column)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that can do nothing here are not offered."""
        if action in ("zoom", "pan"):
            return self._plot is not None and self._plot.window is not None
        return self._spot is not None if action in ("choose", "peak") else True

    def action_move(self, down: int, across: int) -> None:
        """Move the cursor by cells, from plot to plot; without cells, scroll."""
        spot, plot = self._spot, self._plot
        if spot is None or plot is None:
            self.scroll_relative(x=across, y=down, animate=False)
            return
        row, column = spot.row + down, spot.column + across
        if 0 <= row < plot.rows and 0 <= column < plot.columns:
            self._go(Spot(spot.plot, row, column))
            return
        from tui.figures.figure import neighbour

        aside = neighbour(self._plots, spot.plot, spot.row, spot.column, down, across)
        if aside is not None:
            self._go(Spot(*aside))

    def action_edge(self, side: int) -> None:
        """Move the cursor to the first or last column; without cells, to the top or bottom."""
        spot, plot = self._spot, self._plot
        if spot is not None and plot is not None:
            self._go(spot._replace(column=0 if side < 0 else plot.columns - 1))
        elif side < 0:
            self.scroll_home(animate=False)
        else:
            self.scroll_end(animate=False)

    def action_peak(self) -> None:
        """Move the cursor to the largest cell of its plot."""
        spot, plot = self._spot, self._plot
        if spot is not None and plot is not None and plot.peak is not None:
            self._go(Spot(spot.plot, *plot.peak))

    def action_choose(self) -> None:
        """Go where the cell leads; a cell of a matrix is looked at more closely."""
        spot, plot = self._spot, self._plot
        if spot is None or plot is None:
            return
        target = plot.target(spot.row, spot.column)
        if target is not None:
            self.post_message(CellChosen(target))
        else:
            self.action_zoom(ZOOM)

    def action_zoom(self, factor: float) -> None:
        """Look at a smaller part around the cursor, or a larger one, or everything."""
        middle = self._matrix_place()
        if middle is not None:
            self.post_message(ZoomAsked(*middle, factor))

    def action_pan(self, down: int, across: int) -> None:
        """Move the part on show by half of it."""
        plot = self._plot
        if plot is not None and plot.window is not None:
            row = (plot.window.top + plot.window.bottom) // 2
            column = (plot.window.left + plot.window.right) // 2
            row += down * max(1, plot.window.rows // 2)
            column += across * max(1, plot.window.columns // 2)
            self.post_message(ZoomAsked(row, column, 1.0))

    def _matrix_place(self) -> tuple[int, int] | None:
        """Row and column of the matrix under the cursor; None where nothing can be zoomed."""
        plot, spot = self._plot, self._spot
        if plot is None or plot.window is None or spot is None:
            return None
        return _middle_of(plot.window.cell(spot.row, spot.column, plot.rows, plot.columns))

    def _go(self, spot: Spot) -> None:
        for at in (self._spot, spot):
            if at is not None:
                line, _ = self._plots[at.plot].place(at.row, at.column)
                self.refresh_line(line)
        self._spot = spot
        self._keep_in_sight()
        self._repaint_readout()

    def _keep_in_sight(self) -> None:
        plot, spot = self._plot, self._spot
        if plot is None or spot is None:
            return
        line, _ = plot.place(spot.row, spot.column)
        top, height = self.scroll_offset.y, max(1, self.size.height - 1)
        if line < top or line >= top + height:
            self.scroll_to(y=max(0, line - height // 2), animate=False)
            self.refresh()

    def _repaint_readout(self) -> None:
        self.refresh_line(self.scroll_offset.y + self.size.height - 1)

    # Events

    def on_resize(self) -> None:
        """Ask for a drawing that fits."""
        self.post_message(self.Resized())

    def on_focus(self) -> None:
        """The cursor appears."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor goes."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; on the cell under it, it is like Enter."""
        line, column = event.y + self.scroll_offset.y, event.x - MARGIN
        for number, plot in enumerate(self._plots):
            cell = plot.cell(line, column)
            if cell is not None:
                spot = Spot(number, *cell)
                if spot == self._spot and self.has_focus:
                    self.action_choose()
                else:
                    self._go(spot)
                return

    # Drawing

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self.size.width
        if y == self.size.height - 1 and self.has_focus and self._spot is not None:
            return self._readout_line().adjust_cell_length(width).apply_style(self.rich_style)
        at = y + self.scroll_offset.y
        if not 0 <= at < len(self._lines):
            return Strip.blank(width, self.rich_style)
        strip = self._with_cursor(at, self._lines[at])
        strip = Strip.join([Strip.blank(MARGIN), strip]).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)

    def _readout_line(self) -> Strip:
        parts = self.readout.split("   ")
        while len(parts) > 1 and cell_len("   ".join(parts)) >= self.size.width:
            parts.pop()
        style = self.palette.styles["module"] + Style(bold=True)
        return Strip([Segment(" "), Segment("   ".join(parts), style)])

    def _with_cursor(self, at: int, strip: Strip) -> Strip:
        plot, spot = self._plot, self._spot
        if plot is None or spot is None or not self.has_focus:
            return strip
        line, column = plot.place(spot.row, spot.column)
        if line != at or column >= strip.cell_length:
            return strip
        mark = Segment("+", self.palette.styles["module"] + Style(reverse=True, bold=True))
        after = strip.crop(column + 1, strip.cell_length)
        return Strip.join([strip.crop(0, column), Strip([mark]), after])


def _middle_of(window: "Window") -> tuple[int, int]:
    return (window.top + window.bottom - 1) // 2, (window.left + window.right - 1) // 2
