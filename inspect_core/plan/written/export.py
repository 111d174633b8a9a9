"""A plan as PEFT's `adapter_config.json`, where that can say all of it.

PEFT's config places one kind of adapter and freezes all the rest. Freezing before the placement
is therefore overruled and left out; freezing after it, and placements that differ, are refused
unless they come to the same set of trained parameters, which is checked by `trainable_names`.
"""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Freeze, Place, Plan
from inspect_core.plan.written.folding import ELSEWHERE, folded
from inspect_core.structure.build import NO_FACTS, ModuleFacts
from inspect_core.structure.tree import LeafSpec


def adapter_config(
    plan: Plan,
    names: Sequence[str] = (),
    specs: Sequence[LeafSpec] = (),
    facts: ModuleFacts = NO_FACTS,
    config: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """What `adapter_config.json` holds for a plan.

    `peft.PeftConfig.from_pretrained` reads it, and `peft.get_peft_model` then trains exactly
    what the preview shows.

    Args:
        plan: with one placement; or with several that one config can say.
        names: the model's tensors, to fold what one config does not say as it is typed; without
            them nothing is folded.
        specs: one for each name.
        facts: what is known about the modules.
        config: the model's config.json.

    Raises:
        UsageError: it cannot be said in PEFT's config, or PEFT would refuse it.
    """
    return config_of(one_placement(plan, names, specs, facts, config), plan.base)


def adapter_config_text(found: Mapping[str, Any]) -> str:
    """The text of the file, with sorted keys as PEFT writes it."""
    return json.dumps(found, indent=2, sort_keys=True, allow_nan=False) + "\n"


def config_of(place: Place, base: str = "") -> dict[str, Any]:
    """What `adapter_config.json` holds for one placement.

    Raises:
        UsageError: the method's config has no such setting.
    """
    if not all(map(isfinite, (place.alpha, *place.alpha_pattern.values()))):
        raise UsageError("alpha is no finite number")
    common: dict[str, Any] = {
        "base_model_name_or_path": base or None,
        "task_type": place.task or None,
        "inference_mode": False,
        "target_modules": place.target_expression or list(place.targets) or None,
        "exclude_modules": list(place.exclude) or None,
        "modules_to_save": list(place.modules_to_save) or None,
        "fan_in_fan_out": place.fan_in_fan_out,
    }
    if place.method == "ia3":
        return _ia3(place, common)
    if place.feedforward:
        raise UsageError("LoRA has no feedforward modules", hint="they belong to IA3")
    return {
        **common,
        "peft_type": "LORA",
        "r": place.rank,
        "lora_alpha": _whole(place.alpha),
        "lora_dropout": place.dropout,
        "bias": place.bias,
        "use_dora": place.method == "dora",
        "use_rslora": place.rslora,
        "init_lora_weights": True,
        "layers_to_transform": None if place.layers is None else list(place.layers),
        "layers_pattern": list(place.layers_pattern) or None,
        "rank_pattern": dict(place.rank_pattern),
        "alpha_pattern": {name: _whole(alpha) for name, alpha in place.alpha_pattern.items()},
    }


def _ia3(place: Place, common: Mapping[str, Any]) -> dict[str, Any]:
    default = Place()
    for key in ("layers", "layers_pattern", "rank_pattern", "alpha_pattern", "bias", "dropout"):
        if getattr(place, key) != getattr(default, key):
            hint = "name modules, or give a regular expression" if key[0] == "l" else ""
            raise UsageError(f"PEFT's IA3 has no {key}", hint=hint)
    feedforward: list[str] | None = list(place.feedforward)
    if not place.targets and not place.target_expression and not feedforward:
        feedforward = None  # by the model's type, as the targets are
    return {
        **common,
        "peft_type": "IA3",
        "feedforward_modules": feedforward,
        "init_ia3_weights": True,
    }


def _whole(number: float) -> float:
    """A number as JSON's integer where it is one: PEFT's alpha is."""
    return int(number) if float(number).is_integer() else number


def one_placement(
    plan: Plan,
    names: Sequence[str] = (),
    specs: Sequence[LeafSpec] = (),
    facts: ModuleFacts = NO_FACTS,
    config: Mapping[str, object] | None = None,
) -> Place:
    """The one placement that does what a plan does.

    Raises:
        UsageError: there is none, or PEFT would refuse it.
    """
    places = [step for step in plan.steps if isinstance(step, Place)]
    if not places:
        raise UsageError("the plan places no adapter: PEFT's config says nothing of freezing",
                         hint=ELSEWHERE)  # fmt: skip
    last = max(at for at, step in enumerate(plan.steps) if isinstance(step, Place))
    after = [step for step in plan.steps[last + 1 :] if isinstance(step, Freeze)]
    if len(places) == 1 and not after:
        _require_accepted(plan, names, specs, facts, config)
        return places[0]
    if not names:
        raise UsageError("several placements, or freezing after one: this needs the model",
                         hint=ELSEWHERE)  # fmt: skip
    _require_accepted(plan, names, specs, facts, config)
    place = placement_of(plan, names, specs, facts, config)
    from inspect_core.plan.preview import trainable_names

    wanted = trainable_names(names, specs, facts, plan, config)
    if trainable_names(names, specs, facts, Plan((place,)), config) != wanted:
        raise UsageError(_why_not(after), hint=ELSEWHERE)
    return place


def placement_of(
    plan: Plan,
    names: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts,
    config: Mapping[str, object] | None,
) -> Place:
    """A plan's placements as one, whatever is frozen and thawed beside them.

    Raises:
        UsageError: they cannot be said as one.
    """
    places = [step for step in plan.steps if isinstance(step, Place)]
    return places[0] if len(places) == 1 else folded(places, names, specs, facts, config)


def _why_not(after: Sequence[Freeze]) -> str:
    if any(step.thaw for step in after):
        return ("PEFT's config cannot thaw: modules_to_save (--save-modules) trains modules and "
                "saves them with the adapter")  # fmt: skip
    return "PEFT's config cannot freeze what an adapter trains"


def _require_accepted(
    plan: Plan,
    names: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts,
    config: Mapping[str, object] | None,
) -> None:
    if not names:
        return
    from inspect_core.plan.preview import preview

    if refusal := preview(names, specs, facts, plan, config).refusal:
        raise UsageError(refusal)
