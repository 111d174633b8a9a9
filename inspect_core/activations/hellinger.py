"""The Hellinger distance of what a neuron listens to, before and after.

H(p, q) = sqrt(sum (sqrt(p) - sqrt(q))^2 / 2), of distributions p and q of activation mass over
features: 0 where they are equal, 1 where no feature is in both. TX-Ray (Rethmeier, Saxena,
Augenstein, UAI 2020) defines its distance so; `originals.py` has what its code computes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.distributions import MASS, Distributions, sums


def hellinger(p: Mapping[str, float], q: Mapping[str, float]) -> float:
    """The distance of two distributions, given as the mass of each feature.

    Masses need not sum up to 1; of negative ones the positive part, which is 0, counts. Neither
    mapping is changed.

    Returns:
        In [0, 1]; NaN where either has no positive mass.
    """
    before, after = _normalised(p), _normalised(q)
    if not before or not after:
        return math.nan
    if before.keys().isdisjoint(after):
        return 1.0
    names = sorted(before.keys() | after.keys())
    squares = [
        (math.sqrt(before.get(name, 0.0)) - math.sqrt(after.get(name, 0.0))) ** 2 for name in names
    ]
    return min(math.sqrt(math.fsum(squares) / 2), 1.0)


def _normalised(masses: Mapping[str, float]) -> dict[str, float]:
    positive = {name: mass for name, mass in masses.items() if mass > 0}
    total = math.fsum(positive.values())
    return {name: mass / total for name, mass in positive.items()}


@dataclass(frozen=True, eq=False, slots=True)
class Overlap:
    """Which features both sides of a neuron have; the same for every way of weighting them.

    Attributes:
        before: int64 `(matches,)`, entries of the distributions before.
        after: the entries of the same neurons and features after.
        alone_before: bool `(entries,)`, which entries before are not among them.
        alone_after: the same after.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    alone_before: NDArray[np.bool_]
    alone_after: NDArray[np.bool_]


def overlap(before: Distributions, after: Distributions) -> Overlap:
    """Find the features that both sides of a neuron have.

    Args:
        before: in the same numbering, with as many neurons.
        after: the other side.
    """
    if (before.units, before.features) != (after.units, after.features):
        raise ValueError("the two sides are numbered differently")
    at = np.searchsorted(before.key, after.key)
    met = np.zeros(len(after.key), np.bool_)
    inside = at < len(before.key)
    met[inside] = before.key[at[inside]] == after.key[inside]
    alone = np.ones(len(before.key), np.bool_)
    alone[at[met]] = False
    return Overlap(at[met], np.flatnonzero(met), alone, ~met)


def distances(
    before: Distributions, after: Distributions, by: str = MASS, common: Overlap | None = None
) -> NDArray[np.float64]:
    """The distance of every neuron of a site at once.

    The squares of differences are summed, not products of roots: the latter lose half the digits
    of a distance near 0.

    Args:
        before: activations by feature.
        after: the same in the same numbering, with as many neurons.
        by: what a feature weighs: `MASS`, `MEAN` or `COUNT`; of a negative mass the positive part
            counts.
        common: their overlap where it is known already.

    Returns:
        float64 `(units,)` in [0, 1]: exactly 1 where no feature weighs anything on both sides;
        NaN where a side has no positive mass.
    """
    common = overlap(before, after) if common is None else common
    p, q = before.shares(by), after.shares(by)
    unit = before.unit
    both, alone_p, alone_q = unit[common.before], common.alone_before, common.alone_after
    p_met, q_met = p[common.before], q[common.after]
    square = sums(both, (np.sqrt(p_met) - np.sqrt(q_met)) ** 2, before.units)
    square += sums(unit[alone_p], p[alone_p], before.units)
    square += sums(after.unit[alone_q], q[alone_q], before.units)
    distance = np.minimum(np.sqrt(square / 2), 1.0)
    met = np.bincount(both, weights=(p_met > 0) & (q_met > 0), minlength=before.units) > 0
    distance[~met] = 1.0
    # A sum of nothing is 0, not undefined: say so here.
    lacking = ~(_totals(before, p) > 0) | ~(_totals(after, q) > 0)
    distance[lacking] = np.nan
    return distance


def _totals(given: Distributions, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return sums(given.unit, shares, given.units)


def unions(
    before: Distributions, after: Distributions, common: Overlap | None = None
) -> NDArray[np.int64]:
    """The Hellinger length of every neuron: features of either side; int64 `(units,)`."""
    common = overlap(before, after) if common is None else common
    both = np.bincount(before.unit[common.before], minlength=before.units)
    found: NDArray[np.int64] = (before.lengths() + after.lengths() - both).astype(np.int64)
    return found
