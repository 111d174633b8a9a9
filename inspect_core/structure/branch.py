"""Rows of the folded tree: each stands for one concrete module or for all members of folds.

A branch under a fold means that place in every member: `layers.0-7 / attention` is eight
modules. Members share a structure, so their tensors lie at equal offsets from each
member's first ordinal, and a branch is a list of first ordinals and one width.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

from inspect_core.structure.fold import short_names
from inspect_core.structure.tree import Leaf, Module, ModuleTree


@dataclass(frozen=True, eq=False)
class Branch:
    """One or more modules of one structure, below a parent branch.

    Attributes:
        parent: the branch above; None for the root.
        names: the members' names in their parent; one, or several where it is folded.
        offsets: first ordinal of each of them, relative to its parent's first.
        module: their structure.
    """

    parent: "Branch | None"
    names: tuple[str, ...]
    offsets: tuple[int, ...]
    module: Module

    @classmethod
    def root(cls, tree: ModuleTree) -> "Branch":
        """The branch of the whole model."""
        return cls(None, ("",), (0,), tree.root)

    @property
    def folded(self) -> bool:
        """Whether this row itself stands for several siblings."""
        return len(self.names) > 1

    @cached_property
    def label(self) -> str:
        """The members' names in short: `0-7`, `query,key,value`."""
        return short_names(self.names)

    @cached_property
    def path(self) -> str:
        """The path with folds in short: `model.layers.0-7.mlp`; `""` for the root."""
        if self.parent is None:
            return ""
        return f"{self.parent.path}.{self.label}" if self.parent.path else self.label

    @cached_property
    def anchor(self) -> str:
        """The concrete path of the first member."""
        if self.parent is None:
            return ""
        above = self.parent.anchor
        return f"{above}.{self.names[0]}" if above else self.names[0]

    @cached_property
    def count(self) -> int:
        """How many concrete modules this row stands for."""
        return len(self.names) * (self.parent.count if self.parent else 1)

    @property
    def width(self) -> int:
        """Tensors in each member."""
        return self.module.totals.tensors

    @cached_property
    def firsts(self) -> "array[int]":
        """First ordinal of every member, outermost fold slowest."""
        if self.parent is None:
            return array("q", [0])
        return array("q", [at + own for at in self.parent.firsts for own in self.offsets])

    def paths(self) -> Iterator[str]:
        """Concrete paths of all members, in the order of `firsts`."""
        if self.parent is None:
            yield ""
            return
        for above in self.parent.paths():
            for name in self.names:
                yield f"{above}.{name}" if above else name

    @cached_property
    def branches(self) -> list["Branch"]:
        """Child modules, folded."""
        offsets, children = self.module.child_offsets, self.module.tree.child_module
        start = self.module.child_range[0]
        return [
            Branch(
                self,
                group.names,
                tuple([offsets[p] for p in group.positions]),
                self.module.tree.module(children[start + group.positions[0]]),
            )
            for group in self.module.groups
        ]

    @cached_property
    def twigs(self) -> list["Twig"]:
        """Own parameters and buffers."""
        return [Twig(self, at) for at in range(len(self.module.leaves))]

    def members(self) -> list["Branch"]:
        """The fold opened: one branch for each name."""
        return [
            Branch(self.parent, (name,), (offset,), self.module)
            for name, offset in zip(self.names, self.offsets, strict=True)
        ]

    @cached_property
    def axis(self) -> "Branch | None":
        """The outermost fold on the way from the root down to here, itself included."""
        above = self.parent.axis if self.parent else None
        return above or (self if self.folded else None)


@dataclass(frozen=True, eq=False)
class Twig:
    """A parameter or buffer of every member of a branch.

    Attributes:
        branch: the modules that own it.
        index: its place among their leaves.
    """

    branch: Branch
    index: int

    @property
    def leaf(self) -> Leaf:
        """Its name and spec."""
        return self.branch.module.leaves[self.index]

    @property
    def path(self) -> str:
        """The name with folds in short: `layers.0-7.mlp.up.weight`."""
        return f"{self.branch.path}.{self.leaf.name}" if self.branch.path else self.leaf.name

    @property
    def anchor(self) -> str:
        """The concrete name of the first one."""
        above = self.branch.anchor
        return f"{above}.{self.leaf.name}" if above else self.leaf.name

    @property
    def count(self) -> int:
        """How many concrete tensors this row stands for."""
        return self.branch.count if self.leaf.spec.stored else 0

    @property
    def width(self) -> int:
        """Tensors in each member: one, or none where only the name is there (tied)."""
        return int(self.leaf.spec.stored)

    @cached_property
    def firsts(self) -> "array[int]":
        """Ordinal of every tensor, outermost fold slowest."""
        own = self.branch.module.leaf_offsets[self.index]
        return array("q", [at + own for at in self.branch.firsts])

    @property
    def axis(self) -> Branch | None:
        """The outermost fold above it."""
        return self.branch.axis


def module_around(names: Sequence[str]) -> str:
    """The path of the innermost module that holds all tensors of these names."""
    first, last = min(names).split(".")[:-1], max(names).split(".")[:-1]
    # Names between two have in common what the two have.
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return ".".join([part for part, _ in alike])


Row = Branch | Twig
"""What a line of the tree stands for."""


def spans(row: Row) -> list[tuple[int, int]]:
    """The ordinals of a row's tensors as half-open runs, adjacent ones joined; kept on the row."""
    kept: list[tuple[int, int]] | None = row.__dict__.get("_spans")
    if kept is None:
        kept = row.__dict__["_spans"] = _join_runs(row)
    return kept


def _join_runs(row: Row) -> list[tuple[int, int]]:
    width = row.width
    joined: list[tuple[int, int]] = []
    if width == 0:
        return joined
    start = stop = -1
    for first in sorted(row.firsts):
        if first == stop:
            stop += width
            continue
        if stop >= 0:
            joined.append((start, stop))
        start, stop = first, first + width
    joined.append((start, stop))
    return joined
