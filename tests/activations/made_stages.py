"""Stages that are written down in a test: which word activated which neuron, how often."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from inspect_core.activations.rule import Rule
from inspect_core.activations.stage import Counts, Features, SiteCounts, Stage
from inspect_core.capture.output import Site

Entry = tuple[int, str, float]
"""A neuron, a feature (`word` or `word/TAG`), and the mass that it makes in one activation."""


def made_counts(entries: Iterable[Entry], names: Sequence[str], units: int) -> Counts:
    """Counts of single activations; several of one neuron and feature add up."""
    sums: dict[tuple[int, int], list[float]] = {}
    for unit, name, mass in entries:
        sums.setdefault((unit, names.index(name)), []).append(mass)
    keys = sorted(sums)
    return Counts(
        units,
        np.array([unit for unit, _ in keys], np.int32),
        np.array([feature for _, feature in keys], np.int32),
        np.array([len(sums[key]) for key in keys], np.int64),
        np.array([sum(sums[key]) for key in keys], np.float64),
        np.array([max(sums[key]) for key in keys], np.float64),
        np.array([feature + 100 for _, feature in keys], np.int64),
    )


def made_stage(
    sites: Mapping[str, Sequence[Entry]],
    units: int = 4,
    title: str = "model",
    names: Sequence[str] | None = None,
    labels: Mapping[str, Mapping[str, Sequence[Entry]]] | None = None,
    **more: object,
) -> Stage:
    """A stage of some sites.

    Args:
        sites: what activated their neurons; words are tagged where one of them has a `/`.
        units: neurons of each site.
        title: of the stage.
        names: the words in the order of their numbers; as they are met where None.
        labels: for each column, by site, what activated its neurons.
        more: fields of `Stage`.
    """
    met = [name for entries in sites.values() for _, name, _ in entries]
    known = list(names) if names is not None else list(dict.fromkeys(met))
    tagged = any("/" in name for name in known)
    parts = [name.partition("/") for name in known]
    columns = labels or {}
    values = {
        kind: list(dict.fromkeys(name for entries in own.values() for _, name, _ in entries))
        for kind, own in columns.items()
    }
    return Stage(
        title=title,
        rule=more.pop("rule", Rule()),  # type: ignore[arg-type]
        words=Features(
            "word",
            tuple(word for word, _, _ in parts),
            tuple(tag for _, _, tag in parts) if tagged else None,
            np.array([max(met.count(name), 1) for name in known], np.int64),
        ),
        labels=tuple(
            Features(kind, tuple(own), None, np.ones(len(own), np.int64))
            for kind, own in values.items()
        ),
        sites=tuple(
            SiteCounts(
                Site(path),
                made_counts(entries, known, units),
                tuple(made_counts(columns[kind][path], values[kind], units) for kind in columns),
            )
            for path, entries in sites.items()
        ),
        samples=10,
        tokens=len(met),
        **more,  # type: ignore[arg-type]
    )
