"""Angles of rows and largest columns: any chunking, any shape, in bounded memory."""

import math
from itertools import pairwise

import numpy as np
import pytest
from delta_made import Held, Repeated, assert_close, encode, exact, random_raw, tensor, widen
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.control import Control
from inspect_core.delta import compare
from inspect_core.delta.collect import EVERYTHING, NOTHING, Collect
from inspect_core.delta.compare import CHUNK_VALUES, Comparer
from inspect_core.delta.kernel import CpuKernel
from inspect_core.delta.metrics import METRICS, ORIGINALS
from inspect_core.delta.row_angles import RowAngles
from inspect_core.delta.rows import row_bounds, row_length
from inspect_core.delta.summary import Summary
from inspect_core.pairing import Pair

ROWS = Collect(rows=True, columns=True)


def summary_of(a, b, dtype="F64", shape=None, threads=2, collect=ROWS):
    """The summary of two arrays (or of one, against nothing) in a dtype, with its rows."""
    a = np.asarray(a, np.float64)
    shape = a.shape if shape is None else shape
    sides = [Held({"w": encode(side, dtype)}) for side in (a, a if b is None else np.asarray(b))]
    info = tensor("w", dtype, shape)
    pair = Pair(info, None if b is None else info)
    ((_, got),) = Comparer(CpuKernel(), threads).summaries(*sides, [pair], Control(), collect)
    return got


def exact_angles(a, b):
    """The angle of each row by exact arithmetic; None where a side is zero."""
    length = row_length(a.shape)
    rows = zip(a.reshape(-1, length), b.reshape(-1, length), strict=True)
    return [exact(x, y).angle if x.any() and y.any() else None for x, y in rows]


SHAPES = st.lists(st.integers(1, 9), min_size=0, max_size=4).map(tuple)


@settings(max_examples=120, deadline=None)
@given(SHAPES, st.integers(0, 2**32), st.floats(-9, 1), st.integers(1, 40))
def test_rows_are_those_of_exact_arithmetic_however_they_are_cut(shape, seed, size, chunk):
    rng = np.random.default_rng(seed)
    b = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 3)
    a = b * rng.choice([1.0, 1.0, 3.0, -1.0]) + 10.0**size * rng.normal(size=shape)
    if shape and rng.random() < 0.4:
        a[rng.integers(shape[0])] = 0.0
    if shape and rng.random() < 0.4:
        b[rng.integers(shape[0])] = 0.0
    angles = exact_angles(a.reshape(shape or (1,)), b.reshape(shape or (1,)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "CHUNK_VALUES", chunk)
        rows = summary_of(a, b, shape=shape).rows
    assert rows.rows == len(angles)
    assert rows.undefined == angles.count(None)
    defined = [angle for angle in angles if angle is not None]
    if defined:
        expected = sum(defined) / len(defined)
        assert rows.mean_angle == pytest.approx(expected, rel=1e-9, abs=1e-14)
    else:
        assert rows.mean_angle is None
    columns = np.abs(a - b).sum(axis=0)
    if len(shape) == 2 and (shape[1] <= chunk or shape[0] == 1):
        assert rows.largest_column == pytest.approx(columns.max(), rel=1e-12)
    elif len(shape) < 2:
        assert rows.largest_column == pytest.approx(np.abs(a - b).sum(), rel=1e-12)
    else:
        assert rows.largest_column is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=4).map(tuple), st.integers(1, 50))
def test_bounds_cover_a_tensor_once_and_never_cut_a_row_that_fits(shape, most):
    bounds = list(row_bounds(shape, most))
    numel, length = math.prod(shape), row_length(shape)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == numel
    assert all(one[1] == two[0] for one, two in pairwise(bounds))
    assert all(stop - start <= most for start, stop in bounds)
    if numel and length <= most:
        assert all(start % length == 0 for start, _ in bounds)
    elif numel:
        assert all(start // length == (stop - 1) // length for start, stop in bounds)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["BF16", "F16", "F32"]),
    st.integers(1, 9),
    st.sampled_from([1, 3, 64, 255, 256, 257, 1000, 4096, 4097, 9000]),
    st.sampled_from([700, 5000, CHUNK_VALUES]),
    st.integers(0, 2**32),
)
def test_rows_that_fall_out_of_the_one_loop_are_the_same(dtype, rows, length, chunk, seed):
    """Short rows share a block, long ones are cut into several: angles and columns hold."""
    rng = np.random.default_rng(seed)
    b = rng.normal(size=(rows, length))
    a = b * rng.choice([1.0, -3.0, 0.0], size=(rows, 1)) + 1e-2 * rng.normal(size=b.shape)
    a[rng.integers(rows)] = 0.0
    raw_a, raw_b = encode(a, dtype), encode(b, dtype)
    x, y = (widen(raw, dtype).reshape(b.shape) for raw in (raw_a, raw_b))
    angles = exact_angles(x, y)
    defined = [angle for angle in angles if angle is not None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "CHUNK_VALUES", chunk)
        got, plain = (summary_of(a, b, dtype, collect=collect) for collect in (EVERYTHING, NOTHING))
    assert (got.rows.rows, got.rows.undefined) == (rows, angles.count(None))
    if defined:
        expected = sum(defined) / len(defined)
        assert got.rows.mean_angle == pytest.approx(expected, rel=1e-9, abs=1e-14)
    if length <= chunk or rows == 1:
        largest = np.abs(x - y).sum(axis=0).max()
        assert got.rows.largest_column == pytest.approx(largest, rel=1e-12)
    assert got.histogram.sum() == got.numel
    assert_close(got, plain, 1e-12)


@pytest.mark.parametrize("shape", [(5,), (1, 5), (3, 5), (2, 3, 5)])
def test_the_largest_column_is_there_only_where_it_was_asked_for(shape):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=shape), rng.normal(size=shape)
    without = summary_of(a, b, collect=Collect(rows=True)).rows
    assert without.largest_column is None
    assert without.mean_angle == summary_of(a, b).rows.mean_angle
    with pytest.raises(ValueError, match="together with rows"):
        Collect(columns=True)


def test_results_do_not_depend_on_threads_nor_on_neighbours():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(700, 3001)), rng.normal(size=(700, 3001))
    one, five = (summary_of(a, b, threads=threads).rows for threads in (1, 5))
    assert one == five


def test_the_sums_are_the_same_whatever_is_collected():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(40, 30)), rng.normal(size=(40, 30))
    plain, full = summary_of(a, b, collect=NOTHING), summary_of(a, b, collect=EVERYTHING)
    assert plain.rows is None
    assert plain.histogram is None
    assert full.histogram.sum() == full.numel
    assert full.rows.rows == 40
    for name in ("abs_d", "sq_d", "residual", "beyond", "sign_flips"):
        assert getattr(plain, name) == getattr(full, name)


@pytest.mark.parametrize("factor", [1.0, 3.0, -2.0, 1e-3])
@pytest.mark.parametrize("noise", [1e-8, 1e-5, 0.3])
def test_small_angles_of_rows_keep_their_digits(factor, noise):
    """acos of a cosine gives 0, or 1.5e-8 where the angle is 1e-8."""
    rng = np.random.default_rng(2)
    b = rng.normal(size=(20, 2000))
    a = factor * b + abs(factor) * noise * rng.normal(size=b.shape)
    angles = exact_angles(a, b)
    got = summary_of(a, b)
    assert got.rows.mean_angle == pytest.approx(sum(angles) / 20, rel=1e-9)
    assert METRICS["row_angle_pi"].value(got) == got.rows.mean_angle / math.pi


def test_rows_of_very_different_sizes_keep_theirs():
    """A tiny side, and one at a right angle: nothing of the larger one may drown it."""
    rng = np.random.default_rng(3)
    b = rng.normal(size=(6, 300))
    a = rng.normal(size=(6, 300)) * np.array([1e-12, 1e-6, 1, 1e6, 1e12, 1e-9])[:, None]
    a[5] -= b[5] * (a[5] @ b[5]) / (b[5] @ b[5])
    for one, two in ((a, b), (b, a)):
        expected = exact_angles(one, two)
        for row in range(6):
            got = summary_of(one[row : row + 1], two[row : row + 1]).rows
            assert got.mean_angle == pytest.approx(expected[row], rel=1e-12)


@pytest.mark.parametrize(
    "dtype", ["F32", "F16", "BF16", "F8_E4M3", "I8", "U8", "I64", "I32", "BOOL"]
)
def test_rows_of_every_kind_of_dtype(dtype):
    rng = np.random.default_rng(4)
    raw_a, raw_b = random_raw(rng, dtype, 35 * 60), random_raw(rng, dtype, 35 * 60)
    info = tensor("w", dtype, (35, 60))
    ((_, got),) = Comparer(CpuKernel(), 1).summaries(
        Held({"w": raw_a}), Held({"w": raw_b}), [Pair(info, info)], Control(), ROWS
    )
    a, b = (widen(raw, dtype).reshape(35, 60) for raw in (raw_a, raw_b))
    angles = exact_angles(a, b)
    assert got.rows.mean_angle == pytest.approx(sum(angles) / 35, rel=1e-9)
    assert got.rows.largest_column == pytest.approx(np.abs(a - b).sum(axis=0).max(), rel=1e-12)


def test_identical_rows_have_an_angle_of_exactly_zero():
    a = np.random.default_rng(0).normal(size=(50, 77))
    rows = summary_of(a, a, "BF16").rows
    assert rows == RowAngles(50, 0, 0.0, 0.0)


def test_positions_that_are_not_finite_are_left_out_of_their_row():
    a = np.array([[1.0, 2.0, math.nan], [math.inf, 0.0, 0.0], [1.0, 0.0, 0.0]])
    b = np.array([[2.0, 4.0, 5.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    rows = summary_of(a, b).rows
    assert (rows.rows, rows.undefined) == (3, 1)
    assert rows.mean_angle == pytest.approx(math.pi / 4)
    assert rows.largest_column == 2.0 + 1.0


def test_squares_beyond_float64_leave_a_row_without_an_angle():
    a = np.array([[1e200, 1.0], [1.0, 1.0]])
    rows = summary_of(a, np.ones((2, 2))).rows
    assert (rows.rows, rows.undefined, rows.mean_angle) == (2, 1, 0.0)


def test_a_tensor_alone_has_no_angles_but_columns():
    rows = summary_of([[1.0, -2.0], [3.0, 4.0]], None).rows
    assert (rows.undefined, rows.mean_angle, rows.largest_column) == (2, None, 6.0)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0,), (3, 0, 2)])
def test_nothing_has_no_rows(shape):
    got = summary_of(np.empty(shape), np.empty(shape))
    assert got.rows == RowAngles()
    assert got.row_angle is None
    assert ORIGINALS["l1"].value(got) is None
    assert ORIGINALS["cossim"].value(got) is None


def test_tensors_merge_by_row_and_keep_no_common_column():
    rng = np.random.default_rng(5)
    one = summary_of(rng.normal(size=(3, 4)), rng.normal(size=(3, 4)))
    two = summary_of(rng.normal(size=(7, 2)), np.zeros((7, 2)))
    both = one + two
    assert (both.rows.rows, both.rows.undefined, both.rows.largest_column) == (10, 7, None)
    assert both.rows.mean_angle == pytest.approx(one.rows.mean_angle)
    assert both == two + one
    empty = summary_of(np.empty((0, 4)), np.empty((0, 4)))
    for same in (one + empty, empty + one, one + Summary(), Summary() + one):
        assert same.rows == one.rows
    assert (one + summary_of([1.0], [2.0], collect=NOTHING)).rows is None


@pytest.mark.parametrize("shape", [(3 * CHUNK_VALUES + 5, 1), (1, 3 * CHUNK_VALUES + 5)])
def test_the_longest_tensors_stay_in_bounded_memory(shape):
    """What is held of a tensor does not grow with its rows, nor with the length of a row."""
    numel = math.prod(shape)
    rng = np.random.default_rng(6)
    raw_a, raw_b = encode(rng.normal(size=1000), "F32"), encode(rng.normal(size=1000), "F32")
    sides = [Repeated(raw, CHUNK_VALUES * 4) for raw in (raw_a, raw_b)]
    info = tensor("w", "F32", shape)
    held = []
    real = compare.compare_with_rows

    def watched(*arguments):
        summary, part = real(*arguments)
        held.append(part.columns.size if part.columns is not None else 0)
        return summary, part

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "compare_with_rows", watched)
        ((_, got),) = Comparer(CpuKernel(), 2).summaries(
            *sides, [Pair(info, info)], Control(), ROWS
        )
    assert max(held) <= 1
    a, b = (np.resize(widen(raw, "F32"), numel) for raw in (raw_a, raw_b))
    if shape[0] == 1:
        assert got.rows.rows == 1
        assert got.rows.mean_angle == pytest.approx(got.angle, rel=1e-12)
        assert got.rows.largest_column == got.max_abs
    else:
        assert got.rows.rows == numel
        assert got.rows.mean_angle == pytest.approx(math.pi * (a * b < 0).mean(), rel=1e-12)
        assert got.sign_flips == (a * b < 0).sum()
        assert got.rows.largest_column == pytest.approx(np.abs(a - b).sum(), rel=1e-12)


def test_rows_hold_at_model_size():
    """5e8 elements made from a repeated row, with known sums."""
    rng = np.random.default_rng(7)
    values = rng.normal(size=5000).astype(np.float32)
    raw_a = encode(values * 1.01 + 0.001 * rng.normal(size=5000), "BF16")
    raw_b = encode(values, "BF16")
    sides = [Repeated(raw, CHUNK_VALUES * 2 + raw.size) for raw in (raw_a, raw_b)]
    info = tensor("w", "BF16", (100_000, 5000))
    ((_, got),) = Comparer(CpuKernel()).summaries(*sides, [Pair(info, info)], Control(), EVERYTHING)
    a, b = widen(raw_a, "BF16"), widen(raw_b, "BF16")
    whole = exact(a, b)
    assert got.numel == 5 * 10**8
    assert got.rows.rows == 100_000
    assert got.rows.mean_angle == pytest.approx(whole.angle, rel=1e-10)
    assert got.angle == pytest.approx(whole.angle, rel=1e-10)
    assert got.rows.largest_column == pytest.approx(1e5 * np.abs(a - b).max(), rel=1e-12)
    assert got.sign_flips == 100_000 * (a * b < 0).sum()
    assert got.beyond == got.changed == 100_000 * (a != b).sum()
    assert got.histogram.sum() == got.numel
    median = np.sort(np.abs(a - b))[2499]
    assert got.quantile(0.5) == pytest.approx(median, rel=0.0589)
