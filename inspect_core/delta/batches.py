"""Many small tensors at once: one read of neighbours, one call of compiled code.

Alone, each costs some 16 microseconds of Python, in threads that wait for each other there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from inspect_core.delta.kernel import Chunk, CpuKernel, Kernel
from inspect_core.delta.summary import COUNTS, SUMS, Summary
from inspect_core.delta.values import Readable, ValueReader
from inspect_core.pairing.match import Pair

FEWEST = 64
"""Fewer tensors are not worth the loading of the code for many."""

DTYPES = frozenset({"BF16", "F16", "F32"})


def compare_batch(
    kernel: Kernel,
    readers: tuple[ValueReader, ValueReader],
    sources: tuple[Readable, Readable],
    pairs: Sequence[Pair],
) -> list[Summary] | None:
    """Compare whole tensors, all of one dtype of `DTYPES` on both sides.

    Args:
        kernel: what compares those with values that are not finite.
        readers: of the model and of the reference.
        sources: what holds the tensors of either.
        pairs: small ones: all of them are held at once.

    Returns:
        A summary for each; None where they are too few, of another kind, or for another kernel.

    Raises:
        CheckpointError: a file cannot be read, or changed meanwhile.
    """
    if type(kernel) is not CpuKernel or len(pairs) < FEWEST:
        return None
    references = [pair.reference for pair in pairs if pair.reference is not None]
    models = [pair.model for pair in pairs]
    dtypes = {info.dtype for side in (models, references) for info in side}
    if len(references) < len(models) or len(dtypes) > 1 or not dtypes <= DTYPES:
        return None
    from inspect_core.delta.batch_kernels import compare_many
    from inspect_core.delta.widening import CODES

    (dtype,) = dtypes
    ours = readers[0].read_all(sources[0], models)
    theirs = readers[1].read_all(sources[1], references)
    ends = np.cumsum([info.nbytes for info in models], dtype=np.int64)
    counts = np.zeros((len(pairs), len(COUNTS)), np.int64)
    sums = np.zeros((len(pairs), len(SUMS)), np.float64)
    finite = np.zeros(len(pairs), np.bool_)
    compare_many(ours, theirs, CODES[dtype], ends, counts, sums, finite)
    found = []
    for count, total in zip(counts.tolist(), sums.tolist(), strict=True):
        fields: list[Any] = [*count, *total]
        found.append(Summary(*fields))
    for at in np.flatnonzero(~finite).tolist():
        start, stop = int(ends[at - 1]) if at else 0, int(ends[at])
        sides = ours[start:stop], dtype, theirs[start:stop], dtype
        found[at] = kernel.compare(Chunk(*sides, models[at].numel), False, None)[0]
    return found
