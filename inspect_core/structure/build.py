"""Building a tree from tensor names, and from what is known about the modules.

The names of the checkpoint are the truth: every tensor is in the tree, under the path its
name spells. Types, order, buffers and ties come from `ModuleFacts` where they are known.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.structure.fold import is_index
from inspect_core.structure.tree import LeafSpec, ModuleTree, SpecTable

DEEPEST = 64
"""Components of a name that become modules; the rest of a longer name is its leaf's name."""


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """What a model says of its modules, in the checkpoint's own paths.

    Attributes:
        types: path -> class name, in declared order; modules without tensors included.
        leaves: full names of parameters and buffers in declared order -> position.
        buffers: full names that are buffers.
        tied: full name -> the full name that owns the values.
        shapes: shape and dtype of tied names, which the file may leave out.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    leaves: Mapping[str, int] = field(default_factory=dict)
    buffers: frozenset[str] = frozenset()
    tied: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)


NO_FACTS = ModuleFacts()
"""Nothing is known but the names."""


class _Node:
    """A module while the tree is built."""

    __slots__ = ("children", "leaves")

    def __init__(self) -> None:
        self.leaves: list[tuple[str, int, int]] = []  # name, spec, tensor (-1: not stored)
        self.children: dict[str, _Node] = {}


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
    nodes = builder.grow(names, specs)
    for name, owner in facts.tied.items():
        builder.add_tied(nodes, name, owner)
    if bare_modules:
        for path in facts.types:
            # As deep as names go, and no empty first component: it would be the root.
            if path.count(".") < DEEPEST and not path.startswith("."):
                builder.node_at(nodes, path)
    builder.intern(nodes[""], "")
    return builder.finish()


class _Builder:
    def __init__(self, facts: ModuleFacts) -> None:
        self.facts = facts
        self.position = {path: at for at, path in enumerate(facts.types)}
        self.spec_index: dict[LeafSpec, int] = {}
        self.specs: list[LeafSpec] = []
        self.spec_totals: list[tuple[int, int, int, int, int]] = []
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

    def grow(self, names: Sequence[str], specs: Sequence[LeafSpec]) -> dict[str, _Node]:
        """All modules that the names spell, by path."""
        nodes = {"": _Node()}
        spec_index = self.spec_index
        buffers = self.facts.buffers
        for tensor, (name, spec) in enumerate(zip(names, specs, strict=True)):
            path, leaf = split_name(name)
            node = nodes.get(path)
            if node is None:
                node = self.node_at(nodes, path)
            exact = spec._replace(buffer=True) if name in buffers else spec
            index = spec_index.get(exact)
            if index is None:
                index = self.number_of(exact)
            # A name without values of its own takes no ordinal: the totals count none for it.
            node.leaves.append((leaf, index, tensor if spec.stored else -1))
        return nodes

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
            own = (1, params, tunable, delta, storage_bytes(spec.dtype, numel))
            self.spec_totals.append(own if spec.stored else (0, 0, 0, 0, 0))
        return index

    def node_at(self, nodes: dict[str, _Node], path: str) -> _Node:
        """The module at a path; it and its parents are made where they are missing."""
        missing: list[tuple[str, str]] = []
        while path not in nodes:
            parent, dot, name = path.rpartition(".")
            missing.append((path, name if dot else path))
            path = parent
        node = nodes[path]
        for full, name in reversed(missing):
            child = nodes[full] = _Node()
            node.children[name] = child
            node = child
        return node

    def add_tied(self, nodes: dict[str, _Node], name: str, owner: str) -> None:
        """Mark a name as tied, adding it where the listing leaves it out."""
        path, leaf = split_name(name)
        node = self.node_at(nodes, path)
        self.tied[name] = owner
        for at, (other, index, tensor) in enumerate(node.leaves):
            if other == leaf:
                tied = self.specs[index]._replace(tied=True)
                node.leaves[at] = (leaf, self.number_of(tied), tensor)
                return
        dtype, shape = self.facts.shapes.get(name, ("", ()))
        buffer = name in self.facts.buffers
        spec = LeafSpec(dtype, shape, buffer=buffer, tied=True, stored=False)
        node.leaves.append((leaf, self.number_of(spec), -1))

    def intern(self, node: _Node, path: str) -> int:
        """The structure of a module, its children first; tensors are numbered on the way."""
        leaves = node.leaves
        if len(leaves) > 1:
            prefix = f"{path}." if path else ""
            known = self.facts.leaves
            if known:
                last = len(known)
                leaves.sort(key=lambda leaf: known.get(prefix + leaf[0], last))
            else:
                leaves.sort(key=lambda leaf: leaf[0] != "weight")
        self.order.extend([tensor for _, _, tensor in leaves if tensor >= 0])
        children = [
            (name, self.intern(child, f"{path}.{name}" if path else name))
            for name, child in self._in_order(node, path)
        ]
        kind = self.facts.types.get(path, "")
        key = (kind, tuple([(name, spec) for name, spec, _ in leaves]), tuple(children))
        index = self.interned.get(key)
        if index is None:
            index = self.interned[key] = self._add(kind, leaves, children)
        return index

    def _in_order(self, node: _Node, path: str) -> list[tuple[str, _Node]]:
        children = list(node.children.items())
        if len(children) < 2:
            return children
        if self.position:
            last = len(self.position)
            prefix = f"{path}." if path else ""
            declared = [self.position.get(prefix + name, last) for name, _ in children]
            children = [
                children[at] for at in sorted(range(len(children)), key=declared.__getitem__)
            ]
            if last not in declared:
                return children
        places = [at for at, (name, _) in enumerate(children) if is_index(name)]
        by_number = sorted((children[at] for at in places), key=lambda item: int(item[0]))
        for at, child in zip(places, by_number, strict=True):
            children[at] = child
        return children

    def _add(
        self, kind: str, leaves: list[tuple[str, int, int]], children: list[tuple[str, int]]
    ) -> int:
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
    return numel * known.bits // 8 if known else 0
