"""A listing as plain columns: modules, parents first, and the tensors that each one owns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from inspect_core.structure.build import MOST_MODULES, ModuleFacts, split_name
from inspect_core.structure.fold import is_index
from inspect_core.structure.tree import LeafSpec

NOWHERE = -1
"""In place of the number of a layer: outside all layers."""

_WHOLE = frozenset({"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"})
"""Dtypes of whole numbers: nothing of them can be trained."""


@dataclass(eq=False)
class Outline:
    """What a plan is applied to.

    Attributes:
        names: full tensor names; those of the listing first, then tied ones that it leaves out.
        specs: one for each name.
        facts: what is known about the modules.
        listed: how many of the names are the listing's.
        paths: module paths in declared order, parents first; the root is the first.
        parent: for each module the one above it; the root's is itself.
        layer: for each module an index into `layers`, or `NOWHERE`.
        layers: lists of layers by path, and the number in them.
        module: for each tensor the module that owns it.
        leaf: for each tensor its name in that module.
        owner: for each tensor the one that holds its values; itself unless it is tied.
        at: full name -> tensor.
        module_at: path -> module.
        numel: for each tensor how many numbers it has.
        parameter: for each whether it is a parameter, and not a buffer.
        trainable: for each whether it could be trained.
    """

    names: list[str]
    specs: list[LeafSpec]
    facts: ModuleFacts
    listed: int
    paths: list[str] = field(default_factory=lambda: [""])
    parent: list[int] = field(default_factory=lambda: [0])
    layer: list[int] = field(default_factory=lambda: [NOWHERE])
    layers: list[tuple[str, int]] = field(default_factory=list)
    module: list[int] = field(default_factory=list)
    leaf: list[str] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    at: dict[str, int] = field(default_factory=dict)
    module_at: dict[str, int] = field(default_factory=lambda: {"": 0})
    numel: list[int] = field(default_factory=list)
    parameter: bytearray = field(default_factory=bytearray)
    trainable: bytearray = field(default_factory=bytearray)
    _layer_at: dict[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Sequence[str], specs: Sequence[LeafSpec], facts: ModuleFacts) -> "Outline":
        """The outline of a listing; that of the last one is kept while its parts are the same."""
        global _last
        known = _last
        if known is None or any(
            a is not b for a, b in zip(known[:3], (names, specs, facts), strict=True)
        ):
            known = _last = (names, specs, facts, cls._made(names, specs, facts))
        return known[3]

    @classmethod
    def _made(
        cls, names: Sequence[str], specs: Sequence[LeafSpec], facts: ModuleFacts
    ) -> "Outline":
        there = set(names)
        left_out = [name for name in facts.tied if name not in there]
        nothing = ("", ())
        hidden = [
            LeafSpec(*facts.shapes.get(name, nothing), name in facts.buffers, tied=True)._replace(
                frozen=False, buffer=name in facts.buffers, stored=False
            )
            for name in left_out
        ]
        made = cls([*names, *left_out], [*specs, *hidden], facts, len(names))
        made._grow()
        made._count()
        return made

    def _grow(self) -> None:
        for path in self.facts.types:
            if path and not path.startswith(".") and len(self.paths) < MOST_MODULES:
                self._module_for(path)
        find, leaves, owners = self.module_at.get, self.leaf, self.module
        for name in self.names:
            path, _, leaf = name.rpartition(".")
            module = find(path) if path else None
            if module is None:
                path, leaf = split_name(name) if len(self.paths) < MOST_MODULES else ("", name)
                module = self._module_for(path)
            owners.append(module)
            leaves.append(leaf)
        self.at = {name: tensor for tensor, name in enumerate(self.names)}
        self.owner = list(range(len(self.names)))
        for name, owner in self.facts.tied.items():
            if name in self.at and owner in self.at:
                self.owner[self.at[name]] = self.at[owner]

    def _module_for(self, path: str) -> int:
        known = self.module_at.get(path)
        if known is not None:
            return known
        above, _, name = path.rpartition(".")
        parent = self._module_for(above)
        index = self.module_at[path] = len(self.paths)
        self.paths.append(path)
        self.parent.append(parent)
        layer = self.layer[parent]
        if layer == NOWHERE and above and is_index(name):
            key = (above, int(name))
            layer = self._layer_at.setdefault(key, len(self.layers))
            if layer == len(self.layers):
                self.layers.append(key)
        self.layer.append(layer)
        return index

    def _count(self) -> None:
        """Sizes, and what is a parameter: worked out once for each spec."""
        buffers = self.facts.buffers
        known: dict[int, tuple[int, bool, bool]] = {}
        for name, spec in zip(self.names, self.specs, strict=True):
            of_spec = known.get(id(spec))
            if of_spec is None:
                trains = not (spec.buffer or spec.dtype in _WHOLE or spec.quantised)
                of_spec = known[id(spec)] = (spec.numel, not spec.buffer, trains)
            numel, parameter, trains = of_spec
            if buffers and name in buffers:
                parameter = trains = False
            self.numel.append(numel)
            self.parameter.append(parameter)
            self.trainable.append(trains)

    def is_parameter(self, tensor: int) -> bool:
        """Whether a tensor is a parameter, and not a buffer."""
        return bool(self.parameter[tensor])

    def trains(self, tensor: int) -> bool:
        """Whether a tensor could be trained at all: no buffer, no whole numbers, not packed."""
        return bool(self.trainable[tensor])

    def own(self, module: int) -> dict[str, int]:
        """The tensors that a module owns itself, by their names in it."""
        return self._owned.get(module, {})

    @property
    def _owned(self) -> dict[int, dict[str, int]]:
        made: dict[int, dict[str, int]] | None = self.__dict__.get("_by_module")
        if made is None:
            made = self.__dict__["_by_module"] = {}
            for tensor, module in enumerate(self.module):
                made.setdefault(module, {})[self.leaf[tensor]] = tensor
        return made

    def below(self, module: int) -> Iterator[int]:
        """The tensors of a module and of all below it, in their order."""
        path = self.paths[module]
        inside = f"{path}." if path else ""
        return (tensor for tensor, name in enumerate(self.names) if name.startswith(inside))


_last: tuple[Sequence[str], Sequence[LeafSpec], ModuleFacts, Outline] | None = None
"""The last listing and its outline: a plan that somebody works on is previewed again and again."""
