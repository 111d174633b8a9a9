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
