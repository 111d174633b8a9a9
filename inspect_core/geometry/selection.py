"""The nearest of each row of products, in one pass over it."""

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.compiled import jit


@jit()
def select_nearest(
    products: NDArray[np.float64],
    squares: NDArray[np.float64],
    offset: int,
    kept: NDArray[np.float64],
    index: NDArray[np.int32],
) -> None:
    """Take what is nearer than what is kept so far; of equal ones the first stays first.

    Args:
        products: float64 `(rows, columns)`, of each row's point with each column's.
        squares: float64 `(columns,)`, squared norms of the columns' points.
        offset: number of the first column's point, minus that of the first row's.
        kept: float64 `(rows, k)`, ascending: squared distance without the row's own squared norm;
            infinite where nothing is kept yet.
        index: int32 `(rows, k)`, the number of the point, less that of the first column's.
    """
    k = kept.shape[1]
    for row in range(products.shape[0]):
        line, best, where = products[row], kept[row], index[row]
        own = row - offset
        limit = best[k - 1]
        for column in range(line.size):
            value = squares[column] - 2.0 * line[column]
            # Almost every value ends here: one that is sorted in is rare.
            if value >= limit or column == own:
                continue
            at = k - 1
            while at > 0 and best[at - 1] > value:
                best[at] = best[at - 1]
                where[at] = where[at - 1]
                at -= 1
            best[at] = value
            where[at] = column + offset
            limit = best[k - 1]


@jit()
def row_marks(
    values: NDArray[np.float64], odd: NDArray[np.uint64], marks: NDArray[np.uint64]
) -> None:
    """A mark for each row, by which equal rows are found; 0 where a value is not finite.

    Args:
        values: float64 `(rows, units)`.
        odd: uint64 `(units,)`, random odd numbers.
        marks: uint64 `(rows,)` to fill: the sum of bits times odd numbers, but never 0 where all
            values are finite. 0.0 and -0.0 count alike.
    """
    for row in range(values.shape[0]):
        line = values[row]
        broken = 0.0
        total = np.uint64(0)
        for at in range(line.size):
            value = line[at] + 0.0
            broken += value - value
            bits = np.float64(value).view(np.uint64)
            total += (bits ^ (bits >> np.uint64(29))) * odd[at]
        marks[row] = (total | np.uint64(1)) if broken == 0.0 else np.uint64(0)
