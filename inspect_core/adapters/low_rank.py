"""A change of a weight in factors: small, exact, and never multiplied out as a whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
        product: NDArray[np.float64] = self.b[first:last] @ self.a
        return product


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
        return blocks.reshape(last - first, -1)


Factors = LowRank | Kronecker
