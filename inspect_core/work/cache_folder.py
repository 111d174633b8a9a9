"""Folders of results that are kept on disk: where they are, what is in them, and how large."""

import contextlib
import os
import stat
from pathlib import Path

MOST_BYTES = 256 << 20
"""All files of a folder together take no more than this; the oldest go first."""

OPEN_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Neither a link nor a pipe in the place of a file is followed, or waited for."""


def cache_folder(name: str) -> Path | None:
    """`$XDG_CACHE_HOME/lamella/NAME`, or below `~/.cache`; None where there is no such place."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    with contextlib.suppress(RuntimeError):  # nobody's home
        base = base.expanduser()
    return base / "lamella" / name if base.is_absolute() else None


def content_of(descriptor: int, most: int = MOST_BYTES) -> bytes:
    """All of a file; nothing of one that cannot be ours.

    Args:
        descriptor: of a file that is open for reading.
        most: bytes of the largest one that is read.

    Raises:
        OSError: it cannot be read.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > most:
        return b""
    content = bytearray()
    while piece := os.pread(descriptor, 1 << 24, len(content)):
        content += piece
    return bytes(content)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it, where the file stands.

    Raises:
        OSError: it cannot be written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def make_room(keep: Path, suffix: str, most: int) -> None:
    """Remove the oldest files of a folder until the others take no more than so many bytes.

    Args:
        keep: a file of the folder that does not count and stays.
        suffix: how the names of the files end that may go.
        most: bytes.

    Raises:
        OSError: the folder cannot be read.
    """
    found = []
    with os.scandir(keep.parent) as entries:
        for entry in entries:
            if entry.name.endswith(suffix) and entry.name != keep.name:
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime_ns, status.st_size, entry.path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most:
            return
        with contextlib.suppress(OSError):
            Path(path).unlink()
            total -= size
