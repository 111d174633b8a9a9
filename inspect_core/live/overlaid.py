"""A live model with what its adapters do: the weights it computes with, or those before."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from inspect_core.adapters.effect.computed import WIDTH, Computed, ComputedSource
from inspect_core.adapters.effect.factors import FactorShelf, keep_shelf
from inspect_core.adapters.finding.part_names import SAVED
from inspect_core.adapters.overlay import AdapterSide, Overlay, Target
from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.live.adapter_status import AdapterStatus, method_of, states
from inspect_core.live.effects import Effects
from inspect_core.structure.tree import LeafSpec
from inspect_core.text import clean

COMPUTED = "F64"
"""What a changed weight reads as."""


def with_effects(
    plain: Checkpoint, found: Effects, before: bool, statuses: Sequence[AdapterStatus]
) -> Checkpoint:
    """Put the effects of adapters on a live model's tensors, or take them out.

    Args:
        plain: the tensors as they lie in memory.
        found: what adapters change.
        before: whether the weights before the adapters are wanted.
        statuses: of all adapters of the model.
    """
    if before:
        return _before(plain, found)
    tensors, computed = _changed(plain, found.added)
    by_name = {status.name: status for status in statuses}
    sides = tuple(_side(plain, name, by_name.get(name)) for name in found.adapters)
    targets = tuple(found.added)
    overlay = Overlay(plain, sides, targets, _specs(plain, computed))
    shelf = FactorShelf([side.checkpoint for side in sides])
    keep_shelf(overlay, shelf)
    source = ComputedSource(computed, shelf, "computed with adapters")
    return replace(
        plain,
        tensors=tensors,
        shards=(*plain.shards, source),
        overlay=overlay if targets else None,
        warnings=(*plain.warnings, *_unknown(found.added)),
    )


def _before(plain: Checkpoint, found: Effects) -> Checkpoint:
    tensors, computed = _changed(plain, found.merged)
    if plain.structure is not None:
        names, specs, _ = plain.structure
        for name, spec in zip(names, specs, strict=True):
            if spec.delta:
                tensors.pop(name, None)
    tensors |= found.originals
    shelf = FactorShelf([plain] * len(found.adapters))
    source = ComputedSource(computed, shelf, "computed without adapters")
    return replace(
        plain,
        tensors=tensors,
        shards=(*plain.shards, source),
        warnings=tuple(_unknown(found.merged)),
        structure=None,
        notes=(),
    )


def _changed(
    plain: Checkpoint, targets: Sequence[Target]
) -> tuple[dict[str, TensorInfo], list[Computed]]:
    """The tensors with changed ones as computed ones, and how those are made."""
    by_weight: dict[str, list[Target]] = {}
    for target in targets:
        info = plain.tensors.get(target.weight)
        readable = info is not None and DTYPES[info.dtype].comparable and not info.unread
        if readable and not target.note and target.method != SAVED:
            by_weight.setdefault(target.weight, []).append(target)
    tensors, computed, end = dict(plain.tensors), [], 0
    for name, info in plain.tensors.items():
        if name in by_weight:
            start, end = end, end + WIDTH * prod(info.shape)
            computed.append(Computed(start, info.shape, tuple(by_weight[name]), (plain, info)))
            tensors[name] = TensorInfo(name, COMPUTED, info.shape, len(plain.shards), start, end)
    return tensors, computed


def _specs(plain: Checkpoint, computed: Sequence[Computed]) -> dict[str, LeafSpec]:
    """How the changed weights are shown: as they lie in memory."""
    made = {one.under[1].name for one in computed if one.under is not None}
    if plain.structure is None:
        return {}
    names, specs, _ = plain.structure
    return {name: spec for name, spec in zip(names, specs, strict=True) if name in made}


def _side(plain: Checkpoint, name: str, status: AdapterStatus | None) -> AdapterSide:
    parts = {
        key: info
        for key, info in plain.tensors.items()
        if f".{name}." in key or key.endswith(f".{name}")
    }
    method = ", ".join((method_of(status), *states(status))) if status is not None else ""
    return AdapterSide(clean(name, 40), replace(plain, tensors=parts, structure=None), method)


def _unknown(targets: Sequence[Target]) -> list[str]:
    """A line for each reason why changes are not worked out."""
    reasons: dict[str, list[str]] = {}
    for target in targets:
        if target.note:
            reasons.setdefault(target.note, []).append(clean(target.module, 120))
    return [
        f"{where[0]}{f' and {len(where) - 1} more' if len(where) > 1 else ''}: {clean(note)}"
        for note, where in reasons.items()
    ]
