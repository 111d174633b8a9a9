"""Shell patterns over the names of tensors and modules: `*`, `?` and `[ ]`."""

import fnmatch
import re
from collections.abc import Callable, Iterable


def fitting(pattern: str) -> Callable[[str], bool]:
    """Whether a tensor's name, or a module on the way to it, fits a pattern or is just that."""
    inside = f"{pattern}."
    fits = re.compile(f"{fnmatch.translate(pattern)}|{fnmatch.translate(inside + '*')}").match
    return lambda name: name == pattern or name.startswith(inside) or fits(name) is not None


def first_fit(pattern: str, names: Iterable[str]) -> str | None:
    """The path of the first tensor, or of the outermost module above it, that fits a pattern."""
    found = next(filter(fitting(pattern), names), None)
    if found is None:
        return None
    fits = re.compile(fnmatch.translate(pattern)).match
    parts = found.split(".")
    paths = (".".join(parts[:length]) for length in range(1, len(parts)))
    return next((path for path in paths if path == pattern or fits(path)), found)
