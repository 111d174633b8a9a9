"""From a row of the tree to a change of a plan: what `f` and `a` do. Knows no widget."""

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from inspect_core.plan.plan import Freeze, Pattern, Place, Plan
from inspect_core.structure.branch import Branch, Row, Twig
from inspect_core.structure.fold import is_index
from inspect_core.structure.patterns import NUMBER
from inspect_core.text import clean
from tui.plan_hosts import (
    has_planned,
    hosts_in,
    is_all,
    is_partial,
    is_planned,
    layer_level,
    layers_of,
    levels_to,
    list_name,
    numbers_beside,
)
from tui.states import counts

MOST_NAMED = 64
"""Members of a row that a step names one by one; of more it names whole lists with `{n}`."""


@dataclass(frozen=True)
class Edit:
    """What a key does to a plan.

    Attributes:
        plan: the plan after it; None where nothing can be done.
        said: what was done, or why nothing was; safe to show.
    """

    plan: Plan | None
    said: str = ""


def patterns_of(row: Row) -> tuple[Pattern, ...]:
    """The patterns that mean exactly what a row stands for, all members of its folds."""
    branch, leaf = (row.branch, row.leaf.name) if isinstance(row, Twig) else (row, "")
    if branch.parent is None:
        return (Pattern(leaf, "exact"),)
    after = f".{leaf}" if leaf else ""
    levels = list(levels_to(branch))
    whole = [len(one.names) > 1 and set(one.names) == numbers_beside(one) for one in levels]
    named = any(NUMBER in name for one in levels for name in one.names)
    if branch.count <= MOST_NAMED or named or not any(whole):
        return tuple(Pattern(path + after, "exact") for path in branch.paths())
    parted = [one for one, every in zip(levels, whole, strict=True) if not every]
    if all(len(one.names) == 1 for one in parted):
        parts = [
            NUMBER if every else glob.escape(one.names[0])
            for one, every in zip(levels, whole, strict=True)
        ]
        return (Pattern(".".join(parts) + glob.escape(after), "glob"),)
    # Some layers, all experts: as one expression it is tried on each name but once.
    parts = [
        "[0-9]+" if every else f"(?:{'|'.join(map(re.escape, one.names))})"
        for one, every in zip(levels, whole, strict=True)
    ]
    return (Pattern(r"\.".join(parts) + re.escape(after), "regex"),)


def freeze_toggled(row: Row) -> Freeze | None:
    """Freeze a row, or thaw one whose own parameters are all frozen; None where it has none."""
    total, tunable, delta = counts(row)
    if not total:
        return None
    base = tunable if delta == total else tunable - delta
    return Freeze(patterns_of(row), thaw=base <= 0)


def place_of(plan: Plan) -> tuple[int, Place] | None:
    """The placement that keys change: the last one, and which step it is."""
    for at in range(len(plan.steps) - 1, -1, -1):
        step = plan.steps[at]
        if isinstance(step, Place):
            return at, step
    return None


def with_place(plan: Plan, place: Place | None) -> Plan:
    """A plan with another placement in place of its last one; None takes that away."""
    found = place_of(plan)
    if found is None:
        return plan if place is None else plan.then(place)
    at, steps = found[0], plan.steps
    return replace(plan, steps=(*steps[:at], *([place] if place else []), *steps[at + 1 :]))


def place_toggled(plan: Plan, usual: Place, row: Row) -> Edit:
    """Put adapters on what a row stands for, or take them off it.

    Args:
        plan: the plan before.
        usual: the settings of a placement that is new.
        row: a module or a fold, in the tree of the plan's last preview.
    """
    branch = row.branch if isinstance(row, Twig) else row
    while branch.parent is not None and is_planned(branch.module):
        branch = branch.parent
    found = place_of(plan)
    place = found[1] if found is not None else usual
    hosts = hosts_in(branch)
    if not hosts:
        what = clean(branch.module.type) or "module"
        return Edit(None, f"no adapter goes on this {what}: it holds no matrix of a linear layer")
    if has_planned(branch.module):
        return _taken_off(plan, place, branch, hosts)
    if found is None:
        place = replace(usual, targets=(), layers=None, layers_pattern=(), exclude=())
    return _put_on(plan, place, branch, hosts)


# Putting on


def _put_on(plan: Plan, place: Place, branch: Branch, hosts: Sequence[Branch]) -> Edit:
    if place.target_expression or (place_of(plan) is not None and not place.targets):
        return Edit(None, "the targets are not single names: A changes them")
    paths = list(dict.fromkeys(path for host in hosts for path in host.paths()))
    named = set(paths)
    left = tuple(name for name in place.exclude if name not in named)
    if left != place.exclude:
        return _edited(plan, replace(place, exclude=left))
    level = layer_level(branch)
    layers = layers_of(level) if level is not None else None
    if place.targets and level is branch and place.layers is not None:
        more = None if layers is None else tuple(sorted({*place.layers, *layers}))
        everything = more is not None and level is not None and is_all(level, more)
        chosen = None if everything else more
        pattern = place.layers_pattern if chosen else ()
        return _edited(plan, replace(place, layers=chosen, layers_pattern=pattern))
    # Names by their ends follow the placement's layers; where a row's are others, and where an
    # end means more than the row, only full names are exact.
    ends = None
    if not place.targets or place.layers == layers:
        ends = _ends_of(hosts, branch, layers is not None)
    if ends is None:
        return _edited(plan, replace(place, targets=_joined(place.targets, paths)))
    if not place.targets and layers is not None and level is not None:
        place = replace(place, layers=layers, layers_pattern=list_name(level))
    return _edited(plan, replace(place, targets=_joined(place.targets, ends)))


def _edited(plan: Plan, place: Place) -> Edit:
    return Edit(with_place(plan, place))


def _joined(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*one, *other]))


def _ends_of(hosts: Sequence[Branch], branch: Branch, in_layers: bool) -> list[str] | None:
    """Short ends of names that mean these modules; None where an end means others too.

    Args:
        hosts: the modules.
        branch: a row of the same tree.
        in_layers: whether the placement is in certain layers, and so on nothing outside of them.
    """
    wanted = {kind for host in hosts for kind in _kinds(host)}
    root = branch
    while root.parent is not None:
        root = root.parent
    others: set[str] = set()
    for host in hosts_in(root):
        for kind in _kinds(host):
            if kind not in wanted and (NUMBER in kind or not in_layers):
                others.update(_all_ends(kind))
    ends = []
    for host in hosts:
        for name in host.names:
            end = next((e for e in _candidates(host, name) if e not in others), None)
            if end is None:
                return None
            ends.append(end)
    return list(dict.fromkeys(ends))


def _kinds(host: Branch) -> Iterator[str]:
    """The paths of a row's modules with `{n}` for every number, the same in all layers."""
    levels = [
        dict.fromkeys(NUMBER if is_index(n) else n for n in one.names) for one in levels_to(host)
    ]
    return map(".".join, product(*levels))


def _candidates(host: Branch, name: str) -> Iterator[str]:
    """Ends of a module's path up to the next number, the shortest first."""
    assert host.parent is not None
    parts = [name]
    if not is_index(name):
        yield name
    for level in reversed(list(levels_to(host.parent))):
        if len(level.names) > 1 or is_index(level.names[0]):
            if not is_index(parts[0]):
                return
            if len(level.names) > 1:
                return
        parts.insert(0, level.names[0])
        if not all(map(is_index, parts)):
            yield ".".join(parts)


def _all_ends(path: str) -> Iterator[str]:
    yield path
    at = path.find(".")
    while at >= 0:
        yield path[at + 1 :]
        at = path.find(".", at + 1)


# Taking off


def _taken_off(plan: Plan, place: Place, branch: Branch, hosts: Sequence[Branch]) -> Edit:
    saved = tuple(name for name in place.modules_to_save if not _ends_with(branch, name))
    if saved != place.modules_to_save:
        return _edited(plan, replace(place, modules_to_save=saved))
    level = layer_level(branch)
    if level is branch and level is not None and (place.layers is not None or is_partial(level)):
        return _off_layers(plan, place, level, hosts)
    paths = {path for host in hosts for path in host.paths() if has_planned(host.module)}
    root = branch
    while root.parent is not None:
        root = root.parent
    adapted = {p for host in hosts_in(root) if has_planned(host.module) for p in host.paths()}
    if not adapted - paths:
        return Edit(with_place(plan, None))
    kept = []
    for target in place.targets:
        hit = {p for p in adapted if p == target or p.endswith(f".{target}")}
        if not hit or hit - paths:
            kept.append(target)
        else:
            paths -= hit
    if not paths:
        return _edited(plan, replace(place, targets=tuple(kept)))
    exclude = _joined(place.exclude, sorted(paths))
    return _edited(plan, replace(place, targets=tuple(kept), exclude=exclude))


def _ends_with(branch: Branch, name: str) -> bool:
    return f".{branch.anchor}".endswith(f".{name}")


def _off_layers(plan: Plan, place: Place, level: Branch, hosts: Sequence[Branch]) -> Edit:
    """Take adapters off whole layers."""
    gone = set(map(int, level.names))
    before = place.layers if place.layers is not None else sorted(map(int, numbers_beside(level)))
    layers = tuple(layer for layer in before if layer not in gone)
    if not layers:
        return Edit(with_place(plan, None))
    named = {path for host in hosts for path in host.paths()}
    targets = tuple(target for target in place.targets if target not in named)
    pattern = list_name(level)
    return _edited(plan, replace(place, targets=targets, layers=layers, layers_pattern=pattern))
