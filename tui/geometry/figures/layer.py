"""The page of one layer: its points in a plane, its clusters, its dimension by scale."""

from typing import TYPE_CHECKING

import numpy as np
from rich.style import Style

from inspect_core.text import clean
from tui import format as fmt
from tui.figures.captions import legend, notice, number_words, title_line
from tui.figures.parts import Lines, line, side_by_side
from tui.geometry.figures.clusters import cluster_table
from tui.geometry.figures.naming import clamped, group_look, layer_at, rest_look, with_error
from tui.geometry.figures.plane import Groups, by_cluster, by_label, scatter
from tui.geometry.figures.scales import scales_chart
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LayerDetail
    from tui.geometry.state import GeometryState

BESIDE = 100
"""A page as wide has the clusters beside the plane."""

TABLE_SHARE = 0.45
"""Share of its width that they get there."""

SCALES, SCALES_LINES = 34, 14
"""Cells and lines of the dimension by scale."""

LEAST_PLANE, MOST_PLANE = 8, 40
"""Lines of the plane."""

LEGEND_LINES = 4
"""Lines of the names of groups."""

MOST_NOTES = 3
"""Notes on a layer."""

NAME = 24
"""Cells of the name of a group."""


def layer_page(
    state: "GeometryState", detail: "LayerDetail", palette: Palette, width: int, height: int
) -> Lines:
    """Everything of a layer; it may be longer than its room."""
    column = clamped(state.column, len(detail.labels)) if detail.labels else None
    head = _head(state, detail, palette, width)
    if not len(detail.plane):
        why = _why(state, "no text has a finite representation here")
        return [*head, line(""), *notice(why, palette, width)]
    wide = width >= BESIDE
    left = round(width * (1 - TABLE_SHARE)) if wide else width
    tall = (
        height - len(head) if wide else min(height - len(head), max(LEAST_PLANE, height * 3 // 5))
    )
    labelled = state.colored == "labels" and column is not None
    plane = _plane(state, detail, column, palette, left - 2 * wide, tall)
    table = _table(state, detail, column, labelled, palette, width - left if wide else width)
    scales = scales_chart(state, palette, min(SCALES, width), SCALES_LINES)
    if wide:
        longer = len(table) + len(scales) > len(plane)
        left_side = [*plane, line(""), *scales] if longer else plane
        right_side = table if longer else [*table, line(""), *scales]
        return [*head, *side_by_side(left_side, right_side, left)]
    return [*head, *plane, line(""), *table, line(""), *scales]


def _head(state: "GeometryState", detail: "LayerDetail", palette: Palette, width: int) -> Lines:
    name, count = clean(detail.name, 60), len(detail.plane)
    found = number_words(len(detail.clusters), "cluster")
    lines = [title_line(name, clean(detail.space), palette, width)]
    text = f"{found} of {number_words(count, 'point')}"
    numbers = layer_at(state.report, state.space, state.layer)
    if numbers is not None and numbers.name == detail.name:
        dimension = numbers.dimension
        if np.isfinite(dimension.value):
            text += f"   dimension {with_error(dimension.value, dimension.error, palette)}"
        if np.isfinite(numbers.core):
            text += f"   {fmt.percent(numbers.core)} in a core"
        left = [(numbers.repeated, "repeated"), (numbers.nonfinite, "NaN or infinite")]
        out = [f"{number:,} {what}" for number, what in left if number]
        text += f"   left out: {', '.join(out)}" if out else ""
    lines += legend([("", Style(), part) for part in text.split("   ")], palette, width)
    for note in detail.notes[:MOST_NOTES]:
        lines += notice(f"{palette.glyphs.note} {clean(note)}", palette, width)
    return lines


def _why(state: "GeometryState", otherwise: str) -> str:
    numbers = layer_at(state.report, state.space, state.layer)
    return clean((numbers.why if numbers else "") or otherwise)


def _plane(
    state: "GeometryState",
    detail: "LayerDetail",
    column: int | None,
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
    """The points, and what their marks mean."""
    labelled = state.colored == "labels" and column is not None
    groups = by_label(detail.labels[column or 0]) if labelled else by_cluster(detail)
    across, up = (fmt.percent(share) for share in detail.explained)
    pieces = [
        ("", palette.styles["muted"], f"across: component 1, {across} of the variance"),
        ("", palette.styles["muted"], f"up: component 2, {up}"),
    ]
    axes = legend(pieces, palette, width)
    names = _groups_legend(groups, labelled, palette, width)
    if labelled and state.report.columns:
        title = clean(state.report.columns[clamped(state.column, len(state.report.columns))], 40)
        axes = [line((f"by {title}", palette.styles["muted"])), *axes]
    elif state.colored == "labels":
        axes = [*notice("no labels: by cluster", palette, width), *axes]
    tall = max(LEAST_PLANE, min(MOST_PLANE, height - len(axes) - len(names)))
    return [*scatter(detail.plane, groups, palette, width, tall), *axes, *names]


def _groups_legend(groups: Groups, labelled: bool, palette: Palette, width: int) -> Lines:
    """Marks, names and sizes of the groups, the largest first, as many as fit."""
    muted = palette.styles["muted"]
    rest = "others" if labelled or groups.hidden else "halo" if groups.names else "points"
    of = f" of {number_words(groups.hidden, 'label')}" if labelled and groups.hidden else ""
    last = [(*rest_look(palette), f"{rest} {groups.rest:,}{of}")]
    parts = [] if labelled or not groups.names else [("", muted, "in cores:")]
    for at, (name, size) in enumerate(zip(groups.names, groups.sizes, strict=True)):
        mark, style = group_look(at, groups.marks, palette)
        text = f"{clean(name, NAME) or '(empty)'} {size:,}" if labelled else f"{size:,}"
        parts.append((mark, style, text))
    for shown in range(len(parts), -1, -1):
        more = len(parts) - shown
        ends = [("", muted, f"and {more} more")] if more else []
        lines = legend([*parts[:shown], *ends, *(last if groups.rest else [])], palette, width)
        if len(lines) <= LEGEND_LINES:
            return lines
    return []


def _table(
    state: "GeometryState",
    detail: "LayerDetail",
    column: int | None,
    labelled: bool,
    palette: Palette,
    width: int,
) -> Lines:
    """The clusters; where points are marked by label, so are their labels."""
    if not detail.clusters:
        return notice(_why(state, "n/a: no clusters"), palette, width)
    muted = palette.styles["muted"]
    what = "clusters, the largest first"
    if column is not None and column < len(state.report.columns):
        what += f", and their {clean(state.report.columns[column], 30)}"
    height = "height: log density of the peak above its saddle"
    head = legend([("", muted, what), ("", muted, height)], palette, width)
    marked = by_label(detail.labels[column]).names if labelled and column is not None else ()
    return [*head, *cluster_table(detail, column, marked, palette, width)]
