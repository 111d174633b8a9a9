"""How often each entry of a step hits, layer by layer, and what it may have meant."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from inspect_core.plan.hints import Hints
from inspect_core.plan.outline import NOWHERE, Outline
from inspect_core.plan.preview import EntryKind, Hits

MOST_SUGGESTIONS = 20
"""Entries of a plan that a name is suggested for: looking for one takes milliseconds."""


class Counts:
    """Hits of the entries of one step.

    Args:
        outline: the listing.
        entries: how many there are.
    """

    def __init__(self, outline: Outline, entries: int) -> None:
        self.outline = outline
        self.hits = [0] * entries
        self.by_layer: dict[tuple[int, int], int] = {}
        self.refused: dict[int, list[tuple[str, str]]] = {}

    def add(self, entries: Iterable[int], module: int) -> None:
        """Count a hit in a module for some entries."""
        layer = self.outline.layer[module]
        for entry in entries:
            self.hits[entry] += 1
            if layer != NOWHERE:
                key = (entry, layer)
                self.by_layer[key] = self.by_layer.get(key, 0) + 1

    def refuse(self, entries: Iterable[int], path: str, why: str) -> None:
        """Note that entries hit a module that the method cannot be put on."""
        for entry in entries:
            self.refused.setdefault(entry, []).append((path, why))


def hits_of(counts: Counts, step: int, texts: Sequence[str], kind: EntryKind) -> Iterator[Hits]:
    """What the entries of a step found, in their order.

    Args:
        counts: what was counted.
        step: the step's number.
        texts: the entries as typed.
        kind: what they are.
    """
    lists: dict[str, set[int]] = {}
    for path, number in counts.outline.layers:
        lists.setdefault(path, set()).add(number)
    found: dict[int, dict[str, dict[int, int]]] = {}
    for (entry, layer), times in counts.by_layer.items():
        path, number = counts.outline.layers[layer]
        found.setdefault(entry, {}).setdefault(path, {})[number] = times
    for entry, text in enumerate(texts):
        hit: set[int] = set()
        missed: set[int] = set()
        uneven = False
        for path, numbers in found.get(entry, {}).items():
            hit |= numbers.keys()
            missed |= lists[path] - numbers.keys()
            uneven = uneven or len(set(numbers.values())) > 1
        yield Hits(
            step, text, counts.hits[entry], tuple(sorted(hit)), tuple(sorted(missed)), uneven,
            refused=tuple(counts.refused.get(entry, ())), kind=kind,
        )  # fmt: skip


def with_suggestions(
    outline: Outline, hits: Sequence[Hits], hosts: Callable[[], Iterable[str]]
) -> list[Hits]:
    """The hits, with a name that may have been meant where an entry hits nothing.

    Args:
        outline: the listing.
        hits: of all entries.
        hosts: gives the paths of modules that an adapter can be put on.
    """
    suggest, left = Hints(outline, hosts), MOST_SUGGESTIONS
    found = []
    for entry in hits:
        meant = ""
        if left and not entry.count and not entry.refused:
            left -= 1
            meant = suggest(entry.entry, listed=entry.kind == "target")
        found.append(replace(entry, suggestion=meant) if meant else entry)
    return found
