"""From what is on show to what is shown next: pure steps of the state, one for each key."""

from dataclasses import replace
from typing import TYPE_CHECKING

from tui.geometry.measures import MEASURES, offered
from tui.geometry.state import (
    CKA,
    CLUSTERS,
    CURVES,
    LABELS,
    MATRIX,
    OVERLAP,
    TABLE,
    GeometryState,
)

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport

VIEWS = (CURVES, OVERLAP, CKA, TABLE)
"""The views in the order of their keys."""


def first_state(report: "LandscapeReport") -> GeometryState:
    """What is shown first: the last space at its last layer; of matrices, two spaces."""
    pairs = [at for at, pair in enumerate(report.pairs) if pair.one != pair.other]
    space = max(0, len(report.spaces) - 1)
    state = GeometryState(report, space=space, pair=pairs[0] if pairs else 0)
    return at_edge(state, 1)


def view_of(state: GeometryState) -> str:
    """Which of `VIEWS` is on show."""
    return state.matrix if state.kind == MATRIX else state.kind


def with_view(state: GeometryState, view: str) -> GeometryState:
    """Another view; the cursor stays on the layer as far as there is one."""
    if view not in (OVERLAP, CKA):
        return inside(replace(state, kind=view))
    # Where a matrix was on show already its own cursor stays.
    across = state.across if state.kind == MATRIX else state.layer
    return inside(replace(state, kind=MATRIX, matrix=view, across=across))


def next_view(state: GeometryState, by: int) -> GeometryState:
    """The next view, round and round."""
    return with_view(state, VIEWS[(VIEWS.index(view_of(state)) + by) % len(VIEWS)])


def next_measure(state: GeometryState, by: int) -> GeometryState:
    """The next measure of the curves; the other matrix; the table has all of them."""
    if state.kind == MATRIX:
        return with_view(state, CKA if state.matrix == OVERLAP else OVERLAP)
    if state.kind == TABLE:
        return state
    names = offered(state.report)
    at = names.index(state.measure) if state.measure in names else -by
    return replace(state, measure=names[(at + by) % len(names)])


def next_column(state: GeometryState, by: int) -> GeometryState:
    """The next column of labels; beside a matrix the next pair of spaces."""
    if state.kind == MATRIX:
        count = max(1, len(state.report.pairs))
        return inside(replace(state, pair=(state.pair + by) % count))
    count = max(1, len(state.report.columns))
    return replace(state, column=(state.column + by) % count)


def at_space(state: GeometryState, space: int) -> GeometryState:
    """Another space, if there is such a one; the cursor stays on the layer, or on the last."""
    if not 0 <= space < len(state.report.spaces):
        return state
    # From last layer to last layer: models of different depth end alike.
    last = state.layer == len(layers_of(state)) - 1
    layer = len(state.report.spaces[space].layers) - 1 if last else state.layer
    return inside(replace(state, space=space, layer=layer))


def moved(state: GeometryState, down: int, right: int) -> GeometryState:
    """The cursor somewhere else; it stops at the edges."""
    if state.kind == MATRIX:
        return inside(replace(state, layer=state.layer + down, across=state.across + right))
    if state.kind == TABLE:
        return inside(replace(state, layer=state.layer + down + right))
    state = at_space(state, state.space + down) if down else state
    return inside(replace(state, layer=state.layer + right))


def at_edge(state: GeometryState, side: int) -> GeometryState:
    """The first layer or the last, on both sides of a matrix."""
    far = 0 if side < 0 else max((len(one.layers) for one in state.report.spaces), default=1)
    return inside(replace(state, layer=far, across=far))


def other_colors(state: GeometryState) -> GeometryState:
    """Points by cluster, or by label where there are labels."""
    by_label = state.colored == CLUSTERS and bool(state.report.columns)
    return replace(state, colored=LABELS if by_label else CLUSTERS)


def shown_space(state: GeometryState) -> int:
    """The space whose layer `state.layer` is."""
    pairs = state.report.pairs
    return pairs[state.pair].one if state.kind == MATRIX and pairs else state.space


def layers_of(state: GeometryState, across: bool = False) -> tuple[object, ...]:
    """The layers that the cursor goes along: of the space, or of a side of the pair."""
    report = state.report
    if across:
        return report.spaces[report.pairs[state.pair].other].layers if report.pairs else ()
    return report.spaces[shown_space(state)].layers if report.spaces else ()


def inside(state: GeometryState) -> GeometryState:
    """The same with a cursor that is on a layer."""
    layer = _clipped(state.layer, len(layers_of(state)))
    across = _clipped(state.across, len(layers_of(state, across=True)))
    measure = state.measure if state.measure in MEASURES else next(iter(MEASURES))
    return replace(state, layer=layer, across=across, measure=measure)


def _clipped(at: int, count: int) -> int:
    return max(0, min(count - 1, at))
