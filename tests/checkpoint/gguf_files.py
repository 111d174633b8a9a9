"""Small GGUF files, honest and not, built byte by byte."""

import struct
from collections.abc import Iterable, Sequence

F32, F16, Q4_0, Q8_0, Q4_K = 0, 1, 2, 8, 12
U8, U32, FLOAT32, BOOL, STRING, LIST = 0, 4, 6, 7, 8, 9


def u32(number: int) -> bytes:
    return struct.pack("<I", number)


def u64(number: int) -> bytes:
    return struct.pack("<Q", number)


def text(content: str | bytes, length: int | None = None) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return u64(len(raw) if length is None else length) + raw


def key(name: str | bytes, kind: int, value: bytes) -> bytes:
    return text(name) + u32(kind) + value


def listed(kind: int, items: Sequence[bytes], count: int | None = None) -> bytes:
    return u32(kind) + u64(len(items) if count is None else count) + b"".join(items)


def tensor(
    name: str | bytes,
    dims: Sequence[int],
    kind: int = F32,
    offset: int = 0,
    rank: int | None = None,
) -> bytes:
    sizes = b"".join(u64(size) for size in dims)
    return text(name) + u32(len(dims) if rank is None else rank) + sizes + u32(kind) + u64(offset)


def file_bytes(
    keys: Iterable[bytes] = (),
    tensors: Iterable[bytes] = (),
    data: bytes = b"",
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    alignment: int = 32,
) -> bytes:
    """A file; `counts` are those of tensors and keys that it claims to have."""
    keys, tensors = list(keys), list(tensors)
    tensor_count, key_count = counts or (len(tensors), len(keys))
    head = b"GGUF" + u32(version) + u64(tensor_count) + u64(key_count)
    head += b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % alignment if data else 0) + data
