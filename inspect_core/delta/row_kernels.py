"""Compiled loops over the rows of a chunk: angles, and sums of rows and columns."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.compiled import jit
from inspect_core.delta.kernels import BLOCK
from inspect_core.delta.summary import LEAST_SQUARE
from inspect_core.delta.widening import I64, REASSOCIATE, U64, subtract_int64, widen

ROW_SUMS = ("sq_model", "sq_reference", "dot", "residual", "sq_d")
"""What is kept of a row that is not complete yet."""

PROFILE_SUMS = ("abs_d", "sq_d", "sq_reference")
"""What is summed of each row and column of a profile."""


@jit(fastmath=REASSOCIATE)
def _total(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(a.size):
        total += abs(a[i]) + abs(b[i])
    return total


@jit()
def _leave_out(a, b, start, stop):  # type: ignore[no-untyped-def]
    for i in range(start, stop):
        if not (np.isfinite(a[i]) and np.isfinite(b[i])):
            a[i] = 0.0
            b[i] = 0.0


@jit()
def _load(raw_a, code_a, raw_b, code_b, start, byte_values, x, y, z):  # type: ignore[no-untyped-def]
    """Both sides and their difference in float64, zeros where a side is not finite."""
    widen(raw_a, code_a, start, byte_values, x)
    widen(raw_b, code_b, start, byte_values, y)
    if not np.isfinite(_total(x, y)):
        _leave_out(x, y, 0, x.size)
    if code_a == I64 and code_b == I64:
        subtract_int64(raw_a.view(np.int64), raw_b.view(np.int64), start, z)
    elif code_a == U64 and code_b == U64:
        subtract_int64(raw_a.view(np.uint64), raw_b.view(np.uint64), start, z)
    else:
        for i in range(z.size):
            z[i] = x[i] - y[i]


# A slice for every row would cost more than a short row itself: the loops below get the block
# and where to begin and end in it. Indices are unsigned, so that they need no look at the sign.


@jit(fastmath=REASSOCIATE, forceinline=True)
def _dots(a, b, start, stop):  # type: ignore[no-untyped-def]
    sq_a = sq_b = sq_d = along = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        x = np.float64(a[i])
        y = np.float64(b[i])
        d = x - y
        sq_a += x * x
        sq_b += y * y
        sq_d += d * d
        along += y * d
    return sq_a, sq_b, sq_d, along


@jit(forceinline=True)
def add_sizes(a, b, start, stop, columns, place):  # type: ignore[no-untyped-def]
    """Add |d| of a piece of a row to the column sums from `place` on."""
    shift = np.uint64(place) - np.uint64(start)
    for i in range(np.uint64(start), np.uint64(stop)):
        columns[i + shift] += abs(np.float64(a[i]) - np.float64(b[i]))


@jit(fastmath=REASSOCIATE)
def _second_look(a, b, start, stop):  # type: ignore[no-untyped-def]
    """The dot product of a and b, and the residual about their slope, from the values."""
    dot = sq_b = residual = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        y = np.float64(b[i])
        dot += np.float64(a[i]) * y
        sq_b += y * y
    slope = dot / sq_b
    for i in range(np.uint64(start), np.uint64(stop)):
        off = np.float64(a[i]) - slope * np.float64(b[i])
        residual += off * off
    return dot, residual


@jit(forceinline=True)
def add_to_row(row, sq_a, sq_b, dot, residual, sq_d):  # type: ignore[no-untyped-def]
    """Add the sums of a piece to those of its row (`ROW_SUMS`); residuals as in `Summary`."""
    row[3] += residual
    if row[1] > 0.0 and sq_b > 0.0:
        gap = row[2] / row[1] - dot / sq_b
        row[3] += gap * gap * (row[1] / (row[1] + sq_b) * sq_b)
    row[0] += sq_a
    row[1] += sq_b
    row[2] += dot
    row[4] += sq_d


@jit(forceinline=True)
def add_piece(a, b, start, stop, row):  # type: ignore[no-untyped-def]
    """Sum a piece of a row, in float32 or float64, and add it to the row.

    What of d lies along b is taken from the sum of d^2: that is the residual about the slope
    dot / sq_b. Where it is most of d, a second look at the values keeps the digits.
    """
    sq_a, sq_b, sq_d, along = _dots(a, b, start, stop)
    if not np.isfinite(sq_a + sq_b):  # a NaN, an infinity, or the square of a huge value
        _leave_out(a, b, start, stop)
        sq_a, sq_b, sq_d, along = _dots(a, b, start, stop)
    dot = sq_b + along
    residual = sq_d
    if sq_b > 0.0 and sq_d > 0.0:
        taken = along / sq_b * along
        residual = sq_d - taken
        if not taken <= 0.5 * sq_d:
            dot, residual = _second_look(a, b, start, stop)
    add_to_row(row, sq_a, sq_b, dot, residual, sq_d)


@jit(forceinline=True)
def close_row(row, totals):  # type: ignore[no-untyped-def]
    """Count a complete row: `totals` are rows, rows without an angle, and the sum of angles."""
    totals[0] += 1.0
    if min(row[0], row[1]) < LEAST_SQUARE or not np.isfinite(row[0] + row[1] + row[3]):
        totals[1] += 1.0
    elif row[4] > 0.0:
        totals[2] += math.atan2(math.sqrt(row[3]), row[2] / math.sqrt(row[1]))


@jit()
def row_raw(  # type: ignore[no-untyped-def]
    raw_a, code_a, raw_b, code_b, numel, byte_values, row_length, whole, row, totals, columns,
):  # fmt: skip
    """Go through the rows of a chunk: whole rows, or a piece of one.

    Integers beyond 2^53 are rounded to float64 before they are subtracted.

    Args:
        raw_a: as in `kernels.compare_raw`, and so on up to `byte_values`.
        code_a: see there.
        raw_b: see there.
        code_b: see there.
        numel: see there.
        byte_values: see there.
        row_length: values a row.
        whole: whether the chunk holds whole rows.
        row: float64 `(5,)` of zeros; holds `ROW_SUMS` of the piece afterwards, if it is one.
        totals: float64 `(3,)`, see `close_row`, added to.
        columns: float64 `(row_length,)`, column sums of |d|, added to; or empty.
    """
    a = np.empty(BLOCK, np.float64)
    b = np.empty(BLOCK, np.float64)
    closed = np.zeros(3, np.float64)  # of a block: a million angles one by one lose digits
    place = 0
    for start in range(0, numel, BLOCK):
        n = min(BLOCK, numel - start)
        widen(raw_a, code_a, start, byte_values, a[:n])
        widen(raw_b, code_b, start, byte_values, b[:n])
        i = 0
        while i < n:
            end = min(n, i + row_length - place)
            add_piece(a, b, i, end, row)
            if columns.size:
                add_sizes(a, b, i, end, columns, place)
            place += end - i
            i = end
            if whole and place == row_length:
                close_row(row, closed)
                row[:] = 0.0
                place = 0
        for k in range(3):
            totals[k] += closed[k]
            closed[k] = 0.0


@jit(fastmath=REASSOCIATE, forceinline=True)
def _profile_row(b, d, start, stop):  # type: ignore[no-untyped-def]
    abs_d = sq_d = sq_b = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        abs_d += abs(d[i])
        sq_d += d[i] * d[i]
        sq_b += b[i] * b[i]
    return abs_d, sq_d, sq_b


@jit(forceinline=True)
def _profile_columns(b, d, start, stop, columns, place):  # type: ignore[no-untyped-def]
    shift = np.uint64(place) - np.uint64(start)
    for i in range(np.uint64(start), np.uint64(stop)):
        columns[0, i + shift] += abs(d[i])
        columns[1, i + shift] += d[i] * d[i]
        columns[2, i + shift] += b[i] * b[i]


@jit()
def profile_raw(  # type: ignore[no-untyped-def]
    raw_a, code_a, raw_b, code_b, numel, byte_values, row_length, place, rows, columns,
):  # fmt: skip
    """Sum `PROFILE_SUMS` over the rows and the columns of a chunk.

    Args:
        raw_a: as in `kernels.compare_raw`, and so on up to `byte_values`.
        code_a: see there.
        raw_b: see there.
        code_b: see there.
        numel: see there.
        byte_values: see there.
        row_length: values a row.
        place: where in its row the chunk begins.
        rows: float64 `(3, rows that the chunk touches)`, added to.
        columns: float64 `(3, row_length)`, added to.
    """
    a = np.empty(BLOCK, np.float64)
    b = np.empty(BLOCK, np.float64)
    d = np.empty(BLOCK, np.float64)
    row = 0
    for start in range(0, numel, BLOCK):
        n = min(BLOCK, numel - start)
        _load(raw_a, code_a, raw_b, code_b, start, byte_values, a[:n], b[:n], d[:n])
        i = 0
        while i < n:
            end = min(n, i + row_length - place)
            abs_d, sq_d, sq_b = _profile_row(b, d, i, end)
            rows[0, row] += abs_d
            rows[1, row] += sq_d
            rows[2, row] += sq_b
            _profile_columns(b, d, i, end, columns, place)
            place += end - i
            i = end
            if place == row_length:
                place = 0
                row += 1


def row_outputs(columns: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Zeroed `row`, `totals` and `columns` for `row_raw`."""
    return np.zeros(len(ROW_SUMS)), np.zeros(3), np.zeros(columns)
