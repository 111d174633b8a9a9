"""Where knowledge moved: the mean distance of the neurons of every layer."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from textual.strip import Strip

from inspect_core.activations.movement import site_movement
from inspect_core.activations.neurons import DEAD, RARE
from inspect_core.text import clean
from tui import format as fmt
from tui.activations.figures.facts import (
    MORE,
    NO_REFERENCE,
    chosen_style,
    has_reference,
    marks_of,
)
from tui.activations.figures.overview import TOPS
from tui.figures.captions import legend, notice, title_line
from tui.figures.chart import Axis, Dots, draw_chart
from tui.figures.parts import Lines, line, not_shown, wrap
from tui.figures.wrapping import padded
from tui.palette import Palette
from tui.plots import FINE, bars
from tui.short_paths import LAYER, short_path

if TYPE_CHECKING:
    from inspect_core.activations.neurons import NeuronTable
    from tui.activations.state import ViewState

STYLES = ("tunable", "fold", "delta", "note", "type", "frozen")
"""Of the lines, one after the other."""

LARGEST = 3
"""How many sites with the largest mean distance are named."""

_NUMBER = re.compile(r"(?:(?<=\.)|^)\d{1,9}(?=[.#\s]|$)")


@dataclass(frozen=True, slots=True)
class Kind:
    """Sites that differ in the number of their layer alone.

    Attributes:
        name: the path with `{n}` for the number; foreign.
        numbers: of the layers, ascending.
        sites: their indices in the report.
    """

    name: str
    numbers: tuple[int, ...]
    sites: tuple[int, ...]


def layers(state: "ViewState", palette: Palette, width: int, height: int) -> Lines:
    """A line for each kind of module; without numbered layers a bar for each site."""
    report = state.report
    compared = has_reference(report)
    tables = [site.neurons for site in report.sites]
    title, values = _values(tables, compared)
    note = f"{report.titles[0]} to {report.titles[1]}" if compared else report.titles[1]
    above = [title_line(title, clean(note), palette, width)]
    above += [] if compared else notice(NO_REFERENCE, palette, width)
    known = [at for at, value in enumerate(values) if math.isfinite(value)]
    if not known:
        text = "no neuron is activated on both sides" if compared else "no neuron was recorded"
        return [*above, line(""), *notice(text, palette, width)]
    kinds = [kind for kind in kinds_of([table.site for table in tables]) if len(kind.sites) > 1]
    below = [
        *_named(state, values, known, palette, width),
        *(_of_how_many(state, tables, palette, width) if compared else []),
    ]
    room = height - len(above) - len(below)
    if not kinds or room < 8:
        return [*above, *_bars(state, values, palette, width, room), *below]
    return [*above, *_lines(state, kinds, values, palette, width, room), *below]


def _of_how_many(
    state: "ViewState", tables: "Sequence[NeuronTable]", palette: Palette, width: int
) -> Lines:
    """What the mean of the chosen module is of; and what to do where that is little."""
    table = tables[state.site] if 0 <= state.site < len(tables) else tables[0]
    found = [site_movement(one).neurons for one in tables]
    words = f"mean of {found[tables.index(table)]:,} of {table.units:,} neurons"
    words += f" here: those with {RARE} activations or more on both sides"
    lines = [line((part, palette.styles["muted"])) for part in wrap(words, width)]
    alive = sum(int((one.state != DEAD).sum()) for one in tables)
    return lines + (notice(MORE, palette, width) if 2 * sum(found) < alive else [])


def _values(tables: "Sequence[NeuronTable]", compared: bool) -> tuple[str, list[float]]:
    """What is drawn of each site, and its name; NaN where it is not defined."""
    if not compared:
        alive = [float((t.state != DEAD).mean()) if t.units else math.nan for t in tables]
        return "share of neurons activated by layer", alive
    found = [site_movement(table) for table in tables]
    if any(math.isfinite(one.mean) for one in found):
        return "mean Hellinger distance by layer", [one.mean for one in found]
    # All neurons are rare: better than nothing, and said.
    return "mean distance by layer, by activations", [one.weighted for one in found]


def kinds_of(names: Sequence[str]) -> list[Kind]:
    """Sites by their path without its layer's number: the first one in it."""
    found: dict[str, list[tuple[int, int]]] = {}
    for at, name in enumerate(names):
        number = _NUMBER.search(name)
        if number:
            kind = f"{name[: number.start()]}{LAYER}{name[number.end() :]}"
            found.setdefault(kind, []).append((int(number.group()), at))
    return [
        Kind(kind, tuple([n for n, _ in sorted(of)]), tuple([at for _, at in sorted(of)]))
        for kind, of in found.items()
    ]


def _lines(
    state: "ViewState",
    kinds: Sequence[Kind],
    values: Sequence[float],
    palette: Palette,
    width: int,
    height: int,
) -> Lines:
    marks, styles = marks_of(palette), palette.styles
    shown = kinds[: len(marks.kinds)]
    dots: list[Dots] = []
    parts = []
    tops = []
    for kind, mark, style in zip(shown, marks.kinds, STYLES, strict=False):
        at = np.array(kind.numbers, np.float64)
        one = np.array([values[site] for site in kind.sites])
        tops.append(one)
        dots += _one_line(at, one, mark, palette, style)
        parts.append((mark, styles[style], short_path(kind.name, max(20, width // 2))))
    tagged = _tag_line(state, shown)
    if tagged is not None and len(shown) < len(marks.kinds):
        mark, style = marks.kinds[len(shown)], STYLES[len(shown)]
        tops.append(tagged)
        at = np.array(shown[0].numbers, np.float64)
        dots += _one_line(at, tagged, mark, palette, style)
        parts.append(
            (mark, styles[style], "the same of tags" if len(shown) == 1 else "tags of the first")
        )
    if len(kinds) > len(shown):
        parts.append(
            ("", styles["muted"], f"and {len(kinds) - len(shown):,} more kinds of modules")
        )
    chosen = next((k for k in shown if state.site in k.sites), None)
    if chosen is not None:
        number, value = chosen.numbers[chosen.sites.index(state.site)], values[state.site]
        dots.append(
            Dots(np.array([float(number)]), np.array([value]), marks.chosen, chosen_style(palette))
        )
        parts.append((marks.chosen, chosen_style(palette), "chosen"))
    everything = np.concatenate(tops)
    most = float(np.nanmax(everything))
    top = next((end for end in TOPS if most <= end), max(1.0, most))
    numbers = [number for kind in shown for number in kind.numbers]
    low, high = min(numbers), max(numbers)
    across = Axis(float(low), float(max(high, low + 1)), whole=True)
    parts.insert(0, ("", styles["muted"], "across: number of the layer"))
    below = legend(parts, palette, width)
    chart = draw_chart(
        dots, [], across, Axis(0.0, top), palette, width, max(6, height - len(below))
    )
    return [*chart, *below]


def _one_line(
    at: NDArray[np.float64], values: NDArray[np.float64], mark: str, palette: Palette, style: str
) -> list[Dots]:
    """A line and a mark for each layer; it ends where a value is not known."""
    ink = "." if palette.ascii_only else FINE
    known = np.isfinite(values)
    runs = np.split(np.arange(len(values)), np.flatnonzero(~known))
    joined = [run[known[run]] for run in runs]
    return [
        *(Dots(at[r], values[r], ink, palette.styles[style], True) for r in joined if len(r) > 1),
        Dots(at, values, mark, palette.styles[style]),
    ]


def _tag_line(state: "ViewState", kinds: Sequence[Kind]) -> NDArray[np.float64] | None:
    """Mean distance by tags of the first kind; None where there is none."""
    tables = [state.report.sites[site].neurons for site in kinds[0].sites]
    if not has_reference(state.report) or any(table.tag_distance is None for table in tables):
        return None
    found = [site_movement(table, tags=True) for table in tables]
    means = np.array([one.mean for one in found])
    return means if np.isfinite(means).any() else None


def _bars(
    state: "ViewState", values: Sequence[float], palette: Palette, width: int, height: int
) -> Lines:
    """A bar for each site, in the order of the model."""
    names = [site.neurons.site for site in state.report.sites]
    label = min(max(len(clean(name)) for name in names), max(10, width // 2))
    room = max(1, height)
    shown = len(names) if len(names) <= room else room - 1
    most = max((value for value in values if math.isfinite(value)), default=1.0)
    bar = max(4, width - label - 10)
    drawn = bars([value / (most or 1.0) for value in values[:shown]], bar,
                 palette.styles["tunable"], palette.ascii_only)  # fmt: skip
    mark = marks_of(palette).chosen
    lines = [
        line(
            f"{mark if at == state.site else ' '} {padded(short_path(names[at], label), label)} ",
            f"{fmt.number(values[at]):>6} ",
        )
        for at in range(shown)
    ]
    lines = [Strip.join([start, end]) for start, end in zip(lines, drawn, strict=True)]
    return [
        *lines,
        *([not_shown(len(names) - shown, palette, "modules")] if shown < len(names) else []),
    ]


def _named(
    state: "ViewState", values: Sequence[float], known: Sequence[int], palette: Palette, width: int
) -> Lines:
    """The sites with the largest values, by name."""
    largest = sorted(known, key=lambda at: -values[at])[:LARGEST]
    names = [state.report.sites[at].neurons.site for at in largest]
    words = ""
    for at, name in zip(largest, names, strict=True):
        path = short_path(name, max(12, min(60, width - 20)))
        more = f"{',  ' if words else ''}{fmt.number(values[at])} {path}"
        if words and cell_len(words + more) > width - len("largest: "):
            break
        words += more
    return [line(("largest: ", palette.styles["muted"]), words)]
