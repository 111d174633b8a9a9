"""Linear centred kernel alignment of sets of representations of the same points."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from inspect_core.control import Control
from inspect_core.errors import UsageError

HELD = 256 << 20
"""Bytes of Gram rows held at once, of all layers together."""


def linear_cka(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """`|X'Y|^2 / (|X'X| |Y'Y|)` of centred X and Y, in Frobenius norms; in [0, 1].

    Kornblith, Norouzi, Lee, Hinton, "Similarity of neural network representations revisited",
    ICML 2019.

    Args:
        one: float64 `(points, units)`.
        other: float64 `(points, other units)`, the same points in the same order.

    Returns:
        NaN where one of them is constant.

    Raises:
        UsageError: other points.
    """
    return float(linear_cka_matrix([lambda: one, lambda: other])[0, 1])


def linear_cka_matrix(
    layers: Sequence[Callable[[], NDArray[np.float64]]], control: Control | None = None
) -> NDArray[np.float64]:
    """Linear CKA of every two of some layers.

    `|X'Y|^2` is the inner product of the Gram matrices `XX'` and `YY'`. Those are made a few rows
    at a time, of all layers, so that each product is worked out once whatever the number of pairs.

    Args:
        layers: each gives float64 `(points, units)`, finite, the same points in the same order.
        control: polled between blocks.

    Returns:
        float64 `(layers, layers)`; NaN where one of two is constant.

    Raises:
        UsageError: other points.
        Cancelled: by `control`.
    """
    count = len(layers)
    sizes = {len(layer()) for layer in layers}
    if len(sizes) > 1:
        raise UsageError(f"{min(sizes)} points against {max(sizes)}: they must be the same")
    points = sizes.pop() if sizes else 0
    height = max(1, min(points, HELD // max(1, 8 * count * points)))
    inner = np.zeros((count, count))
    constant = np.zeros(count, bool)
    for start in range(0, points, height):
        grams = []
        for at, layer in enumerate(layers):
            if control is not None:
                control.check()
            centred = _centred(layer())
            constant[at] = centred is None
            if centred is None:
                grams.append(np.zeros((min(height, points - start), points)))
            else:
                grams.append(centred[start : start + height] @ centred.T)
        for a in range(count):
            for b in range(a, count):
                inner[a, b] += np.vdot(grams[a], grams[b])
    inner = np.triu(inner) + np.triu(inner, 1).T
    norms = np.sqrt(np.diagonal(inner))
    norms[constant] = math.nan
    found: NDArray[np.float64] = np.clip(inner / np.outer(norms, norms), 0.0, 1.0)
    return found


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Around 0 and of norm 1, so that no square leaves the range; None if constant."""
    largest = float(np.abs(values).max(initial=0))
    if not largest:
        return None
    scaled = values / largest
    scaled -= scaled.mean(axis=0)
    norm = float(np.linalg.norm(scaled))
    # What is left of a constant is rounding.
    if norm <= 1e-12 * math.sqrt(values.size):
        return None
    scaled /= norm
    return scaled
