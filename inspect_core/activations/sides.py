"""Two stages side by side: one numbering of their features, and which sites answer each other."""

from dataclasses import dataclass

from inspect_core.activations.distributions import Numbering
from inspect_core.activations.stage import SiteCounts, Stage
from inspect_core.text import clean

_NAMED = 3
"""How many sites a note names."""


@dataclass(frozen=True, slots=True)
class LabelPair:
    """A label column of both stages.

    Attributes:
        name: of the column; foreign.
        before: which of `Stage.labels` it is.
        after: the same in the other stage.
        numbers: of its values.
    """

    name: str
    before: int
    after: int
    numbers: Numbering


@dataclass(frozen=True, eq=False, slots=True)
class Sides:
    """Two stages whose features and sites are matched.

    Attributes:
        before: the reference.
        after: the model.
        words: by name alone, whatever the tags.
        tags: None where a stage has none.
        labels: columns of both, in the order of `after`.
        sites: pairs in the order of `after`.
        notes: what could not be matched; safe.
    """

    before: Stage
    after: Stage
    words: Numbering
    tags: Numbering | None
    labels: tuple[LabelPair, ...]
    sites: tuple[tuple[SiteCounts, SiteCounts], ...]
    notes: tuple[str, ...]


def matched(before: Stage, after: Stage) -> Sides:
    """Put two stages side by side."""
    tags = None
    if before.words.tags is not None and after.words.tags is not None:
        tags = Numbering.of(before.words.tags, after.words.tags)
    sites, notes = match_sites(before, after)
    return Sides(
        before,
        after,
        Numbering.of(before.words.names, after.words.names),
        tags,
        _labels(before, after),
        sites,
        (*_feature_notes(before, after), *notes),
    )


def match_sites(
    before: Stage, after: Stage
) -> tuple[tuple[tuple[SiteCounts, SiteCounts], ...], tuple[str, ...]]:
    """Which sites of two stages are the same place.

    Those of equal names; of the rest, those where one name is the other with a prefix
    (`bert.encoder.layer.0` and `encoder.layer.0`), if only one is.

    Returns:
        Pairs in the order of `after`, and notes about sites without a partner; safe.
    """
    free = {site.site.name: site for site in before.sites}
    partners: dict[str, SiteCounts] = {}
    for site in after.sites:
        if site.site.name in free:
            partners[site.site.name] = free.pop(site.site.name)
    ends = _by_end(free)
    for site in after.sites:
        name = site.site.name
        if name in partners:
            continue
        longer = {other for other in ends.get(name, ()) if other in free}
        found = longer | {end for end in _ends(name) if end in free}
        if len(found) == 1:
            partners[name] = free.pop(found.pop())
    pairs = tuple(
        [(partners[site.site.name], site) for site in after.sites if site.site.name in partners]
    )
    left = [site.site.name for site in after.sites if site.site.name not in partners]
    return pairs, (
        *_missing(left, "only after", after.title),
        *_missing(list(free), "only before", before.title),
    )


def _ends(name: str) -> list[str]:
    """A name and what is left of it without its first components, one after the other."""
    parts = name.split(".")[:_DEEPEST]
    cut = 0
    ends = [name]
    for part in parts[:-1]:
        cut += len(part) + 1
        ends.append(name[cut:])
    return ends


_DEEPEST = 64
"""Components of a foreign name that are looked at."""


def _by_end(names: dict[str, SiteCounts]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        for end in _ends(name):
            found.setdefault(end, []).append(name)
    return found


def _missing(names: list[str], where: str, title: str) -> tuple[str, ...]:
    if not names:
        return ()
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    named = ", ".join([clean(name, 60) for name in names[:_NAMED]])
    return (f"{where} ({title}), not compared: {named}{more}",)


def _labels(before: Stage, after: Stage) -> tuple[LabelPair, ...]:
    known: dict[str, int] = {}
    for at, column in enumerate(before.labels):
        known.setdefault(column.kind, at)
    pairs = []
    for at, column in enumerate(after.labels):
        other = known.pop(column.kind, None)
        if other is not None:
            numbers = Numbering.of(before.labels[other].names, column.names)
            pairs.append(LabelPair(column.kind, other, at, numbers))
    return tuple(pairs)


def tokenizer_notes(before: Stage, after: Stage) -> tuple[str, ...]:
    """A note where two stages read other tokens of the same text; safe."""
    known = {before.tokenizer, after.tokenizer} - {""}
    if len(known) < 2:
        return ()
    return (
        f"the tokenizers differ: {before.title} and {after.title} may read other words and tokens "
        "in the same text; --tokenizer gives both the same one",
    )


def _feature_notes(before: Stage, after: Stage) -> tuple[str, ...]:
    notes = [*tokenizer_notes(before, after)]
    if (before.words.tags is None) != (after.words.tags is None):
        tagged = before if after.words.tags is None else after
        notes.append(f"tags are not compared: only {tagged.title} has them")
    kinds = {column.kind for column in before.labels}, {column.kind for column in after.labels}
    notes += [
        f"label column {clean(kind, 60)} is not compared: only one side has it"
        for kind in sorted(kinds[0] ^ kinds[1])
    ]
    if before.rule.words != after.rule.words:
        notes.append(
            f"the sides count differently: {before.rule.words} before, {after.rule.words} after"
        )
    elif before.rule.lower != after.rule.lower:
        notes.append("only one side tells words apart that differ in case alone")
    return tuple(notes)
