"""The user's own themes: `lamella/themes/*.toml` in the folder for configuration.

A file may begin with `extends = "lamella-dark"` (or another own theme) and say only what
differs. The names of the bundled themes are taken: who asks for one of them gets that one.
"""

import os
import re
import stat
from itertools import islice
from pathlib import Path
from typing import Any

from themes import BUNDLED, NoSuchTheme, ThemeError, ThemeFile, bundled_text, parse_toml, theme_of

MOST_BYTES = 64 << 10
"""A larger file is not a theme."""

MOST_FILES = 1000
"""Entries of the folder that are looked at."""

MOST_EXTENDED = 8
"""Themes on the way from one to what it extends in the end."""

_ENDING = ".toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def own_folder() -> Path:
    """Where the user's own themes are, whether it exists or not."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "lamella" / "themes"


def own_names() -> list[str]:
    """Names of own themes that can be asked for, sorted; no file is read."""
    return sorted(name for name in _files() if _NAME.fullmatch(name) and name not in BUNDLED)


def own_problems() -> list[str]:
    """One line for each file that cannot be used, safe to show; every file is read."""
    found = []
    for name in sorted(_files()):
        try:
            if not _NAME.fullmatch(name):
                what = "the name of a theme has letters, digits, - and _"
                raise ThemeError(what, where=f"theme {name}")
            if name in BUNDLED:
                raise ThemeError(
                    "a bundled theme has this name",
                    where=f"theme {name}",
                    hint=f"name the file {own_folder()} otherwise, and say extends = '{name}'",
                )
            load_own(name)
        except ThemeError as error:
            found.append(str(error))
    return found


def load_own(name: str) -> ThemeFile:
    """Read one of the user's own themes.

    Args:
        name: the file's name without its ending; foreign text.

    Raises:
        NoSuchTheme: there is none of that name.
        ThemeError: its file is not a theme.
    """
    return theme_of(name, _tables(name, ()))


def _files() -> list[str]:
    """Names of the files in the folder that end like themes, in no order."""
    try:
        with os.scandir(own_folder()) as entries:
            names = [entry.name for entry in islice(entries, MOST_FILES)]
    except OSError:
        return []
    return [name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING)]


def _tables(name: str, extended_by: tuple[str, ...]) -> dict[str, Any]:
    """The tables of a theme, over those of what it extends."""
    if name in BUNDLED:
        return parse_toml(name, bundled_text(name))
    raw = parse_toml(name, _text(name))
    base = raw.pop("extends", None)
    if base is None:
        return raw
    if not isinstance(base, str):
        raise ThemeError("extends is not a name", where=f"theme {name}")
    chain = (*extended_by, name)
    if base in chain or len(chain) > MOST_EXTENDED:
        raise ThemeError("it extends itself in the end", where=f"theme {name}")
    below = _tables(base, chain)
    theme_of(base, below)  # a broken one is said by its own name
    return _over(below, raw)


def _over(base: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """The tables of a theme over those of another: what is not said stays."""
    made: dict[str, Any] = dict(base)
    for key, value in raw.items():
        known = base.get(key)
        made[key] = value
        if isinstance(known, dict) and isinstance(value, dict):
            made[key] = {**known, **value}
    own, codes = raw.get("maps"), base["maps"].get("xterm", {})
    if isinstance(own, dict):
        # The codes of the other theme are for the other theme's maps.
        kept = {key: code for key, code in codes.items() if key not in own}
        new = own.get("xterm", {})
        made["maps"]["xterm"] = {**kept, **new} if isinstance(new, dict) else new
    return made


def _text(name: str) -> str:
    """The text of a theme's file, which may be anything: a pipe, a device, a picture."""
    if not _NAME.fullmatch(name):
        raise unknown_theme(name)
    path = own_folder() / f"{name}{_ENDING}"
    where = str(path)
    try:
        # A pipe without a writer would wait for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ThemeError("not a file", where=where)
            data = os.read(handle, MOST_BYTES + 1)
        finally:
            os.close(handle)
    except FileNotFoundError:
        raise unknown_theme(name) from None
    except OSError as error:
        raise ThemeError(f"cannot be read: {error.strerror}", where=where) from None
    if len(data) > MOST_BYTES:
        raise ThemeError(f"larger than {MOST_BYTES >> 10} KiB: not a theme", where=where)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ThemeError("not text in UTF-8", where=where) from None


def unknown_theme(name: str) -> NoSuchTheme:
    """The error for a name that is none, with those that are."""
    names = ", ".join([*BUNDLED, *own_names()])
    return NoSuchTheme("no theme of this name", where=name, hint=f"there are {names}")
