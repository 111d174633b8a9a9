"""Small models on disk."""

import json
import struct

import numpy as np

DTYPES = {"float32": "F32", "float16": "F16", "float64": "F64", "int64": "I64", "uint8": "U8"}


def write_model(path, tensors) -> str:
    """Write a safetensors file; a tuple is a dtype, a shape and raw bytes."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        dtype, shape, raw = _entry(tensor)
        entry = {"dtype": dtype, "shape": list(shape)}
        header[name] = {**entry, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return str(path)


def _entry(tensor):
    if isinstance(tensor, np.ndarray):
        return DTYPES[str(tensor.dtype)], tensor.shape, tensor.tobytes()
    return tensor


def bf16(values):
    """Values rounded to the nearest BF16, ties to even."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return "BF16", np.shape(values), rounded.astype("<u2").tobytes()
