"""Points of one layer, fit for geometry: finite, each once."""

from dataclasses import dataclass
from hashlib import blake2b

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
    values = np.asarray(rows)
    if values.ndim != 2:
        raise UsageError(f"representations have {values.ndim} axes, not rows and units")
    values = np.ascontiguousarray(values, dtype=np.float64) + 0.0  # -0.0 is 0.0
    finite = np.isfinite(values).all(axis=1)
    seen: dict[bytes, int] = {}
    of = np.full(len(values), -1, np.int64)
    kept: list[int] = []
    for row in np.flatnonzero(finite).tolist():
        key = blake2b(values[row].data, digest_size=16).digest()
        point = seen.setdefault(key, len(kept))
        if point == len(kept):
            kept.append(row)
        of[row] = point
    nonfinite = int(len(values) - finite.sum())
    chosen = np.array(kept, np.int64)
    repeated = len(values) - nonfinite - len(kept)
    if len(kept) != len(values):
        values = values[chosen]
    return Points(values, chosen, of, repeated, nonfinite)
