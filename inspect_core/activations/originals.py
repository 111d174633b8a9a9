"""What TX-Ray's published code computes, where that is not what it defines.

`Evaluation_metrics/measures.py` and `plots.py` of copenlu/tx-ray. A feature's p is the mean of its
rows' shares of the mass, so that a neuron's p do not sum up to 1; the distance is then divided by
the number of features of either side. `hellinger.py` has the distance as it is defined.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.distributions import Distributions, sums
from inspect_core.activations.hellinger import Overlap, overlap, unions


def original_hellinger(p: Mapping[str, float], q: Mapping[str, float]) -> tuple[float, int]:
    """The published distance and length of what is given, as it is; nothing is changed in it.

    Returns:
        The distance: NaN of nothing against nothing, and where a value is negative; and how many
        features either has.
    """
    names = sorted(p.keys() | q.keys())
    values = [(p.get(name, 0.0), q.get(name, 0.0)) for name in names]
    if not names or any(one < 0 or other < 0 for one, other in values):
        return math.nan, len(names)
    squares = [(math.sqrt(one) - math.sqrt(other)) ** 2 for one, other in values]
    return math.sqrt(math.fsum(squares)) / math.sqrt(2) / len(names), len(names)


def original_p(given: Distributions) -> NDArray[np.float64]:
    """The published p of each entry: mass / (count * the neuron's mass); float64 `(entries,)`.

    The mean over a feature's rows of `activation / sum of the neuron's activations`. Negative
    masses stay negative, as published.
    """
    unit = given.unit
    with np.errstate(invalid="ignore", divide="ignore"):
        total = sums(unit, given.mass, given.units)[unit]
        found: NDArray[np.float64] = given.mass / np.maximum(given.count, 1) / total
    return found


def original_distances(
    before: Distributions, after: Distributions, common: Overlap | None = None
) -> NDArray[np.float64]:
    """The published distance of every neuron that both sides activate.

    Args:
        before: activations by word.
        after: the same in the same numbering, with as many neurons.
        common: their overlap where it is known already.

    Returns:
        float64 `(units,)`; NaN where a side has no activation, and where a feature's mass is
        negative, as published.
    """
    common = overlap(before, after) if common is None else common
    p, q = original_p(before), original_p(after)
    units, unit = before.units, before.unit
    alone_p, alone_q = common.alone_before, common.alone_after
    with np.errstate(invalid="ignore", divide="ignore"):
        met = np.sqrt(p[common.before]) - np.sqrt(q[common.after])
        square = sums(unit[common.before], met**2, units)
        # The root is taken though it is squared again: of a negative p it gives NaN, as published.
        square += sums(unit[alone_p], np.sqrt(p[alone_p]) ** 2, units)
        square += sums(after.unit[alone_q], np.sqrt(q[alone_q]) ** 2, units)
        length = unions(before, after, common)
        found: NDArray[np.float64] = np.sqrt(square) / np.sqrt(2) / length
    found[(before.lengths() == 0) | (after.lengths() == 0)] = np.nan
    return found


def mass_curve(mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Masses as `mass_activation_plot` draws them: those above 0, the largest first.

    Each stage on its own: what stands at one place are different neurons.
    """
    found: NDArray[np.float64] = np.sort(mass[mass > 0])[::-1]
    return found
