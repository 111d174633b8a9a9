"""Two stages compared: which neurons listen to something else now."""

import numpy as np

from inspect_core.activations.detail import neuron_detail
from inspect_core.activations.distributions import (
    Distributions,
    Numbering,
    activations,
    distributions,
    strongest,
    sums,
)
from inspect_core.activations.hellinger import distances, overlap, unions
from inspect_core.activations.neurons import (
    ActivationReport,
    FeatureShare,
    NeuronTable,
    SiteReport,
)
from inspect_core.activations.originals import original_distances
from inspect_core.activations.shares import feature_shares
from inspect_core.activations.sides import Sides, matched
from inspect_core.activations.stage import Counts, SiteCounts, Stage
from inspect_core.activations.tables import TABLE
from inspect_core.errors import UsageError

__all__ = ["both", "compare_stages", "neuron_detail"]

Both = tuple[Distributions, Distributions]


def compare_stages(before: Stage | None, after: Stage) -> ActivationReport:
    """Everything that is shown of two stages.

    Args:
        before: the reference; None for one stage on its own, which then stands on both sides,
            and no distance is defined.
        after: the model.

    Raises:
        UsageError: no site is on both sides.
    """
    sides = matched(after if before is None else before, after)
    if not sides.sites:
        raise UsageError(
            "no module is on both sides",
            where=after.title,
            hint="choose modules that the model and the reference both have",
        )
    alone = before is None
    stages = sides.before, sides.after
    own = [*sides.after.notes] if alone else [*sides.before.notes, *sides.after.notes]
    return ActivationReport(
        titles=(sides.before.title, sides.after.title),
        rule=sides.after.rule.words,
        sites=tuple([_site(sides, pair, alone) for pair in sides.sites]),
        samples=(stages[0].samples, stages[1].samples),
        tokens=(stages[0].tokens, stages[1].tokens),
        notes=tuple(dict.fromkeys([*own, *sides.notes, *_sizes(sides)])),
    )


def _site(sides: Sides, pair: tuple[SiteCounts, SiteCounts], alone: bool) -> SiteReport:
    counts = pair[0].words, pair[1].words
    words = both(counts, sides.words)
    units = words[0].units
    common = overlap(*words)
    undefined = np.full(units, np.nan)
    tag_distance, tag_length, tag_union = None, None, None
    tags: tuple[FeatureShare, ...] = ()
    if sides.tags is not None:
        tagged = both(counts, sides.tags)
        tag_distance = undefined if alone else distances(*tagged)
        tag_union = unions(*tagged)
        tag_length = np.stack([side.lengths() for side in tagged])
        tags = _tags(sides, sides.tags, tagged)
    label_distance, labels = [], []
    for column in sides.labels:
        found = pair[0].labels[column.before], pair[1].labels[column.after]
        labelled = both(found, column.numbers)
        label_distance.append(undefined if alone else distances(*labelled))
        occurrences = (
            sides.before.labels[column.before].occurrences,
            sides.after.labels[column.after].occurrences,
        )
        labels.append((column.name, feature_shares(column.numbers, occurrences, labelled)))
    table = NeuronTable(
        site=pair[1].site.name,
        distance=undefined if alone else distances(*words, common=common),
        tag_distance=tag_distance,
        label_distance=tuple(label_distance),
        union=unions(*words, common),
        length=np.stack([side.lengths() for side in words]),
        tag_length=tag_length,
        count=np.stack([activations(side) for side in words]),
        mass=np.stack([sums(side.unit, side.mass, units) for side in words]),
        original=undefined if alone else original_distances(*words, common),
        top_word=(_top(words[0], sides.words), _top(words[1], sides.words)),
        tag_union=tag_union,
    )
    return SiteReport(table, tags, tuple(labels))


def both(counts: tuple[Counts, Counts], numbers: Numbering) -> Both:
    """Both sides in one numbering, with room for the neurons of either."""
    units = max(counts[0].units, counts[1].units)
    total = len(numbers.names)
    return (
        distributions(counts[0], numbers.before, total, units),
        distributions(counts[1], numbers.after, total, units),
    )


def _tags(sides: Sides, numbers: Numbering, tagged: Both) -> tuple[FeatureShare, ...]:
    occurrences = sides.before.words.occurrences, sides.after.words.occurrences
    return feature_shares(numbers, occurrences, tagged)


def _top(side: Distributions, numbers: Numbering) -> tuple[str, ...]:
    return tuple([numbers.names[at] if at >= 0 else "" for at in strongest(side).tolist()])


def _sizes(sides: Sides) -> list[str]:
    """Notes about sites whose neurons are not as many on both sides."""
    return [
        f"{after.site.name}: {before.words.units:,} neurons before, {after.words.units:,} after;"
        " compared by their number"
        for before, after in sides.sites
        if before.words.units != after.words.units and after.site != TABLE
    ]
