"""What the detail pane shows: lines, and the grids of cells in them that a cursor can visit."""

from collections.abc import Callable
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
