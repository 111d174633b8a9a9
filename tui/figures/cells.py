"""Cells of a heatmap as lines of the screen: the one place that knows how values are painted.

Half-blocks in colours of the theme where the terminal has them; characters, one row of cells a
line, where it has not: shades in two hues with sixteen colours, marks with none and in ASCII.
"""

import math
from collections.abc import Iterable
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from themes import Rgb
from tui import plots
from tui.figures.parts import Lines
from tui.palette import LEVELS, Depth, Palette

MONO_SIGNED = ("-+*#", ".:=≡")
"""Negative and positive values, small to large, where colour may not tell them apart."""

ASCII_SIGNED = ("-+*#", ".:=@")
"""The same in ASCII."""

MONO_LEVELS = " .:-=+*#%@"
"""Levels from no change to the most, where colour may not tell them apart."""

SHADES = "░▒▓█"
"""Sizes from small to large, where a hue says the rest."""

SHADED_LEVELS = f" {SHADES}"
"""Levels from no change to the most, in one hue."""

LEAST_SIGNED = 1 / 8
"""Below this share of the scale a signed cell is left blank where it is a character."""

MISSING = "?"

RAMP_STEPS = 16
"""Cells of a scale."""


def paint_signed(cells: NDArray[np.float64], palette: Palette) -> Lines:
    """A signed matrix.

    Args:
        cells: `(rows, columns)` from -1 to 1, clipped beyond; NaN is missing. A multiple of
            `palette.rows_a_line` rows.
        palette: colours and glyphs.
    """
    if palette.marks:
        return [_marked(map(_signed_mark, row), _signed_glyphs(palette)) for row in cells.tolist()]
    half = LEVELS // 2
    level = np.clip(np.rint(np.nan_to_num(cells) * half) + half, 0, LEVELS).astype(int)
    missing = np.isnan(cells)
    pixels = [
        [
            palette.background if gone else palette.diverging[at]
            for at, gone in zip(row, lost, strict=True)
        ]
        for row, lost in zip(level.tolist(), missing.tolist(), strict=True)
    ]
    return plots.half_blocks(pixels)


def paint_levels(cells: NDArray[np.float64], palette: Palette) -> Lines:
    """A matrix of sizes.

    Args:
        cells: `(rows, columns)` from 0 to 1, clipped beyond; exactly 0 has a colour of its own,
            NaN is missing, infinity is n/a. A multiple of `palette.rows_a_line` rows.
        palette: colours and glyphs.
    """
    if palette.marks:
        marks = _level_glyphs(palette)
        most = len(marks) - 2
        return [_marked([_level_mark(v, most) for v in row], marks) for row in cells.tolist()]
    rows = [[_level_color(value, palette) for value in row] for row in cells.tolist()]
    return plots.half_blocks(rows)


def signed_ramp(palette: Palette) -> Strip:
    """The colours or marks from -1 to 1."""
    steps = np.linspace(-1.0, 1.0, RAMP_STEPS + 1 if palette.marks else RAMP_STEPS)
    return paint_signed(np.tile(steps, (palette.rows_a_line, 1)), palette)[0]


def level_ramp(palette: Palette) -> Strip:
    """The colours from just above 0 to 1, or the marks from 0 on."""
    steps = np.linspace(1e-9, 1.0, RAMP_STEPS)
    if palette.marks:
        # Each mark as often as the others: blank for exactly nothing, then what is more.
        most = len(_level_glyphs(palette)) - 2
        steps = np.linspace(0.0, 1.0, most + 1).repeat(max(1, RAMP_STEPS // (most + 1)))
    return paint_levels(np.tile(steps, (palette.rows_a_line, 1)), palette)[0]


def swatch(value: float, palette: Palette) -> Strip:
    """What a cell of one value looks like, to explain it: no change (0), n/a (infinite)."""
    return paint_levels(np.full((palette.rows_a_line, 2), value), palette)[0]


Glyph = tuple[str, Style]


def _marked(marks: Iterable[int], glyphs: list[Glyph]) -> Strip:
    """A line of marks, by their place among the glyphs; runs of one style are one segment."""
    drawn = [glyphs[mark] for mark in marks]
    runs = groupby(drawn, key=lambda glyph: glyph[1])
    return Strip([Segment("".join([text for text, _ in run]), style) for style, run in runs])


def _signed_glyphs(palette: Palette) -> list[Glyph]:
    """From most negative over blank to most positive; the missing one last."""
    if palette.ascii_only:
        less, more = ASCII_SIGNED
    else:
        less, more = (SHADES, SHADES) if palette.depth is Depth.ANSI else MONO_SIGNED
    below = [(mark, palette.cells["negative"]) for mark in reversed(less)]
    above = [(mark, palette.cells["positive"]) for mark in more]
    return [*below, (" ", Style()), *above, (MISSING, palette.styles["muted"])]


def _signed_mark(value: float) -> int:
    if not math.isfinite(value):
        return 2 * len(SHADES) + 1
    step = 0 if abs(value) < LEAST_SIGNED else min(len(SHADES), 1 + int(abs(value) * len(SHADES)))
    return len(SHADES) + (step if value > 0 else -step)


def _level_glyphs(palette: Palette) -> list[Glyph]:
    """From nothing to the most; the missing one last."""
    shaded = palette.depth is Depth.ANSI and not palette.ascii_only
    hue = palette.cells["levels"]
    marks = [(mark, hue) for mark in (SHADED_LEVELS if shaded else MONO_LEVELS)]
    return [*marks, (MISSING, palette.styles["muted"])]


def _level_mark(value: float, most: int) -> int:
    """Which of the marks 0 to `most` a level has: 0 is for exactly nothing."""
    if not math.isfinite(value):
        return most + 1
    return 0 if value <= 0.0 else max(1, min(most, round(value * most)))


def _level_color(value: float, palette: Palette) -> Rgb:
    if math.isnan(value):
        return palette.background
    if math.isinf(value):
        return palette.undefined
    if value == 0.0:
        return palette.same
    return palette.sequential[max(0, min(LEVELS - 1, round(value * (LEVELS - 1))))]
