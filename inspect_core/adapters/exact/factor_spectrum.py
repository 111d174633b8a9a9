"""The singular values of a change, all of them and exactly, from its factors.

Of `B A` they are those of the small core between the QR decompositions of both (`norms`); of a
Kronecker product they are all products of one value of each side.
"""

import math
from typing import NamedTuple

import numpy as np

from inspect_core.adapters.exact.balanced import Balanced, Matrix, back, singulars
from inspect_core.adapters.exact.low_rank import Factors, Kronecker, LowRank
from inspect_core.adapters.exact.norms import is_finite, l2
from inspect_core.delta.spectrum import Spectrum
from inspect_core.delta.summary import LEAST_SQUARE
from inspect_core.errors import UsageError

MOST_VALUES = 1 << 16
"""Singular values kept of a Kronecker product; of the rest only their number is known."""

_EPSILON = float(np.finfo(np.float64).eps)


class Values(NamedTuple):
    """Singular values of a change.

    Attributes:
        found: float64, descending; zeros that the factors' shapes force are not among them.
        number: how many there are, kept or not.
        floor: below this they are not told from zero.
        l2: square root of the sum of the squares of all of them: the norm of the change.
    """

    found: Matrix
    number: int
    floor: float
    l2: float

    @property
    def rank(self) -> int:
        """Values that are told from zero; at least so many where not all are kept."""
        return int(np.count_nonzero(self.found > self.floor))


def singular_values(factors: Factors, most: int = MOST_VALUES) -> Values:
    """The singular values of a change.

    Args:
        factors: finite ones.
        most: how many of a Kronecker product to keep.
    """
    if isinstance(factors, Kronecker):
        left, right = (singulars(half) for half in sides_of(factors))
        top, count = _top(left) * _top(right), left.size * right.size
        products = np.outer(left, right[:most]).reshape(-1) if count else np.zeros(0)
        kept = np.sort(products)[::-1][:most]
        sides = max(*factors.left.shape, *factors.right.shape)
        return Values(kept, count, top * _EPSILON * sides, l2(factors))
    balanced = Balanced.of(factors)
    values = singulars(balanced.core)
    with np.errstate(over="ignore", under="ignore"):
        found = np.ldexp(values, balanced.exponent)
    size = back(float(np.linalg.norm(values)), balanced.exponent)
    return Values(found, found.size, back(balanced.floor, balanced.exponent), size)


def sides_of(factors: Kronecker) -> tuple[Matrix, Matrix]:
    """Both halves, of about the same size: one may be huge where the other is tiny."""
    left, right = (float(np.abs(half).max(initial=0.0)) for half in (factors.left, factors.right))
    power = (math.frexp(left)[1] - math.frexp(right)[1]) // 2
    return np.ldexp(factors.left, -power), np.ldexp(factors.right, power)


def _top(values: Matrix) -> float:
    return float(values[0]) if values.size else 0.0


class Measures(NamedTuple):
    """What the singular values of a change sum up to.

    Attributes:
        l2: its norm; NaN where a factor is not finite.
        largest: its largest singular value; NaN likewise.
        rank: how many are told from zero.
        effective_rank: exp of the entropy of s / sum(s), over those told from zero (Roy and
            Vetterli 2007); None where a factor is not finite.
    """

    l2: float
    largest: float
    rank: int
    effective_rank: float | None


def measure(factors: Factors) -> Measures:
    """The measures of a change."""
    if not is_finite(factors):
        return Measures(math.nan, math.nan, 0, None)
    values = singular_values(factors)
    entropic: float = _entropy_rank(values.found, values.floor)
    if isinstance(factors, Kronecker):  # the entropy of all products is the sum of both entropies
        found = [singulars(half) for half in sides_of(factors)]
        floors = [_top(half) * _EPSILON * max(factors.shape) for half in found]
        entropic = math.prod(map(_entropy_rank, found, floors))
    return Measures(values.l2, _top(values.found), values.rank, entropic)


def _entropy_rank(values: Matrix, floor: float) -> float:
    kept = values[values > floor]
    if not kept.size:
        return 0.0
    kept = kept / kept[0]
    shares = kept / kept.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def find_factor_spectrum(factors: Factors) -> Spectrum:
    """The spectrum of a change as `delta.spectrum.find_spectrum` gives it, but from the factors.

    `changed` is None: which entries of the product are zero is not in the factors. There is no
    noise of rounding: what is looked at is the change itself, in float64, not what storing its
    sum with a weight would leave of it.

    Raises:
        UsageError: a factor holds NaN or infinite values, or squares leave float64's range.
    """
    if not is_finite(factors):
        raise UsageError("its factors hold NaN or infinite values: no spectrum")
    values = singular_values(factors)
    size = values.l2
    energy = size * size
    if not math.isfinite(energy) or (size > 0.0 and energy < LEAST_SQUARE):
        raise UsageError("the squares of its values leave the range of float64: no spectrum")
    exact = len(values.found) == values.number
    kept = "" if exact else f", the largest {len(values.found):,} of {values.number:,}"
    return Spectrum(
        values=values.found,
        exact=exact,
        method=f"exact, from {kind_of(factors)}{kept}, in float64",
        rows=factors.shape[0],
        columns=factors.shape[1],
        energy=energy,
        changed=None,
        noise=0.0,
        noise_dtype="F64",
        numerical=values.floor,
    )


def kind_of(factors: Factors) -> str:
    """What a change is made of, in words."""
    if isinstance(factors, LowRank):
        return f"factors of rank {factors.b.shape[1]}"
    (m, n), (p, q) = factors.left.shape, factors.right.shape
    return f"the Kronecker product of {m} x {n} and {p} x {q}"
