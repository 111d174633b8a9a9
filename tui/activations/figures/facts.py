"""What all views of activations say alike: what was compared, how many neurons, what marks mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from inspect_core.activations.neurons import DEAD, GONE, NEW, RARE, SHARED
from inspect_core.activations.ranking import top_and_least
from inspect_core.text import clean
from tui.figures.parts import Lines, cut, fitted, line, wrap
from tui.palette import Palette
from tui.plots import FINE

if TYPE_CHECKING:
    from inspect_core.activations.neurons import (
        ActivationReport,
        NeuronTable,
        SiteReport,
    )
    from tui.activations.state import ViewState

FEW = 150
"""Neurons that are drawn as larger dots."""

LEAST_NOTE = 8
"""Cells of the name of a site, or none."""

BETWEEN = 3
"""Blanks between the parts of a legend."""

NO_REFERENCE = "no reference: nothing to compare with. Choose one, or start with --ref BASE"
NO_TAGS = "no tags: give --tags-column or --tagger"


@dataclass(frozen=True, slots=True)
class Marks:
    """Characters of the marks; each role has one of its own, so that no colour is needed."""

    most: str
    least: str
    chosen: str
    chosen_before: str
    rare: str
    cloud: str
    dot: str
    kinds: str


UNICODE = Marks("▲", "▼", "◆", "◇", "·", FINE, "•", "●■▲◆○□")
ASCII = Marks("^", "v", "@", "&", ".", "o", "o", "ox+*#%")


def marks_of(palette: Palette) -> Marks:
    """The marks that a terminal can show."""
    return ASCII if palette.ascii_only else UNICODE


def chosen_style(palette: Palette) -> Style:
    """Of the chosen neuron, or module."""
    return palette.styles["module"] + Style(bold=True)


def cloud_mark(units: int, palette: Palette) -> str:
    """What each of so many neurons is drawn as: fine dots where larger ones would overlap."""
    marks = marks_of(palette)
    return marks.cloud if units > FEW else marks.dot


def swatch_of(mark: str) -> str:
    """A mark as a legend shows it."""
    return "⣿" if mark == FINE else mark


def site_of(state: "ViewState") -> "SiteReport | None":
    """The site that is looked at; None where nothing was recorded."""
    sites = state.report.sites
    return sites[max(0, min(state.site, len(sites) - 1))] if sites else None


def has_reference(report: "ActivationReport") -> bool:
    """Whether there are two stages: without a reference both sides are the same one."""
    if report.titles[0] != report.titles[1]:
        return True
    tables = [site.neurons for site in report.sites]
    return any(
        not np.isnan(table.distance).all() or (table.count[0] != table.count[1]).any()
        for table in tables
    )


def shown_units(table: "NeuronTable", hide_rare: bool) -> NDArray[np.bool_]:
    """Which neurons are activated on some side, and not hidden."""
    alive: NDArray[np.bool_] = table.state != DEAD
    return alive & ~table.rare if hide_rare else alive


def marked_units(table: "NeuronTable", by: str = "distance") -> tuple[list[int], list[int]]:
    """Neurons that moved most and least; of few ones none is in both lists.

    Args:
        table: the neurons.
        by: `distance` or `original`.
    """
    most, least = top_and_least(table, by=by)
    both = len(set(most) | set(least))
    return most[: (both + 1) // 2], least[: both // 2]


def chosen_unit(state: "ViewState", table: "NeuronTable") -> int | None:
    """The chosen neuron, if the site has it."""
    unit = state.unit
    return unit if unit is not None and 0 <= unit < table.units else None


def number_words(count: int, one: str) -> str:
    """A number and what is counted: `1 word`, `1,200 words`."""
    return f"{count:,} {one}{'s' * (count != 1)}"


def title_line(title: str, note: str, palette: Palette, width: int) -> Strip:
    """What is drawn, in full, and of what, as far as there is room."""
    name = cut(title, width)
    room = width - len(name) - 2
    shown = clean(note, room) if room >= LEAST_NOTE else ""
    return line((name, Style(bold=True)), "  ", (shown, palette.styles["muted"]))


def counts_lines(state: "ViewState", table: "NeuronTable", palette: Palette, width: int) -> Lines:
    """How many neurons are activated, and by which side; then what counted, where it fits."""
    states = np.bincount(table.state, minlength=4)
    alive = table.units - int(states[DEAD])
    text = f"{number_words(alive, 'neuron')} activated"
    if has_reference(state.report):
        parts = ((SHARED, "shared"), (NEW, "new"), (GONE, "gone"))
        text += ", " + ", ".join(f"{states[key]:,} {word}" for key, word in parts)
    text += f", {states[DEAD]:,} dead"
    rule = f"   {clean(state.report.rule)}"
    if cell_len(text + rule) <= width:
        return [line(text, (rule, palette.styles["muted"]))]
    return [line(part) for part in wrap(text, width)]


def legend(parts: Sequence[tuple[str, Style, str]], palette: Palette, width: int) -> Lines:
    """What marks mean, over as many lines as they need."""
    lines: Lines = []
    for mark, style, text in parts:
        part = line((mark, style), " " if mark else "", (text, palette.styles["muted"]))
        if lines and lines[-1].cell_length + BETWEEN + part.cell_length <= width:
            lines[-1] = Strip.join([lines[-1], Strip.blank(BETWEEN, Style()), part])
        else:
            lines.append(part)
    return lines


def rare_words(table: "NeuronTable", hidden: bool) -> str:
    """How many neurons are rare, and whether they are left out."""
    count = int((table.rare & (table.state == SHARED)).sum())
    words = f"shared, fewer than {RARE} activations: {count:,}"
    return f"{words} hidden" if hidden else words


def notice(text: str, palette: Palette, width: int) -> Lines:
    """What is missing and what can be done about it."""
    return [line((part, palette.styles["note"])) for part in wrap(text, width)]


def page(lines: Lines, palette: Palette, width: int, height: int | None = None) -> Lines:
    """Lines of exactly `width` cells, at most `height` of them."""
    kept = fitted(lines[:height], palette, width)
    return [_styled(strip).adjust_cell_length(width, Style()) for strip in kept]


def _styled(strip: Strip) -> Strip:
    """Segments that all have a style: Textual's filter needs one where there is no colour."""
    return Strip([Segment(part.text, part.style or Style()) for part in strip])
