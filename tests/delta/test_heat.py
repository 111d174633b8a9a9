"""Heat grids: every value in its one cell, whatever the sizes and the chunks."""

import math
from itertools import pairwise

import numpy as np
import pytest
from delta_made import Held, chunk_of, encode, tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.control import Control
from inspect_core.delta import compare
from inspect_core.delta.compare import Comparer
from inspect_core.delta.heat import LEAST_SLICE_SIDE, HeatGrid, MatrixView, Pooling
from inspect_core.delta.kernel import CpuKernel, HeatRequest
from inspect_core.pairing import Pair

SIDES = st.integers(1, 40)


def naive(d, rows, columns, kept=None):
    """Pool a matrix by asking of each single value where it belongs."""
    height, width = d.shape
    rows, columns = min(rows, height), min(columns, width)
    cells = np.zeros((4, rows, columns))
    for r in range(height):
        for c in range(width):
            if kept is not None and not kept[r, c]:
                continue
            place = (r * rows // height, c * columns // width)
            cells[0][place] += d[r, c]
            cells[1][place] += abs(d[r, c])
            cells[2][place] = max(cells[2][place], abs(d[r, c]))
            cells[3][place] += 1
    return cells


def pooled(kernel, a, b, rows, columns, bounds=(), dtype="F32"):
    """Pool a matrix in chunks cut at the bounds."""
    pooling = Pooling.of(MatrixView(*a.shape), rows, columns)
    grid = HeatGrid.zero(pooling.rows, pooling.columns)
    places = [0, *sorted(bounds), a.size]
    for start, stop in pairwise(places):
        left, right = (encode(side.ravel()[start:stop], dtype) for side in (a, b))
        request = HeatRequest(start, a.shape[1], pooling)
        part = kernel.compare(chunk_of(left, dtype, right, dtype), False, request)[1]
        grid = grid + part
    return grid


def assert_cells(grid, expected, rel=1e-12):
    assert grid.cells.shape == expected.shape
    size = rel * expected[1] + 1e-300
    assert (np.abs(grid.cells[0] - expected[0]) <= size).all()
    assert (np.abs(grid.cells[1] - expected[1]) <= size).all()
    assert np.allclose(grid.cells[2], expected[2], rtol=rel, atol=0)
    assert np.array_equal(grid.cells[3], expected[3])


@settings(max_examples=80, deadline=None)
@given(SIDES, SIDES, st.integers(1, 50), st.integers(1, 50), st.integers(0, 2**32), st.data())
def test_cells_are_those_of_naive_pooling(height, width, rows, columns, seed, data):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, height, width)).astype(np.float32)
    bounds = data.draw(st.lists(st.integers(0, a.size), max_size=4))
    grid = pooled(CpuKernel(), a, b, rows, columns, bounds)
    assert_cells(grid, naive(a.astype(np.float64) - b, rows, columns))


def test_every_kernel_pools_alike(subject):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 67, 101)).astype(np.float32)
    rel = max(1e-12, subject.rel)
    expected = naive(a.astype(np.float64) - b, 9, 13)
    assert_cells(pooled(subject.kernel, a, b, 9, 13), expected, rel)
    assert_cells(pooled(subject.kernel, a, b, 9, 13, (1, 100, 101, 3000, 6766)), expected, rel)


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F64"])
def test_a_cell_without_a_finite_value_has_no_mean(subject, dtype):
    a, b = np.ones((6, 9)), np.zeros((6, 9))
    a[0:2, 0:3] = math.nan
    b[2, 3] = math.inf
    a[5, 8] = -math.inf
    kept = np.isfinite(a) & np.isfinite(b)
    grid = pooled(subject.kernel, a, b, 3, 3, (10, 50), dtype=dtype)
    d = np.where(kept, np.where(kept, a, 0) - np.where(kept, b, 0), 0)
    assert_cells(grid, naive(d, 3, 3, kept))
    assert math.isnan(grid.mean[0, 0])
    assert math.isnan(grid.mean_abs[0, 0])
    assert grid.mean_abs[1, 1] == grid.mean[2, 2] == 1.0
    assert grid.cells[3].sum() == kept.sum() == 54 - 8


def test_a_matrix_smaller_than_the_grid_gets_a_cell_a_value():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    grid = pooled(CpuKernel(), a, np.zeros_like(a), 100, 200)
    assert np.array_equal(grid.mean, a)
    assert np.array_equal(grid.mean_abs, a)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 60), st.integers(1, 60))
def test_pooling_cuts_evenly(height, width, rows, columns):
    pooling = Pooling.of(MatrixView(height, width), rows, columns)
    assert (pooling.rows, pooling.columns) == (min(rows, height), min(columns, width))
    row_cell = np.arange(height) * pooling.rows // pooling.matrix_rows
    heights = np.bincount(row_cell, minlength=pooling.rows)
    widths = np.diff(pooling.column_edges)
    assert heights.sum() == height
    assert widths.sum() == width
    assert heights.max() - heights.min() <= 1
    assert widths.max() - widths.min() <= 1
    assert (pooling.column_edges[0], pooling.column_edges[-1]) == (0, width)
    assert (np.diff(row_cell) >= 0).all()


def test_grids_of_chunks_merge():
    one, two = HeatGrid.zero(1, 2), HeatGrid.zero(1, 2)
    one.cells[:, 0, 0] = [-3, 3, 3, 1]
    two.cells[:, 0, 0] = [2, 4, 2, 3]
    merged = one + two
    assert merged.cells[:, 0, 0].tolist() == [-1, 7, 3, 4]
    assert np.array_equal(merged.cells, (two + one).cells)
    assert merged.mean[0, 0] == -0.25
    assert merged.mean_abs[0, 0] == 1.75
    assert np.isnan(merged.mean[0, 1])
    assert one.cells[0, 0, 0] == -3


@pytest.mark.parametrize(
    ("shape", "view"),
    [
        ((), MatrixView(1, 1)),
        ((0,), MatrixView(1, 0)),
        ((7,), MatrixView(1, 7)),
        ((3, 5), MatrixView(3, 5)),
        ((3, 0), MatrixView(0, 0)),
        ((0, 5), MatrixView(0, 0)),
        ((10**12, 0), MatrixView(0, 0)),
        ((8, 64, 32), MatrixView(64, 32, 8, 0)),
        ((2, 3, 64, 64), MatrixView(64, 64, 6, 0)),
        ((768, 3, 16, 16), MatrixView(768, 768)),
        ((64, 3, 7, 7), MatrixView(64, 147)),
        ((64, 32, 3), MatrixView(64, 96)),
        ((64, 1, 4), MatrixView(64, 4)),
        ((4, LEAST_SLICE_SIDE, LEAST_SLICE_SIDE - 1), MatrixView(4, 240)),
    ],
)
def test_the_matrix_of_a_shape(shape, view):
    assert MatrixView.of(shape) == view
    assert view.numel * view.slices == math.prod(shape)


@pytest.mark.parametrize("shape", [(0, 16, 16), (2, 0, 16, 16), (0, 3, 3), (16, 0, 16)])
def test_an_empty_tensor_has_an_empty_view(shape):
    view = MatrixView.of(shape)
    assert (view.first, view.numel) == (0, 0)
    assert view.slices >= 1


@pytest.mark.parametrize(
    ("shape", "index"), [((3, 5), 1), ((8, 64, 32), 8), ((8, 64, 32), -1), ((4,), 1)]
)
def test_a_slice_that_is_not_there(shape, index):
    with pytest.raises(IndexError, match="slice"):
        MatrixView.of(shape, index)


SHAPES = [(), (0,), (1,), (977,), (31, 57), (5, 0), (0, 16, 16), (3, 40, 30), (2, 3, 17, 16)]


@pytest.mark.parametrize("chunk_values", [100, 1000, 1 << 20])
@pytest.mark.parametrize("shape", [*SHAPES, (20, 3, 5, 5)])
def test_detail_pools_the_slice_in_view_and_sums_the_whole(monkeypatch, shape, chunk_values):
    monkeypatch.setattr(compare, "CHUNK_VALUES", chunk_values)
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    held_a = Held({"w": np.ascontiguousarray(a).reshape(-1).view(np.uint8)})
    held_b = Held({"w": np.ascontiguousarray(b).reshape(-1).view(np.uint8)})
    pair = Pair(tensor("w", "F32", shape), tensor("w", "F32", shape))
    d = a.astype(np.float64) - b
    for index in range(MatrixView.of(shape).slices):
        view = MatrixView.of(shape, index)
        summary, grid = Comparer(CpuKernel(), 2).detail(
            held_a, held_b, pair, view, (7, 11), Control()
        )
        assert summary.numel == d.size
        assert summary.abs_d == pytest.approx(np.abs(d).sum(), rel=1e-12)
        assert summary.histogram.sum() == d.size
        if d.size == 0:
            assert not grid.cells.any()
            assert np.isnan(grid.mean).all()
            continue
        matrix = d.reshape(view.slices, view.rows, view.columns)[index]
        assert_cells(grid, naive(matrix, 7, 11))
