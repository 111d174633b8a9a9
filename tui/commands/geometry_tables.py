"""What `lamella geometry` prints for people."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from inspect_core.geometry.records import CKA, OVERLAP, beside, matrix_of, pair_of
from inspect_core.results.tables import Sheet, SheetColumn, Value
from tui import format as fmt
from tui.commands.output import BOLD, Output
from tui.commands.sheet import print_sheet
from tui.geometry.notes import all_notes

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import (
        Cluster,
        LabelColumn,
        LandscapeReport,
        LayerDetail,
        LayerNumbers,
        SpacePair,
    )

NOT_DEFINED = "n/a"

MOST_REASONS = 12
"""Reasons below a table."""

MOST_NAMED = 3
"""Layers that a reason names."""

MOST_CLUSTERS = 20
"""Clusters of a layer that are printed; files have all."""

MATRIX_NAMES = {OVERLAP: "shared neighbours", CKA: "linear CKA"}

SHORT_COLUMN = 24
"""Letters of the name of a label column."""


MOST_NOTES = 12
"""Notes below a table."""


def print_report(report: "LandscapeReport", output: Output, read: str = "") -> None:
    """Print a row for each layer: what is measured, of all spaces side by side.

    Args:
        report: what was measured.
        output: where to.
        read: the file and the columns that were read; `""` for none.
    """
    _print_heading(report, output, read)
    output.line()
    print_sheet(_sheet(report, output), output)
    reasons, notes = list(_reasons(report)), all_notes(report)
    if reasons or notes or report.labels:
        output.line()
    for one in report.labels:
        output.line((_chance_words(one, output), "muted"))
    for told in reasons[:MOST_REASONS]:
        output.line((output.cut(told, 400), "note"))
    if len(reasons) > MOST_REASONS:
        output.line((f"and {len(reasons) - MOST_REASONS:,} more; --format json has all", "muted"))
    for told in notes[:MOST_NOTES]:
        output.line((output.cut(told, 400), "note"))
    if len(notes) > MOST_NOTES:
        left = len(notes) - MOST_NOTES
        output.line((f"and {left:,} notes more; --format json has all", "muted"))


def _chance_words(column: "LabelColumn", output: Output) -> str:
    name = output.cut(column.column, SHORT_COLUMN)
    by_chance = f"ARI 0, overlap {_share(column.overlap)}, 1-NN {_share(column.nearest)}"
    return f"{name} by chance: {by_chance}; its commonest label: {_share(column.majority)}"


def _print_heading(report: "LandscapeReport", output: Output, read_from: str = "") -> None:
    several = len(report.spaces) > 1
    for at, space in enumerate(report.spaces):
        mark = f"{at + 1} " if several else ""
        read = f"  {report.texts:,} text{'' if report.texts == 1 else 's'}"
        output.line((f"{mark}{output.cut(space.title)}", BOLD), (read, "muted"))
    if read_from:
        output.line((output.cut(read_from), "muted"))
    how = report.measured
    pooled = f"{report.pooling}; " if report.pooling else ""
    shared = f"{how.share:g} of a label's points" if how.share else f"{how.overlap_k} neighbours"
    told = f"{pooled}k {how.k}, Z {how.z:g}, overlap of {shared}"
    output.line((told, "muted"))


def _sheet(report: "LandscapeReport", output: Output) -> Sheet:
    spaces = report.spaces
    several = len(spaces) > 1
    marks = [f" {at + 1}" if several else "" for at in range(len(spaces))]
    banded = several or len(report.columns) > 1
    columns = [SheetColumn("layer", "name", "layer")]
    first = "points, intrinsic dimension and density peaks" if banded else ""
    for title, rank in (("points", 3), ("ID", 0), ("scales", 3), ("peaks", 1), ("core", 2)):
        columns += [SheetColumn(f"{title}{m}", "text", f"{title}{m}", rank, band=first)
                    for m in (marks if title != "points" else [""])]  # fmt: skip
    for column in report.columns:
        name = output.cut(column, SHORT_COLUMN)
        for title, rank in (("ARI", 1), ("overlap", 2), ("1-NN", 0)):
            key = f"{column} {title}"
            columns += [
                SheetColumn(f"{key}{m}", "text", f"{title}{m}", rank, band=name if banded else "")
                for m in marks
            ]
    if several:
        for title, rank in (("kept", 1), ("CKA", 0)):
            columns += [
                SheetColumn(f"{title}{m}", "text", f"{title}{m}", rank,
                            band=f"against 1 {output.cut(spaces[0].title, 40)}")
                for m in marks[1:]
            ]  # fmt: skip
    rows = [_row(report, place, output) for place in range(max(len(s.layers) for s in spaces))]
    return Sheet("layer", tuple(columns), rows)


def _row(report: "LandscapeReport", place: int, output: Output) -> tuple[Value, ...]:
    found = [s.layers[place] if place < len(s.layers) else None for s in report.spaces]
    there = [layer for layer in found if layer is not None]
    counts = dict.fromkeys(f"{layer.points:,}" for layer in there)
    row: list[Value] = [there[-1].name, "/".join(counts)]
    row += [_dimension(layer, output) for layer in found]
    row += [_scales(layer) for layer in found]
    row += [NOT_DEFINED if layer is None or not layer.clusters else f"{layer.clusters:,}"
            for layer in found]  # fmt: skip
    row += [_share(math.nan if layer is None else layer.core) for layer in found]
    for column in report.columns:
        labels = [
            None if layer is None else next((n for n in layer.labels if n.column == column), None)
            for layer in found
        ]
        row += [_share(math.nan if one is None else one.rand) for one in labels]
        row += [_share(math.nan if one is None else one.overlap) for one in labels]
        row += [_share(math.nan if one is None else one.nearest) for one in labels]
    pairs = [pair_of(report, 0, at) for at in range(1, len(report.spaces))]
    for which in (OVERLAP, CKA):
        row += [_share(math.nan if p is None else beside(p, which, place)) for p in pairs]
    return tuple(row)


def _dimension(layer: "LayerNumbers | None", output: Output) -> str:
    if layer is None or not math.isfinite(layer.dimension.value):
        return NOT_DEFINED
    sign = "+-" if output.ascii_only else "±"
    return f"{layer.dimension.value:.2f} {sign}{layer.dimension.error:.2f}"


def _scales(layer: "LayerNumbers | None") -> str:
    """The dimension at the nearest neighbours and at the farthest: how far it depends on both."""
    known = [] if layer is None else [o for o in layer.dimensions if math.isfinite(o.value)]
    return f"{known[0].value:.1f}-{known[-1].value:.1f}" if known else NOT_DEFINED


def _share(value: float) -> str:
    """A number about 1 at most, with three digits behind the point."""
    return f"{value:.3f}" if math.isfinite(value) else NOT_DEFINED


def _reasons(report: "LandscapeReport") -> Iterator[str]:
    """Why something is not defined, each reason once with its layers."""
    found: dict[tuple[str, str], list[str]] = {}
    for space in report.spaces:
        where = f" in {space.title}" if len(report.spaces) > 1 else ""
        for layer in space.layers:
            whys = dict.fromkeys([layer.why or layer.dimension.why])
            whys |= dict.fromkeys(
                one.why if len(report.columns) < 2 or not one.why else f"{one.column}: {one.why}"
                for one in layer.labels
                if one.why not in whys
            )
            for why in whys:
                if why:
                    found.setdefault((why, where), []).append(layer.name)
    for (why, where), layers in found.items():
        named = ", ".join(layers[:MOST_NAMED])
        more = f" and {len(layers) - MOST_NAMED:,} more" if len(layers) > MOST_NAMED else ""
        yield f"{why}: {named}{more}{where}"


def print_matrices(report: "LandscapeReport", which: str, output: Output, read: str = "") -> None:
    """Print layers against layers, for every pair of spaces."""
    _print_heading(report, output, read)
    for pair in report.pairs:
        output.line()
        print_sheet(_matrix(report, pair, which, output), output, asked=True)


def _matrix(report: "LandscapeReport", pair: "SpacePair", which: str, output: Output) -> Sheet:
    one, other = report.spaces[pair.one], report.spaces[pair.other]
    where = output.cut(one.title, 40)
    if pair.one != pair.other:
        where = f"{where} down, {output.cut(other.title, 40)} across"
    columns = [SheetColumn("layer", "name", f"{MATRIX_NAMES[which]}, {where}")]
    columns += [SheetColumn(f"{at}", "text", f"{at}", at) for at in range(len(other.layers))]
    matrix = matrix_of(pair, which)
    rows = [
        (f"{at} {layer.name}", *[_short(float(value)) for value in matrix[at]])
        for at, layer in enumerate(one.layers)
    ]
    return Sheet("layer", tuple(columns), rows)


def _short(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else NOT_DEFINED


def print_details(
    details: "Sequence[LayerDetail]", report: "LandscapeReport", output: Output
) -> None:
    """Print the clusters of one layer of each space: sizes, labels, and texts near the peaks."""
    for at, detail in enumerate(details):
        if at:
            output.line()
        output.line((output.cut(detail.name), BOLD), (f"  {output.cut(detail.space)}", "muted"))
        count = len(detail.samples)
        spread = ", ".join(fmt.percent(share) for share in detail.explained)
        told = f"{count:,} point{'' if count == 1 else 's'}; two components explain {spread}"
        output.line((told, "muted"))
        if not detail.clusters:
            why = _why(report, detail)
            output.line((output.cut(why or "n/a: no clusters", 400), "note"))
        for number, cluster in enumerate(detail.clusters[:MOST_CLUSTERS]):
            _print_cluster(number + 1, cluster, report.columns, output)
        if len(detail.clusters) > MOST_CLUSTERS:
            left = len(detail.clusters) - MOST_CLUSTERS
            output.line((f"{left:,} more are not listed; --format json has all", "muted"))


def _print_cluster(number: int, cluster: "Cluster", columns: Sequence[str], output: Output) -> None:
    output.line()
    height = f", {cluster.height:.2f} above its saddle" if math.isfinite(cluster.height) else ""
    told = f"  {cluster.size:,} points, {fmt.percent(cluster.core)} in the core{height}"
    output.line((f"cluster {number}", BOLD), told)
    for column, labels in zip(columns, cluster.labels, strict=False):
        made = ", ".join(
            f"{output.cut(label, 40) or '(empty)'} {fmt.percent(count / cluster.size)}"
            for label, count in labels
        )
        output.line((f"  {output.cut(column, SHORT_COLUMN)}: ", "muted"), made)
    room = (output.width or 100) - 4
    for text in cluster.examples:
        output.line(f"    {output.cut(text, room)}")


def _why(report: "LandscapeReport", detail: "LayerDetail") -> str:
    for space in report.spaces:
        for layer in space.layers:
            if (space.title, layer.name) == (detail.space, detail.name):
                return layer.why
    return ""
