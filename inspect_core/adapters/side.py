"""One adapter: its files, its config, and its tensors by module."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inspect_core.adapters.finding.part_names import OTHER, SAVED, Part, part_of
from inspect_core.adapters.folders import refuse_several
from inspect_core.checkpoint.adapter_config import ADAPTER_CONFIG, AdapterConfig
from inspect_core.checkpoint.adapter_config_file import read_adapter_config
from inspect_core.checkpoint.adapter_patterns import resolved
from inspect_core.checkpoint.adapter_tensors import ADAPTER_FILE, is_adapter
from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.checkpoint import Checkpoint, open_checkpoint
from inspect_core.errors import CheckpointError, UsageError
from inspect_core.text import clean

WEIGHTS = (f"{ADAPTER_FILE}safetensors", f"{ADAPTER_FILE}bin")
"""PEFT's files, in the order in which it looks for them."""

_LONGEST_NAME = 40


@dataclass(frozen=True, eq=False)
class Side:
    """An opened adapter before it is placed on anything.

    Attributes:
        number: its place among the adapters.
        name: short, safe to show, and one component of a tensor's name.
        checkpoint: its files.
        config: what its config says; None without a usable one.
        config_file: the config's file, where there is one.
        parts: what each tensor's name says, by the tensor's name.
    """

    number: int
    name: str
    checkpoint: Checkpoint
    config: AdapterConfig | None
    config_file: LocalFile | None
    parts: Mapping[str, Part]

    @classmethod
    def of(cls, checkpoint: Checkpoint, number: int) -> "Side | None":
        """An opened checkpoint as an adapter; None if it is none."""
        files = [shard.path.name for shard in checkpoint.shards]
        parts = {name: part_of(name) for name in checkpoint.tensors}
        known = any(part.method not in (OTHER, SAVED) for part in parts.values())
        if not is_adapter(checkpoint.tensors, files) and not (
            known and _is_here(checkpoint.folder) and not _is_model(checkpoint)
        ):
            return None
        folder = checkpoint.folder
        config = read_adapter_config(folder)[0] if folder is not None else None
        if config is not None:
            config = resolved(config, _ranks(checkpoint, parts))
        name = clean(checkpoint.title.replace(".", "_"), _LONGEST_NAME) or "adapter"
        return cls(number, name, checkpoint, config, _config_file(folder), parts)


def open_side(text: str, number: int) -> Side:
    """Open one adapter.

    Args:
        text: its folder, its file, or `org/name` in the local cache.
        number: its place among the adapters.

    Raises:
        CheckpointError: it cannot be read.
        UsageError: it is no adapter.
    """
    refuse_several(text)
    checkpoint = open_checkpoint(_weights(text) or text)
    side = Side.of(checkpoint, number)
    if side is None:
        checkpoint.close()
        hint = "name the folder with its adapter_config.json"
        raise UsageError("no adapter is there", where=text, hint=hint)
    return side


def _ranks(checkpoint: Checkpoint, parts: Mapping[str, Part]) -> dict[str, int | None]:
    """Rank of the stored factors by module, where a shape tells it."""
    ranks: dict[str, int | None] = {}
    for name, part in parts.items():
        shape = checkpoint.tensors[name].shape
        tells = part.role in ("A", "w1_b", "w2_b") and len(shape) > 1
        ranks[part.module] = shape[0] if tells else ranks.get(part.module)
    return ranks


def _weights(text: str) -> str | None:
    """PEFT's file in a folder, which may hold a whole model too."""
    for name in WEIGHTS:
        path = os.path.join(os.path.expanduser(text), name)  # noqa: PTH111, PTH118
        try:
            if os.path.isfile(path):  # noqa: PTH113 - Path raises for a NUL
                return path
        except ValueError:
            return None
    return None


def _is_here(folder: Path | None) -> bool:
    return folder is not None and os.path.lexists(folder / ADAPTER_CONFIG)


def _is_model(checkpoint: Checkpoint) -> bool:
    return checkpoint.config is not None


def _config_file(folder: Path | None) -> LocalFile | None:
    """The config as a file whose change is noticed."""
    if folder is None or not _is_here(folder):
        return None
    try:
        file = LocalFile(folder / ADAPTER_CONFIG)
    except CheckpointError:
        return None
    file.close()
    return file
