"""The colours and glyphs that drawing code uses, made once from a theme."""

from dataclasses import dataclass, fields
from enum import Enum
from functools import lru_cache

from rich.color import Color
from rich.style import Style

from themes import CELLS, Rgb, ThemeFile, rgb

LEVELS = 64
"""Steps of a colour map; more would cost bytes on the wire and no eye would see them."""

DARKEST_BAR = 8
"""Bars start this far up the sequential map: thin ones need more contrast than cells."""

LEAST_SEEN = 17.0
"""Difference in lightness (CIE L*, of 100) from the background to where the sequential map begins,
so that the smallest change is seen."""

QUIET = 8.5
"""The same for what did not change: seen, and quieter than any change."""


class Depth(Enum):
    """How many colours the terminal has; by the names of `--colors`."""

    NONE = "none"
    ANSI = "16"
    XTERM = "256"
    TRUE = "truecolor"


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
    delta_frozen: str


UNICODE = Glyphs("●", "○", "◆", "×", "=", "!", "+", "▸", "▾", "…", "━", "◇")
ASCII = Glyphs("*", "o", "+", "x", "=", "!", "+", ">", "v", "...", "-", "-")


@dataclass(slots=True)
class Palette:
    """What drawing code takes from a theme.

    An app has one, and a change of theme changes it in place: whoever was given it draws with
    the new colours from then on.

    Attributes:
        styles: a style for each state of `themes.STATES`.
        cells: a style for each of `themes.CELLS`, where a cell is a character.
        background: the colour behind everything.
        same: the colour of a cell that did not change at all; no step of a map.
        undefined: that of a cell whose value is not defined.
        sequential: `LEVELS` colours from the least change to the most.
        diverging: `LEVELS + 1` colours, the middle one for zero.
        glyphs: marks of the states.
        depth: how many colours the terminal has.
    """

    styles: dict[str, Style]
    cells: dict[str, Style]
    background: Rgb
    same: Rgb
    undefined: Rgb
    sequential: tuple[Rgb, ...]
    diverging: tuple[Rgb, ...]
    glyphs: Glyphs
    depth: Depth

    @property
    def colorless(self) -> bool:
        """Whether no colour may carry meaning (NO_COLOR)."""
        return self.depth is Depth.NONE

    @property
    def marks(self) -> bool:
        """Whether cells are drawn as characters: maps or half-blocks are not to be had."""
        return self.depth in (Depth.NONE, Depth.ANSI) or self.ascii_only

    @property
    def rows_a_line(self) -> int:
        """Rows of cells on a line of the screen: half-blocks give two."""
        return 1 if self.marks else 2

    @property
    def ascii_only(self) -> bool:
        """Whether only ASCII may be drawn."""
        return self.glyphs is ASCII

    def bar_style(self, share: float) -> Style:
        """The style of a bar that is as long as a share of the longest, 0 to 1."""
        if self.depth in (Depth.NONE, Depth.ANSI):
            return self.cells["levels"]
        level = DARKEST_BAR + int(share * (LEVELS - 1 - DARKEST_BAR))
        return _style(self.sequential[max(0, min(LEVELS - 1, level))], self.depth)

    def become(self, other: "Palette") -> None:
        """Take over everything from another one."""
        for field in fields(self):
            setattr(self, field.name, getattr(other, field.name))


def make_palette(
    theme: ThemeFile,
    ascii_only: bool = False,
    colorless: bool = False,
    depth: Depth = Depth.TRUE,
) -> Palette:
    """The palette of a theme.

    Args:
        theme: the theme.
        ascii_only: draw with ASCII alone.
        colorless: the same as a depth of `NONE`.
        depth: how many colours the terminal has.
    """
    depth = Depth.NONE if colorless else depth
    background, same = rgb(theme.ui["background"]), rgb(theme.states["same"])
    sequential = _ramp(_seen(_ramp(theme.sequential, 4 * LEVELS), background), LEVELS)
    diverging = _ramp(theme.diverging, LEVELS + 1)
    swatch = _quiet(background, same, depth)
    undefined = _ramp((background, rgb(theme.states["note"])), 5)[3]
    if depth is Depth.XTERM:
        from themes.xterm import diverging_codes, nearest_code, sequential_codes, xterm_rgb

        background, swatch, undefined = (
            xterm_rgb(nearest_code(color)) for color in (background, swatch, undefined)
        )
        codes = theme.xterm_sequential or sequential_codes(sequential)
        sequential = _stairs(codes[-len(_seen(tuple(map(xterm_rgb, codes)), background)) :], LEVELS)
        diverging = _stairs(theme.xterm_diverging or diverging_codes(diverging), LEVELS + 1)
    return Palette(
        styles={state: _state_style(theme, state, depth) for state in theme.states},
        cells=_cell_styles(theme, sequential, diverging, depth),
        background=background,
        same=swatch,
        undefined=undefined,
        sequential=sequential,
        diverging=diverging,
        glyphs=ASCII if ascii_only else UNICODE,
        depth=depth,
    )


@lru_cache(maxsize=64)
def ansi_style(words: str) -> Style:
    """A style from words like `bold bright_blue`; of none, the terminal's own."""
    return Style.parse(words) if words else Style()


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


@lru_cache(maxsize=16)
def _seen(colors: tuple[Rgb, ...], background: Rgb) -> tuple[Rgb, ...]:
    """A list of colours from the first on that stands out; at least its second half."""
    from themes.xterm import lab

    dark = lab(background)[0]
    most = len(colors) // 2
    start = next((k for k in range(most) if abs(lab(colors[k])[0] - dark) >= LEAST_SEEN), most)
    return colors[start:]


@lru_cache(maxsize=16)
def _quiet(background: Rgb, same: Rgb, depth: Depth) -> Rgb:
    """The first colour on the way from the background to another that is told apart from it."""
    from themes.xterm import lab, nearest_code, xterm_rgb

    def sent(color: Rgb) -> Rgb:
        return xterm_rgb(nearest_code(color)) if depth is Depth.XTERM else color

    behind = lab(sent(background))[0]
    steps = map(sent, _ramp((background, same), LEVELS))
    return next((color for color in steps if abs(lab(color)[0] - behind) >= QUIET), sent(same))


def _stairs(codes: tuple[int, ...], steps: int) -> tuple[Rgb, ...]:
    """`steps` colours along a list of codes, each exactly the colour of one of them."""
    from themes.xterm import xterm_rgb

    last = len(codes) - 1
    return tuple([xterm_rgb(codes[round(step * last / (steps - 1))]) for step in range(steps)])


@lru_cache(maxsize=512)
def _style(color: Rgb, depth: Depth) -> Style:
    """A foreground as the terminal is told of it."""
    if depth is Depth.XTERM:
        from themes.xterm import nearest_code

        return Style(color=Color.from_ansi(nearest_code(color)), dim=False)
    return Style(color=Color.from_rgb(*color), dim=False)


def _state_style(theme: ThemeFile, state: str, depth: Depth) -> Style:
    if depth is Depth.NONE:
        return Style(bold=True) if state == "note" else Style()
    if depth is Depth.ANSI:
        return ansi_style(theme.ansi[state])
    return _style(rgb(theme.states[state]), depth)


def _cell_styles(
    theme: ThemeFile, sequential: tuple[Rgb, ...], diverging: tuple[Rgb, ...], depth: Depth
) -> dict[str, Style]:
    if depth is Depth.NONE:
        return {name: Style() for name in CELLS}
    if depth is Depth.ANSI:
        return {name: ansi_style(theme.ansi[name]) for name in CELLS}
    ends = (diverging[LEVELS // 8], diverging[-1 - LEVELS // 8], sequential[-1 - LEVELS // 8])
    return {name: _style(color, depth) for name, color in zip(CELLS, ends, strict=True)}
