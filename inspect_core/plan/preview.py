"""What a plan does to a model, from names, shapes and module types alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Plan
from inspect_core.structure.build import ModuleFacts, build_tree
from inspect_core.structure.tree import LeafSpec, ModuleTree
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.plan.working import Work

EntryKind = Literal[
    "target", "exclude", "save", "rank", "alpha", "feedforward", "freeze", "thaw", "spare"
]
"""What an entry of a step is: one of the lists of `Place`, or a pattern of `Freeze`; `spare` is
one of its `exclude`."""


@dataclass(frozen=True, slots=True)
class Hits:
    """What one entry of a step found.

    Attributes:
        step: index of the step.
        entry: the target, pattern or entry as typed.
        count: modules (of a placement) or parameters (of freezing) that it hits.
        layers: numbers of the layers in which it hits something.
        missed: numbers of layers in which it hits nothing while it hits others of that list.
        uneven: whether layers that it hits do not have the same number of hits each.
        suggestion: a name that it may have meant, where it hits nothing; foreign text.
        refused: modules that fit by name and that the method cannot be put on, with why.
        kind: what the entry is.
    """

    step: int
    entry: str
    count: int
    layers: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()
    uneven: bool = False
    suggestion: str = ""
    refused: tuple[tuple[str, str], ...] = ()
    kind: EntryKind = "target"


@dataclass(frozen=True, slots=True)
class PlanTotals:
    """Counts and bytes of a planned model.

    Attributes:
        params: all parameters, the delta's too.
        tunable: those that are trained, the delta's too.
        frozen: the others.
        delta: those that the plan adds.
        saved: tunable copies that `modules_to_save` makes; part of `delta` and `tunable`.
        weight_bytes: all weights.
        gradient_bytes: one gradient for each tunable parameter.
        optimizer_bytes: Adam's two states for each.
        tunable_delta: those of `delta` that are trained.
    """

    params: int
    tunable: int
    frozen: int
    delta: int
    saved: int
    weight_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    tunable_delta: int = 0

    @property
    def tunable_base(self) -> int:
        """The model's own parameters that are trained."""
        return self.tunable - self.tunable_delta


@dataclass(frozen=True, eq=False)
class Preview:
    """What a plan does.

    Attributes:
        tree: with planned states and planned parameters; its tensors are those of the listing,
            in the same order.
        totals: counts and memory.
        hits: for every entry of every step.
        warnings: a target that matches nothing, an adapter under a frozen parent, a thawed
            embedding that is tied to the head, ...; safe to show.
        untouched: the largest parts that the plan neither trains nor adapts: module paths with
            folds in short, and their parameters; foreign text.
        error: why peft would refuse the plan, safe to show; empty where it would not. Then the
            tree and the totals are of what stands without the refused placements: they are not
            what the plan would train, and are not to be shown as that.
        note: whose names the tree has, where they are not the file's; safe to show.
    """

    tree: ModuleTree
    totals: PlanTotals
    hits: tuple[Hits, ...] = ()
    warnings: tuple[str, ...] = ()
    untouched: tuple[tuple[str, int], ...] = ()
    error: str = ""
    note: str = ""

    @property
    def refusal(self) -> str:
        """The error as a sentence."""
        return refusal_of(self.error) if self.error else ""

    @property
    def counted(self) -> bool:
        """Whether the totals are those of the plan: not where it is refused."""
        return not self.error


def refusal_of(error: str) -> str:
    """What is wrong with a plan, as a sentence: PEFT would refuse it, or do something else."""
    return error if error.startswith("PEFT would ") else f"PEFT would refuse this plan: {error}"


def preview(
    names: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts,
    plan: Plan,
    config: Mapping[str, object] | None = None,
    bare_modules: bool = False,
) -> Preview:
    """Apply a plan to a structure.

    Args:
        names: full tensor names; foreign text.
        specs: one for each name.
        facts: what is known about the modules; without types, a 2-D weight is a linear one.
        plan: what to do.
        config: the model's config.json, for the targets that peft takes by model type.
        bare_modules: see `build_tree`.

    Raises:
        UsageError: a pattern cannot be understood, or takes too long.
    """
    from inspect_core.plan.memory import totals_of
    from inspect_core.plan.untouched import untouched
    from inspect_core.plan.warnings import warnings_of
    from inspect_core.plan.working import carry_out

    work = carry_out(names, specs, facts, plan, config)
    planned = _planned(work, specs)
    added: dict[str, LeafSpec] = {}
    made: dict[tuple[object, ...], LeafSpec] = {}
    for addition in work.additions:
        dtype, frozen = work.dtype_of(addition, plan.precision), addition.frozen
        spec = LeafSpec(dtype, addition.made.shape, frozen, delta=True, stored=False, planned=True)
        added[work.shown_name(addition)] = made.setdefault(spec, spec)
    tree = build_tree(names, planned, replace(facts, added=added), bare_modules)
    return Preview(
        tree,
        totals_of(work, plan.precision),
        tuple(work.hits),
        warnings_of(work, plan, work.hits),
        untouched(work),
        clean(work.error),
        facts.note,
    )


def _planned(work: "Work", specs: Sequence[LeafSpec]) -> list[LeafSpec]:
    """The specs of a listing with their planned states."""
    outline = work.outline
    frozen, owner = work.frozen, outline.owner
    made: dict[int, LeafSpec] = {}
    planned: list[LeafSpec] = []
    for tensor, spec in enumerate(specs):
        state = bool(frozen[owner[tensor]]) and not spec.buffer
        if spec.frozen == state:
            planned.append(spec)
            continue
        other = made.get(id(spec))
        if other is None:
            other = made[id(spec)] = spec._replace(frozen=state)
        planned.append(other)
    return planned


def trainable_names(
    names: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts,
    plan: Plan,
    config: Mapping[str, object] | None = None,
) -> dict[str, tuple[int, ...]]:
    """Names, as `peft.get_peft_model` gives them, and shapes of all that would be trained.

    For a plan without a placement these are the model's own names.

    Raises:
        UsageError: peft would refuse the plan, a pattern cannot be understood, or takes too long.
    """
    from inspect_core.plan.working import carry_out, live_names

    work = carry_out(names, specs, facts, plan, config)
    if work.error:
        raise UsageError(refusal_of(work.error))
    outline = work.outline
    own, added = live_names(work)
    found = {
        own[tensor]: outline.specs[tensor].shape
        for tensor in range(len(outline.names))
        if outline.owner[tensor] == tensor
        and outline.is_parameter(tensor)
        and not work.frozen[tensor]
    }
    for name, addition in zip(added, work.additions, strict=True):
        if not addition.frozen:
            found[name] = addition.made.shape
    return found
