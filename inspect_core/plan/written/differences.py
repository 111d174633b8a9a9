"""Two plans side by side: their steps, and what they train of a model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from difflib import SequenceMatcher
from math import prod
from typing import Literal

from inspect_core.plan.plan import Pattern, Plan, Precision, Step
from inspect_core.plan.written.spelling import described, spelled_layers, typed
from inspect_core.structure.fold import is_index
from inspect_core.structure.patterns import NUMBER
from inspect_core.text import clean

Mark = Literal[" ", "-", "+", "?"]
"""In both, in the one only, in the other only, and what differs in a step of both."""

_MOST_NAMED = 8
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of two plans side by side.

    Attributes:
        mark: see `Mark`.
        text: safe to show.
    """

    mark: Mark
    text: str

    def __str__(self) -> str:
        return f"{self.mark} {self.text}"


def differences(one: Plan, other: Plan) -> tuple[Difference, ...]:
    """What two plans say, step by step; none of the marks but ` ` where they say the same."""
    lines: list[Difference] = []
    if one.base != other.base:
        lines.append(Difference("?", f"base: {_shown(one.base)} -> {_shown(other.base)}"))
    lines += [
        Difference("?", f"memory of {line}") for line in _fields(one.precision, other.precision)
    ]
    # Steps are told apart by their text: the tables in them cannot be hashed.
    before, after = [repr(step) for step in one.steps], [repr(step) for step in other.steps]
    match = SequenceMatcher(None, before, after)
    for kind, a, b, c, d in match.get_opcodes():
        if kind == "equal":
            lines += [Difference(" ", _numbered(at, one.steps[at])) for at in range(a, b)]
        elif kind == "replace" and b - a == d - c:
            for at, there in zip(range(a, b), range(c, d), strict=True):
                lines += _changed(at, one.steps[at], there, other.steps[there])
        else:
            lines += [Difference("-", _numbered(at, one.steps[at])) for at in range(a, b)]
            lines += [Difference("+", _numbered(at, other.steps[at])) for at in range(c, d)]
    return tuple(lines)


def _numbered(at: int, step: Step) -> str:
    return clean(f"{at + 1}. {described(step, _MOST_NAMED)}", 2 * _SHOWN)


def _changed(at: int, step: Step, there: int, other: Step) -> Iterator[Difference]:
    yield Difference("-", _numbered(at, step))
    yield Difference("+", _numbered(there, other))
    if type(step) is type(other):
        yield from [Difference("?", f"  {line}") for line in _fields(step, other)]


def _fields(one: Step | Precision, other: Step | Precision) -> list[str]:
    assert is_dataclass(one)
    found = []
    for field in fields(one):
        before, after = getattr(one, field.name), getattr(other, field.name)
        if before == after:
            continue
        if isinstance(before, tuple) and isinstance(after, tuple) and field.name != "layers":
            ours, theirs = set(before), set(after)
            gone = [_item(item) for item in before if item not in theirs]
            new = [_item(item) for item in after if item not in ours]
            parts = [f"-{item}" for item in gone[:_MOST_NAMED]]
            parts += [f"+{item}" for item in new[:_MOST_NAMED]]
            more = max(0, len(gone) - _MOST_NAMED) + max(0, len(new) - _MOST_NAMED)
            parts += [f"and {more:,} more"] if more else []
            parts = parts or ["in another order"]
            found.append(f"{field.name}: {' '.join(parts)}")
        else:
            found.append(f"{field.name}: {_value(before)} -> {_value(after)}")
    return found


def _item(item: object) -> str:
    text = typed(item) or item.text if isinstance(item, Pattern) else str(item)
    return clean(text, 60)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = [f"{clean(str(key), 40)}={number:g}" for key, number in value.items()]
        return " ".join(pairs[:_MOST_NAMED]) or "none"
    if isinstance(value, tuple):
        return clean(spelled_layers(value)) or "none"
    if value is None:
        return "all"
    return f"{value:g}" if isinstance(value, float) else _shown(str(value))


def _shown(text: str) -> str:
    return clean(text, _SHOWN) or "none"


@dataclass(frozen=True, slots=True)
class TrainedKind:
    """Parameters that only one of two plans trains, alike but for the numbers in their names.

    Attributes:
        mark: `-` where only the one trains them, `+` where only the other does, `?` where both
            do, in other shapes.
        kind: the name, with `{n}` for numbers; foreign text.
        tensors: how many there are.
        params: their elements; of other shapes how many the other one has.
        change: the sizes that differ: `8 -> 16`.
    """

    mark: Mark
    kind: str
    tensors: int
    params: int
    change: str = ""


Trained = Mapping[str, tuple[int, ...]]
"""Shapes of what is trained, by name; see `trainable_names`."""


def trained_differences(one: Trained, other: Trained) -> tuple[TrainedKind, ...]:
    """What only one of two plans trains of a model, and what both do in other shapes.

    Args:
        one: what the one trains.
        other: what the other trains.
    """
    found: list[TrainedKind] = []
    sides: tuple[tuple[Mark, Trained, Trained], ...] = (("-", one, other), ("+", other, one))
    for mark, here, there in sides:
        kinds: dict[str, list[int]] = {}
        for name, shape in here.items():
            if name not in there:
                kinds.setdefault(_kind(name), []).append(prod(shape))
        for kind, sizes in kinds.items():
            found.append(TrainedKind(mark, kind, len(sizes), sum(sizes)))
    changed: dict[tuple[str, str], list[int]] = {}
    for name, shape in one.items():
        if name in other and other[name] != shape:
            key = _kind(name), _change(shape, other[name])
            changed.setdefault(key, []).append(prod(other[name]))
    found += [TrainedKind("?", kind, len(n), sum(n), how) for (kind, how), n in changed.items()]
    return tuple(found)


def _change(one: tuple[int, ...], other: tuple[int, ...]) -> str:
    """What differs between two shapes: the one size, or all of them."""
    pairs = list(zip(one, other, strict=False))
    differ = [(a, b) for a, b in pairs if a != b]
    if len(one) == len(other) and len(differ) == 1:
        return "{} -> {}".format(*differ[0])
    return f"{one} -> {other}"


def _kind(name: str) -> str:
    plain = name.removeprefix("base_model.model.")
    return ".".join([NUMBER if is_index(part) else part for part in plain.split(".")])
