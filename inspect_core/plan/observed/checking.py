"""Whether a plan that was read off two checkpoints does what was seen, tried as any plan is."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Freeze, Pattern, Place, Plan, Step
from inspect_core.structure.build import NO_FACTS
from inspect_core.structure.tree import LeafSpec

if TYPE_CHECKING:
    from inspect_core.plan.working import Work
    from inspect_core.results.comparison import Uri

Listed = tuple[list[str], list[LeafSpec]]
"""Names of tensors, and a spec for each; names are foreign."""


def listed(uri: "Uri") -> Listed:
    """What a checkpoint lists.

    Raises:
        CheckpointError: it cannot be opened any more.
    """
    from inspect_core.opening import open_model

    tensors = open_model(uri).tensors
    specs = [LeafSpec(info.dtype, info.shape) for info in tensors.values()]
    return list(tensors), specs


def trains_just(
    steps: Sequence[Step], names: Sequence[str], tuned: Collection[str], frozen: Collection[str]
) -> bool:
    """Whether steps of freezing train what was trained, and freeze what was frozen.

    Args:
        steps: of freezing and thawing.
        names: of all tensors that the steps are applied to.
        tuned: those of them that must be trained.
        frozen: those that must not.
    """
    spec = LeafSpec("F32", (1,))
    work = _tried(steps, list(names), [spec] * len(names))
    if work is None:
        return False
    still = {name for at, name in enumerate(work.outline.names) if work.is_frozen(at)}
    return still.issuperset(frozen) and still.isdisjoint(tuned)


def is_placed_on(place: Place, about: Listed, modules: Collection[str]) -> bool:
    """Whether a placement is on just these modules, and PEFT would take it."""
    work = _tried((place,), *about)
    if work is None or work.error:
        return False
    return {work.outline.paths[module] for module in work.wrappers} == set(modules)


def _tried(steps: Sequence[Step], names: list[str], specs: list[LeafSpec]) -> "Work | None":
    from inspect_core.plan.working import carry_out

    try:
        return carry_out(names, specs, NO_FACTS, Plan(tuple(steps)), None)
    except UsageError:
        return None


def one_by_one(frozen: Sequence[str], moved: Sequence[str]) -> tuple[Step, ...]:
    """Freezing by full names alone.

    A name may lie inside another one, as `a.b` does in `a`, and is hit with it: what is inside
    is thawed again, and what is inside of that is frozen again.
    """
    steps: list[Step] = [Freeze(_exact(frozen))]
    states = {**dict.fromkeys(frozen, True), **dict.fromkeys(moved, False)}
    inside: dict[int, list[str]] = {}
    for name, state in states.items():
        around = [name[:at] for at, char in enumerate(name) if char == "." and at]
        if any(states.get(path) not in (None, state) for path in around):
            inside.setdefault(name.count("."), []).append(name)
    for _, deeper in sorted(inside.items()):
        thawed = [name for name in deeper if not states[name]]
        held = [name for name in deeper if states[name]]
        steps += [Freeze(_exact(some), some is thawed) for some in (thawed, held) if some]
    return tuple(steps)


def _exact(names: Sequence[str]) -> tuple[Pattern, ...]:
    return tuple([Pattern(name, "exact") for name in names])
