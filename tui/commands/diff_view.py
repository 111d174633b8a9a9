"""What `lamella diff` shows of its comparisons, and writes for other programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from inspect_core.results.comparison import Comparison
from inspect_core.results.groups import By, Group
from inspect_core.results.records import report_of, summary_of, usual_metrics
from inspect_core.results.selection import Row, Selection, side_by_side
from inspect_core.results.sheets import beside_sheet, group_sheet, similarity_sheet
from inspect_core.results.tables import Sheet
from tui.commands.diff_metrics import Metrics

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric


@dataclass(frozen=True)
class View:
    """What of the comparisons is shown.

    Attributes:
        found: of each model with the base.
        rows: their groups, those of one name together.
        by: what they are.
        metrics: the numbers of them.
        plain: whether nothing was asked for but how to group.
    """

    found: Sequence[Comparison]
    rows: Sequence[Row]
    by: By
    metrics: Metrics
    plain: bool

    @classmethod
    def of(
        cls,
        found: Sequence[Comparison],
        groups: Sequence[Sequence[Group]],
        by: By,
        metrics: Metrics,
        plain: bool,
    ) -> "View":
        """All groups of all models."""
        if len(found) > 1:
            return cls(found, side_by_side(found, groups, by), by, metrics, plain)
        return cls(found, [(group.name, {0: group}) for group in groups[0]], by, metrics, plain)

    @property
    def groups(self) -> list[Group]:
        """The groups of the only model."""
        return [groups[0] for _, groups in self.rows]

    @property
    def first(self) -> "Metric":
        """The number that orders the rows, and the only one of several models."""
        return self.metrics.listed(self.by)[0]

    @property
    def by_similarity(self) -> bool:
        """Whether types are shown by the averages of the published table."""
        return self.by == "type" and self.plain and len(self.found) == 1

    def selected(self, selection: Selection) -> "View":
        """The same with some of the rows, in some order."""
        return replace(self, rows=selection.of_rows(self.rows, self.first))

    def sheet(self) -> Sheet:
        """It as one sheet."""
        if len(self.found) > 1:
            return beside_sheet(self.found, self.rows, self.by, self.first)
        if self.by_similarity:
            return similarity_sheet(self.found[0], self.metrics.original)
        return group_sheet(self.found[0], self.groups, self.by, self.metrics.listed(self.by))


def document(view: View, more: Mapping[str, Any] = MappingProxyType({})) -> str:
    """All of it as one JSON object, with more members at the end.

    By tensor it is the report of `inspect_core.diff`, with the metrics that were asked for
    beside those that always are there.
    """
    if len(view.found) > 1:
        return _several(view, more)
    from inspect_core.results.formats import json_object, plain, to_json

    (comparison,), groups, extra = view.found, view.groups, view.metrics.extra
    if view.by == "tensor":
        listed = [at for group in groups for at in group.indices]
        report = report_of(replace(comparison, kept=listed), extra)
        return to_json(replace(report, summary=summary_of(comparison, extra)), more) + "\n"
    if view.by_similarity:
        sheet = view.sheet()
    else:
        sheet = group_sheet(comparison, groups, view.by, (*usual_metrics(), *extra))
    rows = sheet.records()
    for row in rows:
        row.pop("note", None)  # words for people; the numbers say it too
    members = {
        **({"saved": comparison.made} if comparison.made else {}),
        "model": comparison.model.uri,
        "reference": comparison.reference.uri,
        "by": view.by,
        "rows": rows,
        "summary": plain(summary_of(comparison, extra)),
        "files": [asdict(difference) for difference in comparison.files],
        **more,
    }
    return json_object(members) + "\n"


def _several(view: View, more: Mapping[str, Any]) -> str:
    from inspect_core.results.formats import json_object, plain

    found, extra = view.found, view.metrics.extra
    members = {
        "reference": found[0].reference.uri,
        "models": [comparison.model.uri for comparison in found],
        "by": view.by,
        "metric": view.first.key,
        "rows": [
            {"name": name, "values": values} for name, *values in view.sheet().for_files().rows
        ],
        "summaries": [plain(summary_of(comparison, extra)) for comparison in found],
        "files": [[asdict(difference) for difference in c.files] for c in found],
        **more,
    }
    return json_object(members) + "\n"
