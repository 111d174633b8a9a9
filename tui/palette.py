"""The colours and glyphs that drawing code uses, made once from a theme."""

from dataclasses import dataclass
from functools import lru_cache

from rich.color import Color
from rich.style import Style

from themes import Rgb, ThemeFile

LEVELS = 64
"""Steps of a colour map; more would cost bytes on the wire and no eye would see them."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Marks that carry a state beside its colour."""

    tunable: str
    frozen: str
    delta: str
    times: str
    same: str
    note: str
    new: str
    closed: str
    opened: str
    more: str
    rule: str


UNICODE = Glyphs("●", "○", "◆", "×", "=", "!", "+", "▸", "▾", "…", "━")
ASCII = Glyphs("*", "o", "+", "x", "=", "!", "+", ">", "v", "...", "-")


@dataclass(frozen=True, slots=True)
class Palette:
    """What drawing code takes from a theme.

    Attributes:
        styles: a style for each state of `themes.STATES`.
        background: the colour behind everything.
        same: the colour of a cell that did not change at all; no step of a map.
        sequential: `LEVELS` colours from no change to the most.
        diverging: `LEVELS + 1` colours, the middle one for zero.
        glyphs: marks of the states.
        colorless: no colour may carry meaning (NO_COLOR): levels are drawn as characters.
    """

    styles: dict[str, Style]
    background: Rgb
    same: Rgb
    sequential: tuple[Rgb, ...]
    diverging: tuple[Rgb, ...]
    glyphs: Glyphs
    colorless: bool

    @property
    def marks(self) -> bool:
        """Whether levels are drawn as characters: colour or half-blocks are not to be had."""
        return self.colorless or self.ascii_only

    @property
    def ascii_only(self) -> bool:
        """Whether only ASCII may be drawn."""
        return self.glyphs is ASCII


@lru_cache(maxsize=16)
def _ramp(colors: tuple[Rgb, ...], steps: int) -> tuple[Rgb, ...]:
    """`steps` colours evenly along a list of colours, linear between neighbours."""
    ramp = []
    for step in range(steps):
        at = step * (len(colors) - 1) / (steps - 1)
        low = min(int(at), len(colors) - 2)
        part = at - low
        pairs = zip(colors[low], colors[low + 1], strict=True)
        red, green, blue = (round(x + (y - x) * part) for x, y in pairs)
        ramp.append((red, green, blue))
    return tuple(ramp)


def make_palette(theme: ThemeFile, ascii_only: bool = False, colorless: bool = False) -> Palette:
    """The palette of a theme."""
    from themes import rgb

    return Palette(
        styles={
            state: Style(color=Color.from_rgb(*rgb(color)), dim=False)
            for state, color in theme.states.items()
        },
        background=rgb(theme.ui["background"]),
        same=_ramp((rgb(theme.ui["background"]), rgb(theme.states["same"])), 5)[2],
        sequential=_ramp(theme.sequential, LEVELS),
        diverging=_ramp(theme.diverging, LEVELS + 1),
        glyphs=ASCII if ascii_only else UNICODE,
        colorless=colorless,
    )
