"""The module tree: every distinct structure once, and the checkpoint as instances of them.

Two modules with the same type, parameters, buffers and children are one entry here (hash
consing), so folding is a comparison of two integers and a mixture of experts with 200,000
tensors is a few dozen entries. Tensors are numbered depth first: a module's own parameters,
then its children. So every module covers a contiguous run of these ordinals, all members
of a fold cover runs of one length, and the tensors of a fold are a matrix.

The tree is columns of plain arrays: it crosses to another process in milliseconds, and
`Module` views are made when somebody looks.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from inspect_core.structure.fold import Group, group_children

ROOT_PATH = ""
"""The path of the root module, as `named_modules` spells it."""


class LeafSpec(NamedTuple):
    """Everything about a parameter or buffer but its name and values.

    Attributes:
        dtype: storage dtype name, e.g. `BF16`.
        shape: sizes, outermost first.
        frozen: not trained (a live model's `requires_grad`, or a plan).
        delta: belongs to an adapter.
        buffer: a buffer, not a parameter.
        tied: shares its values with another name; see `ModuleTree.tied`.
        stored: has values of its own here; a tied name that the file leaves out has none.
        planned: a plan would add it: it counts as parameters, has no values and is not stored.
        computed: has values that are worked out from other tensors, as the change that an
            adapter without its base makes: it counts as a tensor, and as no parameters.
        quantised: holds packed values or what belongs to them, as `bitsandbytes` stores them.
    """

    dtype: str
    shape: tuple[int, ...]
    frozen: bool = False
    delta: bool = False
    buffer: bool = False
    tied: bool = False
    stored: bool = True
    planned: bool = False
    computed: bool = False
    quantised: bool = False

    @property
    def numel(self) -> int:
        """Number of elements."""
        total = 1
        for size in self.shape:
            total *= size
        return total


@dataclass(frozen=True, slots=True)
class SpecTable:
    """The distinct specs of a tree as columns; a spec is made when somebody looks.

    Attributes:
        dtypes: dtype names.
        sizes: all shapes, end to end.
        shape_end: where each shape ends in `sizes`.
        flags: bit k is the k-th flag of `LeafSpec`.
    """

    dtypes: list[str]
    sizes: "array[int]"
    shape_end: "array[int]"
    flags: bytes

    @classmethod
    def of(cls, specs: Sequence[LeafSpec]) -> "SpecTable":
        """The columns of a list of specs."""
        sizes, ends = array("q"), array("q")
        for spec in specs:
            sizes.extend(spec.shape)
            ends.append(len(sizes))
        flags = bytes(sum(flag << k for k, flag in enumerate(spec[2:])) for spec in specs)
        return cls([spec.dtype for spec in specs], sizes, ends, flags)

    def __getitem__(self, index: int) -> LeafSpec:
        start = self.shape_end[index - 1] if index else 0
        flags = (bool(self.flags[index] >> k & 1) for k in range(len(LeafSpec._fields) - 2))
        return LeafSpec(
            self.dtypes[index], tuple(self.sizes[start : self.shape_end[index]]), *flags
        )


class Leaf(NamedTuple):
    """A parameter or buffer of a module: its name inside the module, and its spec."""

    name: str
    spec: LeafSpec


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over a module and all below it.

    Attributes:
        tensors: stored tensors.
        params: elements of stored parameters.
        tunable: of these, the ones that are trained.
        delta: of the parameters, the ones that belong to adapters.
        nbytes: bytes of all stored tensors, buffers too.
    """

    tensors: int
    params: int
    tunable: int
    delta: int
    nbytes: int


@dataclass(frozen=True)
class ModuleTree:
    """A model's structure as columns; entry `i` of the `module_*` columns is one structure.

    Attributes:
        module_type: type name of each structure, `""` where it is not known.
        leaf_end: where its leaves end in the leaf columns; they begin where the last ended.
        child_end: the same for its children.
        leaf_name: names of leaves.
        leaf_spec: their specs, as indices into `specs`.
        child_name: names of children.
        child_module: their structures.
        specs: the distinct leaf specs.
        totals: five integers a structure, in the order of `Totals`.
        order: ordinal -> index of the tensor in the listing the tree was built from.
        tied: full name -> the full name that owns the values.
        untyped: whether types are missing because nothing gave them yet.
    """

    module_type: list[str]
    leaf_end: "array[int]"
    child_end: "array[int]"
    leaf_name: list[str]
    leaf_spec: "array[int]"
    child_name: list[str]
    child_module: "array[int]"
    specs: SpecTable
    totals: "array[int]"
    order: "array[int]"
    tied: dict[str, str] = field(default_factory=dict)
    untyped: bool = True

    @cached_property
    def root(self) -> "Module":
        """The structure of the whole model."""
        return self.module(len(self.module_type) - 1)

    @cached_property
    def _views(self) -> dict[int, "Module"]:
        return {}

    def module(self, index: int) -> "Module":
        """The view of structure `index`; the same object each time."""
        view = self._views.get(index)
        if view is None:
            view = self._views[index] = Module(self, index)
        return view

    def __getstate__(self) -> dict[str, object]:
        state = dict(self.__dict__)
        state.pop("root", None)
        state.pop("_views", None)
        return state


class Module:
    """A view of one structure of a tree."""

    __slots__ = ("__dict__", "index", "tree")

    def __init__(self, tree: ModuleTree, index: int) -> None:
        self.tree = tree
        self.index = index

    @property
    def type(self) -> str:
        """The class name, or `""` where it is not known."""
        return self.tree.module_type[self.index]

    @cached_property
    def totals(self) -> Totals:
        """Counts over the module and all below it."""
        at = 5 * self.index
        return Totals(*self.tree.totals[at : at + 5])

    @cached_property
    def leaves(self) -> list[Leaf]:
        """Own parameters and buffers, in declared order."""
        start = self.tree.leaf_end[self.index - 1] if self.index else 0
        stop = self.tree.leaf_end[self.index]
        names, specs = self.tree.leaf_name[start:stop], self.tree.leaf_spec[start:stop]
        table = self.tree.specs
        return [Leaf(name, table[spec]) for name, spec in zip(names, specs, strict=True)]

    @cached_property
    def leaf_offsets(self) -> list[int]:
        """Ordinal of each leaf relative to the module's first; unstored ones repeat the next."""
        offsets, at = [], 0
        for leaf in self.leaves:
            offsets.append(at)
            at += leaf.spec.stored
        return offsets

    @property
    def child_range(self) -> tuple[int, int]:
        """Where the children lie in the tree's child columns."""
        return (self.tree.child_end[self.index - 1] if self.index else 0), self.tree.child_end[
            self.index
        ]

    @cached_property
    def children(self) -> list[tuple[str, "Module"]]:
        """Child modules by name, in declared order."""
        span = slice(*self.child_range)
        pairs = zip(self.tree.child_name[span], self.tree.child_module[span], strict=True)
        return [(name, self.tree.module(index)) for name, index in pairs]

    @cached_property
    def child_offsets(self) -> list[int]:
        """Ordinal of each child's first tensor relative to the module's first."""
        totals = self.tree.totals
        offsets = [sum(leaf.spec.stored for leaf in self.leaves)]
        for child in self.tree.child_module[slice(*self.child_range)]:
            offsets.append(offsets[-1] + totals[5 * child])
        return offsets[:-1]

    @cached_property
    def groups(self) -> list[Group]:
        """Children folded by structure, in the position of each group's first member."""
        span = slice(*self.child_range)
        return group_children(self.tree.child_name[span], self.tree.child_module[span])

    def walk(self, path: str = ROOT_PATH, first: int = 0) -> Iterator[tuple[str, "Module", int]]:
        """Every concrete module from here down: path, structure, ordinal of its first tensor."""
        yield path, self, first
        for (name, child), offset in zip(self.children, self.child_offsets, strict=True):
            yield from child.walk(f"{path}.{name}" if path else name, first + offset)
