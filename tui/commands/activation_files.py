"""Activations for other programs: JSON, CSV, TSV and Markdown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from inspect_core.activations.records import (
    Row,
    detail_rows,
    neuron_rows,
    several_rows,
    several_site_rows,
    share_rows,
    site_rows,
    tag_rows,
)
from inspect_core.results.formats import json_object, sheet_text
from inspect_core.results.tables import Kind, Sheet, SheetColumn

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport, NeuronDetail
    from inspect_core.activations.several import SeveralReport
    from tui.commands.activations import Asked

TextForm = Literal["csv", "tsv", "md"]

_NAMES = frozenset(
    {"site", "name", "column", "word", "sentence", "tag", "word_before", "word_after"}
)
_TEXTS = frozenset({"state", "mark", "side"})
_COUNTS = ("unit", "units", "rare", "union", "shift", "length", "tag_length", "count", "neurons",
           "dead", "new", "gone", "shared", "frequent")  # fmt: skip


def document(report: "ActivationReport", asked: "Asked", alone: bool) -> str:
    """A report as one JSON object.

    Args:
        report: what was measured.
        asked: which rows; without `by` all of them.
        alone: whether there is no reference: then what was before is null.
    """
    members = _heading(report, asked, alone)
    if asked.by in (None, "module"):
        members["modules"] = site_rows(report)
    if asked.by in (None, "neuron"):
        members["hidden"] = hidden(report, asked)
        members["neurons"] = _neurons(report, asked, alone)
    if asked.by in (None, "tag", "label"):
        members["tags" if asked.by != "label" else "labels"] = _shares(report, asked.by)
    return json_object(members) + "\n"


def _heading(report: "ActivationReport", asked: "Asked", alone: bool) -> dict[str, Any]:
    return {
        "model": report.titles[1],
        "reference": None if alone else report.titles[0],
        "texts": [*asked.texts, *asked.tables],
        "rule": report.rule,
        "samples": list(report.samples),
        "tokens": list(report.tokens),
        "notes": list(report.notes),
    }


def sheet(report: "ActivationReport", asked: "Asked", alone: bool, form: TextForm) -> str:
    """One table of a report as text; of the neurons, where nothing else is asked for."""
    if asked.by == "module":
        rows = site_rows(report)
    elif asked.by in ("tag", "label"):
        rows = _shares(report, asked.by)
    else:
        rows = _neurons(report, asked, alone)
    return sheet_text(sheet_of(rows), form)


def hidden(report: "ActivationReport", asked: "Asked") -> int:
    """How many neurons are not listed because they are rare."""
    if asked.show_rare:
        return 0
    return sum(int(site.neurons.rare.sum()) for site in report.sites)


def order_of(asked: "Asked", alone: bool) -> str:
    """What neurons are sorted by: without a reference none has moved."""
    return asked.sort or ("mass" if alone else "original" if asked.original else "distance")


def _neurons(report: "ActivationReport", asked: "Asked", alone: bool) -> list[Row]:
    return neuron_rows(report, order_of(asked, alone), not asked.show_rare, asked.top_rows)


def _shares(report: "ActivationReport", by: str | None) -> list[Row]:
    return [
        row for row in tag_rows(report) if by is None or (row["column"] == "tag") == (by == "tag")
    ]


def neuron_document(
    detail: "NeuronDetail", report: "ActivationReport", asked: "Asked", alone: bool
) -> str:
    """One neuron as one JSON object."""
    return json_object(
        {
            **_heading(report, asked, alone),
            "notes": [*report.notes, *detail.notes],
            "site": detail.site,
            "unit": detail.unit,
            "words": detail_rows(detail),
            "tags": share_rows(detail),
        }
    ) + "\n"  # fmt: skip


def neuron_sheet(detail: "NeuronDetail", form: TextForm) -> str:
    """The strongest words of one neuron."""
    return sheet_text(sheet_of(detail_rows(detail)), form)


def several_document(report: "SeveralReport", asked: "Asked") -> str:
    """Several stages as one JSON object."""
    members: dict[str, Any] = {
        "stages": list(report.titles),
        "texts": [*asked.texts, *asked.tables],
        "rule": report.rule,
        "samples": list(report.samples),
        "tokens": list(report.tokens),
        "notes": list(report.notes),
    }
    if asked.by in (None, "module"):
        members["modules"] = several_site_rows(report)
    if asked.by in (None, "neuron"):
        members["neurons"] = several_rows(report, not asked.show_rare, asked.top_rows)
    return json_object(members) + "\n"


def several_sheet(report: "SeveralReport", asked: "Asked", form: TextForm) -> str:
    """One table of several stages; of the neurons, where nothing else is asked for."""
    if asked.by == "module":
        rows = several_site_rows(report)
    else:
        rows = several_rows(report, not asked.show_rare, asked.top_rows)
    return sheet_text(sheet_of(rows), form)


def sheet_of(rows: Sequence[Row]) -> Sheet:
    """Rows of one kind as a sheet."""
    keys = list(rows[0]) if rows else []
    columns = tuple([SheetColumn(key, _kind(key)) for key in keys])
    return Sheet("row", columns, [tuple(row.values()) for row in rows])


def _kind(key: str) -> Kind:
    if key in _NAMES or key.startswith("word_"):
        return "name"
    if key in _TEXTS:
        return "text"
    counted = key in _COUNTS or key.startswith(("length_", "tag_length_", "count_", "neurons_"))
    return "count" if counted else "number"
