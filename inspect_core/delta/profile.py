"""Which output and input units of a matrix moved: sums over each of its rows and columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.heat import MatrixView
from inspect_core.delta.kernel import Chunk, readable
from inspect_core.delta.rows import row_bounds
from inspect_core.errors import UsageError

MOST_ROWS = 1 << 22
"""A matrix with more rows is refused: its sums alone would take over 100 MB."""

MOST_COLUMNS = 1 << 20
"""The same for columns: every chunk in flight has its own sums of them."""

Measure = Literal["mean_abs", "l2", "rel_l2"]


@dataclass(frozen=True, eq=False, slots=True)
class Units:
    """Sums over each row, or each column, of a matrix; non-finite positions count as zeros.

    Attributes:
        length: values in each of them.
        abs_d: float64 `(n,)`, sum of |d|.
        sq_d: float64 `(n,)`, sum of d^2.
        sq_reference: float64 `(n,)`, sum of b^2.
    """

    length: int
    abs_d: NDArray[np.float64]
    sq_d: NDArray[np.float64]
    sq_reference: NDArray[np.float64]

    @property
    def mean_abs(self) -> NDArray[np.float64]:
        """Mean of |d| of each."""
        return self.abs_d / max(1, self.length)

    @property
    def l2(self) -> NDArray[np.float64]:
        """Norm of d of each."""
        return np.sqrt(self.sq_d)

    @property
    def rel_l2(self) -> NDArray[np.float64]:
        """Norm of d over that of the reference; 0 where d is, NaN where only the latter is."""
        ratio = np.where(self.sq_d > 0.0, np.nan, 0.0)
        known = (self.sq_d > 0.0) & (self.sq_reference > 0.0)
        np.divide(self.l2, np.sqrt(self.sq_reference), out=ratio, where=known)
        return ratio

    def values(self, measure: Measure) -> NDArray[np.float64]:
        """One of the three above, by its name."""
        found: NDArray[np.float64] = getattr(self, measure)
        return found

    def movers(self, most: int, by: Measure = "l2") -> list[int]:
        """Indices of the units that moved most, the first the furthest; none that did not."""
        values = np.where(np.isfinite(self.values(by)), self.values(by), 0.0)
        order = np.argsort(-values, kind="stable")[: max(0, most)]
        return [int(index) for index in order if values[index] > 0.0]


@dataclass(frozen=True, eq=False, slots=True)
class Profile:
    """The rows and the columns of one matrix.

    Attributes:
        rows: output units of a linear layer as PyTorch stores it.
        columns: its input units.
    """

    rows: Units
    columns: Units


class ProfileSums:
    """Gathers the sums of the chunks of a matrix.

    Args:
        view: which matrix of the tensor.

    Raises:
        UsageError: it has too many rows or columns.
    """

    def __init__(self, view: MatrixView) -> None:
        if view.rows > MOST_ROWS or view.columns > MOST_COLUMNS:
            raise UsageError(
                f"a matrix of {view.rows:,} x {view.columns:,} has too many units for a profile",
                hint=f"profiles go up to {MOST_ROWS:,} rows and {MOST_COLUMNS:,} columns",
            )
        self._view = view
        self._rows = np.zeros((3, view.rows))
        self._columns = np.zeros((3, view.columns))

    def bounds(self, most: int) -> Iterator[tuple[int, int]]:
        """Start and stop of chunks of whole rows, flat in the matrix."""
        if self._view.numel:
            yield from row_bounds((self._view.rows, self._view.columns), most)

    def of(self, chunk: Chunk, first: int) -> "ProfilePart":
        """The sums of a chunk that begins at a flat index; safe to call from several threads."""
        from inspect_core.delta import row_kernels
        from inspect_core.delta.widening import BYTE_VALUES

        width = self._view.columns
        rows, columns = np.zeros((3, -(-chunk.numel // width) + 1)), np.zeros((3, width))
        row_kernels.profile_raw(
            *readable(chunk), chunk.numel, BYTE_VALUES, width, first % width, rows, columns
        )
        return first // width, rows, columns

    def add(self, part: "ProfilePart") -> None:
        """Take what `of` found."""
        first, rows, columns = part
        stop = min(first + rows.shape[1], self._view.rows)
        self._rows[:, first:stop] += rows[:, : stop - first]
        self._columns += columns

    @property
    def profile(self) -> Profile:
        """What was found."""
        return Profile(
            Units(self._view.columns, *self._rows), Units(self._view.rows, *self._columns)
        )


ProfilePart = tuple[int, NDArray[np.float64], NDArray[np.float64]]
"""First row of a chunk, and its sums: float64 `(3, rows)` and `(3, columns)`."""
