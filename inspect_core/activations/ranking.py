"""In which order the neurons of a site are listed, and which of them moved most and least."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.neurons import GONE, NEW, SHARED, NeuronTable
from inspect_core.errors import UsageError

ORDERS: Mapping[str, str] = MappingProxyType(
    {
        "distance": "distance by words",
        "tag_distance": "distance by tags",
        "new_gone": "new and gone, by mass",
        "shift": "change of length",
        "union": "words of either side",
        "mass": "activation mass",
        "mass_change": "change of mass",
        "count": "activations",
        "original": "distance as TX-Ray computes it",
        "unit": "number of the neuron",
    }
)
"""What neurons can be sorted by, and the words for it; all but the last put the largest first.

Mass and count are those of the model (after); changes count by their size, whatever their sign.
"""

MARKED = 10
"""How many neurons are marked as those that moved most, and least."""


def ranking(table: NeuronTable, by: str = "distance", hide_rare: bool = False) -> NDArray[np.int64]:
    """The neurons of a site in an order; equal ones by their number.

    Args:
        table: the neurons.
        by: one of `ORDERS`. What is not defined comes last; without tags that is every neuron's
            distance by tags.
        hide_rare: leave out `NeuronTable.rare`, dead neurons among them.

    Returns:
        int64: their numbers.

    Raises:
        UsageError: there is no such order.
    """
    if by not in ORDERS:
        raise UsageError(
            "neurons cannot be sorted by it", where=by, hint=f"choose of {', '.join(ORDERS)}"
        )
    units = np.flatnonzero(~table.rare) if hide_rare else np.arange(table.units)
    if by == "unit":
        return units.astype(np.int64)
    # Negated, the largest come first, and NaN stays last.
    found: NDArray[np.int64] = units[np.argsort(-_VALUES[by](table)[units], kind="stable")]
    return found


def top_and_least(
    table: NeuronTable, n: int = MARKED, by: str = "distance", hide_rare: bool = True
) -> tuple[list[int], list[int]]:
    """Which shared neurons moved most and which least, the most extreme first.

    By distance, then by length, as TX-Ray lists them (`heapq.nlargest` of `(distance, length)`,
    which keeps equal ones in their order). With fewer than `2 * n` neurons some are in both.

    Args:
        table: the neurons.
        n: how many of each.
        by: `distance` or `original`.
        hide_rare: leave out `NeuronTable.rare`: a distance of few activations is noise.

    Raises:
        UsageError: `by` is no distance of words.
    """
    if by not in ("distance", "original"):
        raise UsageError("is no distance", where=by, hint="choose of distance, original")
    distance = _VALUES[by](table)
    eligible = (table.state == SHARED) & ~np.isnan(distance)
    if hide_rare:
        eligible &= ~table.rare
    units = np.flatnonzero(eligible)
    distance, union = distance[units], table.union[units]
    most = units[np.lexsort((-union, -distance))][:n]
    least = units[np.lexsort((union, distance))][:n]
    return most.tolist(), least.tolist()


def marked(
    table: NeuronTable, n: int = MARKED, by: str = "distance", hide_rare: bool = True
) -> tuple[list[int], list[int]]:
    """Which neurons are said to have moved most, and least; none of them in both lists.

    Those of `top_and_least`; of fewer than `2 * n` neurons the first list has one half, and the
    second what is left. What did not move at all is not among those that moved most.

    Args:
        table: the neurons.
        n: how many of each.
        by: `distance` or `original`.
        hide_rare: leave out `NeuronTable.rare`.

    Raises:
        UsageError: `by` is no distance of words.
    """
    most, least = top_and_least(table, 2 * n, by, hide_rare)
    distance = _VALUES[by](table)
    half = min(n, (len(most) + 1) // 2)
    farthest = [unit for unit in most[:half] if distance[unit] > 0.0]
    return farthest, [unit for unit in least if unit not in farthest][:n]


def new_and_gone(table: NeuronTable, n: int | None = None, hide_rare: bool = True) -> list[int]:
    """Neurons that one side alone activates, by their mass there.

    Args:
        table: the neurons.
        n: at most so many; None for all.
        hide_rare: leave out `NeuronTable.rare`.
    """
    units = ranking(table, "new_gone", hide_rare)
    state = table.state[units]
    found: list[int] = units[(state == NEW) | (state == GONE)][:n].tolist()
    return found


def shift(table: NeuronTable) -> NDArray[np.int64]:
    """How many words more a neuron has after than before; int64 `(units,)`."""
    found: NDArray[np.int64] = table.length[1] - table.length[0]
    return found


def mass_change(table: NeuronTable) -> NDArray[np.float64]:
    """How much more activation mass a neuron has after than before; float64 `(units,)`."""
    found: NDArray[np.float64] = table.mass[1] - table.mass[0]
    return found


def _tag_distance(table: NeuronTable) -> NDArray[np.float64]:
    return np.full(table.units, np.nan) if table.tag_distance is None else table.tag_distance


def _one_sided(table: NeuronTable) -> NDArray[np.float64]:
    state = table.state
    mass = np.where(state == NEW, table.mass[1], table.mass[0])
    return np.where((state == NEW) | (state == GONE), np.nan_to_num(mass), np.nan)


_VALUES: Mapping[str, Callable[[NeuronTable], NDArray[Any]]] = {
    "distance": lambda table: table.distance,
    "tag_distance": _tag_distance,
    "new_gone": _one_sided,
    "shift": lambda table: np.abs(shift(table)),
    "union": lambda table: table.union,
    "mass": lambda table: table.mass[1],
    "mass_change": lambda table: np.abs(mass_change(table)),
    "count": lambda table: table.count[1],
    "original": lambda table: table.original,
}
