"""Sums over the rows and the columns of a matrix: which units moved."""

import math

import numpy as np
import pytest
from delta_made import Held, encode, random_raw, tensor, widen
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.control import Control
from inspect_core.delta import compare, profile
from inspect_core.delta.compare import Comparer
from inspect_core.delta.heat import MatrixView
from inspect_core.delta.kernel import CpuKernel
from inspect_core.errors import Cancelled, UsageError
from inspect_core.pairing import Pair


def profile_of(a, b, view=None, dtype="F64", threads=2, control=None):
    info = tensor("w", dtype, a.shape)
    sides = [Held({"w": encode(side, dtype)}) for side in (a, b)]
    return Comparer(CpuKernel(), threads).profile(
        *sides, Pair(info, info), control or Control(), view
    )


def assert_sums(units, a, b, axis):
    d = a - b
    assert units.length == a.shape[axis]
    assert units.abs_d == pytest.approx(np.abs(d).sum(axis=axis), rel=1e-12)
    assert units.sq_d == pytest.approx((d * d).sum(axis=axis), rel=1e-12)
    assert units.sq_reference == pytest.approx((b * b).sum(axis=axis), rel=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(30, 200), st.integers(0, 2**32))
def test_sums_of_rows_and_columns_however_they_are_cut(rows, columns, chunk, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(rows, columns)), rng.normal(size=(rows, columns))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "CHUNK_VALUES", chunk)
        found = profile_of(a, b)
    assert_sums(found.rows, a, b, 1)
    assert_sums(found.columns, a, b, 0)


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F8_E5M2", "I8", "I64"])
def test_profiles_of_every_kind_of_dtype(dtype):
    rng = np.random.default_rng(0)
    raws = [random_raw(rng, dtype, 90 * 70) for _ in "ab"]
    info = tensor("w", dtype, (90, 70))
    found = Comparer(CpuKernel(), 2).profile(
        *(Held({"w": raw}) for raw in raws), Pair(info, info), Control()
    )
    a, b = (widen(raw, dtype).reshape(90, 70) for raw in raws)
    assert_sums(found.rows, a, b, 1)
    assert_sums(found.columns, a, b, 0)


def test_one_matrix_of_a_stack_is_looked_at():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(3, 20, 30)), rng.normal(size=(3, 20, 30))
    assert_sums(profile_of(a, b).rows, a[0], b[0], 1)
    assert_sums(profile_of(a, b, MatrixView.of(a.shape, 2)).columns, a[2], b[2], 0)


def test_the_units_that_moved_come_first():
    b = np.ones((6, 5))
    a = b.copy()
    a[4] += 2.0
    a[1, 3] += 3.0
    b[5], a[5] = 0.0, 1e-3
    found = profile_of(a, b)
    assert found.rows.movers(10) == [4, 1, 5]
    assert found.rows.movers(2) == [4, 1]
    assert found.rows.movers(9, by="mean_abs") == [4, 1, 5]
    assert found.rows.movers(9, by="rel_l2") == [4, 1]  # against nothing there is no ratio
    assert found.columns.movers(1) == [3]
    assert found.rows.movers(0) == []
    assert found.rows.mean_abs[4] == 2.0
    assert found.rows.l2[1] == 3.0
    assert found.rows.rel_l2[4] == 2.0
    assert math.isnan(found.rows.rel_l2[5])
    assert found.rows.rel_l2[0] == 0.0


def test_positions_that_are_not_finite_count_as_zeros():
    a, b = np.ones((2, 2)), np.zeros((2, 2))
    a[0, 0], b[0, 1] = math.nan, math.inf
    found = profile_of(a, b)
    assert found.rows.abs_d.tolist() == [0.0, 2.0]
    assert found.columns.sq_reference.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_an_empty_matrix_has_an_empty_profile(shape):
    found = profile_of(np.empty(shape), np.empty(shape))
    assert not found.rows.abs_d.any()
    assert found.rows.movers(3) == found.columns.movers(3) == []


def test_a_vector_is_one_row():
    found = profile_of(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
    assert (found.rows.abs_d.tolist(), found.columns.abs_d.tolist()) == ([3.0], [0.0, 3.0])


@pytest.mark.parametrize("shape", [(10**9, 1), (1, 10**9)])
def test_too_many_units_are_refused_before_anything_is_read(shape):
    info = tensor("w", "F32", shape)
    with pytest.raises(UsageError, match="too many units"):
        Comparer(CpuKernel(), 2).profile(Held({}), Held({}), Pair(info, info), Control())
    assert profile.MOST_COLUMNS <= compare.CHUNK_VALUES  # a row always fits a chunk


def test_progress_ends_with_all_bytes_and_a_profile_can_be_cancelled(monkeypatch):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 100)
    a = np.ones((50, 20))
    reports = []
    profile_of(a, a, control=Control(reports.append))
    assert reports[-1].bytes_done == reports[-1].bytes_total == 2 * a.nbytes
    stopped = Control()
    stopped.cancel()
    with pytest.raises(Cancelled):
        profile_of(a, a, control=stopped)
