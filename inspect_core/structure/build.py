"""Building a tree from tensor names, and from what is known about the modules.

The names of the checkpoint are the truth: every tensor is in the tree, under the path its
name spells. Types, order, buffers and ties come from `ModuleFacts` where they are known.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.structure.fold import is_index
from inspect_core.structure.tree import LeafSpec, ModuleTree, SpecTable

DEEPEST = 64
"""Components of a name that become modules; the rest of a longer name is its leaf's name."""

MOST_MODULES = 500_000
"""Modules that names can spell; then new names stay whole, as leaves of the root. Real models have
fewer than half as many, and a header of 100 MB could spell ten million, in 10 GB of memory."""


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """What a model says of its modules, in the checkpoint's own paths.

    Attributes:
        types: path -> class name, in declared order; modules without tensors included.
        leaves: full names of parameters and buffers in declared order -> position.
        buffers: full names that are buffers.
        tied: full name -> the full name that owns the values.
        shapes: shape and dtype of tied names, which the file may leave out.
        added: full names that a plan would add, in order, each with its spec (`planned`).
        remarks: path -> what is said of a module behind its type, such as its adapters.
        bases: class name -> the layer of torch (or `Conv1D`) that it is or descends from; `""`
            where it descends from none that an adapter can be put on.
        groups: path -> groups of a convolution that has several.
        shared: path of a module -> its first path, where one object has several.
        output: path, as the model has it, of what it calls its output layer; empty where it has
            none, None where nobody was asked.
        generates: whether the model can generate; None where nobody was asked.
        note: what to know of the listing itself, safe to show: whose names it has.
        renamed: what the model strips from the file's names, and what it puts before them.
        kept: first components of the file's names that are the model's own all the same.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    leaves: Mapping[str, int] = field(default_factory=dict)
    buffers: frozenset[str] = frozenset()
    tied: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    added: Mapping[str, LeafSpec] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)
    output: str | None = None
    generates: bool | None = None
    note: str = ""
    renamed: tuple[str, str] = ("", "")
    kept: frozenset[str] = frozenset()


NO_FACTS = ModuleFacts()
"""Nothing is known but the names."""


class Structure(NamedTuple):
    """What `build_tree` makes a tree of."""

    names: Sequence[str]
    specs: Sequence[LeafSpec]
    facts: ModuleFacts


Placed = tuple[str, int, int]
"""A leaf while the tree is built: its name, its spec's index, its tensor (-1: not stored)."""


class _Node:
    """A module while the tree is built."""

    __slots__ = ("children", "leaves")

    def __init__(self) -> None:
        self.leaves: list[Placed] = []
        self.children: dict[str, _Node] | None = None  # 200,000 empty dicts would be 13 MB


def build_tree(
    names: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts = NO_FACTS,
    bare_modules: bool = False,
) -> ModuleTree:
    """The tree of a listing of tensors.

    Args:
        names: full names; foreign text.
        specs: one for each name.
        facts: what is known about the modules.
        bare_modules: show modules that hold no tensor (dropouts, activations).
    """
    builder = _Builder(facts)
    builder.grow(names, specs)
    for name, owner in facts.tied.items():
        builder.add_tied(name, owner)
    for name, spec in facts.added.items():
        builder.add_planned(name, spec)
    if bare_modules:
        for path in facts.types:
            # As deep as names go, and no empty first component: it would be the root.
            if path.count(".") < DEEPEST and not path.startswith("."):
                builder.node_at(path)
    builder.intern(builder.nodes[""], "")
    return builder.finish()


class _Builder:
    def __init__(self, facts: ModuleFacts) -> None:
        self.facts = facts
        self.types_of = facts.types
        self.position = {path: at for at, path in enumerate(facts.types)}
        self.spec_index: dict[LeafSpec, int] = {}
        self.specs: list[LeafSpec] = []
        self.spec_totals: list[tuple[int, int, int, int, int]] = []
        self.nodes = {"": _Node()}
        self.tied: dict[str, str] = {}
        self.interned: dict[tuple[object, ...], int] = {}
        self.types: list[str] = []
        self.leaf_end, self.child_end = array("q"), array("q")
        self.leaf_name: list[str] = []
        self.leaf_spec = array("q")
        self.child_name: list[str] = []
        self.child_module = array("q")
        self.totals = array("q")
        self.order = array("q")

    def grow(self, names: Sequence[str], specs: Sequence[LeafSpec]) -> None:
        """Take in a listing: every module that the names spell, with its leaves."""
        nodes, buffers = self.nodes, self.facts.buffers
        # Listings share their spec objects: looking one up by identity saves hashing a shape.
        by_identity: dict[int, int] = {}
        for tensor, (name, spec) in enumerate(zip(names, specs, strict=True)):
            path, _, leaf = name.rpartition(".")
            node = nodes.get(path) if path else None
            if node is None:
                path, leaf = split_name(name) if len(nodes) < MOST_MODULES else ("", name)
                node = self.node_at(path)
            index = by_identity.get(id(spec))
            if index is None:
                index = by_identity[id(spec)] = self.number_of(spec)
            if buffers and name in buffers:
                index = self.number_of(spec._replace(buffer=True))
            # A name without values of its own takes no ordinal: the totals count none for it.
            node.leaves.append((leaf, index, tensor if spec.stored else -1))

    def number_of(self, spec: LeafSpec) -> int:
        """The index of a spec; what a leaf of it adds to the totals is worked out once."""
        index = self.spec_index.get(spec)
        if index is None:
            index = self.spec_index[spec] = len(self.specs)
            self.specs.append(spec)
            numel = spec.numel
            params = 0 if spec.buffer else numel
            tunable = 0 if spec.frozen else params
            delta = params if spec.delta else 0
            nbytes = storage_bytes(spec.dtype, numel)
            if spec.computed:
                own = (1, 0, 0, 0, 0)
            elif spec.planned:
                own = (0, params, tunable, delta, nbytes)
            else:
                own = (1, params, tunable, delta, nbytes) if spec.stored else (0, 0, 0, 0, 0)
            self.spec_totals.append(own)
        return index

    def node_at(self, path: str) -> _Node:
        """The module at a path; it and its parents are made where they are missing."""
        node = self.nodes.get(path)
        if node is None:
            node = self.nodes[path] = _Node()
            parent, _, name = path.rpartition(".")
            above = self.nodes.get(parent) or self.node_at(parent)
            if above.children is None:
                above.children = {}
            above.children[name] = node
        return node

    def add_tied(self, name: str, owner: str) -> None:
        """Mark a name as tied, adding it where the listing leaves it out."""
        path, leaf = split_name(name)
        leaves = self.node_at(path).leaves
        self.tied[name] = owner
        for at, (other, index, tensor) in enumerate(leaves):
            if other == leaf:
                tied = self.specs[index]._replace(tied=True)
                leaves[at] = (leaf, self.number_of(tied), tensor)
                return
        dtype, shape = self.facts.shapes.get(name, ("", ()))
        buffer = name in self.facts.buffers
        spec = LeafSpec(dtype, shape, buffer=buffer, tied=True, stored=False)
        leaves.append((leaf, self.number_of(spec), -1))

    def add_planned(self, name: str, spec: LeafSpec) -> None:
        """Put in a parameter that only a plan knows: it has no values, and so no ordinal."""
        path, leaf = split_name(name)
        planned = self.number_of(spec._replace(planned=True, stored=False))
        self.node_at(path).leaves.append((leaf, planned, -1))

    def intern(self, node: _Node, path: str) -> int:
        """The structure of a module, its children first; tensors are numbered on the way."""
        leaves = node.leaves
        if len(leaves) > 1:
            self._sort_leaves(leaves, path)
        for _, _, tensor in leaves:
            if tensor >= 0:
                self.order.append(tensor)
        children: list[tuple[str, int]] = []
        below = node.children
        if below is not None:
            prefix = f"{path}." if path else ""
            order = self._in_order(list(below), prefix)
            children = [(name, self.intern(below[name], prefix + name)) for name in order]
        kind = self.types_of.get(path, "")
        if path in self.facts.remarks:
            kind = " + ".join(filter(None, (kind, self.facts.remarks[path])))
        if len(leaves) == 1 and not children:
            key: tuple[object, ...] = (kind, leaves[0][0], leaves[0][1])
        else:
            key = (kind, tuple([(name, spec) for name, spec, _ in leaves]), tuple(children))
        index = self.interned.get(key)
        if index is None:
            index = self.interned[key] = self._add(kind, leaves, children)
        return index

    def _sort_leaves(self, leaves: list[Placed], path: str) -> None:
        prefix = f"{path}." if path else ""
        known = self.facts.leaves
        if known:
            last = len(known)
            leaves.sort(key=lambda leaf: known.get(prefix + leaf[0], last))
        else:
            leaves.sort(key=lambda leaf: leaf[0] != "weight")

    def _in_order(self, names: list[str], prefix: str) -> list[str]:
        """Children in declared order; where it is not known, numbered ones by number."""
        if len(names) < 2:
            return names
        if self.position:
            last = len(self.position)
            declared = {name: self.position.get(prefix + name, last) for name in names}
            names = sorted(names, key=declared.__getitem__)
            if last not in declared.values():
                return names
        places = [at for at, name in enumerate(names) if is_index(name)]
        by_number = sorted((names[at] for at in places), key=int)
        ordered = list(names)
        for at, name in zip(places, by_number, strict=True):
            ordered[at] = name
        return ordered

    def _add(self, kind: str, leaves: list[Placed], children: list[tuple[str, int]]) -> int:
        index = len(self.types)
        self.types.append(kind)
        self.leaf_name += [name for name, _, _ in leaves]
        self.leaf_spec.extend([spec for _, spec, _ in leaves])
        self.leaf_end.append(len(self.leaf_name))
        self.child_name += [name for name, _ in children]
        self.child_module.extend([child for _, child in children])
        self.child_end.append(len(self.child_name))
        parts: list[Sequence[int]] = [self.spec_totals[spec] for _, spec, _ in leaves]
        parts += [self.totals[5 * child : 5 * child + 5] for _, child in children]
        self.totals.extend(map(sum, zip((0, 0, 0, 0, 0), *parts, strict=True)))
        return index

    def finish(self) -> ModuleTree:
        return ModuleTree(
            self.types, self.leaf_end, self.child_end, self.leaf_name, self.leaf_spec,
            self.child_name, self.child_module, SpecTable.of(self.specs), self.totals, self.order,
            self.tied, untyped=not self.facts.types,
        )  # fmt: skip


def split_name(name: str) -> tuple[str, str]:
    """Module path and leaf name of a tensor's full name.

    A name that begins with a dot has no module: an empty first component would be the root.
    """
    if name.startswith("."):
        return "", name
    if name.count(".") > DEEPEST:
        parts = name.split(".", DEEPEST)
        return ".".join(parts[:-1]), parts[-1]
    path, _, leaf = name.rpartition(".")
    return path, leaf


def storage_bytes(dtype: str, numel: int) -> int:
    """Bytes that `numel` values of a dtype take in a file; 0 for an unknown dtype."""
    known = DTYPES.get(dtype)
    return known.nbytes(numel) if known else 0
