"""Values of a checkpoint's tensors in float64, whatever they are stored in."""

import numpy as np
from numpy.typing import NDArray

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.delta.values import Readable, ValueReader

Matrix = NDArray[np.float64]

_PLAIN = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "u1",
}  # fmt: skip
_SMALL_FLOATS = {"F8_E4M3": 4, "F8_E5M2": 5}

_reader = ValueReader()


def is_readable(info: TensorInfo) -> bool:
    """Whether the values of a tensor can be read as numbers."""
    return DTYPES[info.dtype].comparable and not info.unread


def read_values(source: Readable, info: TensorInfo, start: int = 0, stop: int = -1) -> Matrix:
    """Values `start` .. `stop` of a tensor, flat, as float64; all of them by default.

    Raises:
        CheckpointError: the bytes cannot be read, or the file changed.
    """
    raw, dtype = _reader.read(source, info, start, info.numel if stop < 0 else stop)
    if dtype == "BF16":
        wide = raw.view("<u2").astype(np.uint32)
        wide <<= np.uint32(16)
        return wide.view(np.float32).astype(np.float64)
    if dtype in _SMALL_FLOATS:
        from inspect_core.delta.widening import float8_table

        return float8_table(_SMALL_FLOATS[dtype])[raw]
    return raw.view(_PLAIN[dtype]).astype(np.float64)


def read_shaped(source: Readable, info: TensorInfo) -> Matrix:
    """A whole tensor as float64, in its shape; see `read_values`."""
    return read_values(source, info).reshape(info.shape)
