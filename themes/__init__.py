"""Themes: one TOML file each, with UI colours, state colours and colour maps."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspect_core.errors import LamellaError

DARK = "lamella-dark"
LIGHT = "lamella-light"
BUNDLED = (DARK, LIGHT, "lamella-colorblind", "lamella-contrast")
"""The themes that come with lamella, the default first."""

STATES = ("module", "type", "tunable", "frozen", "delta", "fold", "same", "note", "muted")
"""The parts of a line of the tree that have a colour of their own."""

UI = ("primary", "secondary", "warning", "error", "success", "accent", "foreground",
      "background", "surface", "panel", "boost")  # fmt: skip
"""Colours of the frame, by their names in Textual's themes."""

CELLS = ("negative", "positive", "levels")
"""What the cells of a heatmap are in one of sixteen colours."""

ANSI_COLORS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
"""The eight colours of a terminal, in its own order; `bright_` before a name is another eight."""

ANSI_ATTRIBUTES = ("bold", "dim", "underline")

ANSI_DARK = {
    "module": "", "type": "green", "tunable": "bright_blue", "frozen": "dim",
    "delta": "bright_magenta", "fold": "bright_red", "same": "dim", "note": "bright_yellow",
    "muted": "dim", "negative": "bright_blue", "positive": "yellow", "levels": "cyan",
}  # fmt: skip
"""Sixteen colours on a dark terminal. Grey is the terminal's own colour, dimmed: its bright black
is the background in more than one well-known set of colours."""

ANSI_LIGHT = {
    **ANSI_DARK, "tunable": "blue", "delta": "magenta", "fold": "red", "note": "bold red",
    "negative": "blue", "positive": "red", "levels": "blue",
}  # fmt: skip
"""Sixteen colours on a light terminal."""

FIRST_CODE, LAST_CODE = 16, 255
"""The codes of xterm's 256 colours that are the same everywhere."""

Rgb = tuple[int, int, int]


class ThemeError(LamellaError, ValueError):
    """A theme that is not there, or is none."""


class NoSuchTheme(ThemeError):  # noqa: N818 - it is an error by its family
    """There is no theme of this name."""


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
        xterm_sequential: the same as codes of xterm's 256 colours; empty to find them.
        xterm_diverging: the same as codes of xterm's 256 colours; empty to find them.
        ansi: for a terminal of sixteen colours, by `STATES` and `CELLS`: one of `ANSI_COLORS`,
            bright or not, and `ANSI_ATTRIBUTES`, in words.
    """

    name: str
    dark: bool
    ui: dict[str, str]
    states: dict[str, str]
    sequential: tuple[Rgb, ...]
    diverging: tuple[Rgb, ...]
    xterm_sequential: tuple[int, ...] = ()
    xterm_diverging: tuple[int, ...] = ()
    ansi: dict[str, str] = field(default_factory=dict)


def bundled_text(name: str) -> str:
    """The file of a bundled theme."""
    return (Path(__file__).parent / f"{name}.toml").read_text("utf-8")


def load_theme(name: str) -> ThemeFile:
    """Read a theme: a bundled one, or one of the user's own (see `themes.own`).

    Raises:
        NoSuchTheme: there is none of that name.
        ThemeError: its file is not a theme.
    """
    if name in BUNDLED:
        return parse_theme(name, bundled_text(name))
    from themes.own import load_own  # noqa: PLC0415 - most runs have no own theme

    return load_own(name)


def theme_names() -> list[str]:
    """The bundled themes, the default first, then the user's own by name; none is read."""
    from themes.own import own_names  # noqa: PLC0415 - most runs have no own theme

    return [*BUNDLED, *own_names()]


def parse_theme(name: str, text: str) -> ThemeFile:
    """A theme from the text of a file that has all its parts.

    Raises:
        ThemeError: a part is missing, or is no colour.
    """
    return theme_of(name, parse_toml(name, text))


def parse_toml(name: str, text: str) -> dict[str, Any]:
    """The tables of a theme's file.

    Raises:
        ThemeError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of a number of 5,000 digits a plain one
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ThemeError(f"not TOML: {what}", where=f"theme {name}") from None


def theme_of(name: str, raw: dict[str, Any]) -> ThemeFile:
    """A theme from its tables.

    Raises:
        ThemeError: a part is missing, or is no colour.
    """
    try:
        dark = raw["dark"]
        if not isinstance(dark, bool):
            raise ValueError("dark is true or false")
        maps, ansi = raw["maps"], _table(raw.get("ansi", {}), "ansi")
        xterm = _table(maps.get("xterm", {}), "maps.xterm")
        return ThemeFile(
            name=name,
            dark=dark,
            ui={key: _hex(_table(raw["ui"], "ui")[key], f"ui.{key}") for key in UI},
            states={
                key: _hex(_table(raw["states"], "states")[key], f"states.{key}") for key in STATES
            },
            sequential=_map(maps["sequential"], "sequential"),
            diverging=_map(maps["diverging"], "diverging"),
            xterm_sequential=_codes(xterm.get("sequential", []), "sequential"),
            xterm_diverging=_codes(xterm.get("diverging", []), "diverging"),
            ansi={
                key: _ansi(ansi.get(key, default), key)
                for key, default in (ANSI_DARK if dark else ANSI_LIGHT).items()
            },
        )
    except KeyError as error:
        raise ThemeError(f"{error.args[0]} is missing", where=f"theme {name}") from None
    except (TypeError, AttributeError):
        raise ThemeError("a part is of the wrong kind", where=f"theme {name}") from None
    except ValueError as error:
        raise ThemeError(str(error), where=f"theme {name}") from None


def rgb(color: str) -> Rgb:
    """Three integers from `#rrggbb`.

    Raises:
        ValueError: it is not a colour.
    """
    digits = color[1:] if isinstance(color, str) else ""
    if len(digits) != 6 or color[0] != "#" or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f"{color!r:.60} is not a colour like #4090ff")
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def _table(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not a table")
    return value


def _hex(value: str, what: str) -> str:
    try:
        rgb(value)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    return value.lower()


def _map(value: object, what: str) -> tuple[Rgb, ...]:
    """The colours of a map: two at least, and a middle for the one with two arms."""
    if not isinstance(value, list) or not 2 <= len(value) <= 64:
        raise ValueError(f"maps.{what} is not a list of 2 to 64 colours")
    if what == "diverging" and len(value) % 2 == 0:
        raise ValueError("maps.diverging has no middle: it needs an odd number of colours")
    return tuple(rgb(color) for color in value)


def _codes(value: object, what: str) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > 64 or len(value) == 1:
        raise ValueError(f"maps.xterm.{what} is not a list of 2 to 64 codes")
    if not all(type(code) is int and FIRST_CODE <= code <= LAST_CODE for code in value):
        raise ValueError(f"maps.xterm.{what}: a code is a number from {FIRST_CODE} to {LAST_CODE}")
    if what == "diverging" and value and len(value) % 2 == 0:
        raise ValueError("maps.xterm.diverging has no middle: it needs an odd number of codes")
    return tuple(value)


def _ansi(value: object, what: str) -> str:
    words = value.split() if isinstance(value, str) else [""]
    colors = [word for word in words if word not in ANSI_ATTRIBUTES]
    if len(colors) > 1 or any(c.removeprefix("bright_") not in ANSI_COLORS for c in colors):
        raise ValueError(
            f"ansi.{what}: {value!r:.60} is not one of {', '.join(ANSI_COLORS)},"
            " bright_ before it or not"
        )
    return " ".join(words)
