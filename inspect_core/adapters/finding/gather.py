"""From the tensors of adapters to the weights of a base that they change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import NamedTuple

from inspect_core.adapters.finding.base_weights import BaseWeights, joined
from inspect_core.adapters.finding.groups import NO_SCALE, Group
from inspect_core.adapters.finding.part_names import IA3, LORA, OTHER, SAVED, Part
from inspect_core.adapters.finding.places import Places
from inspect_core.adapters.finding.separate_experts import separate_experts, wanted_names
from inspect_core.adapters.finding.targets import MOST_NAMED, is_feedforward, target_of
from inspect_core.adapters.overlay import Target
from inspect_core.adapters.side import Side
from inspect_core.checkpoint.adapter_tensors import SAVED_WHOLE
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
        wholes: weights that an adapter brings whole, by name: the last adapter's.
        added: what the adapters add to the tree, in order.
        unplaced: names that match nothing of the base, by adapter.
        unread: names of parts whose change of weights is not known here, by adapter.
        ambiguous: see `Places`.
    """

    targets: list[Target] = field(default_factory=list)
    wholes: dict[str, tuple[Side, TensorInfo]] = field(default_factory=dict)
    added: list[Added] = field(default_factory=list)
    unplaced: dict[int, list[str]] = field(default_factory=dict)
    unread: dict[int, list[str]] = field(default_factory=dict)
    ambiguous: str = ""


def gather(base: Checkpoint | None, sides: Sequence[Side]) -> Gathered:
    """Place adapters on a base, or look at them alone.

    Args:
        base: what they sit on; None without.
        sides: the adapters, with names that differ.
    """
    work = _Work(base, sides)
    for side in sides:
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


class _Work:
    def __init__(self, base: Checkpoint | None, sides: Sequence[Side]) -> None:
        self.found = Gathered()
        self._alone = base is None
        self._several = len(sides) > 1
        self._theirs = dict(base.tensors) if base is not None else {}
        self._weights = BaseWeights(base)
        wanted: dict[str, None] = {}
        for part in (part for side in sides for part in side.parts.values()):
            wanted[part.module] = None
            if part.method == OTHER:
                wanted.update(dict.fromkeys(_parents(part.module)))
        for side in sides:
            wanted.update(dict.fromkeys(_experts_wanted(side)))
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

    def take_wholes(self, side: Side) -> None:
        """What an adapter brings whole, and what is no part of any method known here."""
        for name, info in side.checkpoint.tensors.items():
            part = side.parts[name]
            if part.method not in (SAVED, OTHER):
                continue
            module = self._find(part.module) if part.module else ""
            own = joined(part.module if module is None else module, part.role)
            base = self._theirs.get(own)
            if part.method == SAVED or base is not None or _is_saved(side, part):
                self._take_whole(side, part, own, info, base)
            else:
                self._take_other(side, part, info)

    def _take_whole(
        self, side: Side, part: Part, own: str, info: TensorInfo, base: TensorInfo | None
    ) -> None:
        same = base is None or base.shape == info.shape
        note = "" if same else "its shape is not that of the base's"
        module = own.rpartition(".")[0]
        parts = {"whole": info}
        self.found.targets.append(
            Target(side.number, module, own, SAVED, parts, info.shape, note=note)
        )
        self.found.wholes[own] = side, info
        if base is None:
            self.found.added.append(Added(own, side, info, ""))

    def _take_other(self, side: Side, part: Part, info: TensorInfo) -> None:
        """At its module where one is found; its change of weights, if any, is not known."""
        inner = joined(part.module, part.role)
        for parent in (part.module, *_parents(part.module)):
            module = self._find(parent) if parent else None
            if module is not None:
                own = module + inner[len(parent) :]
                self.found.added.append(Added(own, side, info, self._weights.beside(module)))
                self.found.unread.setdefault(side.number, []).append(inner)
                return
        self.found.added.append(Added(inner, side, info, ""))
        under = part.module and not self._alone
        (self.found.unplaced if under else self.found.unread).setdefault(side.number, []).append(
            inner
        )

    # Parts that change a weight

    def take_groups(self, side: Side) -> None:
        """The targets of one adapter."""
        groups: dict[tuple[str, str, int], _Group] = {}
        for name, info in side.checkpoint.tensors.items():
            part = side.parts[name]
            if part.method in (SAVED, OTHER):
                continue
            key = (part.module, part.method, part.depth)
            group = groups.setdefault(key, _Group(*key, part.embedding, {}, []))
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
        info, config = self._info(weight), side.config
        parts = {role: part for role, part in group.parts.items() if not role.endswith("_bias")}
        conv1d = self._weights.conv1d(module, info)
        given = Group(side.number, group.module, group.method, parts, group.embedding, conv1d)
        made = target_of(given, config, module, weight, info, self._alone)
        if self._alone and weight in self.found.wholes:
            made = replace(made, note="the adapter brings this weight whole: give the base")
        self.found.targets.append(made)
        beside = joined(module, "bias")
        if (bias := group.parts.get("B_bias")) is not None:
            self.found.targets.append(self._of_bias(made, beside, bias))
        under = self._info(beside)
        if group.method == IA3 and under is not None and not is_feedforward(made, config):
            fits = prod(parts["scale"].shape) == prod(under.shape)
            note = made.note or ("" if fits else "its scales do not fit the bias")
            scaled = replace(made, weight=beside, shape=under.shape, transposed=False, note=note)
            self.found.targets.append(scaled)

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
        note = "" if scaling is not None else NO_SCALE
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

    def _of_bias(self, target: Target, weight: str, bias: TensorInfo) -> Target:
        """The bias that LoRA adds with its own scale."""
        base, note = self._info(weight), "" if target.scaling is not None else target.note
        if not self._alone and base is None:
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


def _experts_wanted(side: Side) -> Iterator[str]:
    """Modules of separate experts that an adapter's `target_parameters` may be meant for."""
    config = side.config
    if config is None or not config.target_parameters:
        return
    for name, part in side.parts.items():
        if (part.method, part.role) == (LORA, "A"):
            rank = config.rank_of(part.module)
            yield from wanted_names(part.module, side.checkpoint.tensors[name], rank)


def _parents(module: str) -> list[str]:
    found = []
    for _ in range(_PARENTS):
        module = module.rpartition(".")[0]
        if module:
            found.append(module)
    return found


def _is_saved(side: Side, part: Part) -> bool:
    """Whether the config, or PEFT's habit, stores a parameter whole."""
    config = side.config
    if config is not None and config.bias not in (None, "none") and part.role == "bias":
        return True
    named = config.modules_to_save[:MOST_NAMED] if config is not None else ()
    names = (*SAVED_WHOLE, *named)
    path = f".{part.module}."
    return any(f".{name}." in path for name in names if name)
