"""What the terminal can show, and how the user wants it; knows no Textual, printing needs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len

from themes import DARK, LIGHT, NoSuchTheme, ThemeError, ThemeFile, load_theme
from tui.palette import Depth

DEPTHS = ("auto", *(depth.value for depth in reversed(Depth)))
"""Values of `--colors`."""

_COLORLESS_TERMS = ("dumb", "unknown", "vt52", "vt100", "vt102", "vt220", "")
_TRUE_TERMS = ("xterm-kitty", "xterm-ghostty", "alacritty", "wezterm", "foot", "contour")

_LIKE = {
    "-": "─━═▔▁–—", "|": "│┃║▏▕▎▌▐▊", "+": "┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝◆", "#": "█■▓", ":": "▒", ".": "░·•",
    "*": "●", "o": "○", ">": "▸▶→❯", "v": "▾▼↓", "^": "▲↑", "<": "←◀", "x": "×✕", "~": "…",
    "=": "≡", "_": "␣", " ": "▂▃▄▅▆▇▀▉▋▍⎯\N{NO-BREAK SPACE}", "'": "‘’", '"': "“”",
}  # fmt: skip
"""Characters by what is like them in ASCII: frames, marks, and the ends of scroll bars."""

_PLAIN = str.maketrans({c: like for like, chars in _LIKE.items() for c in chars} | {"🔎": "/ "})


def find_depth(asked: str, environ: Mapping[str, str]) -> Depth:
    """How many colours the terminal has.

    Args:
        asked: one of `DEPTHS`; what is not `auto` is so.
        environ: the environment: `NO_COLOR`, `COLORTERM`, `TERM` and `STY` are looked at.
    """
    if asked != "auto":
        return Depth(asked)
    term = environ.get("TERM", "").lower()
    if environ.get("NO_COLOR") or term in _COLORLESS_TERMS:
        return Depth.NONE
    # GNU screen hands the terminal's COLORTERM on, and garbles what follows from it.
    in_screen = "STY" in environ and "TMUX" not in environ
    promised = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    if term != "linux" and not in_screen and (promised or _is_true(term)):
        return Depth.TRUE
    return Depth.XTERM if "256color" in term else Depth.ANSI


def _is_true(term: str) -> bool:
    return term.startswith(_TRUE_TERMS) or term.endswith("-direct")


@lru_cache(maxsize=4096)
def ascii_text(text: str) -> str:
    """A text in ASCII, as wide as it was: frames and marks by what is like them, else `?`."""
    if text.isascii():
        return text
    plain = text.translate(_PLAIN)
    return "".join([c if c.isascii() else "?" * cell_len(c) for c in plain])


@dataclass(frozen=True, slots=True)
class Look:
    """How the user wants things drawn.

    Attributes:
        theme: the name of a theme; None for the default. Foreign text.
        light: the theme for light terminals is the default.
        ascii_only: draw with ASCII alone.
        colors: one of `DEPTHS`.
    """

    theme: str | None = None
    light: bool = False
    ascii_only: bool = False
    colors: str = "auto"


def choose_theme(look: Look, last: str | None = None) -> tuple[ThemeFile, str]:
    """The theme to begin with, and what is wrong with the one that was wanted.

    Args:
        look: what was asked for now; a name that there is not is an error.
        last: what was chosen another time; a name that there is not is reported.

    Returns:
        a theme, and one line that is safe to show: empty if it is the one that was wanted.

    Raises:
        NoSuchTheme: there is no theme of the name asked for.
    """
    default = LIGHT if look.light else DARK
    wanted = look.theme or (default if look.light else last or default)
    try:
        return load_theme(wanted), ""
    except NoSuchTheme as error:
        if look.theme is not None:
            raise
        return load_theme(default), str(error)
    except ThemeError as error:
        return load_theme(default), f"{error}; {default} instead"
