"""The fewest, shortest patterns that cover some names and none of some others."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

from inspect_core.plan.plan import Pattern
from inspect_core.plan.written.spelling import ALL
from inspect_core.structure.fold import is_index
from inspect_core.structure.patterns import NUMBER, fitting

DEEPEST = 64
"""Components of a name that are looked at; a longer one is named as a whole."""

LEAST_RUN = 4
"""So many patterns that differ in a number are written as one."""

MOST_SHORTENED = 2_000
"""More patterns than this follow no structure: none of them is looked for in the others."""


def covering(wanted: Sequence[str], others: Sequence[str]) -> tuple[Pattern, ...]:
    """Patterns that hit every wanted name and no other one.

    Whole modules where they hold nothing else, by the shortest end of their name that means
    nothing else; of the ends that do, those first that cover most. Ranges of numbered modules
    are shell patterns.

    Args:
        wanted: full names of tensors; foreign.
        others: those that must not be hit.
    """
    if not wanted:
        return ()
    if not others:
        return (ALL,)
    mixed = {path for name in others for path in _paths(name)}
    if any(name in mixed for name in wanted):  # one tensor inside another one's name
        mixed.update(others)
    outermost = {name: _outermost(name, mixed) for name in wanted}
    ends = {end for path in set(outermost.values()) for end in _ends(path)}
    for path in mixed:
        ends.difference_update(_all_ends(path))
    chosen, left = _chosen(wanted, ends, _paths)
    exact = dict.fromkeys([outermost[name] for name in left])
    patterns = [Pattern(end) for end in chosen] + [Pattern(path, "exact") for path in exact]
    if len(patterns) > MOST_SHORTENED:
        return tuple(patterns)
    return tuple(_in_short(patterns, list(mixed)))


def ends_of(wanted: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """Ends of names that fit every wanted name and no other one, as `target_modules` takes them.

    Unlike `covering` they mean the modules themselves, not what is in them. Empty where some
    wanted name has no such end.

    Args:
        wanted: paths of modules; foreign.
        others: those that must not be hit.
    """
    ends = {end for path in wanted for end in _ends(path)}
    for path in others:
        ends.difference_update(_all_ends(path))
    chosen, left = _chosen(wanted, ends, lambda path: [path])
    return () if left else tuple(chosen)


def _paths(name: str) -> Iterator[str]:
    """A name and the modules on the way to it, the root left out.

    A name that begins with a dot is in no module.
    """
    parts = name.split(".", DEEPEST)
    for length in range(1, len(parts)):
        if parts[0]:
            yield ".".join(parts[:length])
    yield name


def _outermost(name: str, mixed: set[str]) -> str:
    """The outermost module around a name in which everything is wanted, or the name itself."""
    return next((path for path in _paths(name) if path not in mixed), name)


def _all_ends(path: str) -> Iterator[str]:
    yield path
    at = path.find(".")
    while at >= 0:
        yield path[at + 1 :]
        at = path.find(".", at + 1)


def _ends(path: str) -> Iterator[str]:
    """Ends of a path that say something: none begins with a number, but for the whole path."""
    for end in _all_ends(path):
        if end and (end == path or not is_index(end.partition(".")[0])):
            yield end


def _chosen(
    wanted: Sequence[str], ends: set[str], reached_by: Callable[[str], Iterable[str]]
) -> tuple[list[str], list[str]]:
    """Ends chosen greedily, in the order of the names, and the names that none of them covers.

    Args:
        wanted: the names.
        ends: those to choose from.
        reached_by: the paths by which a name can be hit.
    """
    covers: dict[str, list[int]] = {}
    hits_of: dict[str, tuple[str, ...]] = {}
    for at, name in enumerate(wanted):
        for end in _hits(reached_by(name), ends, hits_of):
            covers.setdefault(end, []).append(at)
    done = bytearray(len(wanted))
    heap = [_rank(end, len(found), found[0]) for end, found in covers.items()]
    heapq.heapify(heap)
    chosen: list[tuple[int, str]] = []
    while heap:
        gain, _, _, first, end = heap[0]
        fresh = sum(not done[at] for at in covers[end])
        if fresh != -gain:
            heapq.heappop(heap)
            if fresh:
                heapq.heappush(heap, _rank(end, fresh, first))
            continue
        heapq.heappop(heap)
        chosen.append((first, end))
        for at in covers[end]:
            done[at] = 1
    left = [name for at, name in enumerate(wanted) if not done[at]]
    return [end for _, end in sorted(chosen)], left


def _rank(end: str, gain: int, first: int) -> tuple[int, int, int, int, str]:
    return -gain, end.count("."), len(end), first, end


def _hits(paths: Iterable[str], ends: set[str], known: dict[str, tuple[str, ...]]) -> Iterable[str]:
    """The ends that fit one of some paths, each once."""
    found: dict[str, None] = {}
    for path in paths:
        own = known.get(path)
        if own is None:
            own = known[path] = tuple([end for end in _all_ends(path) if end in ends])
        found.update(dict.fromkeys(own))
    return found


def _in_short(patterns: Sequence[Pattern], mixed: Sequence[str]) -> Iterator[Pattern]:
    """Patterns that differ in a number alone, as shell patterns where those hit no more."""
    groups: dict[tuple[str, str], dict[int, Pattern]] = {}
    for pattern in patterns:
        before, number, after = _numbered(pattern)
        groups.setdefault((before, after), {})[number] = pattern
    for (before, after), found in groups.items():
        if len(found) < LEAST_RUN:
            yield from found.values()
            continue
        every = f"*{before}.{NUMBER}{after}"
        if _fit_none([every], mixed):
            yield Pattern(every, "glob")
            continue
        for run in _runs(sorted(found)):
            tens = [f"*{before}.{digits}{after}" for digits in _tens(run[0], run[-1])]
            short = len(run) >= LEAST_RUN and _fit_none(tens, mixed)
            yield from (
                [Pattern(one, "glob") for one in tens] if short else map(found.__getitem__, run)
            )


def _numbered(pattern: Pattern) -> tuple[str, int, str]:
    """What is before the first number in a pattern, the number, and what is after it."""
    parts = pattern.text.split(".")
    at = next((at for at, part in enumerate(parts) if at and is_index(part)), 0)
    if not at or pattern.how != "end" or any(char in pattern.text for char in "*?[{"):
        return pattern.text, -1, pattern.how
    return ".".join(parts[:at]), int(parts[at]), "".join([f".{part}" for part in parts[at + 1 :]])


def _runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    yield run


def _tens(first: int, last: int) -> Iterator[str]:
    """Shell patterns of the numbers of a range: `[7-9]`, `1[0-9]`, `20`."""
    for ten in range(first // 10, last // 10 + 1):
        low, high = max(first, 10 * ten) % 10, min(last, 10 * ten + 9) % 10
        yield f"{ten or ''}" + (f"[{low}-{high}]" if low < high else str(low))


def _fit_none(texts: Sequence[str], paths: Sequence[str]) -> bool:
    tests = [fitting(text) for text in texts]
    return not any(test(path) for path in paths for test in tests)
