"""Spaces brought to the same texts: row by row, so that they can be compared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from inspect_core.errors import UsageError
from inspect_core.geometry.representations import Representations

Key = tuple[int, int]
"""What tells a text: its digest or number, and how many texts before it have the same."""


def aligned(spaces: Sequence[Representations]) -> tuple[tuple[Representations, ...], list[str]]:
    """Spaces of the same texts in the same order, and notes about what was left out or assumed.

    Texts are told by their digests where all spaces have them, else by their numbers. Where a
    space does not know these, its rows are those of the first one that does, one by one. A space
    without labels takes those of another.

    Args:
        spaces: at least one.

    Raises:
        UsageError: rows cannot be those of the others, or no text is in all spaces.
    """
    known = [space for space in spaces if is_numbered(space)]
    first = known[0] if known else spaces[0]
    for space in spaces:
        if len(space.samples) != len(first.samples) and not is_numbered(space):
            raise UsageError(
                f"has {len(space.samples):,} rows, and {first.title} has {len(first.samples):,}",
                where=space.title,
                hint="give representations of the same texts in the same order",
            )
    notes = _assumed(spaces, known, first)
    numbered = [
        space if is_numbered(space)
        else replace(space, samples=first.samples, digests=first.digests)
        for space in spaces
    ]  # fmt: skip
    keys = _keys(numbered)
    common = set(keys[0]).intersection(*keys[1:])
    if not common and any(map(len, keys)):
        raise UsageError(
            "the spaces have no text in common",
            where=first.title,
            hint="give spaces of the same texts; where prompts are too long, use fewer shots",
        )
    if any(own != keys[0] for own in keys):
        wanted = _in_order(keys[0], numbered[0].samples, common)
        numbered = [_chosen(space, own, wanted) for space, own in zip(numbered, keys, strict=True)]
        most = max(map(len, keys))
        if len(common) < most:
            notes.append(
                f"{len(common):,} of {most:,} texts are in all spaces; the others are left out"
            )
    labels = next((space.labels for space in numbered if space.labels), ())
    return tuple(
        space if space.labels or not labels else replace(space, labels=labels)
        for space in numbered
    ), notes  # fmt: skip


def _assumed(
    spaces: Sequence[Representations], known: Sequence[Representations], first: Representations
) -> list[str]:
    """What nothing but the order of rows, or the numbers of texts, speaks for."""
    notes = [
        f"{space.title} does not say which texts its rows are of: they are taken to be those of "
        f"{first.title}, in order"
        for space in spaces
        if space is not first and not is_numbered(space)
    ]
    told = [space for space in known if space.digests is not None]
    if len(known) > 1 and len(told) < len(known):
        bare = [space.title for space in known if space.digests is None]
        who = f"{bare[0]} does" if len(bare) == 1 else f"{len(bare)} spaces do"
        its, they = ("its", "they are") if len(bare) == 1 else ("their", "all are")
        notes.append(
            f"{who} not say what {its} texts are, only their numbers: {they} taken to be of the "
            "same file"
        )
        _require_same(told)
    return notes


def _require_same(spaces: Sequence[Representations]) -> None:
    """Refuse texts that have the same numbers and are others."""
    known: dict[int, int] = {}
    for space in spaces:
        assert space.digests is not None
        for number, digest in zip(space.samples.tolist(), space.digests.tolist(), strict=True):
            if known.setdefault(number, digest) != digest:
                raise UsageError(
                    "is of other texts than the spaces before it, under the same numbers",
                    where=space.title,
                    hint="give spaces of one file of texts",
                )


def _keys(spaces: Sequence[Representations]) -> list[list[Key]]:
    by_digest = all(space.digests is not None for space in spaces)
    found = []
    for space in spaces:
        ids = space.digests if by_digest and space.digests is not None else space.samples
        before: Counter[int] = Counter()
        keys: list[Key] = []
        bare = not by_digest and not is_numbered(space)
        for row, one in enumerate(ids.tolist()):
            keys.append((row, 0) if bare else (one, before[one]))
            before[one] += 1
        found.append(keys)
    return found


def _in_order(keys: list[Key], samples: NDArray[np.int64], common: set[Key]) -> list[Key]:
    """The texts in all spaces, in the order of their numbers in the first one."""
    return [keys[row] for row in np.argsort(samples, kind="stable").tolist() if keys[row] in common]


def is_numbered(space: Representations) -> bool:
    """Whether the numbers of all its texts are known."""
    return bool((space.samples >= 0).all())


def _chosen(space: Representations, keys: list[Key], wanted: list[Key]) -> Representations:
    if keys == wanted:
        return space
    place = {key: row for row, key in enumerate(keys)}
    rows = np.array([place[key] for key in wanted], np.int64)
    labels = tuple(
        (column, tuple(found[row] for row in rows.tolist())) for column, found in space.labels
    )
    return replace(
        space,
        samples=space.samples[rows],
        labels=labels,
        values=_Rows(space.values, rows),
        digests=None if space.digests is None else space.digests[rows],
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Rows(Sequence[NDArray[np.floating]]):
    """Some rows of every layer, taken when they are asked for: a layer may lie in a file."""

    values: Sequence[NDArray[np.floating]]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, at: int) -> NDArray[np.floating]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[NDArray[np.floating]]: ...
    def __getitem__(self, at: int | slice) -> NDArray[np.floating] | Sequence[NDArray[np.floating]]:
        if isinstance(at, slice):
            return _Rows(self.values[at], self.rows)
        return self.values[at][self.rows]
