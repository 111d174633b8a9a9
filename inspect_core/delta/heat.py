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
class Pooling:
    """Which cell of a grid each matrix row and column falls into.

    Attributes:
        matrix_rows: rows of the matrix; row i falls into `i * rows // matrix_rows`.
        column_edges: int64 `(grid columns + 1,)`: first column of each cell, then the end.
        rows: grid rows.
        columns: grid columns.
    """

    matrix_rows: int
    column_edges: NDArray[np.int64]
    rows: int
    columns: int

    @classmethod
    def of(cls, view: MatrixView, rows: int, columns: int) -> "Pooling":
        """A grid of at most `rows` x `columns` cells, never more than the matrix has."""
        rows = max(1, min(rows, view.rows))
        columns = max(1, min(columns, view.columns))
        edges = -(-np.arange(columns + 1, dtype=np.int64) * view.columns // columns)
        return cls(max(1, view.rows), edges, rows, columns)


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
