"""Likeness of all layers of two spaces: cells in colours, a cursor, and the scale."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from textual.strip import Strip

from inspect_core.results.heatmap import UNDEFINED
from inspect_core.text import clean
from tui import format as fmt
from tui.figures.captions import legend, notice, title_line
from tui.figures.cells import level_ramp, swatch
from tui.figures.parts import Lines, line
from tui.geometry.figures.matrix_cells import (
    WRITTEN,
    Grid,
    lay_out,
    painted,
    places,
    pooled,
    with_cursor,
)
from tui.geometry.figures.naming import STEPS, clamped, layer_words, short_layer
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import SpacePair
    from tui.geometry.state import GeometryState

TITLES = {"overlap": "neighbours shared by layers", "cka": "linear CKA of layers"}
MEANS = {
    "overlap": "share of neighbours that are the same in both",
    "cka": "1: alike but for a rotation and a size",
}

HEADS = 2
"""Lines above the cells: names of the columns, and the cursor's mark."""


def matrix(state: "GeometryState", palette: Palette, width: int, height: int) -> Lines:
    """The matrix of a pair, rows from the input of the model at the top."""
    report = state.report
    if not report.pairs:
        title = title_line("likeness of layers", "", palette, width)
        return [title, line(""), *notice("no pair of spaces was compared", palette, width)]
    kind = state.matrix if state.matrix in TITLES else "overlap"
    pair = report.pairs[clamped(state.pair, len(report.pairs))]
    values = pair.overlap if kind == "overlap" else pair.cka
    one, other = (clean(report.spaces[at].title, 60) for at in (pair.one, pair.other))
    between = f"down: {one}   across: {other}" if pair.one != pair.other else one
    number = f"   pair {clamped(state.pair, len(report.pairs)) + 1} of {len(report.pairs)}"
    more = number if len(report.pairs) > 1 else ""
    head = [title_line(TITLES[kind], f"{between}{more}", palette, width)]
    if not np.isfinite(values).any():
        why = "not known for these two: no layer has enough texts in common"
        return [*head, line(""), *notice(why, palette, width)]
    below = [line(""), *_named(state, pair, values, palette, width)]
    below += _scale(kind, values, palette, width)
    return [*head, *_cells(state, pair, values, palette, width, height - 1 - len(below)), *below]


def _cells(
    state: "GeometryState",
    pair: "SpacePair",
    values: NDArray[np.float64],
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
    rows, columns = _names(state, pair)
    gutter = max(map(len, rows)) + 2
    grid = lay_out(values.shape, max(1, width - gutter), max(1, height - HEADS), palette)
    down, across = places(len(rows), grid.rows), places(len(columns), grid.columns)
    row = down[clamped(state.layer, len(rows))]
    column = across[clamped(state.across, len(columns))]
    cells = pooled(values, down, across)
    drawn_cells = painted(cells, grid, palette)
    drawn_cells = with_cursor(drawn_cells, row, column, float(cells[row, column]), grid, palette)
    muted, bright = palette.styles["muted"], palette.styles["module"] + Style(bold=True)
    right, below = ("v", ">") if palette.ascii_only else ("▾", "▸")
    lines = [
        line((" " * gutter + _heads(columns, across, grid), muted)),
        line((" " * (gutter + column * grid.cell + (grid.cell - 1) // 2) + right, bright)),
    ]
    here = grid.line_of(row)
    firsts = _firsts(rows, down, grid)
    for at, drawn in enumerate(drawn_cells):
        name = f"{firsts.get(at, ''):>{gutter - 2}}"
        text = [(f"{name}{below} ", bright)] if at == here else [(f"{name}  ", muted)]
        lines.append(Strip.join([line(*text), drawn]))
    return lines


def _names(state: "GeometryState", pair: "SpacePair") -> tuple[tuple[str, ...], tuple[str, ...]]:
    one, other = (state.report.spaces[at].layers for at in (pair.one, pair.other))
    return (
        tuple(short_layer(layer.name) for layer in one),
        tuple(short_layer(layer.name) for layer in other),
    )


def _heads(names: tuple[str, ...], across: list[int], grid: Grid) -> str:
    """Names of the columns above their cells: all, or every so many; long words are cut."""
    size = grid.columns * grid.cell
    room = max(1, grid.cell - 1)
    if grid.cell >= WRITTEN:
        names = tuple(name if name.isdecimal() else name[:room] for name in names)
    for step in STEPS:
        text, end, apart = [" "] * size, -1, True
        for at, name in enumerate(names):
            if (int(name) % step if name.isdecimal() else grid.cell < WRITTEN) != 0:
                continue
            start = across[at] * grid.cell + max(0, (grid.cell - len(name)) // 2)
            if start <= end:
                apart = False
            elif start + len(name) <= size:
                text[start : start + len(name)] = name
                end = start + len(name)
        if apart:
            break
    return "".join(text).rstrip()


def _firsts(names: tuple[str, ...], down: list[int], grid: Grid) -> dict[int, str]:
    """The first layer of each line of the screen."""
    found: dict[int, str] = {}
    for at, name in enumerate(names):
        found.setdefault(grid.line_of(down[at]), name)
    return found


def _named(
    state: "GeometryState",
    pair: "SpacePair",
    values: NDArray[np.float64],
    palette: Palette,
    width: int,
) -> Lines:
    """The cell under the cursor, and what the row is most alike to."""
    one, other = (state.report.spaces[at].layers for at in (pair.one, pair.other))
    row, column = clamped(state.layer, len(one)), clamped(state.across, len(other))
    room = max(12, (width - 20) // 2)
    down, across = layer_words(one[row].name, room), layer_words(other[column].name, room)
    down_mark, across_mark = (">", "v") if palette.ascii_only else ("▸", "▾")
    bold = palette.styles["module"]
    text = f"{fmt.number(float(values[row, column]))}"
    lines = legend(
        [(down_mark, bold, down), (across_mark, bold, across), (text, Style(bold=True), "")],
        palette, width,
    )  # fmt: skip
    several = values[row].copy()
    if pair.one == pair.other:
        several[row] = np.nan
    if np.isfinite(several).any():
        best = int(np.nanargmax(several))
        most = f"{down} is most like {layer_words(other[best].name, room)}: "
        words = f"{most}{fmt.number(float(several[best]))}"
        if len(words) <= width:
            lines.append(line((words, palette.styles["muted"])))
    return lines


def _scale(kind: str, values: NDArray[np.float64], palette: Palette, width: int) -> Lines:
    """The colours from 0 to 1, and what they are of."""
    ramp = Strip.join([line("0 "), level_ramp(palette), line(" 1  "), line(
        (MEANS[kind], palette.styles["muted"]))])  # fmt: skip
    lines = [ramp]
    if np.isnan(values).any():
        lines.append(Strip.join([swatch(UNDEFINED, palette), line(" n/a")]))
        if ramp.cell_length + 3 + lines[1].cell_length <= width:
            lines = [Strip.join([ramp, line("   "), lines[1]])]
    return lines
