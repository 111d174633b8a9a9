"""Overlaps of subspaces, against projections that are made in full."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.adapters.exact import overlap as module
from inspect_core.adapters.exact.low_rank import Kronecker, LowRank
from inspect_core.adapters.exact.overlap import (
    cosine_of,
    directions,
    factor_directions,
    overlap,
    overlap_grid,
    side_overlap,
)


def low(rng, rows, columns, rank):
    return LowRank(rng.normal(size=(rows, rank)), rng.normal(size=(rank, columns)))


def phi(one, other, i, j):
    """Section 7.2 of the paper, in so many words."""
    return np.linalg.norm(one[:, :i].T @ other[:, :j], "fro") ** 2 / min(i, j)


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 5))
@settings(deadline=None)
def test_overlaps_are_those_of_the_singular_vectors_of_the_matrices(seed, rank, other_rank):
    rng = np.random.default_rng(seed)
    one, other = low(rng, 12, 9, rank), low(rng, 12, 9, other_rank)
    found = overlap(one, other)
    u, _, v = np.linalg.svd(one.rows(0, 12))
    x, _, y = np.linalg.svd(other.rows(0, 12))
    for side, first, second in ((found.output, u, x), (found.input, v.T, y.T)):
        assert side.ranks == (rank, other_rank)
        assert side.full == pytest.approx(phi(first, second, rank, other_rank), abs=1e-9)
        assert side.leading == pytest.approx(phi(first, second, 1, 1), abs=1e-9)
        worst = np.linalg.svd(first[:, :rank].T @ second[:, :other_rank])[1][-1]
        assert side.largest_angle == pytest.approx(worst, abs=1e-9)
        assert 0.0 <= side.full <= 1.0
    assert found.rel_l2 == pytest.approx(
        np.linalg.norm(one.rows(0, 12) - other.rows(0, 12)) / np.linalg.norm(other.rows(0, 12))
    )


def test_a_change_overlaps_with_itself_in_any_other_factors():
    rng = np.random.default_rng(0)
    one = low(rng, 20, 30, 3)
    mixed = rng.normal(size=(3, 3))
    same = LowRank(one.b @ mixed, np.linalg.solve(mixed, one.a))
    found = overlap(one, same)
    for side in (found.input, found.output):
        assert side.full == pytest.approx(1.0)
        assert side.leading == pytest.approx(1.0)
        assert side.largest_angle == pytest.approx(1.0)
    assert found.cosine == pytest.approx(1.0)
    assert found.distance == pytest.approx(0.0, abs=1e-10)


def test_changes_that_read_apart_and_write_alike():
    units = np.eye(6)
    found = overlap(LowRank(units[:, :2], units[:2]), LowRank(units[:, :2], units[2:5][:2]))
    assert found.output.full == pytest.approx(1.0)
    assert found.input.full == pytest.approx(0.0)
    assert found.cosine == pytest.approx(0.0)


def test_what_is_expected_of_random_subspaces_is_what_they_have():
    rng = np.random.default_rng(1)
    found = [overlap(low(rng, 64, 48, 2), low(rng, 64, 48, 6)) for _ in range(400)]
    for side in ("input", "output"):
        one = getattr(found[0], side)
        mean = np.mean([getattr(each, side).full for each in found])
        leading = np.mean([getattr(each, side).leading for each in found])
        assert mean == pytest.approx(one.expected, rel=0.06)
        assert leading == pytest.approx(one.expected_leading, rel=0.25)


def test_the_grid_of_the_paper():
    rng = np.random.default_rng(2)
    one, other = (factor_directions(low(rng, 15, 40, rank)) for rank in (8, 5))
    grid = overlap_grid(one.input, other.input)
    assert grid.shape == (8, 5)
    for i, j in ((1, 1), (3, 5), (8, 2), (8, 5)):
        assert grid[i - 1, j - 1] == pytest.approx(phi(one.input, other.input, i, j))
    assert grid[-1, -1] == pytest.approx(side_overlap(one.input, other.input).full)


def test_factors_and_changes_agree_on_all_directions():
    rng = np.random.default_rng(3)
    one, other = low(rng, 15, 40, 4), low(rng, 15, 40, 6)
    own = side_overlap(factor_directions(one).input, factor_directions(other).input)
    assert overlap(one, other).input.full == pytest.approx(own.full, abs=1e-12)


def test_kronecker_products_have_the_directions_of_their_matrix():
    rng = np.random.default_rng(4)
    factors = Kronecker(rng.normal(size=(2, 3)), rng.normal(size=(4, 2)))
    found = directions(factors)
    u, s, v = np.linalg.svd(factors.rows(0, 8))
    rank = found.rank
    assert rank == np.count_nonzero(s > 1e-12)
    np.testing.assert_allclose(np.abs(np.sum(found.output * u[:, :rank], axis=0)), 1.0)
    np.testing.assert_allclose(np.abs(np.sum(found.input * v[:rank].T, axis=0)), 1.0)


def test_no_directions_where_there_are_none_or_too_many(monkeypatch):
    rng = np.random.default_rng(5)
    one = low(rng, 6, 5, 2)
    never = LowRank(np.zeros((6, 2)), rng.normal(size=(2, 5)))
    found = overlap(one, never)
    assert found.input is None
    assert "never trained" in found.note
    assert (found.cosine, found.rel_l2) == (None, None)
    broken = LowRank(np.full((6, 1), np.nan), np.ones((1, 5)))
    assert "NaN" in overlap(one, broken).note
    monkeypatch.setattr(module, "MOST_DIRECTIONS", 10)
    found = overlap(one, one)
    assert found.output is None
    assert "too many" in found.note
    assert found.cosine == pytest.approx(1.0)


def test_a_direction_that_is_only_rounding_is_none():
    rng = np.random.default_rng(6)
    b = rng.normal(size=(30, 1))
    factors = LowRank(np.hstack([b, b]), rng.normal(size=(2, 20)))
    assert directions(factors).rank == 1


def test_cosines_of_sums():
    assert cosine_of(2.0, 4.0, 4.0) == 0.5
    assert cosine_of(9.0, 4.0, 4.0) == 1.0
    assert cosine_of(0.0, 0.0, 4.0) is None


def test_weak_directions_are_orthonormal_too():
    rng = np.random.default_rng(7)
    sizes = np.array([1.0, 1e-4, 1e-9])
    factors = LowRank(rng.normal(size=(2000, 3)) * sizes, rng.normal(size=(3, 900)))
    found = directions(factors)
    assert found.rank == 3
    for side in (found.output, found.input):
        np.testing.assert_allclose(side.T @ side, np.eye(3), atol=1e-13)
    again = (found.output * np.ldexp(found.strengths, found.exponent)) @ found.input.T
    np.testing.assert_allclose(again, factors.rows(0, 2000), atol=1e-12)


def test_components_that_cancel_leave_no_directions():
    rng = np.random.default_rng(8)
    b, a = np.ones((6, 1)), np.ones((1, 5))
    cancels = LowRank(np.hstack([b, -b]), np.vstack([a, a]))
    found = overlap(cancels, low(rng, 6, 5, 2))
    assert found.input is None
    assert "is zero" in found.note
    assert found.l2[0] < 1e-14
