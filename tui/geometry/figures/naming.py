"""Names of layers and looks of spaces: the same in every picture of a landscape."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.style import Style

from inspect_core.text import clean
from tui import format as fmt
from tui.figures.chart import Axis, apart
from tui.palette import Palette

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport, LayerNumbers, Space

STYLES = ("tunable", "fold", "delta", "note", "type", "frozen")
"""Of lines and of groups of points, one after the other."""

MARKS, ASCII_MARKS = "●■▲◆○□", "ox+*#%"
"""Of lines, so that no colour is needed to tell them apart."""

CLUSTER_MARKS = "123456789ABCDEFGHIJKLMNPQRSTUVWXYZ"
"""Of clusters, the largest first; others have none. No `O`: it is too like a zero."""

LABEL_MARKS = "abcdefghijklmnpqrstuvwxyz"
"""Of labels, the commonest first; others have none. Never a cluster's."""

LONGEST_LABEL = 10
"""Characters of a layer's name at an axis."""

ENDS = 0.02
"""Room at either end of an axis, as a share of it."""

LETTERS = (LONGEST_LABEL, 5, 0)
"""Of a name that is no number, from the longest to none; the first that have room."""

STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Every so many layers are named at an axis; the first that have room."""

_NUMBER = re.compile(r"(?:(?<=\.)|^)\d{1,6}(?=[.#\s:]|$)")


def space_look(number: int, palette: Palette) -> tuple[str, Style]:
    """Mark and style of a space; no two of the first thirty-six are alike."""
    marks = ASCII_MARKS if palette.ascii_only else MARKS
    style = palette.styles[STYLES[number % len(STYLES)]]
    return marks[(number + number // len(STYLES)) % len(marks)], style


def several_look(palette: Palette) -> tuple[str, Style]:
    """Mark and style of a place where several spaces are."""
    return "@" if palette.ascii_only else "◈", palette.styles["module"]


def group_look(number: int, marks: str, palette: Palette) -> tuple[str, Style]:
    """Mark and style of a group of points; `*` for those that have no mark of their own."""
    if not 0 <= number < len(marks):
        return "*", palette.styles["muted"]
    return marks[number], palette.styles[STYLES[number % len(STYLES)]]


def rest_look(palette: Palette) -> tuple[str, Style]:
    """Mark and style of points of no group."""
    return "." if palette.ascii_only else "·", palette.styles["muted"]


def short_layer(name: str) -> str:
    """A layer's number, or the end of its name: ASCII, for an axis."""
    number = _NUMBER.search(name[:400])
    if number:
        return number.group()
    parts = [part for part in name.split(".") if part]
    text = clean(parts[-1] if parts else name, None)[:LONGEST_LABEL]
    return "".join(char if char.isascii() else "?" for char in text) or "?"


def layer_words(name: str, limit: int) -> str:
    """A layer for people; safe."""
    return clean(name, max(4, limit))


@dataclass(frozen=True, slots=True)
class LayerAxis(Axis):
    """An axis with a place for each layer.

    Attributes:
        names: of the layers, short; ASCII.
    """

    names: tuple[str, ...] = ()

    def ticks(self, cells: int, room: int | None = None) -> tuple[tuple[int, str], ...]:
        """Cells and names that do not run into each other; see `Axis.ticks`."""
        shares = self.share([float(at) for at in range(len(self.names))])
        places = [round(share * (cells - 1)) for share in shares.tolist()]
        for letters in LETTERS:
            for step in STEPS:
                found = tuple(
                    (place, name if name.isdecimal() else name[:letters])
                    for place, name in zip(places, self.names, strict=True)
                    if (int(name) % step == 0 if name.isdecimal() else letters)
                )
                if found and apart(found, cells, room):
                    return found
        return ((0, self.names[0][:cells]),) if self.names else ()


def named_axis(names: tuple[str, ...]) -> LayerAxis:
    """An axis with these places, and a little room at both ends."""
    last = len(names) - 1
    room = ENDS * last or 0.5
    return LayerAxis(-room, last + room, whole=True, names=names)


def layer_axis(spaces: "Sequence[Space]") -> LayerAxis:
    """The axis of the layers of some spaces; its names are those of the one with the most."""
    longest = max(spaces, key=lambda space: len(space.layers)).layers
    return named_axis(tuple(short_layer(layer.name) for layer in longest))


def with_error(value: float, error: float, palette: Palette) -> str:
    """A number for people and its standard error, where there is one."""
    if not math.isfinite(error):
        return fmt.number(value)
    return f"{fmt.number(value)} {'+-' if palette.ascii_only else '±'} {fmt.number(error)}"


def clamped(at: int, count: int) -> int:
    """The nearest index that is there."""
    return max(0, min(at, count - 1))


def layer_at(report: "LandscapeReport", space: int, layer: int) -> "LayerNumbers | None":
    """A layer of a space, the nearest one; None where there is none."""
    if not report.spaces:
        return None
    layers = report.spaces[clamped(space, len(report.spaces))].layers
    return layers[clamped(layer, len(layers))] if layers else None
