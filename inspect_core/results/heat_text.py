"""Heatmaps as text for other programs."""

from typing import Any, Literal

import numpy as np

from inspect_core.results.formats import json_object, safe_cell, sheet_text
from inspect_core.results.heatmap import (
    ABSENT,
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
    VALUE: "changed",
}  # fmt: skip
"""The states of a cell as JSON has them."""


def heatmap_text(heatmap: Heatmap, form: HeatFormat) -> str:
    r"""A heatmap as text.

    `tsv` is laid out as transformer-weight-diffs writes its tables: no heading, a line for each
    kind, its name and the values of all layers. `csv` and `md` have a heading, and the section
    in a column of its own. In these a cell without a value is empty (`n/a` in Markdown) and
    hidden characters of names are `\xNN`. `json` has everything, names exact.
    """
    if form == "json":
        return _json(heatmap) + "\n"
    if form == "tsv":
        return "".join([_tsv(section) for section in heatmap.sections])
    return sheet_text(_sheet(heatmap), form)


def _tsv(section: HeatSection) -> str:
    lines = []
    for kind, values in zip(section.kinds, section.values.tolist(), strict=True):
        cells = [repr(value) if np.isfinite(value) else "" for value in values]
        lines.append("\t".join([str(safe_cell(f"{section.stem}{kind}")), *cells]) + "\n")
    return "".join(lines)


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
        for kind, values in zip(section.kinds, section.values.tolist(), strict=True):
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
