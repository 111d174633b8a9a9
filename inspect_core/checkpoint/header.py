"""The header of a safetensors file, checked more strictly than the format's own library does.

The format: 8 bytes with the header's length, a JSON object of tensor name to dtype, shape and
byte range, then the bytes of all tensors (https://huggingface.co/docs/safetensors).
"""

from collections.abc import Mapping
from math import prod
from operator import attrgetter

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.contents import Contents
from inspect_core.checkpoint.foreign_files import name_foreign_file
from inspect_core.checkpoint.header_json import Entry, parse_carefully, parse_fast
from inspect_core.checkpoint.strict_json import JsonError, collector_paused
from inspect_core.checkpoint.tensor_info import SAFETENSORS_DTYPES, TensorInfo
from inspect_core.errors import CheckpointError

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

MAX_RANK = 64
"""Most dimensions of a tensor, numpy's limit."""

HEAD_BYTES = 512
"""How much of a file is looked at to say what it is."""

_LENGTH_BYTES = 8

_BITS = {name: (dtype.bits, dtype.name) for name, dtype in SAFETENSORS_DTYPES.items()}
_NO_DTYPE = (0, "")


def is_safetensors(head: bytes | bytearray, size: int) -> bool:
    """Whether a file can only be safetensors, so far as its first bytes and its size tell."""
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    room = size - _LENGTH_BYTES
    return 0 < length <= min(MAX_HEADER_BYTES, room) and head[_LENGTH_BYTES] == ord("{")


def parse_header(file: LocalFile, shard: int) -> Contents:
    """Read and check the header of a safetensors file; no byte of a tensor is read.

    Args:
        file: the file.
        shard: its index in the checkpoint, noted in every tensor.

    Raises:
        CheckpointError: the file breaks a rule of the format, or of plain sense.
    """
    raw = _read_header(file)
    try:
        # Asked here, not only by the decoder: a bad byte must not hide in text it skips.
        raw.isascii() or str(raw, "utf-8")
        with collector_paused():
            found = parse_fast(raw) or parse_carefully(raw)
            tensors = _describe(found.entries, shard, _LENGTH_BYTES + len(raw), file.size)
    except UnicodeDecodeError as error:
        raise _wrong(file, f"the header is not UTF-8 at byte {error.start:,}") from None
    except JsonError as error:
        raise _wrong(file, str(error)) from None
    return Contents(tensors, found.metadata, found.warnings)


def _read_header(file: LocalFile) -> bytes:
    if file.size == 0:
        raise _wrong(file, "the file is empty", "download or copy it again")
    head = bytearray(min(file.size, HEAD_BYTES))
    file.read_into(0, memoryview(head))
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    room = file.size - _LENGTH_BYTES
    if is_safetensors(head, file.size):
        raw = bytearray(length)
        file.read_into(_LENGTH_BYTES, memoryview(raw))
        return bytes(raw)
    foreign = name_foreign_file(bytes(head))
    if foreign:
        raise _wrong(file, *foreign)
    if room <= 0:
        raise _wrong(file, f"not a safetensors file: only {file.size} bytes")
    if length > MAX_HEADER_BYTES:
        raise _wrong(file, f"not a safetensors file: it asks for a header of {length:,} bytes")
    if length > room:
        what = f"a header of {length:,} bytes in a file of {file.size:,}"
        raise _wrong(file, what, "the file is cut short: download or copy it again")
    raise _wrong(file, "not a safetensors file: its header does not start with '{'")


def _describe(
    entries: Mapping[str, Entry], shard: int, base: int, file_size: int
) -> list[TensorInfo]:
    """Turn entries into tensors and check that they fill the file from `base` to its end."""
    tensors: list[TensorInfo] = []
    # This loop is half of the time to open 200,000 tensors, hence the local names, and the
    # tuples made directly: a NamedTuple's own constructor takes twice as long.
    add, make, bits_of = tensors.append, tuple.__new__, _BITS.get
    expected, in_order = base, True
    for name, entry in entries.items():
        shape = entry.shape
        bits, dtype = bits_of(entry.dtype, _NO_DTYPE)
        # Before the product: a million long numbers take minutes to multiply.
        if not bits or len(shape) > MAX_RANK:
            raise _unknown(name, entry)
        first, last = entry.data_offsets
        needed = bits * prod(shape)
        if needed != 8 * (last - first) or not needed:
            _check_entry(name, entry)
        start = base + first
        if start != expected:
            in_order = False
        expected = base + last
        add(make(TensorInfo, (name, dtype, shape, shard, start, expected, None, (), "")))
    if not in_order:
        expected = _check_layout(sorted(tensors, key=attrgetter("start", "stop")), base)
    if expected > file_size:
        missing = expected - file_size
        raise JsonError(f"the file is cut short: {missing:,} bytes are missing at the end")
    if expected < file_size:
        raise JsonError(f"{file_size - expected:,} bytes after the last tensor belong to none")
    return tensors


def _unknown(name: str, entry: Entry) -> JsonError:
    if entry.dtype not in SAFETENSORS_DTYPES:
        return JsonError(f"tensor '{name}': unknown dtype '{entry.dtype}'")
    return JsonError(f"tensor '{name}': {len(entry.shape):,} dimensions, more than {MAX_RANK}")


def _check_entry(name: str, entry: Entry) -> None:
    dtype, shape = SAFETENSORS_DTYPES[entry.dtype], entry.shape
    first, last = entry.data_offsets
    what = f"tensor '{name}': shape {list(shape)} of {dtype.name}"
    # An empty dimension must not hide the others: no library could hold their strides.
    if prod(size for size in shape if size) * dtype.bits >= 8 << 63:
        raise JsonError(f"{what} is beyond 2^63 bytes")
    bits = prod(shape) * dtype.bits
    if bits % 8:
        raise JsonError(f"{what} does not fill whole bytes")
    if bits != 8 * (last - first):
        raise JsonError(f"{what} needs {bits // 8:,} bytes, but data_offsets are {first}-{last}")


def _check_layout(placed: list[TensorInfo], base: int) -> int:
    """Check that tensors, sorted by place, touch each other; return where the last one ends."""
    at = base
    before = "the header"
    for tensor in placed:
        if tensor.start != at:
            gap = tensor.start - at
            what = f"{gap:,} bytes after" if gap > 0 else f"{-gap:,} bytes before"
            raise JsonError(f"tensor '{tensor.name}': starts {what} the end of {before}")
        at = tensor.stop
        before = f"tensor '{tensor.name}'"
    return at


def _wrong(file: LocalFile, what: str, hint: str = "") -> CheckpointError:
    return CheckpointError(what, where=str(file.path), hint=hint)
