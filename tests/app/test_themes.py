"""Every theme can be read, and read on: contrast, order of its maps, names for Textual."""

import itertools

import pytest
from color_math import CONES, contrast, delta_e, lab, luminance

from themes import BUNDLED, STATES, ThemeError, load_theme, parse_theme, rgb
from themes.xterm import diverging_codes, nearest_code, sequential_codes, xterm_rgb
from tui.palette import LEVELS, Depth, make_palette
from tui.theme import textual_theme

READABLE = 4.5
"""WCAG 2.1, 1.4.3: the least contrast of text. Marks and muted words are read too: no less."""

HIGH_CONTRAST = 7.0
"""WCAG 2.1, 1.4.6."""

STEPS = 9
"""Steps of a map that a reader tells apart; the others lie between."""

BESIDE = ("module", "tunable", "frozen", "delta", "fold", "type", "note")
"""States that stand beside each other in the tree."""

ON_PANEL = ("module", "type", "muted", "note", "tunable")
"""States of the title, the status line with its progress, and the keys."""


@pytest.fixture(params=BUNDLED)
def theme(request):
    return load_theme(request.param)


@pytest.fixture(params=[Depth.TRUE, Depth.XTERM])
def depth(request):
    return request.param


def sent(color, depth):
    """What a colour of a theme is on a terminal of some depth."""
    known = rgb(color) if isinstance(color, str) else color
    return known if depth is Depth.TRUE else xterm_rgb(nearest_code(known))


def least(theme):
    return HIGH_CONTRAST if theme.name == "lamella-contrast" else READABLE


def test_contrast_is_that_of_wcag():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


def test_lab_is_that_of_the_cie():
    assert lab((255, 255, 255)) == pytest.approx([100, 0, 0], abs=0.01)
    assert lab((255, 0, 0)) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)


@pytest.mark.parametrize("state", [*STATES, "foreground", "error", "warning", "primary"])
def test_text_is_readable_on_the_background_and_under_the_cursor(theme, state, depth):
    color = sent({**theme.ui, **theme.states}[state], depth)
    # The cursor reverses a name: the same two colours, the same contrast.
    assert contrast(color, sent(theme.ui["background"], depth)) >= least(theme)


@pytest.mark.parametrize("state", ON_PANEL)
def test_bars_are_readable_on_their_panel(theme, state, depth):
    color = sent(theme.states[state], depth)
    assert contrast(color, sent(theme.ui["panel"], depth)) >= least(theme)


def test_what_is_typed_is_readable(theme, depth):
    color, field = sent(theme.ui["foreground"], depth), sent(theme.ui["boost"], depth)
    assert contrast(color, field) >= least(theme)


def test_a_dark_theme_is_dark(theme):
    assert theme.dark == (luminance(rgb(theme.ui["background"])) < 0.5)


def test_states_that_stand_beside_each_other_differ(theme, depth):
    for one, other in itertools.combinations(BESIDE, 2):
        colors = sent(theme.states[one], depth), sent(theme.states[other], depth)
        assert delta_e(*colors) > 15, (one, other)


@pytest.mark.parametrize("eyes", list(CONES))
def test_the_colorblind_tell_the_states_apart(eyes, depth):
    theme = load_theme("lamella-colorblind")
    for one, other in itertools.combinations(BESIDE, 2):
        colors = sent(theme.states[one], depth), sent(theme.states[other], depth)
        assert delta_e(*colors, eyes) > 10, (one, other)


def steps_of(ramp, count=STEPS):
    return [ramp[round(step * (len(ramp) - 1) / (count - 1))] for step in range(count)]


@pytest.mark.parametrize("eyes", list(CONES))
def test_the_sequential_map_has_an_order_for_all_eyes(theme, depth, eyes):
    ramp = make_palette(theme, depth=depth).sequential
    assert len(ramp) == LEVELS
    steps = steps_of(ramp, STEPS if depth is Depth.TRUE else 7)
    lightness = [lab(color, eyes)[0] for color in steps]
    assert lightness == sorted(lightness, reverse=not theme.dark)
    assert all(delta_e(*pair, eyes) > 4 for pair in itertools.pairwise(steps))


def test_the_sequential_map_goes_away_from_the_background(theme, depth):
    ramp = make_palette(theme, depth=depth).sequential
    steps = [luminance(color) for color in ramp]
    assert steps == sorted(steps, reverse=not theme.dark)
    # The smallest change is seen: 1.0 is the background itself.
    assert contrast(ramp[0], sent(theme.ui["background"], depth)) > 1.45
    assert contrast(ramp[-1], sent(theme.ui["background"], depth)) > 7


def test_the_diverging_map_has_its_middle_at_zero_and_two_like_arms(theme, depth):
    ramp = make_palette(theme, depth=depth).diverging
    half = LEVELS // 2
    assert len(ramp) == LEVELS + 1
    assert contrast(ramp[half], sent(theme.ui["background"], depth)) < 1.2
    lightness = [lab(color)[0] for color in ramp]
    assert lightness[: half + 1] == sorted(lightness[: half + 1], reverse=theme.dark)
    assert lightness[half:] == sorted(lightness[half:], reverse=not theme.dark)
    for below, above in zip(lightness[:half], lightness[:half:-1], strict=True):
        assert abs(below - above) < 12, "one arm is no louder than the other"
    for low, high in zip(ramp[: half // 2], ramp[: -half // 2 : -1], strict=False):
        assert low[2] > low[0] and high[0] > high[2], "blue is less, red is more"


@pytest.mark.parametrize("eyes", list(CONES))
def test_the_sign_is_seen_by_all_eyes(theme, depth, eyes):
    ramp = make_palette(theme, depth=depth).diverging
    for at in range(LEVELS // 4):
        assert delta_e(ramp[at], ramp[-1 - at], eyes) > 15, at


@pytest.mark.parametrize("eyes", list(CONES))
def test_no_change_is_the_quietest_cell_and_no_step_of_the_map(theme, depth, eyes):
    palette = make_palette(theme, depth=depth)
    assert delta_e(palette.same, palette.background, eyes) > 8
    assert min(delta_e(palette.same, color, eyes) for color in palette.sequential) > 8
    quiet = contrast(palette.same, palette.background)
    assert quiet > 1.15
    for color in palette.sequential:
        assert contrast(color, palette.background) > 1.1 * quiet


def test_a_map_that_begins_at_the_background_is_begun_later(theme, depth):
    """The user's own map need not know what is seen beside the background."""
    from dataclasses import replace

    dark, light = (0, 0, 0), (255, 255, 255)
    ends = (dark, light) if theme.dark else (light, dark)
    codes = tuple(range(232, 256)) if theme.dark else tuple(range(255, 231, -1))
    own = replace(theme, sequential=ends, xterm_sequential=codes)
    palette = make_palette(own, depth=depth)
    assert contrast(palette.sequential[0], palette.background) > 1.4
    assert len(palette.sequential) == LEVELS and len(set(palette.sequential)) > 10


# 256 colours


def test_every_code_is_its_own_colours_nearest():
    for code in range(16, 256):
        assert xterm_rgb(nearest_code(xterm_rgb(code))) == xterm_rgb(code)


def test_the_nearest_code_is_the_nearest():
    for color in itertools.product(range(5, 256, 50), repeat=3):
        found = delta_e(color, xterm_rgb(nearest_code(color)))
        best = min(delta_e(color, xterm_rgb(code)) for code in range(16, 256))
        # Only the corners around a colour and one grey are looked at.
        assert found <= best * 1.5 + 3, color


def test_the_maps_in_256_colours_are_the_codes_of_the_theme(theme):
    palette = make_palette(theme, depth=Depth.XTERM)
    assert {nearest_code(c) for c in palette.sequential} == set(theme.xterm_sequential)
    assert {nearest_code(c) for c in palette.diverging} == set(theme.xterm_diverging)
    middle = theme.xterm_diverging[len(theme.xterm_diverging) // 2]
    assert palette.diverging[LEVELS // 2] == xterm_rgb(middle)


def test_codes_that_are_found_keep_order_and_sign(theme):
    palette = make_palette(theme)
    up = [lab(xterm_rgb(code))[0] for code in sequential_codes(palette.sequential)]
    assert len(up) >= 6 and len(set(up)) == len(up)
    assert up == sorted(up, reverse=not theme.dark)
    codes = diverging_codes(palette.diverging)
    assert len(codes) >= 7 and len(set(codes)) == len(codes) and len(codes) % 2 == 1
    half = len(codes) // 2
    above = [lab(xterm_rgb(code))[0] for code in codes[half:]]
    below = [lab(xterm_rgb(code))[0] for code in codes[half::-1]]
    assert above == sorted(above, reverse=not theme.dark)
    assert below == sorted(below, reverse=not theme.dark)
    for low, high in zip(codes[: half // 2], codes[: -half // 2 : -1], strict=False):
        assert xterm_rgb(low)[2] > xterm_rgb(low)[0], low
        assert xterm_rgb(high)[0] > xterm_rgb(high)[2], high


# 16 colours


def test_states_differ_in_sixteen_colours(theme):
    styles = make_palette(theme, depth=Depth.ANSI).styles
    for one, other in itertools.combinations(BESIDE, 2):
        assert styles[one] != styles[other], (one, other)
    cells = make_palette(theme, depth=Depth.ANSI).cells
    assert cells["negative"] != cells["positive"]


def test_sixteen_colours_are_named_and_the_background_is_the_terminals(theme):
    palette = make_palette(theme, depth=Depth.ANSI)
    for style in (*palette.styles.values(), *palette.cells.values()):
        assert style.bgcolor is None
        assert style.color is None or style.color.number in range(16)


def test_without_colours_no_style_has_one(theme):
    palette = make_palette(theme, depth=Depth.NONE)
    for style in (*palette.styles.values(), *palette.cells.values(), palette.bar_style(0.5)):
        assert style.color is None and style.bgcolor is None


# Files


def test_textual_takes_it(theme):
    made = textual_theme(theme)
    assert made.name == theme.name
    variables = made.to_color_system().generate()
    for name in ("background", "panel", "boost", "primary"):
        assert variables[name].lower() == theme.ui[name], name
    assert {f"state-{state}" for state in STATES} <= set(made.variables)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('muted = "', 'mutter = "'),
        ('"#10141b"', '"#10141"'),
        ('"#10141b"', '"#+1141b"'),
        ('"#10141b"', "7"),
        ("[maps]", "[cards]"),
        ("[ui]", "[[ui]]"),
        ("dark = true", ""),
        ("dark = true", 'dark = "yes"'),
        ("sequential = [", "sequential = [5, "),
        ('diverging = ["#7fd8ff", ', "diverging = ["),
        ("diverging = [81, ", "diverging = [7, "),
        ("diverging = [81, ", "diverging = ["),
        ("diverging = [81, ", "diverging = [true, "),
        ('tunable = "#5aa9ff"', 'tunable = "blue"'),
        ("[states]", '[ansi]\ndelta = "pink"\n[states]'),
        ("[states]", "[ansi]\ndelta = 5\n[states]"),
        ("[states]", '[ansi]\ndelta = "red green"\n[states]'),
        ("dark = true", "dark = "),
        ("dark = true", f"dark = {'[' * 5000}"),
    ],
)
def test_a_broken_theme_is_one_line(old, new):
    from importlib import resources

    text = resources.files("themes").joinpath("lamella-dark.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(ThemeError) as found:
        parse_theme("broken", text.replace(old, new, 1))
    assert "theme broken" in str(found.value) and "\n" not in str(found.value)
