"""How patterns, layers and steps are typed, and how they are said.

One spelling for the command line, the app's prompts and plan files: `query` is the end of a
dotted name, `*.layer.[0-3]` a shell pattern, `re:...` a regular expression, `=lm_head` just
that name, and `*` alone is all there is.
"""

from collections.abc import Iterable, Sequence

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Freeze, How, Pattern, Place, Step
from inspect_core.structure.patterns import NUMBER
from inspect_core.text import clean

ALL = Pattern("", "exact")
"""Everything there is."""

MOST_LAYER = 100_000
"""No model has a layer of this number: a typing error must not make a million of them."""

_REGEX, _EXACT, _EVERYTHING = "re:", "=", "*"
_SHOWN = 60


def pattern_of(text: str) -> Pattern:
    """The pattern that somebody typed.

    Raises:
        UsageError: nothing was typed.
    """
    if text == _EVERYTHING:
        return ALL
    if text.startswith(_REGEX) and len(text) > len(_REGEX):
        return Pattern(text.removeprefix(_REGEX), "regex")
    if text.startswith(_EXACT) and len(text) > len(_EXACT):
        return Pattern(text.removeprefix(_EXACT), "exact")
    if not text or text in (_REGEX, _EXACT):
        raise UsageError("an empty pattern fits nothing", hint="* alone is all there is")
    how: How = "glob" if NUMBER in text or any(char in text for char in "*?[") else "end"
    return Pattern(text, how)


def typed(pattern: Pattern) -> str | None:
    """What to type for a pattern; None for the few that cannot be typed."""
    prefixes = {"regex": _REGEX, "exact": _EXACT}
    text = prefixes.get(pattern.how, "") + pattern.text
    text = _EVERYTHING if pattern == ALL else text
    try:
        return text if pattern_of(text) == pattern else None
    except UsageError:
        return None


def layers_of(text: str) -> tuple[int, ...]:
    """The layers of `0-3,7`, in the order in which they are given, each once.

    Raises:
        UsageError: it is not numbers and ranges of them.
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        numbers = [first.strip(), last.strip() if dash else first.strip()]
        if not all(n.isascii() and n.isdigit() and len(n) <= 6 for n in numbers):
            raise UsageError(f"'{clean(part, 40)}' is no layer", hint="layers are typed as 0-3,7")
        start, stop = int(numbers[0]), int(numbers[1])
        if start > stop or stop > MOST_LAYER:
            raise UsageError(f"'{clean(part, 40)}' is no range of layers", hint="as 0-3,7")
        found.update(dict.fromkeys(range(start, stop + 1)))
    return tuple(found)


def spelled_layers(layers: Iterable[int]) -> str:
    """Layers in short: `0-3,7`."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def described(step: Step, most: int = 4) -> str:
    """A step in words, safe to show: `LoRA r=8 alpha=16 on query, value, layers 2-5`.

    Args:
        step: what to describe.
        most: names of a list that are given; of the others the number.
    """
    return _freezing(step, most) if isinstance(step, Freeze) else _placement(step, most)


def _freezing(step: Freeze, most: int) -> str:
    patterns = "everything" if ALL in step.patterns else _named(step.patterns, most)
    but = f" but not {_named(step.exclude, most)}" if step.exclude else ""
    return f"{'thaw' if step.thaw else 'freeze'} {patterns}{but}"


def _placement(step: Place, most: int) -> str:
    method = {"lora": "LoRA", "dora": "DoRA", "ia3": "IA3"}[step.method]
    parts = [method]
    if step.method != "ia3":
        scale = " rsLoRA" if step.rslora else ""
        parts.append(f"r={step.rank} alpha={step.alpha:g}{scale}")
    parts.append(f"on {_targets(step, most)}")
    words = " ".join(parts)
    more = []
    if step.layers:
        within = f" of {_listed(step.layers_pattern, most)}" if step.layers_pattern else ""
        more.append(f"layers {clean(spelled_layers(step.layers))}{within}")
    ranks = [f"{clean(name, _SHOWN)}={rank}" for name, rank in step.rank_pattern.items()]
    alphas = [f"{clean(name, _SHOWN)}={alpha:g}" for name, alpha in step.alpha_pattern.items()]
    for title, names in (
        ("but not", [clean(name, _SHOWN) for name in step.exclude]),
        ("rank", ranks),
        ("alpha", alphas),
        ("feedforward", [clean(name, _SHOWN) for name in step.feedforward]),
        ("saving", [clean(name, _SHOWN) for name in step.modules_to_save]),
    ):
        if names:
            more.append(f"{title} {_some(names, most)}")
    if step.fan_in_fan_out:
        more.append("weights stored (in, out)")
    if step.bias != "none":
        more.append(f"bias {clean(step.bias, 20)}")
    if step.dropout:
        more.append(f"dropout {step.dropout:g}")
    if step.task:
        more.append(clean(step.task, _SHOWN))
    return ", ".join([words, *more])


def _targets(step: Place, most: int) -> str:
    if step.target_expression:
        return clean(step.target_expression, 2 * _SHOWN)
    return _listed(step.targets, most) if step.targets else "what PEFT takes for the model's type"


def _named(patterns: Sequence[Pattern], most: int) -> str:
    names = [clean(typed(one) or f"{one.how}:{one.text}", _SHOWN) for one in patterns]
    return _some(names, most)


def _listed(names: Sequence[str], most: int) -> str:
    return _some([clean(name, _SHOWN) for name in names], most)


def _some(names: Sequence[str], most: int) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
