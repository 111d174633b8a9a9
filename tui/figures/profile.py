"""Which units moved: the size of the difference along the rows and along the columns."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspect_core.text import clean
from tui import format as fmt
from tui.figures.columns import beside_axis, column_chart, under
from tui.figures.figure import Figure, Plot
from tui.figures.parts import Lines, fitted, heading, line, note_lines, side_by_side, wrap
from tui.figures.spectrum import AXIS, MOST_COLUMNS
from tui.figures.tensor import SIDE_COLUMNS, WIDE
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.delta.profile import Units
    from inspect_core.work.spectra import TensorProfile

MOST_MOVERS = 6
"""Units that are listed by their size."""

MEANINGS = {
    "Linear": ("output units", "input units"),
    "Conv1D": ("input units", "output units"),
    "Embedding": ("entries", "dimensions"),
}
"""What rows and columns are, by the type of the module."""

LEAST_LINES = 3
"""Lines of a curve at least."""


def profile_figure(
    found: "TensorProfile",
    shape: tuple[int, ...],
    dtype: str,
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
    module_type: str = "",
) -> Figure:
    """The rows and the columns of one tensor by how much they moved.

    Args:
        found: what was computed.
        shape: the tensor's shape.
        dtype: its dtype name.
        notes: lines to show below the heading, safe to show.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.
        module_type: class name of the module, where it is known: it says what rows are.
    """
    lines = [
        heading(clean(found.name), f"{fmt.shape(shape)}  {dtype}", palette, width),
        *note_lines(notes, palette, width),
    ]
    if found.profile is None:
        text = ["", *wrap(clean(found.refusal, 300), width), "", "v for its other pictures"]
        return Figure(fitted([*lines, *map(line, text)], palette, width))
    delta = found.reference_name is not None
    beside = width >= WIDE
    chart_width = max(4, min(MOST_COLUMNS, (width - SIDE_COLUMNS if beside else width) - AXIS - 2))
    meanings = MEANINGS.get(module_type, ("", ""))
    units = [
        Side("row", meanings[0], found.profile.rows, delta),
        Side("column", meanings[1], found.profile.columns, delta),
    ]
    footer = _footer(found, delta, palette)
    room = height - len(lines) - len(footer)
    listed = 0 if beside else min(MOST_MOVERS, max(0, (room - 6 - 2 * LEAST_LINES) // 2))
    tall = max(LEAST_LINES, (room - 6 - (0 if beside else listed + 2)) // 2)
    plots: list[Plot] = []
    blocks: list[Lines] = []
    for unit in units:
        above = 0 if not beside else sum(len(block) for block in blocks)
        if not beside and blocks:
            above = len(blocks[0])
        blocks.append(_curve(unit, palette, chart_width, tall))
        plots.append(_plot(unit, len(lines) + above + 1, chart_width, tall))
    if beside:
        most = max(1, min(MOST_MOVERS, tall - 1))
        sides = [_movers(unit, most, palette, tall + 3) for unit in units]
        for block, side in zip(blocks, sides, strict=True):
            lines += side_by_side(block, side, chart_width + AXIS + 2)
    else:
        lines += [*blocks[0], *blocks[1]]
        if listed:
            sides = [_movers(unit, listed, palette, listed + 2) for unit in units]
            lines += side_by_side(sides[0], sides[1], width // 2)
    shown = tuple(plot for plot, unit in zip(plots, units, strict=True) if unit.sizes.size)
    return Figure(fitted([*lines, *footer], palette, width), shown)


class Side:
    """The rows of a matrix, or its columns.

    Args:
        name: `row` or `column`.
        meaning: what they are in a module of the type, or empty.
        units: their sums.
        delta: whether there is a reference; d is the values themselves without one.

    Attributes:
        sizes: float64, L2 norm of d by unit.
    """

    def __init__(self, name: str, meaning: str, units: "Units", delta: bool) -> None:
        self.name, self.meaning, self.delta = name, meaning, delta
        self._units, self._relative = units, units.rel_l2
        self.sizes: NDArray[np.float64] = np.nan_to_num(units.l2, posinf=np.finfo(float).max)

    def span(self, column: int, width: int) -> tuple[int, int]:
        """Units that a column of the screen stands for, one of them at least."""
        first = column * self.sizes.size // width
        return first, max(first + 1, (column + 1) * self.sizes.size // width)

    def column(self, unit: int, width: int) -> int:
        """The first column of the screen that stands for a unit."""
        return next((c for c in range(width) if self.span(c, width)[1] > unit), width - 1)

    def half(self) -> int:
        """How many units hold half of the energy, the largest first."""
        top = float(self.sizes.max(initial=0.0))
        if not top > 0.0:
            return 0
        # Over the largest one, because its square may leave the range of float64.
        sums = np.cumsum(np.square(np.sort(self.sizes)[::-1] / top))
        return int(np.searchsorted(sums, 0.5 * sums[-1] * (1 - 1e-12))) + 1

    def movers(self, most: int) -> list[int]:
        """Indices of the largest units; none that are 0."""
        return self._units.movers(most)

    def value(self, unit: int) -> str:
        """The size of a unit, and how large that is beside the reference."""
        text = fmt.number(float(self.sizes[unit]))
        relative = fmt.number(float(self._relative[unit]))
        return f"{text}   relative L2 {relative}" if self.delta else text


def _curve(unit: Side, palette: Palette, width: int, tall: int) -> Lines:
    count = unit.sizes.size
    top = float(unit.sizes.max()) if count else 0.0
    spans = [unit.span(column, width) for column in range(width)] if count else []
    heights = [float(unit.sizes[a:b].max()) / top if top > 0.0 else 0.0 for a, b in spans]
    styles = [palette.styles["tunable"]] * len(heights)
    per = -(-count // width)
    caption = f"{unit.name}s{unit.meaning and f' ({unit.meaning})'}, L2"
    caption += f", max of {per}" if per > 1 else ""
    chart = column_chart(heights, tall, palette, styles)
    named = {unit.span(column, width)[0] for column in _places(width)[:-1]} | {count - 1}
    ticks = [(unit.column(at, width), str(at)) for at in sorted(named)]
    labels = under(ticks, width, palette) if count else line("")
    muted = palette.styles["muted"]
    return [
        line((caption, muted)),
        *beside_axis(chart, [fmt.number(top), "0"], palette, AXIS),
        *beside_axis([labels], [""], palette, AXIS),
    ]


def _places(width: int) -> list[int]:
    """Columns that have their unit's index below them."""
    return [k * (width - 1) // 4 for k in range(5)] if width >= 30 else [0, width - 1]


def _plot(unit: Side, top: int, width: int, tall: int) -> Plot:
    at = int(unit.sizes.argmax()) if unit.sizes.size else 0
    return Plot(
        top=top,
        left=AXIS,
        height=tall,
        width=width,
        rows=1,
        columns=width,
        says=_says(unit, width),
        peak=(0, min(width - 1, unit.column(at, width))),
    )


def _says(unit: Side, width: int) -> Callable[[int, int], str]:
    def says(row: int, column: int) -> str:
        first, stop = unit.span(column, width)
        at = first + int(unit.sizes[first:stop].argmax())
        what = "d" if unit.delta else "w"
        text = f"{unit.name} {at}   L2 of {what} {unit.value(at)}"
        return text if stop == first + 1 else f"{text}   the largest of {first}-{stop - 1}"

    return says


def _movers(unit: Side, most: int, palette: Palette, height: int) -> Lines:
    """The largest units by index, and how far the energy is spread."""
    muted = palette.styles["muted"]
    lines = []
    if height > 3 and unit.sizes.size:
        what = "squared change" if unit.delta else "squares"
        lines.append(line((f"half of the {what}", muted)))
        lines.append(line((f"in {unit.half():,} of {unit.sizes.size:,} {unit.name}s", muted)))
    lines += [
        line((f"{unit.name} ", muted), f"{at:<8}{fmt.number(float(unit.sizes[at]))}")
        for at in unit.movers(most)[: height - len(lines)]
    ]
    return lines + [line("")] * max(0, height - len(lines))


def _footer(found: "TensorProfile", delta: bool, palette: Palette) -> Lines:
    view, muted = found.view, palette.styles["muted"]
    lines = [line(("model - reference" if delta else "values", muted))]
    if view.slices > 1:
        lines.append(line((f"slice {view.index + 1} of {view.slices}, [ ] for others", muted)))
    return lines
