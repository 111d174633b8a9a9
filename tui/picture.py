"""A heatmap as a picture: where its rectangles and texts are, on a sheet without end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from inspect_core.results.heatmap import (
    ABSENT,
    NOT_FINITE,
    SAME,
    UNCOMPARED,
    UNDEFINED,
    VALUE,
    Heatmap,
    HeatSection,
)
from inspect_core.results.scale import Scale, ScaleKind
from inspect_core.structure.kinds import short_kinds
from inspect_core.text import clean
from themes import Rgb, ThemeFile, rgb
from tui import format as fmt
from tui.palette import LEVELS, Palette, make_palette
from tui.picture_files import SIZE, Box, Drawing, Label, png, svg

if TYPE_CHECKING:
    pass

TITLE_SIZE = 16
"""Pixels of the letters of the title."""

ADVANCE = 0.6
"""Width of a letter, as a share of its size: of common fonts the wider ones."""

CELL = 18
"""Pixels of the side of a cell."""

MARGIN, GAP = 20, 36
"""Pixels around everything, and between sections."""

WIDEST = 1800
"""Pixels of a row of sections; those that do not fit come below. One alone may be wider."""

LONGEST = 60
"""Letters of a label."""

NUMBER = 44
"""Pixels of a number beside a cell."""

RAMP = 240
"""Pixels of the colour bar."""


def picture(heatmap: Heatmap, kind: ScaleKind, theme: ThemeFile, form: str) -> bytes:
    """A heatmap as the bytes of a file.

    Args:
        heatmap: what to draw.
        kind: how values are spread over the colours.
        theme: its colours.
        form: `svg` or `png`.
    """
    drawing = draw(heatmap, kind, theme)
    return svg(drawing).encode() if form == "svg" else png(drawing)


def draw(heatmap: Heatmap, kind: ScaleKind, theme: ThemeFile) -> Drawing:
    """The description of a heatmap: title, sections on one scale, the scale."""
    return _Sheet(heatmap, heatmap.scale(kind), make_palette(theme), theme).drawing()


class _Sheet:
    """A drawing that grows downwards."""

    def __init__(self, heatmap: Heatmap, scale: Scale, palette: Palette, theme: ThemeFile) -> None:
        self._heatmap = heatmap
        self._scale = scale
        self._palette = palette
        self._text = rgb(theme.ui["foreground"])
        self._quiet = rgb(theme.states["muted"])
        self._boxes: list[Box] = []
        self._labels: list[Label] = []
        self._right = 0.0

    def drawing(self) -> Drawing:
        """Everything, from the top."""
        y = float(MARGIN + TITLE_SIZE)
        self._write(MARGIN, y, clean(self._heatmap.title, 120), size=TITLE_SIZE)
        y += 10
        for band in _bands(self._heatmap.sections):
            x, bottom = float(MARGIN), y
            for section in band:
                width, end = self._section(section, x, y)
                x += width + GAP
                bottom = max(bottom, end)
            y = bottom + MARGIN
        y = self._legend(MARGIN, y)
        size = round(self._right + MARGIN), round(y + MARGIN)
        return Drawing(*size, self._palette.background, self._boxes, self._labels)

    def _section(self, section: HeatSection, x: float, y: float) -> tuple[float, float]:
        """One section from its upper left corner; its width and lower end."""
        gutter = _gutter(section)
        if section.title:
            self._write(x, y + SIZE + 4, _title(section), self._quiet)
        y += SIZE + 10
        left = x + gutter
        if section.has_axis:
            self._axis(section, left, y + SIZE)
            y += SIZE + 6
        shares = self._scale.shares(section.values)
        clipped = self._scale.clipped(section.values)
        for row, label in enumerate(_labels(section)):
            top = y + row * CELL
            self._write(left - 6, top + CELL / 2 + SIZE / 3, label, anchor="end")
            for column in range(len(section.columns)):
                at = (row, column)
                tip = _tip(section, row, column, self._heatmap)
                color = self._color(int(section.states[at]), float(shares[at]))
                # A grid of the background is left between cells.
                self._box(Box(left + column * CELL, top, CELL - 1, CELL - 1, color, tip))
                state = int(section.states[at])
                mark = _MARKS.get(state, "^" if clipped[at] else "")
                if mark:
                    on_color = clipped[at] or section.states[at] == NOT_FINITE
                    ink = self._palette.background if on_color else self._quiet
                    middle = left + column * CELL + (CELL - 1) / 2
                    self._write(middle, top + CELL / 2 + SIZE / 3, mark, ink, anchor="middle")
            if not section.has_axis and section.states[row, 0] in (SAME, VALUE):
                value = fmt.metric_value(self._heatmap.metric, float(section.values[row, 0]))
                self._write(left + CELL + 6, top + CELL / 2 + SIZE / 3, value, self._quiet)
        return _across(section), y + CELL * len(section.kinds)

    def _axis(self, section: HeatSection, left: float, y: float) -> None:
        longest = max(map(len, section.columns), default=1)
        step = max(1, -(-round((longest + 1) * SIZE * ADVANCE) // CELL))
        for column in range(0, len(section.columns), step):
            middle = left + column * CELL + (CELL - 1) / 2
            name = clean(section.columns[column], 24)
            self._write(middle, y, name, self._quiet, anchor="middle")

    def _color(self, state: int, share: float) -> Rgb:
        palette = self._palette
        if state == VALUE or (state == NOT_FINITE and np.isfinite(share)):
            return palette.sequential[max(0, min(LEVELS - 1, round(share * (LEVELS - 1))))]
        if state == SAME:
            return palette.same
        return palette.undefined if state in (UNDEFINED, NOT_FINITE) else palette.background

    def _legend(self, x: float, y: float) -> float:
        """The colour bar and what else cells can be; the y below it."""
        metric, scale = self._heatmap.metric, self._scale
        low, high = (fmt.metric_value(metric, end) for end in scale.ends)
        step = RAMP / LEVELS
        for level, color in enumerate(self._palette.sequential):
            # Each reaches under the next, so that no seam shows between them.
            width = step if level == LEVELS - 1 else step + 1
            self._box(Box(x + level * step, y, width, SIZE, color))
        self._write(x, y + 2 * SIZE + 2, low)
        self._write(x + RAMP, y + 2 * SIZE + 2, high, anchor="end")
        self._write(x + RAMP + 12, y + SIZE - 1, f"{metric.name}, {scale.kind} scale")
        notes = []
        if scale.clips:
            sign = -1.0 if scale.rest > 0.0 else 1.0
            most = fmt.metric_value(metric, scale.rest + sign * scale.most)
            notes.append(f"^ beyond, up to {most}")
        states = {int(s) for part in self._heatmap.sections for s in np.unique(part.states)}
        notes += [f"{mark} {_WORDS[s]}" for s, mark in _MARKS.items() if s in states]
        y += 3 * SIZE + 8
        for state in (SAME, UNDEFINED):
            if state in states:
                self._box(Box(x, y, CELL - 1, SIZE, self._color(state, 0.0)))
                self._write(x + CELL + 4, y + SIZE - 1, _WORDS[state], self._quiet)
                x += CELL + 24 + _width(_WORDS[state])
        if notes:
            self._write(x, y + SIZE - 1, "   ".join(notes), self._quiet)
        return y + SIZE

    def _box(self, box: Box) -> None:
        self._boxes.append(box)
        self._right = max(self._right, box.x + box.width)

    def _write(
        self,
        x: float,
        y: float,
        text: str,
        color: Rgb | None = None,
        size: int = SIZE,
        anchor: Literal["start", "middle", "end"] = "start",
    ) -> None:
        self._labels.append(Label(x, y, text, color or self._text, size, anchor))
        share = {"start": 1.0, "middle": 0.5, "end": 0.0}[anchor]
        self._right = max(self._right, x + share * _width(text, size))


_MARKS = {ABSENT: "-", UNCOMPARED: "·", NOT_FINITE: "!"}
_WORDS = {
    ABSENT: "not there", UNCOMPARED: "not compared", UNDEFINED: "n/a", SAME: "no change",
    NOT_FINITE: "NaN or inf",
}  # fmt: skip


def _bands(sections: Sequence[HeatSection]) -> list[list[HeatSection]]:
    """Sections in rows of at most `WIDEST`; those without layers come last."""
    bands: list[list[HeatSection]] = []
    room = 0.0
    for section in sorted(sections, key=lambda s: not s.has_axis):
        width = _across(section)
        if not bands or width > room or bands[-1][-1].has_axis != section.has_axis:
            bands.append([])
            room = float(WIDEST)
        bands[-1].append(section)
        room -= width + GAP
    return bands


def _labels(section: HeatSection) -> list[str]:
    return [clean(kind, LONGEST) for kind in short_kinds(section.kinds)]


def _title(section: HeatSection) -> str:
    return clean(section.title, 100)


def _across(section: HeatSection) -> float:
    """Pixels of a section with its title, and with the numbers beside cells without layers."""
    cells = _gutter(section) + CELL * len(section.columns)
    return max(cells + (0.0 if section.has_axis else NUMBER), _width(_title(section)))


def _gutter(section: HeatSection) -> float:
    return max(map(_width, _labels(section)), default=0.0) + 6


def _width(text: str, size: int = SIZE) -> float:
    return len(text) * size * ADVANCE


def _tip(section: HeatSection, row: int, column: int, heatmap: Heatmap) -> str:
    """What an SVG says of the cell that is pointed at."""
    state, metric = int(section.states[row, column]), heatmap.metric
    value = _WORDS.get(state) or fmt.metric_value(metric, float(section.values[row, column]))
    layer = clean(section.columns[column], 40)
    names = section.names[row][column] if section.names else ()
    which = clean(names[0], 200) if len(names) == 1 else clean(section.kinds[row], 200)
    more = f" ({len(names)} tensors)" if len(names) > 1 else ""
    return f"{layer} {which}{more}: {metric.name} {value}".strip()
