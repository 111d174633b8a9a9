"""What a plan does to a model, from names, shapes and module types alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inspect_core.plan.plan import Plan
from inspect_core.structure.build import ModuleFacts
from inspect_core.structure.tree import LeafSpec, ModuleTree


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
    """

    step: int
    entry: str
    count: int
    layers: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()
    uneven: bool = False
    suggestion: str = ""
    refused: tuple[tuple[str, str], ...] = ()


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
    """

    params: int
    tunable: int
    frozen: int
    delta: int
    saved: int
    weight_bytes: int
    gradient_bytes: int
    optimizer_bytes: int


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
        error: why peft would refuse the plan, safe to show; empty where it would not.
    """

    tree: ModuleTree
    totals: PlanTotals
    hits: tuple[Hits, ...] = ()
    warnings: tuple[str, ...] = ()
    untouched: tuple[tuple[str, int], ...] = ()
    error: str = ""


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
    raise NotImplementedError


def trainable_names(
    names: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts,
    plan: Plan,
    config: Mapping[str, object] | None = None,
) -> dict[str, tuple[int, ...]]:
    """Names, as `peft.get_peft_model` gives them, and shapes of all that would be trained.

    For a plan without a placement these are the model's own names.
    """
    raise NotImplementedError
