"""The numbers of every layer of a space."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.control import Control, Progress
from inspect_core.geometry.agreement import adjusted_rand, label_overlap, numbered
from inspect_core.geometry.density import knn_density
from inspect_core.geometry.dimension import Dimension, gride
from inspect_core.geometry.landscape import LabelNumbers, LayerNumbers, Measured, Space
from inspect_core.geometry.neighbours import Neighbours, nearest
from inspect_core.geometry.peaks import Peaks, density_peaks
from inspect_core.geometry.points import Points, distinct_points
from inspect_core.geometry.representations import Representations

SCALES = 100
"""Gride looks no further than this neighbour."""

ASSIGNING = 100
"""A point finds its cluster among at least so many neighbours."""

FEW = 10
"""Fewer points than this times k are said to be few."""


@dataclass(frozen=True, eq=False, slots=True)
class Layer:
    """One layer, worked out.

    Attributes:
        points: distinct and finite.
        neighbours: None where there are too few points.
        peaks: None where there is no density.
        numbers: for people.
    """

    points: Points
    neighbours: Neighbours | None
    peaks: Peaks | None
    numbers: LayerNumbers


def measure_space(
    space: Representations,
    measured: Measured,
    control: Control | None = None,
    put: Callable[[Layer], Layer] | None = None,
) -> tuple[Space, tuple[Layer, ...]]:
    """The numbers of all layers, one after the other.

    Args:
        space: one vector a text and layer.
        measured: how.
        control: polled between blocks; takes progress in layers.
        put: gives what is kept of a layer, once it is worked out; None keeps it as it is.

    Raises:
        Cancelled: by `control`.
    """
    control = control or Control()
    layers = []
    for at, name in enumerate(space.names):
        control.report(Progress(at, len(space.names), "layers"))
        layer = measure_layer(name, space.values[at], space.labels, measured, control)
        layers.append(layer if put is None else put(layer))
    control.report(Progress(len(layers), len(layers), "layers"))
    numbers = tuple(layer.numbers for layer in layers)
    return Space(space.title, numbers, space.notes + _notes(numbers, measured)), tuple(layers)


def measure_layer(
    name: str,
    values: NDArray[np.floating],
    labels: Sequence[tuple[str, Sequence[str]]],
    measured: Measured,
    control: Control | None = None,
) -> Layer:
    """Dimension, clusters and agreement with labels of one layer.

    Args:
        name: of the layer.
        values: `(texts, units)`.
        labels: for each column its name and one label a text.
        measured: how.
        control: polled between blocks.
    """
    points = distinct_points(values)
    count = len(points.kept)
    columns = [(column, numbered([found[k] for k in points.kept])) for column, found in labels]
    wanted = min(count - 1, _neighbours_needed(columns, measured))
    nothing = Dimension(measured.k, 2 * measured.k, math.nan, math.nan, math.nan)
    if count <= measured.k:
        why = f"n/a: {count} distinct points, and {measured.k} neighbours are needed"
        if not wanted > 0:
            unknown = tuple(LabelNumbers(c, math.nan, math.nan, math.nan, why) for c, _ in columns)
            numbers = _numbers(name, points, nothing, (), None, unknown, why)
            return Layer(points, None, None, numbers)
    neighbours = nearest(points.values, wanted, control)
    dimensions = gride(neighbours, SCALES)
    used = next((one for one in dimensions if one.near == measured.k), nothing)
    peaks, why = None, used.why
    if used is nothing:
        why = f"n/a: {count} distinct points, and {2 * measured.k} neighbours are needed"
    elif not why:
        peaks = density_peaks(
            neighbours, knn_density(neighbours, used.value, measured.k), measured.z
        )
    found = tuple(_agreement(c, own, neighbours, peaks, measured, why) for c, own in columns)
    numbers = _numbers(name, points, used, dimensions, peaks, found, why)
    return Layer(points, neighbours, peaks, numbers)


def _neighbours_needed(columns: Sequence[tuple[str, NDArray[np.int64]]], measured: Measured) -> int:
    needed = max(SCALES, ASSIGNING, 2 * measured.k, measured.overlap_k)
    if measured.share is not None:
        for _, labels in columns:
            largest = int(np.bincount(labels).max(initial=0))
            needed = max(needed, int(largest * measured.share))
    return needed


def _agreement(
    column: str,
    labels: NDArray[np.int64],
    neighbours: Neighbours,
    peaks: Peaks | None,
    measured: Measured,
    why: str,
) -> LabelNumbers:
    if len(np.unique(labels)) < 2:
        only = "n/a: all texts have one label"
        return LabelNumbers(column, math.nan, math.nan, math.nan, only)
    rand = math.nan if peaks is None else adjusted_rand(peaks.cluster, labels)
    one = label_overlap(neighbours.index, labels, 1, balanced=False)
    k = measured.overlap_k
    if measured.share is None and k > neighbours.k:
        short = f"n/a: {k} neighbours are needed, and there are {neighbours.k}"
        return LabelNumbers(column, rand, math.nan, one, short)
    share = measured.share
    overlap = label_overlap(neighbours.index, labels, None if share else k, share)
    return LabelNumbers(column, rand, overlap, one, why)


def _numbers(
    name: str,
    points: Points,
    used: Dimension,
    dimensions: tuple[Dimension, ...],
    peaks: Peaks | None,
    labels: tuple[LabelNumbers, ...],
    why: str,
) -> LayerNumbers:
    return LayerNumbers(
        name=name,
        points=len(points.kept),
        repeated=points.repeated,
        nonfinite=points.nonfinite,
        dimension=used,
        dimensions=dimensions,
        clusters=0 if peaks is None else peaks.count,
        core=math.nan if peaks is None else peaks.core_share,
        labels=labels,
        why="" if peaks is not None else why,
    )


def _notes(layers: Sequence[LayerNumbers], measured: Measured) -> tuple[str, ...]:
    notes = []
    few = [one for one in layers if one.points < FEW * measured.k]
    if few:
        least = min(one.points for one in few)
        notes.append(
            f"{len(few)} of {len(layers)} layers have fewer than {FEW * measured.k} distinct "
            f"points (the fewest {least}): their numbers are rough"
        )
    broken = [one for one in layers if one.nonfinite]
    if broken:
        most = max(one.nonfinite for one in broken)
        notes.append(
            f"{len(broken)} of {len(layers)} layers have texts with NaN or infinity, up to "
            f"{most:,}: those texts are left out there"
        )
    return tuple(notes)
