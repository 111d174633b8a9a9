"""What somebody should know of a plan before it is carried out."""

from collections.abc import Iterator, Sequence

from inspect_core.plan.peft_rules.model_types import FUSED_PARAMETER, MIXTURES
from inspect_core.plan.plan import Freeze, Place, Plan
from inspect_core.plan.preview import Hits
from inspect_core.plan.working import Work
from inspect_core.text import clean

MOST = 40
"""Warnings that are given."""

_WHAT = {
    "target": "target", "exclude": "excluded module", "save": "module to save",
    "rank": "rank pattern", "alpha": "alpha pattern", "feedforward": "feed-forward module",
    "freeze": "pattern", "thaw": "pattern", "spare": "exclude pattern",
}  # fmt: skip
_SHOWN = 60


def warnings_of(work: Work, plan: Plan, hits: Sequence[Hits]) -> tuple[str, ...]:
    """One line for each thing that is probably not meant, safe to show.

    Args:
        work: the plan carried out.
        plan: the plan.
        hits: what its entries found.
    """
    found: list[str] = []
    for line in _all(work, plan, hits):
        if line not in found:
            found.append(line)
        if len(found) > MOST:
            return (*found[:MOST], "and more of that")
    return tuple(found)


def _all(work: Work, plan: Plan, hits: Sequence[Hits]) -> Iterator[str]:
    yield from _nothing_left(work, plan)
    yield from _missed(plan, hits)
    yield from _no_such_layers(work, plan)
    yield from _overruled(work, plan)
    yield from _bare_lists(work, plan)
    yield from _frozen_adapters(work)
    yield from _tied(work)
    yield from _experts(work, plan)
    yield from _ranks(work)
    yield from (clean(line) for line in work.remarks)


def _missed(plan: Plan, hits: Sequence[Hits]) -> Iterator[str]:
    for entry in hits:
        if entry.count or entry.refused:
            continue
        what, text = _WHAT[entry.kind], clean(entry.entry or "everything", _SHOWN)
        meant = f": did you mean {clean(entry.suggestion, 2 * _SHOWN)}?" if entry.suggestion else ""
        step = plan.steps[entry.step]
        within = " in these layers" if isinstance(step, Place) and step.layers else ""
        within = within if entry.kind == "target" else ""
        if isinstance(step, Place) and step.target_expression.isidentifier():
            meant = f': targets that are one text fit whole names; the end of one is ["{text}"]'
        where = f"step {entry.step + 1}: " if len(plan.steps) > 1 else ""
        yield f"{where}{what} {text} fits nothing{within}{meant}"


def _no_such_layers(work: Work, plan: Plan) -> Iterator[str]:
    numbers = sorted({number for _, number in work.outline.layers})
    for number, step in enumerate(plan.steps):
        asked = step.layers if isinstance(step, Place) else None
        away = [layer for layer in asked or () if layer not in set(numbers)]
        if away:
            where = f"step {number + 1}: " if len(plan.steps) > 1 else ""
            shown = ", ".join(map(str, away[:8])) + (", ..." if len(away) > 8 else "")
            there = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
            yield f"{where}no layer {shown}: the model's are {there}"


def _nothing_left(work: Work, plan: Plan) -> Iterator[str]:
    outline = work.outline
    tunable = any(
        not work.frozen[tensor] and outline.is_parameter(tensor) and outline.owner[tensor] == tensor
        for tensor in range(len(outline.names))
    )
    if plan.steps and not tunable and all(one.frozen for one in work.additions):
        yield "nothing is left to train"


def _overruled(work: Work, plan: Plan) -> Iterator[str]:
    """Steps before a placement: it freezes all, and heeds no freezing."""
    places = [at for at, step in enumerate(plan.steps) if isinstance(step, Place)]
    if not places or not work.placed:
        return
    for number, step in enumerate(plan.steps[: places[-1]]):
        if isinstance(step, Freeze) and step.thaw:
            yield (
                f"step {number + 1} thaws what the placement after it freezes again: "
                "thaw after the placement"
            )
    if work.under_frozen:
        path, count = (
            clean(work.outline.paths[work.under_frozen[0]], _SHOWN),
            len(work.under_frozen),
        )
        others = f" and {count - 1:,} more" if count > 1 else ""
        yield (
            f"an adapter is put on {path}{others} in a part that an earlier step froze: "
            "limit the layers, or exclude it"
        )


def _bare_lists(work: Work, plan: Plan) -> Iterator[str]:
    """PEFT sees no number of a layer in `layers.0.x`: something must stand before the list."""
    bare = next((path for path, _ in work.outline.layers if "." not in path), None)
    asked = any(isinstance(s, Place) and s.layers and not s.layers_pattern for s in plan.steps)
    if work.error and asked and bare is not None and work.model.paths is work.outline.paths:
        name = clean(bare, _SHOWN)
        yield f"PEFT finds no layers in names that begin with {name}.: give layers_pattern {name}"


def _frozen_adapters(work: Work) -> Iterator[str]:
    unused = {one.twin for one in work.additions}
    frozen = [one for at, one in enumerate(work.additions) if one.frozen and at not in unused]
    if frozen:
        path = clean(work.outline.paths[frozen[0].module], _SHOWN)
        yield f"{len(frozen):,} delta parameters are frozen and would not be trained: {path} ..."


def _tied(work: Work) -> Iterator[str]:
    outline = work.outline
    for tensor, owner in enumerate(outline.owner):
        if owner == tensor:
            continue
        one, other = (clean(outline.names[at], _SHOWN) for at in (owner, tensor))
        for module in (outline.module[owner], outline.module[tensor]):
            if module in work.wrappers:
                yield f"{one} is tied to {other}: an adapter on one does not change the other"
            if module in work.saved:
                yield f"{one} is tied to {other}: a copy that is trained is tied no more"
        if owner in work.thawed or tensor in work.thawed:
            yield f"{one} is tied to {other}: thawing one trains both"


def _experts(work: Work, plan: Plan) -> Iterator[str]:
    if MIXTURES.get(work.model.family) is None or not work.placed:
        return
    outline = work.outline
    adapted = [outline.paths[module] for module in work.wrappers]
    if FUSED_PARAMETER not in outline.leaf:
        if any(".experts." in path for path in adapted):
            yield (
                "experts are stored one by one here, and transformers 5 fuses them: PEFT then "
                "adapts the fused parameters, whose adapters have other names and sizes"
            )
        return
    fused = any(path.endswith("experts") for path in adapted)
    if fused and any(step.layers for step in work.placed):
        yield "layers do not limit adapters on fused experts: PEFT puts them in all layers"


def _ranks(work: Work) -> Iterator[str]:
    for addition in work.additions:
        name, shape = addition.made.stored, addition.made.shape
        if name.startswith("lora_A") and len(shape) == 2 and shape[0] > shape[1]:
            path = clean(work.outline.paths[addition.module], _SHOWN)
            yield f"a rank of {shape[0]:,} is more than the {shape[1]:,} inputs of {path}"
            return
