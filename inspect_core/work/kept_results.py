"""Results that are kept by content: a few in memory, more on disk.

A result is found again by all that its numbers come from: the files of the checkpoint, of its
config and of its tokenizer, as they are; the content of the texts; what was asked; and the
versions of the programs that counted. No trouble with files ever raises: then nothing is kept.
"""

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from inspect_core.checkpoint.byte_source import Stamp
from inspect_core.opening import Live
from inspect_core.work.cache_folder import OPEN_FLAGS, content_of, make_room, write_all

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint

KEY_BYTES = 32

NOT_READ = frozenset((
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".ot",
    ".npz", ".npy", ".csv", ".tsv", ".jsonl", ".md", ".log", ".svg", ".png", ".jpg",
))  # fmt: skip
"""Endings of files beside the weights that decide nothing of what a text becomes: other weights,
which are in the checkpoint's own identity if they are read, and what runs write. Any other file
may: tokenizers name their files in many ways."""

_PROGRAMS = ("torch", "transformers", "tokenizers", "textblob")

Kept = TypeVar("Kept")
Buffer = bytes | memoryview


def content_key(
    checkpoint: "Checkpoint",
    tokenizer: str | None,
    head: tuple[object, ...],
    asked: Iterable[object],
) -> bytes | None:
    """Bytes that stand for all that a result comes from; None if a file of it has changed.

    Args:
        checkpoint: what runs.
        tokenizer: a folder or file that is used in place of the checkpoint's own.
        head: of what kind the result is, and the version of its numbers.
        asked: everything else, as values whose `repr` says all of them.
    """
    made = blake2b(digest_size=KEY_BYTES)
    made.update(repr((*head, *map(_version, _PROGRAMS))).encode())
    asked = (*asked, *_of_live(checkpoint))
    made.update(repr(asked).encode("utf-8", "backslashreplace"))
    folders = [checkpoint.folder] if checkpoint.folder is not None else []
    for path, stamp in checkpoint.identity:
        now = _stamp(path)
        # A live model has no files; its stamp counts its changes.
        if checkpoint.structure is None and now != stamp:
            return None
        made.update(_place(path, stamp))
        folders.append(path.parent)
    if tokenizer is not None:
        made.update(_place(Path(tokenizer), _stamp(Path(tokenizer))))
        given = Path(tokenizer)
        folders.append(given if given.is_dir() else given.parent)  # a file: what is beside it
    for path in _beside(folders):
        made.update(_place(path, _stamp(path)))
    return made.digest()


def _of_live(checkpoint: "Checkpoint") -> list[object]:
    if not isinstance(checkpoint.uri, Live):
        return []
    from inspect_core.live.registry import look_up
    from inspect_core.live.tokenizers import attached_tokenizer

    return [look_up(checkpoint.uri)[1], id(attached_tokenizer(checkpoint.uri))]


def _beside(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in dict.fromkeys(folders):
        try:
            with os.scandir(folder) as entries:
                names = sorted(one.name for one in entries if _may_be_read(one))
        except (OSError, ValueError):
            continue
        yield from [folder / name for name in names]


def _may_be_read(entry: "os.DirEntry[str]") -> bool:
    return Path(entry.name).suffix.lower() not in NOT_READ and not entry.is_dir()


def _stamp(path: Path) -> Stamp | None:
    try:
        return Stamp.of(path.stat())
    except (OSError, ValueError):
        return None


def _place(path: Path, stamp: tuple[int, ...] | None) -> bytes:
    place = (os.path.abspath(path), *(stamp or ()))  # noqa: PTH100 - links stay what they are
    return repr(place).encode("utf-8", "backslashreplace")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


class Held(Generic[Kept]):
    """Results in memory, the last used last; safe to use from many threads.

    Args:
        size_of: about how many bytes one takes.
        limits: how many are held, and how many bytes they take together; the last two stay all
            the same.
    """

    def __init__(
        self, size_of: Callable[[Kept], int], limits: Callable[[], tuple[int, int]]
    ) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[bytes, Kept] = OrderedDict()
        self._size_of, self._limits = size_of, limits

    def get(self, key: bytes) -> Kept | None:
        """The result of a key."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, key: bytes, result: Kept) -> None:
        """Keep a result; the ones that were not used for longest go."""
        most, most_bytes = self._limits()
        with self._lock:
            self._held[key] = result
            self._held.move_to_end(key)
            taken = sum(map(self._size_of, self._held.values()))
            while len(self._held) > 2 and (len(self._held) > most or taken > most_bytes):
                _, gone = self._held.popitem(last=False)
                taken -= self._size_of(gone)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._held.clear()


def kept_file(folder: Path | None, key: bytes, suffix: str) -> Path | None:
    """Where the result of a key is; None without a folder."""
    return None if folder is None else folder / f"{key[:16].hex()}{suffix}"


def stored_content(path: Path | None, most: int) -> bytes:
    """What an earlier run stored; nothing where there is no file of ours.

    Args:
        path: see `kept_file`.
        most: bytes of the largest file that is read.
    """
    content = b""
    if path is None:
        return content
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | OPEN_FLAGS)
        try:
            content = content_of(descriptor, most)
        finally:
            os.close(descriptor)
        os.utime(path)  # the oldest go first: this one is in use
    return content


def store_content(path: Path | None, parts: Sequence[Buffer], most: int) -> None:
    """Store a result for later runs; one that is too large is not.

    Args:
        path: see `kept_file`.
        parts: all of its bytes.
        most: bytes that the files of its kind take together; the oldest make room.
    """
    size = sum(memoryview(part).nbytes for part in parts)
    if path is None or size > most:
        return
    suffix = path.suffix
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}{suffix}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_room(path, suffix, most - size)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600)
        try:
            for part in parts:
                write_all(descriptor, part)
            os.replace(fresh, path)  # noqa: PTH105 - nothing is left open between the two
        except OSError:
            fresh.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
