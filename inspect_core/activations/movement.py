"""How far the neurons of a site moved on average: where in a model knowledge moved."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.neurons import RARE, NeuronTable


@dataclass(frozen=True, slots=True)
class Movement:
    """The distances of a site's neurons in one number, in two ways.

    A distance of few activations is large by chance alone: two samples of ten words differ
    whatever the neuron does. `mean` leaves such neurons out, every other one counting once;
    `weighted` keeps them, but each counts as often as it is activated on the side where that is
    less, so that it needs no limit. They differ where a few neurons do most of the work.

    Attributes:
        mean: of the neurons that both sides activate `RARE` times or more; NaN without any.
        weighted: of all that both sides activate, by the lesser number of activations; NaN
            without any.
        neurons: how many `mean` is of.
    """

    mean: float
    weighted: float
    neurons: int


def movement(distance: NDArray[np.float64], count: NDArray[np.int64]) -> Movement:
    """Average the distances of neurons.

    Args:
        distance: `(units,)`; NaN is left out.
        count: `(2, units)`, activations of each side.
    """
    least = count.min(axis=0)
    defined = ~np.isnan(distance) & (least > 0)
    frequent = defined & (least >= RARE)
    weights = least[defined].astype(np.float64)
    neurons = int(frequent.sum())
    return Movement(
        mean=float(distance[frequent].mean()) if neurons else math.nan,
        weighted=float(np.average(distance[defined], weights=weights))
        if len(weights)
        else math.nan,
        neurons=neurons,
    )


def site_movement(table: NeuronTable, tags: bool = False) -> Movement:
    """How far the neurons of a site moved, by words or by tags; NaN where there are no tags."""
    if not tags:
        return movement(table.distance, table.count)
    if table.tag_distance is None:
        return Movement(math.nan, math.nan, 0)
    return movement(table.tag_distance, table.count)
