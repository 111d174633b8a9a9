"""A module tree under common names: the same tensors, with the same numbers in the listing."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from inspect_core.structure.build import ModuleFacts, build_tree, split_name
from inspect_core.structure.common.names import CommonNames, common_names
from inspect_core.structure.tree import ROOT_PATH, LeafSpec, Module, ModuleTree


class CommonTree(NamedTuple):
    """A tree under common names.

    Attributes:
        tree: the tree.
        names: every leaf's own name and its common one, those without values too.
    """

    tree: ModuleTree
    names: CommonNames


def common_tree(tree: ModuleTree, config: Mapping[str, object] | None = None) -> CommonTree:
    """The tree of the same leaves under common names.

    A module has a type where one of the model holds just the same tensors; the others are of
    this view alone.

    Args:
        tree: the tree as the model has it; its types, ties and plans are taken over.
        config: see `common_names`.
    """
    leaves = _inside(tree.root, {})
    found = common_names(leaves.names, config)
    own = dict(zip(found.names, found.common, strict=True))
    tied = {own.get(name, name): own.get(it, it) for name, it in tree.tied.items()}
    paths = [split_name(name)[0] for name in found.common]
    types = dict.fromkeys(_modules(paths), "")
    if any(leaves.types):
        types = _types(dict(zip(leaves.paths, leaves.types, strict=True)), found.names, paths)
    if found.family:
        types = {path: types[path] for path in sorted(types, key=_rank)}
    made = build_tree(found.common, leaves.specs, ModuleFacts(types=types, tied=tied))
    stored = array("q", [leaves.ordinals[at] for at in made.order])
    order = array("q", [tree.order[ordinal] for ordinal in stored])
    return CommonTree(replace(made, order=order, untyped=tree.untyped), found)


class _Inside(NamedTuple):
    """The leaves of a module and of all below it, relative to it, and the types of the modules."""

    names: list[str]
    specs: list[LeafSpec]
    ordinals: list[int]
    paths: list[str]
    types: list[str]


def _inside(module: Module, known: dict[int, _Inside]) -> _Inside:
    """What is inside a module; worked out once for all members of a fold."""
    found = known.get(module.index)
    if found is not None:
        return found
    names, specs = [leaf.name for leaf in module.leaves], [leaf.spec for leaf in module.leaves]
    ordinals, paths, types = list(module.leaf_offsets), [ROOT_PATH], [module.type]
    for (name, child), offset in zip(module.children, module.child_offsets, strict=True):
        below, prefix = _inside(child, known), f"{name}."
        names += [prefix + leaf for leaf in below.names]
        specs += below.specs
        ordinals += [offset + ordinal for ordinal in below.ordinals]
        paths += [name, *[prefix + path for path in below.paths[1:]]]
        types += below.types
    made = known[module.index] = _Inside(names, specs, ordinals, paths, types)
    return made


def _types(own: Mapping[str, str], names: Sequence[str], paths: Sequence[str]) -> dict[str, str]:
    """For each module of the view its type, empty where it is of the view alone; in order.

    Modules that hold the same leaves are inside each other. One with leaves of its own is then
    the innermost, a Linear; of the others the outermost comes first: the block, not its list.

    Args:
        own: the types of the model's own modules.
        names: for each leaf its own name.
        paths: for each leaf its module in the view.
    """
    holders: dict[int, list[str]] = {}
    for path, mark in _marks([split_name(name)[0] for name in names]).items():
        holders.setdefault(mark, []).append(path)
    marks = _marks(paths)
    types = dict.fromkeys(marks, "")
    for path in dict.fromkeys(paths):
        if path and (held := holders.get(marks[path])):
            types[path] = own[held.pop()]
    for path, mark in marks.items():
        if not types[path] and (held := holders.get(mark)):
            types[path] = own[held.pop(0)]
    types[""] = own[""]
    return types


def _marks(paths: Sequence[str]) -> dict[str, int]:
    """For each module a number that stands for the set of leaves in it; parents come first.

    Args:
        paths: for each leaf its module.
    """
    marks = _modules(paths)
    for at, path in enumerate(paths, 1):
        mark = at * _FACTOR & _MASK
        marks[path] += (mark ^ mark >> 29) * _FACTOR & _MASK
    for path in reversed(marks):
        if path:
            marks[path.rpartition(".")[0]] += marks[path]
    return marks


def _modules(paths: Sequence[str]) -> dict[str, int]:
    """Nought for every module on the way to some, parents first."""
    found = {"": 0}
    for path in paths:
        if path not in found:
            missing = [path]
            while (above := missing[-1].rpartition(".")[0]) not in found:
                missing.append(above)
            found.update(dict.fromkeys(reversed(missing), 0))
    return found


_ORDER = (
    "text", "vision", "embeddings", "encoder", "decoder",
    "word", "position", "token_type", "block", "attn", "cross_attn", "ff", "moe",
    "router", "experts", "shared", "q", "k", "v", "qkv", "w1", "w3", "w13", "w2", "proj",
    "q_norm", "k_norm", "layer_norm", "post_layer_norm", "pooler", "lm_head",
)  # fmt: skip
_RANKS = {name: rank for rank, name in enumerate(_ORDER)}


def _rank(path: str) -> int:
    """Where a module stands among its siblings; those with their own names come after."""
    return _RANKS.get(path.rpartition(".")[2], len(_RANKS))


_MASK, _FACTOR = (1 << 61) - 1, 0x9E3779B97F4A7C15
"""They make numbers whose sums tell sets of leaves apart."""
