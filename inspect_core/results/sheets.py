"""Comparisons as sheets: what is printed, and what is written to files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from inspect_core.results.comparison import STATUSES, Comparison, TensorStatus
from inspect_core.results.groups import By, Group
from inspect_core.results.records import parts_of
from inspect_core.results.tables import Kind, Sheet, SheetColumn, Value

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric
    from inspect_core.delta.summary import Summary
    from inspect_core.pairing import Match

_NOTE = SheetColumn("note", "words")

ALL = "all compared"
"""The name of the last row."""

WORDS: dict[TensorStatus, str] = {
    "changed": "changed",
    "rounded": "equal up to rounding",
    "identical": "identical",
    "added": "added",
    "removed": "removed",
    "shape_mismatch": "of another shape",
    "unsupported": "not comparable",
}
"""Every status for people."""

SHORT = {
    "rel_l2": "rel. L2", "changed_fraction": "changed", "beyond_fraction": "beyond rounding",
    "rel_l2_beyond": "rel. L2 beyond", "mean_abs_reference": "mean |base|",
    "median_abs": "median |d|",
    "p90_abs": "p90 |d|", "p99_abs": "p99 |d|", "lorenz_area": "Lorenz area", "l1": "1-norm",
    "cossim": "row angle / 3.141",
}  # fmt: skip
"""Headings that are shorter than the name of the metric."""

_RANKS = {"changed_fraction": 1, "mean_abs": 2, "max_abs": 6}
_OTHER_RANK = 7
_DTYPE_RANK, _SHAPE_RANK, _TENSORS_RANK = 4, 5, 3


def metric_column(metric: "Metric", rank: int = 0) -> SheetColumn:
    """The column of a metric."""
    return SheetColumn(metric.key, _kind(metric), SHORT.get(metric.key, metric.name), rank)


def _kind(metric: "Metric") -> Kind:
    if metric.key == "cosine":
        return "cosine"
    return "share" if metric.share else "number"


def group_sheet(
    comparison: Comparison, groups: Sequence[Group], by: By, metrics: Sequence["Metric"]
) -> Sheet:
    """Groups as rows; the total is over all that was asked for.

    Args:
        comparison: what they are groups of.
        groups: what to list.
        by: what they are.
        metrics: the numbers to list; the first one stays where there is little room.
    """
    numbers = [
        metric_column(metric, 0 if at == 0 else _RANKS.get(metric.key, _OTHER_RANK + at))
        for at, metric in enumerate(metrics)
    ]
    facts = _TENSOR_COLUMNS if by == "tensor" else _GROUP_COLUMNS
    columns = (SheetColumn("name", "name", by), *facts, *numbers, *_LAST_COLUMNS)
    if by == "tensor":
        parts = frozenset(parts_of(comparison))
        rows = [
            _tensor_row(comparison, group.indices[0], metrics, group.indices[0] in parts)
            for group in groups
        ]
    else:
        rows = [_group_row(group, metrics) for group in groups]
    return Sheet(by, columns, rows, _total(comparison, columns, metrics))


_LAST_COLUMNS = (
    SheetColumn("rounding", "share", "by rounding", to="files"),
    SheetColumn("nonfinite", "count", "NaN or inf", to="files"),
    _NOTE,
)

_TENSOR_COLUMNS = (
    SheetColumn("reference_name", "name", "in the base", to="files"),
    SheetColumn("status", "text", to="files"),
    SheetColumn("reason", "text", to="files"),
    SheetColumn("shape", "text", "shape", _SHAPE_RANK),
    SheetColumn("dtypes", "text", "dtype", _DTYPE_RANK, to="people"),
    SheetColumn("dtype", "text", to="files"),
    SheetColumn("reference_dtype", "text", "dtype in the base", to="files"),
    SheetColumn("numel", "count", to="files"),
)

_GROUP_COLUMNS = (
    SheetColumn("tensors", "count", "tensors", _TENSORS_RANK),
    *[SheetColumn(status, "count", WORDS[status], to="files") for status in STATUSES],
    SheetColumn("numel", "count", to="files"),
)


def _tensor_row(
    comparison: Comparison, index: int, metrics: Iterable["Metric"], in_part: bool
) -> tuple[Value, ...]:
    match = comparison.matches[index]
    info, partner = match.model or match.reference, match.reference
    assert info is not None
    status = comparison.status(index)
    summary = comparison.summary(index)
    values = [None if summary is None else metric.value(summary) for metric in metrics]
    ours, old = comparison.dtypes(index)
    dtype = ours or info.dtype
    dtypes = dtype if old in (None, dtype) else f"{old} -> {dtype}"
    note = _tensor_note(status, match, summary, in_part)
    return (
        info.name, None if partner is None else partner.name, status, match.reason, info.shape,
        dtypes, dtype, old, info.numel, *values, *_last(summary), note,
    )  # fmt: skip


def _last(summary: "Summary | None") -> tuple[Value, Value]:
    return (None, None) if summary is None else (summary.explained, summary.left_out)


def _tensor_note(
    status: TensorStatus, match: "Match", summary: "Summary | None", in_part: bool
) -> str:
    """What of a tensor is not said by its numbers."""
    if summary is None:
        return WORDS[status] if status in ("added", "removed") else match.reason
    words = []
    if status == "identical":
        words = [WORDS[status]]
    elif status == "rounded" and match.model is not None and match.reference is not None:
        words = [f"{WORDS[status]} to {narrower(match.model.dtype, match.reference.dtype)}"]
    elif summary.explained is not None and summary.explained >= LEAST_EXPLAINED:
        words = [f"rounding explains {summary.explained:.0%}"]
    if summary.left_out and status != "identical":
        words.append(f"{summary.left_out:,} NaN or inf")
    return ", ".join([*words, *([match.reason] if in_part else [])])


LEAST_EXPLAINED = 0.01
"""Share of a change that rounding must explain to be told."""


def narrower(one: str, other: str) -> str:
    """Of two dtypes the one with fewer bits a value."""
    from inspect_core.checkpoint.tensor_info import DTYPES

    return min(one, other, key=lambda name: DTYPES[name].bits / DTYPES[name].block)


def _group_row(group: Group, metrics: Iterable["Metric"]) -> tuple[Value, ...]:
    summary = group.summary if group.compared else None
    values = [None if summary is None else metric.value(summary) for metric in metrics]
    return (
        group.name, group.tensors, *[group.counts[status] for status in STATUSES],
        0 if summary is None else summary.numel, *values, *_last(summary), _group_note(group),
    )  # fmt: skip


def _group_note(group: Group) -> str:
    """What of a group is not said by its numbers."""
    status = group.status
    if status in ("identical", "rounded"):
        words = [WORDS[status]]
    else:
        words = [
            WORDS[status] if group.tensors == 1 else f"{number:,} {WORDS[status]}"
            for status, number in group.counts.items()
            if status not in ("changed", "identical")
        ]
    left_out = group.summary.left_out if group.compared and status != "identical" else 0
    return ", ".join([*words, *([f"{left_out:,} NaN or inf"] if left_out else [])])


def _total(
    comparison: Comparison, columns: Sequence[SheetColumn], metrics: Iterable["Metric"]
) -> tuple[Value, ...]:
    group = Group(comparison, ALL, comparison.kept)
    summary = group.summary
    values: dict[str, Value] = {metric.key: metric.value(summary) for metric in metrics}
    values |= {"name": ALL, "numel": summary.numel}
    values["tensors"] = group.compared
    return tuple([values.get(column.key) for column in columns])


def beside_sheet(
    comparisons: Sequence[Comparison],
    rows: Iterable[tuple[str, Mapping[int, Group]]],
    by: By,
    metric: "Metric",
) -> Sheet:
    """Several models against one base: a row for each name that one of them has, a column a model.

    A model that lacks a row, or cannot compare it, has None there.

    Args:
        comparisons: of each model with the base.
        rows: their groups; see `selection.side_by_side`.
        by: what they are.
        metric: the number that is listed.
    """
    columns = [SheetColumn("name", "name", by)]
    columns += [SheetColumn(title, _kind(metric), title) for title in column_titles(comparisons)]
    columns.append(replace(_NOTE, to="people"))
    count = len(comparisons)
    listed = [
        (name, *[_value(groups.get(at), metric) for at in range(count)], _agreed(groups, count))
        for name, groups in rows
    ]
    totals = [metric.value(Group(c, ALL, c.kept).summary) for c in comparisons]
    return Sheet(by, tuple(columns), listed, (ALL, *totals, None))


def _agreed(groups: Mapping[int, Group], count: int) -> str:
    """What a row is in all models, where that is no change."""
    found = {group.status for group in groups.values()} if len(groups) == count else set()
    return next((WORDS[s] for s in ("identical", "rounded") if found == {s}), "")


def _value(group: Group | None, metric: "Metric") -> float | None:
    return metric.value(group.summary) if group is not None and group.compared else None


def column_titles(comparisons: Sequence[Comparison]) -> list[str]:
    """A name for each model that none of the others has.

    Checkpoints of equal names are told apart by the folders in which their paths differ.
    """
    titles = [comparison.model.title for comparison in comparisons]
    if len(set(titles)) < len(titles):
        titles = _apart([str(comparison.model.uri) for comparison in comparisons])
    seen: dict[str, int] = {}
    for at, title in enumerate(titles):
        seen[title] = seen.get(title, 0) + 1
        if seen[title] > 1 or title == "name":
            titles[at] = f"{title} ({at + 1})"
    return titles


def _apart(paths: Sequence[str]) -> list[str]:
    """Paths from the first part that differs on; to the last such where that is too long."""
    parts = [path.rstrip("/").split("/") for path in paths]
    head, tail = _shared(parts), _shared([part[::-1] for part in parts])
    named = ["/".join(part[head:]) for part in parts]
    if max(map(len, named)) > MOST_TITLE:
        named = ["/".join(part[head : max(head + 1, len(part) - tail)]) for part in parts]
    return named


def _shared(parts: Sequence[Sequence[str]]) -> int:
    """How many first parts all have, so that each has one more."""
    most = min(map(len, parts)) - 1
    return next((at for at in range(most) if len({part[at] for part in parts}) > 1), most)


MOST_TITLE = 24
"""Characters of a column's name from which on less of a path is named."""

_AVERAGES: tuple[tuple[str, Kind, str, int], ...] = (
    ("model", "number", "mean |model|", 2),
    ("reference", "number", "mean |base|", 3),
    ("delta", "number", "mean |d|", 0),
    ("cosine", "cosine", "cosine", 0),
)


def similarity_sheet(comparison: Comparison, original: bool = False) -> Sheet:
    """The similarity by type: averages over tensors as published, and weighted by size.

    Args:
        comparison: what was found.
        original: see `similarity`; the types then have their published names.
    """
    from inspect_core.results.similarity import PUBLISHED, similarity

    bands = (("avg", "every tensor counts the same"), ("by_size", "weighted by size"))
    averages = [
        SheetColumn(f"{key}_{suffix}", kind, title, rank, band=band)
        for suffix, band in bands
        for key, kind, title, rank in _AVERAGES
    ]
    columns = (
        SheetColumn("type", "name", "type"),
        SheetColumn("n", "count", "n", 1),
        SheetColumn("of", "count", "of", 4, to="people"),
        *averages,
        SheetColumn("cosine_undefined", "count", "without cosine", 5),
        SheetColumn("tensors", "count", to="files"),
        SheetColumn("numel", "count", to="files"),
    )
    rows: list[tuple[Value, ...]] = []
    for row in similarity(comparison, original):
        values = [
            value
            for part in (row.by_tensor, row.by_size)
            for value in (part.model, part.reference, part.delta, part.cosine)
        ]
        name = PUBLISHED.get(row.type, row.type) if original else row.type
        counts = row.undefined, row.tensors, row.numel
        rows.append((name, row.compared, row.tensors, *values, *counts))
    return Sheet("type", columns, rows)
