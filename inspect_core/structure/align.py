"""Which name of a model is which name of a file, and a model's facts in the file's paths."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from inspect_core.structure.build import ModuleFacts, split_name
from inspect_core.structure.prefixes import Renaming, renamings, sample
from inspect_core.structure.tree import LeafSpec

OLD_LEAVES = {"gamma": "weight", "beta": "bias"}
"""Names that LayerNorm parameters have in old files."""
WRAPPER_LEVELS = 3
"""Levels that an adapter puts between a module and its tensors: `lora_A.default.weight`."""


class Fit(NamedTuple):
    """How a file's names become a model's.

    Attributes:
        rule: what to do to a name of the file.
        matched: names of the file that are then names of the model.
        under: names that are then inside a module of the model.
    """

    rule: Renaming
    matched: int
    under: int


def align(
    names: Sequence[str],
    listed: Sequence[str],
    types: Collection[str],
    extra: Iterable[str] = (),
) -> Fit:
    """The renaming under which most of the file's names are the model's; no renaming on a tie.

    Where none is (an adapter's file), the one that puts most names into known modules.

    Args:
        names: the file's tensor names.
        listed: the model's.
        types: paths of the model's modules.
        extra: prefixes to try beside the known ones.
    """
    known = set(listed)
    some = sample(names)
    rules = [Renaming("", ""), *renamings(some, listed, extra)]
    fits = [_fit(rule, some, known, types) for rule in rules]
    best = max(fits, key=lambda fit: (fit.matched, fit.under))
    return best if len(some) == len(names) else _fit(best.rule, names, known, types)


def _fit(
    rule: Renaming, names: Sequence[str], known: Collection[str], types: Collection[str]
) -> Fit:
    matched = under = 0
    for name in names:
        renamed = rule.apply(name)
        if renamed is None:
            continue
        if renamed in known:
            matched += 1
        elif _is_under(renamed, types):
            under += 1
    return Fit(rule, matched, under)


def _is_under(name: str, types: Collection[str]) -> bool:
    path = name
    for _ in range(WRAPPER_LEVELS):
        path = path.rpartition(".")[0]
        if "." not in path:
            return False
        if path in types:
            return True
    return False


def facts_in_file(
    rule: Renaming,
    names: Sequence[str],
    listed: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts,
    dtype: str = "",
) -> ModuleFacts:
    """A model's facts as a file spells them.

    A module has a type where the file has tensors in it; one that has no parameters in the model
    either (a dropout, a rotary embedding) where the file has its parent.

    Args:
        rule: the file's names to the model's.
        names: the file's tensor names.
        listed: the model's, in declared order.
        specs: one for each of `listed`.
        facts: what the model says, in its own paths.
        dtype: dtype of the file's parameters; the model's own where it is empty.
    """
    present = set(names)
    tied = _ties(rule, present, facts.tied)
    there = _paths((*names, *tied))
    by_name = dict(zip(listed, specs, strict=True))
    spelled = {name: _in_file(rule, name, present) for name in listed}
    leaves: dict[str, int] = {}
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    for at, (name, own) in enumerate(spelled.items()):
        if own is None:
            continue
        leaves.setdefault(own, at)
        if own in tied:
            shapes[own] = (dtype or by_name[name].dtype, by_name[name].shape)
    for name in names:
        path, _, leaf = name.rpartition(".")
        if leaf in OLD_LEAVES and (at_new := leaves.get(f"{path}.{OLD_LEAVES[leaf]}")) is not None:
            leaves.setdefault(name, at_new)
    buffers = frozenset(own for name in facts.buffers if (own := spelled[name]) and own in present)
    holding = _paths(name for name in listed if name not in facts.buffers)
    types = _types(rule, facts.types, holding, there)
    wanted = {name: at for name, at in leaves.items() if name in present or name in tied}
    kept = (p for p in facts.types if p in there and not f"{p}.".startswith(rule.add))
    return ModuleFacts(
        types, wanted, buffers, tied, shapes,
        bases=facts.bases,
        groups=_respelled(rule, facts.groups, there),
        shared=_shared(rule, facts.shared, there),
        output=facts.output,
        generates=facts.generates,
        renamed=(rule.strip, rule.add),
        kept=frozenset(path.partition(".")[0] for path in kept if path),
    )  # fmt: skip


def _respelled(rule: Renaming, groups: Mapping[str, int], there: Collection[str]) -> dict[str, int]:
    own = ((_in_file(rule, path, there, module=True), count) for path, count in groups.items())
    return {path: count for path, count in own if path is not None}


def _shared(rule: Renaming, shared: Mapping[str, str], there: Collection[str]) -> dict[str, str]:
    spelled = {}
    for path, first in shared.items():
        own = _in_file(rule, path, there, module=True)
        own_first = _in_file(rule, first, there, module=True)
        if own is not None and own_first is not None and own != own_first:
            spelled[own] = own_first
    return spelled


def _types(
    rule: Renaming, types: Mapping[str, str], holding: Collection[str], there: Collection[str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    kept: set[str] = set()
    for path, kind in types.items():
        own = _in_file(rule, path, there, module=True)
        bare = path not in holding and (path == "" or path.rpartition(".")[0] in kept)
        if own is not None and (own in there or bare):
            kept.add(path)
            found.setdefault(own, kind)
    return found


def _in_file(rule: Renaming, name: str, there: Collection[str], module: bool = False) -> str | None:
    """A name of the model as the file spells it; its own where only that is in the file."""
    if module and f"{name}." == rule.add:
        return rule.strip[:-1]
    if not rule.add and module and not name:
        return rule.strip[:-1]
    if name.startswith(rule.add):
        return rule.strip + name[len(rule.add) :]
    return name if name in there and name else None


def _ties(rule: Renaming, present: Collection[str], tied: Mapping[str, str]) -> dict[str, str]:
    """Tied names by owner; the owner is the first of them that the file has."""
    groups: dict[str, list[str]] = {}
    for name, owner in tied.items():
        groups.setdefault(owner, [owner]).append(name)
    found: dict[str, str] = {}
    for group in groups.values():
        own = [n for name in group if (n := _in_file(rule, name, present)) is not None]
        first = next((name for name in own if name in present), None)
        if first is not None:
            found.update({name: first for name in own if name != first})
    return found


def _paths(names: Iterable[str]) -> set[str]:
    """Every module path that the names spell, the root's included."""
    paths = {""}
    for name in names:
        path = split_name(name)[0]  # cut where the tree cuts: a name may have 60,000 parts
        while path not in paths:
            paths.add(path)
            path = path.rpartition(".")[0]
    return paths
