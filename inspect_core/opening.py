"""Whatever can be opened as a model: files, files with adapters, a live module."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint

Files = str | tuple[str, ...]
"""What names a checkpoint: a file, a folder, a pattern, `org/name`, or several files."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """A checkpoint with adapters on it: every changed weight reads as base plus delta.

    Attributes:
        base: the checkpoint they sit on; None for the adapters alone, whose changed weights
            then read as the delta itself.
        adapters: PEFT folders, in the order in which they are added; at least one.
    """

    base: Files | None
    adapters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Live:
    """A module of this process; see `inspect_core.live`.

    Attributes:
        number: where it is registered.
        title: a short name for people, safe to show.
    """

    number: int
    title: str


Uri = Files | Adapted | Live
"""What names a model."""


def open_model(uri: "Uri | os.PathLike[str] | Sequence[str]") -> "Checkpoint":
    """Open whatever names a model; no value of a file is read.

    An adapter's folder opens as the adapter alone (`Adapted` without a base).

    Raises:
        CheckpointError: nothing readable is there, or it contradicts itself.
        UsageError: the adapters cannot be put on the base.
    """
    if isinstance(uri, Adapted):
        from inspect_core.adapters.open_adapted import open_adapted

        return open_adapted(uri)
    if isinstance(uri, Live):
        from inspect_core.live.registry import live_checkpoint

        return live_checkpoint(uri)
    from inspect_core.checkpoint import open_checkpoint
    from inspect_core.checkpoint.adapter_tensors import is_adapter

    found = open_checkpoint(uri)
    if is_adapter(found.tensors, [shard.path.name for shard in found.shards]):
        from inspect_core.adapters.open_adapted import adapter_alone

        return adapter_alone(found)
    return found


def spelled(uri: Uri) -> Files:
    """A uri in words: files as they are; a base and its adapters one after the other."""
    if isinstance(uri, Adapted):
        base = () if uri.base is None else (uri.base,) if isinstance(uri.base, str) else uri.base
        return (*base, *uri.adapters)
    return uri.title if isinstance(uri, Live) else uri
