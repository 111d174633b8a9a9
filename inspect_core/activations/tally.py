"""Activations by neuron and feature, summed as they come; memory grows with distinct pairs."""

from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.stage import Counts
from inspect_core.errors import LamellaError

MOST_PAIRS = 50_000_000
"""Pairs of neuron and feature that all tallies of a stage hold together: about 4 GB."""

PENDING = 1 << 13
"""Activations that wait, at least, before they are summed."""

FEATURE_BITS = 32
"""A key is the unit, then the feature in so many bits."""


T = TypeVar("T", bound=np.generic)
_Whole = NDArray[np.int64]
_Real = NDArray[np.float64]


class Budget:
    """How many pairs of neuron and feature several tallies may hold together.

    Args:
        most: so many.
    """

    def __init__(self, most: int = MOST_PAIRS) -> None:
        self.most = most
        self.held = 0

    def grow(self, pairs: int) -> None:
        """Say that so many more are held.

        Raises:
            LamellaError: they are too many.
        """
        self.held += pairs
        if self.held > self.most:
            raise LamellaError(
                f"more than {self.most:,} pairs of neuron and word: too many to hold",
                hint="count the strongest unit or the top k, take a higher threshold, fewer "
                "modules or fewer texts",
            )


class Tally:
    """Activations of the neurons of one site by feature: a sum that merges.

    In any order and in any parts the same counts, strongest activations and samples come out;
    sums up to float64 rounding.

    Args:
        units: neurons of the site.
        budget: shared with other tallies; None for one of its own.
    """

    def __init__(self, units: int, budget: Budget | None = None) -> None:
        self.units = units
        self._budget = budget or Budget()
        self._held = _Sums.none()
        self._given_away = False
        self._pending: list[tuple[_Whole, _Real, _Whole]] = []
        self._waiting = 0

    def add(
        self,
        unit: NDArray[np.integer],
        feature: NDArray[np.integer],
        activation: NDArray[np.float64],
        sample: NDArray[np.integer],
    ) -> None:
        """Count activations, all arrays `(n,)`.

        Args:
            unit: the neuron, less than `units`.
            feature: from 0, less than 2^31.
            activation: finite.
            sample: the number of the text.

        Raises:
            LamellaError: the budget is used up.
        """
        key = (unit.astype(np.int64) << FEATURE_BITS) | feature.astype(np.int64)
        self._pending.append((key, activation, sample.astype(np.int64)))
        self._waiting += len(key)
        # As many wait as are held: each is merged a few times only, whatever the number of parts.
        if self._waiting > max(PENDING, len(self._held.key)):
            self._sum_up()

    def merge(self, other: "Tally") -> None:
        """Count everything of another tally of the same site too.

        Raises:
            ValueError: it has another number of neurons.
            LamellaError: the budget is used up.
        """
        if other.units != self.units:
            raise ValueError(f"tallies of {self.units} and {other.units} units")
        other._sum_up()
        self._sum_up()
        self._hold(other._held)

    def __add__(self, other: "Tally") -> "Tally":
        both = Tally(self.units)
        both.merge(self)
        both.merge(other)
        return both

    def drop(self) -> None:
        """Forget everything, and give the budget back."""
        self._pending, self._waiting = [], 0
        self._budget.grow(-len(self._held.key))
        self._held = _Sums.none()

    def counts(self) -> Counts:
        """What was counted so far."""
        self._sum_up()
        self._given_away = True
        held = self._held
        return Counts(
            self.units,
            (held.key >> FEATURE_BITS).astype(np.int32),
            (held.key & ((1 << FEATURE_BITS) - 1)).astype(np.int32),
            held.count,
            held.mass,
            held.best,
            held.sample,
        )

    def _sum_up(self) -> None:
        if self._waiting:
            columns = [np.concatenate(column) for column in zip(*self._pending, strict=True)]
            self._pending, self._waiting = [], 0
            self._hold(_Sums.of(*columns))

    def _hold(self, new: "_Sums") -> None:
        before = len(self._held.key)
        if self._given_away:
            self._held, self._given_away = self._held.copy(), False
        self._held = self._held.with_(new)
        self._budget.grow(len(self._held.key) - before)


@dataclass(frozen=True, eq=False, slots=True)
class _Sums:
    """Sums by key, each key once, in order; columns of equal length as in `Counts`."""

    key: _Whole
    count: _Whole
    mass: _Real
    best: _Real
    sample: _Whole

    @classmethod
    def none(cls) -> Self:
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return cls(whole, whole, real, real, whole)

    @classmethod
    def of(cls, key: _Whole, activation: _Real, sample: _Whole) -> Self:
        """Sums of activations, at least one."""
        order = np.argsort(key)
        key, activation = key[order], activation[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        count = np.diff(starts, append=len(key))
        best = np.maximum.reduceat(activation, starts)
        # Mostly one activation of a key is the strongest: only those are looked at for samples.
        tops = np.flatnonzero(activation == np.repeat(best, count))
        sample = sample[order[tops]]
        if len(tops) > len(starts):
            sample = np.minimum.reduceat(sample, np.searchsorted(tops, starts))
        return cls(key[starts], count, np.add.reduceat(activation, starts), best, sample)

    def copy(self) -> "_Sums":
        return _Sums(
            self.key.copy(), self.count.copy(), self.mass.copy(), self.best.copy(),
            self.sample.copy(),
        )  # fmt: skip

    def with_(self, new: "_Sums") -> "_Sums":
        """Both; the arrays of this one are changed, or used no more."""
        at = np.searchsorted(self.key, new.key)
        known = np.zeros(len(at), np.bool_)
        inside = at < len(self.key)
        known[inside] = self.key[at[inside]] == new.key[inside]
        here = at[known]
        self.count[here] += new.count[known]
        self.mass[here] += new.mass[known]
        best, sample = new.best[known], new.sample[known]
        better = best > self.best[here]
        better |= (best == self.best[here]) & (sample < self.sample[here])
        self.best[here[better]] = best[better]
        self.sample[here[better]] = sample[better]
        if known.all():
            return self
        size = len(self.key) + len(at) - len(here)
        places = at[~known] + np.arange(len(at) - len(here))
        old = np.ones(size, np.bool_)
        old[places] = False

        def both(ours: NDArray[T], theirs: NDArray[T]) -> NDArray[T]:
            column = np.empty(size, ours.dtype)
            column[old] = ours
            column[places] = theirs[~known]
            return column

        return _Sums(
            both(self.key, new.key),
            both(self.count, new.count),
            both(self.mass, new.mass),
            both(self.best, new.best),
            both(self.sample, new.sample),
        )
