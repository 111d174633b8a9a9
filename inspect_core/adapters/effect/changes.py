"""What an adapter does to the rows of one weight, seen as a matrix.

The weight is `(rows, columns)`: its first dimension by all the others, and of experts in one
tensor all rows of all experts. A change takes a block of rows and gives the changed block, so a
weight of any size changes in bounded memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inspect_core.adapters.exact.low_rank import Factors, Kronecker, LowRank, product_of

Matrix = NDArray[np.float64]
Rows = Callable[[int, int], Matrix]
"""Rows `first` .. `last` of a matrix."""

BLOCK_VALUES = 1 << 18
"""Values of a block that is worked on at once; 2 MB in float64 stay in a second-level cache."""

MOST_COMBINED = 1024
"""Rank up to which a LoHa product is taken apart into two factors."""


class Product(Protocol):
    """A matrix that is made from small ones, rows at a time."""

    def rows(self, first: int, last: int) -> Matrix:
        """Rows `first` .. `last`."""
        ...


class Change(Protocol):
    """A change of a weight."""

    def apply(self, values: Matrix, base: Matrix, rest: Rows, first: int) -> Matrix:
        """The changed rows.

        Args:
            values: float64 `(rows, columns)`, what earlier adapters made of the base; may be
                written to.
            base: the same rows of the base.
            rest: any rows of the base, for a change that depends on all of them.
            first: number of the first row.
        """
        ...


@dataclass(frozen=True, eq=False)
class Hadamard:
    """The matrix `(b1 @ a1) * (b2 @ a2)` (LoHa); the scale is in `b1`.

    Attributes:
        one: the first product.
        two: the second, of the same shape.
    """

    one: LowRank
    two: LowRank

    def rows(self, first: int, last: int) -> Matrix:
        """See `Product`."""
        return self.one.rows(first, last) * self.two.rows(first, last)

    def combined(self) -> LowRank | None:
        """The same as one product of rank `r1 * r2`, exactly; None if that is no smaller."""
        rank = self.one.b.shape[1] * self.two.b.shape[1]
        if rank > min(MOST_COMBINED, *self.one.shape):
            return None
        b = self.one.b[:, :, None] * self.two.b[:, None, :]
        a = self.one.a[:, None, :] * self.two.a[None, :, :]
        return LowRank(b.reshape(len(b), rank), a.reshape(rank, -1))


@dataclass(frozen=True, eq=False)
class Experts:
    """One product `left[e] @ right[e]` for each expert, one below the other.

    Attributes:
        left: `(experts, rows, r)`; every scale is in it.
        right: `(experts, r, columns)`.
    """

    left: Matrix
    right: Matrix

    def rows(self, first: int, last: int) -> Matrix:
        """See `Product`."""
        size = self.left.shape[1]
        made = np.empty((last - first, self.right.shape[2]))
        at = first
        while at < last:
            expert, row = divmod(at, size)
            count = min(size - row, last - at)
            done = at - first
            left = self.left[expert, row : row + count]
            made[done : done + count] = product_of(left, self.right[expert])
            at += count
        return made


@dataclass(frozen=True, eq=False)
class Reordered:
    """`kron(left, right)` as PEFT makes it of a 1-D convolution whose `right` is `(p, q, k)`.

    torch puts the missing dimension of `left` first, so the product is `(p, m * q, n * k)`, and
    its values in that order are those of the weight.

    Attributes:
        left: `(m, n)`; every scale is in it.
        right: `(p, q, k)`.
        columns: of the weight.
    """

    left: Matrix
    right: Matrix
    columns: int

    def rows(self, first: int, last: int) -> Matrix:
        """See `Product`."""
        start, stop = first * self.columns, last * self.columns
        (m, n), (_, q, k) = self.left.shape, self.right.shape
        at, one = divmod(np.arange(start, stop), n * k)
        above, one = divmod(one, k)
        rest, below = divmod(at, q)
        outer, middle = divmod(rest, m)
        made: Matrix = self.left[middle, above] * self.right[outer, below, one]
        return made.reshape(last - first, self.columns)


@dataclass(frozen=True, eq=False)
class Add:
    """`W + product`: LoRA, LoHa, LoKr and the bias of LoRA."""

    product: Product

    def apply(self, values: Matrix, base: Matrix, rest: Rows, first: int) -> Matrix:
        """See `Change`."""
        values += self.product.rows(first, first + len(values))
        return values

    @property
    def factors(self) -> Factors | None:
        """The product in two factors, where it has such."""
        if isinstance(self.product, LowRank | Kronecker):
            return self.product
        return self.product.combined() if isinstance(self.product, Hadamard) else None


@dataclass(frozen=True, eq=False)
class Scale:
    """`W * by`: IA3, on the rows or on the columns.

    Attributes:
        by: `(rows,)` or `(columns,)`.
        columns: whether it is the columns that are scaled.
    """

    by: Matrix
    columns: bool

    def apply(self, values: Matrix, base: Matrix, rest: Rows, first: int) -> Matrix:
        """See `Change`."""
        by = self.by[None, :] if self.columns else self.by[first : first + len(values), None]
        values *= by
        return values


@dataclass(frozen=True, eq=False)
class Replace:
    """Some rows replaced by others: single tokens of an embedding.

    Attributes:
        at: numbers of the rows, no two equal, in ascending order.
        by: `(len(at), columns)`.
    """

    at: NDArray[np.int64]
    by: Matrix

    def apply(self, values: Matrix, base: Matrix, rest: Rows, first: int) -> Matrix:
        """See `Change`."""
        some = slice(*np.searchsorted(self.at, (first, first + len(values))))
        values[self.at[some] - first] = self.by[some]
        return values


@dataclass(frozen=True, eq=False)
class Dora:
    """`magnitude * (W + product) / |base + product|`, each row or each column by its own norm.

    Attributes:
        product: LoRA's.
        magnitude: `(rows,)` or `(columns,)`.
        columns: whether columns have norms: where the weight is stored `(in, out)`.
        shape: rows and columns.
    """

    product: Product
    magnitude: Matrix
    columns: bool
    shape: tuple[int, int]
    _lock: Lock = field(default_factory=Lock)
    _kept: list[Matrix] = field(default_factory=list)

    def apply(self, values: Matrix, base: Matrix, rest: Rows, first: int) -> Matrix:
        """See `Change`."""
        last = first + len(values)
        delta = self.product.rows(first, last)
        if self.columns:
            by = self.magnitude / self._norms(rest)
        else:
            norms = np.sqrt(np.square(base + delta).sum(axis=1))
            by = (self.magnitude[first:last] / norms)[:, None]
        values += delta
        values *= by
        return values

    def _norms(self, rest: Rows) -> Matrix:
        """Norms of all columns; they take a pass over the whole base, once."""
        with self._lock:
            if not self._kept:
                rows, columns = self.shape
                squares, step = np.zeros(columns), max(1, BLOCK_VALUES // max(1, columns))
                for first in range(0, rows, step):
                    last = min(rows, first + step)
                    squares += np.square(rest(first, last) + self.product.rows(first, last)).sum(0)
                self._kept.append(np.sqrt(squares))
            return self._kept[0]
