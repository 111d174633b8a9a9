"""Numbered siblings that are alike: an axis, wherever in their names the number stands."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from inspect_core.structure.fold import is_index
from inspect_core.structure.kinds import REPEATED, kinds_of
from inspect_core.structure.tree import Module

LEAST_AXIS = 2
"""Numbered siblings that make an axis."""

LEAST_ALIKE = 0.5
"""Share of the members' kinds that some other member has too: less is a sequence of steps."""

SURE = 4
"""So many names that differ in a number make an axis; fewer only if they hold several kinds."""

LEAST_KINDS = 3

_NUMBER = re.compile(r"(\D{0,200})(\d{1,6})(?!\d)")
_LONGEST = 400
"""Characters of a name in which a number is looked for."""


class Member(NamedTuple):
    """One column of an axis.

    Attributes:
        name: its name among its siblings; of several leaves, what they share.
        number: the number in it.
        kinds: kinds -> ordinals relative to the first tensor of the module above.
    """

    name: str
    number: str
    kinds: dict[str, list[int]]


class Axis(NamedTuple):
    """Siblings that differ in a number.

    Attributes:
        title: what their names share, with `*` for the number; empty where that is all.
        stem: what is before a kind in the names of its tensors, with `*` for the number.
        members: in their order in the model; of leaves, by number.
    """

    title: str
    stem: str
    members: list[Member]


def module_axes(module: Module) -> tuple[list[Axis], set[str]]:
    """The axes that a module's children make, and the names of those in one."""
    groups: dict[tuple[str, str], list[tuple[str, str, Module, int]]] = {}
    for (name, child), offset in zip(module.children, module.child_offsets, strict=True):
        parts = ("", name, "") if is_index(name) else _parts(name)
        if parts is not None:
            before, number, after = parts
            groups.setdefault((before, after), []).append((name, number, child, offset))
    axes = []
    for (before, after), found in groups.items():
        if len(found) < LEAST_AXIS or not _alike([child for _, _, child, _ in found]):
            continue
        members = [
            Member(name, number, {k: [first + at for at in own] for k, own in kinds_of(c).items()})
            for name, number, c, first in found
        ]
        kinds = {kind for member in members for kind in member.kinds}
        title = f"{before}{REPEATED}{after}" if before or after else ""
        if not title or _sure(len(members), len(kinds)):
            axes.append(Axis(title, f"{title or REPEATED}.", members))
    return axes, {member.name for axis in axes for member in axis.members}


def leaf_axes(module: Module) -> tuple[list[Axis], set[str]]:
    """The same of its own parameters: `weight_ih_l0`, `bert/layer_3/kernel`."""
    kinds: dict[str, dict[str, dict[str, list[int]]]] = {}
    names: dict[tuple[str, str], list[str]] = {}
    for leaf, offset in zip(module.leaves, module.leaf_offsets, strict=True):
        parts = _parts(leaf.name) if leaf.spec.stored else None
        if parts is None:
            continue
        before, number, after = parts
        folder = before.rpartition("/")[0]
        kind = f"{before}{REPEATED}{after}".removeprefix(f"{folder}/")
        kinds.setdefault(folder, {}).setdefault(kind, {})[number] = [offset]
        names.setdefault((folder, kind), []).append(leaf.name)
    axes, taken = [], set[str]()
    for folder, by_kind in kinds.items():
        several = {k: found for k, found in by_kind.items() if len(found) >= LEAST_AXIS}
        numbers = sorted({n for found in several.values() for n in found}, key=int)
        if not _sure(len(numbers), len(several)):
            continue
        members = [
            Member(
                f"{folder}/{REPEATED}{n}{REPEATED}".lstrip("/"),
                n,
                {kind: found[n] for kind, found in several.items() if n in found},
            )
            for n in numbers
        ]
        axes.append(Axis(folder, f"{folder}/" if folder else "", members))
        taken.update(name for kind in several for name in names[folder, kind])
    return axes, taken


def _sure(members: int, kinds: int) -> bool:
    """Whether names that differ in a number are layers, and not the three parts of a block."""
    return members >= SURE or (members >= LEAST_AXIS and kinds >= LEAST_KINDS)


def _parts(name: str) -> tuple[str, str, str] | None:
    """What is before the first number in a name, the number, and what is after it."""
    found = _NUMBER.match(name) if len(name) <= _LONGEST else None
    if found is None or not name.isascii():
        return None
    before, number = found.groups()
    return before, number, name[found.end() :]


def _alike(modules: Iterable[Module]) -> bool:
    """Whether what is in one is mostly in another too."""
    counts = Counter(kind for module in modules for kind in kinds_of(module))
    shared = sum(count for count in counts.values() if count > 1)
    return shared >= LEAST_ALIKE * max(1, counts.total())
