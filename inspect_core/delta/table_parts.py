"""The parts of a table of summaries that only some sweeps collect: sizes of |d|, and rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.histogram import Histogram, PackedHistograms, Run, merged, trimmed
from inspect_core.delta.row_angles import RowAngles
from inspect_core.delta.summary import Summary

_FIELDS = ("rows", "undefined", "angle_sum", "largest_column")


@dataclass(frozen=True, slots=True)
class PartRows:
    """Optional parts of some summaries on their way, each None where it was not collected.

    Attributes:
        histograms: counts of |d|.
        angles: float64 `(n, 4)`, the fields of `RowAngles`; NaN for None.
    """

    histograms: PackedHistograms | None = None
    angles: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, summaries: Sequence[Summary], runs: Sequence[Run] = ()) -> "PartRows":
        """What all of some summaries have.

        Args:
            summaries: the summaries.
            runs: their histograms, trimmed, where they themselves hold none any more.
        """
        histograms = [s.histogram for s in summaries if s.histogram is not None]
        if summaries and len(histograms) == len(summaries):
            runs = [trimmed(histogram) for histogram in histograms]
        angles = [_packed(s.rows) for s in summaries if s.rows is not None]
        return cls(
            PackedHistograms.joined(runs) if runs else None,
            np.array(angles) if summaries and len(angles) == len(summaries) else None,
        )


class TableParts:
    """The optional parts of a table's rows, by ordinal.

    Args:
        tensors: number of tensors.
    """

    def __init__(self, tensors: int) -> None:
        self._tensors = tensors
        self._runs: list[Run | None] | None = None
        self._angles: NDArray[np.float64] | None = None

    def put(self, ordinals: NDArray[np.int64], rows: PartRows) -> None:
        """Take in the parts of some tensors; what they do not have is not known any more."""
        if rows.histograms is not None and self._runs is None:
            self._runs = [None] * self._tensors
        if self._runs is not None:
            runs: list[Run | None] = [None] * len(ordinals)
            if rows.histograms is not None:
                runs = list(rows.histograms.runs())
            for ordinal, run in zip(ordinals.tolist(), runs, strict=True):
                self._runs[ordinal] = run
        if rows.angles is not None and self._angles is None:
            self._angles = np.full((self._tensors, len(_FIELDS)), math.nan)
        if self._angles is not None:
            self._angles[ordinals] = math.nan if rows.angles is None else rows.angles

    def reordered(self, old_ordinals: NDArray[np.int64]) -> "TableParts":
        """The same in another order; see `SummaryTable.reordered`."""
        parts = TableParts(len(old_ordinals))
        if self._runs is not None:
            parts._runs = [self._runs[ordinal] for ordinal in old_ordinals.tolist()]
        if self._angles is not None:
            parts._angles = self._angles[old_ordinals]
        return parts

    def taken(self, ordinals: NDArray[np.int64]) -> PartRows:
        """The parts of some tensors on their way to elsewhere: what all of them have."""
        runs = [] if self._runs is None else [self._runs[at] for at in ordinals.tolist()]
        known = [run for run in runs if run is not None]
        angles = None if self._angles is None else self._angles[ordinals]
        return PartRows(
            PackedHistograms.joined(known) if known and len(known) == len(ordinals) else None,
            None if angles is None or np.isnan(angles[:, 0]).any() else angles,
        )

    def histogram(self, ordinals: NDArray[np.int64], numel: int) -> Histogram | None:
        """The counts of |d| of some tensors with `numel` values; None if those of one miss."""
        if self._runs is None:
            return None
        runs = [run for at in ordinals.tolist() if (run := self._runs[at]) is not None]
        return merged(runs, numel) if runs and len(runs) == len(ordinals) else None

    def rows(self, ordinals: NDArray[np.int64]) -> RowAngles | None:
        """The rows of some tensors together; None if those of one miss."""
        if self._angles is None or not len(ordinals):
            return None
        angles = self._angles[ordinals]
        if np.isnan(angles[:, 0]).any():
            return None
        filled = angles[angles[:, 0] > 0.0]
        if len(filled) == 1:
            return _unpacked(filled[0])
        rows, undefined, angle_sum = filled[:, :3].sum(axis=0).tolist()
        return RowAngles(int(rows), int(undefined), angle_sum)


def _packed(rows: RowAngles) -> tuple[float, ...]:
    largest = math.nan if rows.largest_column is None else rows.largest_column
    return rows.rows, rows.undefined, rows.angle_sum, largest


def _unpacked(row: NDArray[np.float64]) -> RowAngles:
    rows, undefined, angle_sum, largest = row.tolist()
    known = None if math.isnan(largest) else largest
    return RowAngles(int(rows), int(undefined), angle_sum, known)
