"""Rows of a tensor, chunk by chunk: what is asked for with `Collect.rows`.

A row that fits a chunk is never cut; one that is longer is put together from its pieces. Only
the column sums of one matrix at a time are held, and those only where a row fits a chunk.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.kernel import Chunk, readable
from inspect_core.delta.row_angles import RowAngles
from inspect_core.delta.summary import Summary


def row_length(shape: tuple[int, ...]) -> int:
    """Values a row: all dimensions but the first, or all of a vector."""
    return math.prod(shape[1:] if len(shape) > 1 else shape)


def row_bounds(shape: tuple[int, ...], most: int) -> Iterator[tuple[int, int]]:
    """Chunks of at most `most` values: whole rows, or pieces of one row where rows are longer.

    Yields:
        start and stop of each, flat; one empty chunk of an empty tensor.
    """
    numel, length = math.prod(shape), row_length(shape)
    if not numel:
        yield 0, 0
        return
    if length <= most:
        step = most // length * length
        for start in range(0, numel, step):
            yield start, min(numel, start + step)
        return
    for row in range(0, numel, length):
        for start in range(row, row + length, most):
            yield start, min(row + length, start + most)


@dataclass(frozen=True, slots=True)
class RowPart:
    """What a chunk tells about rows.

    Attributes:
        angles: of the rows that it holds whole.
        piece: float64 `(5,)`, `row_kernels.ROW_SUMS` of a piece of a longer row, else None.
        numel: values in the piece.
        columns: float64, column sums of |d| where they are kept, else None.
    """

    angles: RowAngles
    piece: NDArray[np.float64] | None
    numel: int
    columns: NDArray[np.float64] | None

    @classmethod
    def of(cls, chunk: Chunk, shape: tuple[int, ...]) -> "RowPart":
        """Go through the rows of a chunk, cut as `row_bounds` does."""
        from inspect_core.delta import row_kernels
        from inspect_core.delta.widening import BYTE_VALUES

        length = row_length(shape)
        whole = chunk.numel >= length
        kept = len(shape) == 2 and whole and shape[0] > 1
        row, totals, columns = row_kernels.row_outputs(length if kept else 0)
        row_kernels.row_raw(
            *readable(chunk), chunk.numel, BYTE_VALUES, max(1, length), whole, row, totals, columns
        )
        rows, undefined, angle_sum = totals.tolist()
        return cls(
            RowAngles(int(rows), int(undefined), angle_sum),
            None if whole else row,
            chunk.numel,
            columns if kept else None,
        )


class RowsOfTensor:
    """Puts the parts of one tensor together, in order.

    Args:
        shape: the tensor's.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._angles = RowAngles()
        self._columns: NDArray[np.float64] | None = None
        self._open = Summary()

    def add(self, part: RowPart) -> None:
        """Take the part of the next chunk."""
        self._angles += part.angles
        if part.columns is not None:
            self._columns = part.columns if self._columns is None else self._columns + part.columns
        if part.piece is not None:
            sq_model, sq_reference, dot, residual, sq_d = part.piece.tolist()
            self._open += Summary(
                numel=part.numel, sq_model=sq_model, sq_reference=sq_reference, dot=dot,
                residual=residual, sq_d=sq_d,
            )  # fmt: skip
            if self._open.numel == row_length(self._shape):
                angle = self._open.angle
                self._angles += RowAngles(1, int(angle is None), angle or 0.0)
                self._open = Summary()

    def finish(self, summary: Summary) -> Summary:
        """The tensor's summary with its rows."""
        largest: float | None = None
        if len(self._shape) < 2:
            largest = summary.abs_d
        elif len(self._shape) == 2 and self._shape[0] == 1:
            largest = summary.max_abs
        elif self._columns is not None and self._columns.size:
            largest = float(self._columns.max())
        if not summary.compared or largest is None or not math.isfinite(largest):
            largest = None
        return replace(summary, rows=replace(self._angles, largest_column=largest))


class PartsOfTensor:
    """Puts all that was found in the chunks of one tensor together, in order."""

    def __init__(self) -> None:
        self._summary = Summary()
        self._rows: RowsOfTensor | None = None

    def add(self, shape: tuple[int, ...], summary: Summary, rows: RowPart | None) -> None:
        """Take what the next chunk of a tensor of a shape gave."""
        self._summary = self._summary + summary
        if rows is not None:
            self._rows = self._rows or RowsOfTensor(shape)
            self._rows.add(rows)

    @property
    def finished(self) -> Summary:
        """The summary of the tensor."""
        return self._summary if self._rows is None else self._rows.finish(self._summary)
