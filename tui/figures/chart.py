"""Values to places on the screen: axes, marks, and the numbers beside them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rich.style import Style

from tui import format as fmt
from tui import plots
from tui.figures.parts import Lines
from tui.palette import Palette

ZERO_ROOM = 0.06
"""Share of a logarithmic axis between the place of zero and its least value."""

STEPS = ((1, 2, 5), (1, 3), (1,))
"""Ticks of a decade; the first that have room."""

MOST_TICKS = 10
"""Steps of a linear axis."""

SLACK = 1e-9
"""Of a tick at the very end of an axis."""

LEAST_COLUMNS, LEAST_LINES = 12, 4
"""A plot is no smaller."""

MOST_MARKED = 64
"""Marks of a layer that names keep clear of; more are a cloud."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values are along one side.

    Attributes:
        low: value at its beginning.
        high: value at its end, greater.
        log: logarithmic; both ends are then greater than 0.
        zero: begins with a place for 0 and less, below `low`.
        whole: ticks are whole numbers.
    """

    low: float
    high: float
    log: bool = False
    zero: bool = False
    whole: bool = False

    def share(self, values: NDArray[np.float64] | Sequence[float]) -> NDArray[np.float64]:
        """How far along values are, 0 to 1; NaN for what is not finite, or has no logarithm."""
        found = np.asarray(values, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            if not self.log:
                at = (found - self.low) / (self.high - self.low)
            else:
                at = np.log(found / self.low) / math.log(self.high / self.low)
            if self.zero:
                at = np.where(found > 0.0, ZERO_ROOM + (1.0 - ZERO_ROOM) * at, 0.0)
        return np.where(np.isfinite(found), at, np.nan)

    def ticks(self, cells: int, room: int | None = None) -> tuple[tuple[int, str], ...]:
        """Cells and labels that do not run into each other.

        Args:
            cells: along this side.
            room: cells a label takes; None for labels side by side, as wide as they are.
        """
        for values in self._candidates():
            found = [(self._cell(value, cells), _label(value)) for value in values]
            if self.zero:
                found = [(0, "0"), *[tick for tick in found if tick[0] >= (room or 3)]]
            if apart(found, cells, room):
                return tuple(found)
        return ((0, _label(0.0 if self.zero else self.low)),)

    def _cell(self, value: float, cells: int) -> int:
        return round(float(self.share([value])[0]) * (cells - 1))

    def _candidates(self) -> list[list[float]]:
        """Values for ticks, from many to few."""
        sets = self._decades() if self.log else self._steps()
        # Where no round number is inside, its ends are better than no tick.
        return [values for values in sets if len(values) > 1] + [[self.low, self.high]]

    def _steps(self) -> list[list[float]]:
        span = self.high - self.low
        steps = [s * 10.0**e for e in range(-6, 7) for s in (1, 2, 5)]
        steps = [s for s in steps if span / s <= MOST_TICKS and not (self.whole and s < 1)]
        firsts = [(s, math.ceil(self.low / s - SLACK)) for s in steps]
        return [
            [k * s for k in range(first, math.floor(self.high / s + SLACK) + 1)]
            for s, first in firsts
        ]

    def _decades(self) -> list[list[float]]:
        low, high = math.log10(self.low) - SLACK, math.log10(self.high) + SLACK
        decades = range(math.floor(low), math.ceil(high) + 1)
        sets = [[s * 10.0**e for e in decades for s in steps] for steps in STEPS]
        sets += [[10.0**e for e in decades if e % every == 0] for every in (2, 3, 5, 10, 50)]
        return [[v for v in values if v > 0.0 and low <= math.log10(v) <= high] for values in sets]


@dataclass(frozen=True, slots=True)
class Dots:
    """Marks at values; see `plots.Marks`."""

    xs: NDArray[np.float64]
    ys: NDArray[np.float64]
    mark: str
    style: Style
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A short ASCII text beside a mark, where there is room."""

    x: float
    y: float
    text: str
    style: Style


def spread(values: NDArray[np.float64], zero: bool = False, whole: bool = True) -> Axis:
    """A logarithmic axis over the positive ones of some values.

    Args:
        values: any; those of 0 or less have a place only with `zero`.
        zero: whether there are such.
        whole: they are counts: the axis begins at 1.
    """
    positive = values[np.isfinite(values) & (values > 0.0)]
    low = 1.0 if whole or not positive.size else float(positive.min())
    high = float(positive.max()) if positive.size else 10.0
    high = min(max(high, low * 1.5), 1e300)
    return Axis(min(low, high / 1.5), high, log=True, zero=zero)


def draw_chart(
    dots: Sequence[Dots],
    names: Sequence[Name],
    across: Axis,
    up: Axis,
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
    """A plot with its axes.

    Args:
        dots: from the lowest.
        names: the first ones have the better places; those without room are left out.
        across: the axis below.
        up: the axis at the left.
        palette: colours and glyphs.
        width: cells across, axes too.
        height: lines, axes too; what is too small is drawn as small as can be.
    """
    lines = max(LEAST_LINES, height - plots.FRAME_LINES)
    left = up.ticks(lines, room=2)
    frame = plots.Frame(left, (), palette.styles["muted"], palette.ascii_only)
    columns = max(LEAST_COLUMNS, width - frame.gutter)
    frame = replace(frame, below=across.ticks(columns))
    layers = [
        plots.Marks(
            across.share(one.xs) * (columns - 1),
            up.share(one.ys) * (lines - 1),
            one.mark, one.style, one.joined,
        )
        for one in dots
    ]  # fmt: skip
    return plots.marks(
        [*layers, *_letters(names, layers, across, up, columns, lines)], frame, columns, lines
    )


def _taken(layers: Sequence[plots.Marks]) -> set[tuple[int, int]]:
    """Cells with a mark that no name may cover: those of a cloud may be."""
    taken: set[tuple[int, int]] = set()
    for layer in layers:
        if layer.mark != plots.FINE and len(layer.xs) <= MOST_MARKED:
            known = np.isfinite(layer.xs) & np.isfinite(layer.ys)
            cells = np.rint((layer.xs[known], layer.ys[known])).astype(int)
            taken |= set(map(tuple, cells.T.tolist()))
    return taken


def _letters(
    names: Sequence[Name],
    layers: Sequence[plots.Marks],
    across: Axis,
    up: Axis,
    columns: int,
    lines: int,
) -> list[plots.Marks]:
    """The characters of those names that have room."""
    taken = _taken(layers)
    found: dict[tuple[str, Style], list[tuple[int, int]]] = {}
    for name in names:
        column, row = float(across.share([name.x])[0]), float(up.share([name.y])[0])
        if math.isfinite(column) and math.isfinite(row):
            at = round(column * (columns - 1)), round(row * (lines - 1))
            start, line = _free_place(len(name.text), at, taken, columns, lines) or (0, -1)
            # Blanks keep a name apart from a cloud behind it.
            for k, char in enumerate(f" {name.text} " if line >= 0 else "", start - 1):
                found.setdefault((char, name.style), []).append((k, line))
    return [
        plots.Marks(at[:, 0], at[:, 1], char, style)
        for (char, style), at in ((ink, np.array(at, np.float64)) for ink, at in found.items())
    ]


def _free_place(
    size: int, at: tuple[int, int], taken: set[tuple[int, int]], columns: int, lines: int
) -> tuple[int, int] | None:
    """Where a text begins, nearest to its mark; None without room. The place is then taken."""
    beside = (at[0] + 2, at[0] - 1 - size)
    for up in (0, 1, -1):
        for start in (at[0] - size // 2, *beside) if up else beside:
            row = at[1] + up
            cells = {(column, row) for column in range(start - 1, start + size + 1)}
            inside = 0 <= row < lines and start >= 0 and start + size <= columns
            if inside and not taken & cells:
                taken |= cells
                return start, row
    return None


def apart(ticks: Sequence[tuple[int, str]], cells: int, room: int | None) -> bool:
    """Whether labels stand clear of each other."""
    if room is not None:
        return all(b[0] - a[0] >= room for a, b in pairwise(ticks))
    end = -2
    for cell, label in ticks:
        # At an edge they are moved inside.
        start = max(0, min(cell - len(label) // 2, cells - len(label)))
        if start < end + 2:
            return False
        end = start + len(label)
    return True


def _label(value: float) -> str:
    if value >= 1.0 and abs(value - round(value)) < 1e-9 * value:
        return fmt.count(round(value))
    short = f"{value:.3g}"
    return short.replace("0.", ".", 1) if "e" not in short else fmt.number(value)
