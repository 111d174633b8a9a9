"""One layer closer: its clusters, what is in them, and the points in a plane."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from inspect_core.geometry.landscape import Cluster, LayerDetail
from inspect_core.geometry.measure import Layer
from inspect_core.geometry.peaks import HALO
from inspect_core.geometry.representations import Representations

MOST_LABELS = 5
"""Labels named of each cluster."""

EXAMPLES = 5
"""Texts quoted of each cluster."""


def layer_detail(
    space: Representations,
    layer: Layer,
    sentences: Callable[[Sequence[int]], Sequence[str]] | None = None,
) -> LayerDetail:
    """A layer's clusters and its points on two principal components.

    Args:
        space: the space of the layer.
        layer: worked out.
        sentences: gives the texts of samples; None where they are not known.
    """
    kept = layer.points.kept
    labels = tuple(tuple(found[k] for k in kept) for _, found in space.labels)
    samples = space.samples[kept]
    plane, explained = principal_plane(layer.points.values)
    peaks = layer.peaks
    cluster = np.zeros(len(kept), np.int64) if peaks is None else peaks.halo
    clusters = _clusters(layer, labels, samples, sentences) if peaks is not None else ()
    name = layer.numbers.name
    return LayerDetail(space.title, name, clusters, plane, explained, cluster, labels, samples)


def principal_plane(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """The points on their first two principal components, and the variance that each explains.

    A component points where its largest entry is positive, so that a picture is the same each time.

    Args:
        points: float64 `(points, units)`.

    Returns:
        float64 `(points, 2)`; 0 where there is no such component.
    """
    plane, explained = np.zeros((len(points), 2)), [0.0, 0.0]
    # Times a power of two, which is exact, no square leaves the range.
    scale = math.frexp(float(np.abs(points).max(initial=0)))[1]
    points = np.ldexp(points, -scale)
    centred = points - points.mean(axis=0) if len(points) else points
    total = float(np.vdot(centred, centred))
    if len(points) < 2 or not total > 0:
        return plane, (0.0, 0.0)
    wide = points.shape[1] > len(points)
    gram = centred @ centred.T if wide else centred.T @ centred
    values, vectors = np.linalg.eigh(gram)
    for at in range(min(2, len(values))):
        value, vector = float(values[-1 - at]), vectors[:, -1 - at]
        if value <= total * 1e-14:
            continue
        along = vector * math.sqrt(value) if wide else centred @ vector
        sign = 1 if along[np.abs(along).argmax()] > 0 else -1
        plane[:, at] = np.ldexp(along * sign, scale)
        explained[at] = value / total
    return plane, (explained[0], explained[1])


def _clusters(
    layer: Layer,
    labels: tuple[tuple[str, ...], ...],
    samples: NDArray[np.int64],
    sentences: Callable[[Sequence[int]], Sequence[str]] | None,
) -> tuple[Cluster, ...]:
    peaks = layer.peaks
    assert peaks is not None
    found = []
    for number in range(peaks.count):
        inside = np.flatnonzero(peaks.cluster == number)
        centre = int(peaks.centre[number])
        distance = np.linalg.norm(layer.points.values[inside] - layer.points.values[centre], axis=1)
        near = inside[np.argsort(distance, kind="stable")[:EXAMPLES]]
        asked = [int(sample) for sample in samples[near] if sample >= 0]
        saddle = float(peaks.saddle[number].max(initial=-1.0))
        height = math.inf if saddle < 0 else float(peaks.height[number]) - saddle
        found.append(Cluster(
            size=len(inside),
            core=float((peaks.halo[inside] != HALO).mean()),
            height=height,
            labels=tuple(
                tuple(Counter(column[k] for k in inside.tolist()).most_common(MOST_LABELS))
                for column in labels
            ),
            examples=tuple(sentences(asked)) if sentences is not None and asked else (),
        ))  # fmt: skip
    return tuple(found)
