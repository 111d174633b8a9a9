"""Folding: siblings of one structure become one row that keeps its exact members."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Group(NamedTuple):
    """Children of one module that share a structure.

    Attributes:
        names: the members' names, in declared order.
        positions: their positions among the children.
    """

    names: tuple[str, ...]
    positions: tuple[int, ...]

    @property
    def label(self) -> str:
        """The members in short: `0-4,6`, `query,key,value`."""
        return short_names(self.names)


def group_children(names: Sequence[str], structures: Iterable[int]) -> list[Group]:
    """Group children by their structure, in order of first appearance."""
    positions: dict[int, list[int]] = {}
    for position, structure in enumerate(structures):
        positions.setdefault(structure, []).append(position)
    return [
        Group(tuple([names[p] for p in members]), tuple(members)) for members in positions.values()
    ]


def is_index(name: str) -> bool:
    """Whether a name is an integer as `ModuleList` spells it: no sign, no leading zero."""
    return name.isascii() and name.isdigit() and (name == "0" or name[0] != "0") and len(name) < 10


def short_names(names: Iterable[str]) -> str:
    """Names joined by commas, runs of two and more consecutive integers as `first-last`.

    Integers come as a run where the first of them stands; other names keep their order.
    """
    parts: list[str] = []
    run: list[int] = []

    def flush() -> None:
        if run:
            parts.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]))
            run.clear()

    for name in names:
        if not is_index(name):
            flush()
            parts.append(name)
            continue
        if run and int(name) != run[-1] + 1:
            flush()
        run.append(int(name))
    flush()
    return ",".join(parts)
