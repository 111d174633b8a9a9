"""Themes: one TOML file each, with UI colours, state colours and colour maps."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

DARK = "lamella-dark"
LIGHT = "lamella-light"

STATES = ("module", "type", "tunable", "frozen", "delta", "fold", "same", "note", "muted")
"""The parts of a line of the tree that have a colour of their own."""

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ThemeFile:
    """A theme as its file says it.

    Attributes:
        name: the file's name without its ending.
        dark: whether it is meant for a dark terminal.
        ui: colours of the frame by their name in Textual's themes, as `#rrggbb`.
        states: colours by name, one for each of `STATES`, as `#rrggbb`.
        sequential: a colour map from no change to the most, at least two colours.
        diverging: a colour map from most negative over zero to most positive, an odd number.
    """

    name: str
    dark: bool
    ui: dict[str, str]
    states: dict[str, str]
    sequential: tuple[Rgb, ...]
    diverging: tuple[Rgb, ...]


def theme_names() -> list[str]:
    """The themes that come with lamella, the default first."""
    return [DARK, LIGHT]


def load_theme(name: str) -> ThemeFile:
    """Read one of the bundled themes.

    Raises:
        FileNotFoundError: there is none of that name.
        ValueError: the file is not a theme.
    """
    return parse_theme(name, (Path(__file__).parent / f"{name}.toml").read_text("utf-8"))


def parse_theme(name: str, text: str) -> ThemeFile:
    """A theme from the text of its file.

    Raises:
        ValueError: a part is missing or is no colour.
    """
    raw = tomllib.loads(text)
    try:
        states = {state: str(raw["states"][state]) for state in STATES}
        return ThemeFile(
            name=name,
            dark=bool(raw["dark"]),
            ui={key: str(value) for key, value in raw["ui"].items()},
            states=states,
            sequential=tuple(rgb(color) for color in raw["maps"]["sequential"]),
            diverging=tuple(rgb(color) for color in raw["maps"]["diverging"]),
        )
    except (KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"theme {name}: {error} is missing or of the wrong kind") from None


def rgb(color: str) -> Rgb:
    """Three integers from `#rrggbb`.

    Raises:
        ValueError: it is not a colour.
    """
    if len(color) != 7 or color[0] != "#":
        raise ValueError(f"{color!r} is not a colour like #4090ff")
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
