"""Activations of all neurons of a site by feature, numbered so that two stages can be compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.stage import Counts

MASS, MEAN, COUNT = "mass", "mean", "count"
"""What a feature weighs in a distribution: the sum of its activations, their mean, their number."""


@dataclass(frozen=True, eq=False, slots=True)
class Numbering:
    """One numbering for the features of two stages, equal names being one feature.

    Attributes:
        names: of all features, in the order in which they are first met; foreign.
        before: int64 `(features of before,)`, the common number of each.
        after: the same for the other stage.
    """

    names: tuple[str, ...]
    before: NDArray[np.int64]
    after: NDArray[np.int64]

    @classmethod
    def of(cls, before: Sequence[str], after: Sequence[str]) -> "Numbering":
        """Number the features of two stages by their names."""
        names, (first, second) = number([before, after])
        return cls(names, first, second)


def number(stages: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], list[NDArray[np.int64]]]:
    """One numbering for the features of any number of stages.

    Args:
        stages: the names of the features of each.

    Returns:
        All names, as they are first met, and for each stage the common numbers of its features.
    """
    known: dict[str, int] = {}
    numbers = [
        np.array([known.setdefault(name, len(known)) for name in names], np.int64)
        for names in stages
    ]
    return tuple(known), numbers


@dataclass(frozen=True, eq=False, slots=True)
class Distributions:
    """Activations of each neuron by feature; one entry for each neuron and feature that met.

    Attributes:
        units: how many neurons there are.
        features: how many features there are.
        key: int64 `(entries,)`, neuron times `features` plus feature; ascending, all different.
        unit: int64 `(entries,)`, the neuron of each.
        count: int64 `(entries,)`, activations.
        mass: float64 `(entries,)`, their sum.
    """

    units: int
    features: int
    key: NDArray[np.int64]
    unit: NDArray[np.int64]
    count: NDArray[np.int64]
    mass: NDArray[np.float64]

    @property
    def feature(self) -> NDArray[np.int64]:
        """The feature of each entry."""
        return self.key - self.unit * self.features

    def weights(self, by: str = MASS) -> NDArray[np.float64]:
        """What each feature weighs: the positive part of its mass or mean, or its count.

        A feature whose activations sum up to less than nothing weighs nothing: a share of a
        distribution cannot be negative.
        """
        if by == COUNT:
            return self.count.astype(np.float64)
        values = self.mass / np.maximum(self.count, 1) if by == MEAN else self.mass
        return np.maximum(values, 0.0)

    def shares(self, by: str = MASS) -> NDArray[np.float64]:
        """The distribution of each neuron: weights that sum up to 1, NaN where none is positive."""
        weights = self.weights(by)
        unit = self.unit
        with np.errstate(invalid="ignore", divide="ignore"):
            shares: NDArray[np.float64] = weights / sums(unit, weights, self.units)[unit]
        return shares

    def lengths(self) -> NDArray[np.int64]:
        """How many features activate each neuron; int64 `(units,)`."""
        return np.bincount(self.unit, minlength=self.units).astype(np.int64)


def distributions(
    counts: Counts, numbers: NDArray[np.int64], features: int, units: int | None = None
) -> Distributions:
    """Counts in a common numbering; what falls onto one feature is summed.

    Args:
        counts: of one site.
        numbers: int64, the new number of each of their features.
        features: how many there are in that numbering.
        units: how many neurons to make room for; those of the counts where it is None.
    """
    unit = counts.unit.astype(np.int64)
    key = unit * features + numbers[counts.feature]
    count, mass = counts.count, counts.mass
    if len(key) and not (key[1:] > key[:-1]).all():
        order = np.argsort(key)
        key, count, mass = key[order], count[order], mass[order]  # neurons are in order already
        first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
        if len(first) < len(key):
            key, unit = key[first], unit[first]
            count, mass = np.add.reduceat(count, first), np.add.reduceat(mass, first)
    return Distributions(counts.units if units is None else units, features, key, unit, count, mass)


def sums(unit: NDArray[np.int64], values: NDArray[np.float64], units: int) -> NDArray[np.float64]:
    """What values sum up to for each neuron; float64 `(units,)`."""
    return np.bincount(unit, weights=values, minlength=units).astype(np.float64, copy=False)


def activations(given: Distributions) -> NDArray[np.int64]:
    """How often each neuron is activated; int64 `(units,)`."""
    found = np.zeros(given.units, np.int64)
    np.add.at(found, given.unit, given.count)
    return found


def strongest(given: Distributions) -> NDArray[np.int64]:
    """The feature of most mass of each neuron, the first of equal ones; -1 without any."""
    found = np.full(given.units, -1, np.int64)
    if not len(given.key):
        return found
    unit = given.unit
    starts = np.flatnonzero(np.concatenate(([True], unit[1:] != unit[:-1])))
    best = np.repeat(np.maximum.reduceat(given.mass, starts), np.diff(np.append(starts, len(unit))))
    at = np.flatnonzero(given.mass == best)[::-1]
    found[unit[at]] = given.feature[at]  # the first of equal ones is written last
    return found
