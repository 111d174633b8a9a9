"""The compiled loop that counts bins of |d|."""

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.compiled import jit
from inspect_core.delta.histogram import HISTOGRAM_BINS, Histogram

LANES = 4
"""Tables that take turns: a value in the bin of the one before then does not wait for it.

Where zeros and other values mix, as in a delta of which a part stayed, that is three times as
fast as one table.
"""

_ONE, _TWO, _THREE = (np.uint64(lane * HISTOGRAM_BINS) for lane in (1, 2, 3))


def empty_lanes(wanted: bool) -> NDArray[np.uint32]:
    """Zeroed tables one after the other, for `count_bins`; nothing where none is wanted.

    They are for one chunk: 32 bits count it, and stay nearer than 64.
    """
    return np.zeros(LANES * HISTOGRAM_BINS if wanted else 0, np.uint32)


def joined(lanes: NDArray[np.uint32]) -> Histogram | None:
    """The histogram of all lanes; None where none was wanted."""
    if not lanes.size:
        return None
    total: Histogram = lanes.reshape(LANES, -1).sum(axis=0, dtype=np.int64)
    return total


@jit()
def count_bins(bins, lanes):  # type: ignore[no-untyped-def]
    """Count each of `bins`, uint32, in the tables `empty_lanes`."""
    whole = bins.size // 4 * 4
    for i in range(np.uint64(0), np.uint64(whole), np.uint64(4)):
        lanes[bins[i]] += 1
        lanes[bins[i + np.uint64(1)] + _ONE] += 1
        lanes[bins[i + np.uint64(2)] + _TWO] += 1
        lanes[bins[i + np.uint64(3)] + _THREE] += 1
    for i in range(np.uint64(whole), np.uint64(bins.size)):
        lanes[bins[i]] += 1
