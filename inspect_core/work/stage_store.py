"""Stages of activations that were collected before: a few in memory, more on disk.

A stage is found again by what its numbers come from; see `kept_results`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.activations.stage import Stage
from inspect_core.work.cache_folder import MOST_BYTES, cache_folder
from inspect_core.work.kept_results import (
    Held,
    content_key,
    kept_file,
    store_content,
    stored_content,
)
from inspect_core.work.stage_file import MAGIC, size_of, stage_bytes, stage_from

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint

NUMBERS_VERSION = 2
"""Grows whenever the same files would give other numbers; older files are not read then."""

MOST_HELD = 8
"""Stages in memory: both sides of what is on show, and of what was there before."""

MOST_HELD_BYTES = 512 << 20
"""About what they take together; the last two stay all the same."""

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
    return content_key(checkpoint, tokenizer, (MAGIC, NUMBERS_VERSION), asked)


class HeldStages(Held[Stage]):
    """Stages in memory, the last used last; safe to use from many threads."""

    def __init__(self) -> None:
        super().__init__(size_of, lambda: (MOST_HELD, MOST_HELD_BYTES))


def stage_folder() -> Path | None:
    """Where stages are kept: `$XDG_CACHE_HOME/lamella/activations`, or below `~/.cache`."""
    return cache_folder("activations")


def stored_stage(key: bytes) -> Stage | None:
    """The stage that an earlier run stored; None without one that is whole.

    Args:
        key: see `stage_key`.
    """
    path = _path(key)
    return None if path is None else stage_from(stored_content(path, MOST_BYTES), key)


def store_stage(key: bytes, stage: Stage) -> None:
    """Store a stage for later runs; one that is too large is not.

    Args:
        key: see `stage_key`.
        stage: what to store.
    """
    path = _path(key)
    if path is not None and size_of(stage) <= MOST_BYTES:
        store_content(path, (stage_bytes(stage, key),), MOST_BYTES)


def _path(key: bytes) -> Path | None:
    return kept_file(stage_folder(), key, _SUFFIX)
