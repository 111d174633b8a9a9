"""What one model showed on one file of texts: activations by neuron and feature."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.rule import Rule
from inspect_core.capture.output import Site


@dataclass(frozen=True, eq=False, slots=True)
class Features:
    """Features of one kind, numbered.

    Attributes:
        kind: `word`, or the name of a label column; foreign.
        names: one a feature; foreign.
        tags: one a feature: a word with another tag is another feature; None without tags.
        occurrences: int64 `(features,)`, how often each occurred, whatever it activated. A label
            occurs once a word.
    """

    kind: str
    names: tuple[str, ...]
    tags: tuple[str, ...] | None
    occurrences: NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Counts:
    """Activations of the neurons of one site by feature: sums that merge.

    One entry for each neuron and feature that met, sorted by neuron, then feature.

    Attributes:
        units: how many neurons the site has, dead ones too.
        unit: int32 `(entries,)`.
        feature: int32 `(entries,)`, an index of `Features.names`.
        count: int64 `(entries,)`, activations.
        mass: float64 `(entries,)`, sum of the activations.
        best: float64 `(entries,)`, the strongest activation; with signs, the largest value.
        sample: int64 `(entries,)`, the number of the text that it came from; the first one
            where several are equal; -1 where texts are not known.
    """

    units: int
    unit: NDArray[np.int32]
    feature: NDArray[np.int32]
    count: NDArray[np.int64]
    mass: NDArray[np.float64]
    best: NDArray[np.float64]
    sample: NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class SiteCounts:
    """Activations of one site.

    Attributes:
        site: where.
        words: by word (and tag).
        labels: by value of each label column, in their order.
    """

    site: Site
    words: Counts
    labels: tuple[Counts, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Stage:
    """One model on one file of texts.

    Attributes:
        title: of the model, and of the texts where stages differ in them; safe to show.
        rule: what counted as an activation.
        words: the features of `SiteCounts.words`.
        labels: the features of `SiteCounts.labels`.
        sites: in the order of the model.
        samples: texts read.
        tokens: of all texts, without special ones.
        notes: what is good to know: texts cut, modules left out; safe.
        tokenizer: fingerprint of what made tokens of the texts; `""` where it is not known.
    """

    title: str
    rule: Rule
    words: Features
    labels: tuple[Features, ...]
    sites: tuple[SiteCounts, ...]
    samples: int
    tokens: int
    notes: tuple[str, ...] = ()
    tokenizer: str = ""

    def __repr__(self) -> str:
        sites = f"{len(self.sites):,} site{'' if len(self.sites) == 1 else 's'}"
        return f"<Stage {self.title!r}: {self.samples:,} texts, {sites}>"
