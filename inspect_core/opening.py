"""Whatever can be opened as a model: files, files with adapters, a live module."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.text import clean

if TYPE_CHECKING:
    import torch

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


def open_model(uri: "Uri | os.PathLike[str] | Sequence[str] | torch.nn.Module") -> "Checkpoint":
    """Open whatever names a model; no value of a file is read.

    An adapter's folder opens as the adapter alone (`Adapted` without a base). A live module is
    only read, and not kept alive: whoever asks holds it as long as values are wanted.

    Raises:
        TypeError: it is none of those.
        CheckpointError: nothing readable is there, or it contradicts itself.
        UsageError: the adapters cannot be put on the base.
    """
    if isinstance(uri, Adapted):
        from inspect_core.adapters.open_adapted import open_adapted

        return open_adapted(uri)
    if isinstance(uri, Live):
        from inspect_core.live.registry import live_checkpoint

        return live_checkpoint(uri)
    if not isinstance(uri, str | os.PathLike | Sequence):
        from inspect_core.live.registry import live_checkpoint, register

        return live_checkpoint(register(required_module(uri)))
    from inspect_core.checkpoint import open_checkpoint
    from inspect_core.checkpoint.adapter_tensors import is_adapter

    found = open_checkpoint(uri)
    if is_adapter(found.tensors, [shard.path.name for shard in found.shards]):
        from inspect_core.adapters.open_adapted import adapter_alone

        return adapter_alone(found)
    return found


def required_module(model: object) -> "torch.nn.Module":
    """A live module as what it is; torch is not imported to find out.

    Raises:
        TypeError: it is none.
    """
    loaded = sys.modules.get("torch")
    if loaded is None or not isinstance(model, loaded.nn.Module):
        kind = clean(type(model).__name__, 60)
        raise TypeError(f"a torch.nn.Module or the path of a checkpoint is needed, not {kind}")
    found: torch.nn.Module = model
    return found


def spelled(uri: Uri) -> Files:
    """A uri in words: files as they are; a base and its adapters one after the other."""
    if isinstance(uri, Adapted):
        base = () if uri.base is None else (uri.base,) if isinstance(uri.base, str) else uri.base
        return (*base, *uri.adapters)
    return uri.title if isinstance(uri, Live) else uri
