"""What a placement gives to each module that it adapts."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Place, Plan
from inspect_core.structure.build import ModuleFacts
from inspect_core.structure.tree import LeafSpec


class Settings(NamedTuple):
    """What an adapted module gets.

    Attributes:
        rank: r of its LoRA.
        alpha: lora_alpha.
        feedforward: whether it is a feed-forward module of IA3.
    """

    rank: int
    alpha: float
    feedforward: bool


def settings_of_targets(
    place: Place,
    names: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts,
    config: Mapping[str, object] | None = None,
) -> dict[str, Settings]:
    """What a placement gives to each module.

    Args:
        place: the placement.
        names: the model's tensors.
        specs: one for each name.
        facts: what is known about the modules.
        config: the model's config.json.

    Returns:
        By the path that the model's class has for a module. Parameters that are adapted
        themselves (fused experts) are left out: no target names them.

    Raises:
        UsageError: PEFT would refuse the placement, or an expression is none.
    """
    from inspect_core.plan.preview import refusal_of
    from inspect_core.plan.working import carry_out

    work = carry_out(names, specs, facts, Plan((place,)), config)
    if work.error:
        raise UsageError(refusal_of(work.error))
    return {path: Settings(*given) for path, given in work.settings.items()}
