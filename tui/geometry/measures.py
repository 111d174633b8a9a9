"""The measures that are drawn over the layers, and their values in every space."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport, LayerNumbers, SpacePair


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured of a layer.

    Attributes:
        title: for a heading.
        short: for a column of a table.
        labels: whether it is of one column of labels.
        pairs: whether it is of a space against the first one.
        share: whether it is a share, at most 1.
        means: one line for people who do not know it.
    """

    title: str
    short: str
    labels: bool = False
    pairs: bool = False
    share: bool = False
    means: str = ""


MEASURES = {
    "dimension": Measure("intrinsic dimension", "dim", means="directions that the points fill"),
    "clusters": Measure("density peaks", "peaks", means="clusters that stand out of the noise"),
    "core": Measure(
        "share of points in a core", "core", share=True,
        means="those above the saddles between clusters",
    ),
    "rand": Measure(
        "adjusted Rand index", "ARI", labels=True, share=True,
        means="clusters against labels: 1 the same groups, 0 as by chance",
    ),
    "overlap": Measure(
        "overlap with labels", "overlap", labels=True, share=True,
        means="share of neighbours with the same label, all labels counting alike",
    ),
    "nearest": Measure(
        "nearest neighbour has the label", "1-NN", labels=True, share=True,
        means="share of the points",
    ),
    "shared": Measure(
        "neighbours kept", "kept", pairs=True, share=True,
        means="share of neighbours that a point has in the first space too",
    ),
    "cka": Measure(
        "linear CKA with the first space", "CKA", pairs=True, share=True,
        means="1: alike but for a rotation and a size",
    ),
}  # fmt: skip
"""By their names in `GeometryState.measure`, in the order of their key."""


def offered(report: "LandscapeReport") -> tuple[str, ...]:
    """The measures that a report can have values of."""
    several = any(pair.one != pair.other for pair in report.pairs)
    return tuple(
        name
        for name, one in MEASURES.items()
        if (report.columns or not one.labels) and (several or not one.pairs)
    )


@dataclass(frozen=True, slots=True)
class Series:
    """A measure along the layers of one space.

    Attributes:
        space: index of the space.
        values: one a layer; NaN where there is none.
        errors: standard errors, one a layer; empty where there are none.
        whys: why a layer has no value; `""` where it has one.
    """

    space: int
    values: tuple[float, ...]
    errors: tuple[float, ...] = ()
    whys: tuple[str, ...] = field(default=())


def series_of(report: "LandscapeReport", measure: str, column: int = 0) -> tuple[Series, ...]:
    """The values of a measure, a series for each space that has it.

    Args:
        report: everything that was measured.
        measure: one of `MEASURES`.
        column: of the labels, by index.
    """
    if MEASURES[measure].pairs:
        pairs = [pair for pair in report.pairs if pair.one != pair.other]
        return tuple(_pair_series(pair, measure) for pair in pairs)
    return tuple(
        _space_series(at, space.layers, measure, column) for at, space in enumerate(report.spaces)
    )


def by_chance(report: "LandscapeReport", measure: str, column: int = 0) -> float:
    """What labels dealt out at random would give; NaN where there is no such thing.

    Args:
        report: everything that was measured.
        measure: one of `MEASURES`.
        column: of the labels, by index.
    """
    if measure == "rand":
        return 0.0 if report.columns else math.nan
    if measure in ("overlap", "nearest") and column < len(report.labels):
        return float(getattr(report.labels[column], measure))
    return math.nan


def _space_series(at: int, layers: "tuple[LayerNumbers, ...]", measure: str, column: int) -> Series:
    found = [_layer_value(layer, measure, column) for layer in layers]
    errors = tuple(layer.dimension.error for layer in layers) if measure == "dimension" else ()
    return Series(at, tuple(v for v, _ in found), errors, tuple(why for _, why in found))


def _layer_value(layer: "LayerNumbers", measure: str, column: int) -> tuple[float, str]:
    if measure == "dimension":
        value, why = layer.dimension.value, layer.dimension.why or layer.why
    elif measure == "clusters":
        value, why = float(layer.clusters) if layer.clusters else math.nan, layer.why
    elif measure == "core":
        value, why = layer.core, layer.why
    elif column < len(layer.labels):
        numbers = layer.labels[column]
        value, why = getattr(numbers, measure), numbers.why or layer.why
    else:
        value, why = math.nan, "n/a: no labels"
    return value, "" if math.isfinite(value) else why or "n/a"


def _pair_series(pair: "SpacePair", measure: str) -> Series:
    matrix = pair.overlap if measure == "shared" else pair.cka
    one, other = matrix.shape
    values = [float(matrix[at, at]) if at < one else math.nan for at in range(other)]
    missing = "n/a: the first space has no such layer"
    whys = ["" if math.isfinite(v) else missing if at >= one else "n/a"
            for at, v in enumerate(values)]  # fmt: skip
    return Series(pair.other, tuple(values), (), tuple(whys))
