"""A parameter: its matrix as a heatmap, and its statistics."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from textual.strip import Strip

from inspect_core.text import clean
from tui import format as fmt
from tui import plots
from tui.figures.parts import (
    Lines,
    fitted,
    heading,
    line,
    note_lines,
    side_by_side,
    statistics_lines,
)
from tui.palette import LEVELS, Palette

if TYPE_CHECKING:
    from inspect_core.work.jobs import TensorDetail

SIDE_COLUMNS = 26
"""Width of the column of statistics beside a heatmap."""

WIDE = 74
"""From this width on statistics stand beside the heatmap, not below it."""

ROBUST_SHARE = 0.995
"""The scale of a delta ends at this quantile of |cell|: one outlier leaves the rest visible."""

MONO_SIGNED = ("-+*#", ".:=≡")
"""Negative and positive values, small to large, where colour may not tell them apart."""

ASCII_SIGNED = ("-+*#", ".:=@")
"""The same in ASCII."""


def grid_for(width: int, height: int) -> tuple[int, int]:
    """Rows and columns to pool a matrix to; half-blocks give two rows a line."""
    columns = width - SIDE_COLUMNS if width >= WIDE else width
    return max(2, 2 * (height - 4)), max(2, columns)


def tensor_figure(
    detail: "TensorDetail",
    shape: tuple[int, ...],
    dtype: str,
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
    """A parameter: its matrix, pooled, and its statistics.

    Args:
        detail: what was computed.
        shape: the tensor's shape.
        dtype: its dtype name.
        notes: lines to show below the heading, safe to show.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.
    """
    delta = detail.reference_name is not None
    lines = [
        heading(clean(detail.name), f"{fmt.shape(shape)}  {dtype}", palette, width),
        *note_lines(notes, palette, width),
    ]
    view = detail.view
    statistics = statistics_lines(detail.summary, delta, palette)
    beside = width >= WIDE
    plot_width = width - SIDE_COLUMNS if beside else width
    below = 3 + (view.slices > 1) + (0 if beside else (len(statistics) + 1) // 2)
    plot_height = max(1, height - len(lines) - below)
    scale = robust_scale(detail.heat.mean)
    plot = matrix_lines(detail.heat.mean, scale, palette, plot_width, plot_height, view.rows == 1)
    where = f"rows 0-{view.rows - 1}  columns 0-{view.columns - 1}"
    if len(shape) <= 1:
        where = f"0-{view.columns - 1}"
    if view.numel == 0:
        where = "no values"
    rows, columns = detail.heat.cells.shape[1:]
    per_cell = f"{-(-view.rows // rows)} x {-(-view.columns // columns)}"
    what = "model - reference" if delta else "values"
    caption = f"{what}, mean of {per_cell} a cell" if per_cell != "1 x 1" else what
    plot.append(line((clean(where), palette.styles["muted"])))
    if view.slices > 1:
        text = f"slice {view.index + 1} of {view.slices}, [ ] for others; numbers are of all"
        plot.append(line((text, palette.styles["muted"])))
    plot.append(signed_scale(scale, caption, palette))
    if beside:
        lines += side_by_side(plot, statistics, plot_width + 2)
    else:
        lines += [*plot, *side_by_side(statistics[::2], statistics[1::2], width // 2)]
    return fitted(lines, palette, width)


def matrix_lines(
    cells: NDArray[np.float64],
    scale: float,
    palette: Palette,
    width: int,
    height: int,
    strip: bool,
) -> Lines:
    """A signed matrix stretched over the width, and over the height unless it is a strip."""
    rows, columns = cells.shape
    wide = max(1, width - width % columns) if columns * 2 <= width else min(width, columns)
    tall = 2 * min(height, 3) if strip else 2 * max(1, min(height, -(-rows * 2 // 2)))
    tall = min(2 * height, max(tall, 2))
    row_of = np.arange(tall) * rows // tall
    column_of = np.arange(wide) * columns // wide
    picked = cells[row_of][:, column_of]
    if palette.marks:
        marks = [[_signed_mark(value, scale, palette) for value in row] for row in picked[::2]]
        return [line("".join(row)) for row in marks]
    level = np.rint(np.nan_to_num(picked) / (scale or 1.0) * (LEVELS // 2)) + LEVELS // 2
    index = np.clip(level, 0, LEVELS).astype(int)
    missing = np.isnan(picked)
    pixels = [
        [
            palette.background if gone else palette.diverging[at]
            for at, gone in zip(row, lost, strict=True)
        ]
        for row, lost in zip(index.tolist(), missing.tolist(), strict=True)
    ]
    return plots.half_blocks(pixels)


def signed_scale(scale: float, caption: str, palette: Palette) -> Strip:
    """The colours from -scale to +scale, and what a cell is."""
    low, high = f"-{fmt.number(scale)} ", f" +{fmt.number(scale)}"
    if scale == 0.0:
        return line("0 everywhere  ", (caption, palette.styles["muted"]))
    if palette.marks:
        marks = "".join(_signed_mark(step / 8 * scale, scale, palette) for step in range(-8, 9))
        return line(low, marks, high, (f"  {caption}", palette.styles["muted"]))
    ramp = [palette.diverging[round(step * LEVELS / 15)] for step in range(16)]
    bar = plots.half_blocks([ramp, ramp])[0]
    return Strip.join([line(low), bar, line(high, (f"  {caption}", palette.styles["muted"]))])


def robust_scale(cells: NDArray[np.float64]) -> float:
    """The end of a symmetric scale: a high quantile of |cell|."""
    finite = np.abs(cells[np.isfinite(cells)])
    if not finite.size:
        return 0.0
    scale = float(np.quantile(finite, ROBUST_SHARE))
    return scale if scale > 0.0 else float(finite.max())


def _signed_mark(value: float, scale: float, palette: Palette) -> str:
    if not np.isfinite(value):
        return "?"
    if scale <= 0.0 or abs(value) < scale / 8:
        return " "
    step = min(3, int(abs(value) / scale * 4))
    return (ASCII_SIGNED if palette.ascii_only else MONO_SIGNED)[int(value > 0)][step]
