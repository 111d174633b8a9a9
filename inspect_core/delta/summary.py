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

from inspect_core.delta.histogram import Histogram, lorenz_bounds, quantile
from inspect_core.delta.residual import merge_residual
from inspect_core.delta.row_angles import RowAngles

LEAST_SQUARE = 1e-290
"""A sum of squares below this has lost digits to the end of float64's range."""

SUMS = (
    "sum_d", "abs_d", "sq_d", "abs_model", "abs_reference",
    "sq_model", "sq_reference", "dot", "residual", "max_abs", "sq_beyond",
)  # fmt: skip
"""The float64 fields of a `Summary`, in the order in which kernels return them."""

COUNTS = (
    "numel", "changed", "left_out", "nonfinite_model", "nonfinite_reference",
    "sign_flips", "beyond", "across",
)  # fmt: skip
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
        sign_flips: positions where a and b are both nonzero, and of opposite sign.
        beyond: changed positions that rounding does not explain. Where one side's dtype is a
            narrower float than the other's (`delta.rounding`), a position is explained if the
            wider value rounds to the narrower one. Elsewhere all that changed is beyond.
        across: positions of pairs in two float dtypes, one narrower: where rounding can
            explain anything at all.
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
        sq_beyond: sum of (narrow - r)^2 with r = the wider side rounded to the narrower dtype;
            d^2 where nothing can be explained, or r overflows.
        histogram: int64 `(HISTOGRAM_BINS,)` counts of |d|, or None where it was not asked for.
            Positions that were left out count as zeros.
        rows: what was found row by row, or None where it was not asked for.
    """

    numel: int = 0
    changed: int = 0
    left_out: int = 0
    nonfinite_model: int = 0
    nonfinite_reference: int = 0
    sign_flips: int = 0
    beyond: int = 0
    across: int = 0
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
    sq_beyond: float = 0.0
    histogram: Histogram | None = None
    rows: RowAngles | None = None

    def __add__(self, other: "Summary") -> "Summary":
        if other.numel == 0:
            return self if self.numel > 0 else self._with_parts_of(other)
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
        if self.rows is not None and other.rows is not None:
            merged["rows"] = self.rows + other.rows
        return Summary(**merged)

    def _with_parts_of(self, other: "Summary") -> "Summary":
        """Of two empty summaries one with all the parts that either has: a zero loses none."""
        histogram = other.histogram if self.histogram is None else self.histogram
        rows = other.rows if self.rows is None else self.rows
        return replace(self, histogram=histogram, rows=rows)

    @classmethod
    def of(
        cls,
        counts: NDArray[np.int64],
        sums: NDArray[np.float64],
        histogram: Histogram | None = None,
        rows: RowAngles | None = None,
    ) -> "Summary":
        """A summary from a kernel's two rows, ordered as `COUNTS` and `SUMS`."""
        # The fields stand in this order; by name it would take three times as long.
        fields: tuple[Any, ...] = (*counts.tolist(), *sums.tolist(), histogram, rows)
        return cls(*fields)

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

    @property
    def beyond_fraction(self) -> float | None:
        """Share of positions whose values differ by more than rounding explains."""
        return self.beyond / self.numel if self.numel else None

    @property
    def rel_l2_beyond(self) -> float | None:
        """Norm of what rounding does not explain, over the norm of the reference."""
        if not self.compared or not math.isfinite(self.sq_beyond):
            return None
        if not self.beyond:
            return 0.0
        if not self._squares_hold or self.sq_reference < LEAST_SQUARE:
            return None
        return math.sqrt(self.sq_beyond) / math.sqrt(self.sq_reference)

    @property
    def explained(self) -> float | None:
        """Share of the sum of d^2 that rounding explains, in [0, 1].

        None where both sides have the same precision, or nothing differs.
        """
        if not self.across or not self.sq_d or not self._squares_hold:
            return None
        return max(0.0, 1.0 - self.sq_beyond / self.sq_d)

    @property
    def sign_flip_fraction(self) -> float | None:
        """Share of the compared positions whose sign is the opposite one."""
        return self.sign_flips / self.compared if self.compared else None

    @property
    def mean_abs_model(self) -> float | None:
        """Mean of |a| over the compared positions."""
        return _known(self.abs_model / self.compared) if self.compared else None

    @property
    def mean_abs_reference(self) -> float | None:
        """Mean of |b| over the compared positions."""
        return _known(self.abs_reference / self.compared) if self.compared else None

    def quantile(self, q: float) -> float | None:
        """The |d| that a share `q` of the compared positions does not exceed.

        Within 1/17 (5.9%) of the exact value; see `delta.histogram.quantile`. None without a
        histogram.
        """
        sizes = self._sizes
        return None if sizes is None else quantile(sizes, q, self.max_abs)

    @property
    def lorenz_bounds(self) -> tuple[float, float] | None:
        """An interval that holds the Lorenz area of |d|; None without a histogram or change."""
        sizes = self._sizes
        return None if sizes is None else lorenz_bounds(sizes, self.abs_d, self.max_abs)

    @property
    def lorenz_area(self) -> float | None:
        """Area under the Lorenz curve of |d|, (1 - Gini) / 2, in [0, 0.5].

        The middle of `lorenz_bounds`, so at most 0.03 off (see `delta.histogram`).
        """
        bounds = self.lorenz_bounds
        return None if bounds is None else (bounds[0] + bounds[1]) / 2.0

    @property
    def _sizes(self) -> Histogram | None:
        """Counts of |d| of the compared positions."""
        if self.histogram is None or not self.left_out:
            return self.histogram
        sizes = self.histogram.copy()
        sizes[0] -= self.left_out
        return sizes

    @property
    def row_angle(self) -> float | None:
        """Mean angle of the rows, radians; None where it was not collected or no row has one."""
        return None if self.rows is None else self.rows.mean_angle


def _known(value: float) -> float | None:
    """A number, or None where a sum has overflowed."""
    return value if math.isfinite(value) else None
