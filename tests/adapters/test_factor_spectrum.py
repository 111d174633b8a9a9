"""Singular values from factors, against those of the matrices."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.adapters.exact.factor_spectrum import (
    MOST_VALUES,
    find_factor_spectrum,
    measure,
    singular_values,
)
from inspect_core.adapters.exact.low_rank import Kronecker, LowRank
from inspect_core.errors import UsageError

sizes = st.integers(1, 7)


def low(rng, rows, columns, rank):
    return LowRank(rng.normal(size=(rows, rank)), rng.normal(size=(rank, columns)))


def of_matrix(factors):
    return np.linalg.svd(factors.rows(0, factors.shape[0]), compute_uv=False)


@given(st.integers(0, 2**32), sizes, sizes, st.integers(0, 9))
@settings(deadline=None)
def test_values_of_a_low_rank_change(seed, rows, columns, rank):
    factors = low(np.random.default_rng(seed), rows, columns, rank)
    found, expected = singular_values(factors).found, of_matrix(factors)
    np.testing.assert_allclose(found, expected[: len(found)], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(expected[len(found) :], 0.0, atol=1e-12)
    assert len(found) == min(rows, columns, rank)


@given(st.integers(0, 2**32), sizes, sizes, sizes, sizes)
@settings(deadline=None)
def test_values_of_a_kronecker_product(seed, m, n, p, q):
    rng = np.random.default_rng(seed)
    factors = Kronecker(rng.normal(size=(m, n)), rng.normal(size=(p, q)))
    found, expected = singular_values(factors), of_matrix(factors)
    np.testing.assert_allclose(found.found, expected[: found.number], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(expected[found.number :], 0.0, atol=1e-12)


def test_a_spectrum_says_what_that_of_the_matrix_says():
    rng = np.random.default_rng(0)
    factors = low(rng, 60, 40, 5)
    spectrum, expected = find_factor_spectrum(factors), of_matrix(factors)
    assert spectrum.exact
    assert (spectrum.rank, spectrum.rank_is_bound) == (5, False)
    kept = expected[:5] / expected[:5].sum()
    entropy = math.exp(-(kept * np.log(kept)).sum())
    assert spectrum.effective_rank == pytest.approx(entropy, rel=1e-10)
    assert measure(factors).effective_rank == pytest.approx(entropy, rel=1e-10)
    assert spectrum.energy == pytest.approx(np.square(expected).sum(), rel=1e-12)
    assert spectrum.stable_rank == pytest.approx(spectrum.energy / expected[0] ** 2)
    assert spectrum.top_energy[-1] == pytest.approx(1.0)
    assert spectrum.changed is None
    assert spectrum.changed_fraction is None
    assert measure(factors).largest == pytest.approx(expected[0])


def test_dependent_components_do_not_raise_the_rank():
    rng = np.random.default_rng(1)
    b = rng.normal(size=(500, 3))
    factors = LowRank(np.hstack([b, b @ rng.normal(size=(3, 5))]), rng.normal(size=(8, 300)))
    assert find_factor_spectrum(factors).rank == 3


def test_the_effective_rank_of_a_kronecker_product():
    rng = np.random.default_rng(2)
    factors = Kronecker(rng.normal(size=(3, 4)), 1e-3 * rng.normal(size=(5, 5)))
    values = of_matrix(factors)
    shares = values[:15] / values[:15].sum()
    entropy = math.exp(-(shares * np.log(shares)).sum())
    assert measure(factors).effective_rank == pytest.approx(entropy, rel=1e-10)
    assert find_factor_spectrum(factors).effective_rank == pytest.approx(entropy, rel=1e-10)


def test_of_many_values_the_largest_are_kept_and_the_rank_is_a_bound():
    rng = np.random.default_rng(3)
    factors = Kronecker(rng.normal(size=(4, 4)), rng.normal(size=(5, 5)))
    values = singular_values(factors, 7)
    np.testing.assert_allclose(values.found, of_matrix(factors)[:7], rtol=1e-10)
    assert values.number == 20
    spectrum = find_factor_spectrum(Kronecker(np.eye(300), np.eye(300)))
    assert not spectrum.exact
    assert spectrum.rank == MOST_VALUES
    assert spectrum.rank_is_bound
    assert "90,000" in spectrum.method


def test_what_never_trained_has_rank_zero():
    zero = find_factor_spectrum(LowRank(np.zeros((5, 2)), np.ones((2, 5))))
    assert zero.is_zero
    assert zero.rank == 0
    assert measure(LowRank(np.zeros((5, 2)), np.ones((2, 5)))).effective_rank == 0.0


def test_no_spectrum_of_what_is_not_finite_or_out_of_range():
    broken = LowRank(np.array([[np.inf], [1.0]]), np.ones((1, 2)))
    with pytest.raises(UsageError, match="NaN or infinite"):
        find_factor_spectrum(broken)
    assert measure(broken).effective_rank is None
    assert math.isnan(measure(broken).largest)
    for size in (1e100, 1e-100):
        far = LowRank(np.full((2, 1), size), np.full((1, 2), size))
        with pytest.raises(UsageError, match="range of float64"):
            find_factor_spectrum(far)


def test_a_change_of_400_gb_needs_no_more_than_its_factors():
    rng = np.random.default_rng(4)
    b, _ = np.linalg.qr(rng.normal(size=(224_000, 8)))
    a, _ = np.linalg.qr(rng.normal(size=(224_000, 8)))
    sizes = np.array([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    spectrum = find_factor_spectrum(LowRank(b * sizes, a.T))
    np.testing.assert_allclose(spectrum.values, sizes, rtol=1e-12)
    assert spectrum.rank == 8
    assert spectrum.energy == pytest.approx(204.0, rel=1e-12)
