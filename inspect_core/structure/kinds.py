"""Parameter kinds: what the same place in every layer, and in every expert, is called.

A kind is a path below a layer. Numbered siblings that are one thing repeated are `*` in it, so
the `w1` of all experts is one kind; those that are steps of a sequence keep their numbers, so
the three layer norms of a T5 block are three.
"""

from collections.abc import Sequence

from inspect_core.structure.fold import is_index
from inspect_core.structure.tree import Module

MANY = 8
"""More numbered siblings than this are taken for one thing repeated, whatever is in them."""

SOME = 3
"""From this many on siblings of the same kinds are repeated also where their shapes differ."""

DEEPEST = 8
"""Components of a kind that may be needed to tell it from the others."""

REPEATED = "*"
"""What stands in a kind for the number of a repeated sibling."""


def kinds_of(module: Module) -> dict[str, list[int]]:
    """Kinds below a module -> ordinals of their tensors relative to its first; kept on it."""
    kept: dict[str, list[int]] | None = module.__dict__.get("_kinds")
    if kept is None:
        kept = module.__dict__["_kinds"] = _find(module)
    return kept


def _find(module: Module) -> dict[str, list[int]]:
    found = {
        leaf.name: [offset]
        for leaf, offset in zip(module.leaves, module.leaf_offsets, strict=True)
        if leaf.spec.stored
    }
    merged = _repeated([(name, child) for name, child in module.children if is_index(name)])
    for (name, child), offset in zip(module.children, module.child_offsets, strict=True):
        short = REPEATED if merged and is_index(name) else name
        for kind, offsets in kinds_of(child).items():
            found.setdefault(f"{short}.{kind}", []).extend([offset + at for at in offsets])
    return found


def _repeated(numbered: Sequence[tuple[str, Module]]) -> bool:
    """Whether numbered siblings are one thing repeated, and not the steps of a sequence."""
    if len(numbered) < 2 or len(numbered) > MANY:
        return len(numbered) > MANY
    numbers = [int(name) for name, _ in numbered]
    if sorted(numbers) != list(range(min(numbers), min(numbers) + len(numbers))):
        return False  # between the steps of a sequence stand those without parameters
    if len({child.index for _, child in numbered}) == 1:
        return True
    first = kinds_of(numbered[0][1]).keys()
    return len(numbered) >= SOME and all(kinds_of(child).keys() == first for _, child in numbered)


def short_kinds(kinds: Sequence[str]) -> list[str]:
    """Kinds without a `.weight` at their end, where they stay distinct."""
    short = [kind.removesuffix(".weight") for kind in kinds]
    return short if len(set(short)) == len(set(kinds)) else list(kinds)


def shortest_kinds(kinds: Sequence[str]) -> list[str]:
    """Of each kind the last components that no other one ends in; all of it where there are none.

    BERT's `attention.self.query.weight` is `query`, and of its three `dense` no two are alike.
    """
    parts = [kind.split(".") for kind in short_kinds(kinds)]
    ends: dict[tuple[str, ...], int] = {}
    for names in parts:
        for start in range(max(0, len(names) - DEEPEST), len(names)):
            end = tuple(names[start:])
            ends[end] = ends.get(end, 0) + 1
    return [".".join(_shortest_end(names, ends)) for names in parts]


def _shortest_end(names: list[str], ends: dict[tuple[str, ...], int]) -> list[str]:
    for start in range(len(names) - 1, max(0, len(names) - DEEPEST), -1):
        # A number or a star alone says nothing, and neither does `bias`.
        telling = not is_index(names[start]) and names[start] not in (REPEATED, "bias", "weight")
        if telling and ends[tuple(names[start:])] == 1:
            return names[start:]
    return names
