"""Which modules and parameters a pattern means, with a limit on the time it may take.

A pattern reaches what fits it and everything below: the end-match of `attention` takes the
parameters of every module of that name, `layer.0` those of every module whose path ends so.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Pattern
from inspect_core.structure.patterns import translated
from inspect_core.text import clean

if TYPE_CHECKING:
    import regex

LONGEST = 4_096
"""Characters of an expression or of a shell pattern."""

PATIENCE = 5.0
"""Seconds that all expressions of a plan together may take."""

EVERYTHING = Pattern("", "exact")
"""All parameters of the model."""


class Budget:
    """The time that expressions have left.

    Args:
        seconds: for all of them together.
    """

    def __init__(self, seconds: float = PATIENCE) -> None:
        self.left = seconds

    def fits(self, compiled: "regex.Pattern[str]", text: str, full: bool = True) -> bool:
        """Whether an expression fits a whole text, or its beginning.

        Raises:
            UsageError: no time is left.
        """
        return self._match(compiled, text, full) is not None

    def group(self, compiled: "regex.Pattern[str]", text: str, name: str) -> str | None:
        """A named group of an expression that fits the beginning of a text; None if none does.

        Raises:
            UsageError: no time is left.
        """
        found = self._match(compiled, text, full=False)
        return None if found is None else found.group(name)

    def _match(
        self, compiled: "regex.Pattern[str]", text: str, full: bool
    ) -> "regex.Match[str] | None":
        start = time.perf_counter()
        match = compiled.fullmatch if full else compiled.match
        try:
            found = match(text, timeout=max(self.left, 1e-6))
        except TimeoutError:
            self.left = 0
            found = None
        self.left -= time.perf_counter() - start
        if self.left <= 0:
            raise UsageError(
                "the plan's expressions take too long on this model's names",
                where=clean(compiled.pattern, 60),
                hint="write them without repeats inside repeats",
            )
        return found


def expression(text: str, inner: str = "") -> "regex.Pattern[str]":
    """A user's regular expression, compiled so that it can be stopped.

    Args:
        text: what is compiled.
        inner: what the user typed, for the message; `text` where it is empty.

    Raises:
        UsageError: it is none, too long, or `re` and what runs it here would read it in two ways.
    """
    shown = clean(inner or text, 60)
    if len(text) > LONGEST:
        raise UsageError(f"an expression of {len(text):,} characters is too long", where=shown)
    from inspect_core.limited_regex import compiled

    try:
        return compiled(text)
    except ValueError as error:
        raise UsageError(clean(str(error)), where=shown) from None


class Matcher:
    """Patterns, ready to be asked which of them a path fits.

    Ends and exact names are looked up; shell patterns and expressions are tried one by one.

    Args:
        patterns: what to look for.
        budget: time for shell patterns and expressions.

    Raises:
        UsageError: a pattern is empty, or not one.
    """

    def __init__(self, patterns: Sequence[Pattern], budget: Budget) -> None:
        self.patterns = tuple(patterns)
        self._budget = budget
        self._ends: dict[str, list[int]] = {}
        self._exact: dict[str, list[int]] = {}
        self._tried: list[tuple[int, regex.Pattern[str]]] = []
        for at, pattern in enumerate(patterns):
            self._add(at, pattern)
        self._one_by_one = tuple(f".{end}" for end in self._ends) if len(self._ends) < 8 else ()

    def _add(self, at: int, pattern: Pattern) -> None:
        if pattern.how == "exact":
            self._exact.setdefault(pattern.text, []).append(at)
        elif not pattern.text:
            raise UsageError("an empty pattern", hint="give a name, or the end of one")
        elif pattern.how == "end":
            self._ends.setdefault(pattern.text, []).append(at)
        elif pattern.how == "glob":
            text = translated(pattern.text)
            self._tried.append((at, expression(text, pattern.text)))
        else:
            self._tried.append((at, expression(pattern.text)))

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def which(self, path: str) -> list[int]:
        """The patterns that a path itself fits, whatever is above it."""
        found = list(self._exact.get(path, ()))
        ends = self._ends
        if ends and (not self._one_by_one or path in ends or path.endswith(self._one_by_one)):
            found += ends.get(path, ())
            start = path.find(".")
            while start >= 0:
                found += ends.get(path[start + 1 :], ())
                start = path.find(".", start + 1)
        for at, compiled in self._tried:
            if self._budget.fits(compiled, path):
                found.append(at)
        return found


def inherited(
    matcher: Matcher, paths: Sequence[str], parent: Sequence[int]
) -> list[tuple[int, ...]]:
    """For each module the patterns that it, or one above it, fits.

    Args:
        matcher: the patterns.
        paths: module paths, parents first.
        parent: for each module the one above it.
    """
    found: list[tuple[int, ...]] = []
    for module, path in enumerate(paths):
        above = found[parent[module]] if module else ()
        own = matcher.which(path)
        more = [at for at in own if at not in above] if own else own
        found.append((*above, *dict.fromkeys(more)) if more else above)
    return found


def reaching(matcher: Matcher, above: tuple[int, ...], path: str, tail: str) -> tuple[int, ...]:
    """The patterns that reach a parameter: by a module above it, or by its own name.

    Args:
        matcher: the patterns.
        above: those that the module fits, or one above that.
        path: the module.
        tail: what its name has after that, dots allowed.
    """
    own: list[int] = []
    before = f"{path}." if path else ""
    at = tail.find(".", 1)  # a name that begins with a dot is in no module
    while True:
        inside = before + (tail if at < 0 else tail[:at])
        own += [one for one in matcher.which(inside) if one not in above]
        if at < 0:
            break
        at = tail.find(".", at + 1)
    return (*above, *dict.fromkeys(own)) if own else above
