"""A change of a weight in factors: small, exact, and never multiplied out as a whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_ALONE = 1 << 18
"""Multiplications up to which OpenBLAS works on the thread that asks (its own limit, 4 * 65536).
Beyond it wakes threads of its own and waits for them: chunks are compared on a thread per core
already, and on a busy machine such a wait takes ten times as long as the product."""

TILE_ROWS = 64


def product_of(b: NDArray[np.float64], a: NDArray[np.float64]) -> NDArray[np.float64]:
    """`b @ a` of two thin matrices, in tiles and on this thread alone.

    Args:
        b: `(rows, r)` float64.
        a: `(r, columns)` float64.
    """
    (rows, rank), columns = b.shape, a.shape[1]
    made = np.empty((rows, columns))
    tall = max(1, min(TILE_ROWS, rows))
    wide = max(TILE_ROWS, MOST_ALONE // (tall * max(1, rank)))
    for left in range(0, columns, wide):
        part = a[:, left : left + wide]
        for top in range(0, rows, tall):
            out = made[top : top + tall, left : left + wide]
            np.matmul(b[top : top + tall], part, out=out)
    return made


@dataclass(frozen=True, eq=False)
class LowRank:
    """The matrix `b @ a`; every scale is in `b` already.

    Several adapters on one weight are one: `b` side by side, `a` one below the other.

    Attributes:
        b: `(rows, r)` float64.
        a: `(r, columns)` float64.
    """

    b: NDArray[np.float64]
    a: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the product, those of the weight as `(out, all the rest)`."""
        return self.b.shape[0], self.a.shape[1]

    def rows(self, first: int, last: int) -> NDArray[np.float64]:
        """Rows `first` .. `last` of the product."""
        return product_of(self.b[first:last], self.a)


@dataclass(frozen=True, eq=False)
class Kronecker:
    """The matrix `kron(left, right)`; every scale is in `left` already.

    Attributes:
        left: `(m, n)` float64.
        right: `(p, q)` float64.
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the product."""
        (m, n), (p, q) = self.left.shape, self.right.shape
        return m * p, n * q

    def rows(self, first: int, last: int) -> NDArray[np.float64]:
        """Rows `first` .. `last` of the product."""
        at = np.arange(first, last)
        above, below = np.divmod(at, self.right.shape[0])
        blocks = self.left[above][:, :, None] * self.right[below][:, None, :]
        return blocks.reshape(last - first, self.shape[1])


Factors = LowRank | Kronecker
