"""What two changes of one weight have in common: the directions that they read and write.

The overlap of two subspaces is that of Hu et al. 2021 (LoRA), section 7.2: of orthonormal
directions U and V, i and j of them, `|U^T V|_F^2 / min(i, j)`, in [0, 1]. Directions are those
of the change itself, its singular vectors: factors alone are only determined up to an invertible
matrix between them, and for all directions of a rank the two agree.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from inspect_core.adapters.exact import norms
from inspect_core.adapters.exact.balanced import Balanced, Matrix, back, triangle
from inspect_core.adapters.exact.factor_spectrum import sides_of
from inspect_core.adapters.exact.low_rank import Factors, Kronecker, LowRank

MOST_DIRECTIONS = 1 << 24
"""Values of the directions of a change that are made: 128 MB, or rank 128 in 131,072 units."""


NO_DIRECTIONS = "one of them never trained, or is zero: it has no directions"


class Directions(NamedTuple):
    """What a change writes and reads, the strongest first.

    Attributes:
        output: `(rows, rank)` float64, orthonormal columns.
        input: `(columns, rank)` float64, orthonormal columns.
        strengths: `(rank,)` float64, the singular values, divided by 2^exponent.
        exponent: see there.
    """

    output: Matrix
    input: Matrix
    strengths: Matrix
    exponent: int = 0

    @property
    def rank(self) -> int:
        """How many there are."""
        return len(self.strengths)


@dataclass(frozen=True, slots=True)
class SideOverlap:
    """The overlap of what two changes read (or write) in a space of so many units.

    Attributes:
        size: units of that side.
        ranks: directions of the one and of the other.
        full: overlap of all directions of both; 1 where the smaller subspace lies in the other.
        leading: overlap of the strongest direction of each: the square of their cosine.
        largest_angle: cosine of the largest principal angle: the worst of the best matches.
    """

    size: int
    ranks: tuple[int, int]
    full: float
    leading: float
    largest_angle: float

    @property
    def expected(self) -> float:
        """What `full` is on average for random subspaces of these ranks."""
        return max(self.ranks) / self.size

    @property
    def expected_leading(self) -> float:
        """What `leading` is on average for random directions."""
        return 1.0 / self.size


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two changes of one weight have in common.

    Attributes:
        l2: norm of the one and of the other.
        inner: sum of the products of their entries; None where it cannot be had.
        cosine: of the angle between them as vectors; None where one is zero, or unknown.
        distance: norm of their difference; None where it cannot be had.
        input: of what they read; None without directions (see `note`).
        output: of what they write; likewise.
        note: why something is missing, for people; empty otherwise.
    """

    l2: tuple[float, float]
    inner: float | None
    cosine: float | None
    distance: float | None
    input: SideOverlap | None
    output: SideOverlap | None
    note: str = ""

    @property
    def rel_l2(self) -> float | None:
        """Norm of the difference over that of the other; None where that is zero."""
        if self.distance is None or not self.l2[1] > 0.0:
            return None
        return self.distance / self.l2[1]


def overlap(one: Factors, other: Factors) -> Overlap:
    """Hold two changes of one weight against each other, from their factors.

    Raises:
        ValueError: the shapes differ.
    """
    far, note = norms.distance(one, other), _missing(one, other)
    ours, theirs = (None, None) if note else (directions(one), directions(other))
    if ours is None or theirs is None or not min(ours.rank, theirs.rank):
        many = ours is None or theirs is None
        note = note or ("its directions are too many to be made" if many else NO_DIRECTIONS)
        sizes = norms.l2(one), norms.l2(other)
        product, cosine = norms.inner(one, other), norms.cosine(one, other)
        return Overlap(sizes, product, cosine, far, None, None, note)
    read, written = ours.input.T @ theirs.input, ours.output.T @ theirs.output
    product = float(np.sum(np.outer(ours.strengths, theirs.strengths) * read * written))
    norm, other_norm = (float(np.linalg.norm(side.strengths)) for side in (ours, theirs))
    return Overlap(
        (back(norm, ours.exponent), back(other_norm, theirs.exponent)),
        back(product, ours.exponent + theirs.exponent),
        max(-1.0, min(1.0, product / (norm * other_norm))),
        far,
        _side(read, one.shape[1]),
        _side(written, one.shape[0]),
    )


def _missing(one: Factors, other: Factors) -> str:
    if not (norms.is_finite(one) and norms.is_finite(other)):
        return "a factor holds NaN or infinite values"
    if norms.is_zero(one) or norms.is_zero(other):
        return NO_DIRECTIONS
    return ""


def directions(factors: Factors) -> Directions | None:
    """The singular vectors of a finite change that are told from zero; None if too many."""
    if isinstance(factors, Kronecker):
        return _of_kronecker(factors)
    if sum(factors.shape) * factors.b.shape[1] > MOST_DIRECTIONS:
        return None
    balanced = Balanced.of(factors)
    upper, lower = triangle(balanced.b), triangle(balanced.a.T)
    u, s, v = np.linalg.svd((upper * balanced.weights) @ lower.T)
    rank = int(np.count_nonzero(s > balanced.floor))
    # What the change makes of its inputs, divided by their strength, are its outputs: products
    # of thin matrices, where the Q of a QR takes many times as long.
    weights = balanced.weights[:, None] / s[:rank]
    output = balanced.b @ (weights * (lower.T @ v[:rank].T))
    read = balanced.a.T @ (weights * (upper.T @ u[:, :rank]))
    return Directions(_straightened(output), _straightened(read), s[:rank], balanced.exponent)


def _straightened(directions: Matrix) -> Matrix:
    """Almost orthonormal directions made so, the strongest of them first."""
    upper = triangle(directions)
    found: Matrix = directions @ np.linalg.inv(upper * np.sign(np.diag(upper))[:, None])
    return found


def _of_kronecker(factors: Kronecker) -> Directions | None:
    """Products of one direction of each half."""
    bases, sizes = [], []
    for half in sides_of(factors):
        u, s, v = np.linalg.svd(half, full_matrices=False)
        rank = int(np.count_nonzero(s > s[:1] * np.finfo(np.float64).eps * max(half.shape)))
        bases.append((u[:, :rank], v[:rank].T))
        sizes.append(s[:rank])
    count = len(sizes[0]) * len(sizes[1])
    if sum(factors.shape) * count > MOST_DIRECTIONS:
        return None
    strengths = np.outer(*sizes).reshape(-1)
    order = np.argsort(-strengths, kind="stable")
    output, read = (np.kron(bases[0][side], bases[1][side])[:, order] for side in (0, 1))
    return Directions(output, read, strengths[order])


def side_overlap(one: Matrix, other: Matrix) -> SideOverlap:
    """The overlap of orthonormal directions, `(units, rank)` each, the strongest first.

    Raises:
        ValueError: one has no direction, or they are of different spaces.
    """
    if one.shape[0] != other.shape[0] or not min(one.shape[1], other.shape[1]):
        raise ValueError(f"directions {one.shape} and {other.shape}")
    return _side(one.T @ other, one.shape[0])


def _side(between: Matrix, size: int) -> SideOverlap:
    """The overlap from the products of all directions of one with all of the other."""
    cosines = np.minimum(np.linalg.svd(between, compute_uv=False), 1.0)
    return SideOverlap(
        size=size,
        ranks=(between.shape[0], between.shape[1]),
        full=float(np.square(cosines).sum()) / min(between.shape),
        leading=min(1.0, float(between[0, 0]) ** 2),
        largest_angle=float(cosines[-1]),
    )


def overlap_grid(one: Matrix, other: Matrix) -> Matrix:
    """The overlap of the first i directions of one and the first j of the other, for all i, j.

    Args:
        one: `(units, r)` float64, orthonormal columns.
        other: `(units, s)` float64, likewise.

    Returns:
        `(r, s)` float64 in [0, 1]: figure 3 of the paper.
    """
    sums = np.cumsum(np.cumsum(np.square(one.T @ other), axis=0), axis=1)
    least = np.minimum.outer(np.arange(1, one.shape[1] + 1), np.arange(1, other.shape[1] + 1))
    found: Matrix = np.minimum(sums / least, 1.0)
    return found


def factor_directions(factors: LowRank) -> Directions:
    """The directions of A and of B each for itself, as the paper takes them."""
    output, strengths, _ = np.linalg.svd(factors.b, full_matrices=False)
    return Directions(output, np.linalg.svd(factors.a, full_matrices=False)[2].T, strengths)


def cosine_of(inner: float, one: float, other: float) -> float | None:
    """Cosine of sums of squares `one`, `other` and of products; None where it is unknown."""
    if not (one > 0.0 and other > 0.0 and math.isfinite(inner)):
        return None
    return max(-1.0, min(1.0, inner / (math.sqrt(one) * math.sqrt(other))))
