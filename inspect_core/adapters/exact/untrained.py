"""Adapters that were never trained, found by reading no more of their factors than it takes."""

from typing import TYPE_CHECKING

import numpy as np

from inspect_core.adapters.effect.values import is_readable, read_values
from inspect_core.adapters.finding.part_names import IA3

if TYPE_CHECKING:
    from inspect_core.adapters.overlay import AdapterSide, Target
    from inspect_core.checkpoint.checkpoint import Checkpoint

MOST_BYTES = 64 << 20
"""Larger adapters are not read unasked."""

FACTORS = ("B", "E", "w1", "w1_a", "w2", "w2_a", "w2_b", "A")
"""Factors of which one is all zero before the first step, the usual ones first."""


def untrained_remarks(checkpoint: "Checkpoint") -> list[str]:
    """A line for each small adapter of which modules change nothing, safe to show.

    Raises:
        CheckpointError: a file cannot be read, or changed meanwhile.
    """
    overlay = checkpoint.overlay
    if overlay is None:
        return []
    found = []
    for number, side in enumerate(overlay.adapters):
        if sum(info.nbytes for info in side.checkpoint.tensors.values()) > MOST_BYTES:
            continue
        known = [
            zero
            for target in overlay.targets
            if target.adapter == number and "bias" not in target.parts
            if (zero := _is_untrained(side, target)) is not None
        ]
        if any(known):
            which = "all modules" if all(known) else f"{sum(known):,} of {len(known):,} modules"
            found.append(f"never trained: {side.name} changes nothing in {which}")
    return found


def _is_untrained(side: "AdapterSide", target: "Target") -> bool | None:
    """Whether one of the factors is as it was before the first step; None without factors."""
    if target.method == IA3:
        scale = target.parts.get("scale")
        if scale is None or not is_readable(scale):
            return None
        return bool(np.all(read_values(side.checkpoint, scale) == 1.0))
    infos = [target.parts[role] for role in FACTORS if role in target.parts]
    readable = [info for info in infos if is_readable(info) and info.numel]
    if not readable:
        return None
    return any(not read_values(side.checkpoint, info).any() for info in readable)
