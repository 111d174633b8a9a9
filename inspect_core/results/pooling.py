"""More columns than there is room for: several to a cell, of which the largest is shown."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Pooled:
    """Columns merged for drawing: a cell shows one of them, so that its value is a true one.

    Attributes:
        values: float64 `(kinds, cells)`.
        states: uint8 of the same shape.
        shown: int64 of the same shape: the column that a cell shows.
        bounds: first column of each cell, and one beyond the last.
    """

    values: NDArray[np.float64]
    states: NDArray[np.uint8]
    shown: NDArray[np.int64]
    bounds: tuple[int, ...]

    @property
    def most(self) -> int:
        """Columns of the fullest cell."""
        return max(np.diff(self.bounds).tolist(), default=1)


def pool_columns(
    values: NDArray[np.float64], states: NDArray[np.uint8], cells: int, rest: float = 0.0
) -> Pooled:
    """Merge columns to at most `cells`: the one that changed most stands for all.

    A mean would hide one layer that moved among those that did not.

    Args:
        values: float64 `(kinds, columns)`; NaN where there is none.
        states: uint8 of the same shape; of two the greater one counts (see `heatmap.NOT_FINITE`).
        cells: how many there may be.
        rest: the value of no change.
    """
    columns = values.shape[1]
    each = -(-columns // max(1, cells))
    bounds = (*range(0, columns, each), columns) if columns else (0,)
    sizes = np.where(np.isfinite(values), np.abs(values - rest), -1.0)
    # First by state, then by size: what has a value comes before what has none.
    rank = np.lexsort((sizes, states), axis=1) if columns else np.zeros(values.shape, np.int64)
    place = np.empty_like(rank)
    np.put_along_axis(place, rank, np.arange(columns)[None, :].repeat(len(values), axis=0), axis=1)
    shown = np.stack(
        [start + place[:, start:stop].argmax(axis=1) for start, stop in _pairs(bounds)], axis=1
    ) if columns else np.zeros((len(values), 0), np.int64)  # fmt: skip
    return Pooled(
        np.take_along_axis(values, shown, axis=1),
        np.take_along_axis(states, shown, axis=1),
        shown,
        bounds,
    )


def _pairs(bounds: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(pairwise(bounds))
