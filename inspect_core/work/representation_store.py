"""Representations that were collected before: a few in memory, more on disk.

They are found again by what they come from; see `kept_results`. A file is a head, a description
in JSON, plain arrays, a checksum; nothing in it is run, and lengths are held against the bytes
that are there before anything is made of them.
"""

import json
import struct
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspect_core.checkpoint.strict_json import collector_paused
from inspect_core.geometry.representations import Representations
from inspect_core.work.cache_folder import cache_folder
from inspect_core.work.kept_results import (
    Held,
    content_key,
    kept_file,
    store_content,
    stored_content,
)

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint

MAGIC = b"lamella representations 1\n"

NUMBERS_VERSION = 2
"""Grows whenever the same files would give other numbers; older files are not read then."""

MOST_BYTES = 512 << 20
"""All files together take no more than this; the oldest go first."""

MOST_HELD = 8
"""Representations in memory: of the spaces on show, and of what was there before."""

MOST_HELD_BYTES = 1 << 30
"""About what they take together; the last two stay all the same."""

_SUFFIX = ".points"
_SUM_BYTES = 32
_LENGTH = struct.Struct("<Q")
_DTYPES = {"<f4": np.float32, "<f8": np.float64}
_ALIGNED = 64
"""Arrays begin at multiples of so many bytes."""


def representation_key(
    checkpoint: "Checkpoint", tokenizer: str | None, asked: Iterable[object]
) -> bytes | None:
    """Bytes that stand for all that representations come from; see `content_key`."""
    return content_key(checkpoint, tokenizer, (MAGIC, NUMBERS_VERSION), asked)


class HeldRepresentations(Held[Representations]):
    """Representations in memory, the last used last; safe to use from many threads."""

    def __init__(self) -> None:
        super().__init__(size_of, lambda: (MOST_HELD, MOST_HELD_BYTES))


def representation_folder() -> Path | None:
    """Where they are kept: `$XDG_CACHE_HOME/lamella/representations`, or below `~/.cache`."""
    return cache_folder("representations")


def stored_representations(key: bytes) -> Representations | None:
    """What an earlier run stored; None without a file that is whole.

    Args:
        key: see `representation_key`.
    """
    path = _path(key)
    return None if path is None else representations_from(stored_content(path, MOST_BYTES), key)


def store_representations(key: bytes, space: Representations) -> None:
    """Store representations for later runs; those that are too large are not.

    Args:
        key: see `representation_key`.
        space: what to store.
    """
    path = _path(key)
    if path is not None and size_of(space) <= MOST_BYTES:
        store_content(path, representation_parts(space, key), MOST_BYTES)


def size_of(space: Representations) -> int:
    """About how many bytes representations take."""
    labels = sum(len(found) for _, found in space.labels)
    return sum(layer.nbytes for layer in space.values) + space.samples.nbytes + 60 * labels


def representation_parts(space: Representations, key: bytes) -> list[bytes | memoryview]:
    """Representations to be stored, part by part.

    Args:
        space: what to write.
        key: `KEY_BYTES` that stand for all it was made of.
    """
    arrays: list[memoryview] = [_plain(space.samples, "<i8")]
    if space.digests is not None:
        arrays.append(_plain(space.digests, "<u8"))
    described = []
    for layer in space.values:
        stored = "<f4" if layer.dtype == np.float32 else "<f8"
        described.append([stored, *layer.shape])
        arrays.append(_plain(layer, stored))
    about = json.dumps({
        "title": space.title,
        "names": list(space.names),
        "layers": described,
        "labels": [[column, list(found)] for column, found in space.labels],
        "samples": len(space.samples),
        "digests": space.digests is not None,
        "pooling": space.pooling,
        "notes": list(space.notes),
    }).encode("ascii")  # fmt: skip
    head = len(MAGIC) + len(key) + _LENGTH.size
    about += b" " * (-(head + len(about)) % _ALIGNED)
    parts: list[bytes | memoryview] = [MAGIC, key, _LENGTH.pack(len(about)), about, *arrays]
    made = blake2b(digest_size=_SUM_BYTES)
    for part in parts:
        made.update(part)
    return [*parts, made.digest()]


def _plain(values: NDArray[Any], stored: str) -> memoryview:
    return np.ascontiguousarray(values, stored).reshape(-1).view(np.uint8).data


@collector_paused()
def representations_from(content: bytes, key: bytes) -> Representations | None:
    """The representations that were stored with a key; None if these are not they, whole.

    Args:
        content: all of a file; the arrays lie in it.
        key: see `representation_parts`.
    """
    head = MAGIC + key
    end = len(content) - _SUM_BYTES
    if end < len(head) + _LENGTH.size or not content.startswith(head):
        return None
    if blake2b(memoryview(content)[:end], digest_size=_SUM_BYTES).digest() != content[end:]:
        return None
    try:
        return _space(content, len(head), end)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def _space(content: bytes, at: int, end: int) -> Representations:
    (length,) = _LENGTH.unpack_from(content, at)
    at += _LENGTH.size
    if length > end - at:
        raise ValueError("a description longer than the file")
    about = json.loads(content[at : at + length])
    at += length

    def take(stored: str, held: Any, *shape: int) -> NDArray[Any]:
        nonlocal at
        count = 1
        for side in shape:
            count *= _whole(side)
        size = np.dtype(stored).itemsize * count
        if size > end - at:
            raise ValueError("more values than bytes")
        found = np.frombuffer(content, stored, count, at).reshape(shape).astype(held, copy=False)
        at += size
        return found

    rows = _whole(about["samples"])
    samples = take("<i8", np.int64, rows)
    digests = take("<u8", np.uint64, rows) if about["digests"] else None
    values = []
    for stored, *shape in about["layers"]:
        if len(shape) != 2 or shape[0] != rows:
            raise ValueError("a layer with other rows")
        values.append(take(_text(stored), _DTYPES[stored], *shape))
    names = tuple(map(_text, about["names"]))
    labels = tuple((_text(column), tuple(map(_text, found))) for column, found in about["labels"])
    if at != end or len(names) != len(values) or any(len(one) != rows for _, one in labels):
        raise ValueError("parts that do not fit")
    return Representations(
        title=_text(about["title"]),
        names=names,
        values=tuple(values),
        labels=labels,
        samples=samples,
        pooling=_text(about["pooling"]),
        notes=tuple(map(_text, about["notes"])),
        digests=digests,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("a whole number")
    return value


def _path(key: bytes) -> Path | None:
    return kept_file(representation_folder(), key, _SUFFIX)
