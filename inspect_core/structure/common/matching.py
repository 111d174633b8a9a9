"""Tables made ready, and names looked up in them: a step for each new module, none for its kin."""

from collections.abc import Sequence
from functools import cache

from inspect_core.structure.common.families import FAMILIES, Family
from inspect_core.structure.fold import is_index
from inspect_core.structure.prefixes import PREFIXES

NUMBER = "{n}"
"""Stands in a path for the number of a block or of an expert."""

OLD_LEAVES = {"gamma": "weight", "beta": "bias"}
"""Names that the parameters of norms have in old files."""

_WRAPPERS = frozenset(
    part for prefix in (*PREFIXES, "text_model.") for part in prefix.split(".") if part
)
"""Modules around a base model; they have no place of their own."""

DEEPEST = 64
"""Dots in a name that are looked at; one with more keeps its own name."""

MOST_KEPT = 250_000
"""Modules that are remembered while names are looked up."""


class Step:
    """Where a path has led in a table.

    Attributes:
        below: the steps that go on, by the next component.
        to: the common path, in pieces between which numbers stand; None where no line ends here.
        known: whether that line is of a module, and not of a place.
    """

    __slots__ = ("below", "known", "to")

    def __init__(self) -> None:
        self.below: dict[str, Step] = {}
        self.to: tuple[str, ...] | None = None
        self.known = False

    def named(self, numbers: Sequence[str]) -> str:
        """The common path, with its numbers."""
        first, *pieces = self.to or ("",)
        for number, piece in zip(numbers, pieces, strict=False):
            first += number + piece
        return first


Found = tuple[Step | None, tuple[str, ...], str, int, bool]
"""How far a path was known: where it has led, or None once it has left the table; what `{n}`
stood for on the way; the common path of the last line that ended on the way, or nothing;
characters of the path until there; whether that line was of a module, and not of a place."""


@cache
def table_of(family: Family) -> Step:
    """The lines of a family as steps from the root of its base model."""
    root = Step()
    lines = [(old, new) for old, new in _lines(family.outside)]
    for at, to, inside in family.blocks:
        lines.append((f"{at}.", f"{to}."))
        lines += [(f"{at}.{old}", f"{to}.{new}") for old, new in _lines(inside)]
    for old, new in lines:
        step = root
        for part in old.removesuffix(".").split("."):
            step = step.below.setdefault(part, Step())
        step.to, step.known = tuple(new.removesuffix(".").split(NUMBER)), not old.endswith(".")
    return root


def _lines(text: str) -> list[tuple[str, str]]:
    words = text.split()
    return list(zip(words[::2], words[1::2], strict=True))


class Lookup:
    """Names looked up in the table of one family.

    Args:
        family: the family.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self._root = table_of(family)
        self._modules: dict[str, Found] = {"": (self._root, (), "", 0, False)}

    def common(self, name: str) -> tuple[str, bool]:
        """The common name of a tensor, and whether the table knows its module.

        What is below a known module (an adapter's factors, the scales of a quantised weight)
        keeps its own name there, and so does what is known by its place alone. Of what has no
        place the name comes back as it is.
        """
        path, _, leaf = name.rpartition(".")
        module = self._modules.get(path)
        if module is None:
            if name.count(".") > DEEPEST or name.startswith("."):
                return name, False
            module = self._module(path)
        step = module[0]
        found = self._next(module, path, leaf) if step is None or step.below else module
        _, _, common, end, known = found
        if not common:
            return name, False
        if leaf in OLD_LEAVES and known and end == len(path):
            return f"{common}.{OLD_LEAVES[leaf]}", True
        return common + name[end:], known

    def exact(self, name: str) -> bool:
        """Whether the table has the module of a tensor, or the tensor itself."""
        path, _, leaf = name.rpartition(".")
        found = self._next(self._module(path), path, leaf)
        return found[4] and found[3] in (len(path), len(name))

    def _module(self, path: str) -> Found:
        above, _, part = path.rpartition(".")
        parent = self._modules.get(above)
        found = self._next(self._module(above) if parent is None else parent, above, part)
        if found[0] is not None and len(self._modules) < MOST_KEPT:
            self._modules[path] = found
        return found

    def _next(self, at: Found, path: str, part: str) -> Found:
        """One component further down than a path."""
        step, numbers, common, end, known = at
        if step is None:
            return at
        below = step.below.get(part)
        if below is None and part.isdigit() and is_index(part):
            below = step.below.get(NUMBER)
            numbers = (*numbers, part)
        if below is None:
            wrapper = step is self._root and part in _WRAPPERS
            return at if wrapper else (None, (), common, end, known)
        if below.to is None:
            return below, numbers, common, end, known
        return below, numbers, below.named(numbers), len(path) + len(part) + bool(path), below.known


def best_lookup(names: Sequence[str], model_type: str = "") -> Lookup | None:
    """What knows the most of some names; None where nothing knows one.

    A parameter of a known module counts before what is further down in one: a family's `decoder`
    may be a matrix, and another's half of the model.

    Args:
        names: some of a model's, or all.
        model_type: of its config: where two families know as many, the one that has it counts.
    """
    ordered = sorted(FAMILIES, key=lambda family: model_type not in family.types)
    lookups = [Lookup(family) for family in ordered]
    known = [_known(lookup, names) for lookup in lookups]
    best = max(known)
    return lookups[known.index(best)] if best[1] else None


def _known(lookup: Lookup, names: Sequence[str]) -> tuple[int, int]:
    """How many names are of a known module's own parameters, and of all that is in known ones."""
    known = [name for name in names if lookup.common(name)[1]]
    return sum(map(lookup.exact, known)), len(known)
