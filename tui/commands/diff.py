"""`lamella diff`: what changed from a base to a model, as a table or as JSON."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from inspect_core.errors import UsageError
from inspect_core.pairing import SAME_NAME
from inspect_core.results.comparison import Comparison, compare
from inspect_core.results.formats import to_json
from inspect_core.results.groups import Layer, layers_of
from inspect_core.results.records import DiffReport, TensorReport, report_of
from inspect_core.structure.patterns import fitting
from tui import format as fmt
from tui.commands.order import in_order
from tui.commands.output import BOLD, Output, note
from tui.commands.progress import ProgressLine
from tui.commands.table import Column, Row, Table
from tui.terminal import Look

REL_L2, MEAN, MAX, CHANGED = "rel. L2", "mean |d|", "max |d|", "changed"
SHAPE, DTYPE, TENSORS = "shape", "dtype", "tensors"
ALL = "all compared"

MOST_DTYPES = 4
"""Dtypes named in the heading."""

_WORDS = {
    "identical": "identical",
    "changed": "changed",
    "added": "added",
    "removed": "removed",
    "shape_mismatch": "of another shape",
    "unsupported": "not comparable",
}


def print_diff(
    base: str,
    model: str,
    *,
    as_json: bool = False,
    by: str = "tensor",
    node: str | None = None,
    sort: str | None = None,
    device: str = "cpu",
    look: Look | None = None,
) -> bool:
    """Compare and print.

    Args:
        base: the old one.
        model: the new one.
        as_json: print the report as JSON, which lists tensors.
        by: `tensor` or `layer`, for the table.
        node: only tensors whose name, or a module on the way to them, fits this pattern.
        sort: `change` (the most first) or `name`; None keeps the model's order.
        device: where to compare; `auto` is the CPU, which is as fast as files are read.
        look: how to draw it.

    Returns:
        Whether nothing differs.

    Raises:
        CheckpointError: a file cannot be read.
        UsageError: no tensor fits `node`, or the device cannot be used.
    """
    with ProgressLine() as control:
        device = "cpu" if device == "auto" else device
        keep = None if node is None else fitting(node)
        found = compare(base, model, device=device, control=control, keep=keep)
    if node is not None and not found.kept:
        raise UsageError("no tensor of the two fits this pattern", where=node)
    for side, checkpoint in (("base", found.reference), ("model", found.model)):
        for warning in checkpoint.warnings:
            note(f"warning: {side}: {warning}")
    if found.kept and not any(found.matches[at].status == "pair" for at in found.kept):
        note("warning: the two have no tensor in common: are they of one model?")
    report = report_of(found)
    if as_json:
        tensors = in_order(report.tensors, sort)
        sys.stdout.write(to_json(replace(report, tensors=tuple(tensors))) + "\n")
        return report.summary.identical
    output = Output(look)
    _print_head(found, output)
    if by == "layer":
        _print_layers(found, report, sort, output)
    else:
        _print_tensors(report, sort, output)
    _print_counts(report, output)
    return report.summary.identical


def print_layers(base: str, model: str, *, device: str = "cpu", look: Look | None = None) -> None:
    """Print what changed along the layers."""
    print_diff(base, model, by="layer", device=device, look=look)


def _print_head(found: Comparison, output: Output) -> None:
    """What is compared with what, the old one first."""
    old, new = found.reference.title, found.model.title
    if old == new:
        old, new = str(found.reference.uri), str(found.model.uri)
    for mark, title, checkpoint in (("---", old, found.reference), ("+++", new, found.model)):
        dtypes = checkpoint.dtypes
        some = " ".join(dtypes[:MOST_DTYPES]) + (" ..." if len(dtypes) > MOST_DTYPES else "")
        facts = f"{checkpoint.tensors:,} tensors  {some}"
        output.line((f"{mark} {output.cut(title)}", BOLD), (f"  {facts}", "muted"))
    if set(found.rules) - {SAME_NAME}:
        rules = ", ".join([f"{number:,} by {rule}" for rule, number in found.rules.items()])
        output.line((f"paired: {output.cut(rules)}", "muted"))
    output.line()


def _print_tensors(report: DiffReport, sort: str | None, output: Output) -> None:
    mixed = len({dtype for t in report.tensors for dtype in (t.dtype, t.reference_dtype)} - {None})
    shapes = [fmt.shape(tensor.shape) for tensor in report.tensors]
    dtypes = [_dtype(tensor, output) for tensor in report.tensors] if mixed > 1 else []
    columns = [
        Column(SHAPE, max([len(SHAPE), *map(len, shapes)]), 4),
        *([Column(DTYPE, max(map(len, dtypes)), 3)] if dtypes else []),
        Column(REL_L2, 9),
        Column(MEAN, 8, 2),
        Column(MAX, 8, 5),
        Column(CHANGED, 7, 1),
    ]
    names = [ALL, *[tensor.name for tensor in report.tensors]]
    table = Table(output, "tensor", columns, names)
    table.head()
    table.rows(_tensor_row(tensor, output) for tensor in in_order(report.tensors, sort))
    table.rows([_total(report)])


def _print_layers(found: Comparison, report: DiffReport, sort: str | None, output: Output) -> None:
    layers = in_order(layers_of(found), sort)
    columns = [
        Column(TENSORS, 8, 3), Column(REL_L2, 9), Column(MEAN, 8, 2), Column(CHANGED, 7, 1),
    ]  # fmt: skip
    table = Table(output, "layer", columns, [ALL, *[layer.name for layer in layers]], bars=True)
    top = max([layer.metrics["rel_l2"] or 0.0 for layer in layers], default=0.0)
    table.head()
    table.rows(_layer_row(layer, top) for layer in layers)
    table.rows([_total(report)])


def _tensor_row(tensor: TensorReport, output: Output) -> Row:
    cells = {SHAPE: fmt.shape(tensor.shape), DTYPE: _dtype(tensor, output)}
    if tensor.status == "identical":
        return Row(tensor.name, cells, "identical", state="same")
    if tensor.status in ("added", "removed"):
        return Row(tensor.name, cells, tensor.status)
    if tensor.status != "changed":
        return Row(tensor.name, cells, tensor.reason)
    cells |= _numbers(lambda key: getattr(tensor, key))
    words = f"{tensor.nonfinite:,} NaN or inf" if tensor.nonfinite else ""
    return Row(tensor.name, cells, words)


def _layer_row(layer: Layer, top: float) -> Row:
    counts, compared = layer.counts, layer.compared
    tensors = f"{layer.tensors:,}"
    if counts["identical"] == layer.tensors:
        return Row(layer.name, {TENSORS: tensors}, "identical", state="same")
    others = [
        f"{number:,} {_WORDS[status]}" if layer.tensors > 1 else _WORDS[status]
        for status, number in counts.items()
        if status not in ("changed", "identical")
    ]
    if not compared:
        return Row(layer.name, {TENSORS: tensors}, ", ".join(others))
    metrics = layer.metrics
    if metrics["nonfinite"]:
        others.append(f"{metrics['nonfinite']:,} NaN or inf")
    cells = {TENSORS: tensors, **_numbers(metrics.__getitem__)}
    share = (metrics["rel_l2"] or 0.0) / top if top > 0.0 else 0.0
    return Row(layer.name, cells, ", ".join(others), share)


def _total(report: DiffReport) -> Row:
    summary = report.summary
    compared = summary.counts["changed"] + summary.counts["identical"]
    cells = {TENSORS: f"{compared:,}", **_numbers(lambda key: getattr(summary, key))}
    return Row(ALL, cells)


def _print_counts(report: DiffReport, output: Output) -> None:
    """The last lines: how many tensors have which status."""
    summary = report.summary
    counts = [f"{number:,} {_WORDS[s]}" for s, number in summary.counts.items() if number]
    output.line()
    tensors = "1 tensor" if len(report.tensors) == 1 else f"{len(report.tensors):,} tensors"
    output.line(f"{tensors}: {', '.join(counts) or 'none'}")
    output.line((f"{summary.numel:,} values compared", "muted"))
    if summary.nonfinite:
        text = f"{summary.nonfinite:,} positions with NaN or inf are left out of the numbers"
        output.line((text, "note"))


def _numbers(value: Callable[[str], Any]) -> dict[str, str]:
    """The cells of the metrics, from what gives a metric by its key."""
    return {
        REL_L2: fmt.number(value("rel_l2")),
        MEAN: fmt.number(value("mean_abs")),
        MAX: fmt.number(value("max_abs")),
        CHANGED: fmt.percent(value("changed_fraction")),
    }


def _dtype(tensor: TensorReport, output: Output) -> str:
    """`F32`, or `BF16 -> F32` where the two differ: the old one, then the new one."""
    if tensor.reference_dtype in (None, tensor.dtype):
        return tensor.dtype
    return f"{tensor.reference_dtype} {'->' if output.ascii_only else '→'} {tensor.dtype}"
