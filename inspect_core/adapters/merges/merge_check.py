"""Whether a checkpoint is its base with an adapter merged in: which modules, and how exactly."""

import math
from typing import TYPE_CHECKING, NamedTuple

from inspect_core.adapters.finding.part_names import SAVED
from inspect_core.adapters.merges.merge_report import MergeReport, ModuleMerge
from inspect_core.adapters.merges.merge_sums import Kinds, MergeSums, Where, count_unlike, sum_up
from inspect_core.adapters.merges.merge_verdict import (
    Verdict,
    judge,
    likely_scales,
    merged_here_and_there,
    scale_words,
)
from inspect_core.adapters.overlay import Target
from inspect_core.control import Control, Progress
from inspect_core.errors import UsageError
from inspect_core.pairing.match import Pair
from inspect_core.structure.buffers import is_buffer
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.checkpoint.checkpoint import Checkpoint
    from inspect_core.checkpoint.tensor_info import TensorInfo
    from inspect_core.pairing.match import Match

__all__ = ["MergeReport", "ModuleMerge", "Verdict", "check_merge"]

MOST_PASSES = 4
"""Readings of a weight at most, to find the scale at which a change was merged."""


SAMPLE = 1 << 18
"""Values at which each likely scale is tried before all are read."""

FOUND = (Verdict.EXACT, Verdict.CLOSE)


MOST_COPIES = 4
"""Tensors of equal shape that a new one is held against."""


class _Trio(NamedTuple):
    """A weight of the base, the same as it would be merged, and the same as it is."""

    base: Where
    adapted: Where
    merged: Where
    shape: tuple[int, int]


def check_merge(
    base: "Checkpoint", adapted: "Checkpoint", merged: "Checkpoint", control: Control | None = None
) -> MergeReport:
    """Hold a merged checkpoint against its base and what adapters make of it.

    Every value of every tensor is read once, some more often; memory is bounded by blocks.

    Args:
        base: what the adapters were trained on.
        adapted: the same base with the adapters on it, as `open_model(Adapted(...))` opens it.
        merged: what is checked.
        control: takes progress, and can cancel.

    Raises:
        UsageError: there are no adapters on `adapted`.
        CheckpointError: a file cannot be read, or changed meanwhile.
        Cancelled: `control` was cancelled.
    """
    control = control or Control()
    overlay = adapted.overlay
    if overlay is None:
        raise UsageError("no adapter is on it", where=adapted.title)
    targets: dict[str, list[Target]] = {}
    for target in overlay.targets:
        targets.setdefault(target.weight, []).append(target)
    checker = _Checker(base, adapted, merged, control)
    return checker.report(targets)


class _Checker:
    """Goes through the tensors of three checkpoints."""

    def __init__(
        self, base: "Checkpoint", adapted: "Checkpoint", merged: "Checkpoint", control: Control
    ) -> None:
        from inspect_core.pairing import pair_checkpoints

        self._base, self._adapted, self._merged = base, adapted, merged
        self._control = control
        self._matches = pair_checkpoints(merged, base).matches
        self._by_look: dict[tuple[str, tuple[int, ...]], list[TensorInfo]] = {}
        self._by_base: dict[str, list[Match]] = {}
        for match in self._matches:
            for name in match.partners or ((match.reference.name,) if match.reference else ()):
                self._by_base.setdefault(name, []).append(match)
        self._changed = {
            match.name: match for match in pair_checkpoints(merged, adapted).matches if match.model
        }

    def report(self, targets: dict[str, list[Target]]) -> MergeReport:
        """Check all of them."""
        overlay = self._adapted.overlay
        assert overlay is not None
        unknown = overlay.unknown
        names = list(self._base.tensors)
        modules, same, rounded = [], 0, 0
        changed: list[str] = []
        unchecked: list[str] = []
        missing: list[str] = []
        buffers: list[str] = []
        for done, name in enumerate(names):
            self._control.check()
            self._control.report(Progress(done, len(names), "tensors"))
            if name in unknown and name not in targets:
                modules.append(_unchecked(name, [], unknown[name]))
                continue
            if name in targets:
                modules.append(self._module(name, targets[name]))
                continue
            found = self._other(name)
            same, rounded = same + (found in ("same", "rounded")), rounded + (found == "rounded")
            lists = {"changed": changed, "unchecked": unchecked, "missing": missing,
                     "buffer": buffers}  # fmt: skip
            if found in lists:
                lists[found].append(name)
        nowhere = [name for name in targets if name not in self._base.tensors]
        modules += [_without_base(name, targets[name]) for name in nowhere]
        extra = [
            one.name
            for one in self._matches
            if one.model is not None
            and one.reference is None
            and one.name not in nowhere
            and not is_buffer(one.name, one.model)
            and not self._is_copy(one.model)
        ]
        for checkpoint in (self._base, self._adapted, self._merged):
            checkpoint.check_unchanged()
        self._control.report(Progress(len(names), len(names), "tensors"))
        return MergeReport(
            self._base.title, tuple(side.name for side in overlay.adapters), self._merged.title,
            tuple(modules), same, rounded, tuple(changed), tuple(unchecked), tuple(missing),
            tuple(extra), tuple(buffers),
        )  # fmt: skip

    def _other(self, name: str) -> str:
        """What became of a tensor that no adapter changes."""
        matches = self._by_base.get(name, [])
        if not matches or any(match.model is None for match in matches):
            return "buffer" if is_buffer(name, self._base.tensors[name]) else "missing"
        found = [self._compared(match) for match in matches]
        for verdict in ("changed", "unchecked", "rounded"):
            if verdict in found:
                return verdict
        return "same"

    def _is_copy(self, info: "TensorInfo") -> bool:
        """Whether a tensor holds what another of the merged files does, as tied weights do."""
        from inspect_core.delta.bits import same_bits

        if not self._by_look:
            for other in self._merged.tensors.values():
                self._by_look.setdefault((other.dtype, other.shape), []).append(other)
        others = self._by_look.get((info.dtype, info.shape), [])[: MOST_COPIES + 1]
        some = [Pair(info, other) for other in others if other.name != info.name and info.numel]
        return any(same_bits(self._merged, self._merged, some, Control()))

    def _compared(self, match: "Match") -> str:
        pair = match.pair
        if pair is None or pair.reference is None:
            return "changed" if match.status == "shape_mismatch" else "unchecked"
        if pair.model.dtype == pair.reference.dtype:
            from inspect_core.delta.bits import same_bits

            [same] = same_bits(self._merged, self._base, [pair], Control())
            return "same" if same else "changed"
        kinds = Kinds.of(pair.reference, pair.model)
        if kinds is None:
            return "unchecked"
        sides = (self._base, pair.reference), (self._merged, pair.model)
        if count_unlike(*sides, kinds, self._control):
            return "changed"
        return "same" if kinds.same else "rounded"

    def _module(self, name: str, targets: list[Target]) -> ModuleMerge:
        """What became of a tensor that adapters change."""
        noted = next((target.note for target in targets if target.note), "")
        if noted:
            return _unchecked(name, targets, clean(noted))
        matches = [match for match in self._by_base.get(name, []) if match.model is not None]
        if not matches:
            return _unchecked(name, targets, "the merged files lack it", Verdict.MISSING)
        if len(matches) > 1 or matches[0].partners:
            return _unchecked(name, targets, "it is cut otherwise in the merged files")
        pair, adapted = matches[0].pair, self._changed.get(matches[0].name)
        if pair is None or pair.reference is None:
            return _unchecked(name, targets, "it cannot be compared with the base's")
        made = adapted.pair if adapted is not None else None
        if made is None or made.reference is None or made.model != pair.model:
            return _unchecked(name, targets, "it cannot be compared with the sum")
        kinds = Kinds.of(pair.reference, pair.model)
        if kinds is None:
            return _unchecked(name, targets, f"values of {pair.model.dtype} are not checked")
        rows = pair.model.shape[0] if pair.model.shape else 1
        trio = _Trio(
            (self._base, pair.reference),
            (self._adapted, made.reference),
            (self._merged, pair.model),
            (rows, math.prod(pair.model.shape[1:])),
        )
        return self._judged(name, targets, trio, kinds, pair)

    def _judged(
        self, name: str, targets: list[Target], trio: _Trio, kinds: Kinds, pair: Pair
    ) -> ModuleMerge:
        first = sums = sum_up(*trio, 1.0, kinds, self._control)
        verdict, note = judge(sums, kinds, 1.0, targets)
        scale = sums.scale
        if verdict is Verdict.ELSE and sums.dd > 0.0:
            found = self._at_another_scale(first, targets, trio, kinds)
            if found is not None:
                scale, verdict = found, Verdict.SCALED
                note = scale_words(scale, targets)
            elif merged_here_and_there(first):
                verdict, note = Verdict.PARTLY, merged_here_and_there(first)
        return ModuleMerge(
            weight=name,
            merged_name=pair.model.name,
            method=_methods(targets),
            verdict=verdict,
            dtype=pair.model.dtype,
            numel=first.numel,
            exact=first.exact,
            adjacent=first.adjacent,
            same=first.same,
            most_units=first.most_units,
            scale=scale,
            residual=first.residual,
            note=note,
        )

    def _at_another_scale(
        self, first: MergeSums, targets: list[Target], trio: _Trio, kinds: Kinds
    ) -> float | None:
        """The scale at which the change explains all values; None if there is none.

        Where the change is below the rounding, least squares finds too little of it: each pass
        is made with what the last one found, and corrects it.
        """
        guess, likely = 1.0 + first.deviation, likely_scales(targets)
        for _ in range(MOST_PASSES - 1):
            near = [one for one in likely if abs(one - guess) <= 0.02 * abs(one)]
            scale = near[0] if near else guess
            sums = sum_up(*trio, scale, kinds, self._control)
            if judge(sums, kinds, scale, targets)[0] in FOUND:
                return scale
            if not math.isfinite(sums.deviation) or abs(sums.deviation) < 1e-12:
                break
            guess = scale + sums.deviation
        # Most of a change below the rounding is lost, and least squares with it.
        for scale in likely:
            for most in (SAMPLE, None):
                sums = sum_up(*trio, scale, kinds, self._control, most)
                if judge(sums, kinds, scale, targets)[0] not in FOUND:
                    break
            else:
                return scale
        return None


def _methods(targets: list[Target]) -> str:
    return " + ".join(dict.fromkeys(target.method for target in targets))


def _without_base(name: str, targets: list[Target]) -> ModuleMerge:
    """A weight that the base lacks; a head that the adapter brings whole is no change of it."""
    if all(target.method == SAVED and not target.note for target in targets):
        return _unchecked(name, targets, "brought whole, new to the base", Verdict.NOTHING)
    return _unchecked(name, targets, "the base's files hold no such weight")


def _unchecked(
    name: str, targets: list[Target], note: str, verdict: Verdict = Verdict.UNCHECKED
) -> ModuleMerge:
    return ModuleMerge(name, None, _methods(targets), verdict, note=note)
