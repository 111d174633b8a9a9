"""From values to shares of a colour map: linear, logarithmic, or clipped at a high quantile."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

ScaleKind = Literal["robust", "linear", "log"]
SCALES: tuple[ScaleKind, ...] = get_args(ScaleKind)
"""Every kind of scale, the default first."""

ROBUST_SHARE = 0.95
"""A robust scale ends at this quantile of the sizes that are not 0."""

MATRIX_SHARE = 0.995
"""The same for the cells of a matrix, of which there are many more."""

ROOM = 2.0
"""A robust scale clips nothing where the largest is at most so many times that quantile."""

FEW = 6
"""Of fewer values than this no quantile is taken: all of them are on the scale."""

MOST_DECADES = 6
"""A logarithmic scale spans so many powers of ten at most; what is below has its first colour."""

LEAST_SHARE = 0.04
"""Share of the smallest size on a logarithmic scale: it is no 0, and is not drawn as one."""

REST = {"cosine": 1.0}
"""Metrics whose value of no change is not 0: they are on the scale by their distance to it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes on a colour map; the size of a value is its distance to `rest`.

    Attributes:
        kind: how sizes are spread over the map.
        low: size of its first colour; 0 unless logarithmic.
        high: size of its last colour; 0 where all sizes are 0, or there is none.
        most: the largest size there is.
        rest: the value of no change.
    """

    kind: ScaleKind
    low: float
    high: float
    most: float
    rest: float = 0.0

    @classmethod
    def of(
        cls,
        kind: ScaleKind,
        values: NDArray[np.float64],
        rest: float = 0.0,
        quantile: float = ROBUST_SHARE,
    ) -> "Scale":
        """The scale for some values.

        Args:
            kind: how to spread them.
            values: float64 of any shape; NaN and infinities are left out.
            rest: the value of no change.
            quantile: where a robust scale ends.
        """
        sizes = np.abs(values[np.isfinite(values)] - rest)
        sizes = sizes[sizes > 0.0]
        if not sizes.size:
            return cls(kind, 0.0, 0.0, 0.0, rest)
        most = high = float(sizes.max())
        low = 0.0
        if kind == "robust" and sizes.size >= FEW:
            end = float(np.quantile(sizes, quantile, method="lower"))
            high = end if most > ROOM * end else most
        if kind == "log":
            low = max(float(sizes.min()), high / 10.0**MOST_DECADES)
        return cls(kind, low, high, most, rest)

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shares of the map, [0, 1]: exactly 0 for no change; NaN and infinities stay."""
        with np.errstate(all="ignore"):
            sizes = np.abs(values - self.rest)
            if self.high <= 0.0:
                shares = np.zeros_like(sizes)
            elif self.kind == "log" and self.low < self.high:
                # Differences of logarithms: a ratio of the two could overflow.
                part = (np.log(sizes) - np.log(self.low)) / (np.log(self.high) - np.log(self.low))
                shares = LEAST_SHARE + (1.0 - LEAST_SHARE) * np.clip(part, 0.0, 1.0)
                shares = np.where(sizes == 0.0, 0.0, shares)
            else:
                shares = np.clip(sizes / self.high, 0.0, 1.0)
                # A tiny size must not become the 0 of one that did not change.
                shares = np.where(
                    sizes > 0.0, np.maximum(shares, np.finfo(np.float64).tiny), shares
                )
        return np.where(np.isfinite(values), shares, values)

    def signed(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same with the sign of the value, [-1, 1]; for a scale about 0."""
        return np.where(np.isfinite(values), np.copysign(self.shares(values), values), np.nan)

    def clipped(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which values are beyond the end of the map."""
        with np.errstate(invalid="ignore"):
            beyond = np.abs(values - self.rest) > self.high
        return beyond & np.isfinite(values)

    @property
    def clips(self) -> bool:
        """Whether there is anything beyond its end."""
        return self.most > self.high

    @property
    def ends(self) -> tuple[float, float]:
        """The values of its first and last colour."""
        sign = -1.0 if self.rest > 0.0 else 1.0
        return self.rest + sign * self.low, self.rest + sign * self.high
