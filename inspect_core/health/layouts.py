"""How the bits of each dtype make numbers, as far as finding odd values needs it.

Floats are sign and magnitude, so the bits of their magnitudes order as the numbers do. That
lets integer minima and maxima stand for all other questions: no value is converted.
"""

import math
from dataclasses import dataclass
from typing import Literal

NEAR = 0.99
"""A value of at least this share of the largest finite one is near the limit of its dtype."""

Kind = Literal["float", "scale", "signed", "unsigned", "bool"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The bits of a dtype.

    Attributes:
        kind: `float` has a sign bit and a magnitude, `scale` is a power of two without a sign;
            the others are integers.
        width: bytes of a number.
        mantissa_bits: of a float.
        bias: of a float's exponent.
        largest: magnitude bits of the largest finite float.
        infinite: whether the next ones are infinity (and what follows is NaN); else they are NaN.
        minus_zero_is_nan: whether the sign bit alone is the one NaN (the `FNUZ` dtypes).
        limited: whether values near the largest are worth a word; 8-bit floats come with a
            scale that makes them reach it.
    """

    kind: Kind
    width: int
    mantissa_bits: int = 0
    bias: int = 0
    largest: int = 0
    infinite: bool = False
    minus_zero_is_nan: bool = False
    limited: bool = False

    @property
    def sign(self) -> int:
        """The sign bit alone."""
        return 1 << (8 * self.width - 1)

    @property
    def near(self) -> int:
        """Magnitude bits of the first float near the limit."""
        top = self.largest >> self.mantissa_bits
        scale = math.ldexp(1.0, top - self.bias)
        share = NEAR * self.float_of(self.largest) / scale - 1.0
        return (top << self.mantissa_bits) + math.ceil(math.ldexp(share, self.mantissa_bits))

    def float_of(self, bits: int) -> float:
        """The number of a finite float's bits; a zero has no sign."""
        if self.kind == "scale":
            return math.ldexp(1.0, bits - self.bias)
        size = bits & (self.sign - 1)
        exponent = size >> self.mantissa_bits
        mantissa = size & ((1 << self.mantissa_bits) - 1)
        if exponent:
            mantissa += 1 << self.mantissa_bits
        value = math.ldexp(mantissa, max(exponent, 1) - self.bias - self.mantissa_bits)
        return -value if bits & self.sign and value else value


def _ieee(width: int, mantissa_bits: int, *, limited: bool = True) -> Layout:
    exponent_bits = 8 * width - 1 - mantissa_bits
    infinity = ((1 << exponent_bits) - 1) << mantissa_bits
    bias = (1 << (exponent_bits - 1)) - 1
    return Layout("float", width, mantissa_bits, bias, infinity - 1, infinite=True, limited=limited)


LAYOUTS: dict[str, Layout] = {
    "F64": _ieee(8, 52), "F32": _ieee(4, 23), "F16": _ieee(2, 10), "BF16": _ieee(2, 7),
    "C64": _ieee(4, 23),
    "F8_E5M2": _ieee(1, 2, limited=False),
    "F8_E4M3": Layout("float", 1, 3, 7, 0x7E),
    "F8_E4M3FNUZ": Layout("float", 1, 3, 8, 0x7F, minus_zero_is_nan=True),
    "F8_E5M2FNUZ": Layout("float", 1, 2, 16, 0x7F, minus_zero_is_nan=True),
    "F8_E8M0": Layout("scale", 1, 0, 127, 0xFE),
    "I64": Layout("signed", 8), "I32": Layout("signed", 4), "I16": Layout("signed", 2),
    "I8": Layout("signed", 1), "U64": Layout("unsigned", 8), "U32": Layout("unsigned", 4),
    "U16": Layout("unsigned", 2), "U8": Layout("unsigned", 1), "BOOL": Layout("bool", 1),
}  # fmt: skip
"""Every dtype whose values can be looked at; quantised blocks are looked at decoded,
and a C64 as the two F32 that it is."""
