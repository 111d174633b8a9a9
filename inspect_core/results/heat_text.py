"""Heatmaps as text for other programs."""

from typing import Any, Literal

import numpy as np

from inspect_core.results.formats import bare_cell, json_object, safe_cell, sheet_text
from inspect_core.results.heatmap import (
    ABSENT,
    NOT_FINITE,
    SAME,
    UNCOMPARED,
    UNDEFINED,
    VALUE,
    Heatmap,
    HeatSection,
)
from inspect_core.results.tables import Sheet, SheetColumn, Value

HeatFormat = Literal["json", "csv", "tsv", "md"]

STATE_NAMES = {
    ABSENT: "absent", UNCOMPARED: "not_compared", UNDEFINED: "undefined", SAME: "same",
    VALUE: "changed", NOT_FINITE: "not_finite",
}  # fmt: skip
"""The states of a cell as JSON has them."""


def heatmap_text(heatmap: Heatmap, form: HeatFormat) -> str:
    r"""A heatmap as text.

    `tsv` is laid out as transformer-weight-diffs writes its tables: no heading, a line for each
    kind, its name and the values of all layers, with empty cells behind where another stack has
    more layers. `csv` and `md` have a heading, and the section
    in a column of its own. In these a cell without a value is empty (`n/a` in Markdown) and
    hidden characters of names are `\xNN`; one that changed by NaN or infinities alone is `NaN`.
    `json` has everything, names exact.
    """
    if form == "json":
        return _json(heatmap) + "\n"
    if form == "tsv":
        longest = max([len(section.columns) for section in heatmap.sections], default=0)
        return "".join([_tsv(section, longest) for section in heatmap.sections])
    return sheet_text(_sheet(heatmap), form)


def _tsv(section: HeatSection, longest: int) -> str:
    lines = []
    for row, kind in enumerate(section.kinds):
        cells = ["" if value is None else str(value) for value in _cells(section, row)]
        cells += [""] * (longest - len(cells))
        name = f"{section.stem}{kind}"  # bare, as there; a quote in it asks for quotes around
        named = safe_cell(name) if '"' in name else bare_cell(name)
        lines.append("\t".join([named, *cells]) + "\n")
    return "".join(lines)


def _cells(section: HeatSection, row: int) -> list[Value]:
    """The values of a row; a word for what changed and has none, None for the others."""
    values, states = section.values[row].tolist(), section.states[row].tolist()
    return [
        value if np.isfinite(value) else "NaN" if state == NOT_FINITE else None
        for value, state in zip(values, states, strict=True)
    ]


def _sheet(heatmap: Heatmap) -> Sheet:
    names = dict.fromkeys([n for s in heatmap.sections if s.has_axis for n in s.columns])
    outside = [section for section in heatmap.sections if not section.has_axis]
    columns = [
        SheetColumn("section", "name", "section"),
        SheetColumn("kind", "name", "kind"),
        *[SheetColumn(name, "number", name) for name in names],
        *([SheetColumn("value", "number", "value")] if outside else []),
    ]
    rows: list[tuple[Value, ...]] = []
    for section in heatmap.sections:
        for row, kind in enumerate(section.kinds):
            values = _cells(section, row)
            found = dict(zip(section.columns, values, strict=True))
            cells = [found.get(name) for name in names]
            alone = [None if section.has_axis else values[0]] if outside else []
            rows.append((section.title, kind, *cells, *alone))
    return Sheet("kind", tuple(columns), rows)


def _json(heatmap: Heatmap) -> str:
    sections: list[dict[str, Any]] = [
        {
            "title": section.title,
            "columns": list(section.columns) if section.has_axis else None,
            "kinds": list(section.kinds),
            "values": section.values.tolist(),
            "states": [[STATE_NAMES[state] for state in row] for row in section.states.tolist()],
            "tensors": [[list(names) for names in row] for row in section.names],
        }
        for section in heatmap.sections
    ]
    return json_object({"title": heatmap.title, "metric": heatmap.metric.key, "sections": sections})
