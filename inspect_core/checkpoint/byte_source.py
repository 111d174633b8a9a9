"""Where bytes come from: exact positioned reads of local files, never a mapping."""

import errno
import os
import stat
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Protocol

from inspect_core.errors import CheckpointError, FilesChanged

MAX_OPEN_FILES = 64
"""File descriptors kept open at once, however many shards a checkpoint has."""

# O_NONBLOCK: opening a FIFO or a device must not wait for its other side.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Stamp(NamedTuple):
    """What tells one state of a file from another.

    Attributes:
        size: bytes.
        mtime_ns: time of the last change, in nanoseconds.
        ino: the file's number in its file system.
        ctime_ns: time of the last change of its entry, which no program can set back.
    """

    size: int
    mtime_ns: int
    ino: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """What the system says of a file."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


class ByteSource(Protocol):
    """Bytes by offset: a file, or something that makes them when they are asked for.

    Safe to use from many threads.
    """

    @property
    def path(self) -> Path:
        """The file; of bytes that are made, a name for messages."""
        ...

    @property
    def stamp(self) -> Stamp | None:
        """The file's state when it was first opened; None where the bytes are made."""
        ...

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """See `LocalFile.read_into`."""
        ...

    def check_unchanged(self) -> None:
        """See `LocalFile.check_unchanged`."""
        ...

    def close(self) -> None:
        """See `LocalFile.close`."""
        ...


class LocalFile:
    """One regular file, read by offset; safe to use from many threads.

    The descriptor is opened when needed and may be closed behind the scenes: a file that is
    not the one first seen is never read.

    Args:
        path: the file.

    Attributes:
        path: the file, as given.
        stamp: size, change time and number of the file when it was first opened.

    Raises:
        CheckpointError: the file is missing, unreadable, or not a regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = _open_regular(path)
        self.stamp = Stamp.of(os.fstat(descriptor))
        _OPEN_FILES.keep(self, descriptor)

    @property
    def size(self) -> int:
        """Bytes in the file when it was first opened."""
        return self.stamp.size

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` with the bytes from `offset` on, or raise.

        Args:
            offset: first byte, counted from the start of the file.
            buffer: a writable, contiguous view; its length is what is read.

        Raises:
            CheckpointError: the bytes are not there, cannot be read, or the file was replaced.
        """
        if not buffer.nbytes:
            return
        rest = buffer.cast("B")
        descriptor = _OPEN_FILES.borrow(self)
        try:
            while rest:
                try:
                    got = os.preadv(descriptor, [rest], offset)
                except OSError as error:
                    raise unreadable(self.path, error) from error
                if got == 0:
                    self.check_unchanged()
                    raise CheckpointError("the file ends too early", where=str(self.path))
                rest = rest[got:]
                offset += got
        finally:
            _OPEN_FILES.give_back(self)

    def check_unchanged(self) -> None:
        """Raise CheckpointError if the file is no longer the one first opened."""
        try:
            now: Stamp | None = Stamp.of(self.path.stat())
        except OSError:
            now = None
        held = _OPEN_FILES.stamp_of_open(self)
        if now != self.stamp or held not in (None, self.stamp):
            raise _changed(self.path)

    def close(self) -> None:
        """Give the descriptor back; a later read opens the file again."""
        _OPEN_FILES.discard(self)


def read_whole(path: Path, limit: int) -> bytes:
    """Read a small regular file.

    Args:
        path: the file.
        limit: the most bytes to accept.

    Raises:
        CheckpointError: the file is missing, too large, not regular, or changes meanwhile.
    """
    file = LocalFile(path)
    try:
        if file.size > limit:
            raise CheckpointError(
                f"{file.size:,} bytes, more than the {limit:,} accepted here", where=str(path)
            )
        content = bytearray(file.size)
        file.read_into(0, memoryview(content))
        file.check_unchanged()
    finally:
        file.close()
    return bytes(content)


def unreadable(path: object, error: OSError | ValueError) -> CheckpointError:
    """Put a failed system call into words; ValueError is what a NUL in a path raises."""
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return absent(path)
        return CheckpointError(f"cannot be read: {os.strerror(error.errno)}", where=str(path))
    return CheckpointError("not a possible file name", where=str(path))


def absent(path: object) -> CheckpointError:
    """Say that a file is not there."""
    return CheckpointError("no such file", where=str(path))


class _OpenFiles:
    """Descriptors in use and a few idle ones, the least recently used closed first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._descriptors: OrderedDict[LocalFile, int] = OrderedDict()
        self._users: dict[LocalFile, int] = {}
        self._unwanted: set[LocalFile] = set()

    def borrow(self, file: LocalFile) -> int:
        """Lend a descriptor that stays open until it is given back."""
        with self._lock:
            descriptor = self._descriptors.get(file)
            if descriptor is None:
                self._close_idle(self._most - 1)
                descriptor = _reopen(file)
                self._descriptors[file] = descriptor
            self._descriptors.move_to_end(file)
            self._users[file] = self._users.get(file, 0) + 1
            return descriptor

    def give_back(self, file: LocalFile) -> None:
        """Take back what was lent once."""
        with self._lock:
            self._users[file] -= 1
            if not self._users[file]:
                del self._users[file]
                if file in self._unwanted:
                    self._close(file)
            self._close_idle(self._most)

    def keep(self, file: LocalFile, descriptor: int) -> None:
        """Take over a descriptor just opened."""
        with self._lock:
            self._close_idle(self._most - 1)
            self._descriptors[file] = descriptor

    def stamp_of_open(self, file: LocalFile) -> Stamp | None:
        with self._lock:
            descriptor = self._descriptors.get(file)
            return None if descriptor is None else Stamp.of(os.fstat(descriptor))

    def discard(self, file: LocalFile) -> None:
        # While a thread reads, the number must not be given to another file.
        with self._lock:
            if file in self._users:
                self._unwanted.add(file)
            elif file in self._descriptors:
                self._close(file)

    def _close_idle(self, most: int) -> None:
        if len(self._descriptors) <= most:
            return
        idle = [file for file in self._descriptors if file not in self._users]
        for file in idle[: len(self._descriptors) - most]:
            self._close(file)

    def _close(self, file: LocalFile) -> None:
        self._unwanted.discard(file)
        os.close(self._descriptors.pop(file))


_OPEN_FILES = _OpenFiles(MAX_OPEN_FILES)


def _reopen(file: LocalFile) -> int:
    descriptor = _open_regular(file.path)
    if Stamp.of(os.fstat(descriptor)) != file.stamp:
        os.close(descriptor)
        raise _changed(file.path)
    return descriptor


def _open_regular(path: Path) -> int:
    descriptor = -1
    try:
        # Asked before opening too: opening alone can act on a device.
        _require_regular(path, path.stat())
        descriptor = os.open(path, _FLAGS)
        _require_regular(path, os.fstat(descriptor))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    except CheckpointError:
        with suppress(OSError):
            os.close(descriptor)
        raise
    return descriptor


def _require_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise CheckpointError(f"{kind}, not a file with weights", where=str(path))


def _changed(path: Path) -> CheckpointError:
    return FilesChanged("the file changed while it was read", where=str(path), hint="reload it")
