"""Ranks and scales by patterns, found for all modules of an adapter at once.

PEFT takes the first pattern of its list that fits the end of a module's name, at the start of a
component, as a regular expression. A stranger's expressions are run by the `regex` package
under a limit of time for all of them together; what they cannot settle is not known.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

from inspect_core.checkpoint.adapter_config import AdapterConfig, is_plain
from inspect_core.limited_regex import compiled

SECONDS = 1.0
"""Time that all expressions of one adapter may take."""

LONGEST = 1000
"""Characters of the longest expression that is run."""

MOST_EXPRESSIONS = 2000
"""Expressions of one list that are run; what more of them could settle is not known."""

MOST_COMPARED = 5_000_000
"""Patterns times modules beyond which plain patterns are looked up by their last component."""

Number = TypeVar("Number", int, float)
Fits = Callable[[str], bool]


class UnknownError(Exception):
    """An expression that cannot be run, or that takes too long."""


@dataclass(frozen=True, slots=True)
class ResolvedConfig(AdapterConfig):
    """A config whose ranks and scales are known by the full names of the modules.

    Attributes:
        ranks: rank of each module; None where it is not known.
        alphas: numerator of the scale of each module; None likewise.
    """

    ranks: Mapping[str, int | None] = field(default_factory=dict)
    alphas: Mapping[str, float | None] = field(default_factory=dict)

    def rank_of(self, module: str) -> int | None:
        """See `AdapterConfig`."""
        return self.ranks.get(module)

    def alpha_of(self, module: str) -> float | None:
        """See `AdapterConfig`."""
        return self.alphas.get(module)


def resolved(config: AdapterConfig, modules: Mapping[str, int | None]) -> ResolvedConfig:
    """A config with the ranks and scales of these modules.

    Where an expression in the way cannot be run, those of a module are not known.

    Args:
        config: as it was read.
        modules: rank of the stored factors, None where it is not known, by the name without the
            adapter's own prefix; foreign. It decides between several patterns that fit a module:
            PEFT stores them in another order than it used them in.
    """
    clock = Clock()
    ranks = _numbers(config.rank_pattern, config.rank, modules, clock)
    alphas = _numbers(config.alpha_pattern, config.alpha, dict.fromkeys(modules), clock)
    known = {one.name: getattr(config, one.name) for one in fields(AdapterConfig)}
    return ResolvedConfig(**known, ranks=ranks, alphas=alphas)


def _numbers(
    patterns: Mapping[str, Number],
    default: Number | None,
    modules: Mapping[str, int | None],
    clock: "Clock",
) -> dict[str, Number | None]:
    """The number of each module; None where it is not known."""
    if not patterns:
        return dict.fromkeys(modules, default)
    tests = _tests(patterns, len(modules), clock)
    found: dict[str, Number | None] = {}
    for name, stored in modules.items():
        first: Number | None = None
        try:
            for pattern, fits in tests(name):
                if fits(name) and (first is None or patterns[pattern] == stored):
                    first = patterns[pattern]
                    if stored is None or first == stored:
                        break
            found[name] = default if first is None else first
        except UnknownError:
            found[name] = first
    return found


def _tests(
    patterns: Mapping[str, object], modules: int, clock: "Clock"
) -> Callable[[str], list[tuple[str, Fits]]]:
    """The patterns that may fit a module, in their order."""
    made: list[tuple[str, Fits]] = []
    expressions = 0
    for pattern in patterns:
        if is_plain(pattern):
            made.append((pattern, _plain(pattern)))
        elif expressions < MOST_EXPRESSIONS:
            expressions += 1
            made.append((pattern, runnable(rf"(.*\.)?({pattern})$", clock)))
        else:
            # One that settles nothing stands for all that follow.
            made.append((pattern, _refused))
            break
    if len(made) * modules <= MOST_COMPARED:
        return lambda _: made
    by_last: dict[str, list[int]] = {}
    others = []
    for at, (pattern, _) in enumerate(made):
        if is_plain(pattern):
            by_last.setdefault(pattern.rpartition(".")[2], []).append(at)
        else:
            others.append(at)
    return lambda name: [
        made[at] for at in sorted([*by_last.get(name.rpartition(".")[2], ()), *others])
    ]


def _plain(pattern: str) -> Fits:
    """A name as an expression: a dot is any character there."""
    size = len(pattern)
    solid = [at for at, letter in enumerate(pattern) if letter != "."]

    def fits(name: str) -> bool:
        start = len(name) - size
        if start < 0 or (start and name[start - 1] != "."):
            return False
        if name.endswith(pattern):
            return True
        return all(name[start + at] == pattern[at] for at in solid)

    return fits


def runnable(pattern: str, clock: "Clock", whole: bool = False) -> Fits:
    """An expression that is run under a limit of time; compiling it is a part of that.

    Args:
        pattern: it; foreign.
        clock: the time that is left.
        whole: whether it must fit a whole name, and not only its beginning.

    Returns:
        Whether a name fits; it raises `UnknownError` where that cannot be said.
    """
    if len(pattern) > LONGEST:
        return _refused
    try:
        with clock:
            made = compiled(pattern)
    except (ValueError, UnknownError):
        return _refused
    match = made.fullmatch if whole else made.match

    def fits(name: str) -> bool:
        with clock:
            try:
                return match(name, timeout=clock.left) is not None
            except TimeoutError as error:
                raise UnknownError from error

    return fits


def _refused(name: str) -> bool:
    raise UnknownError


class Clock:
    """The time that is left for expressions; a context manager around each run."""

    def __init__(self) -> None:
        self.left = SECONDS
        self._since = 0.0

    def __enter__(self) -> "Clock":
        if self.left <= 0:
            raise UnknownError
        self._since = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.left -= time.monotonic() - self._since
