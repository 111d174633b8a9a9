"""Nearest neighbours of every point, exactly, in blocks."""

import math
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

LARGEST, SMALLEST, SCALED = 1e140, 1e-100, 400
"""Points whose largest value is outside are brought to 2 ** `SCALED`, where squares neither leave
the range nor vanish."""

TINY = 1e-280
"""Squares below this may have lost digits to the end of the range."""


@dataclass(frozen=True, eq=False, slots=True)
class Neighbours:
    """The nearest neighbours of each point, without itself, by distance.

    Ties that are exact in the products keep the order of the points.

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
    every row they come in the order of their columns, so that ties that are exact in the products
    keep the order of the points. Where rounding of the products could have kept a wrong neighbour,
    all that could be one are held against each other by their differences.

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
    points, moved = _in_range(points)
    centred, squares = _centred(points)
    # One more is kept than asked for: how near it comes tells whether the choice is safe.
    wide = min(k + 1, count - 1)
    squared = np.full((count, wide), np.inf)
    index = np.zeros((count, wide), np.int32)
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
        _refine(squared[rows], index[rows], rows, centred, squares, points)
        if wide > k:
            _choose_again(squared[rows], index[rows], rows, centred, squares, points, control)
    distance = np.sqrt(squared[:, :k])
    _restore_tiny(distance, index, points)
    with np.errstate(over="ignore"):
        return Neighbours(np.ldexp(distance, -moved), np.ascontiguousarray(index[:, :k]))


def _in_range(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Points times a power of two, which is exact, and its exponent; as they are if they may be."""
    largest = max(float(points.max(initial=0)), -float(points.min(initial=0)))
    if not largest or SMALLEST <= largest <= LARGEST:
        return points, 0
    moved = SCALED - math.frexp(largest)[1]
    return np.ldexp(points, moved), moved


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
    rows: slice,
    centred: NDArray[np.float64],
    squares: NDArray[np.float64],
    points: NDArray[np.float64],
) -> None:
    """Work out anew, in place, what cancellation spoiled, and sort those rows again."""
    spoiled = squared < CANCELLED * (squares[rows, None] + squares[index]) + TINY
    for row in np.flatnonzero(spoiled.any(axis=1)).tolist():
        places = np.flatnonzero(spoiled[row])
        squared[row, places] = _squared(points, rows.start + row, index[row, places])
        order = np.lexsort((index[row], squared[row]))
        squared[row], index[row] = squared[row, order], index[row, order]


def _choose_again(
    squared: NDArray[np.float64],
    index: NDArray[np.int32],
    rows: slice,
    centred: NDArray[np.float64],
    squares: NDArray[np.float64],
    points: NDArray[np.float64],
    control: Control | None,
) -> None:
    """Choose the neighbours of those rows anew, in place, whose choice rounding could have changed.

    A squared distance from products of n units is off by at most `n eps (|x|^2 + |y|^2)`, and
    `|y|^2 <= 2 |x|^2 + 2 D^2`: what is left out is further than what is kept if the two are further
    apart than twice that.
    """
    wide = squared.shape[1]
    share = 2 * (points.shape[1] + 8) * float(np.finfo(np.float64).eps)
    slack = share * (3 * squares[rows] + 2 * np.abs(squared[:, -1])) + TINY
    doubtful = np.flatnonzero(squared[:, -1] - squared[:, -2] <= slack)
    for start in range(0, len(doubtful), _DOUBTFUL):
        some = doubtful[start : start + _DOUBTFUL]
        if control is not None:
            control.check()
        rough = centred[rows.start + some] @ centred.T
        rough *= -2
        rough += squares
        rough += squares[rows.start + some, None]
        for row, line in zip(some.tolist(), rough, strict=True):
            line[rows.start + row] = np.inf
            # The last one kept was worked out well, or as these were.
            limit = max(float(squared[row, -1]), float(np.partition(line, wide - 1)[wide - 1]))
            near = np.flatnonzero(line <= limit + 2 * slack[row])
            exact = _distances(points, rows.start + row, near)
            order = np.lexsort((near, exact))[:wide]
            squared[row], index[row] = exact[order] ** 2, near[order]


_DOUBTFUL = 64
_PIECE = 1 << 20


def _squared(
    points: NDArray[np.float64], row: int, others: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Squared distances from a point to others, by their differences; in pieces."""
    found = np.empty(len(others))
    height = max(1, _PIECE // max(1, points.shape[1]))
    for start in range(0, len(others), height):
        differences = points[others[start : start + height]]
        differences -= points[row]
        found[start : start + height] = np.einsum("ij,ij->i", differences, differences)
    return found


def _distances(
    points: NDArray[np.float64], row: int, others: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Distances from a point to others, by their differences, even where the squares vanish."""
    found = np.sqrt(_squared(points, row, others))
    tiny = np.flatnonzero(found < math.sqrt(TINY))
    if len(tiny):
        differences = points[others[tiny]] - points[row]
        scale = np.frexp(np.abs(differences).max(axis=1, initial=0.0))[1]
        scaled = np.ldexp(differences, -scale[:, None])
        found[tiny] = np.ldexp(np.sqrt(np.einsum("ij,ij->i", scaled, scaled)), scale)
    return found


def _restore_tiny(
    distance: NDArray[np.float64], index: NDArray[np.int32], points: NDArray[np.float64]
) -> None:
    """Work out anew, in place, distances whose squares vanish, and sort those rows again."""
    for row in np.flatnonzero((distance < math.sqrt(TINY)).any(axis=1)).tolist():
        own = index[row, : distance.shape[1]]
        places = np.flatnonzero(distance[row] < math.sqrt(TINY))
        distance[row, places] = _distances(points, row, own[places])
        order = np.lexsort((own, distance[row]))
        distance[row], own[:] = distance[row, order], own[order]
