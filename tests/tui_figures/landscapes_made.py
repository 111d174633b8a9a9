"""Landscapes for pictures: numbers that nobody measured, of any size and oddity."""

import math

import numpy as np

from inspect_core.geometry.dimension import Dimension
from inspect_core.geometry.landscape import (
    Cluster,
    LabelNumbers,
    LandscapeReport,
    LayerDetail,
    LayerNumbers,
    Measured,
    Space,
    SpacePair,
)

WHY = "n/a: 12 distinct points, and 16 neighbours are needed"


def names(count):
    """The names of layers as a BERT has them: embeddings, blocks, and a norm after them."""
    if count < 3:
        return [f"encoder.layer.{at}" for at in range(count)]
    return ["embeddings", *(f"encoder.layer.{at}" for at in range(count - 2)), "final_norm"]


def layer(name, at, of, columns=(), known=True):
    """One layer of so many."""
    far = at / max(1, of - 1)
    value = 8 + 14 * math.sin(1 + 2 * far) if known else math.nan
    scales = tuple(
        Dimension(2**k, 2 ** (k + 1), value * (1.3 - 0.06 * k), value / 25, 1.0 + k, "")
        for k in range(6)
    )
    labels = tuple(
        LabelNumbers(column, *((0.1 + 0.6 * far, 0.5 + 0.3 * far, 0.55 + 0.3 * far)
                               if known else (math.nan,) * 3), "" if known else WHY)
        for column in columns
    )  # fmt: skip
    used = Dimension(16, 32, value, value / 20, 1.0, "" if known else WHY)
    return LayerNumbers(
        name, 500 if known else 12, 3, 0, used, scales if known else (), 12 - at if known else 0,
        0.4 + 0.3 * far if known else math.nan, labels, "" if known else WHY,
    )  # fmt: skip


def report(layers=8, spaces=2, columns=("sentiment",), unknown=(), notes=(), title="MiniLM"):
    """So many spaces of so many layers; `unknown` are without values in the first."""
    made = []
    for number in range(spaces):
        found = [
            layer(name, (at + number) % layers, layers, columns, number or at not in unknown)
            for at, name in enumerate(names(layers))
        ]
        made.append(Space(f"{title} {number}" if number else title, tuple(found)))
    at = np.arange(layers, dtype=float)
    pairs = []
    for one, other in [(k, k) for k in range(spaces)] + [(0, k) for k in range(1, spaces)]:
        like = np.exp(-np.abs(at[:, None] - at) / 2) * (1 if one == other else 0.7)
        for lost in unknown:
            like[lost] = np.nan
        pairs.append(SpacePair(one, other, like, np.sqrt(like)))
    return LandscapeReport(
        tuple(made), tuple(pairs), tuple(columns), 500, "mean of the tokens", Measured(),
        tuple(notes),
    )  # fmt: skip


def detail(points=500, clusters=4, labels=("neg", "pos"), columns=1, name="encoder.layer.3"):
    """A layer with clusters of points around centres."""
    rng = np.random.default_rng(0)
    # Cluster k has a share like 1 / (k + 1), and the first points are one of each.
    share = 1 / np.arange(1, max(1, clusters) + 1)
    of = rng.choice(len(share), points, p=share / share.sum())
    of[: min(points, len(share))] = np.arange(min(points, len(share)))
    centre = rng.normal(0, 4, (max(1, clusters), 2))
    plane = centre[of] + rng.normal(0, 1, (points, 2))
    told = [
        tuple(labels[(int(of[at]) + int(rng.random() < 0.3)) % len(labels)] for at in range(points))
        for _ in range(columns)
    ]
    found = []
    for number in range(clusters):
        inside = np.flatnonzero(of == number)
        counted = [
            sorted(((n, sum(column[k] == n for k in inside)) for n in labels), key=lambda x: -x[1])
            for column in told
        ]
        found.append(Cluster(
            max(1, len(inside)), 0.7, math.inf if clusters == 1 else 1.5 + number,
            tuple(tuple((n, c) for n, c in one if c)[:5] for one in counted),
            (f"a text near peak {number}, which is good and goes on for long enough to be wrapped",
             "a short one"),
        ))  # fmt: skip
    cluster = np.where(rng.random(points) < 0.25, -1, of) if clusters else np.zeros(points, int)
    return LayerDetail(
        "MiniLM", name, tuple(found), plane, (0.23, 0.11), cluster.astype(np.int64),
        tuple(told), np.arange(points),
    )  # fmt: skip
