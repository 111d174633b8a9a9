"""The header of a GGUF file, read by ourselves: it comes from strangers too.

The format: `GGUF`, a version, two counts, keys and values, the tensors' names, sizes, types and
offsets, then the tensors, each at a multiple of an alignment
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). The `gguf` package's own reader maps
the file and believes every length; it is used for the values of quantised blocks only.
"""

from math import prod
from operator import attrgetter
from struct import Struct

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.contents import GGUF, Contents
from inspect_core.checkpoint.gguf_cursor import CUT_SHORT, Cursor
from inspect_core.checkpoint.gguf_values import UINT32, Values
from inspect_core.checkpoint.strict_json import collector_paused
from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo

MAGIC = b"GGUF"
VERSIONS = (2, 3)
"""Versions read; 3 is 2 that may be big-endian."""

MAX_KEYS = 100_000
"""Most keys of a file; honest ones have some dozens."""

MAX_TENSORS = 1_000_000
"""Most tensors of a file; honest ones have some thousands."""

MAX_DIMS = 4
"""The format's own limit."""

DEFAULT_ALIGNMENT = 32
MAX_ALIGNMENT = 1 << 24
"""Largest alignment accepted: 16 MiB, more than any page."""

TYPES: dict[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 10: "Q2_K",
    11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS",
    18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8",
    25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0",
    35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0",
}  # fmt: skip
"""Dtype by ggml's number. 9 is Q8_1, which is never stored: its size is told in two ways."""

_DIMS = [Struct(f"<{count}Q") for count in range(MAX_DIMS + 1)]
_LEAST_KEY = 13
_LEAST_TENSOR = 24


def parse_gguf(file: LocalFile, shard: int) -> Contents:
    """Read and check the header of a GGUF file; no byte of a tensor is read.

    Args:
        file: the file.
        shard: its index in the checkpoint, noted in every tensor.

    Raises:
        CheckpointError: the file breaks a rule of the format, or of plain sense.
    """
    cursor = Cursor(file)
    with collector_paused():
        tensor_count, key_count = _read_counts(cursor)
        metadata, alignment = _read_metadata(cursor, key_count)
        found: dict[str, tuple[str, tuple[int, ...], int]] = {}
        for _ in range(tensor_count):
            name, dtype, shape, offset = _read_tensor(cursor)
            if name in found:
                raise cursor.wrong(f"tensor '{name}' is there twice")
            if offset % alignment:
                what = f"tensor '{name}': offset {offset:,} is no multiple of {alignment:,}"
                raise cursor.wrong(what)
            found[name] = (dtype, shape, offset)
        base = _aligned(cursor.position, alignment)
        tensors = [
            TensorInfo(name, dtype, shape, shard, *_extent(base + offset, dtype, shape))
            for name, (dtype, shape, offset) in found.items()
        ]
        warnings = _check_layout(cursor, tensors, file.size, alignment)
    return Contents(tensors, metadata, tuple(warnings), GGUF)


def _read_counts(cursor: Cursor) -> tuple[int, int]:
    if cursor.rest < len(MAGIC) or cursor.u32() != int.from_bytes(MAGIC, "little"):
        raise cursor.wrong("not a GGUF file")
    version = cursor.u32()
    if version and version & 0xFFFF == 0:
        raise cursor.wrong("a big-endian GGUF file", "convert it with gguf_convert_endian")
    if version not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise cursor.wrong(f"GGUF version {version}; read are {known}", "convert the model anew")
    tensors = cursor.length(_LEAST_TENSOR, "tensors")
    keys = cursor.length(_LEAST_KEY, "keys")
    if tensors > MAX_TENSORS:
        raise cursor.wrong(f"{tensors:,} tensors, more than {MAX_TENSORS:,}")
    if keys > MAX_KEYS:
        raise cursor.wrong(f"{keys:,} keys, more than {MAX_KEYS:,}")
    return tensors, keys


def _read_metadata(cursor: Cursor, count: int) -> tuple[dict[str, str], int]:
    """Keys with short readable values, and the alignment of the tensors."""
    metadata: dict[str, str] = {}
    alignment = DEFAULT_ALIGNMENT
    values = Values(cursor)
    for _ in range(count):
        key = cursor.name("a key")
        if key in metadata:
            raise cursor.wrong(f"key '{key}' is there twice")
        kind = cursor.u32()
        metadata[key] = value = values.read(key, kind)
        if key == "general.alignment":
            alignment = int(value) if kind == UINT32 else 0
            if not 0 < alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
                raise cursor.wrong(f"general.alignment is {value}, not a power of two")
    return metadata, alignment


def _read_tensor(cursor: Cursor) -> tuple[str, str, tuple[int, ...], int]:
    """Name, dtype, shape (outermost first) and offset of the next tensor."""
    name = cursor.name("a tensor name")
    rank = cursor.u32()
    if rank > MAX_DIMS:
        raise cursor.wrong(f"tensor '{name}': {rank:,} dimensions, more than {MAX_DIMS}")
    sizes = [int(size) for size in cursor.unpack(_DIMS[rank])]
    number = cursor.u32()
    if number not in TYPES:
        raise cursor.wrong(
            f"tensor '{name}': ggml type {number} is not known",
            "it may be newer than this lamella, or one that ggml has dropped",
        )
    dtype = DTYPES[TYPES[number]]
    shape = tuple(reversed(sizes))
    what = f"tensor '{name}': shape {list(shape)} of {dtype.name}"
    # An empty dimension must not hide the others: no library could hold their strides.
    values = prod(size for size in shape if size)
    if max(values, dtype.nbytes(values)) >= 1 << 63:
        raise cursor.wrong(f"{what} is beyond 2^63 values or bytes")
    row = shape[-1] if shape else 1
    if row % dtype.block:
        raise cursor.wrong(f"{what}: rows are no whole blocks of {dtype.block} values")
    return name, dtype.name, shape, cursor.u64()


def _extent(start: int, dtype: str, shape: tuple[int, ...]) -> tuple[int, int]:
    return start, start + DTYPES[dtype].nbytes(prod(shape))


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


def _check_layout(
    cursor: Cursor, tensors: list[TensorInfo], file_size: int, alignment: int
) -> list[str]:
    """Check that tensors are inside the file and do not overlap; return what is odd."""
    end, before, lost = cursor.position, "the header", 0
    for tensor in sorted(tensors, key=attrgetter("start", "stop")):
        # One without values may stand behind the padding that is left out at the very end.
        is_empty = tensor.start == tensor.stop
        if tensor.stop > (_aligned(file_size, alignment) if is_empty else file_size):
            what = f"tensor '{tensor.name}' ends at byte {tensor.stop:,} of {file_size:,}"
            raise cursor.wrong(what, CUT_SHORT)
        if is_empty:
            continue
        if tensor.start < end:
            raise cursor.wrong(f"tensor '{tensor.name}': starts inside {before}")
        lost += max(0, tensor.start - _aligned(end, alignment))
        end, before = tensor.stop, f"tensor '{tensor.name}'"
    after = file_size - _aligned(end, alignment)
    warnings = [f"{lost:,} bytes between tensors belong to none"] if lost else []
    if after > 0:
        warnings.append(f"{after:,} bytes after the last tensor belong to none")
    return warnings
