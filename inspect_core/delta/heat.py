"""A tensor as a matrix, pooled to the cells of a screen; grids of chunks merge with `+`."""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

LEAST_SLICE_SIDE = 16
"""A 3-D tensor with a smaller trailing size (a 1-D convolution) is flattened, not sliced."""

LEAST_DEEP_SLICE_SIDE = 64
"""The same from 4-D on, where 16 x 16 and 32 x 32 are the patches of vision models."""


@dataclass(frozen=True, slots=True)
class MatrixView:
    """How a tensor is laid out as one matrix, or as several of which one is looked at.

    Attributes:
        rows: matrix rows.
        columns: matrix columns.
        slices: how many such matrices the tensor holds (experts of a 3-D weight), at least 1.
        index: which of them is viewed.
    """

    rows: int
    columns: int
    slices: int = 1
    index: int = 0

    @property
    def first(self) -> int:
        """Flat index of the view's first value in the tensor."""
        return self.index * self.rows * self.columns

    @property
    def numel(self) -> int:
        """Values in the view."""
        return self.rows * self.columns

    @classmethod
    def of(cls, shape: tuple[int, ...], index: int = 0) -> "MatrixView":
        """The view of a shape: 1-D is one row; 3-D and more are sliced over leading sizes.

        Raises:
            IndexError: there is no slice `index`.
        """
        if len(shape) <= 1:
            view = cls(1, prod(shape))
        elif prod(shape) == 0:  # before any size of it is believed: [10^9, 0] takes no byte
            view = cls(0, 0)
        elif len(shape) == 2:
            view = cls(shape[0], shape[1])
        elif min(shape[-2:]) >= (LEAST_SLICE_SIDE if len(shape) == 3 else LEAST_DEEP_SLICE_SIDE):
            view = cls(shape[-2], shape[-1], prod(shape[:-2]), index)
        else:
            view = cls(shape[0], prod(shape[1:]))
        if not 0 <= index < max(1, view.slices):
            raise IndexError(f"slice {index} of {view.slices}")
        return view


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a matrix, or all of it: rows `top` .. `bottom`, columns `left` .. `right`.

    Attributes:
        top: first row.
        left: first column.
        bottom: one past the last row.
        right: one past the last column.
    """

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def all_of(cls, view: MatrixView) -> "Window":
        """The whole matrix of a view."""
        return cls(0, 0, view.rows, view.columns)

    @property
    def rows(self) -> int:
        """Rows in the window."""
        return self.bottom - self.top

    @property
    def columns(self) -> int:
        """Columns in the window."""
        return self.right - self.left

    def cell(self, row: int, column: int, rows: int, columns: int) -> "Window":
        """What a cell of a grid of `rows` x `columns` covers (see `Pooling`)."""
        top, bottom = (self.top + -(-at * self.rows // rows) for at in (row, row + 1))
        left, right = (self.left + -(-at * self.columns // columns) for at in (column, column + 1))
        return Window(top, left, bottom, right)

    def around(self, row: int, column: int, rows: int, columns: int, view: MatrixView) -> "Window":
        """A window of a size (at most the view's) with a place in its middle, inside the view."""
        rows, columns = min(rows, view.rows), min(columns, view.columns)
        top = max(0, min(row - rows // 2, view.rows - rows))
        left = max(0, min(column - columns // 2, view.columns - columns))
        return Window(top, left, top + rows, left + columns)


@dataclass(frozen=True, slots=True)
class Pooling:
    """Which cell of a grid each matrix row and column falls into.

    Attributes:
        matrix_rows: rows of the window; row i of it falls into `i * rows // matrix_rows`.
        column_edges: int64 `(grid columns + 1,)`: first matrix column of each cell, then the
            end. Columns outside the window fall into a guard cell at either side.
        rows: grid rows.
        columns: grid columns, the guards among them.
        guards: how many of them, before and after, are guards.
    """

    matrix_rows: int
    column_edges: NDArray[np.int64]
    rows: int
    columns: int
    guards: tuple[int, int] = (0, 0)

    @classmethod
    def of(
        cls, view: MatrixView, rows: int, columns: int, window: Window | None = None
    ) -> "Pooling":
        """A grid of at most `rows` x `columns` cells, never more than the window has."""
        window = window or Window.all_of(view)
        rows = max(1, min(rows, window.rows))
        columns = max(1, min(columns, window.columns))
        edges = -(-np.arange(columns + 1, dtype=np.int64) * window.columns // columns)
        edges += window.left
        before, after = int(window.left > 0), int(window.right < view.columns)
        edges = np.concatenate([[0] * before, edges, [view.columns] * after]).astype(np.int64)
        guards = (before, after)
        return cls(max(1, window.rows), edges, rows, columns + before + after, guards)

    def without_guards(self, heat: "HeatGrid") -> "HeatGrid":
        """The cells of the window alone."""
        before, after = self.guards
        return HeatGrid(heat.cells[:, :, before : heat.cells.shape[2] - after])


@dataclass(frozen=True, slots=True)
class HeatGrid:
    """Sums of d over the cells of a grid.

    Attributes:
        cells: float64 `(4, rows, columns)`: sum of d, sum of |d|, max |d|, number of values.
    """

    cells: NDArray[np.float64]

    def __add__(self, other: "HeatGrid") -> "HeatGrid":
        merged = self.cells + other.cells
        np.maximum(self.cells[2], other.cells[2], out=merged[2])
        return HeatGrid(merged)

    @classmethod
    def zero(cls, rows: int, columns: int) -> "HeatGrid":
        """A grid that has seen no value."""
        return cls(np.zeros((4, rows, columns)))

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of d by cell, `(rows, columns)`; NaN where a cell saw no value."""
        return self._over_count(self.cells[0])

    @property
    def mean_abs(self) -> NDArray[np.float64]:
        """Mean of |d| by cell, `(rows, columns)`; NaN where a cell saw no value."""
        return self._over_count(self.cells[1])

    def _over_count(self, total: NDArray[np.float64]) -> NDArray[np.float64]:
        count = self.cells[3]
        mean = np.full(total.shape, np.nan)
        np.divide(total, count, out=mean, where=count > 0)
        return mean
