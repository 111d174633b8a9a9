"""Low-rank factors made safe to reckon with: the small core that holds all singular values.

The textbook way, `||B A||_F^2 = sum((B^T B) * (A A^T))`, squares the factors, and loses half the
digits where their parts cancel. The triangles of their QR decompositions hold the same and lose
none: `||B A||_F = ||R_B R_A^T||_F`, a matrix of rank x rank. Every component is first scaled by
powers of two, exactly, so that no factor is too large or too small for it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.adapters.exact.low_rank import LowRank

Matrix = NDArray[np.float64]

_PANEL_ROWS = 512
_NARROW = 32


@dataclass(frozen=True, eq=False)
class Balanced:
    """Low-rank factors in which no component is larger than about one.

    The product is `2^exponent * (b * weights) @ a`; components that are zero are left out.

    Attributes:
        b: `(rows, k)` float64; each column's largest size is in [0.5, 1).
        a: `(k, columns)` float64; each row's likewise.
        weights: `(k,)` float64, powers of two up to 1.
        exponent: of the largest component.
    """

    b: Matrix
    a: Matrix
    weights: Matrix
    exponent: int

    @classmethod
    def of(cls, factors: LowRank) -> "Balanced":
        """The same change; the factors must be finite."""
        left = np.abs(factors.b).max(axis=0, initial=0.0)
        right = np.abs(factors.a).max(axis=1, initial=0.0)
        kept = (left > 0.0) & (right > 0.0)
        up, down = (np.frexp(sizes[kept])[1] for sizes in (left, right))
        both = up.astype(np.int64) + down
        exponent = int(both.max(initial=-(1 << 30))) if both.size else 0
        return cls(
            np.ldexp(factors.b[:, kept], -up),
            np.ldexp(factors.a[kept], -down[:, None]),
            np.ldexp(1.0, np.maximum(both - exponent, -(1 << 14)).astype(np.int32)),
            exponent,
        )

    @property
    def core(self) -> Matrix:
        """`(k or fewer, k or fewer)`: singular values and norm are the product's, unscaled."""
        core: Matrix = (triangle(self.b) * self.weights) @ triangle(self.a.T).T
        return core

    @property
    def floor(self) -> float:
        """Singular values of the core below this are not told from zero.

        Householder's QR is off by little more than sqrt(length) roundings of the largest
        component, also where components cancel and leave less than that.
        """
        sizes = np.linalg.norm(self.b, axis=0) * np.linalg.norm(self.a, axis=1) * self.weights
        roundings = 4.0 * sizes.size * math.sqrt(self.b.shape[0] + self.a.shape[1])
        return float(sizes.max(initial=0.0) * roundings * np.finfo(np.float64).eps)


def triangle(tall: Matrix) -> Matrix:
    """The R of a QR decomposition; as stable, and faster for narrow ones, a panel at a time.

    Panels of some rows stay in the cache while they are reduced, and their triangles are
    reduced again (Demmel et al. 2012).
    """
    rows, width = tall.shape
    if not width:
        return np.zeros((0, 0))
    while width <= _NARROW and rows > 2 * _PANEL_ROWS:
        panels = tall[: rows - rows % _PANEL_ROWS].reshape(-1, _PANEL_ROWS, width)
        triangles = np.asarray(np.linalg.qr(panels, mode="r"), np.float64).reshape(-1, width)
        tall = np.concatenate([triangles, tall[rows - rows % _PANEL_ROWS :]])
        rows = len(tall)
    return np.asarray(np.linalg.qr(tall, mode="r"), np.float64)


def singulars(matrix: Matrix) -> Matrix:
    """All singular values of a small matrix, descending."""
    if not matrix.size:
        return np.zeros(0)
    return np.asarray(np.linalg.svd(matrix, compute_uv=False), np.float64)


def back(value: float, exponent: int) -> float:
    """`value * 2^exponent`, infinite where that is too large."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(math.inf, value)
