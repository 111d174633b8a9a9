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
from inspect_core.text import clean

SCALES = 100
"""Gride looks no further than this neighbour."""

ASSIGNING = 100
"""A point finds its cluster among at least so many neighbours."""

MIXED = 0.05
"""Where more than this share of the texts have the point of a text of another label, points have no
labels that anything could be held against."""

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
    columns = [_Column(column, numbered(found), points) for column, found in labels]
    wanted = min(count - 1, _neighbours_needed(columns, measured))
    nothing = Dimension(measured.k, 2 * measured.k, math.nan, math.nan, math.nan)
    if not wanted > 0:
        why = _too_few(points, 2 * measured.k)
        unknown = tuple(one.unknown(why) for one in columns)
        numbers = _numbers(name, points, nothing, (), None, unknown, why)
        return Layer(points, None, None, numbers)
    neighbours = nearest(points.values, wanted, control)
    dimensions = gride(neighbours, SCALES)
    used = next((one for one in dimensions if one.near == measured.k), nothing)
    peaks, why = None, used.why
    if used is nothing:
        why = _too_few(points, 2 * measured.k)
    elif not why:
        peaks = density_peaks(
            neighbours, knn_density(neighbours, used.value, measured.k), measured.z
        )
    if count <= measured.k:
        found = tuple(one.unknown(why) for one in columns)
    else:
        found = tuple(_agreement(one, neighbours, peaks, measured, why) for one in columns)
    numbers = _numbers(name, points, used, dimensions, peaks, found, why)
    return Layer(points, neighbours, peaks, numbers)


class _Column:
    """A column of labels in one layer.

    Attributes:
        name: foreign.
        labels: int64 `(points,)`, that of the first text of each point.
        mixed: see `LabelNumbers.mixed`.
        alone: whether all texts have one label.
    """

    def __init__(self, name: str, labels: NDArray[np.int64], points: Points) -> None:
        self.name = name
        self.labels = labels[points.kept]
        self.alone = not (labels != labels[:1]).any()
        finite = points.of >= 0
        of, own = points.of[finite], labels[finite]
        shared = np.zeros(len(points.kept), np.bool_)
        shared[of[own != self.labels[of]]] = True
        self.mixed = int(shared[of].sum())
        self._texts = len(of)

    @property
    def why(self) -> str:
        """Why points have no labels that anything could be held against; `""` if they have."""
        if self.alone:
            return "n/a: all texts have one label"
        if self.mixed > MIXED * self._texts:
            return (
                f"n/a: {self.mixed:,} of {self._texts:,} texts have the same point as a text of "
                "another label"
            )
        if not (self.labels != self.labels[:1]).any():
            return "n/a: all distinct points have one label"
        return ""

    def unknown(self, why: str) -> LabelNumbers:
        """Nothing measured."""
        return LabelNumbers(self.name, math.nan, math.nan, math.nan, why, self.mixed)


def _too_few(points: Points, needed: int) -> str:
    count = len(points.kept)
    if count == 1 and points.repeated:
        return "n/a: constant: all texts give the same point"
    some = "1 distinct point" if count == 1 else f"{count} distinct points"
    return f"n/a: {some}, and {needed} neighbour{'s are' if needed > 1 else ' is'} needed"


def _neighbours_needed(columns: Sequence[_Column], measured: Measured) -> int:
    needed = max(SCALES, ASSIGNING, 2 * measured.k, measured.overlap_k)
    if measured.share is not None:
        for one in columns:
            largest = int(np.bincount(one.labels).max(initial=0))
            needed = max(needed, int(largest * measured.share))
    return needed


def _agreement(
    column: _Column,
    neighbours: Neighbours,
    peaks: Peaks | None,
    measured: Measured,
    why: str,
) -> LabelNumbers:
    if column.why:
        return column.unknown(column.why)
    labels = column.labels
    rand = math.nan if peaks is None else adjusted_rand(peaks.cluster, labels)
    one = label_overlap(neighbours.index, labels, 1, balanced=False)
    k = measured.overlap_k
    if measured.share is None and k > neighbours.k:
        short = f"n/a: {k} neighbours are needed, and there are {neighbours.k}"
        return LabelNumbers(column.name, rand, math.nan, one, short, column.mixed)
    share = measured.share
    overlap = label_overlap(neighbours.index, labels, None if share else k, share)
    return LabelNumbers(column.name, rand, overlap, one, why, column.mixed)


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
            f"{_some(few, layers)} fewer than {FEW * measured.k} distinct "
            f"points (the fewest {least}): {'its' if len(few) == 1 else 'their'} numbers are rough"
        )
    broken = [one for one in layers if one.nonfinite]
    if broken:
        most = max(one.nonfinite for one in broken)
        notes.append(
            f"{_some(broken, layers)} texts with NaN or infinity, up to "
            f"{most:,}: those texts are left out there"
        )
    return (*notes, *_mixed(layers))


def _mixed(layers: Sequence[LayerNumbers]) -> list[str]:
    """Of measured columns: points with texts of several labels."""
    most: dict[str, int] = {}
    for layer in layers:
        for one in layer.labels:
            if one.mixed and not math.isnan(one.nearest):
                most[one.column] = max(most.get(one.column, 0), one.mixed)
    return [
        f"{clean(column)}: up to {count:,} texts of a layer have the same point as a text of "
        "another label: the label of the first one counts"
        for column, count in most.items()
    ]


def _some(some: Sequence[LayerNumbers], layers: Sequence[LayerNumbers]) -> str:
    of = f"{len(some)} of {len(layers)} layers" if len(layers) > 1 else "the only layer"
    return f"{of} {'has' if len(some) == 1 else 'have'}"
