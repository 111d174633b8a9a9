"""A window of a matrix: its cells are those of the same part cut out and pooled alone."""

import numpy as np
import pytest
from delta_made import Held, encode, tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.control import Control
from inspect_core.delta import compare
from inspect_core.delta.compare import Comparer
from inspect_core.delta.heat import MatrixView, Pooling, Window
from inspect_core.delta.kernel import CpuKernel
from inspect_core.pairing import Pair

SIDES = st.integers(1, 40)


@st.composite
def windows(draw):
    rows, columns = draw(SIDES), draw(SIDES)
    top, left = draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))
    bottom, right = draw(st.integers(top + 1, rows)), draw(st.integers(left + 1, columns))
    return MatrixView(rows, columns), Window(top, left, bottom, right)


def zoomed(kernel, a, b, view, window, grid):
    model, reference = (Held({"w": encode(side, "F32")}) for side in (a, b))
    info = tensor("w", "F32", a.shape)
    comparer = Comparer(kernel, threads=2)
    return comparer.zoom(model, reference, Pair(info, info), view, window, grid, Control())


@settings(max_examples=150, deadline=None)
@given(windows(), SIDES, SIDES)
def test_the_cells_of_a_window_are_those_of_the_part_alone(found, rows, columns):
    view, window = found
    rng = np.random.default_rng(view.rows * 100 + view.columns)
    a, b = rng.normal(size=(2, view.rows, view.columns)).astype(np.float32)
    heat = zoomed(CpuKernel(), a, b, view, window, (rows, columns))
    part = (a.astype(float) - b)[window.top : window.bottom, window.left : window.right]
    rows, columns = min(rows, window.rows), min(columns, window.columns)
    assert heat.cells.shape == (4, rows, columns)
    for row in range(rows):
        for column in range(columns):
            inside = window.cell(row, column, rows, columns)
            d = part[
                inside.top - window.top : inside.bottom - window.top,
                inside.left - window.left : inside.right - window.left,
            ]
            assert heat.cells[3, row, column] == d.size > 0
            assert heat.mean[row, column] == pytest.approx(d.mean(), rel=1e-12, abs=1e-12)
            assert heat.cells[2, row, column] == pytest.approx(abs(d).max(), rel=1e-12)


@given(windows(), SIDES, SIDES)
def test_cells_tile_their_window(found, rows, columns):
    view, window = found
    rows, columns = min(rows, window.rows), min(columns, window.columns)
    seen = np.zeros((view.rows, view.columns), int)
    for row in range(rows):
        for column in range(columns):
            part = window.cell(row, column, rows, columns)
            seen[part.top : part.bottom, part.left : part.right] += 1
    assert (seen[window.top : window.bottom, window.left : window.right] == 1).all()
    assert seen.sum() == window.rows * window.columns


@given(windows(), st.integers(-5, 60), st.integers(-5, 60), SIDES, SIDES)
def test_a_window_around_a_place_is_inside_the_matrix(found, row, column, rows, columns):
    view, window = found
    around = window.around(row, column, rows, columns, view)
    assert 0 <= around.top < around.bottom <= view.rows
    assert 0 <= around.left < around.right <= view.columns
    assert (around.rows, around.columns) == (min(rows, view.rows), min(columns, view.columns))
    if 0 <= row < view.rows and 0 <= column < view.columns:
        assert around.top <= row < around.bottom and around.left <= column < around.right


def test_every_kernel_zooms_alike(subject, monkeypatch):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 64)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 30, 24)).astype(np.float32)
    a[11, 7] = np.nan
    view, window = MatrixView(30, 24), Window(5, 3, 21, 20)
    heat = zoomed(subject.kernel, a, b, view, window, (8, 5))
    wanted = zoomed(CpuKernel(), a, b, view, window, (8, 5))
    assert np.allclose(heat.cells, wanted.cells, rtol=1e-5, atol=1e-6)
    assert heat.cells[3].sum() == 16 * 17 - 1


def test_a_slice_is_zoomed_where_it_lies():
    cube = np.arange(3 * 16 * 16, dtype=np.float32).reshape(3, 16, 16)
    view = MatrixView.of(cube.shape, 2)
    heat = zoomed(CpuKernel(), cube, np.zeros_like(cube), view, Window(4, 4, 6, 7), (2, 3))
    assert heat.mean.tolist() == cube[2, 4:6, 4:7].tolist()


def test_the_whole_matrix_has_no_guards():
    pooling = Pooling.of(MatrixView(4, 6), 2, 3)
    assert pooling.guards == (0, 0) and pooling.column_edges.tolist() == [0, 2, 4, 6]
    pooling = Pooling.of(MatrixView(4, 6), 2, 2, Window(0, 1, 4, 5))
    assert pooling.guards == (1, 1) and pooling.column_edges.tolist() == [0, 1, 3, 5, 6]
