"""Modules that are trained whole and stored beside an adapter: PEFT's `modules_to_save`."""

from collections.abc import Sequence

from inspect_core.plan.counting import Counts
from inspect_core.plan.peft_rules.kinds_of_layer import LISTS
from inspect_core.plan.peft_rules.resolving import Refused
from inspect_core.plan.working import Work

_IA3 = (".base_layer", ".ia3_l")
_LORA = (
    ".base_layer", ".lora_dropout", ".lora_dropout.default", ".lora_A", ".lora_A.default",
    ".lora_B", ".lora_B.default", ".lora_embedding_A", ".lora_embedding_B",
    ".lora_magnitude_vector",
)  # fmt: skip
"""What a method makes in a module: ends of the names of modules."""

GRANDCHILD = 2
"""Levels below a saved module at which PEFT takes a module for saved already."""


def save_modules(work: Work, names: Sequence[str], method: str = "lora") -> Counts:
    """Make copies of the modules whose paths end so, wherever in a component that is.

    Args:
        work: the state, with the adapters in place.
        names: ends of names; an empty one fits every module.
        method: of the adapters.

    Raises:
        Refused: PEFT would not take one of them, or would train a copy that nothing uses.
    """
    outline = work.outline
    counts = Counts(outline, len(names))
    ends = tuple(names)
    _check_made(work, names, _IA3 if method == "ia3" else _LORA)
    for module in range(1, len(outline.paths) if ends else 0):
        path = work.model.paths[module]
        if not path.endswith(ends) or module in work.saved:
            continue
        _check(work, module)
        counts.add([at for at, name in enumerate(names) if path.endswith(name)], module)
        levels = _levels_inside(work, module)
        if levels not in (0, GRANDCHILD):
            raise Refused(
                f"PEFT would train a copy that is never used: modules_to_save takes "
                f"{outline.paths[module]} and a module around it"
            )
        if not levels:
            work.save(module)
    return counts


def _check_made(work: Work, names: Sequence[str], made: Sequence[str]) -> None:
    """Refuse names that fit what PEFT has just made inside the modules that it adapts."""
    for module in work.wrappers if names else ():
        path = work.model.paths[module]
        for one in made:
            end = next((name for name in names if f"{path}{one}".endswith(name)), None)
            if end is not None:
                raise Refused(
                    f"PEFT would not do what is meant: modules_to_save {end} fits {one[1:]} too, "
                    f"which it makes in {work.outline.paths[module]}"
                )


def _check(work: Work, module: int) -> None:
    path = work.outline.paths[module]
    kind = work.model.layers.declared(module)
    if kind in LISTS:
        raise Refused(f"modules_to_save cannot be {path}, a {kind}")
    if module in work.wrappers:
        raise Refused(f"modules_to_save cannot be {path}, which has an adapter")


def _levels_inside(work: Work, module: int) -> int:
    """How far a module is below one that is saved already; 0 outside of all."""
    levels = 0
    while module:
        module = work.outline.parent[module]
        levels += 1
        if module in work.saved:
            return levels
    return 0
