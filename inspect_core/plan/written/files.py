"""Plan files: TOML that people read, write and send to each other; read strictly.

A plan is `[[step]]` tables: `freeze = ["embeddings", "layer.0"]`, or `thaw`, with `exclude` for
what stays as it is; or `place = "lora"` with `targets`, `rank`, `layers = "2-5"` and what else
`Place` has.
"""

import re
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from inspect_core.checkpoint.byte_source import read_whole
from inspect_core.errors import UsageError
from inspect_core.new_file import write_new
from inspect_core.plan.plan import Freeze, Pattern, Place, Plan, Precision, Step
from inspect_core.plan.written.file_fields import Fields, Wrong
from inspect_core.plan.written.spelling import described, layers_of, spelled_layers, typed
from inspect_core.text import clean

MOST_BYTES = 1 << 20
"""Size of the largest plan accepted: some 20,000 full names."""

MOST_STEPS = 1000
"""Steps of a plan: each is tried on every name."""

MOST_DOTS = 32
"""Dots outside of texts in one line: the parser's time grows with the square of a dotted key."""

VERSION = 1
"""What `lamella_plan` says; a later one is refused."""

_EXAMPLE = 'a step is [[step]] with freeze = ["embeddings"], or with place = "lora" and targets'
_TEXTS = re.compile(
    r'"{3}(?:[^"\\]|\\.|"(?!""))*+"{0,5}'
    r"|'{3}(?:[^']|'(?!''))*+'{0,5}"
    r'|"(?:[^"\\\n]|\\.)*+"?' + r"|'[^'\n]*+'?|#[^\n]*+",
    re.DOTALL,
)
"""Texts and comments of TOML, closed or not: no start of one is looked at twice."""

_FREEZE = ("freeze", "thaw", "exclude")
_PLACE = (
    "place", "targets", "rank", "alpha", "rslora", "layers", "layers_pattern", "exclude",
    "rank_pattern", "alpha_pattern", "modules_to_save", "feedforward", "fan_in_fan_out", "bias",
    "task", "dropout",
)  # fmt: skip
_MEMORY = ("weights", "adapter", "gradients", "optimizer")
_LORA = {"lora", "dora"}


def read_plan(path: "str | PathLike[str]") -> Plan:
    """Read a plan file.

    Raises:
        CheckpointError: the file cannot be read.
        UsageError: it is not a plan; says which step and which key is wrong.
    """
    raw = read_whole(Path(path), MOST_BYTES)
    try:
        return plan_of(raw)
    except Wrong as error:
        raise UsageError(str(error), where=fspath(path), hint=_EXAMPLE) from None


def plan_of(raw: bytes) -> Plan:
    """The plan in the bytes of a file.

    Raises:
        Wrong: it is none.
    """
    import tomllib

    try:
        text = raw.decode("utf-8-sig")
        _require_short_keys(text)
        content = tomllib.loads(text)
    except RecursionError:
        raise Wrong("not TOML: nested too deep") from None
    except ValueError as error:  # tomllib's own, UTF-8's, and that of a number of 5,000 digits
        if isinstance(error, Wrong):
            raise
        raise Wrong(f"not TOML: {error}") from None
    return _plan(Fields("", content))


def _require_short_keys(text: str) -> None:
    for line in _TEXTS.sub('""', text).split("\n"):
        if line.count(".") > MOST_DOTS:
            raise Wrong(f"not a plan: a line with more than {MOST_DOTS} dots outside of texts")


def _plan(fields: Fields) -> Plan:
    fields.only(("lamella_plan", "base", "memory", "step"))
    version = fields.integer("lamella_plan", VERSION, 1)
    if version > VERSION:
        raise Wrong("lamella_plan: made by a newer lamella, which says more than can be read here")
    tables = fields.tables("step", MOST_STEPS)
    steps = tuple(_step(Fields(f"step {at}", table)) for at, table in enumerate(tables, 1))
    plan = Plan(steps, _precision(fields.table("memory")), fields.text("base", ""))
    if not fields.has("lamella_plan") and not fields.has("step"):
        raise Wrong("not a plan: it has neither lamella_plan nor a step")
    return plan


def _precision(fields: Fields) -> Precision:
    fields.only(_MEMORY)
    default = Precision()
    return Precision(**{key: fields.dtype(key, getattr(default, key)) for key in _MEMORY})


def _step(fields: Fields) -> Step:
    kinds = [key for key in ("freeze", "thaw", "place") if fields.has(key)]
    if len(kinds) != 1:
        raise Wrong(f"{fields.where}: needs one of freeze, thaw and place, and only one")
    if kinds != ["place"]:
        fields.only(_FREEZE)
        patterns = fields.patterns(kinds[0])
        if not patterns:
            raise Wrong(f"{fields.where}: {kinds[0]} names nothing")
        return Freeze(patterns, kinds == ["thaw"], fields.patterns("exclude"))
    fields.only(_PLACE)
    return _place(fields)


def _place(fields: Fields) -> Place:
    default = Place()
    expression = fields.text("targets", "") if fields.is_text("targets") else ""
    layers = _layers(fields)
    return Place(
        method=fields.word("place", "lora", ("lora", "dora", "ia3")),
        targets=() if expression else fields.texts("targets"),
        target_expression=expression,
        rank=fields.integer("rank", default.rank, 1),
        alpha=fields.number("alpha", default.alpha),
        rslora=fields.flag("rslora"),
        layers=layers,
        layers_pattern=fields.texts("layers_pattern"),
        exclude=fields.texts("exclude"),
        rank_pattern=fields.integers("rank_pattern", 1),
        alpha_pattern=fields.numbers("alpha_pattern"),
        modules_to_save=fields.texts("modules_to_save"),
        feedforward=fields.texts("feedforward"),
        fan_in_fan_out=fields.flag("fan_in_fan_out"),
        bias=fields.word("bias", "none", ("none", "all", "lora_only")),
        task=fields.text("task", ""),
        dropout=fields.share("dropout"),
    )


def _layers(fields: Fields) -> tuple[int, ...] | None:
    if not fields.has("layers"):
        return None
    if not fields.is_text("layers"):
        return fields.layers("layers")
    try:
        return layers_of(fields.text("layers", ""))
    except UsageError as error:
        raise Wrong(f"{fields.where}: layers: {error}") from None


def write_plan(path: "str | PathLike[str]", plan: Plan) -> None:
    """Write a plan to a new file.

    Raises:
        UsageError: something of this name is there, it cannot be written, or the plan is larger
            than what is read back.
    """
    raw = plan_text(plan).encode("utf-8", "surrogatepass")
    try:
        again = plan_of(raw)
    except Wrong as error:
        raise UsageError(f"this plan cannot be kept: {error}", where=fspath(path)) from None
    assert again == plan, "a plan is read back as it was written"
    write_new(Path(path), [raw])


def plan_text(plan: Plan) -> str:
    """A plan as the text of a file, with what it says in words at its top."""
    import tomli_w

    said = [f"#   {at}. {described(step)}" for at, step in enumerate(plan.steps, 1)]
    head = [
        "# A plan of lamella: what is frozen, trained and adapted. A later step counts over an",
        "# earlier one. To look at it:    lamella plan MODEL --plan THIS_FILE",
        "# To apply it in Python:         inspect_core.apply_plan(model, THIS_FILE)",
        *(["#", *said] if said else []),
        "",
        "",
    ]
    return "\n".join(head) + "".join(map(_visible, tomli_w.dumps(_document(plan))))


def _visible(char: str) -> str:
    """A character that hides or piles up as TOML writes it: it can only stand in a text."""
    if char == "\n" or clean(char) == char:
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _document(plan: Plan) -> dict[str, Any]:
    document: dict[str, Any] = {"lamella_plan": VERSION}
    if plan.base:
        document["base"] = plan.base
    default = Precision()
    memory = {key: getattr(plan.precision, key) for key in _MEMORY}
    memory = {key: value for key, value in memory.items() if value != getattr(default, key)}
    if memory:
        document["memory"] = memory
    document["step"] = [_written(step) for step in plan.steps]
    return document


def _written(step: Step) -> dict[str, Any]:
    if isinstance(step, Freeze):
        written = {"thaw" if step.thaw else "freeze": [_entry(one) for one in step.patterns]}
        if step.exclude:
            written["exclude"] = [_entry(one) for one in step.exclude]
        return written
    default = Place()
    targets: Any = step.target_expression or list(step.targets)
    place: dict[str, Any] = {"place": step.method, "targets": targets}
    if step.method in _LORA:
        place |= {"rank": step.rank, "alpha": step.alpha}
    if step.layers is not None:
        place["layers"] = _written_layers(step.layers)
    for key in (*_PLACE[2:5], *_PLACE[6:]):
        value = getattr(step, key)
        if key not in place and value != getattr(default, key):
            lists = isinstance(value, tuple)
            place[key] = list(value) if lists else dict(value) if _is_table(value) else value
    return place


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _written_layers(layers: tuple[int, ...]) -> Any:
    """Ranges where they say the same, as they read better."""
    return (
        spelled_layers(layers) if layers and list(layers) == sorted(set(layers)) else list(layers)
    )


def _entry(pattern: Pattern) -> str | dict[str, str]:
    text = typed(pattern)
    return {"match": pattern.text, "how": pattern.how} if text is None else text


def shown_steps(plan: Plan) -> list[str]:
    """The steps in words, numbered, safe to show."""
    return [clean(f"{at}. {described(step)}", 400) for at, step in enumerate(plan.steps, 1)]
