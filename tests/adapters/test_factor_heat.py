"""Cells of a change from its factors, against the cells of the matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.adapters.exact.factor_heat import pooled, total
from inspect_core.adapters.exact.low_rank import Kronecker, LowRank
from inspect_core.delta.heat import MatrixView, Window


def low(rng, rows, columns, rank):
    return LowRank(rng.normal(size=(rows, rank)), rng.normal(size=(rank, columns)))


def kron(rng, m, n, p, q):
    return Kronecker(rng.normal(size=(m, n)), rng.normal(size=(p, q)))


def check(factors, grid, window=None):
    rows, columns = factors.shape
    view = MatrixView(rows, columns)
    heat, matrix = pooled(factors, view, grid, window), factors.rows(0, rows)
    part = window or Window.all_of(view)
    shape = heat.cells.shape[1:]
    assert shape == (max(1, min(grid[0], part.rows)), max(1, min(grid[1], part.columns)))
    for row in range(shape[0]):
        for column in range(shape[1]):
            cell = part.cell(row, column, *shape)
            values = matrix[cell.top : cell.bottom, cell.left : cell.right]
            found = heat.cells[:, row, column]
            assert found[3] == values.size
            assert found[0] == pytest.approx(values.sum(), abs=1e-10)
            if values.size == 1:
                assert found[1] == found[2] == pytest.approx(abs(values[0, 0]), abs=1e-10)
            else:
                assert np.isnan(found[1]), "the sizes of single entries are not in the factors"
                assert np.isnan(found[2])


small = st.integers(1, 6)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40), st.integers(0, 5), st.data())
@settings(deadline=None, max_examples=60)
def test_cells_of_a_low_rank_change(seed, rows, columns, rank, data):
    factors = low(np.random.default_rng(seed), rows, columns, rank)
    top, left = (data.draw(st.integers(0, size - 1)) for size in (rows, columns))
    bottom = data.draw(st.integers(top + 1, rows))
    right = data.draw(st.integers(left + 1, columns))
    grid = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    check(factors, grid)
    check(factors, grid, Window(top, left, bottom, right))


@given(st.integers(0, 2**32), small, small, small, small, st.data())
@settings(deadline=None, max_examples=100)
def test_cells_of_a_kronecker_product(seed, m, n, p, q, data):
    factors = kron(np.random.default_rng(seed), m, n, p, q)
    rows, columns = factors.shape
    top, left = (data.draw(st.integers(0, size - 1)) for size in (rows, columns))
    bottom = data.draw(st.integers(top + 1, rows))
    right = data.draw(st.integers(left + 1, columns))
    grid = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    check(factors, grid)
    check(factors, grid, Window(top, left, bottom, right))


def test_the_sum_of_all_entries():
    rng = np.random.default_rng(0)
    for factors in (low(rng, 9, 7, 3), kron(rng, 3, 2, 3, 4)):
        assert total(factors) == pytest.approx(factors.rows(0, 9).sum())
    assert total(LowRank(np.zeros((0, 2)), np.zeros((2, 5)))) == 0.0


def test_what_is_not_finite_does_not_become_a_number():
    factors = low(np.random.default_rng(1), 8, 8, 2)
    factors.b[7, 0] = np.inf
    mean = pooled(factors, MatrixView(8, 8), (2, 2)).mean
    assert np.isfinite(mean[0]).all()
    assert not np.isfinite(mean[1]).any()


def test_a_view_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="8 x 4"):
        pooled(low(np.random.default_rng(2), 4, 8, 2), MatrixView(8, 4), (2, 2))


def test_a_change_of_400_gb_is_pooled_from_its_factors():
    rng = np.random.default_rng(3)
    factors = low(rng, 224_000, 224_000, 8)
    heat = pooled(factors, MatrixView(224_000, 224_000), (40, 100))
    cell = Window(0, 0, 224_000, 224_000).cell(39, 99, 40, 100)
    expected = factors.b[cell.top :].sum(axis=0) @ factors.a[:, cell.left :].sum(axis=1)
    assert heat.cells[0, 39, 99] == pytest.approx(expected)
    assert heat.cells[3].sum() == 224_000.0**2
