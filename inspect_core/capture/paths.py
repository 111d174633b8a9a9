"""Which module of a running model a path of the checkpoint's tree is.

The tree has the file's names, the model its class's: prefixes differ, and since version 5
transformers gives whole modules other names as it loads them.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from inspect_core.structure.align import align
from inspect_core.structure.build import split_name
from inspect_core.structure.fold import is_index
from inspect_core.structure.meta import Built
from inspect_core.structure.prefixes import Renaming


def prefix_rule(names: Sequence[str], built: Built) -> Renaming:
    """How prefixes of a file's names become those of its class.

    Args:
        names: the file's tensor names; foreign.
        built: the config's model.
    """
    extra = (f"{built.prefix}.",) if built.prefix else ()
    return align(names, built.names, built.facts.types, extra).rule


def without_wrapper(rule: Renaming, name: str) -> str:
    """A name without what a training wrapper put before it, which the library does not know."""
    return (rule.apply(name) or name) if rule.strip else name


def tree_paths(
    names: Sequence[str], built: Built, rule: Renaming, rename: Callable[[str], str]
) -> dict[str, str]:
    """Path in the tree -> path in the model, in the order of the model.

    Args:
        names: the file's tensor names; foreign.
        built: the config's model.
        rule: see `prefix_rule`.
        rename: what the library makes of a name as it loads it.
    """
    there = _paths(names)
    buffers = built.facts.buffers
    holding = _paths(name for name in built.names if name not in buffers)
    found = _by_rule(rule, built.facts.types, there, holding)
    known = set(built.names)
    strange = [name for name in names if split_name(name)[0] not in found]
    loaded = ((name, rename(without_wrapper(rule, name))) for name in strange)
    place = {path: at for at, path in enumerate(built.facts.types)}
    for path, target in _by_names(pair for pair in loaded if pair[1] in known).items():
        if path in there and target in place:
            found.setdefault(path, target)
    return dict(sorted(found.items(), key=lambda item: place.get(item[1], len(place))))


def _by_rule(
    rule: Renaming, modules: Iterable[str], there: Collection[str], holding: Collection[str]
) -> dict[str, str]:
    """What only has another prefix; modules without parameters where the file has their parent."""
    found: dict[str, str] = {}
    kept: set[str] = set()
    for path in modules:
        own = _own(rule, path, there)
        bare = path not in holding and path.rpartition(".")[0] in kept
        if own is not None and (own in there or bare):
            kept.add(path)
            found.setdefault(own, path)
    return found


def _own(rule: Renaming, path: str, there: Collection[str]) -> str | None:
    """A module's path as the file spells it."""
    if f"{path}." == rule.add or (not rule.add and not path):
        return rule.strip[:-1]
    if path.startswith(rule.add):
        return rule.strip + path[len(rule.add) :]
    return path if path and path in there else None


def _by_names(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What tensors that are loaded under other names say of the modules above them.

    The modules of two such tensors answer each other; so do those above as long as their last
    parts are the same, and those that end in the same number (of a layer).
    """
    votes: dict[str, Counter[str]] = {}
    for name, target in pairs:
        ours, theirs = name.split("."), target.split(".")
        if [one for one in ours if is_index(one)] == [one for one in theirs if is_index(one)]:
            _vote_upwards(votes, ours[:-1], theirs[:-1])
        _vote_at_numbers(votes, ours, theirs)
    return {path: counts.most_common(1)[0][0] for path, counts in votes.items()}


def _vote_upwards(votes: dict[str, Counter[str]], ours: list[str], theirs: list[str]) -> None:
    while ours and theirs:
        votes.setdefault(".".join(ours), Counter())[".".join(theirs)] += 1
        if ours[-1] != theirs[-1]:
            return
        ours, theirs = ours[:-1], theirs[:-1]


def _vote_at_numbers(votes: dict[str, Counter[str]], ours: list[str], theirs: list[str]) -> None:
    places = ([at for at, one in enumerate(side) if is_index(one)] for side in (ours, theirs))
    for mine, other in zip(*places, strict=False):
        if ours[mine] != theirs[other]:
            return
        path = ".".join(ours[: mine + 1])
        votes.setdefault(path, Counter())[".".join(theirs[: other + 1])] += 1


def _paths(names: Iterable[str]) -> set[str]:
    """Every module path that names spell, the root's included."""
    paths = {""}
    for name in names:
        path = split_name(name)[0]
        while path not in paths:
            paths.add(path)
            path = path.rpartition(".")[0]
    return paths
