"""View models to lines of the screen; pure functions of values, a palette and a size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from inspect_core.text import clean
from themes import Rgb
from tui import format as fmt
from tui import plots
from tui.palette import LEVELS, Palette

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric
    from inspect_core.delta.summary import Summary
    from inspect_core.structure.overview import Section
    from inspect_core.work.jobs import TensorDetail

SIDE_COLUMNS = 26
"""Width of the column of statistics beside a heatmap."""

WIDE = 74
"""From this width on statistics stand beside the heatmap, not below it."""

ROBUST_SHARE = 0.995
"""The scale of a delta ends at this quantile of |cell|: one outlier leaves the rest visible."""

SUMMARY_LINES = 7
"""Lines of the statistics below an overview, with the scale above them."""

MONO_SIGNED = ("#*+-", " ", ".:=≡")
MONO = " .:-=+*#%@"

Lines = list[Strip]


def line(*parts: str | tuple[str, Style]) -> Strip:
    """One line of styled text; foreign text must have been cleaned."""
    return Strip(
        [Segment(*part) if isinstance(part, tuple) else Segment(part, Style()) for part in parts]
    )


def _columns(left: Lines, right: Lines, width: int) -> Lines:
    """Two blocks side by side, the left one `width` cells wide."""
    rows = max(len(left), len(right))
    blank = Strip.blank(width)
    joined = []
    for row in range(rows):
        start = left[row].adjust_cell_length(width) if row < len(left) else blank
        joined.append(Strip.join([start, right[row]]) if row < len(right) else start)
    return joined


def heading(title: str, note: str, palette: Palette) -> Strip:
    """The first line of a detail: what it is, and in a quieter colour what kind."""
    return line((title, Style(bold=True)), "  ", (note, palette.styles["muted"]))


def tensor_figure(
    detail: "TensorDetail",
    shape: tuple[int, ...],
    dtype: str,
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
    """A parameter: its matrix, pooled, and its statistics.

    Args:
        detail: what was computed.
        shape: the tensor's shape.
        dtype: its dtype name.
        notes: lines to show below the heading, safe to show.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.
    """
    delta = detail.reference_name is not None
    lines = [
        heading(clean(detail.name), f"{fmt.shape(shape)}  {dtype}", palette),
        *[line((note, palette.styles["note"])) for note in notes],
    ]
    statistics = _statistics(detail.summary, delta, palette)
    beside = width >= WIDE
    plot_width = width - SIDE_COLUMNS if beside else width
    below = 3 if beside else 3 + (len(statistics) + 1) // 2
    plot_height = max(1, height - len(lines) - below)
    scale = _robust(detail.heat.mean)
    view = detail.view
    plot = _matrix(detail.heat.mean, scale, palette, plot_width, plot_height, view.rows == 1)
    where = f"out 0-{view.rows - 1}  in 0-{view.columns - 1}"
    if len(shape) <= 1:
        where = f"0-{view.columns - 1}"
    if view.slices > 1:
        where += f"  slice {view.index} of {view.slices} ([ and ] to move)"
    rows, columns = detail.heat.cells.shape[1:]
    per_cell = f"{-(-view.rows // rows)} x {-(-view.columns // columns)}"
    what = "model - reference" if delta else "values"
    caption = f"{what}, mean of {per_cell} a cell" if per_cell != "1 x 1" else what
    plot.append(line((clean(where), palette.styles["muted"])))
    plot.append(_signed_scale(scale, caption, palette))
    if beside:
        return lines + _columns(plot, statistics, plot_width + 2)
    return lines + plot + _columns(statistics[::2], statistics[1::2], width // 2)


def overview_figure(
    title: str,
    kind: str,
    sections: Sequence["Section"],
    values: Sequence[NDArray[np.float64]],
    metric: "Metric",
    summary: "Summary | None",
    delta: bool,
    notes: Sequence[str],
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
    """Layers across, parameter kinds down, all sections on one scale.

    Args:
        title: the selected row's path, safe to show.
        kind: what it is, safe to show.
        sections: axes and kinds.
        values: for each section float64 `(kinds, columns)`; NaN has no value (yet).
        metric: what the values are.
        summary: of all tensors of the row together, as far as they were compared.
        delta: whether there is a reference, so that the summary is of a delta.
        notes: lines to show below the heading, safe to show.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.
    """
    lines = [
        heading(title, kind, palette),
        *[line((note, palette.styles["note"])) for note in notes],
    ]
    finite = np.concatenate([v[np.isfinite(v)].ravel() for v in values] or [np.zeros(0)])
    top = float(finite.max()) if finite.size else 0.0
    room = height - len(lines) - 1
    wanted = sum(2 * len(section.kinds) + 1 for section in sections)
    tall = 2 if wanted + SUMMARY_LINES <= room else 1
    for section, grid in zip(sections, values, strict=True):
        block = _section(section, grid, top, metric, palette, width, tall)
        if len(block) > room:
            block = [*block[: max(0, room - 1)], _not_shown(len(block) - room + 1, palette)]
        lines += block[: max(0, room)]
        room -= len(block)
    lines.append(_sequential_scale(top, metric, palette))
    if summary is not None and room > 6:
        statistics = _statistics(summary, delta, palette)
        half = min(width // 2, 34)
        lines += [Strip([]), *_columns(statistics[::2], statistics[1::2], half)]
    return lines


def message_figure(title: str, text: Sequence[str], palette: Palette, width: int) -> Lines:
    """A state without a plot: what it is, and what can be done."""
    lines = [heading(title, "", palette), Strip([])]
    for paragraph in text:
        lines += [line(part) for part in wrap(paragraph, width)]
    return lines


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines at spaces."""
    import textwrap

    return textwrap.wrap(text, max(10, width), break_long_words=True) or [""]


def _section(
    section: "Section",
    grid: NDArray[np.float64],
    top: float,
    metric: "Metric",
    palette: Palette,
    width: int,
    tall: int,
) -> Lines:
    """One heatmap with its labels, `tall` lines a kind, or a list of bars where there is no axis."""
    labels = [clean(kind, 40) for kind in short_kinds(section.kinds)]
    gutter = min(max(map(len, labels), default=0), max(12, width // 3)) + 1
    if section.columns == ("",):
        return _bars(labels, grid[:, 0], top, metric, palette, gutter, width, section.title)
    cells = max(1, (width - gutter) // len(section.columns))
    longest = max(map(len, section.columns))
    cell = min(cells, max(6, min(longest + 1, 24))) if cells > 1 else 1
    shown = min(len(section.columns), (width - gutter) // cell)
    names = [clean(name, cell - 1 if cell > 1 else 1) for name in section.columns]
    head = _axis(names[:shown], cell)
    title = clean(section.title, max(8, gutter - 1))
    lines = [line((f"{title:<{gutter}}"[:gutter], palette.styles["muted"]), head)]
    colors = [_pixels(row[:shown], top, palette, cell) for row in grid]
    for label, values, pixels in zip(labels, grid, colors, strict=True):
        text = line((_cut(label, gutter - 1).ljust(gutter), palette.styles["module"]))
        if palette.colorless:
            marks = "".join(_mark(value, top) * cell for value in values[:shown])
            cells_line = line(marks)
        else:
            cells_line = plots.half_blocks([pixels, pixels])[0]
        lines.append(Strip.join([text, cells_line]))
        lines += [Strip.join([Strip.blank(gutter), cells_line])] * (tall - 1)
    if shown < len(section.columns):
        lines.append(_not_shown(len(section.columns) - shown, palette, "columns"))
    return lines


def _bars(
    labels: list[str],
    values: NDArray[np.float64],
    top: float,
    metric: "Metric",
    palette: Palette,
    gutter: int,
    width: int,
    title: str,
) -> Lines:
    lines = [line((clean(title), palette.styles["muted"]))] if title else []
    most = max(4, min(30, width - gutter - 10))
    for label, value in zip(labels, values, strict=True):
        share = value / top if top > 0.0 and np.isfinite(value) else 0.0
        color = palette.sequential[min(LEVELS - 1, 20 + int(share * (LEVELS - 21)))]
        mark = "#" if palette.ascii_only else "█"
        filled = mark * max(1 if share > 0 else 0, round(share * most))
        text = fmt.metric_value(metric, None if np.isnan(value) else float(value))
        lines.append(
            line(
                (_cut(label, gutter - 1).ljust(gutter), palette.styles["module"]),
                f"{text:>8} ",
                (filled, Style(color=_hex(color))),
            )
        )
    return lines


def short_kinds(kinds: Sequence[str]) -> list[str]:
    """Kinds without the `.weight` that all or most of them end in, where they stay distinct."""
    short = [kind.removesuffix(".weight") for kind in kinds]
    return short if len(set(short)) == len(short) else list(kinds)


def _axis(names: list[str], cell: int) -> str:
    """Column names above their cells; only some where they would run into each other."""
    longest = max(map(len, names), default=1)
    step = 1 if longest < cell or cell == longest == 1 else -(-(longest + 1) // cell)
    row = [" "] * (cell * len(names))
    for at in range(0, len(names), step):
        for k, char in enumerate(names[at]):
            if at * cell + k < len(row):
                row[at * cell + k] = char
    return "".join(row)


def _pixels(values: NDArray[np.float64], top: float, palette: Palette, cell: int) -> list[Rgb]:
    pixels: list[Rgb] = []
    for value in values:
        if not np.isfinite(value):
            color = palette.background
        else:
            level = 0 if top <= 0.0 else round(value / top * (LEVELS - 1))
            color = palette.sequential[max(0, min(LEVELS - 1, level))]
        pixels += [color] * cell
    return pixels


def _matrix(
    cells: NDArray[np.float64],
    scale: float,
    palette: Palette,
    width: int,
    height: int,
    strip: bool,
) -> Lines:
    """A signed matrix stretched over the width, and over the height unless it is a strip."""
    rows, columns = cells.shape
    wide = max(1, width - width % columns) if columns * 2 <= width else min(width, columns)
    tall = 2 * min(height, 3) if strip else 2 * max(1, min(height, -(-rows * 2 // 2)))
    tall = min(2 * height, max(tall, 2))
    row_of = np.arange(tall) * rows // tall
    column_of = np.arange(wide) * columns // wide
    picked = cells[row_of][:, column_of]
    if palette.colorless:
        marks = [[_signed_mark(value, scale) for value in row] for row in picked[::2]]
        return [line("".join(row)) for row in marks]
    level = np.rint(np.nan_to_num(picked) / (scale or 1.0) * (LEVELS // 2)) + LEVELS // 2
    index = np.clip(level, 0, LEVELS).astype(int)
    missing = np.isnan(picked)
    pixels = [
        [
            palette.background if gone else palette.diverging[at]
            for at, gone in zip(row, lost, strict=True)
        ]
        for row, lost in zip(index.tolist(), missing.tolist(), strict=True)
    ]
    return plots.half_blocks(pixels)


def _statistics(summary: "Summary", delta: bool, palette: Palette) -> Lines:
    number, percent = fmt.number, fmt.percent
    if delta:
        rows = [
            ("relative L2", number(summary.rel_l2)),
            ("mean |d|", number(summary.mean_abs)),
            ("max |d|", number(summary.max_abs if summary.compared else None)),
            ("L2", number(summary.l2)),
            ("cosine", _cosine(summary.cosine)),
            ("angle", f"{number(summary.angle)} rad"),
            ("changed", percent(summary.changed_fraction)),
        ]
    else:
        rows = [
            ("mean", number(summary.mean)),
            ("std", number(summary.std)),
            ("mean |w|", number(summary.mean_abs)),
            ("max |w|", number(summary.max_abs if summary.compared else None)),
            ("L2", number(summary.l2)),
            ("not zero", percent(summary.changed_fraction)),
        ]
    rows.append(("elements", fmt.count(summary.numel)))
    lines = [line((f"{name:<12}", palette.styles["muted"]), value) for name, value in rows]
    if summary.left_out:
        text = f"NaN or inf {fmt.count(summary.left_out)}, left out"
        lines.append(line((text, palette.styles["note"])))
    if summary.histogram is not None:
        lines += _histogram(summary, "|d|" if delta else "|w|", palette)
    return lines


def _histogram(summary: "Summary", what: str, palette: Palette) -> Lines:
    from inspect_core.delta.summary import histogram_by_decade

    assert summary.histogram is not None
    decades = histogram_by_decade(summary.histogram)
    if not decades:
        return []
    low, high = max(min(decades), max(decades) - 14), max(decades)
    counts = [decades.get(decade, 0) for decade in range(low, high + 1)]
    most = max(counts)
    marks = "".join(fmt.bar(c / most, palette.ascii_only) if c else " " for c in counts)
    return [
        line((f"{what} by decade", palette.styles["muted"])),
        line(f"1e{low} ", (marks, palette.styles["tunable"]), f" 1e{high + 1}"),
    ]


def _cosine(value: float | None) -> str:
    """A cosine near 1 as what is missing to 1: the digits that matter."""
    if value is None:
        return "n/a"
    return f"1 - {fmt.number(1.0 - value)}" if 0.999 < value < 1.0 else f"{value:.4g}"


def _signed_scale(scale: float, caption: str, palette: Palette) -> Strip:
    low, high = f"-{fmt.number(scale)} ", f" +{fmt.number(scale)}"
    if scale == 0.0:
        return line("0 everywhere  ", (caption, palette.styles["muted"]))
    if palette.colorless:
        marks = "".join(_signed_mark(step / 8 * scale, scale) for step in range(-8, 9))
        return line(low, marks, high, (f"  {caption}", palette.styles["muted"]))
    ramp = [palette.diverging[round(step * LEVELS / 15)] for step in range(16)]
    bar = plots.half_blocks([ramp, ramp])[0]
    return Strip.join([line(low), bar, line(high, (f"  {caption}", palette.styles["muted"]))])


def _sequential_scale(top: float, metric: "Metric", palette: Palette) -> Strip:
    if top == 0.0:
        return line(f"{metric.name} 0 everywhere")
    high = f" {fmt.metric_value(metric, top)}  {metric.name}"
    if palette.colorless:
        return line("0 ", MONO, high)
    ramp = [palette.sequential[round(step * (LEVELS - 1) / 15)] for step in range(16)]
    return Strip.join([line("0 "), plots.half_blocks([ramp, ramp])[0], line(high)])


def _robust(cells: NDArray[np.float64]) -> float:
    """The end of a symmetric scale: a high quantile of |cell|."""
    finite = np.abs(cells[np.isfinite(cells)])
    if not finite.size:
        return 0.0
    scale = float(np.quantile(finite, ROBUST_SHARE))
    return scale if scale > 0.0 else float(finite.max())


def _mark(value: float, top: float) -> str:
    if not np.isfinite(value):
        return "?"
    return MONO[0 if top <= 0 else min(9, round(value / top * 9))]


def _signed_mark(value: float, scale: float) -> str:
    if not np.isfinite(value):
        return "?"
    if scale <= 0.0 or abs(value) < scale / 8:
        return " "
    step = min(3, int(abs(value) / scale * 4))
    return MONO_SIGNED[2][step] if value > 0 else MONO_SIGNED[0][3 - step]


def _not_shown(number: int, palette: Palette, what: str = "rows") -> Strip:
    text = f"{palette.glyphs.more} {number} more {what} do not fit here"
    return line((text, palette.styles["muted"]))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else clean(text, width)


def _hex(color: Rgb) -> str:
    return f"#{color[0]:02x}{color[1]:02x}{color[2]:02x}"


@dataclass(frozen=True, slots=True)
class GridSize:
    """How many cells a heatmap of a parameter gets."""

    rows: int
    columns: int


def grid_for(width: int, height: int) -> GridSize:
    """The grid to pool to, for a detail pane of a size; half-blocks give two rows a line."""
    columns = width - SIDE_COLUMNS if width >= WIDE else width
    return GridSize(max(2, 2 * (height - 4)), max(2, columns))
