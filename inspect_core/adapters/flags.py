"""What an adapter is and what is odd about it, in words."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_core.adapters.finding.as_loaded import changes_nothing
from inspect_core.adapters.finding.gather import Gathered
from inspect_core.adapters.finding.part_names import OTHER, SAVED
from inspect_core.checkpoint.adapter_tensors import LoraFactors, missed_targets
from inspect_core.checkpoint.locate import some_names
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.adapters.overlay import AdapterSide, Target
    from inspect_core.adapters.side import Side

_SHOWN = 300

UNCOMPUTED = "with no change of a weight that is computed"
"""How a flag calls tensors that act in another way: prompts, modules of their own."""

NOT_TOLD = "what the adapter makes of it cannot be told"


def method_of(side: "Side", targets: "Sequence[Target]") -> str:
    """`LoRA r=8 alpha=16 on 12 modules`."""
    mine = [one for one in targets if one.adapter == side.number and one.method != SAVED]
    modules = {one.module: one for one in reversed(mine) if "bias" not in one.parts}
    if not modules:
        kind = (side.config.type if side.config is not None else None) or "adapter"
        whole = sum(one.adapter == side.number for one in targets)
        if not whole:
            return clean(f"{kind}, no change of weights that is known here")
        return clean(f"{kind}, {whole:,} {'tensor' if whole == 1 else 'tensors'} brought whole")
    methods = Counter(one.method for one in modules.values())
    ranks = sorted({one.rank for one in modules.values() if one.rank is not None})
    alphas = sorted({one.alpha for one in modules.values() if one.alpha is not None})
    words = [" and ".join(methods), _range("r", ranks), _range("alpha", alphas)]
    if side.config is not None and side.config.use_rslora:
        words.append("rsLoRA")
    words.append(f"on {len(modules):,} {'module' if len(modules) == 1 else 'modules'}")
    return " ".join(word for word in words if word)


def _range(name: str, numbers: Sequence[float]) -> str:
    if not numbers:
        return ""
    low, high = numbers[0], numbers[-1]
    return f"{name}={low:g}" if low == high else f"{name}={low:g}-{high:g}"


def types_of(targets: "Sequence[Target]", adapters: "Sequence[AdapterSide]") -> dict[str, str]:
    """What the row of each module says of its adapters."""
    found: dict[str, Counter[str]] = {}
    for one in targets:
        words = [one.method]
        if one.rank is not None:
            words.append(f"r={one.rank:,}")
        if one.scaling is not None:
            words.append(f"scale {one.scaling:.4g}")
        # A bias that goes with a weight says nothing new.
        if one.weight.endswith(".bias") and one.module in found:
            continue
        found.setdefault(one.module, Counter())[" ".join(words)] += 1
    return {
        module: " + ".join([f"{n} {said}" if n > 1 else said for said, n in counts.items()])
        for module, counts in found.items()
    }


def unknown_of(found: Gathered) -> dict[str, str]:
    """Weights that adapters change in a way that is not known here, and why; safe to show."""
    unknown = {weight: clean(why, _SHOWN) for weight, why in found.unknown.items()}
    for one in found.targets:
        if one.note and not changes_nothing(one.note):
            unknown.setdefault(one.weight, clean(f"{NOT_TOLD}: {one.note}", _SHOWN))
    return unknown


def flags_of(side: "Side", found: Gathered) -> tuple[str, ...]:
    """What its user must know beside the warnings of its files."""
    flags = []
    unplaced = list(dict.fromkeys(found.unplaced.get(side.number, ())))
    if unplaced:
        many = (
            "1 of its modules matches"
            if len(unplaced) == 1
            else (f"{len(unplaced):,} of its modules match")
        )
        flags.append(f"{many} nothing of the base ({some_names(unplaced)})")
        if found.ambiguous:
            flags.append(f"ambiguous: several prefixes fit equally well ({found.ambiguous})")
    by_note: dict[str, list[str]] = {}
    for one in found.targets:
        if one.adapter == side.number and one.note:
            by_note.setdefault(one.note, []).append(one.weight)
    for note, weights in by_note.items():
        count = "1 weight" if len(weights) == 1 else f"{len(weights):,} weights"
        flags.append(f"{count} without an effective delta: {note} ({some_names(weights)})")
    unread = found.unread.get(side.number, ())
    if unread:
        count = "1 tensor" if len(unread) == 1 else f"{len(unread):,} tensors"
        flags.append(f"{count} {UNCOMPUTED} ({some_names(unread)})")
    flags += _lacking(side, found)
    return tuple(clean(flag, _SHOWN) for flag in flags)


def _lacking(side: "Side", found: Gathered) -> list[str]:
    """Modules that the config names and the file lacks."""
    config = side.config
    if config is None:
        return []
    flags = []
    parts = [part for part in side.parts.values() if part.method not in (SAVED, OTHER)]
    factors = [LoraFactors(module, "") for module in {part.module for part in parts}]
    missed = missed_targets(factors, config.target_modules) if factors else []
    if missed:
        flags.append(f"no tensor belongs to what target_modules names: {some_names(missed)}")
    paths = [f".{part.module}." for part in side.parts.values()]
    saved = [
        name
        for name in dict.fromkeys(config.modules_to_save[:100])
        if not any(f".{name}." in path for path in paths)
    ]
    # PEFT itself names two heads of which a model has one.
    if saved and len(saved) == len(config.modules_to_save):
        flags.append(f"no tensor belongs to what modules_to_save names: {some_names(saved)}")
    return flags
