"""Intrinsic dimension from ratios of distances to neighbours: Gride and TwoNN."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.geometry.neighbours import Neighbours

LOWEST, HIGHEST = 1e-3, 1e3
"""Between these a dimension is looked for."""

ACCURACY = 1e-7
"""Bisection ends there, as in the published code, so that its values come out to the last bits; the
standard error is some million times larger."""

_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Dimension:
    """Intrinsic dimension at one scale.

    Attributes:
        near: number of the nearer neighbour, n1.
        far: number of the farther one, n2.
        value: the dimension; NaN where it cannot be told.
        error: its standard error, from the Fisher information; NaN likewise.
        scale: mean distance of the two neighbours: where on the data this is measured.
        why: why there is no value; `""` where there is one.
    """

    near: int
    far: int
    value: float
    error: float
    scale: float
    why: str = ""


def gride(neighbours: Neighbours, furthest: int = 100) -> tuple[Dimension, ...]:
    """Generalised ratios id estimator, at scales that double.

    Denti, Doimo, Laio, Mira, "The generalized ratios intrinsic dimension estimator", Scientific
    Reports 12 (2022). At n1 = 1, 2, 4, ... and n2 = 2 n1, with mu = r_n2 / r_n1, d is the root of

        sum_i [((1 - n2 + n1) / (1 - mu_i^-d) + n2 - 1) ln mu_i] - (N - 1) / d = 0

    which is where the likelihood `f(mu) = d (mu^d - 1)^(n2-n1-1) / (B(n2-n1, n1) mu^((n2-1)d+1))`
    of all points is largest, with N - 1 for N as the published code has it. Ratios far beyond the
    95th percentile (`q50 + 20 (q95 - q50)`) are left out.

    Args:
        neighbours: at least one neighbour of each point.
        furthest: no neighbour beyond this one is used.

    Returns:
        One for each scale that the known neighbours allow; n1 = 1 is TwoNN by likelihood.
    """
    steps = int(math.log2(max(1, min(neighbours.points, furthest))))
    known = [2**step for step in range(steps) if 2 ** (step + 1) <= neighbours.k]
    return tuple(_at_scale(neighbours, near) for near in known)


def two_nn(neighbours: Neighbours) -> Dimension:
    """TwoNN by maximum likelihood: d = (N - 1) / sum ln mu with mu = r_2 / r_1.

    Facco, d'Errico, Rodriguez, Laio, "Estimating the intrinsic dimension of datasets by a minimal
    neighborhood information", Scientific Reports 7 (2017).
    """
    return _at_scale(neighbours, 1)


def _at_scale(neighbours: Neighbours, near: int) -> Dimension:
    far = 2 * near
    first, second = neighbours.distance[:, near - 1], neighbours.distance[:, far - 1]
    with np.errstate(over="ignore"):
        scale = float(first.mean() / 2 + second.mean() / 2)

    def unknown(why: str) -> Dimension:
        return Dimension(near, far, math.nan, math.nan, scale, why)

    if not (first > 0).all():
        return unknown("n/a: points at distance 0")
    if not math.isfinite(scale):
        return unknown("n/a: distances beyond what numbers can hold")
    mu = second / first
    ties = float((mu == 1).mean())
    if ties == 1:
        return unknown("n/a: all distances are tied")
    mu[mu == 1] = 1 + 10 * _EPSILON
    middle, high = np.quantile(mu, (0.5, 0.95))
    kept = mu[mu < middle + 20 * (high - middle)] if high > middle else mu
    if len(kept) < 2:
        return unknown("n/a: too few distinct distances")
    value = _root(kept, near, far)
    if not LOWEST * 1.001 < value < HIGHEST * 0.999:
        return unknown("n/a: distances are tied" if value < 1 else "n/a: beyond 1,000")
    return Dimension(near, far, value, _error(kept, near, far, value), scale)


def _root(mu: NDArray[np.float64], near: int, far: int) -> float:
    logs = np.log(mu)

    def slope(d: float) -> float:
        # (1 - n2 + n1) is 0 at n1 = 1, and the whole is (N - 1) / sum ln mu then.
        powers = np.maximum(-np.expm1(-d * logs), 2 * _EPSILON)
        terms = ((1 - far + near) / powers + far - 1) * logs
        return float(terms.sum()) - (len(mu) - 1) / d

    low, high = LOWEST, HIGHEST
    if slope(low) > 0:
        return low
    if slope(high) < 0:
        return high
    while high - low > ACCURACY:
        middle = (low + high) / 2
        if slope(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _error(mu: NDArray[np.float64], near: int, far: int, d: float) -> float:
    """1 / sqrt of the Fisher information at d."""
    logs = np.log(mu)
    powers = np.maximum(-np.expm1(-d * logs), 2 * _EPSILON)
    information = len(mu) / d**2
    information += (far - near - 1) * float(((logs / powers) ** 2 * np.exp(-d * logs)).sum())
    return 1 / math.sqrt(information)
