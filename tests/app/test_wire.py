"""What is sent makes the screen that was wanted, and is no more than what differs."""

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, InlineUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tui.wire import Wire

WIDTH, HEIGHT = 12, 4
STYLES = [
    Style(),
    Style.parse("bold"),
    Style.parse("reverse underline"),
    Style.parse("#ff8000"),
    Style.parse("#ff8000 on #101010"),
    Style.parse("bold #00ff00 on #101010"),
    Style.parse("default on blue"),
]


def fit(text: str) -> str:
    """A text of exactly the width of the screen."""
    strip = Strip([Segment(text, Style())]).adjust_cell_length(WIDTH)
    return "".join(segment.text for segment in strip)


segments = st.lists(
    st.tuples(st.text("ab │▀日é\u0301", min_size=1, max_size=4), st.sampled_from(STYLES)),
    max_size=5,
)
lines = segments.map(
    lambda parts: Strip([Segment(*part) for part in parts]).adjust_cell_length(WIDTH, Style())
)
screens = st.lists(lines, min_size=HEIGHT, max_size=HEIGHT)


def shown(text: list[str]):
    """What a terminal shows after some writes: characters and how each looks."""
    # One column more: pyte goes to the next line for an accent on the last one.
    screen = pyte.Screen(WIDTH + 1, HEIGHT)
    stream = pyte.Stream(screen)
    for part in text:
        stream.feed(part)
    return [
        [
            (c.data, c.fg, c.bg, c.bold, c.underscore, c.reverse)
            for c in (screen.buffer[y][x] for x in range(WIDTH))
        ]
        for y in range(HEIGHT)
    ]


def in_full(screen: list[Strip]) -> str:
    """The same without any memory."""
    return Wire().render(((0, y, strip) for y, strip in enumerate(screen)), ColorSystem.TRUECOLOR)


@settings(max_examples=150, deadline=None)
@given(st.lists(screens, min_size=1, max_size=5))
def test_the_screen_is_the_last_one_that_was_wanted(wanted):
    wire, sent = Wire(), []
    for screen in wanted:
        pieces = ((0, y, strip) for y, strip in enumerate(screen))
        sent.append(wire.render(pieces, ColorSystem.TRUECOLOR))
    assert shown(sent) == shown([in_full(wanted[-1])])
    assert len(sent[-1]) <= len(in_full(wanted[-1]))


@settings(max_examples=50, deadline=None)
@given(screens)
def test_what_stands_there_is_not_sent(screen):
    wire = Wire()
    pieces = [(0, y, strip) for y, strip in enumerate(screen)]
    assert wire.render(pieces, ColorSystem.TRUECOLOR)
    assert wire.render(pieces, ColorSystem.TRUECOLOR) == ""
    wire.forget()
    assert wire.render(pieces, ColorSystem.TRUECOLOR) == in_full(screen)


@given(lines)
def test_there_is_a_cell_for_every_column(strip):
    assert len(Wire()._cells(strip, ColorSystem.TRUECOLOR)) == strip.cell_length == WIDTH


def test_one_cell_is_a_jump_a_colour_and_a_character():
    wire = Wire()
    style = Style.parse("#ff0000 on #000000")
    wire.render([(0, 1, Strip([Segment("aaaaaaaaaaaa", style)]))], ColorSystem.TRUECOLOR)
    after = Strip([Segment("aaaab", style), Segment("aaaaaaa", style)])
    sent = wire.render([(0, 1, after)], ColorSystem.TRUECOLOR)
    assert sent == "\x1b[2;5H\x1b[38;2;255;0;0;48;2;0;0;0mb\x1b[0m"


def test_a_colour_is_said_where_it_changes():
    one, other = Style.parse("#ff0000 on #000000"), Style.parse("#00ff00 on #000000")
    strip = Strip([Segment("ab", one), Segment("cd", other), Segment("e", Style())])
    sent = Wire().render([(0, 0, strip)], ColorSystem.TRUECOLOR)
    assert sent == "\x1b[1;1H\x1b[38;2;255;0;0;48;2;0;0;0mab\x1b[38;2;0;255;0mcd\x1b[0me"


class OfTrueColor:
    _color_system = ColorSystem.TRUECOLOR


def test_updates_of_textual_are_taken_in_when_they_are_written():
    wire = Wire()
    strips = [Strip([Segment(fit(text), Style())]) for text in ("one", "two")]
    layout = wire.thin(LayoutUpdate([[strip] for strip in strips], Region(0, 0, WIDTH, 2)))
    never = wire.thin(LayoutUpdate([[strips[0]]], Region(0, 1, WIDTH, 1)))
    first = layout.render_segments(OfTrueColor)
    assert never is not None, "made, but never written"
    chops = [{0: strips[0], 6: None}, {0: strips[0].crop(0, 6), 6: strips[1].crop(0, 6)}]
    update = ChopsUpdate(chops, [(1, 0, WIDTH)], [[6, WIDTH], [6, WIDTH]])
    second = wire.thin(update).render_segments(OfTrueColor)
    rows = ["".join(cell[0] for cell in row).rstrip() for row in shown([first, second])[:2]]
    assert rows == ["one", "one   two"]


def test_an_unknown_update_passes_and_is_not_trusted():
    wire = Wire()
    piece = (0, 0, Strip([Segment("a", Style())]))
    sent = wire.render([piece], ColorSystem.TRUECOLOR)
    other = InlineUpdate([piece[2]])
    assert wire.thin(other) is other
    assert wire.render([piece], ColorSystem.TRUECOLOR) == sent


def test_nothing_that_a_terminal_would_obey_gets_through():
    strip = Strip([Segment("a\x1b]0;x\x07b\x9b2J\x00", Style())])
    sent = Wire().render([(0, 0, strip)], ColorSystem.TRUECOLOR)
    assert sent == "\x1b[1;1Ha?]0;x?b?2J?"
