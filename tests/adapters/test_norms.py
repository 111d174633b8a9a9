"""Norms and products from factors, against the matrices themselves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.adapters.exact import norms
from inspect_core.adapters.exact.low_rank import Kronecker, LowRank

sizes = st.integers(1, 7)


def low(rng, rows, columns, rank):
    return LowRank(rng.normal(size=(rows, rank)), rng.normal(size=(rank, columns)))


def kron(rng, m, n, p, q):
    return Kronecker(rng.normal(size=(m, n)), rng.normal(size=(p, q)))


def made(factors):
    return factors.rows(0, factors.shape[0])


@given(st.integers(0, 2**32), sizes, sizes, st.integers(0, 9))
@settings(deadline=None)
def test_the_norms_of_a_low_rank_change_are_the_product_s(seed, rows, columns, rank):
    factors = low(np.random.default_rng(seed), rows, columns, rank)
    matrix = made(factors)
    assert norms.l2(factors) == pytest.approx(np.linalg.norm(matrix), rel=1e-12, abs=1e-12)
    by_row, by_column = norms.unit_norms(factors)
    np.testing.assert_allclose(by_row, np.linalg.norm(matrix, axis=1), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(by_column, np.linalg.norm(matrix, axis=0), rtol=1e-10, atol=1e-12)


@given(st.integers(0, 2**32), sizes, sizes, sizes, sizes)
@settings(deadline=None)
def test_the_norms_of_a_kronecker_product_are_the_product_s(seed, m, n, p, q):
    factors = kron(np.random.default_rng(seed), m, n, p, q)
    matrix = made(factors)
    np.testing.assert_array_equal(matrix, np.kron(factors.left, factors.right))
    assert norms.l2(factors) == pytest.approx(np.linalg.norm(matrix), rel=1e-12)
    by_row, by_column = norms.unit_norms(factors)
    np.testing.assert_allclose(by_row, np.linalg.norm(matrix, axis=1), rtol=1e-12)
    np.testing.assert_allclose(by_column, np.linalg.norm(matrix, axis=0), rtol=1e-12)


def pairs(rng):
    yield low(rng, 12, 10, 3), low(rng, 12, 10, 5)
    yield kron(rng, 3, 5, 4, 2), kron(rng, 3, 5, 4, 2)
    yield kron(rng, 3, 5, 4, 2), low(rng, 12, 10, 4)
    yield low(rng, 12, 10, 4), kron(rng, 3, 5, 4, 2)
    yield kron(rng, 3, 5, 4, 2), kron(rng, 6, 1, 2, 10)


def test_products_and_distances_of_two_changes_of_any_kinds():
    for one, other in pairs(np.random.default_rng(0)):
        first, second = made(one), made(other)
        product = float(np.vdot(first, second))
        assert norms.inner(one, other) == pytest.approx(product, rel=1e-11)
        size = np.linalg.norm(first) * np.linalg.norm(second)
        assert norms.cosine(one, other) == pytest.approx(product / size, rel=1e-11)
        expected = np.linalg.norm(first - second)
        assert norms.distance(one, other) == pytest.approx(expected, rel=1e-12)


def test_a_kronecker_product_too_large_to_be_made_is_still_multiplied(monkeypatch):
    monkeypatch.setattr(norms, "MOST_MADE", 0)
    *_, mixed, _, unlike = pairs(np.random.default_rng(1))
    first, second = map(made, mixed)
    assert norms.distance(*mixed) == pytest.approx(np.linalg.norm(first - second), rel=1e-9)
    assert norms.inner(*unlike) is None
    assert norms.cosine(*unlike) is None
    assert norms.distance(*unlike) is None


def test_parts_that_cancel_leave_the_digits_that_gram_matrices_lose():
    rng = np.random.default_rng(2)
    b, a = rng.normal(size=(30, 2)), rng.normal(size=(2, 20))
    rest = LowRank(1e-9 * rng.normal(size=(30, 1)), rng.normal(size=(1, 20)))
    one = norms.stacked(LowRank(b, a), rest)
    expected = np.linalg.norm(made(rest))
    assert norms.distance(one, LowRank(b, a)) == pytest.approx(expected, rel=1e-6)
    gram = np.sqrt(
        abs(np.sum((np.hstack([one.b, -b]).T @ np.hstack([one.b, -b]))
                   * (np.vstack([one.a, a]) @ np.vstack([one.a, a]).T)))
    )  # fmt: skip
    assert abs(gram - expected) > 0.01 * expected


@pytest.mark.parametrize("power", [200, 1000, -1000])
def test_factors_at_both_ends_of_float64_neither_overflow_nor_vanish(power):
    rng = np.random.default_rng(3)
    plain = low(rng, 9, 8, 3)
    far = LowRank(np.ldexp(plain.b, power), np.ldexp(plain.a, -power))
    assert norms.l2(far) == pytest.approx(norms.l2(plain), rel=1e-12)
    assert norms.cosine(far, plain) == pytest.approx(1.0)
    assert norms.distance(far, plain) == pytest.approx(0.0, abs=1e-13)
    both = kron(rng, 3, 4, 3, 2)
    odd = Kronecker(np.ldexp(both.left, power), np.ldexp(both.right, -power))
    assert norms.l2(odd) == pytest.approx(norms.l2(both), rel=1e-12)
    assert norms.cosine(odd, both) == pytest.approx(1.0)


def test_components_of_very_unlike_size_each_count():
    rng = np.random.default_rng(4)
    large, small = low(rng, 9, 8, 1), low(rng, 9, 8, 1)
    mixed = norms.stacked(
        LowRank(np.ldexp(large.b, 600), np.ldexp(large.a, -600)),
        LowRank(np.ldexp(small.b, -500), np.ldexp(small.a, 500)),
    )
    expected = np.linalg.norm(made(large) + made(small))
    assert norms.l2(mixed) == pytest.approx(expected, rel=1e-12)


def test_a_norm_beyond_float64_is_infinite_and_one_of_nan_is_nan():
    huge = LowRank(np.full((4, 1), 1e200), np.full((1, 4), 1e200))
    assert norms.l2(huge) == math.inf
    assert norms.cosine(huge, huge) == pytest.approx(1.0)
    broken = LowRank(np.array([[np.nan], [1.0]]), np.ones((1, 2)))
    assert math.isnan(norms.l2(broken))
    assert math.isnan(norms.inner(broken, broken))
    assert norms.cosine(broken, broken) is None
    assert np.isnan(norms.unit_norms(broken)[0]).all()
    assert not norms.is_finite(broken)


def test_zero_is_told_from_the_factors():
    rng = np.random.default_rng(5)
    never = LowRank(np.zeros((5, 2)), rng.normal(size=(2, 5)))
    assert norms.is_zero(never)
    assert norms.l2(never) == 0.0
    assert norms.cosine(never, low(rng, 5, 5, 2)) is None
    crossed = LowRank(np.array([[1.0, 0.0]] * 5), np.array([[0.0] * 5, [1.0] * 5]))
    assert norms.is_zero(crossed), "each component has a zero side"
    assert not norms.is_zero(low(rng, 5, 5, 2))
    assert norms.is_zero(Kronecker(np.zeros((2, 2)), np.ones((2, 2))))
    assert norms.l2(LowRank(np.zeros((3, 0)), np.zeros((0, 4)))) == 0.0


def test_changes_of_unlike_shapes_are_refused():
    rng = np.random.default_rng(6)
    for ask in (norms.inner, norms.cosine, norms.distance, norms.stacked):
        with pytest.raises(ValueError, match="shape"):
            ask(low(rng, 4, 5, 2), low(rng, 5, 4, 2))


def test_multiples_and_sums():
    rng = np.random.default_rng(7)
    one, other = low(rng, 4, 5, 2), low(rng, 4, 5, 3)
    np.testing.assert_allclose(made(norms.summed(one, other)), made(one) + made(other))
    block = kron(rng, 2, 5, 2, 1)
    assert norms.summed(block) is block
    assert norms.summed(block, block) is None
    np.testing.assert_allclose(made(norms.scaled(block, -2.0)), -2.0 * made(block))
    np.testing.assert_allclose(made(norms.scaled(one, 0.5)), 0.5 * made(one))
