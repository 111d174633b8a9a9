"""Features get numbers as they are met: words (with a tag), and values of label columns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.stage import Features
from inspect_core.errors import LamellaError

MOST_FEATURES = 2_000_000
"""Distinct features of one kind: about 0.5 GB. All of English Wikipedia has more, no book has."""

MOST_CHARACTERS = 200_000_000
"""Of all features of one kind together."""


class Vocabulary:
    """The features of one kind, numbered in the order they are met.

    Args:
        kind: `word`, or the name of a label column; foreign.
        lower: whether features that differ in case alone are one.
        most: distinct features.
        characters: in all their names together.
    """

    def __init__(
        self,
        kind: str = "word",
        *,
        lower: bool = False,
        most: int = MOST_FEATURES,
        characters: int = MOST_CHARACTERS,
    ) -> None:
        self.kind = kind
        self._lower = lower
        self._most = most
        self._characters = characters
        # A word without a tag is its own key: no pair is made for it.
        self._numbers: dict[str | tuple[str, str], int] = {}
        self._occurrences = np.zeros(256, np.int64)
        self._tagged = False
        self._held = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, names: Sequence[str], tags: Sequence[str] | None = None) -> NDArray[np.int64]:
        """The number of each; new ones get the next. They are not counted yet.

        Args:
            names: as written.
            tags: one for each name, `""` where it has none; None without tags.

        Raises:
            LamellaError: there are too many distinct ones.
        """
        numbers = self._numbers
        before = len(numbers)
        if self._lower:
            names = [name.lower() for name in names]
        keys: Sequence[str | tuple[str, str]] = names
        if tags is not None:
            self._tagged = True
            keys = [(name, tag) if tag else name for name, tag in zip(names, tags, strict=True)]
        found = [numbers.setdefault(key, len(numbers)) for key in keys]
        if len(numbers) > before:
            named = dict(zip(found, names, strict=True))
            self._check(sum(len(name) for number, name in named.items() if number >= before))
        return np.array(found, np.int64)

    def count(self, numbers: NDArray[np.int64]) -> None:
        """Count one occurrence of each number."""
        if len(self._occurrences) < len(self._numbers):
            grown = np.zeros(2 * len(self._numbers), np.int64)
            grown[: len(self._occurrences)] = self._occurrences
            self._occurrences = grown
        np.add.at(self._occurrences, numbers, 1)

    def features(self) -> Features:
        """All of them, and how often each occurred."""
        names = tuple(key if isinstance(key, str) else key[0] for key in self._numbers)
        tags = tuple("" if isinstance(key, str) else key[1] for key in self._numbers)
        occurrences = np.zeros(len(names), np.int64)
        occurrences[: len(self._occurrences)] = self._occurrences[: len(names)]
        return Features(self.kind, names, tags if self._tagged else None, occurrences)

    def _check(self, new_characters: int) -> None:
        self._held += new_characters
        if len(self._numbers) > self._most or self._held > self._characters:
            raise LamellaError(
                f"more than {self._most:,} distinct values or {self._characters:,} characters "
                f"of them: too many to hold",
                where=self.kind,
                hint="take fewer texts; or the text column is not one of natural language",
            )
