"""Compiled loops that ask what rounding to a narrower float dtype explains of a difference."""

import numpy as np

from inspect_core.delta.compiled import jit
from inspect_core.delta.widening import REASSOCIATE

_EXPONENT = np.int64(0x7FF0000000000000)
_ONE_AND_A_HALF = np.int64(0x0008000000000000)


@jit()
def _round(source, float_format, target):  # type: ignore[no-untyped-def]
    """Round to a narrower format (`FloatFormat.row`): to nearest, ties to even.

    Adding and subtracting 1.5 * 2^52 quanta leaves whole quanta: the sum has no bits for less.
    """
    spare = np.int64(52 - float_format[0]) << np.int64(52)
    least = np.int64(float_format[1] + 1023) << np.int64(52)
    largest, overflow = float_format[2], float_format[3]
    for i in range(source.size):
        x = np.float64(np.float32(source[i]))
        exponent = max(x.view(np.int64) & _EXPONENT, least)
        quanta = np.int64((exponent + spare) | _ONE_AND_A_HALF).view(np.float64)
        rounded = (x + quanta) - quanta
        target[i] = rounded if abs(rounded) <= largest else np.copysign(overflow, x)


@jit(fastmath=REASSOCIATE)
def _gaps(narrow, rounded, d, largest):  # type: ignore[no-untyped-def]
    sq_beyond = 0.0
    beyond = np.int64(0)
    for i in range(d.size):
        gap = narrow[i] - rounded[i] if abs(rounded[i]) <= largest else d[i]
        sq_beyond += gap * gap
        beyond += np.int64(gap != 0.0)
    return beyond, sq_beyond


@jit()
def explained_losses(a, b, narrow_side, float_format):  # type: ignore[no-untyped-def]
    """How many differing values with a NaN or an infinity on a side rounding explains."""
    wide, narrow = (b, a) if narrow_side == 1 else (a, b)
    rounded = np.empty_like(wide)
    _round(wide, float_format, rounded)
    explained = 0
    saturates = np.isfinite(float_format[3])  # and a program may also write NaN instead
    for i in range(wide.size):
        x, y = wide[i], narrow[i]
        if x == y or (np.isfinite(x) and np.isfinite(y)):
            continue
        if np.isnan(x):  # stays NaN; `_round` gives what is too large in its place
            explained += np.isnan(y)
        else:
            too_large = saturates and abs(x) > float_format[2]
            explained += y == rounded[i] or (np.isnan(y) and too_large)
    return explained


@jit()
def beyond_rounding(a, b, d, narrow_side, float_format, rounded):  # type: ignore[no-untyped-def]
    """How many values differ beyond rounding, and the sum of squares of by how much.

    Args:
        a: float64, finite values of the model.
        b: the same of the reference.
        d: their differences.
        narrow_side: 1 where `a` came in the narrower dtype, 2 where `b` did.
        float_format: that dtype as `FloatFormat.row`.
        rounded: float64 of the same size, written to.
    """
    if narrow_side == 1:
        _round(b, float_format, rounded)
        return _gaps(a, rounded, d, float_format[2])
    _round(a, float_format, rounded)
    return _gaps(b, rounded, d, float_format[2])
