"""The compiled loop over many small tensors; it is compiled anew with `float_kernels.py`."""

import numpy as np

from inspect_core.delta.compiled import jit
from inspect_core.delta.float_kernels import compare_halves, compare_singles
from inspect_core.delta.widening import BF16, F32


@jit()
def compare_many(raw_a, raw_b, code, ends, counts, sums, finite):  # type: ignore[no-untyped-def]
    """Compare tensors that follow each other, all in BF16, F16 or F32.

    Args:
        raw_a: uint8, the model's bytes.
        raw_b: uint8, the reference's, as many.
        code: their dtype, a value of `CODES`.
        ends: int64 `(n,)`, where each tensor ends.
        counts: int64 `(n, len(COUNTS))`, added to.
        sums: float64 `(n, len(SUMS))`, added to.
        finite: bool `(n,)`, set to whether all values are; the others' outputs are of no use.
    """
    bins = np.empty(0, np.uint32)
    none = np.empty(0, np.float64)
    start = 0
    for i in range(ends.size):
        a = raw_a[start : ends[i]]
        b = raw_b[start : ends[i]]
        if code == F32:
            finite[i] = compare_singles(a, b, counts[i], sums[i], bins, 0, False, none, none, none)
        else:
            finite[i] = compare_halves(
                a, b, code == BF16, counts[i], sums[i], bins, 0, False, none, none, none
            )
        start = ends[i]
