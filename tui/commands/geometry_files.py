"""Geometry for other programs: JSON, CSV, TSV and Markdown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

from inspect_core.geometry.records import (
    Row,
    cluster_rows,
    detail_object,
    heading_record,
    layer_rows,
    matrix_rows,
    report_record,
)
from inspect_core.results.formats import json_object, sheet_text
from inspect_core.results.tables import Kind, Sheet, SheetColumn

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport, LayerDetail

_NAMES = frozenset({"space", "layer", "other_space", "other_layer", "example"})
_COUNTS = frozenset({"at", "points", "repeated", "nonfinite", "clusters", "cluster", "size"})


def report_text(
    report: "LandscapeReport",
    form: str,
    matrix: str | None = None,
    read: Mapping[str, str | None] | None = None,
) -> str:
    """A report as text.

    Args:
        report: what was measured.
        form: `json`, `csv`, `tsv` or `md`.
        matrix: of the tables the one of layers against layers; JSON has all of both.
        read: the file and its column of texts, for JSON.
    """
    if form == "json":
        return json_object({**(read or {}), **report_record(report)}) + "\n"
    rows = layer_rows(report) if matrix is None else matrix_rows(report, matrix)
    return _sheet(rows, form)


def details_text(details: "Sequence[LayerDetail]", report: "LandscapeReport", form: str) -> str:
    """One layer of each space as text; JSON has the points too."""
    if form == "json":
        found = [detail_object(detail, report.columns) for detail in details]
        return json_object({**heading_record(report), "details": found}) + "\n"
    return _sheet([row for one in details for row in cluster_rows(one, report.columns)], form)


def _sheet(rows: Sequence[Row], form: str) -> str:
    keys = list(rows[0]) if rows else []
    columns = tuple(SheetColumn(key, _kind(key, rows)) for key in keys)
    sheet = Sheet("row", columns, [tuple(row.values()) for row in rows])
    return sheet_text(sheet, cast("Literal['csv', 'tsv', 'md']", form))


def _kind(key: str, rows: Sequence[Row]) -> Kind:
    if key in _NAMES:
        return "name"
    if key in _COUNTS:
        return "count"
    return "text" if any(isinstance(row[key], str) for row in rows) else "number"
