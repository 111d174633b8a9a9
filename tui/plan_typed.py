"""From what is typed in the prompts of plan mode to steps of a plan. Knows no widget."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from inspect_core.errors import UsageError
from inspect_core.plan.dtypes import dtype_of_field
from inspect_core.plan.plan import Freeze, Method, Place, Precision
from inspect_core.plan.written.file_fields import MOST_ALPHA
from inspect_core.plan.written.spelling import layers_of, pattern_of, spelled_layers

if TYPE_CHECKING:
    from inspect_core.plan.preview import Preview

Trial = Callable[["Preview | None", str], None]
"""Takes what a plan would do, or None and why it cannot be tried."""

BUT_NOT = " - "
"""Between the patterns and what stays as it is."""

ALL_LINEAR = "all-linear"

MOST_RANK = 1_000_000

EXAMPLES = {
    "rank": "8",
    "alpha": "16",
    "targets": "query,value   or all-linear   or re:...   empty: PEFT's own",
    "layers": "all, or 0-5,7",
    "exclude": "ends of names",
    "save": "trained as they are: classifier",
    "ranks": "name=4",
    "alphas": "name=8",
}
"""What may be typed of a placement, by the key of its field."""


def freeze_of(text: str, thaw: bool = False) -> Freeze:
    """The step of what was typed: patterns, and after ` - ` what stays as it is.

    Raises:
        UsageError: it is no pattern.
    """
    names, _, but = f" {text.strip()} ".partition(BUT_NOT)
    patterns = tuple(pattern_of(word) for word in _words(names))
    if not patterns:
        raise UsageError("no names were typed", hint="* alone is all there is")
    return Freeze(patterns, thaw, tuple(pattern_of(word) for word in _words(but)))


def _words(text: str) -> list[str]:
    """Patterns are apart by blanks; an expression is all the rest: it may hold blanks."""
    found: list[str] = []
    rest = text.strip()
    while rest and not rest.startswith("re:"):
        word, _, rest = rest.partition(" ")
        found += [part for part in word.split(",") if part]
        rest = rest.strip()
    return [*found, rest] if rest else found


def typed_fields(place: Place) -> dict[str, str]:
    """What is typed in each field for a placement."""
    expression = place.target_expression
    if expression and expression != ALL_LINEAR:
        expression = f"re:{expression}"
    return {
        "rank": str(place.rank),
        "alpha": f"{place.alpha:g}",
        "targets": expression or ",".join(place.targets),
        "layers": "" if place.layers is None else spelled_layers(place.layers),
        "exclude": ",".join(place.exclude),
        "save": ",".join(place.modules_to_save),
        "ranks": " ".join(f"{name}={rank}" for name, rank in place.rank_pattern.items()),
        "alphas": " ".join(f"{name}={alpha:g}" for name, alpha in place.alpha_pattern.items()),
    }


def place_from(before: Place, method: str, scale: str, typed: Mapping[str, str]) -> Place:
    """The placement of what was typed.

    Args:
        before: has what no field has: feedforward, bias, task and so on.
        method: `lora`, `dora` or `ia3`.
        scale: `rslora` or another word.
        typed: text of each field, by the keys of `EXAMPLES`.

    Raises:
        UsageError: a field holds something else than it should; says which.
    """
    from dataclasses import replace

    expression = ""
    targets: tuple[str, ...] = ()
    if typed["targets"].strip().startswith("re:"):
        expression = typed["targets"].strip().removeprefix("re:")
    elif typed["targets"].strip() == ALL_LINEAR:
        expression = ALL_LINEAR
    else:
        targets = _names(typed["targets"])
    layers = layers_of(typed["layers"].strip()) if typed["layers"].strip() else None
    ia3 = method == "ia3"
    return replace(
        before,
        method=cast(Method, method),
        targets=targets,
        target_expression=expression,
        rank=before.rank if ia3 else _whole("rank", typed["rank"]),
        alpha=before.alpha if ia3 else _number("alpha", typed["alpha"]),
        rslora=scale == "rslora" and not ia3,
        layers=layers,
        layers_pattern=before.layers_pattern if layers is not None else (),
        exclude=_names(typed["exclude"]),
        modules_to_save=_names(typed["save"]),
        rank_pattern={n: _whole("other ranks", v) for n, v in _pairs("ranks", typed["ranks"])},
        alpha_pattern={n: _number("other alphas", v) for n, v in _pairs("alphas", typed["alphas"])},
    )


def precision_from(weights: str, adapter: str, gradients: str, optimizer: str) -> Precision:
    """The dtypes that memory is counted in.

    Raises:
        UsageError: one of them is no dtype.
    """
    given = {
        "weights": weights, "adapter": adapter, "gradients": gradients, "optimizer": optimizer,
    }  # fmt: skip
    return Precision(**{key: dtype_of_field(key, text) for key, text in given.items()})


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.replace(",", " ").split()))


def _pairs(field: str, text: str) -> list[tuple[str, str]]:
    pairs = [word.rpartition("=") for word in text.replace(",", " ").split()]
    if any(not name or not equals for name, equals, _ in pairs):
        raise UsageError("is typed as name=4", where=f"other {field}")
    return [(name, value) for name, _, value in pairs]


def _whole(field: str, text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 8) or not 0 < int(text) <= MOST_RANK:
        raise UsageError("is a whole number from 1 on", where=field)
    return int(text)


def _number(field: str, text: str) -> float:
    from math import isfinite

    try:
        value = float(text.strip())
    except ValueError:
        value = float("nan")
    if not isfinite(value) or abs(value) > MOST_ALPHA:
        raise UsageError(f"is a number up to {MOST_ALPHA:g}", where=field)
    return value
