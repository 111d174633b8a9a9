"""Spaces brought to the same texts: row by row, so that they can be compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from inspect_core.errors import UsageError
from inspect_core.geometry.representations import Representations


def aligned(spaces: Sequence[Representations]) -> tuple[tuple[Representations, ...], list[str]]:
    """Spaces of the same texts in the same order, and notes about what was left out.

    Texts are told by their numbers. Where a space does not know them, its rows are those of the
    others, one by one.

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
    if all(np.array_equal(space.samples, first.samples) for space in known):
        return tuple(_with_numbers(space, first) for space in spaces), []
    common = first.samples
    for space in known[1:]:
        common = np.intersect1d(common, space.samples)
    if not len(common):
        raise UsageError("the spaces have no text in common", where=first.title)
    most = max(len(space.samples) for space in spaces)
    note = f"{len(common):,} of {most:,} texts are in all spaces; the others are left out"
    found = [_chosen(_with_numbers(space, first), common) for space in spaces]
    return tuple(found), [note]


def is_numbered(space: Representations) -> bool:
    """Whether the numbers of all its texts are known."""
    return bool((space.samples >= 0).all())


def _with_numbers(space: Representations, first: Representations) -> Representations:
    """A space whose rows are those of another; it takes its numbers, and labels it has not."""
    if not is_numbered(space):
        space = replace(space, samples=first.samples)
    if not space.labels and len(space.samples) == len(first.samples):
        space = replace(space, labels=first.labels)
    return space


def _chosen(space: Representations, samples: NDArray[np.int64]) -> Representations:
    if np.array_equal(space.samples, samples):
        return space
    place = {number: row for row, number in enumerate(space.samples.tolist())}
    rows = np.array([place[number] for number in samples.tolist()], np.int64)
    labels = tuple(
        (column, tuple(found[row] for row in rows.tolist())) for column, found in space.labels
    )
    return replace(space, samples=samples, labels=labels, values=_Rows(space.values, rows))


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
