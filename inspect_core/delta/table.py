"""Summaries of all tensors as columns, merged over any set of tensors at once.

A row is one tensor, by its ordinal in the tree. A module, a fold or the whole model is a
run of rows, and its summary is their sum: the change column and every overview come from here.
"""

import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from inspect_core.control import Control
from inspect_core.delta.collect import EVERYTHING, NOTHING, Collect
from inspect_core.delta.compare import Comparer
from inspect_core.delta.histogram import Run, trimmed
from inspect_core.delta.summary import COUNTS, SUMS, Summary
from inspect_core.delta.table_parts import PartRows, TableParts
from inspect_core.delta.values import Readable
from inspect_core.pairing import Pair

INDEX_DTYPES = frozenset({"I64", "U64", "BOOL"})
"""Dtypes of indices and masks; quantised weights come in narrower integers."""

PART_SECONDS = 0.1
"""How often a sweep sends what it has."""

_SQ_D, _SQ_REFERENCE = SUMS.index("sq_d"), SUMS.index("sq_reference")
MOST_ROWS = 2000
"""Rows of one part: whoever takes it in should not notice."""

NO_PARTS = PartRows()
_COUNTS_OF, _SUMS_OF = attrgetter(*COUNTS), attrgetter(*SUMS)
_CHANGED, _LEFT_OUT = COUNTS.index("changed"), COUNTS.index("left_out")
_BEYOND, _ACROSS = COUNTS.index("beyond"), COUNTS.index("across")
_DOT, _RESIDUAL, _MAX = SUMS.index("dot"), SUMS.index("residual"), SUMS.index("max_abs")


@dataclass(frozen=True, slots=True)
class SummaryRows:
    """Rows of a table on their way.

    Attributes:
        counts: int64 `(n, len(COUNTS))`.
        sums: float64 `(n, len(SUMS))`.
        apart: bool `(n,)`: indices and masks, whose sizes would drown those of the weights.
        parts: what only some sweeps collect.
    """

    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    apart: NDArray[np.bool_]
    parts: PartRows = NO_PARTS

    @classmethod
    def of(
        cls, summaries: Sequence[Summary], apart: Sequence[bool] = (), runs: Sequence[Run] = ()
    ) -> "SummaryRows":
        """The rows of a list of summaries, with the optional parts that all of them have.

        Args:
            summaries: one a tensor.
            apart: see the class.
            runs: their histograms, trimmed, where they themselves hold none any more.
        """
        return cls(
            np.array(list(map(_COUNTS_OF, summaries)), np.int64).reshape(-1, len(COUNTS)),
            np.array(list(map(_SUMS_OF, summaries)), np.float64).reshape(-1, len(SUMS)),
            np.array(apart or [False] * len(summaries), np.bool_),
            PartRows.of(summaries, runs),
        )


class SummaryTable:
    """Summaries by ordinal; a row of zeros is a tensor that was not compared.

    Rows are in tree order, so a module is a slice, and merging one is a sum over a slice.

    Args:
        tensors: number of tensors.
    """

    def __init__(self, tensors: int) -> None:
        # One contiguous line a field: a module's sum then runs over memory in order.
        self.counts = np.zeros((len(COUNTS), tensors), np.int64)
        self.sums = np.zeros((len(SUMS), tensors), np.float64)
        self.seen = np.zeros(tensors, np.bool_)
        self.apart = np.zeros(tensors, np.bool_)
        self._parts = TableParts(tensors)

    def put(self, ordinals: NDArray[np.int64], rows: SummaryRows) -> None:
        """Take in the rows of some tensors."""
        for field, values in zip(self.counts, rows.counts.T, strict=True):
            field[ordinals] = values
        for line, sums in zip(self.sums, rows.sums.T, strict=True):
            line[ordinals] = sums
        self.seen[ordinals] = True
        self.apart[ordinals] = rows.apart
        self._parts.put(ordinals, rows.parts)

    def reordered(self, old_ordinals: NDArray[np.int64]) -> "SummaryTable":
        """The same rows in another order: row i is the one that was at `old_ordinals[i]`."""
        table = SummaryTable(0)
        table.counts = np.ascontiguousarray(self.counts[:, old_ordinals])
        table.sums = np.ascontiguousarray(self.sums[:, old_ordinals])
        table.seen = self.seen[old_ordinals]
        table.apart = self.apart[old_ordinals]
        table._parts = self._parts.reordered(old_ordinals)
        return table

    def taken(self, ordinals: NDArray[np.int64]) -> SummaryRows:
        """The rows of some tensors on their way to elsewhere."""
        return SummaryRows(
            np.ascontiguousarray(self.counts[:, ordinals].T),
            np.ascontiguousarray(self.sums[:, ordinals].T),
            self.apart[ordinals],
            self._parts.taken(ordinals),
        )

    def row(self, ordinal: int) -> Summary | None:
        """The summary of one tensor; None if it was not compared."""
        if not self.seen[ordinal]:
            return None
        counts, at = self.counts[:, ordinal], np.array([ordinal])
        histogram = self._parts.histogram(at, int(counts[0]))
        return Summary.of(counts, self.sums[:, ordinal], histogram, self._parts.rows(at))

    def summary(self, runs: "Runs | Place", needs: Collect = EVERYTHING) -> Summary:
        """The merged summary of some tensors.

        Indices and masks (`SummaryRows.apart`) are left out unless there is nothing else: the
        position ids 0 .. 511 of a BERT outweigh all its weights.

        Args:
            runs: which tensors.
            needs: which optional parts to merge, where they were collected: the histograms of
                20,000 tensors take some hundredths of a second.
        """
        where = place(runs)
        if isinstance(where, slice):
            counts, parts, apart = self.counts[:, where], self.sums[:, where], self.apart[where]
        else:  # `take` keeps each field in one line of memory: three times as fast as an index
            counts = self.counts.take(where, axis=1, mode="clip")
            parts, apart = self.sums.take(where, axis=1, mode="clip"), self.apart[where]
        if apart.any() and not apart.all():
            counts, parts = counts[:, ~apart], parts[:, ~apart]
        if not parts.shape[1]:
            return Summary()
        with np.errstate(all="ignore"):  # a sum that overflows is infinite, and said to be n/a
            sums = parts.sum(axis=1)
            sums[_MAX] = parts[_MAX].max()
            sums[_RESIDUAL] += _between(parts, sums)
        total = counts.sum(axis=1)
        histogram = rows = None
        if needs:
            ordinals = self._taken(where)
            if needs.histogram:
                histogram = self._parts.histogram(ordinals, int(total[0]))
            if needs.rows:
                rows = self._parts.rows(ordinals)
        return Summary.of(total, sums, histogram, rows)

    def _taken(self, where: "Place") -> NDArray[np.int64]:
        """The ordinals that were compared, without those set apart unless there are no others."""
        at = np.arange(len(self.seen))[where]
        at = at[self.seen[at]]
        weights = at[~self.apart[at]]
        return weights if len(weights) else at

    def changed_in(self, runs: "Runs | Place") -> int:
        """How many values changed in some tensors, indices and masks included."""
        return int(self.counts[_CHANGED, place(runs)].sum())

    def rounded_in(self, runs: "Runs | Place") -> bool:
        """Whether rounding to a narrower dtype explains all of those changes."""
        where = place(runs)
        return not self.counts[_BEYOND, where].any() and bool(self.counts[_ACROSS, where].any())

    def nonfinite_in(self, runs: "Runs | Place") -> int:
        """How many positions of some tensors were left out because they are not finite."""
        return int(self.counts[_LEFT_OUT, place(runs)].sum())

    def seen_in(self, runs: "Runs | Place") -> int:
        """How many of some tensors were compared."""
        return int(np.count_nonzero(self.seen[place(runs)]))


Runs = Sequence[tuple[int, int]]
"""Half-open runs of ordinals."""

Place = slice | NDArray[np.int64]
"""The same, ready to index with: worth keeping where there are many runs."""


def place(runs: Runs | Place) -> Place:
    """Runs of ordinals as an index into the columns of a table."""
    if isinstance(runs, slice | np.ndarray):
        return runs
    if len(runs) == 1:
        return slice(*runs[0])
    bounds = np.array(runs, np.int64).reshape(-1, 2)
    lengths = bounds[:, 1] - bounds[:, 0]
    before = np.cumsum(lengths) - lengths
    return np.repeat(bounds[:, 0] - before, lengths) + np.arange(lengths.sum())


def _between(parts: NDArray[np.float64], sums: NDArray[np.float64]) -> float:
    """What the tensors' different slopes add to the residual about the common slope."""
    square = parts[_SQ_REFERENCE]
    if sums[_SQ_REFERENCE] <= 0.0:
        return 0.0
    slope: NDArray[np.float64] = np.divide(
        parts[_DOT], square, out=np.zeros_like(square), where=square > 0.0
    )
    gap = slope - sums[_DOT] / sums[_SQ_REFERENCE]
    return float((square * gap * gap).sum())


def sweep_parts(
    comparer: Comparer,
    model: Readable,
    reference: Readable,
    wanted: Sequence[tuple[int, Pair]],
    control: Control,
    collect: Collect = NOTHING,
) -> Iterator[tuple["array[int]", SummaryRows]]:
    """Compare pairs, numbered as in the listing; yield rows several times a second.

    Raises:
        Cancelled: `control` was cancelled.
        CheckpointError: a file cannot be read.
    """
    tensors, held, apart, runs = array("q"), list[Summary](), list[bool](), list[Run]()
    last = time.monotonic()
    pairs = [pair for _, pair in wanted]
    for number, summary in comparer.summaries(model, reference, pairs, control, collect):
        tensors.append(wanted[number][0])
        held.append(summary.without_histogram())
        if summary.histogram is not None:  # sixteen kilobytes, mostly zeros
            runs.append(trimmed(summary.histogram))
        apart.append(pairs[number].model.dtype in INDEX_DTYPES)
        if time.monotonic() - last > PART_SECONDS or len(held) >= MOST_ROWS:
            yield tensors, SummaryRows.of(held, apart, runs)
            tensors, held, apart, runs, last = array("q"), [], [], [], time.monotonic()
    if held:
        yield tensors, SummaryRows.of(held, apart, runs)
