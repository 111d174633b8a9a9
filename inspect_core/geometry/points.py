"""Points of one layer, fit for geometry: finite, each once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspect_core.errors import UsageError


@dataclass(frozen=True, eq=False, slots=True)
class Points:
    """Distinct points of one layer.

    Attributes:
        values: float64 `(points, units)`.
        kept: int64 `(points,)`, the row of the input that each point was; the first of equal ones.
        of: int64 `(rows,)`, the point of each row of the input; -1 for a row that is not finite.
        repeated: rows left out because an earlier one was equal.
        nonfinite: rows left out because of a NaN or an infinity.
    """

    values: NDArray[np.float64]
    kept: NDArray[np.int64]
    of: NDArray[np.int64]
    repeated: int
    nonfinite: int


def distinct_points(rows: ArrayLike) -> Points:
    """Leave out what has no distances, and what would have distance 0.

    Args:
        rows: `(rows, units)` of any float dtype that numpy has.

    Raises:
        UsageError: not two axes.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2:
        raise UsageError(f"representations have {rows.ndim} axes, not rows and units")
    from inspect_core.geometry.selection import row_marks

    values = np.ascontiguousarray(rows, dtype=np.float64)
    odd = np.random.default_rng(0).integers(1 << 63, size=values.shape[1], dtype=np.uint64) * 2 + 1
    marks = np.empty(len(values), np.uint64)
    row_marks(values, odd.astype(np.uint64), marks)
    of = np.full(len(values), -1, np.int64)
    kept: list[int] = []
    seen: dict[int, list[int]] = {}
    for row, mark in enumerate(marks.tolist()):
        if not mark:
            continue
        # Rows of one mark are compared in full: a mark alone proves nothing.
        alike = seen.setdefault(mark, [])
        point = next((p for p in alike if np.array_equal(values[kept[p]], values[row])), len(kept))
        if point == len(kept):
            alike.append(point)
            kept.append(row)
        of[row] = point
    finite = int((marks != 0).sum())
    chosen = np.array(kept, np.int64)
    if len(kept) != len(values):
        values = _closed_up(values, chosen, np.shares_memory(values, rows))
    return Points(values, chosen, of, finite - len(kept), len(of) - finite)


def _closed_up(
    values: NDArray[np.float64], kept: NDArray[np.int64], foreign: bool
) -> NDArray[np.float64]:
    """Some rows, ascending; in place where the values are our own, for they may be large."""
    if foreign:
        return values[kept]
    for place, row in enumerate(kept.tolist()):
        if place != row:
            values[place] = values[row]
    return values[: len(kept)]
