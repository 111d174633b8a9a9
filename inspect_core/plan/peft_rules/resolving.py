"""A placement as PEFT 0.21 resolves it for a model, before it looks at single modules."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from inspect_core.plan.addressing import Budget
from inspect_core.plan.outline import Outline
from inspect_core.plan.peft_rules.kinds_of_layer import ADAPTABLE, LINEAR, Layers
from inspect_core.plan.peft_rules.matching import Ends, Selection, Wanted, tails
from inspect_core.plan.peft_rules.model_types import (
    CLASSIFIERS,
    FUSED,
    FUSED_PARAMETER,
    HEADS,
    IA3_FEEDFORWARD,
    IA3_TARGETS,
    LORA_EXPRESSIONS,
    LORA_TARGETS,
    MIXTURES,
    SAVED_BY_TASK,
    SAVED_LATE,
    TASKS,
    V4_NAMES,
)  # fmt: skip
from inspect_core.plan.plan import Place

ALL_LINEAR = "all-linear"
"""PEFT's word for every linear module but the output layer."""


MANY_TARGETS = 20
"""From so many targets on PEFT looks for ends of names that mean the same."""


class Refused(Exception):  # noqa: N818 - what peft would say, not a failure of ours
    """PEFT would refuse the placement; the text is for people, foreign text inside."""


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """What a placement is resolved for.

    Attributes:
        outline: the listing.
        layers: what its modules are.
        paths: for each module the path that the model's class has for it.
        family: the config's model_type; empty for a model that is none of the library's.
        budget: time for expressions.
    """

    outline: Outline
    layers: Layers
    paths: Sequence[str]
    family: str
    budget: Budget

    def hosts(self) -> Iterator[str]:
        """Paths of the modules that an adapter can be put on."""
        for module in self.modules():
            if self.layers.kind(module) in ADAPTABLE and self.outline.own(module):
                yield self.paths[module]

    def modules(self) -> Iterator[int]:
        """Modules as `named_modules` gives them: each object once, without the root."""
        shared = self.outline.facts.shared
        for module in range(1, len(self.paths)):
            if self.outline.paths[module] not in shared:
                yield module


def resolve(model: Model, place: Place) -> Wanted:
    """A placement as PEFT resolves it.

    Raises:
        Refused: PEFT would refuse it.
        UsageError: an expression is none, or takes too long.
    """
    _check(place)
    saved = tuple(dict.fromkeys((*place.modules_to_save, *SAVED_BY_TASK.get(place.task, ()))))
    made = Wanted(
        tuple(dict.fromkeys(place.targets)) or None, place.target_expression, (),
        dict(place.rank_pattern), saved, place.feedforward, {},
        place.modules_to_save if place.task in SAVED_LATE else saved,
    )  # fmt: skip
    naming = MIXTURES.get(model.family)
    if place.method != "ia3" and naming and not _apart(model.outline):
        made = _with_fused_experts(model, place, made, naming)
    if made.targets is None and not made.expression:
        made = _by_type(place, made, model.family)
    if made.expression.lower() == ALL_LINEAR:
        names = tuple(all_linear(model, place.task))
        made = replace(made, targets=names, expression="")
    many = made.targets is not None and len(made.targets) >= MANY_TARGETS
    if many and place.layers and made.targets:
        paths = [model.paths[module] for module in model.modules()]
        made = replace(made, targets=shortened(made.targets, paths))
    return made


def shortened(targets: Sequence[str], paths: Sequence[str]) -> tuple[str, ...]:
    """The ends of names that PEFT puts in the place of many targets.

    It matters where layers are chosen: a whole name is taken in any layer, an end is not.

    Args:
        targets: ends of names, and whole ones.
        paths: of all modules.
    """
    wanted = Ends(targets)
    others = {end for path in paths if not wanted.which(path) for end in tails(path)}
    ends: dict[str, None] = {}
    for target in sorted(targets, key=lambda name: list(tails(name))[::-1]):
        lengths = list(tails(target))
        for end in reversed(lengths):
            if end in ends or end in others:
                continue
            if not any(longer in ends for longer in lengths[1:]):
                ends[end] = None
                break
    return tuple(ends) if 0 < len(ends) < len(targets) else tuple(targets)


def _check(place: Place) -> None:
    """What PEFT's configs refuse whatever the model is."""
    if place.task and place.task not in TASKS:
        raise Refused(f"there is no task_type {place.task}")
    if place.targets and place.target_expression:
        raise Refused("target_modules is a list of names or one expression, not both")
    if place.method == "ia3":
        _check_ia3(place)
        return
    if place.feedforward:
        raise Refused("feedforward_modules belong to IA3")
    if place.target_expression and place.layers is not None:
        raise Refused("layers_to_transform cannot be used when target_modules is an expression")
    if place.target_expression and place.layers_pattern:
        raise Refused("layers_pattern cannot be used when target_modules is an expression")
    if place.layers_pattern and place.layers is None:
        raise Refused("layers_pattern needs layers_to_transform")


def _check_ia3(place: Place) -> None:
    none = Place()
    for key in ("layers", "layers_pattern", "rank_pattern", "alpha_pattern", "bias"):
        if getattr(place, key) != getattr(none, key):
            raise Refused(f"IA3 has no {key}")
    if place.targets and not set(place.feedforward) <= set(place.targets):
        raise Refused("feedforward_modules must be among target_modules")


def _by_type(place: Place, wanted: Wanted, family: str) -> Wanted:
    """The targets that PEFT takes for a model's type."""
    targets = (IA3_TARGETS if place.method == "ia3" else LORA_TARGETS).get(family)
    expression = "" if place.method == "ia3" else LORA_EXPRESSIONS.get(family, "")
    if targets is None and not expression:
        of = f" for model_type {family}" if family else ""
        raise Refused(f"name target modules: PEFT has no default{of}")
    if expression and place.layers is not None:
        targets = None  # set after the config was checked: layers are then passed over
    made = replace(wanted, targets=targets, expression=expression)
    if place.method == "ia3" and not made.feedforward:
        return replace(made, feedforward=IA3_FEEDFORWARD.get(family, ()))
    return made


def all_linear(model: Model, task: str) -> Iterator[str]:
    """Paths of all linear modules but the output layer, or the head of a classifier."""
    left_out = _output_layer(model, task)
    for module in model.modules():
        if model.layers.kind(module) in LINEAR and module != left_out:
            yield model.paths[module]


def _output_layer(model: Model, task: str) -> int | None:
    output = model.outline.facts.output
    if not model.family and output is None:
        return None  # PEFT asks only models of the library
    at = {path: module for module, path in enumerate(model.paths)}
    if output:
        return at.get(output)
    for head in HEADS if output is None else ():
        if head in at:
            return at[head]
        inside = next((path for path in at if path.endswith(f".{head}")), None)
        if inside is not None and head == "lm_head":
            return at[inside]
    if task == "SEQ_CLS":
        return next((at[head] for head in CLASSIFIERS if head in at), None)
    return None


def _apart(outline: Outline) -> bool:
    """Whether experts are stored one by one, as transformers 4 had them."""
    if FUSED_PARAMETER in outline.leaf:
        return False
    return any(".experts.0." in path for path in outline.paths)


def _with_fused_experts(model: Model, place: Place, wanted: Wanted, naming: str) -> Wanted:
    """Targets by the names of transformers 4, on experts that transformers 5 fuses."""
    new_names = V4_NAMES[naming]
    targets = wanted.targets or ()
    if wanted.expression:
        targets = tuple(sorted(_leaves(model, place, wanted, new_names)))
        if not targets:
            return wanted
    remapped: dict[str, str] = {}
    old: set[str] = set()
    for target in targets:
        name = next((n for n in new_names if target == n or target.endswith(f".{n}")), None)
        if name is not None:
            remapped[target] = new_names[name]
            old.add(name)
    parts = FUSED[naming]
    present = [part for part in parts if part in old]
    if 0 < len(present) < len(parts):
        missing = ", ".join(part for part in parts if part not in old)
        raise Refused(f"{', '.join(present)} needs {missing} too: they are one {FUSED_PARAMETER}")
    ranks = dict(wanted.ranks)
    if present:
        ranks[rf".*\.{re.escape(FUSED_PARAMETER)}"] = place.rank * len(parts)
    return replace(
        wanted,
        targets=tuple(target for target in targets if target not in remapped),
        expression="",
        parameters=tuple(sorted(set(remapped.values()))),
        ranks=ranks,
        remapped=remapped,
    )


def _leaves(model: Model, place: Place, wanted: Wanted, new_names: Mapping[str, str]) -> set[str]:
    """The last parts of the names that an expression takes, old names of experts among them."""
    if wanted.expression.lower() == ALL_LINEAR:
        found = {path.rpartition(".")[2] for path in all_linear(model, place.task)}
        return found | set(new_names)
    select = Selection(place, wanted, model.budget)

    def takes(path: str) -> bool:
        return not select.excluded(path) and not select.saved(path) and bool(select.targets(path))

    outline = model.outline
    homes: dict[str, set[str]] = {}
    found = {
        path.rpartition(".")[2]
        for path in map(model.paths.__getitem__, model.modules())
        if takes(path)
    }
    for tensor, leaf in enumerate(outline.leaf):
        if not outline.is_parameter(tensor):
            continue
        home = model.paths[outline.module[tensor]]
        homes.setdefault(leaf, set()).add(home)
        if takes(f"{home}.{leaf}" if home else leaf):
            found.add(leaf)
    for old, new in new_names.items():
        if old not in found and any(takes(f"{home}.{old}") for home in homes.get(new, ())):
            found.add(old)
    return found


def positive(rank: int) -> int:
    """A rank that PEFT accepts.

    Raises:
        Refused: it is not positive.
    """
    if rank <= 0:
        raise Refused(f"a rank must be positive, not {rank}")
    return rank
