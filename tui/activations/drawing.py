"""Pictures drawn on threads: an error in one is a message, for it must not end the app."""

from typing import TYPE_CHECKING

from inspect_core.text import clean
from tui.palette import Palette

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.activations.neurons import NeuronDetail
    from tui.activations.state import ViewState


def drawn(state: "ViewState", palette: Palette, room: tuple[int, int]) -> "list[Strip]":
    """The picture of a state, for cells across and lines down."""
    try:
        from tui.activations.figures import draw_view

        return draw_view(state, palette, *room)
    except Exception as error:
        return _not_drawn(error, palette, room[0])


def drawn_neuron(
    detail: "NeuronDetail", titles: tuple[str, str], palette: Palette, room: tuple[int, int]
) -> "list[Strip]":
    """The page of a neuron; it may be longer than its room."""
    try:
        from tui.activations.figures import draw_neuron

        return draw_neuron(detail, titles, palette, *room)
    except Exception as error:
        return _not_drawn(error, palette, room[0])


def _not_drawn(error: Exception, palette: Palette, width: int) -> "list[Strip]":
    from tui.figures.message import message_figure

    what = clean(f"{type(error).__name__}: {error}", 300)
    return message_figure("", [f"could not be drawn: {what}; please report this"], palette, width)
