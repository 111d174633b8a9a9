"""The exact quantities of a pair of tensors, and the metrics that follow from them.

A summary is a sum: chunks merge into tensors, tensors into modules, modules into folds.
Everything a person reads is derived here, once, from these fields.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

HISTOGRAM_SHIFT = 20
"""|d| falls into the bin `float32_bits(|d|) >> 20`: its exponent and three mantissa bits."""

HISTOGRAM_BINS = (0x7F800000 >> HISTOGRAM_SHIFT) + 1
"""Bins from 0 (zero and the smallest subnormals) to infinity; a bin is at most 12.5% wide."""

LEAST_SQUARE = 1e-290
"""A sum of squares below this has lost digits to the end of float64's range."""

SUMS = (
    "sum_d", "abs_d", "sq_d", "abs_model", "abs_reference",
    "sq_model", "sq_reference", "dot", "residual", "max_abs",
)  # fmt: skip
"""The float64 fields of a `Summary`, in the order in which kernels return them."""

COUNTS = ("numel", "changed", "left_out", "nonfinite_model", "nonfinite_reference")
"""The integer fields of a `Summary`, in the order in which kernels return them."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Mergeable sums over a pair `a` (model) and `b` (reference), with `d = a - b`.

    `+` is commutative and associative with `Summary()` as its zero: counts, maxima and
    histograms exactly, sums up to float64 rounding. Positions where either side is NaN or
    infinite are left out of all sums and counted.

    Attributes:
        numel: positions seen.
        changed: positions whose values differ (0.0 equals -0.0; the same NaN bits are the same).
        left_out: positions where a or b is not finite.
        nonfinite_model: non-finite values in a.
        nonfinite_reference: non-finite values in b.
        sum_d: sum of d.
        abs_d: sum of |d|.
        sq_d: sum of d^2.
        abs_model: sum of |a|.
        abs_reference: sum of |b|.
        sq_model: sum of a^2.
        sq_reference: sum of b^2.
        dot: sum of a*b.
        residual: sum of (a - s*b)^2 with s = dot / sq_reference: what of `a` is not along `b`.
            It merges as a variance does (Chan, Golub, LeVeque 1983), so small angles keep
            their digits where acos of a cosine loses them.
        max_abs: largest |d|.
        histogram: int64 `(HISTOGRAM_BINS,)` counts of |d|, or None where it was not asked for.
    """

    numel: int = 0
    changed: int = 0
    left_out: int = 0
    nonfinite_model: int = 0
    nonfinite_reference: int = 0
    sum_d: float = 0.0
    abs_d: float = 0.0
    sq_d: float = 0.0
    abs_model: float = 0.0
    abs_reference: float = 0.0
    sq_model: float = 0.0
    sq_reference: float = 0.0
    dot: float = 0.0
    residual: float = 0.0
    max_abs: float = 0.0
    histogram: NDArray[np.int64] | None = None

    def __add__(self, other: "Summary") -> "Summary":
        # Of two empty parts the one with a histogram stays, as a zero must not lose it.
        if other.numel == 0 and (self.numel > 0 or other.histogram is None):
            return self
        if self.numel == 0:
            return other
        merged: dict[str, Any] = {n: getattr(self, n) + getattr(other, n) for n in COUNTS + SUMS}
        merged["max_abs"] = max(self.max_abs, other.max_abs)
        merged["residual"] = merge_residual(
            self.residual, self.dot, self.sq_reference,
            other.residual, other.dot, other.sq_reference,
        )  # fmt: skip
        if self.histogram is not None and other.histogram is not None:
            merged["histogram"] = self.histogram + other.histogram
        return Summary(**merged)

    @classmethod
    def of(
        cls,
        counts: NDArray[np.int64],
        sums: NDArray[np.float64],
        histogram: NDArray[np.int64] | None = None,
    ) -> "Summary":
        """A summary from a kernel's two rows, ordered as `COUNTS` and `SUMS`."""
        fields: dict[str, Any] = dict(zip(COUNTS, counts.tolist(), strict=True))
        fields.update(zip(SUMS, sums.tolist(), strict=True))
        return cls(**fields, histogram=histogram)

    @classmethod
    def merged(cls, parts: Iterable["Summary"]) -> "Summary":
        """The sum of all parts, in order."""
        return sum(parts, start=cls())

    def without_histogram(self) -> "Summary":
        """The same sums, a tenth of a kilobyte instead of sixteen."""
        return self if self.histogram is None else replace(self, histogram=None)

    @property
    def compared(self) -> int:
        """Positions that entered the sums."""
        return self.numel - self.left_out

    @property
    def mean_abs(self) -> float | None:
        """Mean of |d| over the compared positions."""
        return _known(self.abs_d / self.compared) if self.compared else None

    @property
    def largest(self) -> float | None:
        """Largest |d|; None where nothing was compared, or the difference overflows."""
        return _known(self.max_abs) if self.compared else None

    @property
    def mean(self) -> float | None:
        """Mean of d over the compared positions."""
        return _known(self.sum_d / self.compared) if self.compared else None

    @property
    def std(self) -> float | None:
        """Standard deviation of d over the compared positions (population)."""
        if not self.compared or not self._squares_hold:
            return None
        mean = self.sum_d / self.compared
        return math.sqrt(max(0.0, self.sq_d / self.compared - mean * mean))

    @property
    def l2(self) -> float | None:
        """Frobenius norm of d; None where its square leaves the range of float64."""
        return math.sqrt(self.sq_d) if self.compared and self._squares_hold else None

    @property
    def rel_l2(self) -> float | None:
        """Norm of d over the norm of the reference; None where the reference is zero."""
        if self.l2 is None:
            return None
        if self.sq_d == 0.0:
            return 0.0
        if self.sq_reference < LEAST_SQUARE:
            return None
        return math.sqrt(self.sq_d) / math.sqrt(self.sq_reference)

    @property
    def angle(self) -> float | None:
        """Angle between model and reference in radians, [0, pi]; None where one is zero."""
        if min(self.sq_model, self.sq_reference) < LEAST_SQUARE or not self._squares_hold:
            return None
        if self.sq_d == 0.0:
            return 0.0
        along = self.dot / math.sqrt(self.sq_reference)
        return math.atan2(math.sqrt(self.residual), along)

    @property
    def _squares_hold(self) -> bool:
        """Whether no sum of squares overflowed, and that of d did not vanish.

        Only F64 values beyond about 1e150, or differences below 1e-150, bring it that far.
        """
        sums = (self.sq_d, self.sq_model, self.sq_reference, self.residual)
        vanished = self.sq_d < LEAST_SQUARE and self.max_abs > 0.0
        return all(map(math.isfinite, sums)) and not vanished

    @property
    def cosine(self) -> float | None:
        """Cosine of `angle`, in [-1, 1]."""
        angle = self.angle
        return None if angle is None else math.cos(angle)

    @property
    def changed_fraction(self) -> float | None:
        """Share of positions whose values differ."""
        return self.changed / self.numel if self.numel else None


def _known(value: float) -> float | None:
    """A number, or None where a sum has overflowed."""
    return value if math.isfinite(value) else None


def merge_residual(
    residual_1: float, dot_1: float, square_1: float,
    residual_2: float, dot_2: float, square_2: float,
) -> float:  # fmt: skip
    """Residual of the union of two parts about their common slope."""
    if square_1 <= 0.0 or square_2 <= 0.0:
        return residual_1 + residual_2
    slope_gap = dot_1 / square_1 - dot_2 / square_2
    shared = square_1 / (square_1 + square_2) * square_2
    return residual_1 + residual_2 + slope_gap * slope_gap * shared


def histogram_edges() -> NDArray[np.float64]:
    """Lower edges of the histogram's bins and the upper edge of the last finite one."""
    bits = np.arange(HISTOGRAM_BINS, dtype=np.uint32) << np.uint32(HISTOGRAM_SHIFT)
    return bits.view(np.float32).astype(np.float64)


def histogram_by_decade(histogram: NDArray[np.int64]) -> dict[int, int]:
    """Counts of |d| by power of ten, smallest first; exact zeros are left out.

    A bin that straddles a power of ten counts for the decade of its lower edge.

    Returns:
        decade e -> how many |d| lie in [10^e, 10^(e+1)).
    """
    edges = histogram_edges()
    decades: dict[int, int] = {}
    for index in np.flatnonzero(histogram).tolist():
        if index > 0 and math.isfinite(edges[index]):
            decade = math.floor(math.log10(edges[index]))
            decades[decade] = decades.get(decade, 0) + int(histogram[index])
    return dict(sorted(decades.items()))
