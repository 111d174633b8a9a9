"""What `lamella plan` prints of a plan: steps, parameters, memory, hits, warnings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_core.text import clean
from tui import format as fmt
from tui.commands.output import BOLD, Output, Part, cells_of

if TYPE_CHECKING:
    from inspect_core.plan.plan import Plan, Precision
    from inspect_core.plan.preview import Hits, PlanTotals
    from inspect_core.work.plan_reports import PlanReport

MOST_HITS = 200
"""Entries that are listed; the others are counted."""

MOST_KINDS = 60
"""Kinds of parameters that are listed of two plans' differences."""

_WIDEST = 60
_INDENT = "  "

_KINDS = {
    "target": "target", "exclude": "excluded", "save": "saved", "rank": "rank", "alpha": "alpha",
    "feedforward": "feedforward", "freeze": "freeze", "thaw": "thaw", "spare": "left as it is",
}  # fmt: skip


def print_report(plan: "Plan", report: "PlanReport", output: Output) -> None:
    """Print what a plan does to a model."""
    from inspect_core.plan.written.files import shown_steps

    shown = report.preview
    by = "" if report.typed else "  by the file's names and shapes: module types are not known"
    output.line((_cut(report.title, output, len(by)), BOLD), (by, "muted"))
    if shown.note:
        output.line(_INDENT, (_cut(shown.note, output), "note"))
    for line in shown_steps(plan) or ["no step: the model as it is"]:
        output.line(_INDENT, _cut(line, output))
    output.line()
    if shown.counted:
        _print_totals(shown.totals, output)
        output.line()
        _print_memory(shown.totals, plan.precision, output)
    else:
        output.line((_cut(shown.refusal, output), "note"))
        output.line(("parameters and memory are not counted: nothing is made of it", "muted"))
    if shown.hits:
        output.line()
        _print_hits(plan, shown.hits, output)
    if shown.warnings:
        output.line()
        output.line((_counted(len(shown.warnings), "warning"), BOLD))
        for warning in shown.warnings:
            output.line(_INDENT, (_cut(warning, output), "note"))
    if plan.steps and shown.untouched and shown.counted:
        output.line()
        output.line(("neither trained nor adapted", BOLD))
        _print_columns([(clean(path, _WIDEST) or "the model", fmt.params(params))
                        for path, params in shown.untouched], output)  # fmt: skip


def _print_totals(totals: "PlanTotals", output: Output) -> None:
    """Trained, frozen and all parameters, with their shares."""
    all_of_it = max(1, totals.params)
    own = totals.tunable_base
    rows = [("trained", totals.tunable, "tunable"), ("frozen", totals.frozen, "frozen")]
    width = max(len(f"{totals.params:,}"), 10)
    for name, count, state in rows:
        share = fmt.percent(count / all_of_it)
        glyph = getattr(output.palette.glyphs, state)
        output.line((f"{glyph} ", state), f"{name:<10}{count:>{width},}  {share:>6}",
                    (_parts_of(totals, own) if state == "tunable" else "", "muted"))  # fmt: skip
    output.line(f"  {'all':<10}{totals.params:>{width},}")


def _parts_of(totals: "PlanTotals", own: int) -> str:
    if not totals.delta:
        return ""
    adapter = totals.tunable_delta - totals.saved
    parts = [f"{adapter:,} in adapters"] if adapter else []
    parts += [f"{totals.saved:,} in copies that are saved"] if totals.saved else []
    parts += [f"{own:,} of the model's own"] if own > 0 else []
    return f"  {', '.join(parts)}"


def _print_memory(totals: "PlanTotals", precision: "Precision", output: Output) -> None:
    states = f"2 x {precision.optimizer}" if precision.optimizer else "2 as the parameters"
    rows = (
        ("weights", totals.weight_bytes, precision.weights or "as stored"),
        ("gradients", totals.gradient_bytes, precision.gradients or "as the parameters"),
        ("Adam", totals.optimizer_bytes, states),
    )
    total = sum(nbytes for _, nbytes, _ in rows)
    output.line(("memory", BOLD), ("  without activations", "muted"))
    for name, nbytes, dtype in (*rows, ("sum", total, "")):
        output.line(f"  {name:<10}{fmt.size(nbytes):>10}", (f"  {clean(dtype, 40)}", "muted"))


def _print_hits(plan: "Plan", hits: "Sequence[Hits]", output: Output) -> None:
    """What each entry hits, in which layers, and which of them it misses."""
    from inspect_core.plan.written.spelling import spelled_layers

    listed = hits[:MOST_HITS]
    names = [output.cut(hit.entry, _WIDEST) or "everything" for hit in listed]
    width = max(len("entry"), *map(cells_of, names))
    if output.width is not None:
        width = max(12, min(width, output.width - 44))
    several = len(plan.steps) > 1
    heading = f"{'step  ' if several else ''}{'kind':<13}  {'entry':<{width}}  {'hits':>7}  layers"
    output.line((heading, "muted"))
    for hit in listed:
        name = output.cut(hit.entry, width) or "everything"
        step = f"{hit.step + 1:>4}  " if several else ""
        line: list[Part] = [
            f"{step}{_KINDS[hit.kind]:<13}  {name}{' ' * (width - cells_of(name))}  {hit.count:>7,}"
        ]
        line.append("  " + clean(spelled_layers(hit.layers), 40) if hit.layers else "  -")
        remarks = []
        if hit.missed:
            remarks.append(f"not {clean(spelled_layers(hit.missed), 40)}")
        if hit.uneven:
            remarks.append("uneven: not as many in each layer")
        if not hit.count:
            meant = f"; did you mean {clean(hit.suggestion, 120)}?" if hit.suggestion else ""
            remarks.append(f"nothing{meant}")
        if hit.refused:
            path, why = hit.refused[0]
            remarks.append(f"{len(hit.refused):,} refused: {clean(path, 60)}: {clean(why, 80)}")
        if remarks:
            line.append(
                (f"  {'; '.join(remarks)}", "note" if not hit.count or hit.refused else "muted")
            )
        output.line(*line)
    if len(hits) > len(listed):
        output.line((f"and {len(hits) - len(listed):,} more", "muted"))


def print_differences(plan: "Plan", against: "Plan", output: Output) -> bool:
    """Print two plans step by step; gives whether they say the same."""
    from inspect_core.plan.written.differences import differences

    lines = differences(plan, against)
    for line in lines:
        text = f"{line.mark} {line.text}" if line.mark != "?" else f"  {line.text}"
        shown = _cut(text, output)
        output.line(shown if line.mark == " " else (shown, _style(line.mark)))
    same = all(line.mark == " " for line in lines)
    if same:
        output.line(("the plans say the same", "muted"))
    return same


def _style(mark: str) -> str:
    return "tunable" if mark == "+" else "note" if mark == "-" else "muted"


def print_trained_differences(report: "PlanReport", output: Output) -> None:
    """Print what only one of two plans trains of the model."""
    from inspect_core.plan.written.differences import trained_differences

    kinds = trained_differences(report.trained, report.against or {})
    output.line()
    if not kinds:
        output.line(("both train the same parameters", "muted"))
        return
    output.line(("trained by one of them only, or in other shapes (?)", BOLD))
    for kind in kinds[:MOST_KINDS]:
        name = output.cut(kind.kind, 100)
        counts = f"  {_counted(kind.tensors, 'tensor')}, {fmt.params(kind.params)} parameters"
        change = f"  {kind.change}" if kind.change else ""
        output.line((f"{kind.mark} ", _style(kind.mark)), name, change, (counts, "muted"))
    if len(kinds) > MOST_KINDS:
        output.line((f"and {len(kinds) - MOST_KINDS:,} more", "muted"))


def _print_columns(rows: Sequence[tuple[str, str]], output: Output) -> None:
    width = max(cells_of(name) for name, _ in rows)
    for name, value in rows:
        shown = name.replace("…", "~") if output.ascii_only else name
        output.line(f"  {shown}{' ' * (width - cells_of(name))}  {value:>6}")


def _counted(count: int, one: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {one}s"


def _cut(text: str, output: Output, taken: int = 0) -> str:
    """Text on one line of the terminal; a pipe gets more of it, which is kept and read later."""
    room = 400 if output.width is None else output.width - len(_INDENT) - taken
    return output.cut(text, max(room, 20))
