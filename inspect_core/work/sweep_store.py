"""What a sweep found, kept on disk: after a lost connection the next run goes on from there.

One file a pair of checkpoints in the user's cache folder: a header, then frames of rows as
plain columns, each with its length and a checksum. A frame is appended about once a second by
the one process that holds the file's lock. Whatever is torn, foreign or damaged ends what is
read and is written anew; a folder that cannot be used means that nothing is kept.
"""

import contextlib
import fcntl
import os
import struct
import time
import zlib
from array import array
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from inspect_core.checkpoint.byte_source import Stamp
from inspect_core.delta.summary import COUNTS, SUMS
from inspect_core.delta.table import MOST_ROWS, SummaryRows
from inspect_core.work.cache_folder import (
    MOST_BYTES,
    OPEN_FLAGS,
    cache_folder,
    content_of,
    make_room,
    write_all,
)

if TYPE_CHECKING:
    from inspect_core.checkpoint.tensor_info import TensorInfo
    from inspect_core.pairing import Pair

NUMBERS_VERSION = 3
"""Grows whenever the same files would give other numbers; older files are not read then."""

FLUSH_SECONDS = 1.0
"""Rows wait at most about so long in memory; a sweep shorter than this leaves no file."""

_MAGIC = b"lamella sweep 1\n"
_FRAME = struct.Struct("<II")
_ROW_BYTES = 8 + 8 * len(COUNTS) + 8 * len(SUMS) + 1
_SUFFIX = ".sweep"


class Identified(Protocol):
    """A checkpoint, as far as it matters here."""

    @property
    def identity(self) -> tuple[tuple[Path, tuple[int, ...]], ...]:
        """Path and stamp (size, change time, file number) of every file."""
        ...


class SweepStore:
    """The stored rows of one sweep; a context manager. No trouble with files ever raises.

    Args:
        path: the file; None keeps nothing.
        key: 32 bytes that stand for the pair of checkpoints and for how they are compared.
        rows: how many rows the whole sweep has.
    """

    def __init__(self, path: Path | None, key: bytes, rows: int) -> None:
        self._path = path if rows * _ROW_BYTES <= MOST_BYTES else None
        self._head = _MAGIC + key
        self._expected = len(self._head) + rows * (_ROW_BYTES + 1)
        self._descriptor = -1
        self._waiting: list[bytes] = []
        self._resumed = False
        self._since = time.monotonic()

    @classmethod
    def of(
        cls, model: Identified, reference: Identified, pairs: "Mapping[int, Pair]"
    ) -> "SweepStore":
        """The store of a pair of checkpoints.

        Args:
            model: the model; its files and their states are part of the key.
            reference: the same for the reference.
            pairs: what is compared with what, by index in the listing: another pairing is
                another sweep.
        """
        folder, key = sweep_folder(), sweep_key(model, reference, pairs)
        if folder is None or key is None:
            return cls(None, b"", 0)
        return cls(folder / f"{key[:16].hex()}{_SUFFIX}", key, len(pairs))

    def parts(self, wanted: NDArray[np.bool_]) -> Iterator[tuple["array[int]", SummaryRows]]:
        """What is stored of the wanted tensors, in parts small enough for the screen.

        Args:
            wanted: bool `(tensors,)`, by index in the listing.
        """
        tensors, rows = self._load()
        inside = (tensors >= 0) & (tensors < len(wanted))
        inside[inside] = wanted[tensors[inside]]
        # Two runs at once may both have stored a tensor.
        _, first = np.unique(tensors[inside], return_index=True)
        at = np.flatnonzero(inside)[first]
        for start in range(0, len(at), MOST_ROWS):
            some = at[start : start + MOST_ROWS]
            part = SummaryRows(rows.counts[some], rows.sums[some], rows.apart[some])
            yield array("q", tensors[some].tolist()), part

    @property
    def due(self) -> bool:
        """Whether rows have waited long enough to be written."""
        return bool(self._waiting) and time.monotonic() - self._since >= FLUSH_SECONDS

    def add(self, tensors: "array[int]", rows: SummaryRows) -> None:
        """Take rows of finished tensors; `flush` writes them."""
        if self._path is not None:
            self._waiting.append(_frame(tensors, rows))

    def flush(self) -> None:
        """Write what waits, if this process may: another one may be at the same sweep."""
        self._since = time.monotonic()
        if self._waiting and self._path is not None and self._begin(self._path):
            waiting, self._waiting = b"".join(self._waiting), []
            try:
                write_all(self._descriptor, waiting)
            except OSError:  # a full disk: the torn frame at the end is ignored by the next run
                self._path = None

    def __enter__(self) -> "SweepStore":
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file; what was not flushed is compared again by the next run."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def finish(self) -> None:
        """The sweep ended: write the last rows, unless all of it took no time."""
        if self._descriptor >= 0 or self._resumed or self.due:
            self.flush()

    def _load(self) -> tuple[NDArray[np.int64], SummaryRows]:
        content = b""
        if self._path is not None:
            with contextlib.suppress(OSError):
                descriptor = os.open(self._path, os.O_RDONLY | OPEN_FLAGS)
                try:
                    content = content_of(descriptor)
                finally:
                    os.close(descriptor)
                os.utime(self._path)  # the oldest go first: this one is in use
        frames = [content[at:end] for at, end in _frames(content, self._head)]
        self._resumed = bool(frames)
        return _columns(frames)

    def _begin(self, path: Path) -> bool:
        """Make the file and take its lock; False if it cannot be had now."""
        if self._descriptor >= 0:
            return True
        descriptor = -1
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | OPEN_FLAGS, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._prepare(descriptor)
            make_room(path, _SUFFIX, MOST_BYTES - self._expected)
        except BlockingIOError:  # another process is at it: perhaps it leaves before the end
            os.close(descriptor)
            return False
        except OSError:
            if descriptor >= 0:
                os.close(descriptor)
            self._path = None
            return False
        self._descriptor = descriptor
        return True

    def _prepare(self, descriptor: int) -> None:
        """Cut off what cannot be read, and stand at the end."""
        content = content_of(descriptor)
        ends = [end for _, end in _frames(content, self._head)]
        end = ends[-1] if ends else len(self._head) if content.startswith(self._head) else 0
        os.ftruncate(descriptor, end)
        os.lseek(descriptor, end, os.SEEK_SET)
        if not end:
            write_all(descriptor, self._head)


def sweep_folder() -> Path | None:
    """Where sweeps are kept: `$XDG_CACHE_HOME/lamella/sweeps`, or below `~/.cache`."""
    return cache_folder("sweeps")


def sweep_key(
    model: Identified, reference: Identified, pairs: "Mapping[int, Pair]"
) -> bytes | None:
    """32 bytes for the files as they are and for what is compared; None if one has changed."""
    made = blake2b(digest_size=32)
    made.update(repr((_MAGIC, NUMBERS_VERSION, COUNTS, SUMS)).encode())
    for side in (model, reference):
        made.update(b"side")
        for path, stamp in side.identity:
            try:
                now = path.stat()
            except OSError:
                return None
            if Stamp.of(now) != stamp:
                return None
            place = (os.path.abspath(path), *stamp)  # noqa: PTH100
            made.update(repr(place).encode("utf-8", "backslashreplace"))
    made.update(array("q", pairs).tobytes())
    for info in (info for pair in pairs.values() for info in (pair.model, pair.reference)):
        made.update(_place(info))
    return made.digest()


def _place(info: "TensorInfo | None") -> bytes:
    """Which values of a checkpoint are compared: a view of a tensor is not the tensor."""
    if info is None:
        return b"-"
    if info.strides is not None or info.parts:
        return repr(info[1:]).encode("utf-8", "backslashreplace")
    return b"%d %d %d;" % (info.shard, info.start, info.stop)


def _frame(tensors: "array[int]", rows: SummaryRows) -> bytes:
    payload = b"".join(
        (
            np.asarray(tensors, "<i8").tobytes(),
            rows.counts.astype("<i8", copy=False).tobytes(),
            rows.sums.astype("<f8", copy=False).tobytes(),
            rows.apart.astype("u1").tobytes(),
        )
    )
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _frames(content: bytes, head: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each good payload, up to the first that is not."""
    if not content.startswith(head):
        return
    at = len(head)
    while at + _FRAME.size <= len(content):
        length, checksum = _FRAME.unpack_from(content, at)
        at += _FRAME.size
        # A length of 0 is what a lost page full of zeros says, with a fitting checksum.
        if not length or length % _ROW_BYTES or at + length > len(content):
            return
        if zlib.crc32(memoryview(content)[at : at + length]) != checksum:
            return
        yield at, at + length
        at += length


def _columns(frames: list[bytes]) -> tuple[NDArray[np.int64], SummaryRows]:
    """The payloads of frames as one table."""
    tensors, counts, sums, apart = [], [], [], []
    for payload in frames:
        n = len(payload) // _ROW_BYTES
        ends = np.cumsum([8 * n, 8 * n * len(COUNTS), 8 * n * len(SUMS)]).tolist()
        tensors.append(np.frombuffer(payload, "<i8", n))
        counts.append(np.frombuffer(payload, "<i8", n * len(COUNTS), ends[0]).reshape(n, -1))
        sums.append(np.frombuffer(payload, "<f8", n * len(SUMS), ends[1]).reshape(n, -1))
        apart.append(np.frombuffer(payload, "u1", n, ends[2]))
    if not frames:
        return np.empty(0, np.int64), SummaryRows.of([])
    return np.concatenate(tensors).astype(np.int64, copy=False), SummaryRows(
        np.concatenate(counts).astype(np.int64, copy=False),
        np.concatenate(sums).astype(np.float64, copy=False),
        np.concatenate(apart) != 0,
    )
