"""Whether two tensors are the same bits: a proof that sums cannot give, as 0.0 equals -0.0."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from inspect_core.control import Control, Progress
from inspect_core.delta.compare import thread_count
from inspect_core.delta.kernel import Raw
from inspect_core.delta.values import Readable
from inspect_core.pairing.match import Pair

CHUNK_BYTES = 4 << 20
"""Bytes of each side that a thread holds."""

BATCH_BYTES = 64 << 20
"""Work between two looks at the control: some 10 ms from the page cache."""

_WORD = 8


@dataclass(frozen=True, slots=True)
class _Range:
    """Some bytes of a pair."""

    number: int
    start: int
    stop: int


class _Eye:
    """Looks at ranges of pairs; each thread has two buffers of its own."""

    def __init__(self, model: Readable, reference: Readable, pairs: Sequence[Pair]) -> None:
        self._model, self._reference, self._pairs = model, reference, pairs
        self._local = threading.local()
        self.differ: set[int] = set()

    def look(self, at: _Range) -> None:
        """Note the pair if the bytes of a range are not the same, unless that is known."""
        if at.number in self.differ:
            return
        pair = self._pairs[at.number]
        assert pair.reference is not None
        ours, theirs = self._buffers(at.stop - at.start)
        self._model.read_into(pair.model, at.start, ours.data)
        self._reference.read_into(pair.reference, at.start, theirs.data)
        if not _equal(ours, theirs):
            self.differ.add(at.number)

    def _buffers(self, length: int) -> tuple[Raw, Raw]:
        if not hasattr(self._local, "held"):
            self._local.held = np.empty((2, CHUNK_BYTES), np.uint8)
        held: tuple[Raw, Raw] = tuple(self._local.held[:, :length])
        return held


def _equal(one: Raw, other: Raw) -> bool:
    """Whether bytes are the same, eight at a time where they come in eights."""
    whole = one.size - one.size % _WORD
    heads = one[:whole].view(np.uint64), other[:whole].view(np.uint64)
    return np.array_equal(*heads) and np.array_equal(one[whole:], other[whole:])


def same_bits(
    model: Readable, reference: Readable, pairs: Sequence[Pair], control: Control
) -> list[bool]:
    """For each pair, whether all bytes of its values are the same; no more is read than needed.

    Args:
        model: what holds the model's tensors.
        reference: what holds the reference's.
        pairs: pairs with a reference, of one dtype and as many values; of any dtype, also of
            one whose values cannot be compared.
        control: takes progress, and can cancel.

    Raises:
        Cancelled: `control` was cancelled.
        CheckpointError: a file cannot be read, or changed meanwhile.
    """
    eye = _Eye(model, reference, pairs)
    total, seen = sum([pair.nbytes for pair in pairs]), 0
    control.report(Progress(0, len(pairs), "tensors", 0, total))
    with ThreadPoolExecutor(thread_count(), "lamella-bits") as pool:
        for batch in _batches(pairs):
            control.check()
            for _ in pool.map(eye.look, batch):
                pass
            seen += 2 * sum([at.stop - at.start for at in batch])
            done = batch[-1].number
            control.report(Progress(done, len(pairs), "tensors", seen, total))
    control.report(Progress(len(pairs), len(pairs), "tensors", total, total))
    return [number not in eye.differ for number in range(len(pairs))]


def _batches(pairs: Sequence[Pair]) -> Iterator[list[_Range]]:
    """Ranges of all pairs, so many at once as are worth a look at the control."""
    batch: list[_Range] = []
    nbytes = 0
    for number, pair in enumerate(pairs):
        for start in range(0, pair.model.nbytes, CHUNK_BYTES):
            batch.append(_Range(number, start, min(start + CHUNK_BYTES, pair.model.nbytes)))
            nbytes += batch[-1].stop - start
            if nbytes >= BATCH_BYTES:
                yield batch
                batch, nbytes = [], 0
    if batch:
        yield batch
