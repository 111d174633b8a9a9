"""What is sent to terminals of few colours, and to those of none: nothing is left to chance."""

import itertools

import pytest
from rich.color import ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from inspect_core.text import clean
from themes import ANSI_COLORS, BUNDLED, load_theme, rgb
from themes.xterm import nearest_code, xterm_rgb
from tui.help import help_text
from tui.look import TerminalFilter
from tui.palette import ASCII, UNICODE, Depth, make_palette
from tui.terminal import DEPTHS, ascii_text, find_depth

BEHIND = Color(0, 0, 0)


@pytest.fixture(params=BUNDLED)
def theme(request):
    return load_theme(request.param)


def shown(theme, depth, style, text="x", ascii_only=False):
    [segment] = TerminalFilter(theme, depth, ascii_only).apply([Segment(text, style)], BEHIND)
    return segment


# How many colours


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Depth.TRUE),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, Depth.TRUE),
        ({"TERM": "xterm-kitty"}, Depth.TRUE),
        ({"TERM": "xterm-direct"}, Depth.TRUE),
        ({"TERM": "xterm-256color"}, Depth.XTERM),
        ({"TERM": "tmux-256color"}, Depth.XTERM),
        ({"TERM": "tmux-256color", "TMUX": "x", "COLORTERM": "truecolor"}, Depth.TRUE),
        ({"TERM": "screen-256color"}, Depth.XTERM),
        ({"TERM": "screen.xterm-256color", "STY": "1.x", "COLORTERM": "truecolor"}, Depth.XTERM),
        ({"TERM": "screen", "STY": "1.x", "COLORTERM": "truecolor"}, Depth.ANSI),
        ({"TERM": "screen-256color", "STY": "1", "TMUX": "x", "COLORTERM": "24bit"}, Depth.TRUE),
        ({"TERM": "screen"}, Depth.ANSI),
        ({"TERM": "xterm"}, Depth.ANSI),
        ({"TERM": "xterm-16color"}, Depth.ANSI),
        ({"TERM": "linux"}, Depth.ANSI),
        ({"TERM": "linux", "COLORTERM": "truecolor"}, Depth.ANSI),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, Depth.NONE),
        ({"TERM": "vt100"}, Depth.NONE),
        ({}, Depth.NONE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, Depth.NONE),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, Depth.XTERM),
    ],
)
def test_the_environment_says_how_many_colours(environ, depth):
    assert find_depth("auto", environ) is depth


def test_what_is_asked_for_is_stronger_than_the_environment():
    assert DEPTHS == ("auto", "truecolor", "256", "16", "none")
    for name in DEPTHS[1:]:
        assert find_depth(name, {"NO_COLOR": "1", "TERM": "dumb"}).value == name


# 256 colours


def test_in_256_colours_the_code_that_was_meant_is_sent(theme):
    palette = make_palette(theme, depth=Depth.XTERM)
    colors = {*palette.sequential, *palette.diverging, palette.same, palette.background}
    for color in colors:
        style = shown(theme, Depth.XTERM, Style.parse("on red") + Style(color=_rich(color))).style
        assert style.color.type is ColorType.EIGHT_BIT
        assert xterm_rgb(style.color.number) == color


def test_in_256_colours_no_style_needs_24_bits(theme):
    for color in {**theme.ui, **theme.states}.values():
        made = shown(theme, Depth.XTERM, Style(color=_rich(rgb(color)), bgcolor=_rich((1, 2, 3))))
        assert made.style.color.type is made.style.bgcolor.type is ColorType.EIGHT_BIT
        assert made.style.color.number == nearest_code(rgb(color))
    for style in make_palette(theme, depth=Depth.XTERM).styles.values():
        assert shown(theme, Depth.XTERM, style).style.color == style.color


# 16 colours and none


def test_in_sixteen_colours_states_keep_theirs_and_backgrounds_are_the_terminals(theme):
    for state, style in make_palette(theme, depth=Depth.ANSI).styles.items():
        behind = Style(bgcolor=_rich(rgb(theme.ui["panel"])))
        made = shown(theme, Depth.ANSI, behind + style).style
        assert (made.color, made.bgcolor, bool(made.reverse)) == (style.color, None, False), state
        words = theme.ansi[state].split()
        assert [w for w in words if w.removeprefix("bright_") in ANSI_COLORS] == (
            [made.color.name] if made.color else []
        )


@pytest.mark.parametrize("depth", [Depth.ANSI, Depth.NONE])
def test_what_stood_out_is_reversed_and_what_was_quiet_is_not(theme, depth):
    def reversed_on(name):
        style = Style(color=_rich(rgb(theme.ui["background"])), bgcolor=_rich(rgb(theme.ui[name])))
        return bool(shown(theme, depth, style).style.reverse)

    assert reversed_on("primary") and reversed_on("foreground")
    assert not reversed_on("panel") and not reversed_on("background")


@pytest.mark.parametrize("depth", [Depth.NONE])
def test_without_colours_attributes_stay(theme, depth):
    color, behind = _rich((200, 10, 10)), _rich((0, 0, 0))
    for words in ("bold", "reverse", "underline", "dim", "bold reverse"):
        style = Style.parse(words) + Style(color=color, bgcolor=behind if theme.dark else None)
        made = shown(theme, depth, style).style
        assert made.color is None and made.bgcolor is None
        assert str(made) == str(Style.parse(words))


def test_a_segment_without_style_passes(theme):
    for depth in Depth:
        assert shown(theme, depth, None).style == Style()


def test_with_all_colours_nothing_is_touched(theme):
    style = Style(color=_rich((1, 2, 3)), bgcolor=_rich((4, 5, 6)), bold=True)
    assert shown(theme, Depth.TRUE, style, ascii_only=True).style == style
    assert not TerminalFilter(theme, Depth.TRUE, False).enabled


# ASCII


def test_ascii_is_as_wide_as_it_was():
    from rich.cells import cell_len

    frames = "".join(map(chr, range(0x2500, 0x25A0)))
    for text in (frames, "●○◆×▸▾…━⏎␣", "日本語", "é", "a🔎b", "\N{NO-BREAK SPACE}", help_text({})):
        made = ascii_text(text)
        assert made.isascii(), made
        assert cell_len(made) == cell_len(text), text


def test_frames_and_marks_are_like_what_they_were():
    assert ascii_text("╭──╮") == "+--+"
    assert ascii_text("│ a …") == "| a ~"
    for name in ("tunable", "frozen", "delta", "times", "closed", "opened", "rule"):
        assert ascii_text(getattr(UNICODE, name)) == getattr(ASCII, name)


def test_what_the_filter_lets_out_in_ascii_is_ascii(theme):
    text = clean("Привет \u202e│") + "▁▂█"
    assert shown(theme, Depth.NONE, Style(), text, ascii_only=True).text.isascii()


def test_filters_of_all_depths_keep_the_text(theme):
    for depth, text in itertools.product(Depth, ("", "▀▀", "日本")):
        assert shown(theme, depth, Style(color=_rich((9, 9, 9))), text).text == text


def _rich(color):
    from rich.color import Color as RichColor

    return RichColor.from_rgb(*color)
