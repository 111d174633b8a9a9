"""Values at places along an axis as lines with marks, errors and a cursor."""

import math
from collections.abc import Sequence

import numpy as np
from rich.style import Style

from tui.figures.chart import Axis, Dots
from tui.geometry.figures.naming import several_look, space_look
from tui.geometry.measures import Series
from tui.palette import Palette
from tui.plots import FINE

TOPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Where the axis of a share may end."""

FINE_STEPS = 24
"""Dots of an error bar, before those in one place become one."""

LEVEL_DOTS = 800
"""Enough that no column of a chart is without one."""

UPRIGHT_DOTS = 400
"""Enough that no line of the screen is without one."""


def value_axis(found: Sequence[Series], share: bool, whole: bool = False) -> Axis:
    """An axis to a round number above all values: from 0, or less, or from far up to see more."""
    values = np.concatenate([np.asarray(one.values, np.float64) for one in found])
    values = values[np.isfinite(values)]
    most, least = float(values.max(initial=0.0)), float(values.min(initial=0.0))
    if share and most <= 1.0:
        high = next(end for end in TOPS if most <= end + 1e-12)
    else:
        high = round_above(most)
    low = -round_above(-least) if least < 0.0 else 0.0
    if not share and not whole and len(values) and values.min() > high / 2:
        low = round_below(float(values.min()))
    return Axis(low, max(high, 2.0) if whole else high, whole=whole)


def round_below(value: float) -> float:
    """A round number somewhat below a positive value."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1) * 5
    return max(0.0, (math.ceil(value / unit) - 1) * unit)


def round_above(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten; 1 for 0."""
    if not value > 0.0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next((s * unit for s in (1, 1.5, 2, 3, 4, 5, 6, 8) if value <= s * unit), 10 * unit)


def curve(
    values: Sequence[float],
    mark: str,
    style: Style,
    palette: Palette,
    every: int = 1,
    first: int = 0,
) -> list[Dots]:
    """A line with marks; it ends where a value is not known.

    Args:
        values: one for each place.
        mark: at the values.
        style: of both.
        palette: whether it is in ASCII.
        every: a mark at every so many places; those without neighbours have one anyway.
        first: the place of the first mark, so that those of equal lines are all seen.
    """
    ys = np.asarray(values, np.float64)
    xs = np.arange(len(ys), dtype=np.float64)
    known = np.isfinite(ys)
    runs = [run[known[run]] for run in np.split(np.arange(len(ys)), np.flatnonzero(~known))]
    ink = "." if palette.ascii_only else FINE
    alone = [int(run[0]) for run in runs if len(run) == 1]
    marked = np.array(
        sorted({*np.flatnonzero(known)[first % every :: every].tolist(), *alone}), np.int64
    )
    return [
        *(Dots(xs[run], ys[run], ink, style, True) for run in runs if len(run) > 1),
        Dots(xs[marked], ys[marked], mark, style),
    ]


def in_order(dots: Sequence[Dots]) -> list[Dots]:
    """Lines below marks, so that no line goes over the mark of another."""
    return sorted(dots, key=lambda one: not one.joined)


def together(found: Sequence[Series], up: Axis, lines: int, palette: Palette) -> list[Dots]:
    """A mark where the values of several lines are at one place."""
    longest = max(len(one.values) for one in found)
    several = np.full((len(found), longest), np.nan)
    for at, one in enumerate(found):
        several[at, : len(one.values)] = one.values
    rows = np.rint(np.array([up.share(one) for one in several]) * (lines - 1))
    xs, ys = [], []
    for at in range(longest):
        seen, counts = np.unique(rows[:, at][np.isfinite(rows[:, at])], return_counts=True)
        for row in seen[counts > 1]:
            xs.append(float(at))
            ys.append(float(np.mean(several[rows[:, at] == row, at])))
    mark, style = several_look(palette)
    return [Dots(np.array(xs), np.array(ys), mark, style)] if xs else []


def error_bars(one: Series, palette: Palette) -> Dots:
    """A bar of one standard error on either side of each value."""
    values, errors = np.asarray(one.values, np.float64), np.asarray(one.errors, np.float64)
    known = np.flatnonzero(np.isfinite(values) & np.isfinite(errors))
    along = np.linspace(-1.0, 1.0, FINE_STEPS)
    ys = (values[known, None] + errors[known, None] * along).ravel()
    mark = ":" if palette.ascii_only else FINE
    return Dots(np.repeat(known, FINE_STEPS).astype(np.float64), ys, mark,
                space_look(one.space, palette)[1])  # fmt: skip


def level(value: float, last: int, palette: Palette) -> Dots:
    """A dashed line from the first place to the last, at a value."""
    mark = "-" if palette.ascii_only else "╌"
    xs = np.linspace(0.0, float(max(last, 1)), LEVEL_DOTS)
    return Dots(xs, np.full(len(xs), value), mark, palette.styles["muted"])


def upright(at: int, up: Axis, palette: Palette) -> Dots:
    """A line from the bottom to the top at a place."""
    ys = np.linspace(up.low, up.high, UPRIGHT_DOTS)
    mark = "|" if palette.ascii_only else "┊"
    return Dots(np.full(len(ys), float(at)), ys, mark, palette.styles["muted"])
