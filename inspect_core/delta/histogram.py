"""Counts of |d| by size, and what follows from them: quantiles and the Lorenz area.

A bin is an exponent and three mantissa bits of a float32, so it is at most 12.5% wide for
every |d| from 2^-126 up; below that only zero, and what float32 calls subnormal, is found.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

HISTOGRAM_SHIFT = 20
"""|d| falls into the bin `float32_bits(|d|) >> 20`: its exponent and three mantissa bits."""

HISTOGRAM_BINS = (0x7F800000 >> HISTOGRAM_SHIFT) + 1
"""Bins from 0 (zero and the smallest subnormals) to infinity; a bin is at most 12.5% wide."""

Histogram = NDArray[np.int64]
"""int64 `(HISTOGRAM_BINS,)`."""

_ROUNDED = 2.0**-24
"""A |d| is rounded to float32 before its bin is found: edges are off by as much, relatively."""


def histogram_edges() -> NDArray[np.float64]:
    """Lower edges of the histogram's bins and the upper edge of the last finite one."""
    bits = np.arange(HISTOGRAM_BINS, dtype=np.uint32) << np.uint32(HISTOGRAM_SHIFT)
    return bits.view(np.float32).astype(np.float64)


@cache
def _bounds() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and largest |d| of each bin; the last bin begins where float32 ends."""
    edges = histogram_edges()
    low = np.append(edges[:-1], 2.0**128)
    return low * (1.0 - _ROUNDED), np.append(edges[1:-1], [2.0**128, math.inf])


def histogram_by_decade(histogram: Histogram) -> dict[int, int]:
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


def quantile(histogram: Histogram, q: float, largest: float) -> float | None:
    """The |d| that a share `q` of all values does not exceed: the `ceil(q n)`-th smallest.

    The result is within 1/17 (5.9%) of that value where it is at least 2^-126; a smaller one
    may read as 0. That is half the width of a bin against its middle.

    Args:
        histogram: counts of |d|.
        q: 0 to 1.
        largest: the largest |d|, which is known exactly.

    Returns:
        None where there are no values, or it lies beyond float32's range.
    """
    total = int(histogram.sum())
    if not total:
        return None
    rank = min(total, max(1, math.ceil(q * total)))
    if rank == total and math.isfinite(largest):
        return largest
    index = int(np.searchsorted(np.cumsum(histogram), rank))
    if index == 0:
        return 0.0
    low, high = (float(bound[index]) for bound in _bounds())
    if index == HISTOGRAM_BINS - 1:
        return None
    high = min(high, largest)
    return max(low, 2.0 * low * high / (low + high))  # equally far from both, relatively


def lorenz_bounds(histogram: Histogram, total: float, largest: float) -> tuple[float, float] | None:
    """An interval that holds the Lorenz area of |d|: (1 - Gini) / 2.

    The area under the curve of sorted |d|, `mean(cumsum(sorted |d|) / sum) - 1 / (2 n)`: 1/2
    where all values move equally, nearly 0 where few do. The counts say between which edges
    each value lies, and the sum of all is known exactly. The largest area that fits fills the
    smallest values up to their bins' upper edges first, the least area the largest values.

    Half the interval is at most 0.03 (in practice below 0.02) where |d| is 0 or at least
    2^-126 and within float32's range.

    Args:
        histogram: counts of |d|.
        total: sum of |d|.
        largest: the largest |d|.

    Returns:
        None where nothing changed, or a sum has overflowed.
    """
    if not 0.0 < total < math.inf or not math.isfinite(largest):
        return None
    filled = np.flatnonzero(histogram)
    count = histogram[filled].astype(np.float64)
    low, high = (bound[filled] for bound in _bounds())
    high = np.minimum(high * (1.0 + _ROUNDED), largest)
    low = np.minimum(low, high)
    above = count.sum() - np.cumsum(count)  # values in higher bins
    room, missing = (high - low) * count, max(0.0, total - float((low * count).sum()))
    least = float((low * count * (above + count / 2.0)).sum())
    most = least + float((_poured(room, missing) * (above + count / 2.0)).sum())
    # Within a bin the least area has some values at its upper edge, the others at its lower.
    top = _poured(room[::-1], missing)[::-1]
    at_top = np.divide(top, high - low, out=np.zeros_like(top), where=high > low)
    least += float((top * (above + at_top / 2.0)).sum())
    scale = total * count.sum()
    return float(min(least, most) / scale), float(min(0.5, max(least, most) / scale))


def _poured(room: NDArray[np.float64], amount: float) -> NDArray[np.float64]:
    """What each vessel holds once an amount has filled them one after the other."""
    before = np.cumsum(room) - room
    return np.clip(amount - before, 0.0, room)


@dataclass(frozen=True, slots=True)
class PackedHistograms:
    """Histograms of many tensors, each as the run of bins that is not empty.

    Bin 0 is left out: it is what the others leave of the number of values.

    Attributes:
        first: int32 `(n,)`, the first bin of each run; 0 where the run is empty.
        ends: int64 `(n,)`, where each run ends in `counts`.
        counts: the runs, in the narrowest unsigned integers that hold them.
    """

    first: NDArray[np.int32]
    ends: NDArray[np.int64]
    counts: NDArray[np.unsignedinteger]

    @classmethod
    def of(cls, histograms: Iterable[Histogram]) -> "PackedHistograms":
        """Trim and pack some histograms."""
        return cls.joined([trimmed(histogram) for histogram in histograms])

    @classmethod
    def joined(cls, runs: "Sequence[Run]") -> "PackedHistograms":
        """Pack runs that are trimmed already."""
        lengths = [len(counts) for _, counts in runs]
        counts = np.concatenate([counts for _, counts in runs] or [np.empty(0, np.uint8)])
        first = np.array([start for start, _ in runs], np.int32)
        return cls(first, np.cumsum(lengths, dtype=np.int64), counts)

    def runs(self) -> "Iterator[Run]":
        """The run of each tensor, in order."""
        start = 0
        for first, end in zip(self.first.tolist(), self.ends.tolist(), strict=True):
            yield first, self.counts[start:end]
            start = end


Run = tuple[int, NDArray[np.unsignedinteger]]
"""First bin, and the counts from there on."""


def trimmed(histogram: Histogram) -> Run:
    """The bins from the first to the last that is not empty, without bin 0."""
    filled = np.flatnonzero(histogram[1:])
    if not filled.size:
        return 0, np.empty(0, np.uint8)
    first, last = int(filled[0]) + 1, int(filled[-1]) + 2
    counts = histogram[first:last]
    return first, counts.astype(np.min_scalar_type(int(counts.max())))


def merged(runs: Iterable[Run], numel: int) -> Histogram:
    """The histogram of all values of some tensors, `numel` in number."""
    total = np.zeros(HISTOGRAM_BINS, np.int64)
    for first, counts in runs:
        total[first : first + len(counts)] += counts.astype(np.int64, copy=False)
    total[0] = numel - int(total.sum())
    return total
