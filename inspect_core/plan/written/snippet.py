"""A plan as a piece of Python to paste: plain torch, and peft where adapters are placed.

Every foreign text in it is a Python literal in ASCII or a comment of safe text: what a model
calls its modules cannot become code.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from inspect_core.plan.plan import Freeze, Pattern, Place, Plan
from inspect_core.plan.written.export import config_of, placement_of
from inspect_core.plan.written.files import shown_steps
from inspect_core.plan.written.spelling import ALL, described
from inspect_core.structure.build import NO_FACTS, ModuleFacts
from inspect_core.structure.patterns import translated
from inspect_core.structure.tree import LeafSpec

_HITS = '''\
def hits(name, patterns):
    """Whether a parameter, or a module on the way to it, fits one of the patterns."""
    parts = name.split(".")
    paths = [".".join(parts[:length]) for length in range(len(parts) + 1)]
    return any(re.fullmatch(pattern, path) for pattern in patterns for path in paths)'''

_IS_DELTA = '''\
def is_delta(name):
    """Whether peft added a parameter."""
    parts = name.split(".")
    return any(part.startswith(("lora_", "ia3_")) or part == "modules_to_save" for part in parts)'''

_OWN_NAME = '''\
def own_name(name):
    """A parameter's name as the plan has it."""'''

_UNWRAPPED = """\
    name = name.removeprefix("base_model.model.").removesuffix(".default")
    for wrapper in (
        ".base_layer.", ".modules_to_save.default.", ".original_module.", ".default."
    ):
        while wrapper in name:
            name = name.replace(wrapper, ".")"""

_OMITTED: dict[str, Any] = {
    "base_model_name_or_path": None, "inference_mode": False, "lora_dropout": 0.0, "bias": "none",
    "use_dora": False, "use_rslora": False, "init_lora_weights": True, "init_ia3_weights": True,
    "fan_in_fan_out": False, "rank_pattern": {}, "alpha_pattern": {},
}  # fmt: skip
"""What PEFT takes where nothing is given."""

_PARAMETERS = "model.named_parameters(remove_duplicate=False)"
"""All names of each parameter: a plan may name a tied one by any of them."""

_LONG = 70
"""Characters of a condition that stand on one line."""


def snippet(
    plan: Plan,
    names: Sequence[str] = (),
    specs: Sequence[LeafSpec] = (),
    facts: ModuleFacts = NO_FACTS,
    config: Mapping[str, object] | None = None,
) -> str:
    """Python that does a plan to a variable called `model`.

    Args:
        plan: what to do.
        names: the model's tensors: with them the snippet says how many parameters it should
            find trained; several placements need them.
        specs: one for each name.
        facts: what is known about the modules.
        config: the model's config.json.

    Raises:
        UsageError: the placements cannot be said as one PEFT config, or a pattern is wrong.
    """
    places = [at for at, step in enumerate(plan.steps) if isinstance(step, Place)]
    # What is frozen before the last placement is overruled by it.
    last = places[-1] + 1 if places else 0
    freezing = [step for step in plan.steps[last:] if isinstance(step, Freeze)]
    said = [f"#   {line}" for line in shown_steps(plan)]
    top = ["\n".join(["# Made by lamella. `model` is the model to train; the plan:", *said])]
    imports = ["import re", ""] if freezing else []
    body = []
    if places:
        place = placement_of(plan, names, specs, facts, config)
        kind = "IA3Config" if place.method == "ia3" else "LoraConfig"
        imports.append(f"from peft import {kind}, get_peft_model")
        body.append(_placing(place, kind))
    own_name = _own_name(freezing, facts, bool(places))
    name = "own_name(name)" if own_name else "name"
    body += [_freezing(step, name, bool(places)) for step in freezing]
    body.append(_count(plan, names, specs, facts, config))
    functions = [_HITS, own_name, _IS_DELTA if places else ""] if freezing else []
    sections = ["\n\n".join([*top, "\n".join(imports)]), *functions, "\n\n".join(body)]
    gap = "\n\n\n" if functions else "\n\n"
    return gap.join([section.strip("\n") for section in sections if section]) + "\n"


def _placing(place: Place, kind: str) -> str:
    settings = config_of(place)
    settings.pop("peft_type")
    lines = [
        f"    {key}={value!a},"
        for key, value in settings.items()
        if value is not None and (key not in _OMITTED or value != _OMITTED[key])
    ]
    call = "\n".join([f"config = {kind}(", *lines, ")"])
    return f"{call}\nmodel = get_peft_model(model, config)  # freezes all but the adapter"


def _own_name(steps: Sequence[Freeze], facts: ModuleFacts, wrapped: bool) -> str:
    """How a live parameter's name becomes that of the plan: without wrappers, as in the file.

    Empty where it is the same.
    """
    strip, add = facts.renamed
    lines = [_UNWRAPPED] if wrapped else []
    patterns = [one for step in steps for one in (*step.patterns, *step.exclude)]
    if strip != add and any(one.how != "end" and one != ALL for one in patterns):
        lines += [
            f"    if name.startswith({add!a}):  # the file that was planned on lacks this",
            f"        name = {strip!a} + name[{len(add)}:]",
        ]
    return "\n".join([_OWN_NAME, *lines, "    return name"]) if lines else ""


def _freezing(step: Freeze, name: str, wrapped: bool) -> str:
    """A loop over the parameters for one step; `name` is what finds the name in the plan."""
    conditions = [_reached(step, name, wrapped)]
    if step.exclude:
        conditions.append("id(parameter) not in spared")
    if wrapped and step.thaw:
        conditions.append('".original_module." not in name')
    wanted = [condition for condition in conditions if condition]
    lines = [f"# {described(step)}"]
    if step.exclude:
        lines += [
            "spared = {  # by parameter: one that is tied has several names",
            f"    id(parameter) for name, parameter in {_PARAMETERS}",
            f"    if hits({name}, {_listed(step.exclude)})",
            "}",
        ]
    lines.append(f"for name, parameter in {_PARAMETERS}:")
    if len(" and ".join(wanted)) < _LONG:
        lines += [f"    if {' and '.join(wanted)}:"] if wanted else []
    else:
        more = [f"        and {condition}" for condition in wanted[1:]]
        lines += ["    if (", f"        {wanted[0]}", *more, "    ):"]
    indent = "        " if wanted else "    "
    return "\n".join([*lines, f"{indent}parameter.requires_grad = {step.thaw}"])


def _reached(step: Freeze, name: str, wrapped: bool) -> str:
    """The condition for what a step's patterns reach; empty where that is everything."""
    if ALL not in step.patterns:
        return f"hits({name}, {_listed(step.patterns)})"
    if step.thaw or not wrapped:
        return ""
    # Freezing everything freezes no adapter; a pattern that names one does.
    others = [pattern for pattern in step.patterns if pattern != ALL]
    named = f" or hits({name}, {_listed(others)})" if others else ""
    return f"(not is_delta(name){named})"


def _listed(patterns: Sequence[Pattern]) -> str:
    return "[" + ", ".join([_literal(expression_of(pattern)) for pattern in patterns]) + "]"


def _literal(text: str) -> str:
    """A text as Python, without doubled backslashes where it can be said without."""
    plain = text.isascii() and text.isprintable() and '"' not in text and text[-1:] != "\\"
    return f'r"{text}"' if plain and "\\" in text else ascii(text)


def expression_of(pattern: Pattern) -> str:
    """A pattern as one regular expression over the whole of a path."""
    import re

    if pattern.how == "regex":
        return pattern.text
    if pattern.how == "glob":
        return translated(pattern.text).replace("{1,19}+", "+")  # older Pythons know no `}+`
    escaped = re.escape(pattern.text)
    return escaped if pattern.how == "exact" else rf"(?:(?s:.*)\.)?{escaped}"


def _count(
    plan: Plan,
    names: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts,
    config: Mapping[str, object] | None,
) -> str:
    line = "trained = sum(p.numel() for p in model.parameters() if p.requires_grad)"
    if not names:
        return f"{line}\nprint(trained, 'parameters are trained')"
    from inspect_core.plan.preview import preview

    expected = preview(names, specs, facts, plan, config).totals.tunable
    return f"{line}\nprint(trained, 'parameters are trained; the plan has {expected}')"
