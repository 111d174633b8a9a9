"""Norms of a change, and products of two, from their factors: the matrix is never made."""

import math

import numpy as np

from inspect_core.adapters.exact.balanced import Balanced, Matrix, back, triangle
from inspect_core.adapters.exact.low_rank import Factors, Kronecker, LowRank

MOST_MADE = 1 << 26
"""Values of two unlike changes that are made block by block to be multiplied: a second or two."""

_BLOCK = 1 << 20


def is_finite(factors: Factors) -> bool:
    """Whether no factor holds NaN or an infinity."""
    return all(bool(np.isfinite(half).all()) for half in halves(factors))


def is_zero(factors: Factors) -> bool:
    """Whether one of the factors is zero everywhere, and so their product."""
    if isinstance(factors, Kronecker):
        return not (factors.left.any() and factors.right.any())
    return not bool((factors.b.any(axis=0) & factors.a.any(axis=1)).any())


def halves(factors: Factors) -> tuple[Matrix, Matrix]:
    """The two matrices that a change is made of."""
    if isinstance(factors, Kronecker):
        return factors.left, factors.right
    return factors.b, factors.a


def l2(factors: Factors) -> float:
    """Frobenius norm of the change.

    Returns:
        NaN where a factor holds NaN or an infinity; inf where the norm itself leaves the range
        of float64, not where it only passes by it on the way.
    """
    if not is_finite(factors):
        return math.nan
    if isinstance(factors, Kronecker):
        (left, up), (right, down) = (_scaled(half) for half in halves(factors))
        return back(float(np.linalg.norm(left)) * float(np.linalg.norm(right)), up + down)
    balanced = Balanced.of(factors)
    return back(float(np.linalg.norm(balanced.core)), balanced.exponent)


def _scaled(matrix: Matrix) -> tuple[Matrix, int]:
    """A matrix divided by a power of two so that its largest size is in [0.5, 1)."""
    exponent = int(math.frexp(float(np.abs(matrix).max(initial=0.0)))[1])
    return np.ldexp(matrix, -exponent), exponent


def scaled(factors: Factors, factor: float) -> Factors:
    """A multiple of a change."""
    if isinstance(factors, Kronecker):
        return Kronecker(factor * factors.left, factors.right)
    return LowRank(factor * factors.b, factors.a)


def stacked(*parts: LowRank) -> LowRank:
    """The sum of changes of one shape.

    Raises:
        ValueError: the shapes differ.
    """
    if len({part.shape for part in parts}) > 1:
        raise ValueError(f"changes of shapes {[part.shape for part in parts]}")
    b, a = ([getattr(part, half) for part in parts] for half in ("b", "a"))
    return LowRank(np.concatenate(b, axis=1), np.concatenate(a, axis=0))


def summed(*parts: Factors) -> Factors | None:
    """The sum of changes of one shape in factors; None where it has none (two Kronecker products).

    Raises:
        ValueError: the shapes differ, or nothing is given.
    """
    if len(parts) == 1:
        return parts[0]
    low = [part for part in parts if isinstance(part, LowRank)]
    return stacked(*low) if len(low) == len(parts) else None


def inner(one: Factors, other: Factors) -> float | None:
    """The sum of the products of all entries of two changes of one shape.

    Returns:
        NaN where a factor is not finite; None where two Kronecker products are cut so
        differently that all of both would have to be made, and that is too much.

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(one, other)
    if not (is_finite(one) and is_finite(other)):
        return math.nan
    found = _inner(one, other)
    return None if found is None else back(*found)


def cosine(one: Factors, other: Factors) -> float | None:
    """Cosine of the angle between two changes as vectors; None where one is zero, or unknown.

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(one, other)
    if not (is_finite(one) and is_finite(other)) or is_zero(one) or is_zero(other):
        return None
    found = _inner(one, other)
    if found is None:
        return None
    product, exponent = found
    norms, below = 1.0, 0
    for factors in (one, other):
        if isinstance(factors, Kronecker):
            parts = [_scaled(half) for half in halves(factors)]
            norms *= math.prod(float(np.linalg.norm(half)) for half, _ in parts)
            below += sum(power for _, power in parts)
        else:
            balanced = Balanced.of(factors)
            norms *= float(np.linalg.norm(balanced.core))
            below += balanced.exponent
    if norms == 0.0:
        return None
    return max(-1.0, min(1.0, back(product / norms, exponent - below)))


def distance(one: Factors, other: Factors) -> float | None:
    """Frobenius norm of the difference of two changes; None where it cannot be had.

    It keeps its digits where the two are nearly the same, but for a low-rank change against a
    Kronecker product too large to be made.

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(one, other)
    if not (is_finite(one) and is_finite(other)):
        return math.nan
    pair = _alike(one, other)
    if pair is not None:
        first, second = pair
        return l2(stacked(first, LowRank(-second.b, second.a)))
    rows, columns = one.shape
    if rows * columns <= MOST_MADE:
        parts = [
            float(np.linalg.norm(one.rows(at, stop) - other.rows(at, stop)))
            for at, stop in _blocks(rows, columns)
        ]
        return math.hypot(*parts)
    product = inner(one, other)
    if product is None:
        return None
    sizes = l2(one), l2(other)
    return math.sqrt(max(0.0, sizes[0] ** 2 + sizes[1] ** 2 - 2.0 * product))


def _same_shape(one: Factors, other: Factors) -> None:
    if one.shape != other.shape:
        raise ValueError(f"a change of shape {one.shape} and one of {other.shape}")


def _alike(one: Factors, other: Factors) -> tuple[LowRank, LowRank] | None:
    """Two low-rank changes with the same products and norms; None for unlike kinds.

    The entries of `kron(left, right)` in another order are those of the rank-one matrix
    `vec(left) vec(right)^T` (Van Loan and Pitsianis 1993), and norms do not heed the order.
    """
    if isinstance(one, LowRank) and isinstance(other, LowRank):
        return one, other
    if not (isinstance(one, Kronecker) and isinstance(other, Kronecker)):
        return None
    if one.left.shape != other.left.shape:
        return None
    first, second = (LowRank(f.left.reshape(-1, 1), f.right.reshape(1, -1)) for f in (one, other))
    return first, second


def _inner(one: Factors, other: Factors) -> tuple[float, int] | None:
    """The product of two changes of one shape, and a power of two to multiply it with."""
    pair = _alike(one, other)
    if pair is not None:
        first, second = (Balanced.of(factors) for factors in pair)
        weights = np.outer(first.weights, second.weights)
        products = (first.b.T @ second.b) * (first.a @ second.a.T) * weights
        return float(products.sum()), first.exponent + second.exponent
    if isinstance(one, Kronecker) and isinstance(other, LowRank):
        return _inner_mixed(other, one)
    if isinstance(one, LowRank) and isinstance(other, Kronecker):
        return _inner_mixed(one, other)
    rows, columns = one.shape
    if rows * columns > MOST_MADE:
        return None
    blocks = _blocks(rows, columns)
    return sum(float(np.vdot(one.rows(*at), other.rows(*at))) for at in blocks), 0


def _inner_mixed(low: LowRank, product: Kronecker) -> tuple[float, int]:
    """`b^T kron(left, right) a^T` of every component: small products, one after the other."""
    balanced = Balanced.of(low)
    (left, up), (right, down) = (_scaled(half) for half in halves(product))
    (m, n), (p, q) = left.shape, right.shape
    total = 0.0
    for column, row, weight in zip(balanced.b.T, balanced.a, balanced.weights, strict=True):
        inside = column.reshape(m, p) @ right @ row.reshape(n, q).T
        total += float(weight) * float(np.vdot(left, inside))
    return total, balanced.exponent + up + down


def _blocks(rows: int, columns: int) -> list[tuple[int, int]]:
    step = max(1, _BLOCK // max(1, columns))
    return [(at, min(rows, at + step)) for at in range(0, rows, step)]


def unit_norms(factors: Factors) -> tuple[Matrix, Matrix]:
    """Norm of each row and of each column of a change: `(rows,)` and `(columns,)` float64.

    NaN everywhere where a factor is not finite.
    """
    if not is_finite(factors):
        return np.full(factors.shape[0], np.nan), np.full(factors.shape[1], np.nan)
    if isinstance(factors, Kronecker):
        parts = [_scaled(half) for half in halves(factors)]
        power = sum(exponent for _, exponent in parts)
        found = []
        for axis in (1, 0):
            left, right = (np.linalg.norm(half, axis=axis) for half, _ in parts)
            found.append(_ldexp(np.outer(left, right).reshape(-1), power))
        return found[0], found[1]
    balanced = Balanced.of(factors)
    rows = (balanced.b * balanced.weights) @ triangle(balanced.a.T).T
    columns = (triangle(balanced.b) * balanced.weights) @ balanced.a
    return (
        _ldexp(np.linalg.norm(rows, axis=1), balanced.exponent),
        _ldexp(np.linalg.norm(columns, axis=0), balanced.exponent),
    )


def _ldexp(values: Matrix, exponent: int) -> Matrix:
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(values, exponent)
