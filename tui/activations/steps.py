"""From what is on show to what is shown next: pure steps of the state, one for each key."""

from dataclasses import replace

from tui.activations.state import LISTS_SITES, ViewState
from tui.activations.words import orders_of

VIEWS = ("overview", "table", "lengths", "mass", "tags", "layers")
"""The views in the order of their keys."""


def next_view(state: ViewState, by: int) -> ViewState:
    """Another view, round and round."""
    return replace(state, kind=VIEWS[(VIEWS.index(state.kind) + by) % len(VIEWS)])


def next_site(state: ViewState, by: int) -> ViewState:
    """Another module, round and round; its neurons are others."""
    return at_site(state, (state.site + by) % len(state.report.sites))


def next_order(state: ViewState) -> ViewState:
    """The next order that says something here."""
    names = orders_of(state)
    at = names.index(state.order) if state.order in names else -1
    return replace(state, order=names[(at + 1) % len(names)])


def at_site(state: ViewState, site: int) -> ViewState:
    """Another module; the chosen neuron is none of its own."""
    return state if site == state.site else replace(state, site=site, unit=None)


def at_row(state: ViewState, at: int) -> ViewState:
    """What the cursor of the table is on: a module, or a neuron."""
    return at_site(state, at) if state.kind == LISTS_SITES else replace(state, unit=at)


def typed_number(text: str) -> int | None:
    """The neuron that was typed; None for anything but a number."""
    plain = text.isascii() and text.isdigit() and len(text) < 12
    return int(text) if plain else None
