"""Rows of a tensor, chunk by chunk: what is asked for with `Collect.rows`.

A row that fits a chunk is never cut; one that is longer is put together from its pieces. Only
the column sums of one matrix at a time are held, and those only where a row fits a chunk.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.collect import Collect
from inspect_core.delta.kernel import Chunk, Kernel, readable
from inspect_core.delta.row_angles import RowAngles
from inspect_core.delta.summary import Summary

RowArguments = tuple[int, bool, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


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
    def of(cls, chunk: Chunk, shape: tuple[int, ...], with_columns: bool) -> "RowPart":
        """Go through the rows of a chunk, cut as `row_bounds` does."""
        from inspect_core.delta import row_kernels
        from inspect_core.delta.widening import BYTE_VALUES

        sums = _RowSums.of(chunk, shape, with_columns)
        row_kernels.row_raw(*readable(chunk), chunk.numel, BYTE_VALUES, *sums.arguments)
        return sums.part


@dataclass(frozen=True, slots=True)
class _RowSums:
    """What the kernels write to.

    Attributes:
        chunk: what they go through.
        arguments: the last five of `row_kernels.row_raw`: values a row, whether the chunk holds
            whole rows, and the outputs.
    """

    chunk: Chunk
    arguments: RowArguments

    @classmethod
    def of(cls, chunk: Chunk, shape: tuple[int, ...], with_columns: bool) -> "_RowSums":
        from inspect_core.delta.row_kernels import row_outputs

        length = row_length(shape)
        whole = chunk.numel >= length
        kept = with_columns and len(shape) == 2 and whole and shape[0] > 1
        outputs = row_outputs(length if kept else 0)
        return cls(chunk, (max(1, length if whole else chunk.numel), whole, *outputs))

    @property
    def part(self) -> RowPart:
        _, whole, row, totals, columns = self.arguments
        rows, undefined, angle_sum = totals.tolist()
        return RowPart(
            RowAngles(int(rows), int(undefined), angle_sum),
            None if whole else row,
            self.chunk.numel,
            columns if columns.size else None,
        )


def compare_with_rows(
    kernel: Kernel, chunk: Chunk, shape: tuple[int, ...], collect: Collect
) -> tuple[Summary, RowPart]:
    """Sums over a chunk and what it tells about rows, on the CPU in one go where that goes.

    Args:
        kernel: what compares it elsewhere.
        chunk: cut as `row_bounds` does.
        shape: of the tensor.
        collect: what is asked for, rows at least.
    """
    if chunk.model_dtype == chunk.reference_dtype:
        from inspect_core.delta.float_kernels import compare_floats
        from inspect_core.delta.histogram_kernels import joined
        from inspect_core.delta.kernels import empty_outputs

        counts, sums, bins = empty_outputs(collect.histogram)
        rows = _RowSums.of(chunk, shape, collect.columns)
        raws = chunk.model, chunk.reference
        if compare_floats(*raws, chunk.model_dtype, counts, sums, bins, rows.arguments):
            return Summary.of(counts, sums, joined(bins)), rows.part
    summary, _ = kernel.compare(chunk, collect.histogram, None)
    return summary, RowPart.of(chunk, shape, collect.columns)


class RowsOfTensor:
    """Puts the parts of one tensor together, in order.

    Args:
        shape: the tensor's.
        with_columns: whether its largest column sum is asked for.
    """

    def __init__(self, shape: tuple[int, ...], with_columns: bool) -> None:
        self._shape = shape
        self._with_columns = with_columns
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
        if not self._with_columns:
            largest = None
        elif len(self._shape) < 2:
            largest = summary.abs_d
        elif len(self._shape) == 2 and self._shape[0] == 1:
            largest = summary.max_abs
        elif self._columns is not None and self._columns.size:
            largest = float(self._columns.max())
        if not summary.compared or largest is None or not math.isfinite(largest):
            largest = None
        return replace(summary, rows=replace(self._angles, largest_column=largest))


class PartsOfTensor:
    """Puts all that was found in the chunks of one tensor together, in order.

    Args:
        with_columns: see `RowsOfTensor`.
    """

    def __init__(self, with_columns: bool) -> None:
        self._with_columns = with_columns
        self._summary: Summary | None = None
        self._rows: RowsOfTensor | None = None

    def add(self, shape: tuple[int, ...], summary: Summary, rows: RowPart | None) -> None:
        """Take what the next chunk of a tensor of a shape gave."""
        self._summary = summary if self._summary is None else self._summary + summary
        if rows is not None:
            self._rows = self._rows or RowsOfTensor(shape, self._with_columns)
            self._rows.add(rows)

    @property
    def finished(self) -> Summary:
        """The summary of the tensor."""
        summary = self._summary or Summary()
        return summary if self._rows is None else self._rows.finish(summary)
