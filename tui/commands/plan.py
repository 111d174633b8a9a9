"""`lamella plan`: what freezing and adapters would do, printed, and taken away as files."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from inspect_core.errors import LamellaError, UsageError
from inspect_core.new_file import require_new, write_new
from inspect_core.opening import Files
from inspect_core.plan.bases import base_name
from inspect_core.plan.dtypes import dtype_of_field
from inspect_core.plan.plan import Plan, Precision
from inspect_core.work.backend import Workers
from inspect_core.work.plan_reports import PlanReport, ReportPlan
from tui.commands.output import Output, note
from tui.commands.plan_steps import steps_of
from tui.commands.plan_table import print_differences, print_report, print_trained_differences
from tui.commands.progress import ProgressLine
from tui.terminal import Look

if TYPE_CHECKING:
    from inspect_core.plan.observed.observed import Evidence
    from inspect_core.plan.written.texts import Form


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `lamella plan`; see its help.

    Attributes:
        look: how to draw.
        form: what to print.
        given: options in their order, with their values.
        plan_file: where to begin.
        from_diff: base and tuned model to begin with what was done between them.
        against: a plan to compare with.
        map_file: rules of pairing for `from_diff`.
        tree: print the planned tree.
        depth: levels of it.
        types: find module types.
        outputs: files to write.
        weights_dtype: see `Precision`; None for what the plan says.
        adapter_dtype: likewise.
        gradients_dtype: likewise.
        optimizer_dtype: likewise.
    """

    look: Look | None = None
    form: str = "table"
    given: tuple[tuple[str, Any], ...] = ()
    plan_file: Path | None = None
    from_diff: tuple[str, str] | None = None
    against: Path | None = None
    map_file: Path | None = None
    tree: bool = False
    depth: int | None = None
    types: bool = True
    outputs: tuple[Path, ...] = ()
    weights_dtype: str | None = None
    adapter_dtype: str | None = None
    gradients_dtype: str | None = None
    optimizer_dtype: str | None = None


def print_plan(model: Files | None, asked: Asked) -> bool:
    """Try a plan and print what it does.

    Args:
        model: what to try it on; the base of `from_diff` where it is None, and where there is
            none either, two plans are compared by their steps alone.
        asked: the options.

    Returns:
        Whether all of it is as planned; see the exit code in the help.

    Raises:
        UsageError: options contradict each other, or a plan makes no sense.
        CheckpointError: a file cannot be read.
    """
    from inspect_core.plan.written.files import read_plan

    wanted = _wanted(asked)
    against = read_plan(asked.against) if asked.against is not None else None
    plan, found = _plan(asked)
    for line in found.notes if found is not None else ():
        note(line)
    model = model or (asked.from_diff[0] if asked.from_diff else None)
    if model is not None and not plan.base:
        plan = replace(plan, base=base_name(model))
    if model is None:
        return _without_model(plan, against, wanted, asked)
    printed = [cast("Form", asked.form)] if asked.form not in ("table", "json") else []
    forms = [*wanted.values(), *printed]
    report = _report(model, plan, against, forms, asked.types)
    held = _held(plan, report)
    for path, form in wanted.items():
        if form in report.texts:
            write_new(path, [report.texts[form].encode("utf-8", "backslashreplace")])
    _print(plan, against, report, found, asked)
    for why in report.refusals.values():
        raise UsageError(why)
    return held and report.against in (None, report.trained)


def _wanted(asked: Asked) -> "dict[Path, Form]":
    """The files to write and what they hold; refused early where they could not be written."""
    from inspect_core.plan.written.texts import form_of

    for path in asked.outputs:
        require_new(path)
    return {path: form_of(path) for path in asked.outputs}


def _plan(asked: Asked) -> "tuple[Plan, Evidence | None]":
    """The plan that the options make, and what it was read off, where it was."""
    from inspect_core.plan.written.files import read_plan

    if asked.plan_file is not None and asked.from_diff is not None:
        raise UsageError("begin with one plan: --plan, or --from-diff")
    plan, found = Plan(), None
    if asked.plan_file is not None:
        plan = read_plan(asked.plan_file)
    elif asked.from_diff is not None:
        found = _evidence(asked.from_diff, asked.map_file)
        plan = found.plan
    steps = (*plan.steps, *steps_of(asked.given))
    return replace(plan, steps=steps, precision=_precision(plan.precision, asked)), found


def _evidence(pair: tuple[str, str], map_file: Path | None) -> "Evidence":
    from inspect_core.pairing import LayerMap
    from inspect_core.plan.observed.observed import evidence

    layer_map = LayerMap.read(map_file) if map_file is not None else None
    with ProgressLine() as control:
        return evidence(*pair, control=control, layer_map=layer_map)


def _precision(before: Precision, asked: Asked) -> Precision:
    given = {
        "weights": asked.weights_dtype,
        "adapter": asked.adapter_dtype,
        "gradients": asked.gradients_dtype,
        "optimizer": asked.optimizer_dtype,
    }
    named = {}
    for key, value in given.items():
        if value is not None:
            try:
                named[key] = dtype_of_field(key, value)
            except UsageError as error:
                raise UsageError(error.what, where=f"--{key}-dtype", hint=error.hint) from None
    return replace(before, **named)


def _without_model(
    plan: Plan, against: Plan | None, wanted: "dict[Path, Form]", asked: Asked
) -> bool:
    """Two plans side by side, or a plan written as it is: no model is needed for that."""
    if against is None:
        raise UsageError(
            "give a MODEL to try the plan on", hint="or --against FILE, or --from-diff"
        )
    if wanted or asked.form != "table" or asked.tree:
        raise UsageError("--output, --format and --tree need a MODEL")
    return print_differences(plan, against, Output(asked.look))


def _report(
    model: Files, plan: Plan, against: Plan | None, wanted: "Sequence[Form]", types: bool
) -> PlanReport:
    """Try the plan in a worker; without types where finding them fails."""
    forms = tuple(dict.fromkeys(wanted))
    with ProgressLine() as control:
        workers = Workers()
        try:
            if types:
                try:
                    job = ReportPlan(model, plan, True, forms, against)
                    return cast(PlanReport, workers.submit(job, control.report).result())
                except UsageError:
                    raise
                except LamellaError as error:
                    note(f"no module types: {error}")
            job = ReportPlan(model, plan, False, forms, against)
            return cast(PlanReport, workers.submit(job, control.report).result())
        finally:
            workers.close()


def _held(plan: Plan, report: PlanReport) -> bool:
    """Whether every entry hits something, PEFT would take the plan, and something is trained."""
    from inspect_core.plan.apply import unmatched_entries

    shown = report.preview
    unmatched = unmatched_entries(plan, shown.hits)
    return not (shown.error or unmatched) and bool(report.trained)


def _print(
    plan: Plan,
    against: Plan | None,
    report: PlanReport,
    found: "Evidence | None",
    asked: Asked,
) -> None:
    if asked.form == "json":
        document = _document(plan, report, found)
        sys.stdout.write(json.dumps(document, ensure_ascii=True, allow_nan=False) + "\n")
        return
    if asked.form != "table":
        sys.stdout.write(report.texts.get(cast("Form", asked.form), ""))
        return
    output = Output(asked.look)
    print_report(plan, report, output)
    if asked.tree:
        from tui.commands.tree import print_branches

        output.line()
        print_branches(report.preview.tree, output, asked.depth)
    if against is not None:
        output.line()
        print_differences(plan, against, output)
        print_trained_differences(report, output)


def _document(plan: Plan, report: PlanReport, found: "Evidence | None") -> dict[str, Any]:
    """All that is known, as values for JSON; names are exact."""
    from dataclasses import asdict

    from inspect_core.plan.plan import Freeze
    from inspect_core.plan.written.files import shown_steps

    shown = report.preview
    steps = [
        {"kind": "freeze" if isinstance(step, Freeze) else "place", **asdict(step), "text": text}
        for step, text in zip(plan.steps, shown_steps(plan), strict=True)
    ]
    document: dict[str, Any] = {
        "model": report.title,
        "typed": report.typed,
        "steps": steps,
        "precision": asdict(plan.precision),
        "note": shown.note or None,
        "totals": asdict(shown.totals) if shown.counted else None,
        "hits": [asdict(hit) for hit in shown.hits],
        "warnings": shown.warnings,
        "error": shown.error or None,
        "untouched": [{"path": path, "params": params} for path, params in shown.untouched],
        "trained": [{"name": name, "shape": shape} for name, shape in report.trained.items()],
    }
    if found is not None:
        document["observed"] = {**_lists(found), "notes": found.notes}
    return document


def _lists(found: "Evidence") -> dict[str, Sequence[str]]:
    observed = found.observed
    keys = ("frozen", "rounded", "tuned", "added", "removed", "unknown")
    return {key: getattr(observed, key) for key in keys}
