"""A module with few parameters: the matrix of each, one below the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_core.delta.summary import Summary
from inspect_core.results.scale import ScaleKind
from inspect_core.text import clean
from tui import format as fmt
from tui.figures.figure import Figure, Plot
from tui.figures.parts import (
    Lines,
    cut,
    fitted,
    heading,
    line,
    note_lines,
    side_by_side,
    statistics_lines,
)
from tui.figures.tensor import SIDE_COLUMNS, WIDE, matrix_lines, matrix_plot, matrix_scale
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.work.inspections import TensorDetail

MOST_DRAWN = 6
"""Parameters of a module that are drawn below each other; of more an overview is shown."""


BELOW_LINES = 5
"""Lines of the statistics where they stand below the matrices."""


def grid_for(width: int, height: int, count: int, palette: Palette) -> tuple[int, int]:
    """Rows and columns to pool each of `count` matrices to."""
    columns = width - SIDE_COLUMNS if width >= WIDE else width
    room = height if width >= WIDE else height - BELOW_LINES
    return max(2, palette.rows_a_line * _plot_height(room, count)), max(2, columns)


def module_figure(
    path: str,
    kind: str,
    details: "Sequence[TensorDetail]",
    shapes: Sequence[str],
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
    spread: ScaleKind = "robust",
) -> Figure:
    """The parameters of one module, each on a scale of its own.

    Args:
        path: the module's path; foreign text.
        kind: what it is, safe to show.
        details: what was computed of each parameter.
        shapes: their shapes and dtypes, safe to show.
        notes: lines to show below the heading, safe to show.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.
        spread: how values are spread over the colours.
    """
    beside = width >= WIDE
    plot_width = width - SIDE_COLUMNS if beside else width
    room = height - len(notes) - (0 if beside else BELOW_LINES)
    plot_height = _plot_height(room, len(details))
    delta = any(detail.reference_name is not None for detail in details)
    above = [heading(clean(path), kind, palette, width), *note_lines(notes, palette, width)]
    blocks: Lines = []
    grids: list[Plot] = []
    for detail, shape in zip(details, shapes, strict=True):
        scale = matrix_scale(detail.heat.mean, spread)
        name = detail.name.removeprefix(f"{path}.") if path else detail.name
        change = f"relative L2 {fmt.number(detail.summary.rel_l2)}  " if delta else ""
        after = f"  {shape}  {change}scale {fmt.number(scale.high)}"
        if scale.high == 0.0:
            after = f"  {shape}  {'no change' if delta else '0 everywhere'}"
        name = cut(clean(name), max(4, plot_width - len(after)))
        blocks.append(line(name, (after, palette.styles["muted"])))
        if scale.high > 0.0:
            one_row = detail.view.rows == 1
            tall = 1 if one_row else plot_height
            cells = detail.heat.mean
            painted = matrix_lines(cells, scale, palette, plot_width, tall, one_row)
            top = len(above) + len(blocks)
            grids.append(matrix_plot(detail, painted, top, target=detail.name))
            blocks += painted
    total = Summary.merged(detail.summary.without_histogram() for detail in details)
    statistics = statistics_lines(total, delta, palette)
    if beside:
        lines = above + side_by_side(blocks, statistics, plot_width + 2)
    else:
        below = side_by_side(statistics[::2], statistics[1::2], width // 2)
        lines = above + blocks
        lines += below if len(lines) + len(below) <= height else []
    return Figure(fitted(lines, palette, width), tuple(grids))


def _plot_height(height: int, count: int) -> int:
    return max(1, (height - 2) // max(1, count) - 1)
