"""Every theme can be read, and read on: contrast, order of its maps, names for Textual."""

import itertools

import pytest

from themes import STATES, load_theme, parse_theme, rgb, theme_names
from tui.palette import LEVELS, make_palette
from tui.theme import textual_theme

READABLE = 4.5
"""WCAG 2.1, 1.4.3: the least contrast of text."""


@pytest.fixture(params=theme_names())
def theme(request):
    return load_theme(request.param)


def luminance(color):
    """Relative luminance by WCAG 2.1."""
    parts = [part / 255 for part in color]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("state", [*STATES, "foreground", "error", "warning"])
def test_text_is_readable_on_the_background(theme, state):
    color = rgb({**theme.ui, **theme.states}[state])
    assert contrast(color, rgb(theme.ui["background"])) >= READABLE


def test_bars_are_readable_on_their_panel(theme):
    for state in ("module", "type", "muted", "note"):
        assert contrast(rgb(theme.states[state]), rgb(theme.ui["panel"])) >= READABLE, state


def test_a_dark_theme_is_dark(theme):
    assert theme.dark == (luminance(rgb(theme.ui["background"])) < 0.5)


def test_states_that_stand_beside_each_other_differ(theme):
    for one, other in itertools.combinations(("tunable", "frozen", "delta", "fold", "type"), 2):
        assert theme.states[one] != theme.states[other]


def test_the_sequential_map_goes_away_from_the_background(theme):
    ramp = make_palette(theme).sequential
    assert len(ramp) == LEVELS
    steps = [luminance(color) for color in ramp]
    assert steps == sorted(steps, reverse=not theme.dark)
    assert contrast(ramp[0], rgb(theme.ui["background"])) < 1.2
    assert contrast(ramp[-1], rgb(theme.ui["background"])) > 7


def test_the_diverging_map_has_its_middle_at_zero_and_two_arms(theme):
    ramp = make_palette(theme).diverging
    assert len(ramp) == LEVELS + 1
    assert contrast(ramp[LEVELS // 2], rgb(theme.ui["background"])) < 1.2
    below = [luminance(color) for color in ramp[: LEVELS // 2 + 1]]
    above = [luminance(color) for color in ramp[LEVELS // 2 :]]
    assert below == sorted(below, reverse=theme.dark)
    assert above == sorted(above, reverse=not theme.dark)
    for low, high in zip(ramp[:8], ramp[: LEVELS - 8 : -1], strict=False):
        assert low[2] > low[0] and high[0] > high[2], "blue is less, red is more"


def test_textual_takes_it(theme):
    made = textual_theme(theme)
    assert made.name == theme.name
    variables = made.to_color_system().generate()
    assert variables["background"].lower() == theme.ui["background"]
    assert {f"state-{state}" for state in STATES} <= set(made.variables)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('muted = "', 'mutter = "'),
        ('"#10141b"', '"#10141"'),
        ("[maps]", "[cards]"),
        ("dark = true", ""),
        ("sequential = [", "sequential = [5, "),
        ('tunable = "#5aa9ff"', 'tunable = "blue"'),
    ],
)
def test_a_broken_theme_is_a_value_error(old, new):
    from importlib import resources

    text = resources.files("themes").joinpath("lamella-dark.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(ValueError):
        make_palette(parse_theme("broken", text.replace(old, new)))
