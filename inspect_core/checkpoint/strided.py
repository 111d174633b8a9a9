"""Values of a tensor that do not lie in order in the file: gathered, a bounded block at a time."""

from collections.abc import Iterator
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from inspect_core.checkpoint.byte_source import ByteSource
from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np

    _Array = np.ndarray[Any, np.dtype[Any]]

BLOCK_BYTES = 64 << 10
"""Bytes that are read at once however few of them are wanted: as dear as one call of pread."""

MOST_BLOCK_BYTES = 16 << 20
"""Bytes that are read at once at most; a request for a chunk holds no more besides its own."""

MOST_WASTE = 8
"""Bytes read for one that is wanted, where blocks are larger than `BLOCK_BYTES`."""

MAX_READS = 1_000_000
"""Reads of a whole tensor, some seven seconds; each request has its share of them."""

BYTES_PER_READ = 200
"""Bytes that a tensor has in the file, for each read that it may take besides: a large one takes
its time anyway. A transposed embedding of 128,256 words of 2,048 half floats just passes."""

MIN_READS = 1 << 12
"""Reads that any request may take, however small its share: a few values far apart."""


def read_strided(file: ByteSource, tensor: TensorInfo, offset: int, buffer: memoryview) -> None:
    """Fill `buffer` with bytes of a strided tensor, as if its values lay in order.

    Args:
        file: the tensor's file.
        tensor: one with strides.
        offset: first byte, counted in the order of the values.
        buffer: a writable, contiguous view; offset and length are inside the tensor.

    Raises:
        CheckpointError: the bytes cannot be read, or lie too far from each other.
    """
    import numpy as np

    shape, strides, width = _in_units(tensor)
    first, last = offset // width, -(-(offset + buffer.nbytes) // width)
    kind = np.dtype(f"u{width}" if width in (1, 2, 4, 8) else f"V{width}")
    values = np.empty(last - first, kind)
    reads = MAX_READS + (tensor.stop - tensor.start) // BYTES_PER_READ
    share = reads * buffer.nbytes // max(1, tensor.nbytes)
    gather = _Gather(file, tensor.start, kind, max(share, MIN_READS))
    shape, strides = _merged(shape, strides)
    done = 0
    for begin, sizes in _boxes(first, last, shape):
        part = values[done : (done := done + prod(sizes))].reshape(sizes)
        at = sum(index * stride for index, stride in zip(begin, strides, strict=True))
        gather.fill(part, at, strides)
    skipped = offset - first * width
    raw = values.view(np.uint8).data
    buffer.cast("B")[:] = raw[skipped : skipped + buffer.nbytes]


class _Gather:
    """Fills arrays from a file, with a limited number of reads."""

    def __init__(self, file: ByteSource, start: int, kind: "np.dtype[Any]", reads: int) -> None:
        self._file = file
        self._start = start
        self._kind = kind
        self._reads = reads
        self._block = bytearray(BLOCK_BYTES)

    def fill(self, part: "_Array", at: int, strides: tuple[int, ...]) -> None:
        """Fill an array whose first value is element `at` of the file's run."""
        width = self._kind.itemsize
        reaches = [(size - 1) * step for size, step in zip(part.shape, strides, strict=True)]
        span = 1 + sum(reaches)
        dense = span * width <= MOST_WASTE * part.nbytes
        most = (MOST_BLOCK_BYTES if dense else BLOCK_BYTES) // width
        if span <= most:
            self._read(part, at, span, strides)
            return
        # Pieces of the widest dimension lie farthest apart: little is read twice.
        axis = reaches.index(max(reaches))
        step = strides[axis]
        pieces = max(1, (most - (span - reaches[axis])) // step + 1)
        before = (slice(None),) * axis
        for begin in range(0, part.shape[axis], pieces):
            self.fill(part[(*before, slice(begin, begin + pieces))], at + begin * step, strides)

    def _read(self, part: "_Array", at: int, span: int, strides: tuple[int, ...]) -> None:
        import numpy as np

        self._reads -= 1
        if self._reads < 0:
            what = "the values of a tensor lie too far from each other to be gathered"
            hint = "save it with .contiguous()"
            raise CheckpointError(what, where=str(self._file.path), hint=hint)
        width = self._kind.itemsize
        if len(self._block) < span * width:
            self._block = bytearray(span * width)
        block = memoryview(self._block)[: span * width]
        self._file.read_into(self._start + at * width, block)
        steps = [stride * width for stride in strides]
        part[...] = np.ndarray(part.shape, self._kind, block, 0, steps)


def _in_units(tensor: TensorInfo) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Shape and strides in what is stored together, and the bytes of that.

    Of a quantised tensor these are blocks: its rows must be whole ones, as `views` sees to.
    """
    dtype, shape, strides = DTYPES[tensor.dtype], tensor.shape, tensor.strides or ()
    if dtype.block > 1:
        shape = (*shape[:-1], shape[-1] // dtype.block)
        strides = (*(stride // dtype.block for stride in strides[:-1]), 1)
    return shape, strides, dtype.nbytes(dtype.block)


def _merged(
    shape: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The same values in the same order, in as few dimensions as possible."""
    merged: list[tuple[int, int]] = []
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        together = bool(merged) and merged[-1][1] == size * stride
        merged.append((merged.pop()[0] * size if together else size, stride))
    return tuple(size for size, _ in merged), tuple(stride for _, stride in merged)


def _boxes(
    first: int, last: int, shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Cut a range of values, counted in order, into boxes: first index and sizes of each."""
    if first >= last:
        return
    if not shape:
        yield (), ()
        return
    inner = prod(shape[1:])
    low, high = first // inner, -(-last // inner)
    whole = (-(-first // inner), last // inner)
    if whole[0] > whole[1]:  # inside one row
        whole = (high, high)
    bounds = sorted({low, min(whole[0], high), max(whole[1], low), high})
    for begin, end in pairwise(bounds):
        start, stop = max(first, begin * inner), min(last, end * inner)
        if stop - start == (end - begin) * inner:
            yield (begin, *(0,) * (len(shape) - 1)), (end - begin, *shape[1:])
        else:
            for index, sizes in _boxes(start - begin * inner, stop - begin * inner, shape[1:]):
                yield (begin, *index), (1, *sizes)
