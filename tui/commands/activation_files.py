"""Activations for other programs: JSON, CSV, TSV and Markdown."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from inspect_core.activations.neurons import SHARED
from inspect_core.activations.records import (
    SIDES,
    STATES,
    Row,
    detail_rows,
    neuron_rows,
    several_rows,
    several_site_rows,
    share_rows,
    site_rows,
    tag_rows,
)
from inspect_core.activations.rule import OVER, TOP
from inspect_core.results.formats import json_object, sheet_text
from inspect_core.results.tables import Kind, Sheet, SheetColumn

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport, NeuronDetail
    from inspect_core.activations.several import SeveralReport
    from tui.commands.activations import Asked

TextForm = Literal["csv", "tsv", "md"]

SHARE_KEYS = (
    "site", "column", "name", "frequency_before", "frequency_after", "mass_before", "mass_after",
)  # fmt: skip
DETAIL_KEYS = (
    "site", "unit", "side", "word", "tag", "count", "mean", "share", "best", "sentence",
)  # fmt: skip
"""Columns of tables that may have no row."""

_OF_TWO = ("shift", "new", "gone")
"""Values that need two sides."""

_NAMES = frozenset(
    {"site", "name", "column", "word", "sentence", "tag", "word_before", "word_after"}
)
_TEXTS = frozenset({"state", "rare", "mark", "side"})
_COUNTS = ("unit", "units", "union", "shift", "length", "tag_length", "count", "neurons",
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
        members["modules"] = _sided(site_rows(report), alone)
    if asked.by in (None, "neuron"):
        members["hidden"] = hidden(report, asked)
        members["neurons"] = _neurons(report, asked, alone)
    if asked.by in (None, "tag", "label"):
        members["tags" if asked.by != "label" else "labels"] = _shares(report, asked.by, alone)
    return json_object(members) + "\n"


def _heading(report: "ActivationReport", asked: "Asked", alone: bool) -> dict[str, Any]:
    return {
        "model": report.titles[1],
        "reference": None if alone else report.titles[0],
        **_asked_for(asked),
        "rule": report.rule,
        "samples": [None if alone else report.samples[0], report.samples[1]],
        "tokens": [None if alone else report.tokens[0], report.tokens[1]],
        "notes": list(report.notes),
    }


def _asked_for(asked: "Asked") -> dict[str, Any]:
    """What a result was made from, so that it can be made again."""
    rule = asked.meant_rule
    counted = {
        "kind": rule.kind,
        "k": rule.k if rule.kind == TOP else None,
        "threshold": rule.threshold if rule.kind == OVER else None,
        "sign": rule.sign,
        "lower": rule.lower,
    }
    return {
        "model_path": asked.model,
        "adapters": list(asked.adapters),
        "reference_path": asked.reference,
        "texts": [*asked.texts, *asked.tables],
        "rule_details": None if asked.tables else counted,  # a table has counted already
        "inputs": asked.inputs,
        "tokenizer": asked.tokenizer,
        "version": version(),
    }


def version() -> str | None:
    """Of lamella; None where it is not installed."""
    try:
        return metadata.version("lamella")
    except metadata.PackageNotFoundError:
        return None


def sheet(report: "ActivationReport", asked: "Asked", alone: bool, form: TextForm) -> str:
    """One table of a report as text; of the neurons, where nothing else is asked for."""
    if asked.by == "module":
        return sheet_text(sheet_of(_sided(site_rows(report), alone)), form)
    if asked.by in ("tag", "label"):
        return sheet_text(sheet_of(_shares(report, asked.by, alone), SHARE_KEYS), form)
    some = neuron_rows(report, "unit", top=1)
    keys = list(some[0]) if some else []
    return sheet_text(sheet_of(_neurons(report, asked, alone), keys), form)


def hidden(report: "ActivationReport", asked: "Asked") -> int:
    """How many neurons are not listed because they are rare."""
    if asked.show_rare:
        return 0
    return sum(int(site.neurons.rare.sum()) for site in report.sites)


def order_of(asked: "Asked", alone: bool) -> str:
    """What neurons are sorted by: without a reference none has moved."""
    return asked.sort or ("mass" if alone else "original" if asked.original else "distance")


def _neurons(report: "ActivationReport", asked: "Asked", alone: bool) -> list[Row]:
    rows = neuron_rows(report, order_of(asked, alone), not asked.show_rare, asked.top_rows)
    return _sided(rows, alone)


def _shares(report: "ActivationReport", by: str | None, alone: bool) -> list[Row]:
    rows = [
        row for row in tag_rows(report) if by is None or (row["column"] == "tag") == (by == "tag")
    ]
    return _sided(rows, alone)


def _sided(rows: list[Row], alone: bool) -> list[Row]:
    """Rows without what was before, where nothing was: a stage alone stands on both sides."""
    if not alone:
        return rows
    found = []
    for row in rows:
        if row.get("side") == SIDES[0]:
            continue
        kept: Row = {key: None if key.endswith("_before") else row[key] for key in row}
        kept |= {key: None for key in _OF_TWO if key in row}
        if row.get("state") == STATES[SHARED]:
            kept["state"] = "active"
        found.append(kept)
    return found


def neuron_document(
    detail: "NeuronDetail", report: "ActivationReport", asked: "Asked", alone: bool
) -> str:
    """One neuron as one JSON object."""
    return json_object(
        {
            **_heading(report, asked, alone),
            "notes": [*report.notes, *detail.notes],
            **{key: row[key] for row in _of_neuron(detail, report, alone) for key in row},
            "words": _sided(detail_rows(detail), alone),
            "tags": _sided(share_rows(detail), alone),
        }
    ) + "\n"  # fmt: skip


def _of_neuron(detail: "NeuronDetail", report: "ActivationReport", alone: bool) -> list[Row]:
    """The neuron's row among those of its site."""
    sites = tuple([site for site in report.sites if site.neurons.site == detail.site])
    rows = neuron_rows(replace(report, sites=sites), "unit")
    return _sided([row for row in rows if row["unit"] == detail.unit], alone)


def neuron_sheet(detail: "NeuronDetail", alone: bool, form: TextForm) -> str:
    """The strongest words of one neuron."""
    return sheet_text(sheet_of(_sided(detail_rows(detail), alone), DETAIL_KEYS), form)


def several_document(report: "SeveralReport", asked: "Asked") -> str:
    """Several stages as one JSON object."""
    members: dict[str, Any] = {
        "stages": list(report.titles),
        **_asked_for(asked),
        "between_paths": list(asked.between),
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
        keys: Sequence[str] = ()
    else:
        rows = several_rows(report, not asked.show_rare, asked.top_rows)
        some = several_rows(report, top=1)
        keys = list(some[0]) if some else []
    return sheet_text(sheet_of(rows, keys), form)


def sheet_of(rows: Sequence[Row], without: Sequence[str] = ()) -> Sheet:
    """Rows of one kind as a sheet; without any it has these keys."""
    keys = list(rows[0] if rows else without)
    columns = tuple([SheetColumn(key, _kind(key)) for key in keys])
    return Sheet("row", columns, [tuple(row.values()) for row in rows])


def _kind(key: str) -> Kind:
    if key in _NAMES or key.startswith("word_"):
        return "name"
    if key in _TEXTS:
        return "text"
    counted = key in _COUNTS or key.startswith(("length_", "tag_length_", "count_", "neurons_"))
    return "count" if counted else "number"
