"""Curves of a landscape as a picture: a panel a measure, a line a space, over the layers."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from inspect_core.text import clean
from themes import Rgb, ThemeFile, rgb
from tui import format as fmt
from tui.geometry.figures.naming import STYLES, short_layer
from tui.geometry.measures import MEASURES, Series, by_chance, offered, series_of
from tui.geometry.notes import all_notes
from tui.picture_files import SIZE, Box, Drawing, Label, Point, Shape, Stroke, png, svg

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport, LayerNumbers

TITLE_SIZE = 16
"""Pixels of the letters of the title."""

ADVANCE = 0.6
"""Width of a letter, as a share of its size."""

MARGIN, GAP = 20, 34
"""Pixels around everything, and between panels."""

WIDTH, HEIGHT = 420, 190
"""Pixels of the plot of a panel."""

GUTTER = 52
"""Pixels left of it, for its numbers."""

ACROSS = 2
"""Panels side by side."""

LONGEST = 60
"""Letters of a name."""

MARK = 3.6
"""Pixels from the middle of a mark to its edge."""

DASHES: tuple[tuple[float, ...], ...] = ((), (7, 3), (2, 3), (9, 3, 2, 3))
"""Of lines, one after the other: with their marks they tell them apart without any colour."""

CHANCE_DASH = (4.0, 4.0)
"""Of the line of what chance gives."""

MOST_NOTES, NOTE = 8, 150
"""Notes below the panels, and letters of one."""

LEAST_BETWEEN = 26
"""Pixels from one number below a plot to the next."""

MOST_LETTERS = 5
"""Letters of a layer's name below a plot."""

MOST_REASONS = 6
"""Reasons why something is not defined."""


def curves_picture(report: "LandscapeReport", theme: ThemeFile, form: str) -> bytes:
    """The curves of a report as the bytes of a file.

    Args:
        report: what was measured.
        theme: its colours.
        form: `svg` or `png`.
    """
    drawing = draw_curves_picture(report, theme)
    return svg(drawing).encode() if form == "svg" else png(drawing)


def draw_curves_picture(report: "LandscapeReport", theme: ThemeFile) -> Drawing:
    """The description of all curves: title, which line is which, a panel a measure, layers."""
    return _Sheet(report, theme).drawing()


class _Sheet:
    """A drawing that grows downwards."""

    def __init__(self, report: "LandscapeReport", theme: ThemeFile) -> None:
        self._report = report
        self._theme = theme
        self._text = rgb(theme.ui["foreground"])
        self._quiet = rgb(theme.states["muted"])
        self._background = rgb(theme.ui["background"])
        self._boxes: list[Box] = []
        self._labels: list[Label] = []
        self._marks: list[Stroke | Shape] = []
        self._right = float(MARGIN + ACROSS * (GUTTER + WIDTH) + GAP)
        longest = max((space.layers for space in report.spaces), key=len, default=())
        self._layers: Sequence[LayerNumbers] = longest

    def drawing(self) -> Drawing:
        """Everything, from the top."""
        y = float(MARGIN + TITLE_SIZE)
        self._write(MARGIN, y, "Landscape of representations along the layers", size=TITLE_SIZE)
        y = self._heading(y + 6)
        panels = self._panels()
        for at, (title, measure, column) in enumerate(panels):
            x = MARGIN + (at % ACROSS) * (GUTTER + WIDTH + GAP)
            self._panel(x + GUTTER, y + SIZE + 10, title, measure, column)
            if at % ACROSS == ACROSS - 1 or at == len(panels) - 1:
                y += SIZE + 10 + HEIGHT + 2 * SIZE + GAP - 8
        y = self._reasons(y)
        size = round(self._right + MARGIN), round(y + MARGIN)
        return Drawing(*size, self._background, self._boxes, self._labels, self._marks)

    def _heading(self, y: float) -> float:
        """What was measured how, and which line is which; the y below it."""
        report, how = self._report, self._report.measured
        pooled = f"{report.pooling}; " if report.pooling else ""
        told = f"{report.texts:,} texts; {pooled}k {how.k}, Z {how.z:g}, overlap {how.overlap_k}"
        y += SIZE
        self._write(MARGIN, y, told, self._quiet)
        y += 8
        x = float(MARGIN)
        for number, space in enumerate(report.spaces):
            name = clean(space.title, LONGEST)
            wide = 48 + len(name) * SIZE * ADVANCE + 20
            if x > MARGIN and x + wide > self._right:
                x, y = float(MARGIN), y + SIZE + 8
            middle = y + SIZE - 4
            self._line(((x, middle), (x + 36, middle)), number)
            self._mark((x + 18, middle), number, "")
            self._write(x + 44, y + SIZE, name)
            x += wide
        return y + SIZE + 16

    def _panels(self) -> list[tuple[str, str, int]]:
        """Titles, measures and label columns; those of no column first."""
        report = self._report
        first = report.spaces[0].title if report.spaces else ""
        found = []
        names = offered(report)
        for name in [one for one in names if not MEASURES[one].labels]:
            title = MEASURES[name].title
            if MEASURES[name].pairs:
                title = f"{title} (first: {clean(first, 30)})"
            found.append((title, name, 0))
        for column, called in enumerate(report.columns):
            found += [
                (f"{clean(called, 30)}: {MEASURES[name].title}", name, column)
                for name in names
                if MEASURES[name].labels
            ]
        return found

    def _panel(self, x: float, y: float, title: str, measure: str, column: int) -> None:
        """One measure: its frame, its numbers, a line a space."""
        series = series_of(self._report, measure, column)
        self._write(x, y - 8, title)
        chance = by_chance(self._report, measure, column)
        both = [*series, Series(0, (chance,))]
        low, high, step = _range(both, MEASURES[measure].share, measure == "clusters")
        count = max(1, len(self._layers) - 1)

        def place(layer: int, value: float) -> Point:
            share = (value - low) / (high - low)
            return x + 8 + layer * (WIDTH - 16) / count, y + HEIGHT * (1 - share)

        self._grid(x, y, (low, high, step), measure == "clusters")
        self._numbers(x, y, count)
        if all(not any(map(math.isfinite, one.values)) for one in series):
            middle = x + WIDTH / 2
            self._write(middle, y + HEIGHT / 2, "n/a", self._quiet, anchor="middle")
        if math.isfinite(chance):
            ends = place(0, chance), place(count, chance)
            self._marks.append(Stroke(ends, self._quiet, 1.2, CHANCE_DASH))
            told = f"by chance {fmt.number(chance)}"
            self._write(x + WIDTH - 4, ends[1][1] - 4, told, self._quiet, anchor="end")
        for one in series:
            self._errors(one, place)
        for one in series:
            for run in _runs(one.values):
                self._line(tuple(place(at, one.values[at]) for at in run), one.space)
            for at, value in enumerate(one.values):
                if math.isfinite(value):
                    self._mark(place(at, value), one.space, self._tip(one, at, measure))

    def _grid(self, x: float, y: float, axis: tuple[float, float, float], whole: bool) -> None:
        low, high, step = axis
        quiet = _between(self._background, self._quiet, 0.28)
        for number in range(round((high - low) / step) + 1):
            value = low + number * step
            at = y + HEIGHT * (1 - (value - low) / (high - low))
            self._marks.append(Stroke(((x, at), (x + WIDTH, at)), quiet))
            told = f"{value:,.0f}" if whole else f"{value:.6g}"
            self._write(x - 6, at + SIZE / 3, told, self._quiet, anchor="end")

    def _numbers(self, x: float, y: float, count: int) -> None:
        """Short names of layers, as many as have room."""
        last = -math.inf
        for at, layer in enumerate(self._layers):
            name = short_layer(layer.name)[:MOST_LETTERS]
            wide = max(LEAST_BETWEEN, len(name) * SIZE * ADVANCE + 8)
            middle = x + 8 + at * (WIDTH - 16) / count
            if middle - last < wide or (not name.isdecimal() and 0 < at < count):
                continue
            self._write(middle, y + HEIGHT + SIZE + 5, name, self._quiet, anchor="middle")
            last = middle

    def _errors(self, one: Series, place: Callable[[int, float], Point]) -> None:
        """Standard errors: upright lines through the marks."""
        color = _between(self._background, self._color(one.space), 0.55)
        for at, error in enumerate(one.errors):
            value = one.values[at]
            if math.isfinite(error) and math.isfinite(value):
                ends = place(at, value - error), place(at, value + error)
                self._marks.append(Stroke(ends, color, 3.0))

    def _line(self, points: tuple[Point, ...], space: int) -> None:
        dash = DASHES[space % len(DASHES)]
        self._marks.append(Stroke(points, self._color(space), 1.6, dash))

    def _mark(self, middle: Point, space: int, tip: str) -> None:
        color = self._color(space)
        self._marks.append(Shape(_outline(middle, space, MARK), color, tip))
        if (space // len(_SIDES)) % 2:  # as many forms again, with a hole
            inner = _outline(middle, space, MARK / 2)
            self._marks.append(Shape(inner, self._background, tip))

    def _tip(self, one: Series, at: int, measure: str) -> str:
        space = self._report.spaces[one.space]
        layer = clean(space.layers[at].name, 120)
        error = f" ± {fmt.number(one.errors[at])}" if one.errors else ""
        value = fmt.number(one.values[at])
        return f"{clean(space.title, LONGEST)}, {layer}: {MEASURES[measure].title} {value}{error}"

    def _reasons(self, y: float) -> float:
        """The layers' full names at the ends, and why something is not there."""
        if self._layers:
            names = [clean(self._layers[at].name, LONGEST) for at in (0, -1)]
            told = f"{len(self._layers)} layers, {names[0]} to {names[1]}"
            self._write(MARGIN, y, told, self._quiet)
            y += SIZE + 4
        whys: dict[str, int] = {}
        for space in self._report.spaces:
            for layer in space.layers:
                for why in dict.fromkeys([layer.why, *[one.why for one in layer.labels]]):
                    if why:
                        whys[why] = whys.get(why, 0) + 1
        for why, count in list(whys.items())[:MOST_REASONS]:
            layers = f"{count} layer{'' if count == 1 else 's'}"
            self._write(MARGIN, y, f"{clean(why, 120)} ({layers})", self._quiet)
            y += SIZE + 4
        for told in all_notes(self._report)[:MOST_NOTES]:
            self._write(MARGIN, y, clean(told, NOTE), self._quiet)
            y += SIZE + 4
        return y - SIZE

    def _color(self, space: int) -> Rgb:
        return rgb(self._theme.states[STYLES[space % len(STYLES)]])

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
        if anchor == "start":
            self._right = max(self._right, x + len(text) * size * ADVANCE)


_SIDES = (24, 4, 3, -4)
"""Corners of marks: a circle, a square, a triangle, a square on its corner."""


def _outline(middle: Point, space: int, size: float) -> tuple[Point, ...]:
    sides = _SIDES[space % len(_SIDES)]
    turned = math.pi / 4 if sides == 4 else 0.0
    radius = size * (1.0 if sides == 24 else 1.3)
    corners = abs(sides)
    return tuple(
        (
            middle[0] + radius * math.sin(turned + 2 * math.pi * at / corners),
            middle[1] - radius * math.cos(turned + 2 * math.pi * at / corners),
        )
        for at in range(corners)
    )


def _runs(values: Sequence[float]) -> list[list[int]]:
    """Layers that follow each other and have a value: a line has a gap where there is none."""
    runs: list[list[int]] = [[]]
    for at, value in enumerate(values):
        if math.isfinite(value):
            runs[-1].append(at)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def _range(
    series: Sequence[Series], share: bool = False, whole: bool = False
) -> tuple[float, float, float]:
    """Where an axis begins and ends, and its step: round numbers around all values."""
    found = [value for one in series for value in one.values if math.isfinite(value)]
    for one in series:
        both = zip(one.values, one.errors, strict=False)
        ends = [(v - e, v + e) for v, e in both if math.isfinite(v) and math.isfinite(e)]
        found += [end for pair in ends for end in pair]
    low, high = min([0.0, *found]), max(found, default=1.0)
    if share:
        high = max(high, 1.0) if high > 0.5 else max(high, 0.1)
    if not high > low:
        high = low + 1.0
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * times for times in (1, 2, 2.5, 5, 10) if size * times >= rough * 0.999)
    step = max(1.0, math.ceil(step)) if whole else step
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def _between(one: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
