"""A parameter: its matrix as a heatmap, and its statistics."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from textual.strip import Strip

from inspect_core.delta.heat import MatrixView
from inspect_core.results.scale import MATRIX_SHARE, Scale, ScaleKind
from inspect_core.text import clean
from tui import format as fmt
from tui.figures.cells import paint_signed, signed_ramp
from tui.figures.figure import Figure, Plot, peak_of
from tui.figures.parts import (
    Lines,
    factor_lines,
    fitted,
    heading,
    line,
    note_lines,
    side_by_side,
    statistics_lines,
)
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.adapters.exact.behind import FactorFacts
    from inspect_core.work.inspections import TensorDetail

SIDE_COLUMNS = 26
"""Width of the column of statistics beside a heatmap."""

WIDE = 74
"""From this width on statistics stand beside the heatmap, not below it."""

STRIP_LINES = 3
"""Lines of a vector: more of the same would tell nothing."""


def grid_for(width: int, height: int, palette: Palette) -> tuple[int, int]:
    """Rows and columns to pool a matrix to."""
    columns = width - SIDE_COLUMNS if width >= WIDE else width
    return max(2, palette.rows_a_line * (height - 4)), max(2, columns)


def tensor_figure(
    detail: "TensorDetail",
    shape: tuple[int, ...],
    dtype: str,
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
    kind: ScaleKind = "robust",
) -> Figure:
    """A parameter: its matrix, or the part of it in the window, and its statistics.

    Args:
        detail: what was computed.
        shape: the tensor's shape.
        dtype: its dtype name.
        notes: lines to show below the heading, safe to show.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.
        kind: how values are spread over the colours.
    """
    delta = detail.reference_name is not None
    facts = detail.factors
    if facts is not None:
        notes = [factor_note(facts), *notes]
    lines = [
        heading(
            clean(detail.name), f"{fmt.shape(shape)}{_as(detail, shape)}  {dtype}", palette, width
        ),
        *note_lines(notes, palette, width),
    ]
    view = detail.view
    if facts is None:
        statistics = statistics_lines(detail.summary, delta, palette)
    else:
        statistics = factor_lines(facts, palette)
    beside = width >= WIDE
    plot_width = width - SIDE_COLUMNS if beside else width
    below = 3 + (view.slices > 1) + (0 if beside else (len(statistics) + 1) // 2)
    plot_height = max(1, height - len(lines) - below)
    scale = matrix_scale(detail.heat.mean, kind)
    plot = matrix_lines(detail.heat.mean, scale, palette, plot_width, plot_height, view.rows == 1)
    matrix = matrix_plot(detail, plot, len(lines))
    rows, columns = detail.heat.cells.shape[1:]
    per_cell = f"{-(-detail.window.rows // rows)} x {-(-detail.window.columns // columns)}"
    what = "model - reference" if delta else "values"
    caption = f"{what}, mean of {per_cell} a cell" if per_cell != "1 x 1" else what
    plot.append(line((_where(detail), palette.styles["muted"])))
    if view.slices > 1:
        text = f"slice {view.index + 1} of {view.slices}, [ ] for others; numbers are of all"
        plot.append(line((text, palette.styles["muted"])))
    plot.append(signed_scale(scale, caption, palette))
    if beside:
        lines += side_by_side(plot, statistics, plot_width + 2)
    else:
        lines += [*plot, *side_by_side(statistics[::2], statistics[1::2], width // 2)]
    return Figure(fitted(lines, palette, width), (matrix,) if view.numel else ())


def factor_note(facts: "FactorFacts") -> str:
    """What a picture from factors is, and how to have all of it."""
    return f"from {facts.kind}; {facts.note}: Enter makes all {fmt.size(facts.nbytes)}"


def _as(detail: "TensorDetail", shape: tuple[int, ...]) -> str:
    """How a tensor is drawn that is compared in another layout, or in part."""
    view, own = detail.view, MatrixView.of(shape)
    if (view.rows, view.columns, view.slices) == (own.rows, own.columns, own.slices):
        return ""
    return f" as {fmt.shape((view.rows, view.columns))}"


def _where(detail: "TensorDetail") -> str:
    """Which rows and columns are on show."""
    view, window = detail.view, detail.window
    if view.numel == 0:
        return "no values"
    columns = f"{window.left}-{window.right - 1}"
    part = (window.rows, window.columns) != (view.rows, view.columns)
    of = f" of {view.rows} x {view.columns}, 0 for all" if part else ""
    if view.rows == 1:
        return columns + of
    return f"rows {window.top}-{window.bottom - 1}  columns {columns}{of}"


def matrix_lines(
    cells: NDArray[np.float64],
    scale: Scale,
    palette: Palette,
    width: int,
    height: int,
    strip: bool,
) -> Lines:
    """A signed matrix stretched over the width, and over the height unless it is a strip."""
    rows, columns = cells.shape
    wide = max(1, width - width % columns) if columns * 2 <= width else min(width, columns)
    tall = palette.rows_a_line * min(height, STRIP_LINES if strip else max(1, rows))
    row_of = np.arange(tall) * rows // tall
    column_of = np.arange(wide) * columns // wide
    picked = cells[row_of][:, column_of]
    return paint_signed(scale.signed(picked), palette)


def matrix_plot(
    detail: "TensorDetail", painted: Lines, top: int, target: str | None = None
) -> Plot:
    """Where the cells of a painted matrix are, and what they say.

    Args:
        detail: what was computed.
        painted: its lines.
        top: the first of them in the figure.
        target: the tensor's path, where the plot leads to it and is not zoomed itself.
    """
    rows, columns = detail.heat.cells.shape[1:]
    return Plot(
        top=top,
        left=0,
        height=len(painted),
        width=painted[0].cell_length,
        rows=rows,
        columns=columns,
        says=_says(detail),
        target=lambda row, column: target,
        peak=peak_of(detail.heat.cells[2]),
        window=detail.window if target is None else None,
    )


def _says(detail: "TensorDetail") -> Callable[[int, int], str]:
    """What a cell of a matrix says: its rows and columns, and the values there."""
    mean, largest, counts = detail.heat.mean, detail.heat.cells[2], detail.heat.cells[3]
    rows, columns = mean.shape
    what = "d" if detail.reference_name is not None else "w"

    def says(row: int, column: int) -> str:
        part = detail.window.cell(row, column, rows, columns)
        place = _span("column", part.left, part.right)
        if detail.view.rows > 1:
            place = f"{_span('row', part.top, part.bottom)}  {place}"
        value = float(mean[row, column])
        if np.isnan(value):
            return f"{place}   NaN or infinite"
        lost = part.rows * part.columns - int(counts[row, column])
        if lost:
            place += f"   {lost} NaN or infinite"
        if part.rows == part.columns == 1:
            return f"{place}   {what} {fmt.number(value)}"
        text = f"{place}   mean {what} {fmt.number(value)}"
        most = float(largest[row, column])  # NaN where only factors were looked at
        return text if np.isnan(most) else f"{text}   max |{what}| {fmt.number(most)}"

    return says


def _span(name: str, start: int, stop: int) -> str:
    return f"{name} {start}" if stop - start == 1 else f"{name}s {start}-{stop - 1}"


def signed_scale(scale: Scale, caption: str, palette: Palette) -> Strip:
    """The colours from one end of a scale to the other, and what a cell is."""
    if scale.high == 0.0:
        return line("0 everywhere  ", (caption, palette.styles["muted"]))
    low, high = f"-{fmt.number(scale.high)} ", f" +{fmt.number(scale.high)}"
    if scale.low > 0.0:
        caption = f"log from {fmt.number(scale.low)}  {caption}"
    after = line(high, (f"  {caption}", palette.styles["muted"]))
    return Strip.join([line(low), signed_ramp(palette), after])


def matrix_scale(cells: NDArray[np.float64], kind: ScaleKind) -> Scale:
    """A symmetric scale for the cells of a matrix."""
    return Scale.of(kind, cells, quantile=MATRIX_SHARE)
