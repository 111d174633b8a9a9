"""What the terminal can show, and the last step on the way to it.

Everything above draws in the theme's colours and in Unicode. `TerminalFilter` turns that into
what the terminal has: the nearest of xterm's 256 colours, a style in sixteen, no colour at all;
and ASCII. So nothing is left to a downgrade that knows neither order nor sign.
"""

from rich.color import Color as RichColor
from rich.color import ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from themes import Rgb, ThemeFile, rgb
from tui.palette import Depth, ansi_style
from tui.terminal import ascii_text

STANDS_OUT = 2.0
"""A background of this contrast to the theme's is reversed where there is no colour for it."""


class TerminalFilter(LineFilter):
    """Lines as the terminal is told of them.

    Args:
        theme: whose colours are drawn with.
        depth: how many colours there are.
        ascii_only: let out ASCII alone.
    """

    def __init__(self, theme: ThemeFile, depth: Depth, ascii_only: bool) -> None:
        super().__init__(enabled=depth is not Depth.TRUE or ascii_only)
        self._depth = depth
        self._ascii_only = ascii_only
        self._background = rgb(theme.ui["background"])
        # Text of the frame in sixteen colours: by the state that has the same colour.
        self._ansi = {rgb(c): ansi_style(theme.ansi[s]) for s, c in theme.states.items()}
        self._ansi[rgb(theme.ui["primary"])] = ansi_style(theme.ansi["tunable"])
        self._known: dict[Style, Style] = {}

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Translate a line."""
        return [
            Segment(
                ascii_text(text) if self._ascii_only else text, self._translated(style), control
            )
            for text, style, control in segments
        ]

    def _translated(self, style: Style | None) -> Style:
        if style is None:
            return Style()
        known = self._known.get(style)
        if known is None:
            if len(self._known) > 8192:
                self._known.clear()
            known = self._known[style] = self._translate(style)
        return known

    def _translate(self, style: Style) -> Style:
        if self._depth is Depth.TRUE or not (style.color or style.bgcolor):
            return style
        if self._depth is Depth.XTERM:
            colors = Style(color=_in_xterm(style.color), bgcolor=_in_xterm(style.bgcolor))
            return style + colors
        behind = _rgb_of(style.bgcolor)
        stands_out = behind is not None and _contrast(behind, self._background) >= STANDS_OUT
        reverse = bool(style.reverse) != stands_out
        shown = style.without_color + Style(reverse=reverse or None)
        return shown + self._ansi_of(style.color) if self._depth is Depth.ANSI else shown

    def _ansi_of(self, color: RichColor | None) -> Style:
        if color is None or color.type is ColorType.DEFAULT:
            return Style()
        if color.type is ColorType.STANDARD:
            return Style(color=color)
        return self._ansi.get(_rgb_of(color) or self._background, Style())


def _rgb_of(color: RichColor | None) -> Rgb | None:
    """The colour where it is a certain one: the sixteen look different everywhere."""
    if color is None or color.type in (ColorType.DEFAULT, ColorType.STANDARD):
        return None
    red, green, blue = color.get_truecolor()
    return red, green, blue


def _in_xterm(color: RichColor | None) -> RichColor | None:
    if color is None or color.triplet is None:
        return color
    from themes.xterm import nearest_code

    return RichColor.from_ansi(nearest_code((color.triplet.red, *color.triplet[1:])))


def _contrast(one: Rgb, other: Rgb) -> float:
    """The contrast of WCAG 2.1, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Rgb) -> float:
    linear = [
        part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in color
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
