"""Which names a placement takes: the rules of PEFT 0.21, on paths alone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.plan.addressing import Budget, expression
from inspect_core.plan.plan import Place

if TYPE_CHECKING:
    import regex

_PLAIN = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A placement, resolved as PEFT does before it looks at modules.

    Attributes:
        targets: ends of names; None where `expression` stands instead.
        expression: one regular expression over whole names.
        parameters: ends of the names of parameters that are adapted themselves.
        ranks: rank by pattern, in order.
        saved: modules that are trained whole.
        feedforward: ends of names, of IA3.
        remapped: targets of the plan -> what PEFT makes of them, where that is another name.
        spared: those of `saved` that no adapter is put on.
    """

    targets: tuple[str, ...] | None
    expression: str
    parameters: tuple[str, ...]
    ranks: Mapping[str, int]
    saved: tuple[str, ...]
    feedforward: tuple[str, ...]
    remapped: Mapping[str, str]
    spared: tuple[str, ...]


class Ends:
    """Names and ends of names: which of them a path is, or ends in after a dot."""

    def __init__(self, ends: Sequence[str]) -> None:
        self._ends = frozenset(ends)
        few = len(self._ends) < 8
        self._tuple = tuple(f".{end}" for end in self._ends) if few else ()

    def __bool__(self) -> bool:
        return bool(self._ends)

    def which(self, path: str) -> list[str]:
        """Those that fit."""
        ends = self._ends
        if not ends or (self._tuple and path not in ends and not path.endswith(self._tuple)):
            return []
        return [tail for tail in tails(path) if tail in ends]


def tails(path: str) -> Iterator[str]:
    """A path, and what is after each of its dots: the longest first."""
    yield path
    start = path.find(".")
    while start >= 0:
        yield path[start + 1 :]
        start = path.find(".", start + 1)


class Selection:
    """PEFT's choice among paths for one resolved placement.

    Args:
        place: the placement.
        wanted: what it comes to.
        budget: time for its expressions.
    """

    def __init__(self, place: Place, wanted: Wanted, budget: Budget) -> None:
        self._budget = budget
        self._layers = frozenset(place.layers or ())
        self._lists = place.layers_pattern
        self._targets = Ends(wanted.targets or ())
        self._whole = frozenset(wanted.targets or ())
        self._expression = expression(wanted.expression) if wanted.expression else None
        self._excluded = Ends(place.exclude)
        self._saved = [_inside(name) for name in wanted.spared]
        self._in_list = [
            expression(rf"(?:^|.*?\.){name}\.(?P<idx>\d+)\.", name) for name in place.layers_pattern
        ]

    def excluded(self, path: str) -> list[str]:
        """The entries of `exclude_modules` that a path fits."""
        return self._excluded.which(path)

    def saved(self, path: str) -> bool:
        """Whether a module lies in one that is trained whole, by PEFT's expression."""
        dotted = f".{path}."
        for plain, compiled in self._saved:
            if plain and plain in dotted:
                return True
            if compiled is not None and self._budget.fits(compiled, path, full=False):
                return True
        return False

    def targets(self, path: str) -> list[str]:
        """The targets that take a module; those of the expression are itself."""
        if self._expression is not None:
            fits = self._budget.fits(self._expression, path)
            return [str(getattr(self._expression, "pattern", ""))] if fits else []
        found = self._targets.which(path)
        if not found or path in self._whole or not self._layers:
            return found
        return found if self._layer(path) in self._layers else []

    def _layer(self, path: str) -> int | None:
        """The number of a module's layer as PEFT reads it."""
        if not self._lists:
            parts = path.split(".")
            places = range(2, len(parts) - 1)
            number = next((parts[at] for at in places if _is_number(parts[at])), None)
            return None if number is None else int(number)
        for compiled in self._in_list:
            number = self._budget.group(compiled, path, "idx")
            if number is not None:
                return int(number)
        return None


def _is_number(part: str) -> bool:
    return part.isdecimal() and len(part) < 10


def _inside(name: str) -> tuple[str, "regex.Pattern[str] | None"]:
    """How to tell that a path lies in a saved module: PEFT takes the name for an expression."""
    if _PLAIN.fullmatch(name):
        return f".{name}.", None
    return "", expression(rf"(^|.*\.){name}($|\..*)", name)


class PatternKeys:
    """`rank_pattern` and its like: the first key that fits the end of a path.

    Args:
        values: what each key stands for.
        budget: time for the keys that are expressions.
    """

    def __init__(self, values: Mapping[str, float], budget: Budget) -> None:
        self._values = values
        self._budget = budget
        self._order = {key: at for at, key in enumerate(values)}
        self._plain = Ends([key for key in values if _PLAIN.fullmatch(key)])
        odd = [key for key in values if not _PLAIN.fullmatch(key)]
        self._odd = [(key, expression(rf"(.*\.)?({key})$", key)) for key in odd]

    def key(self, path: str) -> str | None:
        """The key that fits a path."""
        if not self._order:
            return None
        found = [(self._order[key], key) for key in self._plain.which(path)]
        for key, compiled in self._odd:
            if found and self._order[key] > found[0][0]:
                break
            if self._budget.fits(compiled, path, full=False):
                found.append((self._order[key], key))
                break
        # As in peft, a module of just the name of a later key still takes the first that fits.
        return min(found)[1] if found else None
