"""The table of all numbers: the layers of one space, for one column of labels."""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from inspect_core.text import clean
from tui import format as fmt
from tui.geometry.measures import MEASURES, offered, series_of
from tui.tables import Cell, Column, Rows, that_fit

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LayerNumbers
    from tui.geometry.state import GeometryState
    from tui.palette import Palette

LEAST_NAME, MOST_NAME = 14, 44
"""Cells of the name of a layer."""

LEAST_NUMBER = 5
"""Cells of a number."""


def layer_rows(state: "GeometryState", palette: "Palette", width: int) -> Rows:
    """The layers of the chosen space, with all that was measured of them.

    Args:
        state: what is on show.
        palette: colours and glyphs.
        width: cells that the table has; what does not fit is left out from the end.
    """
    report = state.report
    layers = report.spaces[state.space].layers if report.spaces else ()
    plain, quiet = palette.styles["module"], palette.styles["muted"]

    def numbers(values: Sequence[float]) -> Callable[[int], Cell]:
        def cell(at: int) -> Cell:
            value = values[at]
            return (fmt.number(value), plain) if isfinite(value) else ("-", quiet)

        return cell

    def counts(name: str) -> Column:
        def cell(at: int) -> Cell:
            return f"{getattr(layers[at], name):,}", plain

        return Column(name, max(6, len(name)), cell)

    def note(at: int) -> Cell:
        if has_note(layers[at]):
            return palette.glyphs.note, palette.styles["note"]
        return " ", quiet

    room = max(LEAST_NAME, min(MOST_NAME, width - 56))
    wanted = [
        Column("", 1, note),
        Column("", 3, lambda at: (f"{at + 1}", plain)),
        Column("layer", room, lambda at: (clean(layers[at].name, room), plain), left=True),
    ]
    rest = []
    for name in offered(report):
        for one in series_of(report, name, state.column):
            if one.space == state.space:
                short = MEASURES[name].short
                rest.append(Column(short, max(LEAST_NUMBER, len(short)), numbers(one.values)))
    errors = [layer.dimension.error for layer in layers]
    rest.insert(1, Column("error", LEAST_NUMBER, numbers(errors)))
    rest += [counts(name) for name in ("points", "repeated", "nonfinite")]
    columns = that_fit(wanted, rest, width)
    return Rows(tuple(columns), tuple(range(len(layers))), "no layer")


def has_note(layer: "LayerNumbers") -> bool:
    """Whether something of a layer is not known, or texts were left out."""
    unknown = layer.why or layer.dimension.why or any(one.why for one in layer.labels)
    return bool(unknown or layer.nonfinite)
