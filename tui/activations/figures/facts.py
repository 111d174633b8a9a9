"""What all views of activations say alike: what was compared, how many neurons, what marks mean."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.style import Style

from inspect_core.activations.neurons import DEAD, GONE, NEW, RARE, SHARED
from inspect_core.text import clean
from tui.figures.captions import number_words
from tui.figures.parts import Lines, line, wrap
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

NO_REFERENCE = "no reference: nothing to compare with. Choose one, or start with --ref BASE"
NO_TAGS = "no tags: press A, tag column or tagger"
MORE = "most neurons are rare: more texts, or strongest k (press A), tell more"


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
    new: str = "+"
    gone: str = "-"


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


def chosen_unit(state: "ViewState", table: "NeuronTable") -> int | None:
    """The chosen neuron, if the site has it."""
    unit = state.unit
    return unit if unit is not None and 0 <= unit < table.units else None


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


def rare_words(table: "NeuronTable", hidden: bool) -> str:
    """How many neurons are rare, and whether they are left out."""
    words = f"rare, fewer than {RARE} activations: {rare_count(table):,}"
    return f"{words} hidden" if hidden else words


def rare_count(table: "NeuronTable") -> int:
    """How many neurons are activated, and rare."""
    return int((table.rare & (table.state != DEAD)).sum())
