"""The clusters of a layer: size, core, labels as bars, and texts from near the peak."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from inspect_core.text import clean
from tui import format as fmt
from tui.figures.captions import number_words
from tui.figures.parts import Lines, line
from tui.figures.wrapping import wrapped
from tui.geometry.figures.naming import CLUSTER_MARKS, LABEL_MARKS, group_look
from tui.palette import Palette
from tui.plots import bars

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import Cluster, LayerDetail

LABEL = 14
"""Cells of a label's name."""

BAR = 10
"""Cells of the longest bar of a label."""

QUOTED, QUOTE_LINES, QUOTE = 3, 2, 400
"""Texts of a cluster, lines of each, and characters that are looked at."""

MOST_CLUSTERS = 60
"""Clusters that are listed; the page scrolls, but not for ever."""


def cluster_table(
    detail: "LayerDetail",
    column: int | None,
    marked: Sequence[str],
    palette: Palette,
    width: int,
) -> Lines:
    """A line of numbers for each cluster, its labels, and its texts.

    Args:
        detail: the layer.
        column: of the labels, by index; None for no labels.
        marked: labels that have a mark in the plane, in its order; empty where clusters have.
        palette: colours and glyphs.
        width: cells across.
    """
    points = len(detail.cluster)
    looks = {name: group_look(at, LABEL_MARKS, palette) for at, name in enumerate(marked)}
    shown = detail.clusters[:MOST_CLUSTERS]
    found = [() if column is None else one.labels[column : column + 1] for one in shown]
    shares = [
        count / one.size
        for one, several in zip(shown, found, strict=True)
        for labels in several
        for _, count in labels
    ]
    # All at once: a plot takes a millisecond, however small.
    drawn = iter(bars(shares, BAR, Style(), palette.ascii_only))
    lines: Lines = []
    for number, cluster in enumerate(shown):
        mark, style = group_look(number, CLUSTER_MARKS, palette)
        # Colours stand for labels then.
        mark_style = (palette.styles["module"] if marked else style) + Style(bold=True)
        lines += _numbers(cluster, points, (f"{mark} ", mark_style), palette, width)
        for labels in found[number]:
            lines += _labels(cluster, labels, drawn, looks, palette, width)
        lines += _texts(cluster.examples, palette, width)
    hidden = len(detail.clusters) - MOST_CLUSTERS
    if hidden > 0:
        lines.append(line((f"and {hidden:,} smaller clusters", palette.styles["muted"])))
    return lines


def _numbers(
    cluster: "Cluster", points: int, mark: tuple[str, Style], palette: Palette, width: int
) -> Lines:
    """Mark, size, core and height; in two lines where it is narrow."""
    share = cluster.size / points if points else math.nan
    size = f"{number_words(cluster.size, 'point')}, {fmt.percent(share)}"
    core = f"core {fmt.percent(cluster.core)}"
    height = "alone" if math.isinf(cluster.height) else f"height {fmt.number(cluster.height)}"
    muted = palette.styles["muted"]
    head = line(mark, (size, Style(bold=True)))
    first = Strip.join([head, line((f"   {core}   {height}", muted))])
    if first.cell_length <= width:
        return [first]
    return [head, line((f"  {core}, {height}", muted))]


def _labels(
    cluster: "Cluster",
    found: Sequence[tuple[str, int]],
    drawn: Iterator[Strip],
    looks: Mapping[str, tuple[str, Style]],
    palette: Palette,
    width: int,
) -> Lines:
    """The commonest labels, each with a bar for its share of the cluster, as many as fit a line."""
    lines: Lines = []
    for label, count in found:
        share = count / cluster.size
        mark, style = looks.get(label, ("", palette.styles["frozen"]))
        bar = next(drawn).text.rstrip()
        name = f"{clean(label, LABEL) or '(empty)'} "
        told = (f" {fmt.percent(share)}", palette.styles["muted"])
        part = line((f"{mark} " if mark else "", style), name, (bar, style), told)
        if lines and lines[-1].cell_length + 3 + part.cell_length <= width:
            lines[-1] = Strip.join([lines[-1], line("   "), part])
        else:
            lines.append(Strip.join([line("  "), part]))
    rest = cluster.size - sum(count for _, count in found)
    more = line((f"others {fmt.percent(rest / cluster.size)}", palette.styles["muted"]))
    if rest > 0 and lines and lines[-1].cell_length + 3 + more.cell_length <= width:
        lines[-1] = Strip.join([lines[-1], line("   "), more])
    return lines


def _texts(examples: Sequence[str], palette: Palette, width: int) -> Lines:
    """The texts nearest to the peak, wrapped."""
    lines: Lines = []
    muted, room = palette.styles["muted"], max(8, width - 4)
    for text in examples[:QUOTED]:
        shown = " ".join(clean(text[:QUOTE], None).split()) or "(empty)"
        rows = wrapped([(shown, muted)], room)
        if len(rows) > QUOTE_LINES or len(text) > QUOTE:
            rows = [*rows[: QUOTE_LINES - 1], _ended(rows, palette, room)]
        lines += [Strip.join([line("  - " if not at else "    "), row])
                  for at, row in enumerate(rows)]  # fmt: skip
    return lines


def _ended(rows: Lines, palette: Palette, room: int) -> Strip:
    """The last line that is shown of a longer text."""
    more = palette.glyphs.more
    text = rows[min(QUOTE_LINES, len(rows)) - 1].crop(0, room - cell_len(more)).text
    return line((f"{text.rstrip()}{more}", palette.styles["muted"]))
