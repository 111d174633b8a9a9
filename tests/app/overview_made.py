"""Overviews from plain arrays, and what the lines of a figure show."""

import numpy as np
import pytest

from inspect_core.delta.metrics import METRICS
from inspect_core.results.heatmap import SAME, UNCOMPARED, UNDEFINED, VALUE, HeatSection
from themes import load_theme
from tui.figures.overview import View, overview_figure
from tui.palette import make_palette
from tui.plots import HALF_BLOCK

THEME = load_theme("lamella-dark")
COLOR, MONOCHROME, ASCII = (
    make_palette(THEME),
    make_palette(THEME, colorless=True),
    make_palette(THEME, ascii_only=True),
)
PALETTES = pytest.mark.parametrize(
    "palette", [COLOR, MONOCHROME, ASCII], ids=["color", "mono", "ascii"]
)
REL_L2 = METRICS["rel_l2"]


def section(kinds, columns, title="layers.0-2", values=None, states=None):
    """A section; of values alone 0 is what did not change, inf n/a, NaN not compared."""
    columns = tuple(columns)
    values = np.ones((len(kinds), len(columns))) if values is None else np.array(values, float)
    if states is None:
        states = np.select(
            [np.isnan(values), np.isinf(values), values == 0.0],
            [UNCOMPARED, UNDEFINED, SAME],
            VALUE,
        )
    values = np.where(np.isfinite(values), values, np.nan)
    states = np.array(states, np.uint8)
    return HeatSection(title, columns, tuple(kinds), values, states)


def overview(*values, **of):
    return overview_plots(*values, **of).lines


def overview_plots(
    values, palette=COLOR, width=80, height=30, summary=None, notes=(), delta=True, **of
):
    grids = [np.array(v, float) for v in values]
    shapes = of.pop("sections", None) or [
        section([f"kind{k}.weight" for k in range(len(v))], map(str, range(v.shape[1])))
        for v in grids
    ]
    sections = [
        section(s.kinds, s.columns, s.title, v) for s, v in zip(shapes, grids, strict=False)
    ]
    view = View(
        of.pop("metric", REL_L2), of.pop("scale", "linear"), palette, width, delta,
        of.pop("tell", lambda *at: f"cell {at[:3]}"), of.pop("find", lambda *at: f"to {at}"),
    )  # fmt: skip
    title = of.pop("title", "layers.0-2")
    return overview_figure(title, "Layer", sections, view, summary, notes, height)


def text(lines):
    return "\n".join(strip.text for strip in lines)


def colors(strip):
    """Colours of the half-blocks of a line, cell by cell: upper and lower."""
    found = []
    for segment in strip:
        if set(segment.text) == {HALF_BLOCK}:
            pair = (tuple(segment.style.color.triplet), tuple(segment.style.bgcolor.triplet))
            found += [pair] * len(segment.text)
    return found


def line_of(lines, label):
    return next(strip for strip in lines if strip.text.lstrip().startswith(label))
