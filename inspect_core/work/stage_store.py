"""Stages of activations that were collected before: a few in memory, more on disk.

A stage is found again by all that its numbers come from: the files of the checkpoint, of its
config and of its tokenizer, as they are; the content of the texts; what was asked; and the
versions of the programs that counted. No trouble with files ever raises: then nothing is kept.
"""

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.activations.stage import Stage
from inspect_core.checkpoint.byte_source import Stamp
from inspect_core.work.cache_folder import (
    MOST_BYTES,
    OPEN_FLAGS,
    cache_folder,
    content_of,
    make_room,
    write_all,
)
from inspect_core.work.stage_file import KEY_BYTES, MAGIC, size_of, stage_bytes, stage_from

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint

NUMBERS_VERSION = 1
"""Grows whenever the same files would give other numbers; older files are not read then."""

MOST_HELD = 8
"""Stages in memory: both sides of what is on show, and of what was there before."""

MOST_HELD_BYTES = 512 << 20
"""About what they take together; the last two stay all the same."""

BESIDE = (
    "config.json", "generation_config.json", "adapter_config.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip
"""Files beside the weights that decide what a text becomes."""

_PROGRAMS = ("torch", "transformers", "tokenizers", "textblob")
_SUFFIX = ".stage"


def stage_key(
    checkpoint: "Checkpoint", tokenizer: str | None, asked: Iterable[object]
) -> bytes | None:
    """Bytes that stand for all that a stage comes from; None if a file of it has changed.

    Args:
        checkpoint: what runs.
        tokenizer: a folder or file that is used in place of the checkpoint's own.
        asked: everything else, as values whose `repr` says all of them.
    """
    made = blake2b(digest_size=KEY_BYTES)
    made.update(repr((MAGIC, NUMBERS_VERSION, *map(_version, _PROGRAMS))).encode())
    made.update(repr(tuple(asked)).encode("utf-8", "backslashreplace"))
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
        folders.append(Path(tokenizer))
    for path in _beside(folders):
        made.update(_place(path, _stamp(path)))
    return made.digest()


def _beside(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in dict.fromkeys(folders):
        for name in BESIDE:
            if _stamp(folder / name) is not None:
                yield folder / name


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


class HeldStages:
    """Stages in memory, the last used last; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[bytes, Stage] = OrderedDict()

    def get(self, key: bytes) -> Stage | None:
        """The stage of a key."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, key: bytes, stage: Stage) -> None:
        """Keep a stage; the ones that were not used for longest go."""
        with self._lock:
            self._held[key] = stage
            self._held.move_to_end(key)
            taken = sum(map(size_of, self._held.values()))
            while len(self._held) > 2 and (len(self._held) > MOST_HELD or taken > MOST_HELD_BYTES):
                _, gone = self._held.popitem(last=False)
                taken -= size_of(gone)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._held.clear()


def stage_folder() -> Path | None:
    """Where stages are kept: `$XDG_CACHE_HOME/lamella/activations`, or below `~/.cache`."""
    return cache_folder("activations")


def stored_stage(key: bytes) -> Stage | None:
    """The stage that an earlier run stored; None without one that is whole.

    Args:
        key: see `stage_key`.
    """
    path = _path(key)
    if path is None:
        return None
    content = b""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | OPEN_FLAGS)
        try:
            content = content_of(descriptor)
        finally:
            os.close(descriptor)
        os.utime(path)  # the oldest go first: this one is in use
    return stage_from(content, key)


def store_stage(key: bytes, stage: Stage) -> None:
    """Store a stage for later runs; one that is too large is not.

    Args:
        key: see `stage_key`.
        stage: what to store.
    """
    path = _path(key)
    if path is None or size_of(stage) > MOST_BYTES:
        return
    content = stage_bytes(stage, key)
    if len(content) > MOST_BYTES:
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}{_SUFFIX}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_room(path, _SUFFIX, MOST_BYTES - len(content))
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600)
        try:
            write_all(descriptor, content)
            os.replace(fresh, path)  # noqa: PTH105 - nothing is left open between the two
        except OSError:
            fresh.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _path(key: bytes) -> Path | None:
    folder = stage_folder()
    return None if folder is None else folder / f"{key[:16].hex()}{_SUFFIX}"
