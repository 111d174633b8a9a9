"""The dimension of one layer by scale: how it depends on how far neighbours are looked at."""

import math
from typing import TYPE_CHECKING

from inspect_core.text import clean
from tui.figures.captions import legend, notice
from tui.figures.chart import Axis, Dots, draw_chart
from tui.figures.parts import Lines, line
from tui.geometry.figures.lines import curve, in_order, round_above, upright
from tui.geometry.figures.naming import clamped, layer_at, named_axis, short_layer, space_look
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.geometry.dimension import Dimension
    from tui.geometry.state import GeometryState


def scales_chart(state: "GeometryState", palette: Palette, width: int, height: int) -> Lines:
    """Dimension over n1 at the cursor's layer, a line for each space; the used n1 is marked."""
    report = state.report
    chosen = layer_at(report, state.space, state.layer)
    if chosen is None:
        return []
    named = short_layer(chosen.name)
    layer = f"layer {named}" if named.isdecimal() else named
    head = [line((f"by scale, at {layer}", palette.styles["muted"]))]
    found = [
        (at, space.layers[clamped(state.layer, len(space.layers))].dimensions)
        for at, space in enumerate(report.spaces)
        if state.layer < len(space.layers) or at == clamped(state.space, len(report.spaces))
    ]
    scales = sorted({one.near for _, several in found for one in several})
    values = [one.value for _, several in found for one in several if math.isfinite(one.value)]
    if not scales or not values:
        return [*head, *notice(chosen.dimension.why or "n/a: too few points", palette, width)]
    across = named_axis(tuple(str(near) for near in scales))
    high = round_above(max(values))
    up = Axis(0.0, high)
    below: list[Dots] = []
    if report.measured.k in scales:
        at = scales.index(report.measured.k)
        below.append(upright(at, up, palette))
    dots: list[Dots] = []
    for space, several in found:
        dots += curve(_placed(several, scales), *space_look(space, palette), palette)
    told = legend([("", palette.styles["muted"], "across: neighbours n1, to 2 n1")], palette, width)
    if len(found) > 1:  # beside the plane of a layer its marks are otherwise those of clusters
        names = [(*space_look(at, palette), clean(report.spaces[at].title, 12)) for at, _ in found]
        told += legend(names, palette, width)
    chart = draw_chart(
        [*below, *in_order(dots)], [], across, up, palette, width, max(6, height - 1 - len(told))
    )
    return [*head, *chart, *told]


def _placed(several: "tuple[Dimension, ...]", scales: list[int]) -> list[float]:
    values = {one.near: one.value for one in several}
    return [values.get(near, math.nan) for near in scales]
