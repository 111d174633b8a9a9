"""Pictures of a landscape: pure functions of what was measured, a palette and a size."""

from typing import TYPE_CHECKING

from tui.figures.captions import notice, page
from tui.geometry.figures.curves import curves
from tui.geometry.figures.layer import layer_page
from tui.geometry.figures.matrix import matrix

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LayerDetail
    from tui.figures.parts import Lines
    from tui.geometry.state import GeometryState
    from tui.palette import Palette

LEAST_WIDTH, LEAST_HEIGHT = 30, 8
"""A picture in less room is a message."""


def draw_curves(state: "GeometryState", palette: "Palette", width: int, height: int) -> "Lines":
    """One measure along the layers, a line for each space.

    Args:
        state: what is to be drawn; an index that is not there is taken as the nearest one.
        palette: colours and glyphs.
        width: cells across.
        height: lines at most.

    Returns:
        strips of exactly `width` cells, `height` at most.
    """
    lines = _instead(state, palette, width, height) or curves(state, palette, width, height)
    return page(lines, palette, width, height)


def draw_matrix(state: "GeometryState", palette: "Palette", width: int, height: int) -> "Lines":
    """The likeness of all layers of a pair of spaces; see `draw_curves`."""
    lines = _instead(state, palette, width, height) or matrix(state, palette, width, height)
    return page(lines, palette, width, height)


def draw_layer(
    state: "GeometryState", detail: "LayerDetail", palette: "Palette", width: int, height: int
) -> "Lines":
    """One layer: its points, by cluster or by label, its clusters and their texts.

    Args:
        state: its space and layer are those of the detail.
        detail: the layer.
        palette: colours and glyphs.
        width: cells across.
        height: lines of the pane; there are more where there is more to tell: it scrolls.

    Returns:
        strips of exactly `width` cells.
    """
    wide = max(width, 24) - 1  # its scroll bar takes a column
    return page(layer_page(state, detail, palette, wide, height), palette, width)


def _instead(state: "GeometryState", palette: "Palette", width: int, height: int) -> "Lines":
    """A message where there is no room or nothing to draw."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return notice("too small for a picture: make the window larger", palette, width)
    if not any(space.layers for space in state.report.spaces):
        return notice("no layer was measured: choose others to look at", palette, width)
    return []
