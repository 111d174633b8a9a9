"""The singular values of a difference: how they fall, where noise begins, what they hold."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from inspect_core.text import clean
from tui import format as fmt
from tui.figures.columns import beside_axis, column_chart, under
from tui.figures.figure import Figure, Plot
from tui.figures.parts import (
    Lines,
    fitted,
    heading,
    line,
    note_lines,
    side_by_side,
    wrap,
)
from tui.figures.tensor import SIDE_COLUMNS, WIDE
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.delta.spectrum import Spectrum
    from inspect_core.work.spectra import TensorSpectrum

AXIS = 8
"""Characters of the axis beside a curve."""

ENERGY_LINES = 4
"""Lines of the curve of cumulative energy."""

MOST_COLUMNS = 120
"""Columns of a curve: a wider one would tell nothing more."""

BELOW_NOISE = 0.5
"""Decades shown below the noise at least."""

LEAST_HEIGHT = 1e-6
"""Of a value below the foot of the curve: it is there, but no zero."""

MOST_DECADES = 16.0
"""Decades shown at most: float64 has no more digits."""


def spectrum_figure(
    found: "TensorSpectrum",
    shape: tuple[int, ...],
    dtype: str,
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
) -> Figure:
    """The spectrum of one tensor.

    Args:
        found: what was computed.
        shape: the tensor's shape.
        dtype: its dtype name.
        notes: lines to show below the heading, safe to show.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.
    """
    lines = [
        heading(clean(found.name), f"{fmt.shape(shape)}  {dtype}", palette, width),
        *note_lines(notes, palette, width),
    ]
    spectrum = found.spectrum
    if spectrum is None:
        text = ["", *wrap(clean(found.refusal, 300), width), "", "v for its other pictures"]
        return Figure(fitted([*lines, *map(line, text)], palette, width))
    delta = found.reference_name is not None
    verdict = wrap(clean(rank_words(spectrum), 200), width)
    lines += [line((part, palette.styles["module"])) for part in verdict]
    numbers = spectrum_lines(spectrum, delta, palette)
    beside = width >= WIDE
    chart_width = max(4, min(MOST_COLUMNS, (width - SIDE_COLUMNS if beside else width) - AXIS - 2))
    footer = _footer(found, delta, palette, width)
    below = len(footer) + (0 if beside else (len(numbers) + 1) // 2)
    room = max(6, height - len(lines) - below - 1)
    plot, top, tall = _curves(spectrum, palette, chart_width, room)
    cursor = Plot(
        top=len(lines) + top,
        left=AXIS,
        height=tall,
        width=chart_width,
        rows=1,
        columns=chart_width,
        says=_says(spectrum, chart_width),
    )
    if beside:
        lines += side_by_side(plot, numbers, chart_width + AXIS + 2)
    else:
        lines += [*plot, *side_by_side(numbers[::2], numbers[1::2], width // 2)]
    plots = (cursor,) if len(spectrum.values) else ()
    return Figure(fitted([*lines, *footer], palette, width), plots)


def rank_words(spectrum: "Spectrum") -> str:
    """What a spectrum says of the rank, in words."""
    if spectrum.is_zero:
        return "rank 0: no value differs"
    if spectrum.untold:
        return f"no rank can be told: {spectrum.untold}"
    least = "at least " if spectrum.rank_is_bound else ""
    floor = f"the rounding noise of {spectrum.noise_dtype}"
    if spectrum.numerical > spectrum.noise:
        floor = "what float64 can tell from zero"
    of = min(spectrum.rows, spectrum.columns)
    return f"rank {least}{spectrum.above} of {of}, above {floor} ({fmt.number(spectrum.threshold)})"


def spectrum_lines(spectrum: "Spectrum", delta: bool, palette: Palette) -> Lines:
    """The numbers of a spectrum, one a line."""
    number = fmt.number
    largest = float(spectrum.values[0]) if len(spectrum.values) else 0.0
    rank = "n/a" if spectrum.rank is None else str(spectrum.rank)
    rows = [
        ("rank", f"{rank} or more" if spectrum.rank_is_bound and spectrum.rank else rank),
        ("eff. rank", number(spectrum.effective_rank)),
        ("stable rank", number(spectrum.stable_rank)),
        ("largest", number(largest)),
        ("noise", number(spectrum.noise)),
        ("L2", number(math.sqrt(spectrum.energy))),
    ]
    energy = spectrum.top_energy
    rows += [(f"top {k}", fmt.percent(float(energy[k - 1]))) for k in _ladder(spectrum)]
    rows.append(("changed" if delta else "not zero", fmt.percent(spectrum.changed_fraction)))
    return [line((f"{name:<12}", palette.styles["muted"]), value) for name, value in rows]


def _ladder(spectrum: "Spectrum") -> list[int]:
    """How many of the largest values to sum up: a few, and as many as the rank."""
    sizes = {1, 4, 16, 64, spectrum.rank or 1}
    return sorted(k for k in sizes if k <= len(spectrum.values))


def _curves(
    spectrum: "Spectrum", palette: Palette, width: int, room: int
) -> tuple[Lines, int, int]:
    """Both curves, the first line of the upper one's columns, and how many it has."""
    energy_lines = ENERGY_LINES if room >= 3 * ENERGY_LINES else 0
    tall = max(3, room - 3 - (energy_lines + 1 if energy_lines else 0))
    count = len(spectrum.values)
    firsts = [first_of(column, width, count) for column in range(width)]
    low, high = _decades(spectrum)
    shown, styles = [], []
    for first in firsts:
        value = float(spectrum.values[first]) if count else 0.0
        shown.append(max(_height(value, low, high), LEAST_HEIGHT if value > 0.0 else 0.0))
        above = value > spectrum.threshold
        styles.append(palette.styles["tunable" if above else "muted"])
    rule = _height(spectrum.threshold, low, high)
    chart = column_chart(shown, tall, palette, styles, rule if rule > 0.0 else None)
    plot = [line(("singular values, log scale", palette.styles["muted"]))]
    plot += beside_axis(chart, _axis(low, high), palette, AXIS)
    indices = under(_ticks(width, count), width, palette)
    plot += beside_axis([indices], [""], palette, AXIS)
    if energy_lines:
        energy = [float(spectrum.top_energy[first]) if count else 0.0 for first in firsts]
        chart = column_chart(energy, energy_lines, palette, styles)
        plot.append(line(("share of the energy up to there", palette.styles["muted"])))
        plot += beside_axis(chart, ["100%", "0"], palette, AXIS)
    return plot, 1, tall


def first_of(column: int, width: int, count: int) -> int:
    """Index of the first value in a column: their numbers 1, 2, 3 ... are on a log scale."""
    if count <= 1 or width <= 1:
        return 0
    if count <= width // 2:  # few: all of the same width
        return column * count // width
    # The last column is for the last value.
    number = math.exp(math.log(count) * column / (width - 1))
    return min(count - 1, math.floor(number + 1e-9) - 1)


def _ticks(width: int, count: int) -> list[tuple[int, str]]:
    """Numbers of values under the first columns where they begin."""
    found: list[tuple[int, str]] = []
    wanted = [m * 10**e for e in range(6) for m in (1, 2, 5)]
    if count <= width // 2:
        wanted = list(range(1, count + 1))
    for number in [*[n for n in wanted if n < count], count]:
        column = next((c for c in range(width) if first_of(c, width, count) >= number - 1), None)
        if column is not None:
            found.append((column, str(number)))
    return found


def _decades(spectrum: "Spectrum") -> tuple[float, float]:
    """Powers of ten at the foot and the head of the curve."""
    positive = [float(value) for value in spectrum.values if value > 0.0]
    if not positive:
        return -1.0, 0.0
    high = math.log10(positive[0])
    floor = math.log10(spectrum.threshold) if spectrum.threshold > 0.0 else high
    low = max(min(floor, math.log10(positive[-1])), min(floor, high) - BELOW_NOISE)
    low = max(low, high - MOST_DECADES)
    return min(low, high - 1.0), high


def _height(value: float, low: float, high: float) -> float:
    return (math.log10(value) - low) / (high - low) if value > 0.0 else 0.0


def _axis(low: float, high: float) -> list[str]:
    return [fmt.number(10.0**at) for at in (high, (low + high) / 2, low)]


def _says(spectrum: "Spectrum", width: int) -> Callable[[int, int], str]:
    """What a column says: which value, how large, and what share of the energy is up to it."""
    count, energy = len(spectrum.values), spectrum.top_energy

    def says(row: int, column: int) -> str:
        first = first_of(column, width, count)
        after = first_of(column + 1, width, count) if column + 1 < width else count
        value = float(spectrum.values[first])
        number = str(first + 1) if after <= first + 1 else f"{first + 1}-{after}"
        floor = "" if value > spectrum.threshold else "   below the noise"
        text = f"value {number} of {count}   {fmt.number(value)}"
        return f"{text}   energy up to {first + 1}: {fmt.percent(float(energy[first]))}{floor}"

    return says


def _footer(found: "TensorSpectrum", delta: bool, palette: Palette, width: int) -> Lines:
    view, spectrum = found.view, found.spectrum
    assert spectrum is not None
    muted = palette.styles["muted"]
    what = "model - reference" if delta else "values"
    lines = [line((part, muted)) for part in wrap(f"{what}; {spectrum.method}", width)]
    if view.slices > 1:
        lines.append(line((f"slice {view.index + 1} of {view.slices}, [ ] for others", muted)))
    return lines
