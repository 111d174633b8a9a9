"""A plan done to a live model: what the preview shows, and nothing else, is then trained."""

import sys
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeGuard

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Place, Plan
from inspect_core.plan.written.export import config_of, placement_of
from inspect_core.plan.written.files import read_plan
from inspect_core.text import clean

if TYPE_CHECKING:
    import torch

    from inspect_core.plan.preview import Hits

_MOST_NAMED = 4


def apply_plan(
    model: "torch.nn.Module",
    plan: "Plan | str | PathLike[str]",
    *,
    allow_unmatched: bool = False,
) -> "torch.nn.Module":
    """Freeze, thaw and place adapters as a plan says.

    Afterwards `requires_grad` is true for just the parameters that the preview shows as
    trained. Adapters are placed by `peft.get_peft_model`.

    Args:
        model: changed in place.
        plan: a plan, or the file of one.
        allow_unmatched: go on where an entry of the plan hits nothing of this model.

    Returns:
        The model; PEFT's wrapper around it where the plan places adapters.

    Raises:
        UsageError: an entry hits nothing; PEFT is missing or refuses; the model has adapters
            already. Nothing is changed then, unless PEFT fails midway.
        CheckpointError: the file of the plan cannot be read.
    """
    from inspect_core.plan.preview import preview, trainable_names
    from inspect_core.structure.from_modules import model_listing

    if not isinstance(plan, Plan):
        plan = read_plan(plan)
    _require_values(model)
    names, specs, facts = model_listing(model)
    config = _config_of(model)
    shown = preview(names, specs, facts, plan, config)
    if shown.error:
        raise UsageError(shown.refusal)
    if not allow_unmatched:
        _require_hits([hit.entry for hit in unmatched_entries(plan, shown.hits)])
    wanted = trainable_names(names, specs, facts, plan, config)
    if any(isinstance(step, Place) for step in plan.steps):
        place = placement_of(plan, names, specs, facts, config)
        model = _adapted(model, place)
    _train_only(model, wanted)
    return model


def unmatched_entries(plan: Plan, hits: "Iterable[Hits]") -> "list[Hits]":
    """Entries of a plan that hit nothing, without those that PEFT adds by itself.

    PEFT adds `classifier` and `score` to what is saved for a task, and targets for a type of
    model: it is no mistake of the plan's where one of these is not there.
    """
    found = []
    for hit in hits:
        step = plan.steps[hit.step]
        added = isinstance(step, Place) and (
            (hit.kind == "save" and hit.entry not in step.modules_to_save)
            or (hit.kind == "target" and not step.targets and not step.target_expression)
        )
        if not hit.count and not added:
            found.append(hit)
    return found


def _require_hits(unmatched: list[str]) -> None:
    if not unmatched:
        return
    named = ", ".join([f"'{clean(entry, 60)}'" for entry in unmatched[:_MOST_NAMED]])
    more = f" and {len(unmatched) - _MOST_NAMED:,} more" if len(unmatched) > _MOST_NAMED else ""
    raise UsageError(
        f"the plan names what this model does not have: {named}{more}",
        hint="allow_unmatched=True goes on without",
    )


def _config_of(model: "torch.nn.Module") -> Mapping[str, object] | None:
    """The config that PEFT asks for the model's type; of what is no config nothing is called."""
    try:
        config = getattr(model, "config", None)
        if isinstance(config, dict):
            return config
        found = config.to_dict() if _is_config(config) else None
    except Exception as error:  # a stranger's property may raise anything
        what = f"{type(error).__name__}: {clean(str(error), 200)}"
        raise UsageError(f"the model's config cannot be read: {what}") from None
    return found if isinstance(found, dict) else None


def _is_config(config: object) -> TypeGuard[Any]:
    """Whether it is a config of transformers, which is imported already where one is there."""
    module = sys.modules.get("transformers.configuration_utils")
    kinds = (getattr(module, name, None) for name in ("PretrainedConfig", "PreTrainedConfig"))
    return any(isinstance(kind, type) and isinstance(config, kind) for kind in kinds)


def _require_values(model: "torch.nn.Module") -> None:
    """A parameter that waits for its first input has no shape to plan on."""
    from torch.nn.parameter import is_lazy

    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise UsageError(
                "waits for its first input and has no shape yet", where=name,
                hint="run the model once before",
            )  # fmt: skip


def _adapted(model: "torch.nn.Module", place: Place) -> "torch.nn.Module":
    try:
        import peft
    except ImportError:
        raise UsageError("placing adapters needs PEFT", hint="pip install peft") from None
    if any(
        isinstance(module, peft.tuners.tuners_utils.BaseTunerLayer) for module in model.modules()
    ):
        raise UsageError(
            "the model has adapters already: placing more would stack them",
            hint="begin with the model that they were put on",
        )
    settings: dict[str, Any] = config_of(place)
    kind = peft.IA3Config if settings.pop("peft_type") == "IA3" else peft.LoraConfig
    try:
        made: torch.nn.Module = peft.get_peft_model(model, kind(**settings))
    except Exception as error:  # whatever PEFT says of a stranger's model is for its user
        raise UsageError(f"PEFT refuses this plan: {clean(str(error), 300)}") from None
    return made


def _train_only(model: "torch.nn.Module", wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Let gradients reach what is wanted; PEFT must have made all of it."""
    there = dict(model.named_parameters())
    missing = [name for name in wanted if name not in there]
    if missing:
        named = ", ".join([clean(name, 80) for name in missing[:_MOST_NAMED]])
        raise UsageError(
            f"PEFT did not make what the plan shows: {named}",
            hint="its version may place adapters otherwise than 0.21 does",
        )
    for name in wanted:
        if not (there[name].is_floating_point() or there[name].is_complex()):
            raise UsageError("holds no floats, and cannot be trained", where=name)
    for name, parameter in there.items():
        parameter.requires_grad_(name in wanted)
