"""Nearest neighbours of every point, exactly, in blocks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.control import Control
from inspect_core.errors import UsageError

BLOCK = 1024
"""Points of a block: the products of two blocks are held at once, 8 MB."""

CENTRED = 0.9
"""Points whose mean has a squared norm of at most this share of their own are taken as they are: to
move them there would spare their distances less than one digit, and takes another copy of them."""

CANCELLED = 1e-6
"""Where a squared distance is this small against the squared norms, it is worked out anew from the
differences: the product would have lost more than ten digits of it."""


@dataclass(frozen=True, eq=False, slots=True)
class Neighbours:
    """The nearest neighbours of each point, without itself; by distance, then by number.

    Attributes:
        distance: float64 `(points, k)`, euclidean, ascending.
        index: int32 `(points, k)`.
    """

    distance: NDArray[np.float64]
    index: NDArray[np.int32]

    @property
    def points(self) -> int:
        """How many points there are."""
        return len(self.distance)

    @property
    def k(self) -> int:
        """How many neighbours of each are known."""
        return int(self.distance.shape[1])


def nearest(points: NDArray[np.float64], k: int, control: Control | None = None) -> Neighbours:
    """The k nearest neighbours of every point.

    The products of each two blocks of points are worked out once and serve the rows of both; for
    every row they come in the order of their columns, so that ties keep the order of the points.

    Args:
        points: float64 `(points, units)`, distinct and finite.
        k: neighbours of each, fewer than there are points.
        control: polled between blocks.

    Raises:
        UsageError: too few points.
        Cancelled: by `control`.
    """
    from inspect_core.geometry.selection import select_nearest

    count = len(points)
    if not 0 < k < count:
        raise UsageError(f"{k} neighbours of each of {count} points cannot be had")
    centred, squares = _centred(points)
    squared = np.full((count, k), np.inf)
    index = np.zeros((count, k), np.int32)
    blocks = [slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
    # Memory that is new each time would cost more than the search.
    room = [np.empty(min(BLOCK, count) ** 2) for _ in blocks[:2]]
    for at, rows in enumerate(blocks):
        for columns in blocks[at:]:
            if control is not None:
                control.check()
            products = _shaped(room[0], rows, columns)
            np.matmul(centred[rows], centred[columns].T, out=products)
            offset = columns.start - rows.start
            select_nearest(products, squares[columns], offset, squared[rows], index[rows])
            if offset:
                turned = _shaped(room[1], columns, rows)
                np.copyto(turned, products.T)
                select_nearest(turned, squares[rows], -offset, squared[columns], index[columns])
        # Every column has come by for these rows.
        index[rows] += rows.start
        squared[rows] += squares[rows, None]
        _refine(squared[rows], index[rows], centred[rows], squares[rows], centred, squares)
    return Neighbours(np.sqrt(squared), index)


def _centred(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points around their mean, and their squared norms; the points themselves if they are so."""
    squares = np.einsum("ij,ij->i", points, points)
    mean = points.mean(axis=0)
    if np.vdot(mean, mean) <= CENTRED * squares.mean():
        return points, squares
    centred = points - mean
    return centred, np.einsum("ij,ij->i", centred, centred)


def _shaped(room: NDArray[np.float64], rows: slice, columns: slice) -> NDArray[np.float64]:
    shape = rows.stop - rows.start, columns.stop - columns.start
    return room[: shape[0] * shape[1]].reshape(shape)


def _refine(
    squared: NDArray[np.float64],
    index: NDArray[np.int32],
    rows: NDArray[np.float64],
    row_squares: NDArray[np.float64],
    points: NDArray[np.float64],
    squares: NDArray[np.float64],
) -> None:
    """Work out anew, in place, what cancellation spoiled, and sort those rows again."""
    spoiled = squared < CANCELLED * (row_squares[:, None] + squares[index])
    for row in np.flatnonzero(spoiled.any(axis=1)).tolist():
        places = np.flatnonzero(spoiled[row])
        differences = points[index[row, places]] - rows[row]
        squared[row, places] = np.einsum("ij,ij->i", differences, differences)
        order = np.lexsort((index[row], squared[row]))
        squared[row], index[row] = squared[row, order], index[row, order]
