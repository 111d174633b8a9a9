"""Two spaces of the same texts, layer by layer: shared neighbours and linear CKA."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from inspect_core.control import Control
from inspect_core.geometry.agreement import data_overlap
from inspect_core.geometry.cka import linear_cka_matrix
from inspect_core.geometry.measure import Layer
from inspect_core.geometry.neighbours import nearest
from inspect_core.geometry.points import Points

Matrix = NDArray[np.float64]


def compare_layers(
    one: Sequence[Layer], other: Sequence[Layer], k: int, control: Control | None = None
) -> tuple[Matrix, Matrix]:
    """Every layer of one space against every layer of another.

    Args:
        one: the layers of a space, worked out.
        other: those of another, of the same texts; the same object for a space with itself.
        k: neighbours that count.
        control: polled between blocks.

    Returns:
        Overlaps and CKA, float64 `(layers of one, layers of other)`; NaN where not known.

    Raises:
        Cancelled: by `control`.
    """
    control = control or Control()
    overlap = np.full((len(one), len(other)), math.nan)
    found: dict[tuple[int, bytes], NDArray[np.int32]] = {}
    for a, first in enumerate(one):
        for b, second in enumerate(other):
            if one is other and b < a:
                overlap[a, b] = overlap[b, a]
                continue
            control.check()
            both = np.intersect1d(first.points.kept, second.points.kept)
            if len(both) > k:
                sides = [_index(layer, both, k, found, control) for layer in (first, second)]
                overlap[a, b] = data_overlap(sides[0], sides[1], k)
    return overlap, _cka(one, other, control)


def _index(
    layer: Layer,
    texts: NDArray[np.int64],
    k: int,
    found: dict[tuple[int, bytes], NDArray[np.int32]],
    control: Control,
) -> NDArray[np.int32]:
    """Neighbours among some of a layer's points; each set of them is worked out once."""
    known = layer.neighbours
    if known is not None and known.k >= k and len(texts) == len(layer.points.kept):
        return known.index
    key = id(layer), texts.tobytes()
    if key not in found:
        found[key] = nearest(layer.points.values[layer.points.of[texts]], k, control).index
    return found[key]


def _cka(one: Sequence[Layer], other: Sequence[Layer], control: Control) -> Matrix:
    """Over the texts that are finite in every layer."""
    layers = [*one] if one is other else [*one, *other]
    finite = np.flatnonzero(np.logical_and.reduce([layer.points.of >= 0 for layer in layers]))
    if len(finite) < 2:
        return np.full((len(one), len(other)), math.nan)

    def rows(points: Points) -> NDArray[np.float64]:
        values: NDArray[np.float64] = points.values[points.of[finite]]
        return values

    matrix = linear_cka_matrix([partial(rows, layer.points) for layer in layers], control)
    return matrix if one is other else matrix[: len(one), len(one) :]
