"""Raw bytes to float64 in compiled code: the first step of every CPU kernel."""

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.compiled import jit

ZERO = 0
"""Code of a side that is absent: it reads as zeros."""

F64, F32, F16, BF16, I64, U64, E4M3, E5M2, I8, U8, BOOL = range(1, 12)

CODES: dict[str, int] = {
    "F64": F64, "F32": F32, "F16": F16, "BF16": BF16, "I64": I64, "U64": U64,
    "F8_E4M3": E4M3, "F8_E5M2": E5M2, "I8": I8, "U8": U8, "BOOL": BOOL,
}  # fmt: skip
"""Codes of the dtypes that the kernel reads; integers of 2 and 4 bytes arrive as F64."""

# No nnan and no ninf: with them LLVM may assume that there are no such values and drop the
# very tests that look for them.
REASSOCIATE = {"reassoc", "nsz", "contract", "arcp"}


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


@jit()
def _copy(source, target):  # type: ignore[no-untyped-def]
    for i in range(source.size):
        target[i] = source[i]


@jit()
def widen_half(source, target):  # type: ignore[no-untyped-def]
    """F16 values, as uint16, to float32 or float64."""
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


@jit()
def widen_brain(source, target):  # type: ignore[no-untyped-def]
    """BF16 values, as uint16, to float32 or float64."""
    for i in range(source.size):
        target[i] = np.uint32(np.uint32(source[i]) << np.uint32(16)).view(np.float32)


@jit()
def widen(raw, code, start, byte_values, target):  # type: ignore[no-untyped-def]
    """Values `start` .. `start + target.size` of `raw` (uint8) as float64."""
    stop = start + target.size
    if code == F32:
        _copy(raw.view(np.float32)[start:stop], target)
    elif code == BF16:
        widen_brain(raw.view(np.uint16)[start:stop], target)
    elif code == F16:
        widen_half(raw.view(np.uint16)[start:stop], target)
    elif code == F64:
        _copy(raw.view(np.float64)[start:stop], target)
    elif code >= E4M3:
        table = byte_values[code - E4M3]
        for i in range(target.size):
            target[i] = table[raw[start + i]]
    elif code == I64:
        _copy(raw.view(np.int64)[start:stop], target)
    elif code == U64:
        _copy(raw.view(np.uint64)[start:stop], target)
    else:
        target[:] = 0.0


@jit()
def subtract_int64(raw_a, raw_b, start, d):  # type: ignore[no-untyped-def]
    """The differences of 64-bit integers, each rounded to float64 once.

    float64 rounds integers beyond 2^53 before it subtracts them; their halves are exact.
    """
    for i in range(d.size):
        x = raw_a[start + i]
        y = raw_b[start + i]
        high = np.float64(np.int64(x >> 32) - np.int64(y >> 32))
        low = np.float64(np.int64(x & 0xFFFFFFFF) - np.int64(y & 0xFFFFFFFF))
        d[i] = high * 4294967296.0 + low
