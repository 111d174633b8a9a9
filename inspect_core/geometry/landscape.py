"""What is shown of the landscape of representations: numbers by layer, for one space or several."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.geometry.dimension import Dimension


@dataclass(frozen=True, slots=True)
class Measured:
    """How the landscape is measured.

    Attributes:
        k: neighbours that density and clusters are taken from; the dimension is that of the
            scale `k, 2 k` as published.
        z: standard errors that a peak stands above its saddles.
        overlap_k: neighbours that count for overlaps with labels and with another space.
        share: for the label overlap, neighbours as this share of each label's points instead;
            None for `overlap_k`.
    """

    k: int = 16
    z: float = 1.6
    overlap_k: int = 30
    share: float | None = None


AS_PUBLISHED = Measured(share=0.3)


@dataclass(frozen=True, slots=True)
class LabelNumbers:
    """How one layer agrees with one column of labels.

    Attributes:
        column: foreign.
        rand: adjusted Rand index of the clusters and the labels; NaN where there is none.
        overlap: balanced mean share of neighbours with a point's own label; NaN likewise.
        nearest: share of points whose nearest neighbour has their label.
        why: why something is NaN; `""` where all is there.
        mixed: texts at points that texts of several labels share. Such a point has the label of
            its first text; where there are too many of them, nothing is measured.
    """

    column: str
    rand: float
    overlap: float
    nearest: float
    why: str = ""
    mixed: int = 0


@dataclass(frozen=True, slots=True)
class LayerNumbers:
    """One layer of one space.

    Attributes:
        name: the site, as `Site.name`.
        points: distinct, finite points.
        repeated: rows equal to an earlier one, left out.
        nonfinite: rows with NaN or infinity, left out.
        dimension: at the scale that is used; its `why` says why there is none.
        dimensions: at all scales, n1 = 1, 2, 4, ...
        clusters: number of density peaks; 0 where there is no density.
        core: share of the points in a core; NaN likewise.
        labels: one for each column.
        why: why there are no clusters; `""` where there are.
    """

    name: str
    points: int
    repeated: int
    nonfinite: int
    dimension: Dimension
    dimensions: tuple[Dimension, ...]
    clusters: int
    core: float
    labels: tuple[LabelNumbers, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """A column of labels, over all texts, and what labels dealt out at random would give.

    Layers leave out repeats and what is not finite: of theirs, chance gives about as much.

    Attributes:
        column: foreign.
        counts: each label and its texts, the commonest first; foreign.
        nearest: share of points whose nearest neighbour has their label, by chance:
            sum of n (n - 1) / (N (N - 1)); NaN below two texts.
        majority: share of the commonest label: what always answering it would be right for.
        overlap: balanced label overlap by chance: mean over labels of (n - 1) / (N - 1).
    """

    column: str
    counts: tuple[tuple[str, int], ...]
    nearest: float
    majority: float
    overlap: float


@dataclass(frozen=True, slots=True)
class Space:
    """One model (or one prompt) over one file of texts.

    Attributes:
        title: safe to show.
        layers: from the input to the output of the model.
        notes: safe to show.
    """

    title: str
    layers: tuple[LayerNumbers, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class SpacePair:
    """Two spaces of the same texts.

    Only texts that are distinct and finite in both layers count.

    Attributes:
        one: index of the first space in `LandscapeReport.spaces`.
        other: index of the second; the same for a space with itself.
        overlap: float64 `(layers of one, layers of other)`, shared neighbours; NaN where not known.
        cka: the same, linear CKA.
    """

    one: int
    other: int
    overlap: NDArray[np.float64]
    cka: NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class LandscapeReport:
    """Landscapes of several spaces of the same texts; the reference, where there is one, is first.

    Attributes:
        spaces: in the order in which they were asked for.
        pairs: every space with itself, and the first with each other one.
        columns: label columns; foreign.
        texts: texts read.
        pooling: for people: `last token`, `mean of the tokens`, ...
        measured: how.
        notes: safe to show.
        labels: one for each of `columns`: its counts, and what chance gives.
    """

    spaces: tuple[Space, ...]
    pairs: tuple[SpacePair, ...]
    columns: tuple[str, ...]
    texts: int
    pooling: str
    measured: Measured
    notes: tuple[str, ...] = ()
    labels: tuple[LabelColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster of a layer.

    Attributes:
        size: points.
        core: share of them in the core.
        height: log density of its peak above its highest saddle; infinite
            where it touches no other.
        labels: for each column its commonest labels with their counts; foreign.
        examples: texts nearest to the peak; foreign.
    """

    size: int
    core: float
    height: float
    labels: tuple[tuple[tuple[str, int], ...], ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class LayerDetail:
    """One layer of one space, closer.

    Attributes:
        space: title of the space.
        name: of the layer.
        clusters: the largest first.
        plane: float64 `(points, 2)`, on the first two principal components.
        explained: share of the variance of each of the two.
        cluster: int64 `(points,)`, the cluster of each point; -1 in the halo.
        labels: for each column the label of each point; foreign.
        samples: int64 `(points,)`, number of each point's text.
        notes: safe to show.
    """

    space: str
    name: str
    clusters: tuple[Cluster, ...]
    plane: NDArray[np.float64]
    explained: tuple[float, float]
    cluster: NDArray[np.int64]
    labels: tuple[tuple[str, ...], ...]
    samples: NDArray[np.int64]
    notes: tuple[str, ...] = ()
