"""The filter: which names hold all words of a query."""

from array import array
from collections.abc import Iterable
from operator import and_


def keep_matching(names: Iterable[str], order: "array[int]", query: str) -> list[bool]:
    """Which ordinals have a name that holds all words of the query, in any letter case."""
    hits: list[bool] | None = None
    lowered = [name.lower() for name in names]
    for word in query.lower().split():
        found = [word in name for name in lowered]
        hits = found if hits is None else list(map(and_, hits, found))
    return [True] * len(order) if hits is None else list(map(hits.__getitem__, order))
