"""What goes over the line: only the cells that the terminal does not show already.

Textual sends a widget that was painted anew as a whole, with all its colours for every piece of
text. Over SSH that is most of the waiting, so `Wire` remembers the screen, sends what differs,
and says a colour only where it changes.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

CLOSE = 6
"""Cells that stay between two that change are sent along: to jump over them would cost more."""

MOST_LOOKS = 20_000

Look = tuple[str, str, str]
"""Codes of attributes, foreground and background; empty is the terminal's own."""

Cell = tuple[str, Look]
"""A character with what combines with it; the right half of a wide one is empty."""

PLAIN: Look = ("", "", "")

_ATTRIBUTES = (
    ("bold", "1"), ("dim", "2"), ("italic", "3"), ("underline", "4"), ("blink", "5"),
    ("reverse", "7"), ("strike", "9"),
)  # fmt: skip


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
"""What a terminal would obey."""


class Wire:
    """The screen as the terminal has it."""

    def __init__(self) -> None:
        self._lines: dict[int, list[Cell | None]] = {}
        self._looks: dict[Style, Look] = {}

    def forget(self) -> None:
        """The terminal may show anything: the next update is sent in full."""
        self._lines.clear()

    def thin(self, update: CompositorUpdate) -> CompositorUpdate:
        """An update that sends what differs, once it is written."""
        if isinstance(update, LayoutUpdate):
            return _ThinUpdate(self, _lines_of_layout(update))
        if isinstance(update, ChopsUpdate):
            return _ThinUpdate(self, _lines_of_chops(update))
        self.forget()
        return update

    def render(self, pieces: Iterable[tuple[int, int, Strip]], system: ColorSystem) -> str:
        """The sequences that bring pieces of lines to the screen.

        Args:
            pieces: column, line, and what is there from then on.
            system: colours beyond it are brought down to it.
        """
        out: list[str] = []
        look = PLAIN
        for x, y, strip in pieces:
            cells = self._cells(strip, system)
            known = self._lines.setdefault(y, [])
            known.extend([None] * (x + len(cells) - len(known)))
            old = known[x : x + len(cells)]
            if old == cells:
                continue
            known[x : x + len(cells)] = cells
            for start, stop in _changed(old, cells):
                out.append(f"\x1b[{y + 1};{x + start + 1}H")
                for text, wanted in _runs(cells[start:stop]):
                    out.append(_change(look, wanted) + text)
                    look = wanted
        return "".join(out) + ("\x1b[0m" if look != PLAIN else "")

    def _cells(self, strip: Strip, system: ColorSystem) -> list[Cell]:
        cells: list[Cell] = []
        for segment in strip:
            if segment.control:
                continue
            style = segment.style
            look = self._look(style, system) if style is not None else PLAIN
            # Everything foreign was made safe long before; this is the last door.
            text = _CONTROL.sub("?", segment.text)
            if text.isascii():
                cells += [(char, look) for char in text]
                continue
            before, places = _places(text)
            if before and cells:
                cells[-1] = (cells[-1][0] + before, cells[-1][1])
            cells += [(place, look) for place in places]
        return cells

    def _look(self, style: Style, system: ColorSystem) -> Look:
        look = self._looks.get(style)
        if look is None:
            if len(self._looks) >= MOST_LOOKS:
                self._looks.clear()
            attributes = ";".join([code for name, code in _ATTRIBUTES if getattr(style, name)])
            fore, back = _codes(style.color, system, True), _codes(style.bgcolor, system, False)
            look = self._looks[style] = (attributes, fore, back)
        return look


class _ThinUpdate(CompositorUpdate):
    """Sends what differs at the moment when it is written, and only then counts it as sent."""

    def __init__(self, wire: Wire, pieces: Iterator[tuple[int, int, Strip]]) -> None:
        self._wire = wire
        self._pieces = list(pieces)

    def render_segments(self, console: Console) -> str:
        return self._wire.render(self._pieces, console._color_system or ColorSystem.TRUECOLOR)


@lru_cache(maxsize=4096)
def _places(text: str) -> tuple[str, tuple[str, ...]]:
    """What combines with the cell before, and what stands in each cell from there on.

    A cell holds a character and what combines with it, or `""` right of a wide one.
    """
    before = ""
    places: list[str] = []
    for char in text:
        width = cell_len(char)
        if width:
            places += [char, *[""] * (width - 1)]
        elif places:
            places[-1] += char
        else:
            before += char
    return before, tuple(places)


def _lines_of_layout(update: LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, line in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in line:
            yield x, y, strip
            x += strip.cell_length


def _lines_of_chops(update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, left, right in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= right and end > left:
                yield x, y, strip


def _changed(old: list[Cell | None], new: list[Cell]) -> Iterator[tuple[int, int]]:
    """Where two lines differ, as half-open stretches."""
    if None in old or any(len(cell[0]) != 1 for line in (old, new) for cell in line if cell):
        # Half of a wide character cannot be replaced alone.
        yield 0, len(new)
        return
    differ = [at for at, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    start = last = differ[0]
    for at in differ[1:]:
        if at - last > CLOSE:
            yield start, last + 1
            start = at
        last = at
    yield start, last + 1


def _runs(cells: list[Cell]) -> Iterator[tuple[str, Look]]:
    """Stretches of one look."""
    text, look = [cells[0][0]], cells[0][1]
    for char, other in cells[1:]:
        if other != look:
            yield "".join(text), look
            text, look = [], other
        text.append(char)
    yield "".join(text), look


def _change(look: Look, wanted: Look) -> str:
    """From one look to another: only what differs, from the start where something must go."""
    if look == wanted:
        return ""
    if any(now and now != then for now, then in zip(look, wanted, strict=True) if not then) or (
        look[0] and look[0] != wanted[0]
    ):
        codes = ["0", *wanted]
    else:
        codes = [then for now, then in zip(look, wanted, strict=True) if now != then]
    return f"\x1b[{';'.join([code for code in codes if code])}m"


def _codes(color: Color | None, system: ColorSystem, foreground: bool) -> str:
    if color is None or color.is_default:
        return ""
    return ";".join(color.downgrade(system).get_ansi_codes(foreground))
