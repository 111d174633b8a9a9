"""What the detail pane shows: lines, and the grids of cells in them that a cursor can visit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.figures.parts import Lines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspect_core.delta.heat import Window


@dataclass(frozen=True, slots=True)
class Plot:
    """A grid of cells somewhere in the lines of a figure.

    Attributes:
        top: its first line.
        left: its first column of the screen.
        height: lines it takes.
        width: columns of the screen it takes.
        rows: rows of cells, spread evenly over its lines (two to a line where they must).
        columns: columns of cells, spread evenly over its width.
        says: what a cell at a row and a column is, and its value; safe to show.
        target: the path of a tensor that a cell stands for, or None.
        peak: the cell of the largest size, or None.
        window: which part of a matrix the cells cover, where they can be zoomed.
    """

    top: int
    left: int
    height: int
    width: int
    rows: int
    columns: int
    says: Callable[[int, int], str]
    target: Callable[[int, int], str | None] = lambda row, column: None
    peak: tuple[int, int] | None = None
    window: "Window | None" = None

    def place(self, row: int, column: int) -> tuple[int, int]:
        """Line and column of the screen in the middle of a cell."""
        line = _middle(row, self.rows, self.height)
        return self.top + line, self.left + _middle(column, self.columns, self.width)

    def cell(self, line: int, column: int) -> tuple[int, int] | None:
        """The cell at a line and column of the screen; None where there is none."""
        line, column = line - self.top, column - self.left
        if not (0 <= line < self.height and 0 <= column < self.width):
            return None
        return line * self.rows // self.height, column * self.columns // self.width

    def cell_of(self, row: int, column: int) -> tuple[int, int]:
        """The cell that a row and column of the matrix fall into; the nearest one if none."""
        window = self.window
        assert window is not None
        at = (row - window.top) * self.rows // max(1, window.rows)
        across = (column - window.left) * self.columns // max(1, window.columns)
        return max(0, min(at, self.rows - 1)), max(0, min(across, self.columns - 1))


def neighbour(
    plots: Sequence[Plot], number: int, row: int, column: int, down: int, across: int
) -> tuple[int, int, int] | None:
    """The plot next to one, and its cell nearest to a cell at the edge.

    Args:
        plots: of one figure.
        number: which of them.
        row: of the cell.
        column: of the cell.
        down: 1 for the plot below, -1 for that above, 0 to go sideways.
        across: 1 for the plot to the right, -1 for that to the left.

    Returns:
        the plot's number, row and column; None where there is none that way.
    """
    here = plots[number]
    line, place = here.place(row, column)
    found: list[tuple[tuple[int, int], int]] = []
    for other, plot in enumerate(plots):
        level = plot.top < here.top + here.height and here.top < plot.top + plot.height
        beyond = (plot.top - here.top) * down > 0 if down else (plot.left - here.left) * across > 0
        if other != number and level == bool(across) and beyond:
            aside = max(plot.left - place, place - plot.left - plot.width + 1, 0)
            far = abs(plot.top - here.top) if down else abs(plot.left - here.left)
            found.append(((far, aside), other))
    if not found:
        return None
    _, nearest = min(found)
    plot = plots[nearest]
    at = (
        max(plot.top, min(line, plot.top + plot.height - 1)),
        max(plot.left, min(place, plot.left + plot.width - 1)),
    )
    cell = plot.cell(*at)
    assert cell is not None
    if down:
        return nearest, 0 if down > 0 else plot.rows - 1, cell[1]
    return nearest, cell[0], 0 if across > 0 else plot.columns - 1


def _middle(at: int, cells: int, room: int) -> int:
    """The middle of cell number `at` of `cells` over `room` places."""
    first, last = at * room // cells, max(at * room // cells, (at + 1) * room // cells - 1)
    return (first + last) // 2


def peak_of(sizes: "NDArray[np.float64]") -> tuple[int, int] | None:
    """The row and column of the largest finite size; None where there is none."""
    import numpy as np

    finite = np.where(np.isfinite(sizes), sizes, -1.0)
    if not finite.size or finite.max() < 0.0:
        return None
    row, column = np.unravel_index(int(finite.argmax()), finite.shape)
    return int(row), int(column)


@dataclass(frozen=True, slots=True)
class Figure:
    """Lines and what can be visited in them.

    Attributes:
        lines: from the top.
        plots: from the top; none overlap.
    """

    lines: Lines
    plots: tuple[Plot, ...] = ()
