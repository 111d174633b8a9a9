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

from inspect_core.delta.numba_config import ignore_config_file
from inspect_core.delta.summary import (
    COUNTS,
    HISTOGRAM_BINS,
    HISTOGRAM_SHIFT,
    SUMS,
)

ignore_config_file()

from numba import njit  # noqa: E402 - only now

BLOCK = 1536
"""Values a block: its float64 buffers and its raw bytes take 48 KiB of the nearest caches."""

ZERO = 0
"""Code of a side that is absent: it reads as zeros."""

_F64, _F32, _F16, _BF16, _I64, _U64, _E4M3, _E5M2, _I8, _U8, _BOOL = range(1, 12)

CODES: dict[str, int] = {
    "F64": _F64, "F32": _F32, "F16": _F16, "BF16": _BF16, "I64": _I64, "U64": _U64,
    "F8_E4M3": _E4M3, "F8_E5M2": _E5M2, "I8": _I8, "U8": _U8, "BOOL": _BOOL,
}  # fmt: skip
"""Codes of the dtypes that the kernel reads; integers of 2 and 4 bytes arrive as F64."""

# No nnan and no ninf: with them LLVM may assume that there are no such values and drop the
# very tests that look for them.
_REASSOCIATE = {"reassoc", "nsz", "contract", "arcp"}
_ABS = np.int64(0x7FFFFFFFFFFFFFFF)


def float8_table(exponent_bits: int) -> NDArray[np.float64]:
    """All 256 values of an 8-bit float: E4M3 (no infinity, one NaN) or E5M2 (IEEE-like)."""
    mantissa_bits = 7 - exponent_bits
    bias = 2 ** (exponent_bits - 1) - 1
    byte = np.arange(256)
    exponent = (byte >> mantissa_bits) & (2**exponent_bits - 1)
    mantissa = (byte & (2**mantissa_bits - 1)) / 2.0**mantissa_bits
    size = np.where(
        exponent == 0, mantissa * 2.0 ** (1 - bias), (1 + mantissa) * 2.0 ** (exponent - bias)
    )
    if exponent_bits == 4:
        size[(byte & 0x7F) == 0x7F] = np.nan
    else:
        top = exponent == 2**exponent_bits - 1
        size[top] = np.where(mantissa[top] == 0, np.inf, np.nan)
    table: NDArray[np.float64] = np.where(byte >= 128, -size, size)
    return table


_BYTE = np.arange(256)

BYTE_VALUES = np.stack(
    [float8_table(4), float8_table(5), (_BYTE ^ 128) - 128.0, _BYTE + 0.0, _BYTE.astype(bool) + 0.0]
)
"""Values of the dtypes of one byte, `F8_E4M3` to `BOOL` in the order of their codes."""


def _jit(**options: Any) -> Any:
    def compiled(function: Any) -> Any:
        try:
            return njit(nogil=True, cache=True, error_model="numpy", **options)(function)
        except RuntimeError:  # nowhere to keep what is compiled: a read-only box without a home
            return njit(nogil=True, error_model="numpy", **options)(function)

    return compiled


@_jit()
def _copy(source, target):  # type: ignore[no-untyped-def]
    for i in range(source.size):
        target[i] = source[i]


@_jit()
def _half(source, target):  # type: ignore[no-untyped-def]
    # Exponent and mantissa moved into place give the value times 2^-112, exactly.
    largest = np.uint32(0)
    for i in range(source.size):
        size = np.uint32(source[i] & np.uint16(0x7FFF)) << np.uint32(13)
        bits = size | (np.uint32(source[i] & np.uint16(0x8000)) << np.uint32(16))
        target[i] = np.float64(np.uint32(bits).view(np.float32)) * 5.192296858534828e33
        largest = max(largest, size)
    if largest >= np.uint32(0x7C00 << 13):  # an infinity or a NaN
        for i in range(source.size):
            if (source[i] & np.uint16(0x7C00)) == np.uint16(0x7C00):
                mantissa = source[i] & np.uint16(0x3FF)
                target[i] = np.nan if mantissa else np.copysign(np.inf, target[i])


@_jit()
def _brain(source, target):  # type: ignore[no-untyped-def]
    for i in range(source.size):
        target[i] = np.uint32(np.uint32(source[i]) << np.uint32(16)).view(np.float32)


@_jit()
def _widen(raw, code, start, byte_values, target):  # type: ignore[no-untyped-def]
    """Values `start` .. `start + target.size` of `raw` (uint8) as float64."""
    stop = start + target.size
    if code == _F32:
        _copy(raw.view(np.float32)[start:stop], target)
    elif code == _BF16:
        _brain(raw.view(np.uint16)[start:stop], target)
    elif code == _F16:
        _half(raw.view(np.uint16)[start:stop], target)
    elif code == _F64:
        _copy(raw.view(np.float64)[start:stop], target)
    elif code >= _E4M3:
        table = byte_values[code - _E4M3]
        for i in range(target.size):
            target[i] = table[raw[start + i]]
    elif code == _I64:
        _copy(raw.view(np.int64)[start:stop], target)
    elif code == _U64:
        _copy(raw.view(np.uint64)[start:stop], target)
    else:
        target[:] = 0.0


@_jit()
def _subtract_int64(raw_a, raw_b, start, d):  # type: ignore[no-untyped-def]
    # float64 rounds integers beyond 2^53 before it subtracts them; their halves are exact.
    for i in range(d.size):
        x = raw_a[start + i]
        y = raw_b[start + i]
        high = np.float64(np.int64(x >> 32) - np.int64(y >> 32))
        low = np.float64(np.int64(x & 0xFFFFFFFF) - np.int64(y & 0xFFFFFFFF))
        d[i] = high * 4294967296.0 + low


@_jit(fastmath=_REASSOCIATE)
def _sums(a, b, d):  # type: ignore[no-untyped-def]
    total = abs_d = sq_d = abs_a = abs_b = sq_a = sq_b = dot = 0.0
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
        dot += x * y
    return total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot


@_jit(fastmath=_REASSOCIATE)
def _subtract_and_sum(a, b, d):  # type: ignore[no-untyped-def]
    total = abs_d = sq_d = abs_a = abs_b = sq_a = sq_b = dot = 0.0
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
        dot += x * y
    return total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot


@_jit(fastmath=_REASSOCIATE)
def _residual(a, b, slope):  # type: ignore[no-untyped-def]
    residual = 0.0
    for i in range(a.size):
        off = a[i] - slope * b[i]
        residual += off * off
    return residual


@_jit()
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


@_jit()
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


@_jit()
def _count_sizes(d, bins, histogram):  # type: ignore[no-untyped-def]
    for i in range(d.size):
        bins[i] = np.float32(abs(d[i])).view(np.uint32) >> np.uint32(HISTOGRAM_SHIFT)
    for i in range(d.size):
        histogram[bins[i]] += 1


@_jit()
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


@_jit()
def compare_raw(  # type: ignore[no-untyped-def]
    raw_a, code_a, raw_b, code_b, numel, width, byte_values,
    counts, sums, histogram, first, columns, matrix_rows, column_edges, heat,
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
        counts: int64 `(len(COUNTS),)`, added to.
        sums: float64 `(len(SUMS),)`, added to.
        histogram: int64 `(HISTOGRAM_BINS,)`, added to, or empty.
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
    same_dtype = code_a == code_b
    signed = code_a == _I64 and code_b == _I64
    unsigned = code_a == _U64 and code_b == _U64
    for start in range(0, numel, BLOCK):
        n = min(BLOCK, numel - start)
        x = a[:n]
        y = b[:n]
        z = d[:n]
        _widen(raw_a, code_a, start, byte_values, x)
        _widen(raw_b, code_b, start, byte_values, y)
        if signed:
            _subtract_int64(raw_a.view(np.int64), raw_b.view(np.int64), start, z)
        elif unsigned:
            _subtract_int64(raw_a.view(np.uint64), raw_b.view(np.uint64), start, z)
        if signed or unsigned:
            total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot = _sums(x, y, z)
        else:
            total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot = _subtract_and_sum(x, y, z)
        if not np.isfinite(abs_a + abs_b):
            _leave_out(
                x, y, raw_a, raw_b, same_dtype, width, start, counts,
                first, columns, matrix_rows, column_edges, heat,
            )  # fmt: skip
            total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot = _subtract_and_sum(x, y, z)
        slope = dot / sq_b if sq_b > 0.0 else 0.0
        residual = _residual(x, y, slope)
        if sums[6] > 0.0 and sq_b > 0.0:
            gap = sums[7] / sums[6] - slope
            residual += gap * gap * (sums[6] / (sums[6] + sq_b) * sq_b)
        largest, changed = _extremes(z)
        counts[0] += n
        counts[1] += changed
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
        if histogram.size:
            _count_sizes(z, bins, histogram)
        if heat.size:
            _pool(z, first + start, columns, matrix_rows, column_edges, heat)


def empty_outputs(with_histogram: bool) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Zeroed counts, sums and histogram for `compare_raw`."""
    histogram = np.zeros(HISTOGRAM_BINS if with_histogram else 0, np.int64)
    return np.zeros(len(COUNTS), np.int64), np.zeros(len(SUMS), np.float64), histogram
