"""A plan in each form in which it is taken away."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Literal, get_args

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Plan
from inspect_core.plan.preview import trainable_names
from inspect_core.plan.written.export import adapter_config, adapter_config_text
from inspect_core.plan.written.files import plan_text
from inspect_core.plan.written.snippet import snippet
from inspect_core.results.formats import safe_cell
from inspect_core.structure.build import ModuleFacts
from inspect_core.structure.tree import LeafSpec
from inspect_core.text import clean

Form = Literal["plan", "peft", "python", "names", "names-csv", "names-json"]
"""A plan file; PEFT's `adapter_config.json`; a snippet; the names of what is trained, one a
line, or with shapes."""

FORMS: tuple[Form, ...] = get_args(Form)

_BY_SUFFIX: dict[str, Form] = {
    ".toml": "plan", ".py": "python", ".txt": "names", ".csv": "names-csv",
}  # fmt: skip
SUFFIXES = (".json", *_BY_SUFFIX)
"""Endings of the files that hold a plan in some form."""

ADAPTER_CONFIG = "adapter_config.json"


def form_of(path: PurePath) -> Form:
    """What a file of this name holds: `.json` is PEFT's config, unless it is `names.json`.

    Raises:
        UsageError: its suffix says nothing.
    """
    if path.suffix == ".json":
        return "names-json" if path.stem.endswith("names") else "peft"
    form = _BY_SUFFIX.get(path.suffix)
    if form is None:
        hint = f".toml, {ADAPTER_CONFIG}, .py, .txt, .csv or names.json"
        raise UsageError("its suffix does not say what to write", where=str(path), hint=hint)
    return form


def text_of(
    form: Form,
    plan: Plan,
    names: Sequence[str],
    specs: Sequence[LeafSpec],
    facts: ModuleFacts,
    config: Mapping[str, object] | None,
) -> str:
    """A plan in a form.

    Args:
        form: see `Form`.
        plan: the plan.
        names: the model's tensors; foreign text.
        specs: one for each name.
        facts: what is known about the modules.
        config: the model's config.json.

    Raises:
        UsageError: the form cannot say it, or PEFT would refuse it.
    """
    if form == "plan":
        return plan_text(plan)
    if form == "peft":
        return adapter_config_text(adapter_config(plan, names, specs, facts, config))
    if form == "python":
        return snippet(plan, names, specs, facts, config)
    trained = trainable_names(names, specs, facts, plan, config)
    if form == "names":
        return "".join([f"{clean(name, None)}\n" for name in trained])
    if form == "names-json":
        listed = [{"name": name, "shape": shape} for name, shape in trained.items()]
        return json.dumps(listed, indent=1, allow_nan=False) + "\n"
    return _csv(trained)


def _csv(trained: Mapping[str, tuple[int, ...]]) -> str:
    lines = [",".join(map(safe_cell, ("name", "shape", "parameters")))]
    for name, shape in trained.items():
        lines.append(",".join([safe_cell(name), safe_cell(shape), str(math.prod(shape))]))
    return "\n".join(lines) + "\n"
