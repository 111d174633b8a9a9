"""From the options of `lamella plan`, in their order, to the steps of a plan."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Freeze, Method, Place, Step
from inspect_core.plan.written.file_fields import MOST_ALPHA
from inspect_core.plan.written.spelling import layers_of, pattern_of

ALL_LINEAR, AUTO, REGEX = "all-linear", "auto", "re:"

_METHODS: dict[str, Method] = {"lora": "lora", "dora": "dora", "ia3": "ia3"}
_LISTS = {
    "exclude_modules": "exclude", "save_modules": "modules_to_save", "feedforward": "feedforward",
    "layers_pattern": "layers_pattern",
}  # fmt: skip
_PLAIN = {
    "rank": "rank", "alpha": "alpha", "rslora": "rslora", "bias": "bias", "task": "task",
    "fan_in_fan_out": "fan_in_fan_out", "dropout": "dropout",
}  # fmt: skip
_SETTINGS = {"layers", "rank_pattern", "alpha_pattern", *_LISTS, *_PLAIN}
_FREEZING = {"freeze", "thaw"}
STEPS = {*_FREEZING, "exclude", *_METHODS, *_SETTINGS}
"""Options that make steps, by the names of their parameters."""


def steps_of(given: Iterable[tuple[str, Any]]) -> tuple[Step, ...]:
    """The steps that options make.

    Options of one kind in a row are one step; what belongs to a step stands behind it.

    Args:
        given: names of parameters and their values, as they were typed; others are skipped.

    Raises:
        UsageError: a value is none, or an option has no step to belong to.
    """
    steps: list[Step] = []
    last = ""
    for name, value in given:
        if name not in STEPS:
            continue
        if name in _FREEZING or name in _METHODS:
            if name == last:
                steps[-1] = _widened(steps[-1], value)
            else:
                steps.append(_begun(name, value))
        else:
            _require_step(name, steps)
            steps[-1] = _with(steps[-1], name, value)
        last = name
    return tuple(steps)


def _begun(name: str, value: str) -> Step:
    if name in _FREEZING:
        return Freeze((pattern_of(value),), name == "thaw")
    return _targeted(Place(_METHODS[name]), value)


def _widened(step: Step, value: str) -> Step:
    if isinstance(step, Freeze):
        return replace(step, patterns=(*step.patterns, pattern_of(value)))
    if step.target_expression or not step.targets or _is_one(value):
        raise UsageError("targets that are an expression stand alone", where=f"--{step.method}")
    return _targeted(step, value)


def _is_one(value: str) -> bool:
    return value in (ALL_LINEAR, AUTO) or value.startswith(REGEX)


def _targeted(place: Place, value: str) -> Place:
    if value == AUTO:
        return place
    if _is_one(value):
        return replace(place, target_expression=value.removeprefix(REGEX))
    return replace(place, targets=(*place.targets, *_names(f"--{place.method}", value)))


def _names(option: str, value: str) -> tuple[str, ...]:
    names = tuple([name.strip() for name in value.split(",")])
    if not all(names):
        raise UsageError("names nothing", where=option, hint="names stand with commas between")
    return names


def _require_step(name: str, steps: list[Step]) -> None:
    freezing = name == "exclude"
    wanted = Freeze if freezing else Place
    if not steps or not isinstance(steps[-1], wanted):
        before = "--freeze or --thaw" if freezing else "--lora, --dora or --ia3"
        raise UsageError(f"belongs behind a {before}", where=_option(name))


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _with(step: Step, name: str, value: Any) -> Step:
    """A step with one setting more."""
    if isinstance(step, Freeze):
        return replace(step, exclude=(*step.exclude, pattern_of(value)))
    change: dict[str, Any]
    if name in _LISTS:
        before: tuple[str, ...] = getattr(step, _LISTS[name])
        change = {_LISTS[name]: (*before, *_names(_option(name), value))}
        return replace(step, **change)
    if name == "layers":
        return replace(step, layers=tuple(dict.fromkeys((*(step.layers or ()), *layers_of(value)))))
    if name == "rank_pattern":
        key, number = _pair(name, value)
        if number < 1 or number != int(number):
            raise UsageError("a rank is a whole number from 1 on", where=_option(name))
        return replace(step, rank_pattern={**step.rank_pattern, key: int(number)})
    if name == "alpha_pattern":
        key, number = _pair(name, value)
        return replace(step, alpha_pattern={**step.alpha_pattern, key: number})
    if name == "alpha" and not abs(value) <= MOST_ALPHA:  # nor NaN
        raise UsageError(f"is a number up to {MOST_ALPHA:g}", where="--alpha")
    change = {_PLAIN[name]: value}
    return replace(step, **change)


def _pair(name: str, value: str) -> tuple[str, float]:
    key, equals, text = value.rpartition("=")
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not key or not equals or not abs(number) <= MOST_ALPHA:
        raise UsageError("is typed as NAME=8", where=_option(name))
    return key, number
