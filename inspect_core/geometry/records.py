"""Results about geometry as plain rows, for JSON, CSV, TSV and Markdown.

A row is values by key, the same keys in every row of a table; names are exact and foreign; what
is not defined is None.
"""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspect_core.geometry.landscape import (
    LabelColumn,
    LabelNumbers,
    LandscapeReport,
    LayerDetail,
    LayerNumbers,
    SpacePair,
)

Value = str | int | float | None
"""A cell."""

Row = dict[str, Value]
"""Values by key."""

OVERLAP, CKA = "overlap", "cka"
"""What layers are held against each other by: shared neighbours, linear CKA."""


def report_record(report: LandscapeReport) -> dict[str, Any]:
    """A report as one object for JSON: every layer, every scale, layers against layers."""
    return {
        **heading_record(report),
        "layers": layer_rows(report),
        "scales": scale_rows(report),
        "pairs": pair_objects(report),
    }


def heading_record(report: LandscapeReport) -> dict[str, Any]:
    """What was measured, of what and how."""
    return {
        "spaces": [
            {"title": space.title, "layers": len(space.layers), "notes": list(space.notes)}
            for space in report.spaces
        ],
        "texts": report.texts,
        "columns": list(report.columns),
        "labels": [_column(one) for one in report.labels],
        "pooling": report.pooling,
        "measured": asdict(report.measured),
        "notes": list(report.notes),
    }


def _column(column: LabelColumn) -> dict[str, Any]:
    """A column of labels, and what chance gives for it."""
    return {
        "column": column.column,
        "counts": dict(column.counts),
        "nearest": number(column.nearest),
        "overlap": number(column.overlap),
        "majority": number(column.majority),
    }


def layer_rows(report: LandscapeReport) -> list[Row]:
    """One row a space and layer: all that is measured of it.

    With several spaces `first_overlap` and `first_cka` hold a layer against the one at the same
    place of the first space.
    """
    rows = []
    for at, space in enumerate(report.spaces):
        against = pair_of(report, 0, at) if at else None
        for place, layer in enumerate(space.layers):
            row: Row = {"space": space.title, "at": place, **_layer(layer)}
            for column in report.columns:
                row |= _labels(column, layer.labels)
            if len(report.spaces) > 1:
                row["first_overlap"] = _beside(against, OVERLAP, place)
                row["first_cka"] = _beside(against, CKA, place)
            row["why"] = layer.why or None
            rows.append(row)
    return rows


def _layer(layer: LayerNumbers) -> Row:
    two = next((one for one in layer.dimensions if one.near == 1), None)
    peaks = layer.clusters > 0
    return {
        "layer": layer.name,
        "points": layer.points,
        "repeated": layer.repeated,
        "nonfinite": layer.nonfinite,
        "dimension": number(layer.dimension.value),
        "dimension_error": number(layer.dimension.error),
        "dimension_n1": layer.dimension.near,
        "two_nn": None if two is None else number(two.value),
        "two_nn_error": None if two is None else number(two.error),
        "clusters": layer.clusters if peaks else None,
        "core": number(layer.core),
    }


def _labels(column: str, found: tuple[LabelNumbers, ...]) -> Row:
    one = next((numbers for numbers in found if numbers.column == column), None)
    return {
        f"{column} rand": None if one is None else number(one.rand),
        f"{column} overlap": None if one is None else number(one.overlap),
        f"{column} nearest": None if one is None else number(one.nearest),
        f"{column} why": None if one is None else one.why or None,
    }


def scale_rows(report: LandscapeReport) -> list[Row]:
    """One row a space, layer and scale of the intrinsic dimension: from neighbours n1 and n2."""
    return [
        {
            "space": space.title,
            "layer": layer.name,
            "estimator": "two_nn" if one.near == 1 else "gride",
            "n1": one.near,
            "n2": one.far,
            "dimension": number(one.value),
            "error": number(one.error),
            "distance": number(one.scale),
            "why": one.why or None,
        }
        for space in report.spaces
        for layer in space.layers
        for one in layer.dimensions
    ]


def matrix_rows(report: LandscapeReport, which: str) -> list[Row]:
    """One row for every two layers of every pair of spaces.

    Args:
        report: what was measured.
        which: `OVERLAP` or `CKA`.
    """
    rows: list[Row] = []
    for pair in report.pairs:
        one, other = report.spaces[pair.one], report.spaces[pair.other]
        matrix = matrix_of(pair, which)
        for a, first in enumerate(one.layers):
            rows += [
                {
                    "space": one.title,
                    "layer": first.name,
                    "other_space": other.title,
                    "other_layer": second.name,
                    which: number(matrix[a, b]),
                }
                for b, second in enumerate(other.layers)
            ]
    return rows


def pair_objects(report: LandscapeReport) -> list[dict[str, Any]]:
    """The matrices of every pair of spaces, as lists, for JSON."""
    return [
        {
            "space": report.spaces[pair.one].title,
            "other_space": report.spaces[pair.other].title,
            OVERLAP: [[number(value) for value in row] for row in pair.overlap.tolist()],
            CKA: [[number(value) for value in row] for row in pair.cka.tolist()],
        }
        for pair in report.pairs
    ]


def cluster_rows(detail: LayerDetail, columns: tuple[str, ...]) -> list[Row]:
    """One row a cluster: its size, its core, the commonest label of each column, an example."""
    rows = []
    for at, one in enumerate(detail.clusters):
        row: Row = {
            "space": detail.space, "layer": detail.name, "cluster": at + 1, "size": one.size,
            "core": number(one.core), "height": number(one.height),
        }  # fmt: skip
        for column, found in zip(columns, one.labels, strict=False):
            label, count = found[0] if found else (None, 0)
            row |= {column: label, f"{column} share": count / one.size if one.size else None}
        row["example"] = one.examples[0] if one.examples else None
        rows.append(row)
    return rows


def detail_object(detail: LayerDetail, columns: tuple[str, ...]) -> dict[str, Any]:
    """One layer closer as an object for JSON: clusters, and points in a plane.

    Size and labels of a cluster are of all its points, those of the halo included.
    """
    return {
        "space": detail.space,
        "layer": detail.name,
        "explained": [number(share) for share in detail.explained],
        "clusters": [
            {
                "cluster": at + 1,
                "size": one.size,
                "core": number(one.core),
                "height": number(one.height),
                "labels": {
                    column: [[label, count] for label, count in found]
                    for column, found in zip(columns, one.labels, strict=False)
                },
                "examples": list(one.examples),
            }
            for at, one in enumerate(detail.clusters)
        ],
        "points": [
            {
                "text": sample,
                "x": number(x),
                "y": number(y),
                "cluster": cluster + 1 if cluster >= 0 else None,
                "labels": list(labels),
            }
            for sample, (x, y), cluster, labels in zip(
                detail.samples.tolist(),
                detail.plane.tolist(),
                detail.cluster.tolist(),
                zip(*detail.labels, strict=True) if detail.labels else [()] * len(detail.samples),
                strict=True,
            )
        ],
        "notes": list(detail.notes),
    }


def pair_of(report: LandscapeReport, one: int, other: int) -> SpacePair | None:
    """The pair of two spaces; None where they were not held against each other."""
    return next((p for p in report.pairs if (p.one, p.other) == (one, other)), None)


def matrix_of(pair: SpacePair, which: str) -> NDArray[np.float64]:
    """The matrix of a pair: `OVERLAP` or `CKA`."""
    return pair.overlap if which == OVERLAP else pair.cka


def beside(pair: SpacePair, which: str, place: int) -> float:
    """A layer of the second space against that at the same place of the first; NaN without."""
    matrix = matrix_of(pair, which)
    return float(matrix[place, place]) if place < min(matrix.shape) else math.nan


def _beside(pair: SpacePair | None, which: str, place: int) -> float | None:
    return None if pair is None else number(beside(pair, which, place))


def number(value: float) -> float | None:
    """A number for files; None for what is not defined."""
    return float(value) if math.isfinite(value) else None
