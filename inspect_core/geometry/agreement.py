"""How far a layer's neighbourhoods and clusters agree with labels, and with another layer's."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspect_core.errors import UsageError


def numbered(labels: Sequence[object]) -> NDArray[np.int64]:
    """Labels as numbers from 0, in the order in which they first appear."""
    seen: dict[object, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in labels], np.int64)


def adjusted_rand(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Adjusted Rand index of two partitions: 1 the same, about 0 by chance.

    Hubert, Arabie, "Comparing partitions", Journal of Classification 2 (1985). Counted in integers
    without limit, so that it is exact for any number of points. 1 where both are one cluster, or
    both one cluster a point.

    Args:
        one: int64 `(points,)`, from 0.
        other: the same.
    """
    pairs, counts = np.unique(np.stack([one, other]), axis=1, return_counts=True)
    del pairs
    both = _pairs(counts)
    first, second = (_pairs(np.unique(side, return_counts=True)[1]) for side in (one, other))
    total = len(one) * (len(one) - 1) // 2
    if not total or (first, second) in ((total, total), (0, 0)):
        return 1.0
    # (both - first second / total) / ((first + second) / 2 - first second / total)
    product = first * second
    return (2 * (both * total - product)) / ((first + second) * total - 2 * product)


def _pairs(counts: NDArray[np.int64]) -> int:
    return sum(count * (count - 1) // 2 for count in counts.tolist())


def label_overlap(
    index: NDArray[np.int32],
    labels: NDArray[np.int64],
    k: int | None = None,
    share: float | None = None,
    balanced: bool = True,
) -> float:
    """Mean share of a point's nearest neighbours that have its label.

    Args:
        index: int32 `(points, neighbours)`, nearest first.
        labels: int64 `(points,)`, from 0.
        k: neighbours that count.
        share: instead, for each label this share of its points, at least 1, as many neighbours.
        balanced: whether each label counts the same, whatever its number of points.

    Raises:
        UsageError: neither or too many neighbours are asked for.
    """
    sizes = np.bincount(labels)
    if share is not None:
        wanted = np.maximum(1, (sizes * share).astype(np.int64))[labels]
    elif k is not None:
        wanted = np.full(len(labels), k)
    else:
        raise UsageError("say how many neighbours count, or which share of a label's points")
    most = int(wanted.max(initial=1))
    if most > index.shape[1]:
        raise UsageError(f"{most} neighbours are needed, and {index.shape[1]} are known")
    same = labels[index[:, :most]] == labels[:, None]
    same &= np.arange(most) < wanted[:, None]
    found = same.sum(axis=1) / wanted
    if not balanced:
        return float(found.mean())
    of_label = np.bincount(labels, found)[sizes > 0] / sizes[sizes > 0]
    return float(of_label.mean())


def data_overlap(one: NDArray[np.int32], other: NDArray[np.int32], k: int) -> float:
    """Mean share of the k nearest neighbours that two spaces of the same points have in common.

    Args:
        one: int32 `(points, neighbours)`, nearest first.
        other: the same, of the same points in the same order.
        k: neighbours that count.

    Raises:
        UsageError: other points, or too many neighbours are asked for.
    """
    if len(one) != len(other):
        raise UsageError(f"{len(one)} points against {len(other)}: they must be the same")
    if k > min(one.shape[1], other.shape[1]):
        raise UsageError(f"{k} neighbours are needed, and fewer are known")
    # A row of both without repeats is shorter by what they share.
    both = np.sort(np.concatenate([one[:, :k], other[:, :k]], axis=1), axis=1)
    shared = (both[:, 1:] == both[:, :-1]).sum(axis=1)
    return float(shared.mean() / k)
