"""How often each entry of a step hits, layer by layer, and what it may have meant."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from inspect_core.plan.outline import NOWHERE, Outline
from inspect_core.plan.preview import EntryKind, Hits

MOST_SUGGESTIONS = 20
"""Entries of a plan that a name is suggested for: looking for one takes milliseconds."""

_MOST_WORDS = 2_000
_LONGEST_WORD = 60


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


def with_suggestions(outline: Outline, hits: Sequence[Hits]) -> list[Hits]:
    """The hits, with a name that may have been meant where an entry hits nothing."""
    suggest = _Suggestions(outline)
    found = []
    for entry in hits:
        missed = not entry.count and not entry.refused
        meant = suggest(entry.entry) if missed else ""
        found.append(replace(entry, suggestion=meant) if meant else entry)
    return found


class _Suggestions:
    """Names that somebody may have meant; for a few entries only.

    Args:
        outline: the listing.
    """

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._left = MOST_SUGGESTIONS
        self._words: list[str] = []

    def __call__(self, entry: str) -> str:
        """The name of a module that looks most like the end of an entry; empty without one."""
        word = entry.rpartition(".")[2]
        if not word or len(word) > _LONGEST_WORD or not self._left:
            return ""
        self._left -= 1
        if not self._words:
            self._words = self._collect()
        close = difflib.get_close_matches(word, self._words, 1)
        return close[0] if close and close[0] != entry else ""

    def _collect(self) -> list[str]:
        words: dict[str, None] = {}
        for path in self._outline.paths:
            word = path.rpartition(".")[2]
            if word and not word.isdecimal() and len(word) <= _LONGEST_WORD:
                words[word] = None
                if len(words) >= _MOST_WORDS:
                    break
        return list(words)
