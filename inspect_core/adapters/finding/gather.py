"""From the tensors of adapters to the weights of a base that they change."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import NamedTuple

from inspect_core.adapters.finding.as_loaded import (
    BEHIND,
    INSIDE,
    REPLACED,
    TWICE,
    WRAPPED,
    Loading,
)
from inspect_core.adapters.finding.base_weights import BaseWeights, joined
from inspect_core.adapters.finding.groups import NO_SCALE, Group
from inspect_core.adapters.finding.part_names import IA3, LORA, OTHER, SAVED, TOKENS, Part
from inspect_core.adapters.finding.places import Places
from inspect_core.adapters.finding.separate_experts import experts_wanted, separate_experts
from inspect_core.adapters.finding.targets import is_feedforward, target_of
from inspect_core.adapters.overlay import Target
from inspect_core.adapters.side import Side
from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo

_PARENTS = 2
"""Levels between a module and a part that is not known here."""


class Added(NamedTuple):
    """A tensor of an adapter's own in the tree.

    Attributes:
        name: its full name there; foreign.
        side: whose it is.
        info: the tensor in the adapter's files.
        after: the weight of the base that it stands after; empty where there is none.
    """

    name: str
    side: Side
    info: TensorInfo
    after: str


@dataclass(eq=False)
class Gathered:
    """What adapters have for a base.

    Attributes:
        targets: every weight that is changed, once for each adapter that changes it.
        wholes: weights that an adapter brings whole, by name: of several adapters' the one that
            PEFT uses.
        added: what the adapters add to the tree, in order.
        unplaced: names that match nothing of the base, by adapter.
        unread: names of parts whose change of weights is not known here, by adapter.
        unknown: weights of the modules that have such parts, and why they are not known.
        ambiguous: see `Places`.
    """

    targets: list[Target] = field(default_factory=list)
    wholes: dict[str, tuple[Side, TensorInfo]] = field(default_factory=dict)
    added: list[Added] = field(default_factory=list)
    unplaced: dict[int, list[str]] = field(default_factory=dict)
    unread: dict[int, list[str]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    ambiguous: str = ""


def gather(base: Checkpoint | None, sides: Sequence[Side]) -> Gathered:
    """Place adapters on a base, or look at them alone.

    Args:
        base: what they sit on; None without.
        sides: the adapters, with names that differ.
    """
    work = _Work(base, sides)
    for side in sides:
        work.note_wrapped(side)
        work.take_wholes(side)
    for side in sides:
        work.take_groups(side)
    return work.found


class _Group(NamedTuple):
    """Parts of one module while they are gathered."""

    module: str
    method: str
    depth: int
    embedding: bool
    parts: dict[str, TensorInfo]
    leaves: list[tuple[Part, TensorInfo]]
    twice: list[str]


class _Work:
    def __init__(self, base: Checkpoint | None, sides: Sequence[Side]) -> None:
        self.found = Gathered()
        self._alone = base is None
        self._several = len(sides) > 1
        self._theirs = dict(base.tensors) if base is not None else {}
        self._weights = BaseWeights(base)
        self._loading = {side.number: Loading(side.config) for side in sides}
        self._wrapped: set[str] = set()
        self._wholes_at: dict[str, int] = {}
        self._kept_apart: dict[str, bool] = {}
        self._twice: set[tuple[int, str]] = set()
        wanted: dict[str, None] = {}
        for part in (part for side in sides for part in side.parts.values()):
            wanted[part.module] = None
            if part.method == OTHER:
                wanted.update(dict.fromkeys(_parents(part.module)))
        for side in sides:
            wanted.update(dict.fromkeys(experts_wanted(side)))
        wanted.pop("", None)
        self._places = Places(self._theirs, wanted)
        self.found.ambiguous = self._places.ambiguous

    def _find(self, module: str) -> str | None:
        return module if self._alone else self._places.find(module)

    def _info(self, weight: str) -> TensorInfo | None:
        """What is changed under a name: what an adapter brings whole goes before the base's."""
        whole = self.found.wholes.get(weight)
        return whole[1] if whole is not None else self._theirs.get(weight)

    # Tensors that take the place of the base's, or of which nothing is known

    def note_wrapped(self, side: Side) -> None:
        """The modules that an adapter wraps: PEFT's names of their own parameters change."""
        rules = self._loading[side.number]
        for part in side.parts.values():
            if part.method not in (SAVED, OTHER, TOKENS) and not rules.leaves_out(part):
                module = self._find(part.module)
                self._wrapped.add(part.module if module is None else module)

    def take_wholes(self, side: Side) -> None:
        """What an adapter brings whole, and what is no part of any method known here."""
        for name, info in side.checkpoint.tensors.items():
            part = side.parts[name]
            if part.method not in (SAVED, OTHER):
                continue
            module = self._find(part.module) if part.module else ""
            own = joined(part.module if module is None else module, part.role)
            base = self._theirs.get(own)
            saved = self._loading[side.number].is_saved(part)
            if part.method == SAVED or base is not None or saved:
                self._take_whole(side, part, own, info, base)
            else:
                self._take_other(side, part, info)

    def _take_whole(
        self, side: Side, part: Part, own: str, info: TensorInfo, base: TensorInfo | None
    ) -> None:
        same = base is None or base.shape == info.shape
        module = own.rpartition(".")[0]
        note = lost = self._not_loaded(side, part, module) or self._against_held(side, part, own)
        if not lost:
            note = "" if same else "its shape is not that of the base's"
            self.found.wholes[own] = side, info
            self._wholes_at[own] = len(self.found.targets)
            kept = self._loading[side.number].keeps(part.module)
            self._kept_apart[own] = part.method == SAVED or kept
        self.found.targets.append(
            Target(side.number, module, own, SAVED, {"whole": info}, info.shape, note=note)
        )
        if base is None:
            self.found.added.append(Added(own, side, info, ""))

    def _not_loaded(self, side: Side, part: Part, module: str) -> str:
        """Why PEFT, which goes by names, does not load a whole parameter."""
        if part.method == SAVED or self._loading[side.number].keeps(part.module):
            return ""
        if module in self._wrapped:
            return "" if part.depth else WRAPPED
        return INSIDE if part.depth else ""

    def _against_held(self, side: Side, part: Part, own: str) -> str:
        """Why a whole parameter does not count beside one that was found before.

        Where both count for nothing, or this one goes before the other, the other's note says it.
        """
        if (side.number, own) in self._twice:
            return TWICE
        if own not in self._wholes_at:
            return ""
        at = self._wholes_at[own]
        held = self.found.targets[at]
        if held.adapter == side.number:
            self._twice.add((side.number, own))
            self.found.targets[at] = replace(held, note=TWICE)
            self.found.wholes.pop(own, None)
            del self._wholes_at[own]
            return TWICE
        # PEFT keeps what `modules_to_save` names by adapter and uses the first one; anything else
        # goes into the base itself, where the last one stays.
        if self._kept_apart[own]:
            return BEHIND
        self.found.targets[at] = replace(held, note=REPLACED)
        return ""

    def _take_other(self, side: Side, part: Part, info: TensorInfo) -> None:
        """At its module where one is found; its change of weights, if any, is not known."""
        inner = joined(part.module, part.role)
        for parent in (part.module, *_parents(part.module)):
            module = self._find(parent) if parent else None
            if module is not None:
                own = module + inner[len(parent) :]
                self.found.added.append(Added(own, side, info, self._weights.beside(module)))
                self.found.unread.setdefault(side.number, []).append(inner)
                self._take_unknown(side, module)
                return
        self.found.added.append(Added(inner, side, info, ""))
        under = part.module and not self._alone
        (self.found.unplaced if under else self.found.unread).setdefault(side.number, []).append(
            inner
        )

    def _take_unknown(self, side: Side, module: str) -> None:
        """A method that is not known changes the weights of a module."""
        kind = (side.config.type if side.config is not None else None) or "this adapter"
        why = f"cannot be told: lamella does not know how {kind} changes weights"
        for leaf in (self._weights.beside(module).rpartition(".")[2], "weight", "bias"):
            weight = joined(module, leaf)
            if leaf and weight in self._theirs:
                self.found.unknown.setdefault(weight, why)

    # Parts that change a weight

    def take_groups(self, side: Side) -> None:
        """The targets of one adapter."""
        groups: dict[tuple[str, str, int], _Group] = {}
        for name, info in side.checkpoint.tensors.items():
            part = side.parts[name]
            if part.method in (SAVED, OTHER):
                continue
            key = (part.module, part.method, part.depth)
            group = groups.setdefault(key, _Group(*key, part.embedding, {}, [], []))
            if part.role in group.parts:
                group.twice.append(part.role)
            group.parts[part.role] = info
            group.leaves.append((part, info))
        for group in groups.values():
            self._take_group(side, group)

    def _take_group(self, side: Side, group: _Group) -> None:
        module = self._find(group.module)
        if module is None and self._take_experts(side, group):
            return
        weight = (
            ""
            if module is None
            else self._weights.changed(side.config, module, group.parts, group.depth)
        )
        if module is None or (not self._alone and self._info(weight) is None):
            self.found.unplaced.setdefault(side.number, []).append(group.module)
            weight = ""
        else:
            self._take_targets(side, group, module, weight)
        place = group.module if module is None else module
        for part, info in group.leaves:
            own = joined(place, self._leaf(part, side))
            self.found.added.append(Added(own, side, info, weight))

    def _take_targets(self, side: Side, group: _Group, module: str, weight: str) -> None:
        info, config, rules = self._info(weight), side.config, self._loading[side.number]
        loaded = rules.parts(group.method, group.parts)
        parts = {role: part for role, part in loaded.items() if not role.endswith("_bias")}
        conv1d, why_not = self._weights.conv1d(module, info), self._why_not(side, group)
        given = Group(
            side.number, group.module, group.method, parts, group.embedding, conv1d, why_not
        )
        made = target_of(given, config, module, weight, info, self._alone)
        if self._alone and weight in self.found.wholes:
            made = replace(made, note="the adapter brings this weight whole: give the base")
        self.found.targets.append(made)
        beside = joined(module, "bias")
        if (bias := group.parts.get("B_bias")) is not None:
            why_not = why_not or rules.why_no_bias()
            self.found.targets.append(self._of_bias(made, beside, bias, why_not))
        under = self._info(beside)
        if group.method == IA3 and under is not None and not is_feedforward(made, config):
            fits = prod(parts["scale"].shape) == prod(under.shape)
            note = made.note or ("" if fits else "its scales do not fit the bias")
            scaled = replace(made, weight=beside, shape=under.shape, transposed=False, note=note)
            self.found.targets.append(scaled)

    def _why_not(self, side: Side, group: _Group) -> str:
        rules = self._loading[side.number]
        why = rules.why_not(group.method, group.module, group.parts, group.depth)
        return why or (TWICE if group.twice else "")

    def _take_experts(self, side: Side, group: _Group) -> bool:
        """Factors of all experts, where the base holds each by itself; whether they are such."""
        config = side.config
        if config is None or not config.target_parameters or self._alone:
            return False
        rank = config.rank_of(group.module)
        some = separate_experts(group.module, group.parts, rank, self._find, self._theirs)
        if not some:
            return False
        scaling, alpha = config.scale_of(group.module), config.alpha_of(group.module)
        note = self._why_not(side, group) or ("" if scaling is not None else NO_SCALE)
        for weight, info, part in some:
            self.found.targets.append(
                Target(
                    side.number, weight.rpartition(".")[0], weight, LORA, group.parts, info.shape,
                    rank, alpha, scaling, note=note, expert=part,
                )
            )  # fmt: skip
        place = some[0].weight.rsplit(".", 3)[0]
        for part_name, info in group.leaves:
            own = joined(place, self._leaf(part_name, side))
            self.found.added.append(Added(own, side, info, some[-1].weight))
        return True

    def _of_bias(self, target: Target, weight: str, bias: TensorInfo, why_not: str) -> Target:
        """The bias that LoRA adds with its own scale."""
        base, note = self._info(weight), "" if target.scaling is not None else target.note
        if why_not:
            note = why_not
        elif not self._alone and base is None:
            note = "the base's files hold no such bias"
        elif base is not None and base.shape != bias.shape:
            note = "its shape is not that of the base's bias"
        return replace(
            target, weight=weight, parts={"bias": bias}, shape=bias.shape, rank=None, note=note,
            needs_base=False, transposed=False, method=LORA,
        )  # fmt: skip

    def _leaf(self, part: Part, side: Side) -> str:
        """A part's name inside its module; with the adapter's where there are several."""
        leaf = "base_layer." * part.depth + part.leaf
        if not self._several:
            return leaf
        head, dot, last = leaf.rpartition(".")
        return f"{head}.{side.name}.{last}" if dot and last != head else f"{leaf}.{side.name}"


def _parents(module: str) -> list[str]:
    found = []
    for _ in range(_PARENTS):
        module = module.rpartition(".")[0]
        if module:
            found.append(module)
    return found
