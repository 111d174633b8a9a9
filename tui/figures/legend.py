"""What the colours and marks of an overview mean."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from textual.strip import Strip

from inspect_core.results.heatmap import (
    ABSENT,
    NOT_FINITE,
    SAME,
    UNCOMPARED,
    UNDEFINED,
    VALUE,
    HeatSection,
)
from tui import format as fmt
from tui.figures.cells import CLIPPED, ON_BACKGROUND, STATE_MARKS, level_ramp, swatch
from tui.figures.parts import Lines, line
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric
    from inspect_core.results.scale import Scale

NAN = "NaN or inf"
"""What became a number no more, or was none."""

BETWEEN = 3
"""Blanks between the parts of a legend."""


def legend(
    sections: Sequence[HeatSection],
    scale: "Scale",
    metric: "Metric",
    palette: Palette,
    width: int,
    pooled: int = 1,
    delta: bool = True,
) -> Lines:
    """The scale, and every kind of cell that there is, over as many lines as they need.

    Args:
        sections: what is drawn.
        scale: from value to colour.
        metric: what the values are.
        palette: colours and glyphs.
        width: cells across.
        pooled: columns in a cell.
        delta: whether values are changes, so that 0 is no change.
    """
    found = {int(s) for section in sections for s in np.unique(section.states)}
    name = metric.name
    if not found & {SAME, VALUE} and scale.high <= 0.0:
        parts = [line((f"{name}: nothing to show", palette.styles["muted"]))]
    elif scale.high <= 0.0 and NOT_FINITE in found:
        parts = [_explained(SAME, "no change" if delta else "all 0", palette)]
    elif scale.high <= 0.0:
        parts = [line(f"{name} {fmt.metric_value(metric, scale.rest)} everywhere")]
    else:
        low, high = (fmt.metric_value(metric, end) for end in scale.ends)
        how = f", {scale.kind} scale"
        ramp = Strip.join([line(f"{low} "), level_ramp(palette), line(f" {high}")])
        parts = [Strip.join([ramp, line(f"  {name}{how}")])]
        if parts[0].cell_length > width:
            parts = [ramp, line(f"{name}{how}")]
        if scale.clips:
            most = fmt.metric_value(metric, scale.rest + _sign(scale) * scale.most)
            parts.append(line(f"{CLIPPED} beyond, up to {most}"))
        if SAME in found:
            parts.append(_explained(SAME, "no change" if delta else "all 0", palette))
    if NOT_FINITE in found:
        parts.append(line((f"{STATE_MARKS[NOT_FINITE]} {NAN}", palette.styles["note"])))
    if UNDEFINED in found:
        parts.append(_explained(UNDEFINED, "n/a", palette))
    marks = STATE_MARKS if palette.marks else ON_BACKGROUND
    if UNCOMPARED in found and found & {SAME, VALUE}:
        parts.append(line((f"{marks[UNCOMPARED]} not compared", palette.styles["muted"])))
    if ABSENT in found and marks[ABSENT].strip():
        parts.append(line((f"{marks[ABSENT]} not there", palette.styles["muted"])))
    if pooled > 1:
        parts.append(line((f"{pooled} columns a cell: the largest", palette.styles["muted"])))
    return _packed(parts, width)


def _sign(scale: "Scale") -> float:
    return -1.0 if scale.rest > 0.0 else 1.0


def _explained(state: int, text: str, palette: Palette) -> Strip:
    return Strip.join([swatch(state, palette), line(f" {text}")])


def _packed(parts: Sequence[Strip], width: int) -> Lines:
    """Parts one after the other, a new line where one does not fit any more."""
    lines: Lines = []
    for part in parts:
        if lines and lines[-1].cell_length + BETWEEN + part.cell_length <= width:
            lines[-1] = Strip.join([lines[-1], Strip.blank(BETWEEN), part])
        else:
            lines.append(part)
    return lines
