"""What the values of a tensor are like, as counts that merge."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inspect_core.health.layouts import LAYOUTS, Layout

Bits = NDArray[np.unsignedinteger]
Extreme = int | float


class Values(NamedTuple):
    """Mergeable counts over some values.

    `+` is commutative and associative, exactly, with `Values()` as its zero.

    Attributes:
        numel: numbers seen; a complex value is two.
        nan: of them NaN.
        plus_inf: of them infinite.
        minus_inf: of them minus infinity.
        near_limit: finite, and within 1% of the largest number of the dtype.
        odd_bools: bytes of a BOOL that are neither 0 nor 1.
        low: the least finite value, None without one; an int where the dtype has integers.
        high: the largest finite value.
    """

    numel: int = 0
    nan: int = 0
    plus_inf: int = 0
    minus_inf: int = 0
    near_limit: int = 0
    odd_bools: int = 0
    low: Extreme | None = None
    high: Extreme | None = None

    def __add__(self, other: "Values") -> "Values":  # type: ignore[override]
        return Values(
            self.numel + other.numel,
            self.nan + other.nan,
            self.plus_inf + other.plus_inf,
            self.minus_inf + other.minus_inf,
            self.near_limit + other.near_limit,
            self.odd_bools + other.odd_bools,
            _of_known(min, self.low, other.low),
            _of_known(max, self.high, other.high),
        )

    @classmethod
    def merged(cls, parts: Iterable["Values"]) -> "Values":
        """The sum of all parts."""
        return sum(parts, start=cls())

    @property
    def nonfinite(self) -> int:
        """NaN and infinite values."""
        return self.nan + self.plus_inf + self.minus_inf

    @property
    def constant(self) -> Extreme | None:
        """The one value that all have (0.0 is -0.0); None where they differ or are not finite."""
        return self.low if self.low == self.high and not self.nonfinite else None


def look(raw: NDArray[np.uint8], dtype: str) -> Values:
    """Look at every value of a chunk.

    Args:
        raw: uint8, the bytes of whole values.
        dtype: a key of `LAYOUTS`.
    """
    layout = LAYOUTS[dtype]
    bits: Bits = raw.view(f"u{layout.width}")
    if not bits.size:
        return Values()
    if layout.kind == "signed":
        signed = raw.view(f"i{layout.width}")
        return Values(bits.size, low=int(signed.min()), high=int(signed.max()))
    if layout.kind == "float":
        return _look_at_floats(bits, layout)
    low, high = int(bits.min()), int(bits.max())
    if layout.kind == "scale":
        return _look_at_scales(bits, layout, low, high)
    if layout.kind == "bool":
        odd = int(np.count_nonzero(bits > 1)) if high > 1 else 0
        return Values(bits.size, odd_bools=odd, low=min(low, 1), high=min(high, 1))
    return Values(bits.size, low=low, high=high)


def _look_at_floats(bits: Bits, layout: Layout) -> Values:
    low, high = _ends(bits, layout)
    largest = max(low & (layout.sign - 1), high & (layout.sign - 1))
    nan_is_zero = layout.minus_zero_is_nan and bool((bits == layout.sign).any())
    if largest < _near(layout) and not nan_is_zero:
        return Values(bits.size, low=layout.float_of(low), high=layout.float_of(high))
    # Rare: some value is odd, or may be. Now every question is asked by itself.
    sizes = bits & bits.dtype.type(layout.sign - 1)
    finite = sizes <= layout.largest
    if layout.minus_zero_is_nan:
        finite &= bits != layout.sign
    infinite = sizes == layout.largest + 1 if layout.infinite else np.zeros_like(finite)
    infinities, minus = _count(infinite), _count(infinite & (bits >= layout.sign))
    kept = bits[finite]
    near = _count(finite & (sizes >= _near(layout))) if layout.limited else 0
    ends = [layout.float_of(end) for end in _ends(kept, layout)] if kept.size else [None, None]
    nan = bits.size - kept.size - infinities
    return Values(bits.size, nan, infinities - minus, minus, near, 0, *ends)


def _ends(bits: Bits, layout: Layout) -> tuple[int, int]:
    """The bits of the least and the largest of floats.

    Positive ones order as integers do, negative ones the other way round; the sign bit puts
    the negative ones on top for unsigned integers, and below zero for signed ones.
    """
    signed = bits.view(f"i{layout.width}")
    top, most = int(bits.max()), int(signed.max())
    low = top if top >= layout.sign else int(bits.min())
    high = most if most >= 0 else int(signed.min()) + 2 * layout.sign
    return low, high


def _look_at_scales(bits: Bits, layout: Layout, low: int, high: int) -> Values:
    if high <= layout.largest:
        return Values(bits.size, low=layout.float_of(low), high=layout.float_of(high))
    kept = bits[bits <= layout.largest]
    nan = bits.size - kept.size
    if not kept.size:
        return Values(bits.size, nan)
    low, high = int(kept.min()), int(kept.max())
    return Values(bits.size, nan, low=layout.float_of(low), high=layout.float_of(high))


@lru_cache(maxsize=32)
def _near(layout: Layout) -> int:
    # Where nothing near the limit is asked for, what is beyond it must be looked at still.
    return layout.near if layout.limited else layout.largest + 1


def _count(mask: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))


def _of_known(
    choose: Callable[[Extreme, Extreme], Extreme], one: Extreme | None, other: Extreme | None
) -> Extreme | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)
