"""Checkpoints and maps made for the tests of pairing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from inspect_core.checkpoint import Checkpoint, open_checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing import Match, Pairing

Arrays = Mapping[str, Any]


def saved(folder: Path, tensors: Arrays, config: Mapping[str, object] | None = None) -> Checkpoint:
    """A checkpoint with these values, opened."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    save_file(arrays, folder / "model.safetensors")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return open_checkpoint(folder)


def listed(
    names: Mapping[str, tuple[int, ...]], config: Mapping[str, object] | None = None
) -> Checkpoint:
    """A checkpoint that only says what it has."""
    tensors = {name: TensorInfo(name, "F32", shape, 0, 0, 64) for name, shape in names.items()}
    return Checkpoint("", "", None, (), tensors, {}, dict(config) if config else None, ())


def by_name(pairing: Pairing) -> dict[str, Match]:
    """The model's matches."""
    return {match.name: match for match in pairing.matches if match.model is not None}


def read(opened: Checkpoint, info: TensorInfo | None) -> np.ndarray:
    """The values of an F32 tensor or of a view of it."""
    assert info is not None and info.dtype == "F32"
    buffer = bytearray(info.nbytes)
    opened.read_into(info, 0, memoryview(buffer))
    return np.frombuffer(buffer, "<f4").reshape(info.shape)


def differ(model: Checkpoint, reference: Checkpoint, match: Match) -> float:
    """The largest difference of a match's two sides."""
    assert match.pair is not None and match.pair.reference is not None, match.reason
    ours, theirs = read(model, match.pair.model), read(reference, match.pair.reference)
    return float(np.abs(ours.ravel() - theirs.ravel()).max(initial=0.0))
