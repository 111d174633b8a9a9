"""Tags and labels: how often each occurs, against the activation mass that it makes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.style import Style

from inspect_core.text import clean
from tui.activations.figures.bar_table import Column, Ends, bar_table, known
from tui.activations.figures.facts import NO_REFERENCE, NO_TAGS, has_reference
from tui.figures.captions import notice, title_line
from tui.figures.parts import Lines, line, not_shown
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.activations.neurons import FeatureShare, SiteReport
    from tui.activations.state import ViewState

BESIDE, LEAST_LINES = 2, 4
"""Lines of a table beside its rows; and all of its lines, at least."""


def shares(
    state: "ViewState", site: "SiteReport", palette: Palette, width: int, height: int
) -> Lines:
    """Tags, then the label columns, as many of each as have room."""
    above = [
        title_line("share of words, of activation mass", clean(site.neurons.site), palette, width)
    ]
    compared = has_reference(state.report)
    if not compared:
        above += notice(NO_REFERENCE, palette, width)
    tables = [(clean(name), rows) for name, rows in site.labels if rows]
    if site.tags:
        tables.insert(0, ("tag", site.tags))
    else:
        above += notice(NO_TAGS, palette, width)
    if not tables:
        return above
    room = height - len(above)
    lines: Lines = []
    for (name, rows), own in zip(tables, _heights(tables, room), strict=True):
        lines += _table(name, rows, compared, palette, width, own)
    return [*above, *lines]


def _heights(tables: "Sequence[tuple[str, Sequence[FeatureShare]]]", room: int) -> list[int]:
    """Lines of each table: as many as it needs, the longest cut first."""
    heights = [len(rows) + BESIDE for _, rows in tables]
    while sum(heights) > room and max(heights) > LEAST_LINES:
        heights[heights.index(max(heights))] -= 1
    return heights


def _table(
    name: str,
    rows: "Sequence[FeatureShare]",
    compared: bool,
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
    """A line for each feature, as many as have room; bars of one table are on one scale."""
    room = max(1, height - BESIDE)
    shown = rows if len(rows) <= room else rows[: room - 1]
    columns = [Column("words", [row.frequency[1] for row in shown], "frozen")]
    if compared and any(row.frequency[0] != row.frequency[1] for row in rows):
        columns = [
            Column(f"words {name}", [row.frequency[side] for row in shown], "frozen")
            for side, name in enumerate(("before", "after"))
        ]
    if compared:
        columns.append(Column("mass before", [row.mass[0] for row in shown], "fold"))
    title = "mass after" if compared else "mass"
    columns.append(Column(title, [row.mass[1] for row in shown], "tunable"))
    ends = Ends("change, pp", [_change(row, palette) for row in shown]) if compared else None
    most = max(known(share) for row in rows for share in (*row.frequency, *row.mass))
    names = [row.name for row in shown]
    lines = bar_table(name, names, columns, palette, width, most, ends)
    if len(shown) < len(rows):
        lines.append(not_shown(len(rows) - len(shown), palette, f"of {len(rows):,}"))
    return [*lines, line("")]


def _change(row: "FeatureShare", palette: Palette) -> tuple[str, Style]:
    """By how many points the share of the mass moved; what is on one side only is marked."""
    before, after = row.mass
    points = 100.0 * (after - before)
    text = f"{points:+.1f}" if math.isfinite(points) else "n/a"
    if row.frequency[0] == 0.0 < row.frequency[1]:
        text = f"new {text}"
    elif row.frequency[1] == 0.0 < row.frequency[0]:
        text = f"gone {text}"
    return text, palette.styles["note" if abs(points) >= 1.0 else "muted"]
