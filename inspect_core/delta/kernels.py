"""The CPU kernel: raw bytes of a chunk of both tensors to sums, in one pass.

Blocks of `BLOCK` values are widened to float64 and stay in the first-level cache while
several small loops, each of which LLVM vectorises, run over them. All sums are float64:
it costs little here, because the bytes arrive slower than the loops run, and there is no
overflow, no cancellation and no second scheme for large values.

A block with a NaN or an infinity is recognised by its sum of absolute values and goes
through `_leave_out` first, so the fast loops never see one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.compiled import jit
from inspect_core.delta.histogram import HISTOGRAM_SHIFT
from inspect_core.delta.histogram_kernels import count_bins, empty_lanes
from inspect_core.delta.rounding_kernels import beyond_rounding, explained_losses
from inspect_core.delta.summary import COUNTS, SUMS
from inspect_core.delta.widening import F64, I64, REASSOCIATE, U64, subtract_int64, widen

BLOCK = 1536
"""Values a block: its float64 buffers and its raw bytes take 48 KiB of the nearest caches."""

_ABS = np.int64(0x7FFFFFFFFFFFFFFF)


@jit(fastmath=REASSOCIATE)
def _sums(a, b, d):  # type: ignore[no-untyped-def]
    total = abs_d = sq_d = abs_a = abs_b = sq_a = sq_b = dot = 0.0
    flips = np.int64(0)
    for i in range(d.size):
        x = a[i]
        y = b[i]
        z = d[i]
        total += z
        abs_d += abs(z)
        sq_d += z * z
        abs_a += abs(x)
        abs_b += abs(y)
        sq_a += x * x
        sq_b += y * y
        product = x * y
        dot += product
        flips += np.int64(product < 0.0)
    return total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot, flips


@jit(fastmath=REASSOCIATE)
def _subtract_and_sum(a, b, d):  # type: ignore[no-untyped-def]
    total = abs_d = sq_d = abs_a = abs_b = sq_a = sq_b = dot = 0.0
    flips = np.int64(0)
    for i in range(d.size):
        x = a[i]
        y = b[i]
        z = x - y
        d[i] = z
        total += z
        abs_d += abs(z)
        sq_d += z * z
        abs_a += abs(x)
        abs_b += abs(y)
        sq_a += x * x
        sq_b += y * y
        product = x * y
        dot += product
        flips += np.int64(product < 0.0)
    return total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot, flips


@jit()
def _sign_flips(a, b):  # type: ignore[no-untyped-def]
    # The product of two small F64 values is 0: their signs are compared instead.
    flips = np.int64(0)
    for i in range(a.size):
        flips += np.int64((a[i] < 0.0 and b[i] > 0.0) or (a[i] > 0.0 and b[i] < 0.0))
    return flips


@jit(fastmath=REASSOCIATE)
def _residual(a, b, slope):  # type: ignore[no-untyped-def]
    residual = 0.0
    for i in range(a.size):
        off = a[i] - slope * b[i]
        residual += off * off
    return residual


@jit()
def _extremes(d):  # type: ignore[no-untyped-def]
    # The bits of a non-negative float order as integers do, and integer max vectorises.
    bits = d.view(np.int64)
    largest = np.int64(0)
    changed = np.int64(0)
    for i in range(bits.size):
        size = bits[i] & _ABS
        largest = max(largest, size)
        changed += np.int64(size != 0)
    return largest, changed


@jit()
def _leave_out(  # type: ignore[no-untyped-def]
    a, b, raw_a, raw_b, same_dtype, width, start, counts,
    first, columns, matrix_rows, column_edges, heat,
):  # fmt: skip
    """Count non-finite values of a block, then zero both sides there.

    `_pool` counts every position, so the count of their cells is taken back here.
    """
    for i in range(a.size):
        lost_a = not np.isfinite(a[i])
        lost_b = not np.isfinite(b[i])
        if lost_a or lost_b:
            same = a[i] == b[i]
            if same_dtype and not same:
                same = True
                for k in range((start + i) * width, (start + i + 1) * width):
                    same = same and raw_a[k] == raw_b[k]
            counts[1] += not same
            counts[2] += 1
            counts[3] += lost_a
            counts[4] += lost_b
            a[i] = 0.0
            b[i] = 0.0
            if heat.size:
                place = first + start + i
                cell = np.searchsorted(column_edges, place % columns, side="right") - 1
                heat[3, place // columns * heat.shape[1] // matrix_rows, cell] -= 1.0


@jit()
def _count_sizes(d, bins, histogram):  # type: ignore[no-untyped-def]
    for i in range(d.size):
        bins[i] = np.float32(abs(d[i])).view(np.uint32) >> np.uint32(HISTOGRAM_SHIFT)
    count_bins(bins[: d.size], histogram)


@jit()
def _pool(d, first, columns, matrix_rows, column_edges, heat):  # type: ignore[no-untyped-def]
    """Add d into the cells of a heat grid; `first` is the flat index of d[0]."""
    i = 0
    while i < d.size:
        row = (first + i) // columns
        column = (first + i) % columns
        row_end = min(d.size, i + columns - column)
        cell_row = row * heat.shape[1] // matrix_rows
        cell = np.searchsorted(column_edges, column, side="right") - 1
        while i < row_end:
            cell_end = min(row_end, i + column_edges[cell + 1] - column)
            total = size = largest = 0.0
            for k in range(i, cell_end):
                total += d[k]
                size += abs(d[k])
                largest = max(largest, abs(d[k]))
            heat[0, cell_row, cell] += total
            heat[1, cell_row, cell] += size
            heat[2, cell_row, cell] = max(heat[2, cell_row, cell], largest)
            heat[3, cell_row, cell] += cell_end - i
            column += cell_end - i
            i = cell_end
            cell += 1


@jit()
def compare_raw(  # type: ignore[no-untyped-def]  # noqa: PLR0915 - one block, step by step
    raw_a, code_a, raw_b, code_b, numel, width, byte_values,
    narrow_side, float_format, counts, sums, histogram,
    first, columns, matrix_rows, column_edges, heat,
):  # fmt: skip
    """Compare `numel` values of two raw chunks and add what is found to the outputs.

    Args:
        raw_a: uint8, the model's bytes.
        code_a: its dtype, a value of `CODES`.
        raw_b: uint8, the reference's bytes (empty where `code_b` is `ZERO`).
        code_b: its dtype.
        numel: values in the chunk.
        width: bytes of a value of `raw_a`.
        byte_values: the tables `BYTE_VALUES`.
        narrow_side: 1 where `raw_a` is in the narrower float dtype, 2 where `raw_b` is, else 0.
        float_format: that dtype as `FloatFormat.row`.
        counts: int64 `(len(COUNTS),)`, added to.
        sums: float64 `(len(SUMS),)`, added to.
        histogram: uint32, `histogram_kernels.empty_lanes`, added to, or empty.
        first: flat index of the chunk's first value in the matrix of the heat grid.
        columns: columns of that matrix.
        matrix_rows: rows of that matrix.
        column_edges: int64, the first matrix column of each grid column, and their number.
        heat: float64 `(4, rows, columns)` of the grid, added to, or empty.
    """
    a = np.empty(BLOCK, np.float64)
    b = np.empty(BLOCK, np.float64)
    d = np.empty(BLOCK, np.float64)
    bins = np.empty(BLOCK, np.uint32)
    spare = np.empty(BLOCK if narrow_side else 0, np.float64)
    same_dtype = code_a == code_b
    signed = code_a == I64 and code_b == I64
    unsigned = code_a == U64 and code_b == U64
    tiny_products = F64 in (code_a, code_b)
    for start in range(0, numel, BLOCK):
        n = min(BLOCK, numel - start)
        x = a[:n]
        y = b[:n]
        z = d[:n]
        widen(raw_a, code_a, start, byte_values, x)
        widen(raw_b, code_b, start, byte_values, y)
        if signed:
            subtract_int64(raw_a.view(np.int64), raw_b.view(np.int64), start, z)
        elif unsigned:
            subtract_int64(raw_a.view(np.uint64), raw_b.view(np.uint64), start, z)
        if signed or unsigned:
            total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot, flips = _sums(x, y, z)
        else:
            total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot, flips = _subtract_and_sum(x, y, z)
        if not np.isfinite(abs_a + abs_b):
            changed_before = counts[1]
            if narrow_side:
                counts[6] -= explained_losses(x, y, narrow_side, float_format)
            _leave_out(
                x, y, raw_a, raw_b, same_dtype, width, start, counts,
                first, columns, matrix_rows, column_edges, heat,
            )  # fmt: skip
            counts[6] += counts[1] - changed_before
            total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot, flips = _subtract_and_sum(x, y, z)
        slope = dot / sq_b if sq_b > 0.0 else 0.0
        residual = _residual(x, y, slope)
        if sums[6] > 0.0 and sq_b > 0.0:
            gap = sums[7] / sums[6] - slope
            residual += gap * gap * (sums[6] / (sums[6] + sq_b) * sq_b)
        largest, changed = _extremes(z)
        if tiny_products:
            flips = _sign_flips(x, y)
        beyond, sq_beyond = changed, sq_d
        if narrow_side:
            beyond, sq_beyond = beyond_rounding(x, y, z, narrow_side, float_format, spare[:n])
        counts[0] += n
        counts[1] += changed
        counts[5] += flips
        counts[6] += beyond
        counts[7] += n if narrow_side else 0
        sums[0] += total
        sums[1] += abs_d
        sums[2] += sq_d
        sums[3] += abs_a
        sums[4] += abs_b
        sums[5] += sq_a
        sums[6] += sq_b
        sums[7] += dot
        sums[8] += residual
        sums[9] = max(sums[9], np.int64(largest).view(np.float64))
        sums[10] += sq_beyond
        if histogram.size:
            _count_sizes(z, bins, histogram)
        if heat.size:
            _pool(z, first + start, columns, matrix_rows, column_edges, heat)


def empty_outputs(with_histogram: bool) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Zeroed counts, sums and histogram for `compare_raw`."""
    lanes = empty_lanes(with_histogram)
    return np.zeros(len(COUNTS), np.int64), np.zeros(len(SUMS), np.float64), lanes
