"""One neuron in depth: its strongest words, and the tags and labels that it listens to."""

import numpy as np

from inspect_core.activations.distributions import Distributions, distributions
from inspect_core.activations.neurons import NeuronDetail, Share, Strong
from inspect_core.activations.shares import neuron_shares
from inspect_core.activations.sides import Sides, matched
from inspect_core.activations.stage import Counts, Features, SiteCounts, Stage
from inspect_core.errors import UsageError

STRONGEST_WORDS = 20
"""How many words of each side are listed."""


def neuron_detail(
    before: Stage | None, after: Stage, site: str, unit: int, most: int = STRONGEST_WORDS
) -> NeuronDetail:
    """What one neuron listens to, before and after.

    A word with another tag is another word here. Sentences are left empty: `Strong.sample` says
    which text holds each.

    Args:
        before: the reference; None for one stage on its own, which then stands on both sides.
        after: the model.
        site: the name of the site, as after has it (`NeuronTable.site`).
        unit: the number of the neuron.
        most: words of each side; all where it is 0.

    Raises:
        UsageError: there is no such site on both sides, or no such neuron.
    """
    sides = matched(after if before is None else before, after)
    pair = _pair(sides, site)
    units = max(pair[0].words.units, pair[1].words.units)
    if not 0 <= unit < units:
        raise UsageError(
            f"has no neuron {unit}", where=site, hint=f"its neurons are 0 to {units - 1}"
        )
    counts = of_unit(pair[0].words, unit), of_unit(pair[1].words, unit)
    tags: tuple[Share, ...] = ()
    if sides.tags is not None:
        numbers = sides.tags
        tagged = _in_one(counts, numbers.before, numbers.after, len(numbers.names))
        tags = neuron_shares(numbers.names, tagged)
    labels = []
    for column in sides.labels:
        own = pair[0].labels[column.before], pair[1].labels[column.after]
        found = of_unit(own[0], unit), of_unit(own[1], unit)
        names = column.numbers.names
        labelled = _in_one(found, column.numbers.before, column.numbers.after, len(names))
        labels.append((column.name, neuron_shares(names, labelled)))
    words = (
        strongest_words(counts[0], sides.before.words, most),
        strongest_words(counts[1], sides.after.words, most),
    )
    return NeuronDetail(pair[1].site.name, unit, words, tags, tuple(labels))


def of_unit(counts: Counts, unit: int) -> Counts:
    """The entries of one neuron, as if the site had no other."""
    start, stop = np.searchsorted(counts.unit, [unit, unit + 1])
    part = slice(int(start), int(stop))
    return Counts(
        1,
        np.zeros(part.stop - part.start, np.int32),
        counts.feature[part],
        counts.count[part],
        counts.mass[part],
        counts.best[part],
        counts.sample[part],
    )


def strongest_words(counts: Counts, features: Features, most: int) -> tuple[Strong, ...]:
    """The words of most activation mass of one neuron, equal ones as they first occurred.

    Args:
        counts: of that neuron alone.
        features: what they count.
        most: how many; all where it is 0.
    """
    positive = np.maximum(counts.mass, 0.0)
    total = positive.sum()
    order = np.argsort(-counts.mass, kind="stable")[: most or None]
    found = []
    for at in order.tolist():
        feature = int(counts.feature[at])
        count, mass = int(counts.count[at]), float(counts.mass[at])
        found.append(
            Strong(
                word=features.names[feature],
                tag="" if features.tags is None else features.tags[feature],
                count=count,
                mean=mass / max(count, 1),
                share=float(positive[at] / total) if total > 0 else 0.0,
                best=float(counts.best[at]),
                sample=int(counts.sample[at]),
            )
        )
    return tuple(found)


def _pair(sides: Sides, site: str) -> tuple[SiteCounts, SiteCounts]:
    for pair in sides.sites:
        if pair[1].site.name == site:
            return pair
    raise UsageError(
        "is not a module that both sides have",
        where=site,
        hint="choose one of those that are listed",
    )


def _in_one(
    counts: tuple[Counts, Counts],
    before: np.ndarray[tuple[int], np.dtype[np.int64]],
    after: np.ndarray[tuple[int], np.dtype[np.int64]],
    total: int,
) -> tuple[Distributions, Distributions]:
    return (distributions(counts[0], before, total), distributions(counts[1], after, total))
