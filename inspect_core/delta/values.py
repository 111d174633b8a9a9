"""Values as the kernels read them: the bytes of a file, and quantised blocks decoded."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inspect_core.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import DTYPES, DType, TensorInfo
from inspect_core.delta.kernel import Raw

FEWEST_BYTES = 2 << 20
"""Size of a new buffer: a chunk of 2-byte values, which is what most tensors need."""

DECODED_VALUES = 1 << 17
"""Values decoded at once: what numpy makes on the way stays in the second-level cache."""


class Readable(Protocol):
    """Where bytes of tensors come from; a `Checkpoint`, or a stream made up by a test."""

    def read_into(self, tensor: TensorInfo, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from byte `offset` of the tensor."""
        ...


class ValueReader:
    """Reads runs of values into buffers that it uses again, one set for each thread.

    What `read` returned is good until the same thread reads again.

    Args:
        allocate: makes a buffer of so many bytes; by default in plain memory.
    """

    def __init__(self, allocate: Callable[[int], Raw] | None = None) -> None:
        self._local = threading.local()
        self._allocate = allocate or _plain

    def read(self, source: Readable, tensor: TensorInfo, start: int, stop: int) -> tuple[Raw, str]:
        """Read values `start` .. `stop` of a tensor, flat.

        Args:
            source: what holds the tensor.
            tensor: a tensor of a comparable dtype.
            start: first value.
            stop: one past the last; of a quantised tensor whole blocks are read around them.

        Returns:
            uint8 bytes, and the name of the dtype they are in: the tensor's own, or the one
            that its blocks decode to.

        Raises:
            CheckpointError: the bytes cannot be read, or the file changed.
        """
        dtype = DTYPES[tensor.dtype]
        first = start // dtype.block * dtype.block
        last = -(-stop // dtype.block) * dtype.block
        offset = dtype.nbytes(first)
        raw = self._buffer("raw", dtype.nbytes(last) - offset)
        if raw.size:
            source.read_into(tensor, offset, raw.data)
        if not dtype.decoded:
            return raw, dtype.name
        width = DTYPES[dtype.decoded].nbytes(1)
        values = self._buffer("values", (last - first) * width)
        decode(raw, dtype, values.view(np.float32))
        return values[(start - first) * width : (stop - first) * width], dtype.decoded

    def read_all(self, source: Readable, tensors: Sequence[TensorInfo]) -> Raw:
        """Read whole tensors, one after the other; neighbours in a file in one go.

        Args:
            source: what holds the tensors.
            tensors: of dtypes that are stored as they are.

        Raises:
            CheckpointError: the bytes cannot be read, or the file changed.
        """
        raw = self._buffer("raw", sum([tensor.nbytes for tensor in tensors]))
        place = 0
        for run in _runs(tensors) if isinstance(source, Checkpoint) else tensors:
            stop = place + run.nbytes
            if stop > place:
                source.read_into(run, 0, raw[place:stop].data)
            place = stop
        return raw

    def _buffer(self, name: str, nbytes: int) -> Raw:
        held: Raw | None = getattr(self._local, name, None)
        if held is None or held.size < nbytes:
            held = self._allocate(max(nbytes, FEWEST_BYTES))
            setattr(self._local, name, held)
        return held[:nbytes]


def _runs(tensors: Sequence[TensorInfo]) -> Iterator[TensorInfo]:
    """The same bytes in fewer pieces: tensors that follow each other in a file as one."""
    first: TensorInfo | None = None
    stop = 0
    for tensor in tensors:
        plain = tensor.strides is None and not tensor.parts
        if first is not None:
            if plain and tensor.start == stop and tensor.shard == first.shard:
                stop = tensor.stop
                continue
            yield first._replace(stop=stop)
            first = None
        if plain:
            first, stop = tensor, tensor.stop
        else:
            yield tensor
    if first is not None:
        yield first._replace(stop=stop)


def _plain(nbytes: int) -> Raw:
    return np.empty(nbytes, np.uint8)


def decode(raw: Raw, dtype: DType, values: NDArray[np.float32]) -> None:
    """Decode whole blocks as the `gguf` package does.

    Args:
        raw: uint8, the blocks.
        dtype: a comparable one of `GGML_QUANTS`.
        values: float32 of as many values as the blocks hold, written to.
    """
    from gguf import GGMLQuantizationType, quants  # 0.2 s to import

    kind = GGMLQuantizationType[dtype.name]
    # A scale may be infinite or NaN: its values become so, and are counted as such later.
    with np.errstate(all="ignore"):
        for start in range(0, values.size, DECODED_VALUES):
            stop = min(values.size, start + DECODED_VALUES)
            blocks = raw[dtype.nbytes(start) : dtype.nbytes(stop)]
            values[start:stop] = quants.dequantize(blocks.reshape(1, -1), kind).reshape(-1)
