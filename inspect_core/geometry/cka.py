"""Linear centred kernel alignment of two sets of representations of the same points."""

import numpy as np
from numpy.typing import NDArray

from inspect_core.errors import UsageError


def linear_cka(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """`|X'Y|^2 / (|X'X| |Y'Y|)` of centred X and Y, in Frobenius norms; in [0, 1].

    Kornblith, Norouzi, Lee, Hinton, "Similarity of neural network representations revisited",
    ICML 2019. Worked out from products of units or of points, whichever are fewer.

    Args:
        one: float64 `(points, units)`.
        other: float64 `(points, other units)`, the same points in the same order.

    Returns:
        NaN where one of them is constant.

    Raises:
        UsageError: other points.
    """
    if len(one) != len(other):
        raise UsageError(f"{len(one)} points against {len(other)}: they must be the same")
    first, second = _centred(one), _centred(other)
    if first is None or second is None:
        return float("nan")
    if len(first) <= max(first.shape[1], second.shape[1]):
        grams = first @ first.T, second @ second.T
        across = float(np.vdot(*grams))
        norms = [float(np.linalg.norm(gram)) for gram in grams]
    else:
        across = float(np.linalg.norm(first.T @ second)) ** 2
        norms = [float(np.linalg.norm(side.T @ side)) for side in (first, second)]
    return min(1.0, across / (norms[0] * norms[1]))


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Around 0 and of norm 1, so that no square leaves the range; None if constant."""
    largest = float(np.abs(values).max(initial=0))
    centred = values - values.mean(axis=0)
    norm = float(np.linalg.norm(centred / largest)) if largest else 0.0
    # What is left of a constant is rounding.
    if norm <= 1e-12 * np.sqrt(values.size):
        return None
    scaled: NDArray[np.float64] = centred / largest / norm
    return scaled
