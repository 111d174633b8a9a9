"""Pictures of activations: pure functions of what was measured, a palette and a size."""

from typing import TYPE_CHECKING

from tui.activations.figures.facts import site_of
from tui.activations.figures.layers import layers
from tui.activations.figures.lengths import lengths
from tui.activations.figures.mass import mass
from tui.activations.figures.neuron import neuron_lines
from tui.activations.figures.overview import overview
from tui.activations.figures.shares import shares
from tui.figures.captions import notice, page

if TYPE_CHECKING:
    from inspect_core.activations.neurons import NeuronDetail, NeuronTable
    from tui.activations.state import ViewState
    from tui.figures.parts import Lines
    from tui.palette import Palette

KINDS = {
    "overview": "distance against length",
    "lengths": "words before and after",
    "mass": "activation mass by neuron",
    "tags": "share of tags and labels",
    "layers": "mean distance of layers",
}
"""The pictures that there are, in their order, and what each shows."""

LEAST_WIDTH, LEAST_HEIGHT = 30, 8
"""A picture in less room is a message."""

_DRAWN = {"overview": overview, "lengths": lengths, "mass": mass, "tags": shares}


def draw_view(state: "ViewState", palette: "Palette", width: int, height: int) -> "Lines":
    """One of the `KINDS`.

    Args:
        state: what is to be drawn; a unit or site that is not there is not marked.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.

    Returns:
        strips of exactly `width` cells, `height` at most.
    """
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        lines = notice("too small for a picture: make the window larger", palette, width)
        return page(lines, palette, width, height)
    site = site_of(state)
    if site is None:
        text = "no module was recorded: choose one that has an output for each word"
        return page(notice(text, palette, width), palette, width, height)
    if state.kind == "layers":
        lines = layers(state, palette, width, height)
    else:
        lines = _DRAWN.get(state.kind, overview)(state, site, palette, width, height)
    return page(lines, palette, width, height)


def draw_neuron(
    detail: "NeuronDetail",
    titles: tuple[str, str],
    palette: "Palette",
    width: int,
    height: int,
    table: "NeuronTable | None" = None,
) -> "Lines":
    """One neuron: its tags on both sides, its strongest words, the sentences around them.

    Args:
        detail: the neuron.
        titles: of the stages, before and after; the same twice without a reference.
        palette: colours and glyphs.
        width: cells across.
        height: lines of the pane; there are more where there is more to tell: it scrolls.
        table: of its site, for its own numbers.

    Returns:
        strips of exactly `width` cells.
    """
    wide = max(width, 24)
    lines = neuron_lines(detail, titles, palette, wide, height, table)
    if len(lines) > height:  # its scroll bar takes a column
        lines = neuron_lines(detail, titles, palette, wide - 1, height, table)
    return page(lines, palette, width)
