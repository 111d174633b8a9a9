"""How often a tag or label occurs in the texts, against the activation mass that it makes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.distributions import Distributions, Numbering
from inspect_core.activations.neurons import FeatureShare, Share


def feature_shares(
    numbers: Numbering,
    occurrences: tuple[NDArray[np.int64], NDArray[np.int64]],
    sides: tuple[Distributions, Distributions],
) -> tuple[FeatureShare, ...]:
    """Frequency and mass of the tags (or labels) of one site, of either side.

    One of one side alone stays. Frequency is that of all words of the texts, whatever they
    activated; mass is that of all neurons together, negative sums counting as 0. Shares of
    nothing are 0.

    Args:
        numbers: of the tags or labels.
        occurrences: of the features of each side, in their own numbering.
        sides: activations by tag or label, in the common numbering.

    Returns:
        Sorted by frequency before, then after, the highest first; then by name.
    """
    total = len(numbers.names)
    frequency = [
        _part(np.bincount(own, weights=times, minlength=total).astype(np.float64))
        for own, times in zip((numbers.before, numbers.after), occurrences, strict=True)
    ]
    mass = [
        _part(np.maximum(np.bincount(side.feature, weights=side.mass, minlength=total), 0.0))
        for side in sides
    ]
    shares = [
        FeatureShare(name, (before, after), (mass_before, mass_after))
        for name, before, after, mass_before, mass_after in zip(
            numbers.names,
            frequency[0].tolist(),
            frequency[1].tolist(),
            mass[0].tolist(),
            mass[1].tolist(),
            strict=True,
        )
    ]
    return tuple(
        sorted(shares, key=lambda share: (-share.frequency[0], -share.frequency[1], share.name))
    )


def neuron_shares(
    names: Sequence[str], sides: tuple[Distributions, Distributions]
) -> tuple[Share, ...]:
    """Shares of the mass of one neuron by tag (or label); those of one side alone stay.

    Args:
        names: of the tags or labels.
        sides: activations of that neuron alone (`units` is 1) in one numbering.

    Returns:
        Sorted by their mass on both sides, the highest first; then by name. A negative mass has
        the share 0.
    """
    mass = [_part(_spread(side, side.weights(), len(names))) for side in sides]
    count = [_spread(side, side.count, len(names)).astype(np.int64) for side in sides]
    met = np.flatnonzero((count[0] > 0) | (count[1] > 0))
    shares = [
        Share(
            names[at],
            (float(mass[0][at]), float(mass[1][at])),
            (int(count[0][at]), int(count[1][at])),
        )
        for at in met.tolist()
    ]
    return tuple(sorted(shares, key=lambda share: (-sum(share.mass), share.name)))


def _spread(
    side: Distributions, values: NDArray[np.float64] | NDArray[np.int64], total: int
) -> NDArray[np.float64]:
    return np.bincount(side.feature, weights=values, minlength=total).astype(np.float64)


def _part(values: NDArray[np.float64]) -> NDArray[np.float64]:
    total = values.sum()
    return values / total if total > 0 else np.zeros_like(values, dtype=np.float64)
