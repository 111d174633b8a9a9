"""Cells of a heatmap as lines of the screen: the one place that knows how values are painted.

Half-blocks in colours of the theme where the terminal has them; characters, one row of cells a
line, where it has not: shades in two hues with sixteen colours, marks with none and in ASCII.
"""

import math
from collections.abc import Iterable
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from inspect_core.results.heatmap import ABSENT, NOT_FINITE, SAME, UNCOMPARED, UNDEFINED, VALUE
from themes import Rgb
from tui import plots
from tui.figures.parts import Lines
from tui.palette import LEVELS, Depth, Palette

MONO_SIGNED = ("-+*#", ".:=≡")
"""Negative and positive values, small to large, where colour may not tell them apart."""

ASCII_SIGNED = ("-+*#", ".:=@")
"""The same in ASCII."""

MONO_LEVELS = ":-+*%#@"
"""Levels from the least to the most, where colour may not tell them apart."""

SHADES = "░▒▓█"
"""Sizes from small to large, where a hue says the rest."""

LEAST_SIGNED = 1 / 8
"""Below this share of the scale a signed cell is left blank where it is a character."""

MISSING = "?"

STATE_MARKS = {ABSENT: " ", UNCOMPARED: "/", UNDEFINED: MISSING, SAME: ".", NOT_FINITE: "!"}
"""What a cell without a size is, where cells are characters."""

ON_BACKGROUND = {ABSENT: "-", UNCOMPARED: "·", NOT_FINITE: "!"}
"""Where cells are colours: no such tensor; nothing was compared (yet); and, on a colour, what
changed to or from NaN."""

CLIPPED = "^"
"""On a cell that is beyond the end of the scale."""

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


def paint_heat(
    shares: NDArray[np.float64],
    states: NDArray[np.uint8],
    clipped: NDArray[np.bool_],
    palette: Palette,
    cell: int,
) -> Lines:
    """Sizes, one line a row; no two states look alike.

    Args:
        shares: `(rows, columns)` from 0 to 1; read where the state is `VALUE`, and where it is
            `NOT_FINITE` and they are no NaN.
        states: of the same shape; see `inspect_core.results.heatmap`.
        clipped: which cells are beyond the end of the scale: they are marked.
        palette: colours and glyphs.
        cell: width of a cell on the screen.
    """
    if palette.marks:
        return _marked_heat(shares, states, clipped, palette, cell)
    rows = [
        [_heat_color(share, state, palette) for share, state in zip(*row, strict=True)]
        for row in zip(shares.tolist(), states.tolist(), strict=True)
    ]
    wide = [[color for color in row for _ in range(cell)] for row in rows]
    lines = plots.half_blocks([line for line in wide for _ in range(2)])
    marked = np.isin(states, list(ON_BACKGROUND)) | clipped
    for at in np.flatnonzero(marked.any(axis=1)).tolist():
        lines[at] = _with_marks(lines[at], states[at], marked[at], rows[at], palette, cell)
    return lines


def _heat_color(share: float, state: int, palette: Palette) -> Rgb:
    if state == VALUE or (state == NOT_FINITE and math.isfinite(share)):
        return palette.sequential[max(0, min(LEVELS - 1, round(share * (LEVELS - 1))))]
    if state == SAME:
        return palette.same
    return palette.undefined if state in (UNDEFINED, NOT_FINITE) else palette.background


def _with_marks(
    strip: Strip,
    states: NDArray[np.uint8],
    marked: NDArray[np.bool_],
    colors: list[Rgb],
    palette: Palette,
    cell: int,
) -> Strip:
    """A line with a character on those of its cells that a colour does not tell all of."""
    parts, done = [], 0
    for column in np.flatnonzero(marked).tolist():
        behind = Color.from_rgb(*colors[column])
        if states[column] in (VALUE, NOT_FINITE):
            mark = CLIPPED if states[column] == VALUE else STATE_MARKS[NOT_FINITE]
            style = Style(color=Color.from_rgb(*palette.background), bold=True)
        else:
            mark, style = ON_BACKGROUND[int(states[column])], palette.styles["muted"]
        parts += [strip.crop(done, column * cell)] if column * cell > done else []
        parts.append(Strip([Segment(mark.center(cell), style + Style(bgcolor=behind))]))
        done = (column + 1) * cell
    if done < strip.cell_length:
        parts.append(strip.crop(done, strip.cell_length))
    return Strip.join(parts)


def _marked_heat(
    shares: NDArray[np.float64],
    states: NDArray[np.uint8],
    clipped: NDArray[np.bool_],
    palette: Palette,
    cell: int,
) -> Lines:
    marks, hue, muted = _level_marks(palette), palette.cells["levels"], palette.styles["muted"]
    lines = []
    for row in zip(shares.tolist(), states.tolist(), clipped.tolist(), strict=True):
        glyphs = []
        for share, state, beyond in zip(*row, strict=True):
            if state == NOT_FINITE:
                glyphs.append((STATE_MARKS[state] * cell, palette.styles["note"]))
            elif state != VALUE:
                glyphs.append((STATE_MARKS[state] * cell, muted))
            elif beyond:
                glyphs.append((CLIPPED * cell, hue))
            else:
                glyphs.append((marks[_level(share, len(marks))] * cell, hue))
        lines.append(_runs(glyphs))
    return lines


def _level_marks(palette: Palette) -> str:
    """From the least to the most."""
    return SHADES if palette.depth is Depth.ANSI and not palette.ascii_only else MONO_LEVELS


def _level(share: float, levels: int) -> int:
    return max(0, min(levels - 1, int(share * levels)))


def signed_ramp(palette: Palette) -> Strip:
    """The colours or marks from -1 to 1."""
    steps = np.linspace(-1.0, 1.0, RAMP_STEPS + 1 if palette.marks else RAMP_STEPS)
    return paint_signed(np.tile(steps, (palette.rows_a_line, 1)), palette)[0]


def level_ramp(palette: Palette) -> Strip:
    """The colours or marks from the least to the most."""
    steps = RAMP_STEPS
    if palette.marks:  # each mark as often as the others
        steps = len(_level_marks(palette)) * max(1, RAMP_STEPS // len(_level_marks(palette)))
    shares = np.linspace(0.0, 1.0, steps)[None, :]
    states = np.full((1, steps), VALUE, np.uint8)
    return paint_heat(shares, states, np.zeros((1, steps), np.bool_), palette, 1)[0]


def swatch(state: int, palette: Palette) -> Strip:
    """What a cell of a state looks like, to explain it."""
    states = np.full((1, 1), state, np.uint8)
    return paint_heat(np.full((1, 1), np.nan), states, np.zeros((1, 1), np.bool_), palette, 2)[0]


Glyph = tuple[str, Style]


def _marked(marks: Iterable[int], glyphs: list[Glyph]) -> Strip:
    """A line of marks, by their place among the glyphs."""
    return _runs([glyphs[mark] for mark in marks])


def _runs(drawn: list[Glyph]) -> Strip:
    """A line of glyphs; runs of one style are one segment."""
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
