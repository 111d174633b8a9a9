"""A base and its adapters as one checkpoint: tensors in order, and how each is shown."""

from collections.abc import Sequence
from math import prod

from inspect_core.adapters.effect.computed import WIDTH, Computed, ComputedSource
from inspect_core.adapters.effect.factors import FactorShelf, keep_shelf
from inspect_core.adapters.finding.gather import Added, Gathered, gather
from inspect_core.adapters.finding.part_names import SAVED
from inspect_core.adapters.flags import flags_of, method_of, types_of, unknown_of
from inspect_core.adapters.overlay import AdapterSide, Overlay, Target
from inspect_core.adapters.side import Side
from inspect_core.checkpoint.adapter_tensors import NEEDS_BASE
from inspect_core.checkpoint.byte_source import ByteSource
from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.strict_json import collector_paused
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.errors import UsageError
from inspect_core.opening import Uri
from inspect_core.structure.tree import LeafSpec
from inspect_core.text import clean

COMPUTED = "F64"
"""What a changed weight reads as."""


def assembled(uri: Uri, base: Checkpoint | None, sides: Sequence[Side]) -> Checkpoint:
    """The checkpoint of a base with adapters on it, or of adapters alone.

    Args:
        uri: what was opened, as given.
        base: what they sit on; None without.
        sides: the adapters, with names that differ.

    Raises:
        UsageError: an adapter fits nothing of the base.
    """
    with collector_paused():
        found = gather(base, sides)
        listed = _Listed(base, sides, found)
        listed.fill()
    if base is not None:
        for side in sides:
            _refuse_unfit(base, side, found)
    shelf = FactorShelf([side.checkpoint for side in sides])
    source = ComputedSource(listed.computed, shelf, "computed with adapters")
    place = {name: at for at, name in enumerate(listed.tensors)}
    targets = tuple(sorted(found.targets, key=lambda one: place.get(one.weight, len(place))))
    adapters = tuple(
        AdapterSide(side.name, side.checkpoint, method_of(side, targets), flags_of(side, found))
        for side in sides
    )
    overlay = Overlay(
        base, adapters, targets, listed.specs, types_of(targets, adapters), unknown_of(found)
    )
    keep_shelf(overlay, shelf)
    return _checkpoint(uri, base, overlay, listed.tensors, (*listed.shards, source))


def _refuse_unfit(base: Checkpoint, side: Side, found: Gathered) -> None:
    """An adapter that has something for modules, and fits none of the base's."""
    unplaced = found.unplaced.get(side.number)
    if unplaced and not any(target.adapter == side.number for target in found.targets):
        raise UsageError(
            f"fits nothing of the base {base.title}, which has no {clean(unplaced[0], 80)}",
            where=side.name,
            hint="is it the adapter of another model?",
        )


class _Listed:
    """Tensors, their specs, and the files that hold them."""

    def __init__(self, base: Checkpoint | None, sides: Sequence[Side], found: Gathered) -> None:
        self._base = base
        self._found = found
        self.shards: list[ByteSource] = [] if base is None else list(base.shards)
        self._first_shard: dict[int, int] = {}
        for side in sides:
            self._first_shard[side.number] = len(self.shards)
            self.shards += side.checkpoint.shards
        self.shards += [side.config_file for side in sides if side.config_file is not None]
        self.tensors: dict[str, TensorInfo] = {}
        self.specs: dict[str, LeafSpec] = {}
        self.computed: list[Computed] = []
        self._end = 0
        self._targets: dict[str, list[Target]] = {}
        for target in found.targets:
            self._targets.setdefault(target.weight, []).append(target)

    def fill(self) -> None:
        """Put all tensors in their order: what is added stands after the weight it changes."""
        after: dict[str, list[Added]] = {}
        theirs = {} if self._base is None else self._base.tensors
        made: dict[tuple[str, tuple[int, ...]], LeafSpec] = {}
        for added in self._found.added:
            after.setdefault(added.after if added.after in theirs else "", []).append(added)
        for name, info in theirs.items():
            if name in self._targets:
                self._put_changed(name, info)
            else:
                key = (info.dtype, info.shape)
                if key not in made:
                    made[key] = LeafSpec(info.dtype, info.shape, frozen=True)
                self.tensors[name], self.specs[name] = info, made[key]
            for added in after.get(name, ()):
                self._put_added(added, theirs)
        alone = dict(self._targets) if self._base is None else {}
        for added in after.get("", ()):
            if added.after in alone:
                self._put_alone(added.after, alone.pop(added.after))
            self._put_added(added, theirs)
        for weight, targets in alone.items():
            self._put_alone(weight, targets)

    def _put_changed(self, name: str, info: TensorInfo) -> None:
        """A tensor of the base that adapters change, or replace."""
        whole = self._found.wholes.get(name)
        changes = tuple(
            target for target in self._targets[name] if target.method != SAVED and not target.note
        )
        shown = info if whole is None else whole[1]
        self.specs[name] = LeafSpec(
            shown.dtype, shown.shape, frozen=whole is None, delta=whole is not None
        )
        if changes:
            assert self._base is not None
            source = self._base if whole is None else whole[0].checkpoint
            self._put_computed(name, shown.shape, changes, (source, shown))
        else:
            self.tensors[name] = info if whole is None else self._moved(whole[0], whole[1], name)

    def _put_alone(self, weight: str, targets: list[Target]) -> None:
        """A weight of which only the change is known."""
        changes = tuple(one for one in targets if one.method != SAVED and not one.note)
        if weight in self.tensors or weight in self._found.wholes or not changes:
            return
        shape = changes[0].shape
        changes = tuple(one for one in changes if one.shape == shape)
        self._put_computed(weight, shape, changes, None)
        self.specs[weight] = LeafSpec(COMPUTED, shape, frozen=True, computed=True)

    def _put_computed(
        self,
        name: str,
        shape: tuple[int, ...],
        changes: tuple[Target, ...],
        under: tuple[Checkpoint, TensorInfo] | None,
    ) -> None:
        start, self._end = self._end, self._end + WIDTH * prod(shape)
        self.computed.append(Computed(start, shape, changes, under))
        self.tensors[name] = TensorInfo(name, COMPUTED, shape, len(self.shards), start, self._end)

    def _put_added(self, added: Added, theirs: dict[str, TensorInfo]) -> None:
        """An adapter's own tensor, under a name that nothing else has."""
        name, count = added.name, 2
        while (
            name in self.tensors
            or name in theirs
            or (
                name in self._targets
                and not (name in self._found.wholes and added.info is self._found.wholes[name][1])
            )
        ):
            name, count = f"{added.name} ({count})", count + 1
        self.tensors[name] = self._moved(added.side, added.info, name)
        self.specs[name] = LeafSpec(added.info.dtype, added.info.shape, delta=True)

    def _moved(self, side: Side, info: TensorInfo, name: str) -> TensorInfo:
        """An adapter's tensor under another name, in the list of all files."""
        shift = self._first_shard[side.number]
        parts = tuple([self._moved(side, part, part.name) for part in info.parts])
        _, dtype, shape, shard, start, stop, strides, _, unread = info
        return TensorInfo(name, dtype, shape, shard + shift, start, stop, strides, parts, unread)


def _checkpoint(
    uri: Uri,
    base: Checkpoint | None,
    overlay: Overlay,
    tensors: dict[str, TensorInfo],
    shards: tuple[ByteSource, ...],
) -> Checkpoint:
    adapters = overlay.adapters
    files = [side.checkpoint for side in adapters]
    opened = [*([] if base is None else [base]), *files]
    lead = opened[0]
    several = len(opened) > 1
    warnings: list[str] = [] if base is None else list(base.warnings)
    damage = [] if base is None else list(base.damage)
    doubts = [] if base is None else list(base.doubts)
    for side in adapters:
        before = f"{side.name}: " if several else ""
        told = [line for line in side.checkpoint.warnings if base is None or line != NEEDS_BASE]
        # What the files say of themselves and what the base tells are often one thing.
        warnings += [before + line for line in dict.fromkeys((*told, *side.flags))]
        damage += [before + line for line in side.checkpoint.damage]
        doubts += [before + line for line in side.checkpoint.doubts]
    return Checkpoint(
        uri=uri,
        title=" + ".join([*([] if base is None else [base.title]), *[a.name for a in adapters]]),
        folder=lead.folder if base is not None or len(files) == 1 else None,
        shards=shards,
        tensors=tensors,
        metadata=lead.metadata,
        config=None if base is None else base.config,
        warnings=tuple(warnings),
        format=" + ".join(dict.fromkeys(one.format for one in opened)),
        aside=() if base is None else base.aside,
        damage=tuple(damage),
        doubts=tuple(doubts),
        left_out=tuple(one for checkpoint in opened for one in checkpoint.left_out),
        overlay=overlay,
    )
