"""Shell patterns over the names of tensors and modules: `*`, `?` and `[ ]`; `{n}` is a number."""

import fnmatch
import re
from collections.abc import Callable, Iterable

NUMBER = "{n}"
"""Stands in a pattern for digits, and in the name of a kind for the number of a layer."""

_DIGITS, _STAND_IN = "[0-9]{1,19}+", "\ufdd0"


def fitting(pattern: str) -> Callable[[str], bool]:
    """Whether a tensor's name, or a module on the way to it, fits a pattern or is just that."""
    inside = f"{pattern}."
    fits = re.compile(f"{translated(pattern)}|{translated(inside + '*')}").match
    return lambda name: name == pattern or name.startswith(inside) or fits(name) is not None


def first_fit(pattern: str, names: Iterable[str]) -> str | None:
    """The path of the first tensor, or of the outermost module above it, that fits a pattern."""
    found = next(filter(fitting(pattern), names), None)
    if found is None:
        return None
    fits = re.compile(translated(pattern)).match
    parts = found.split(".")
    paths = (".".join(parts[:length]) for length in range(1, len(parts)))
    return next((path for path in paths if path == pattern or fits(path)), found)


def translated(pattern: str) -> str:
    """The pattern as a regular expression; the stand-in is no character of any text."""
    return fnmatch.translate(pattern.replace(NUMBER, _STAND_IN)).replace(_STAND_IN, _DIGITS)
