"""Where in the folded tree adapters can go: modules, layers, and lists of layers."""

from collections.abc import Iterator, Sequence

from inspect_core.structure.branch import Branch
from inspect_core.structure.fold import is_index
from inspect_core.structure.tree import Module

MOST_SEARCHED = 20_000
"""Rows that are looked at for modules that an adapter goes on: beyond that a row counts alone."""

_NO_LINEAR = ("Embedding", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose", "Norm")
"""Parts of type names; transformers' `Conv1D` is a linear layer."""

_HEADS = frozenset({"lm_head", "embed_out", "classifier", "score", "qa_outputs"})
"""Modules that are no part of what is meant by a whole model or a stack: PEFT's `all-linear` leaves
the head out, too."""


def levels_to(branch: Branch) -> Iterator[Branch]:
    """The rows from the outermost module down to one."""
    if branch.parent is not None:
        yield from levels_to(branch.parent)
        yield branch


def numbers_beside(branch: Branch) -> set[str]:
    """The numbered children of the module that a row is in."""
    assert branch.parent is not None
    return {name for name, _ in branch.parent.module.children if is_index(name)}


def layer_level(branch: Branch) -> Branch | None:
    """The row, or the one above it, that is a layer or a fold of layers: the outermost such."""
    levels = (one for one in levels_to(branch) if all(map(is_index, one.names)))
    return next((one for one in levels if len(numbers_beside(one)) > 1), None)


def is_partial(level: Branch) -> bool:
    """Whether a row of layers is not all of its list."""
    return not is_all(level, [int(name) for name in level.names])


def is_all(level: Branch, layers: Sequence[int]) -> bool:
    """Whether numbers are all layers of the list that a row is in."""
    return set(map(str, layers)) >= numbers_beside(level)


def layers_of(level: Branch) -> tuple[int, ...] | None:
    """The numbers of some layers; None where it is all of them."""
    return tuple(sorted(map(int, level.names))) if is_partial(level) else None


def list_name(level: Branch) -> tuple[str, ...]:
    """`layers_pattern`: needed where no module is around the list of layers."""
    above = level.parent
    if above is None or above.parent is None:
        return ()
    return () if above.parent.parent is not None else above.names


def is_planned(module: Module) -> bool:
    """Whether a module is there only in the plan."""
    totals = module.totals
    return has_planned(module) and totals.params == totals.delta and not totals.tensors


def has_planned(module: Module) -> bool:
    """Whether a plan adds something to a module, or below it."""
    if not module.totals.delta:
        return False
    kept: bool | None = module.__dict__.get("_has_planned")
    if kept is None:
        kept = any(leaf.spec.planned and leaf.spec.delta for leaf in module.leaves)
        kept = kept or any(has_planned(child) for _, child in module.children)
        module.__dict__["_has_planned"] = kept
    return kept


def hosts_in(branch: Branch) -> list[Branch]:
    """The modules in a row that adapters go on: the row itself, or the linear ones below it."""
    if _is_host(branch, directly=True):
        return [branch]
    queue = [branch]
    for row in queue:  # it grows meanwhile
        if len(queue) > MOST_SEARCHED:
            break
        queue += [one for one in row.branches if not is_planned(one.module)]
    return [row for row in queue if _is_host(row)]


def _is_host(row: Branch, directly: bool = False) -> bool:
    """Whether a row looks like what PEFT puts adapters on; the preview has the last word."""
    if row.parent is None:
        return False
    kind = row.module.type
    other = any(word in kind for word in _NO_LINEAR) or row.names[0] in _HEADS
    if other and not directly:
        return False
    if "Norm" in kind:
        return False
    weights = [leaf.spec for leaf in row.module.leaves if leaf.name in ("weight", "qweight")]
    if not any(len(spec.shape) >= 2 and not spec.buffer for spec in weights):
        return False
    name = row.names[0].lower()
    return bool(kind) or directly or not ("embed" in name or name in ("wte", "wpe", "shared"))
