"""A measure along the layers: a line for each space, the cursor's layer, and what is missing."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.style import Style
from textual.strip import Strip

from inspect_core.text import clean
from tui import format as fmt
from tui.figures.captions import legend, notice, number_words, title_line
from tui.figures.chart import Dots, draw_chart
from tui.figures.parts import Lines, line, side_by_side
from tui.geometry.figures.lines import (
    curve,
    error_bars,
    in_order,
    level,
    together,
    upright,
    value_axis,
)
from tui.geometry.figures.naming import (
    clamped,
    layer_at,
    layer_axis,
    layer_words,
    several_look,
    space_look,
    with_error,
)
from tui.geometry.figures.scales import scales_chart
from tui.geometry.measures import MEASURES, Series, by_chance, series_of
from tui.palette import Palette
from tui.plots import FRAME_LINES

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport
    from tui.geometry.state import GeometryState

GAP = 2
"""Blanks between the two."""

ERROR_ROOM = 3
"""Columns of a layer below which errors are not drawn."""

MARK_ROOM = 2
"""Columns between marks on a line."""

BESIDE, SCALES = 100, 34
"""Width of a pane that has the dimension by scale beside its curves, and width of that."""

MOST_WHYS, MOST_NOTES = 3, 3
"""Lines on what is missing, and on what to know."""

LEAST_CHART = 7
"""Lines of a chart, before anything below it."""

NO_LABELS = "no labels: press A and name label columns"
NO_PAIR = "one space: nothing to compare with. Choose a reference, or start with --ref BASE"


def curves(state: "GeometryState", palette: Palette, width: int, height: int) -> Lines:
    """The curves of one measure; in less room than they need, fewer lines of words."""
    measure = MEASURES.get(state.measure, MEASURES["dimension"])
    report = state.report
    title = measure.title
    column = clamped(state.column, len(report.columns))
    if measure.labels and report.columns:
        title += f": {clean(report.columns[column], 40)}"
    head = [title_line(title, measure.means, palette, width)]
    missing = NO_LABELS if measure.labels and not report.columns else ""
    found = [] if missing else list(series_of(report, state.measure, column))
    if measure.pairs and not found:
        missing = NO_PAIR
    known = [one for one in found if any(map(math.isfinite, one.values))]
    if missing or not known:
        text = missing or "no layer has a value"
        return [
            *head,
            line(""),
            *notice(text, palette, width),
            *_whys(report, found, palette, width),
            *_notes(report, palette, width),
        ]
    chance = by_chance(report, state.measure, column)
    head += _legend(report, found, palette, width, len(found) > 1, chance)
    below = [
        line(""),
        *_cursor(state, found, palette, width),
        *_whys(report, found, palette, width),
    ]
    below += _notes(report, palette, width)
    below = below[: max(2, height - len(head) - LEAST_CHART)]
    tall = height - len(head) - len(below)
    beside = state.measure == "dimension" and width >= BESIDE
    room = width - SCALES if beside else width
    chart = _chart(state, found, measure.share, palette, room - GAP * beside, tall)
    if not any(several_look(palette)[0] in strip.text for strip in chart):
        head = [head[0], *_legend(report, found, palette, width, False, chance)]
    if beside:
        chart = side_by_side(chart, scales_chart(state, palette, SCALES, tall), room)
    return [*head, *chart, *below]


def _legend(
    report: "LandscapeReport",
    found: Sequence[Series],
    palette: Palette,
    width: int,
    several: bool,
    chance: float = math.nan,
) -> Lines:
    """A mark and a title for each space, and what several at one place are."""
    parts = [
        (
            *space_look(one.space, palette),
            clean(report.spaces[one.space].title, max(12, width // 2)),
        )
        for one in found
    ]
    if several:
        parts.append((*several_look(palette), "several"))
    if math.isfinite(chance):
        mark = "--" if palette.ascii_only else "╌╌"
        parts.append((mark, palette.styles["muted"], f"by chance {fmt.number(chance)}"))
    return legend(parts, palette, width)


def _chart(
    state: "GeometryState",
    found: Sequence[Series],
    share: bool,
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
    chance = by_chance(state.report, state.measure, state.column)
    across = layer_axis([state.report.spaces[one.space] for one in found])
    up = value_axis([*found, Series(0, (chance,))], share, whole=state.measure == "clusters")
    every = max(1, math.ceil(MARK_ROOM * len(across.names) / width))
    below = [upright(clamped(state.layer, len(across.names)), up, palette)]
    if math.isfinite(chance):
        below.insert(0, level(chance, len(across.names) - 1, palette))
    if width >= ERROR_ROOM * len(across.names):
        below += [error_bars(one, palette) for one in found if one.errors]
    dots: list[Dots] = []
    for at, one in enumerate(found):
        first = at * every // len(found)
        dots += curve(one.values, *space_look(one.space, palette), palette, every, first)
    if every == 1:
        dots += together(found, up, max(1, height - FRAME_LINES), palette)
    return draw_chart([*below, *in_order(dots)], [], across, up, palette, width, height)


def _cursor(state: "GeometryState", found: Sequence[Series], palette: Palette, width: int) -> Lines:
    """The layer under the cursor and its values, named by the chosen space."""
    report = state.report
    layer = layer_at(report, state.space, state.layer)
    if layer is None:
        return []
    layers = report.spaces[clamped(state.space, len(report.spaces))].layers
    at = clamped(state.layer, len(layers))
    mark = "@" if palette.ascii_only else palette.glyphs.closed
    name = layer_words(layer.name, max(20, width // 2))
    parts = [(mark, palette.styles["module"], f"{name}  ({at + 1} of {len(layers)})")]
    for one in found:
        error = one.errors[at] if at < len(one.errors) else math.nan
        value = "no such layer"
        if at < len(one.values):
            value = with_error(one.values[at], error, palette)
        own = report.spaces[one.space].layers
        other = own[at].name if at < len(own) and own[at].name != layer.name else ""
        told = f"  {layer_words(other, 30)}" if other else ""
        parts.append((*space_look(one.space, palette), f"{value}{told}"))
    return [_bright(strip, palette) for strip in legend(parts, palette, width)]


def _bright(strip: Strip, palette: Palette) -> Strip:
    """A line whose muted words are as bright as any."""
    muted = palette.styles["muted"]
    return line(*((part.text, Style() if part.style == muted else part.style or Style())
                  for part in strip))  # fmt: skip


def _whys(
    report: "LandscapeReport", found: Sequence[Series], palette: Palette, width: int
) -> Lines:
    """Why there are gaps, each reason once."""
    reasons: dict[str, list[tuple[int, int]]] = {}
    for one in found:
        for at, why in enumerate(one.whys):
            if why:
                reasons.setdefault(why.removeprefix("n/a: "), []).append((one.space, at))
    lines: Lines = []
    for why, places in list(reasons.items())[:MOST_WHYS]:
        spaces = sorted({space for space, _ in places})
        where = number_words(len(places), "layer")
        if len(spaces) == 1 and len(report.spaces) > 1:
            where += f" of {clean(report.spaces[spaces[0]].title, 40)}"
        lines += notice(f"n/a at {where}: {clean(why)}", palette, width)
    if len(reasons) > MOST_WHYS:
        more = number_words(len(reasons) - MOST_WHYS, "more reason")
        lines += notice(f"and {more}", palette, width)
    return lines


def _notes(report: "LandscapeReport", palette: Palette, width: int) -> Lines:
    """What to know of the report and its spaces."""
    notes = list(dict.fromkeys([*report.notes, *(n for s in report.spaces for n in s.notes)]))
    lines: Lines = []
    for note in notes[:MOST_NOTES]:
        lines += notice(f"{palette.glyphs.note} {clean(note)}", palette, width)
    return lines
