"""Density at each point, from the distance of its k-th neighbour."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.errors import UsageError
from inspect_core.geometry.neighbours import Neighbours


@dataclass(frozen=True, eq=False, slots=True)
class Density:
    """Log density of points.

    Attributes:
        log: float64 `(points,)`, natural logarithm.
        error: float64 `(points,)`, its standard error.
        k: the neighbour that it was taken from.
    """

    log: NDArray[np.float64]
    error: NDArray[np.float64]
    k: int


def knn_density(neighbours: Neighbours, dimension: float, k: int) -> Density:
    """The k-nearest-neighbour estimate `rho_i = k / (N V_d r_ik^d)`.

    V_d is the volume of the unit ball in d dimensions, `pi^(d/2) / Gamma(d/2 + 1)`; the error of
    the logarithm is `1 / sqrt(k)`.

    Args:
        neighbours: at least k of each point.
        dimension: intrinsic dimension d, as `gride` gives it.
        k: which neighbour.

    Raises:
        UsageError: fewer neighbours are known, or the dimension is no positive number.
    """
    if not 0 < k <= neighbours.k:
        raise UsageError(f"neighbour {k} is not among the {neighbours.k} that are known")
    if not (math.isfinite(dimension) and dimension > 0):
        raise UsageError("a density needs an intrinsic dimension, and there is none")
    volume = dimension / 2 * math.log(math.pi) - math.lgamma(dimension / 2 + 1)
    volume_of = volume + dimension * np.log(neighbours.distance[:, k - 1])
    log = math.log(k) - volume_of - math.log(neighbours.points)
    return Density(log, np.full(neighbours.points, 1 / math.sqrt(k)), k)
