"""The sums of two sides in BF16, F16 or F32, in one loop: what a sweep of a model runs.

Nothing is kept of a block but its float32 values, so that a core compares values nearly as
fast as it is given their bytes. `compare_raw` is for all the rest: other and mixed dtypes, NaN
and infinities, heat grids. Both give the same sums, in float64.

The residual about the block's own slope needs a second look at the values, except that
    sum (a - s*b)^2 = sum (a - g*b)^2 - (s - g)^2 * sum b^2
for a guess g; the block before is a good one. Where the second term takes more than half of
the first, digits are lost, and the second look is taken.
"""

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.compiled import jit
from inspect_core.delta.histogram import HISTOGRAM_SHIFT
from inspect_core.delta.histogram_kernels import count_bins
from inspect_core.delta.kernel import Raw
from inspect_core.delta.row_kernels import add_piece, add_sizes, add_to_row, close_row
from inspect_core.delta.widening import REASSOCIATE, widen_brain, widen_half

BLOCK = 4096
"""Values a block: the float32 buffers stay in the near caches; 16 bits count them."""

SHORT_ROW = 256
"""Shorter rows share a block, and are gone through once more: a block costs as much as they."""

_ABS = np.int64(0x7FFFFFFFFFFFFFFF)


@jit(fastmath=REASSOCIATE)
def _sums(a, b, guess):  # type: ignore[no-untyped-def]
    total = abs_d = sq_d = abs_a = abs_b = sq_a = sq_b = dot = residual = 0.0
    largest = np.int64(0)
    for i in range(a.size):
        x = np.float64(a[i])
        y = np.float64(b[i])
        z = x - y
        total += z
        abs_d += abs(z)
        sq_d += z * z
        abs_a += abs(x)
        abs_b += abs(y)
        sq_a += x * x
        sq_b += y * y
        dot += x * y
        off = x - guess * y
        residual += off * off
        # The bits of a non-negative float order as integers do, and integer max vectorises.
        largest = max(largest, np.float64(z).view(np.int64) & _ABS)
    return total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot, residual, largest


@jit()
def _count(a, b):  # type: ignore[no-untyped-def]
    """How many values differ, and how many have changed their sign."""
    changed = flips = np.int64(0)
    for i in range(a.size):
        changed += np.int64(a[i] != b[i])
        flips += np.int64((a[i] < 0.0 and b[i] > 0.0) or (a[i] > 0.0 and b[i] < 0.0))
    return changed, flips


@jit()
def _count_16_bits(a, b):  # type: ignore[no-untyped-def]
    """The same from the bits of two blocks without zeros, and whether they are."""
    differ = signs = np.uint16(0)
    least = np.uint16(0xFFFF)
    for i in range(a.size):
        gap = np.uint16(a[i] ^ b[i])
        differ = np.uint16(differ + np.uint16(gap != 0))
        signs = np.uint16(signs + np.uint16(gap >> np.uint16(15)))
        sizes = np.uint16(a[i] << np.uint16(1)), np.uint16(b[i] << np.uint16(1))
        least = min(least, sizes[0], sizes[1])
    return np.int64(differ), np.int64(signs), least != 0


@jit()
def _count_32_bits(a, b):  # type: ignore[no-untyped-def]
    """See `_count_16_bits`."""
    differ = signs = np.uint32(0)
    least = np.uint32(0xFFFFFFFF)
    for i in range(a.size):
        gap = np.uint32(a[i] ^ b[i])
        differ = np.uint32(differ + np.uint32(gap != 0))
        signs = np.uint32(signs + np.uint32(gap >> np.uint32(31)))
        sizes = np.uint32(a[i] << np.uint32(1)), np.uint32(b[i] << np.uint32(1))
        least = min(least, sizes[0], sizes[1])
    return np.int64(differ), np.int64(signs), least != 0


@jit(fastmath=REASSOCIATE)
def _residual(a, b, slope):  # type: ignore[no-untyped-def]
    residual = 0.0
    for i in range(a.size):
        off = np.float64(a[i]) - slope * np.float64(b[i])
        residual += off * off
    return residual


@jit()
def _count_sizes(a, b, bins, histogram):  # type: ignore[no-untyped-def]
    # A difference in float32 is rounded once, as one in float64 is on its way there.
    for i in range(a.size):
        bins[i] = np.float32(abs(a[i] - b[i])).view(np.uint32) >> np.uint32(HISTOGRAM_SHIFT)
    count_bins(bins[: a.size], histogram)


@jit()
def _add_block(x, y, guess, changed, flips, counts, sums, bins, histogram, row):  # type: ignore[no-untyped-def]
    """Add a block to the outputs; return its slope, NaN where a value is not finite."""
    total, abs_d, sq_d, abs_a, abs_b, sq_a, sq_b, dot, residual, largest = _sums(x, y, guess)
    if not np.isfinite(abs_a + abs_b):
        return np.nan
    slope = dot / sq_b if sq_b > 0.0 else 0.0
    shift = (slope - guess) * (slope - guess) * sq_b
    if shift > 0.5 * residual:
        residual = _residual(x, y, slope)
    else:
        residual -= shift
    if row.size:
        add_to_row(row, sq_a, sq_b, dot, residual, sq_d)
    if sums[6] > 0.0 and sq_b > 0.0:
        gap = sums[7] / sums[6] - slope
        residual += gap * gap * (sums[6] / (sums[6] + sq_b) * sq_b)
    counts[0] += x.size
    counts[1] += changed
    counts[5] += flips
    counts[6] += changed
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
    sums[10] += sq_d
    if histogram.size:
        _count_sizes(x, y, bins, histogram)
    return slope


@jit()
def _block_size(row_length):  # type: ignore[no-untyped-def]
    """Values a block: whole rows where they are short, equal parts of a row where it is long."""
    if row_length == 0:
        return BLOCK
    if row_length < SHORT_ROW:
        return BLOCK // row_length * row_length
    parts = (row_length + BLOCK - 1) // BLOCK
    return (row_length + parts - 1) // parts


@jit()
def _add_rows(x, y, place, row_length, whole, row, totals, columns):  # type: ignore[no-untyped-def]
    """Go through the rows of a block whose sums are known where rows are long.

    Returns:
        How many values of an open row there are now.
    """
    if row_length >= SHORT_ROW:
        if columns.size:
            add_sizes(x, y, 0, x.size, columns, place)
        place += x.size
        if place == row_length and whole:
            close_row(row, totals)
            row[:] = 0.0
            place = 0
        return place
    closed = np.zeros(3, np.float64)  # a million angles one by one lose digits
    for start in range(0, x.size, row_length):
        stop = start + row_length
        add_piece(x, y, start, stop, row)
        if columns.size:
            add_sizes(x, y, start, stop, columns, 0)
        if whole:
            close_row(row, closed)
            row[:] = 0.0
    for k in range(3):
        totals[k] += closed[k]
    return 0


@jit()
def compare_halves(  # type: ignore[no-untyped-def]
    raw_a, raw_b, brain, counts, sums, histogram, row_length, whole, row, totals, columns,
):  # fmt: skip
    """Compare BF16 or F16 values that are all finite; the outputs are those of `compare_raw`.

    Args:
        raw_a: uint8, the model's bytes.
        raw_b: uint8, the reference's, as many.
        brain: whether they are BF16.
        counts: int64 `(len(COUNTS),)`, added to.
        sums: float64 `(len(SUMS),)`, added to.
        histogram: uint32, `histogram_kernels.empty_lanes`, added to, or empty.
        row_length: values a row where the chunk holds whole rows, all of them where it is a
            piece of one; 0 where nobody asks for rows.
        whole: as in `row_kernels.row_raw`, and so on.
        row: see there.
        totals: see there.
        columns: see there.

    Returns:
        False where a value is not finite: the outputs are of no use then.
    """
    a = np.empty(BLOCK, np.float32)
    b = np.empty(BLOCK, np.float32)
    bins = np.empty(BLOCK, np.uint32)
    # A view made in the loop takes as long as a twentieth of a block.
    halves_a, halves_b = raw_a.view(np.uint16), raw_b.view(np.uint16)
    row_sums = row[: row.size if row_length >= SHORT_ROW else 0]
    size = _block_size(row_length)
    slope = 0.0
    start = place = 0
    while start < halves_a.size:
        stop = min(start + size, start + row_length - place) if row_sums.size else start + size
        bits_a = halves_a[start:stop]
        bits_b = halves_b[start:stop]
        x, y = a[: bits_a.size], b[: bits_a.size]
        if brain:
            widen_brain(bits_a, x)
            widen_brain(bits_b, y)
        else:
            widen_half(bits_a, x)
            widen_half(bits_b, y)
        changed, flips, sure = _count_16_bits(bits_a, bits_b)
        if not sure:
            changed, flips = _count(x, y)
        slope = _add_block(x, y, slope, changed, flips, counts, sums, bins, histogram, row_sums)
        if np.isnan(slope):
            return False
        if row_length:
            place = _add_rows(x, y, place, row_length, whole, row, totals, columns)
        start = stop
    return True


@jit()
def compare_singles(  # type: ignore[no-untyped-def]
    raw_a, raw_b, counts, sums, histogram, row_length, whole, row, totals, columns,
):  # fmt: skip
    """Compare F32 values that are all finite; see `compare_halves`."""
    bins = np.empty(BLOCK, np.uint32)
    words_a, words_b = raw_a.view(np.uint32), raw_b.view(np.uint32)
    floats_a, floats_b = raw_a.view(np.float32), raw_b.view(np.float32)
    row_sums = row[: row.size if row_length >= SHORT_ROW else 0]
    size = _block_size(row_length)
    slope = 0.0
    start = place = 0
    while start < words_a.size:
        stop = min(start + size, start + row_length - place) if row_sums.size else start + size
        x, y = floats_a[start:stop], floats_b[start:stop]
        bits_a = words_a[start:stop]
        bits_b = words_b[start:stop]
        changed, flips, sure = _count_32_bits(bits_a, bits_b)
        if not sure:
            changed, flips = _count(x, y)
        slope = _add_block(x, y, slope, changed, flips, counts, sums, bins, histogram, row_sums)
        if np.isnan(slope):
            return False
        if row_length:
            place = _add_rows(x, y, place, row_length, whole, row, totals, columns)
        start = stop
    return True


Rows = tuple[int, bool, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""The last five arguments of `compare_halves`."""

_NO_SUMS = np.empty(0, np.float64)
NO_ROWS: Rows = (0, False, _NO_SUMS, _NO_SUMS, _NO_SUMS)


def compare_floats(
    raw_a: Raw,
    raw_b: Raw | None,
    dtype: str,
    counts: NDArray[np.int64],
    sums: NDArray[np.float64],
    histogram: NDArray[np.uint32],
    rows: Rows = NO_ROWS,
) -> bool:
    """Compare a chunk if it can be done here.

    Returns:
        False where the dtype is another one, or a value is not finite: the outputs are of no
        use then.
    """
    if raw_b is None:
        return False
    outputs = (counts, sums, histogram, *rows)
    if dtype == "F32":
        return bool(compare_singles(raw_a, raw_b, *outputs))
    if dtype in ("BF16", "F16"):
        return bool(compare_halves(raw_a, raw_b, dtype == "BF16", *outputs))
    return False
