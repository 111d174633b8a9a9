"""What is shown of the neurons of a site: numbers by neuron, before and after."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RARE = 20
"""Fewer activations than this are too few: a distance of them is noise (see `few`)."""

DEAD, NEW, GONE, SHARED = 0, 1, 2, 3
"""Activated on neither side, only after, only before, on both."""


def few(count: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which neurons some stage activates, but fewer than `RARE` times; dead ones too.

    A stage that never activates a neuron does not count: what goes from none to many activations
    is new, and no noise.

    Args:
        count: `(stages, units)`, activations.

    Returns:
        `(units,)`.
    """
    never = np.iinfo(np.int64).max
    least = np.where(count > 0, count, never).min(axis=0)
    found: NDArray[np.bool_] = (least < RARE) | (least == never)
    return found


@dataclass(frozen=True, eq=False, slots=True)
class NeuronTable:
    """Neurons of one site in two stages; side 0 is before (the reference), 1 after (the model).

    Without a reference both sides are the same stage, and `distance` is all NaN.

    Attributes:
        site: its name, as `Site.name`.
        distance: float64 `(units,)`, Hellinger distance of the distributions of activation mass
            over words, in [0, 1]; NaN where a side has none.
        tag_distance: the same over tags; None without tags.
        label_distance: the same for each label column.
        union: int64 `(units,)`, Hellinger length: words of either side.
        length: int64 `(2, units)`, words of each side.
        tag_length: int64 `(2, units)`, tags of each side; None without tags.
        count: int64 `(2, units)`, activations.
        mass: float64 `(2, units)`, sums of activations.
        original: float64 `(units,)`, the distance as TX-Ray's code computes it.
        top_word: for each side the name of each neuron's strongest word, by mass; `""` where it
            has none; foreign.
        tag_union: int64 `(units,)`, tags of either side; None without tags.
    """

    site: str
    distance: NDArray[np.float64]
    tag_distance: NDArray[np.float64] | None
    label_distance: tuple[NDArray[np.float64], ...]
    union: NDArray[np.int64]
    length: NDArray[np.int64]
    tag_length: NDArray[np.int64] | None
    count: NDArray[np.int64]
    mass: NDArray[np.float64]
    original: NDArray[np.float64]
    top_word: tuple[tuple[str, ...], tuple[str, ...]]
    tag_union: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        return f"<NeuronTable {self.site!r}: {self.units:,} neurons>"

    @property
    def units(self) -> int:
        """How many neurons the site has."""
        return len(self.distance)

    @property
    def state(self) -> NDArray[np.int8]:
        """`DEAD`, `NEW`, `GONE` or `SHARED` for each neuron."""
        before, after = (self.count > 0).astype(np.int8)
        found: NDArray[np.int8] = before * np.int8(GONE) + after * np.int8(NEW)
        return found

    @property
    def rare(self) -> NDArray[np.bool_]:
        """Whether a neuron has fewer than `RARE` activations on a side that activates it; `few`."""
        return few(self.count)


@dataclass(frozen=True, slots=True)
class Strong:
    """A word that activates a neuron.

    Attributes:
        word: foreign.
        tag: `""` without tags; foreign.
        count: activations.
        mean: mean activation.
        share: of the neuron's mass.
        best: the strongest activation.
        sentence: the text that it came from; `""` where it is not known; foreign.
        sample: the number of that text; -1 where it is not known.
    """

    word: str
    tag: str
    count: int
    mean: float
    share: float
    best: float
    sentence: str = ""
    sample: int = -1


@dataclass(frozen=True, slots=True)
class Share:
    """A feature's share of the activation mass of a neuron, before and after.

    Attributes:
        name: of the tag or label; foreign.
        mass: share on each side, 0 to 1.
        count: activations on each side.
    """

    name: str
    mass: tuple[float, float]
    count: tuple[int, int]


@dataclass(frozen=True, slots=True)
class NeuronDetail:
    """One neuron, before and after.

    Attributes:
        site: its name.
        unit: its number.
        words: the strongest of each side, by mass.
        tags: by their mass on both sides; empty without tags.
        labels: for each label column its name and shares.
        notes: why sentences are missing; safe.
    """

    site: str
    unit: int
    words: tuple[tuple[Strong, ...], tuple[Strong, ...]]
    tags: tuple[Share, ...]
    labels: tuple[tuple[str, tuple[Share, ...]], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureShare:
    """A tag or label of the texts, against the activation mass that it makes in a site.

    Attributes:
        name: foreign.
        frequency: share of the words that have it, on each side.
        mass: share of the activation mass of all neurons, on each side.
    """

    name: str
    frequency: tuple[float, float]
    mass: tuple[float, float]


@dataclass(frozen=True, eq=False, slots=True)
class SiteReport:
    """Everything about one site that a view shows at once.

    Attributes:
        neurons: the numbers by neuron.
        tags: empty without tags; sorted by frequency before, then after.
        labels: for each label column its name and shares.
    """

    neurons: NeuronTable
    tags: tuple[FeatureShare, ...] = ()
    labels: tuple[tuple[str, tuple[FeatureShare, ...]], ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class ActivationReport:
    """Two stages, site by site.

    Attributes:
        titles: of the stages, before and after; safe. The same twice without a reference.
        rule: what counted as an activation, for people.
        sites: in the order of the model.
        samples: texts read, on each side.
        tokens: on each side.
        notes: of both stages; safe.
    """

    titles: tuple[str, str]
    rule: str
    sites: tuple[SiteReport, ...]
    samples: tuple[int, int]
    tokens: tuple[int, int]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        before, after = self.titles
        sites = f"{len(self.sites):,} site{'' if len(self.sites) == 1 else 's'}"
        return f"<ActivationReport {before!r} -> {after!r}: {sites}, {self.samples[1]:,} texts>"
