"""Three stages and more in one table: pretrained, early, late; or one model on several texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.distributions import (
    Distributions,
    activations,
    distributions,
    number,
    strongest,
    sums,
)
from inspect_core.activations.hellinger import distances
from inspect_core.activations.movement import Movement, movement
from inspect_core.activations.sides import match_sites, tokenizer_notes
from inspect_core.activations.stage import Counts, Stage
from inspect_core.errors import UsageError


@dataclass(frozen=True, eq=False, slots=True)
class SeveralSite:
    """One site in all stages.

    Attributes:
        site: its name, as the last stage has it; foreign.
        distance: float64 `(pairs, units)`, Hellinger distance by words of each of
            `SeveralReport.pairs`; NaN where a stage has no positive activation mass.
        length: int64 `(stages, units)`, words of each stage.
        count: int64 `(stages, units)`, activations.
        mass: float64 `(stages, units)`, sums of activations.
        top_word: for each stage the strongest word of each neuron, by mass; `""` without; foreign.
        moved: for each pair.
    """

    site: str
    distance: NDArray[np.float64]
    length: NDArray[np.int64]
    count: NDArray[np.int64]
    mass: NDArray[np.float64]
    top_word: tuple[tuple[str, ...], ...]
    moved: tuple[Movement, ...]


@dataclass(frozen=True, eq=False, slots=True)
class SeveralReport:
    """Stages in their order.

    Attributes:
        titles: of the stages; safe.
        rule: what counted as an activation in the last one, for people.
        pairs: which stages are compared, by index: the first with each later one, then
            neighbours that are not among them.
        sites: those of all stages, in the order of the last one.
        samples: texts read, of each stage.
        tokens: of each stage.
        notes: of all stages; safe.
    """

    titles: tuple[str, ...]
    rule: str
    pairs: tuple[tuple[int, int], ...]
    sites: tuple[SeveralSite, ...]
    samples: tuple[int, ...]
    tokens: tuple[int, ...]
    notes: tuple[str, ...] = ()


def compare_several(stages: Sequence[Stage]) -> SeveralReport:
    """Compare each stage with the first, and with the one before it.

    Args:
        stages: two or more, in their order.

    Raises:
        UsageError: there are fewer than two, or no site is in all of them.
    """
    if len(stages) < 2:
        raise UsageError("one stage has nothing to be compared with", hint="give two or more")
    last = stages[-1]
    found = [match_sites(stage, last) for stage in stages[:-1]]
    partners = [{pair[1].site.name: pair[0].words for pair in pairs} for pairs, _ in found]
    partners.append({site.site.name: site.words for site in last.sites})
    sites = [
        site.site.name
        for site in last.sites
        if all(site.site.name in partner for partner in partners)
    ]
    if not sites:
        raise UsageError(
            "no module is in all stages",
            where=last.title,
            hint="choose modules that all of them have",
        )
    pairs = stage_pairs(len(stages))
    names, numbers = number([stage.words.names for stage in stages])
    return SeveralReport(
        titles=tuple([stage.title for stage in stages]),
        rule=last.rule.words,
        pairs=pairs,
        sites=tuple(
            [_site(site, [own[site] for own in partners], numbers, names, pairs) for site in sites]
        ),
        samples=tuple([stage.samples for stage in stages]),
        tokens=tuple([stage.tokens for stage in stages]),
        notes=_notes(stages, [notes for _, notes in found]),
    )


def stage_pairs(stages: int) -> tuple[tuple[int, int], ...]:
    """The first with each later one, then neighbours: (0, 1), (0, 2), (1, 2)."""
    first = [(0, later) for later in range(1, stages)]
    return (*first, *[(later - 1, later) for later in range(2, stages)])


def _site(
    name: str,
    counts: list[Counts],
    numbers: list[NDArray[np.int64]],
    names: tuple[str, ...],
    pairs: tuple[tuple[int, int], ...],
) -> SeveralSite:
    units = max(own.units for own in counts)
    stages = [
        distributions(own, common, len(names), units)
        for own, common in zip(counts, numbers, strict=True)
    ]
    distance = np.stack([distances(stages[one], stages[other]) for one, other in pairs])
    count = np.stack([activations(stage) for stage in stages])
    return SeveralSite(
        site=name,
        distance=distance,
        length=np.stack([stage.lengths() for stage in stages]),
        count=count,
        mass=np.stack([sums(stage.unit, stage.mass, units) for stage in stages]),
        top_word=tuple([_top(stage, names) for stage in stages]),
        moved=tuple(
            [movement(distance[at], count[[one, other]]) for at, (one, other) in enumerate(pairs)]
        ),
    )


def _top(stage: Distributions, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([names[at] if at >= 0 else "" for at in strongest(stage).tolist()])


def _notes(stages: Sequence[Stage], sites: list[tuple[str, ...]]) -> tuple[str, ...]:
    notes = [note for stage in stages for note in stage.notes]
    notes += [note for stage in stages[:-1] for note in tokenizer_notes(stage, stages[-1])]
    notes += [note for found in sites for note in found]
    if len({stage.rule for stage in stages}) > 1:
        notes.append("the stages do not all count activations in the same way")
    return tuple(dict.fromkeys(notes))
