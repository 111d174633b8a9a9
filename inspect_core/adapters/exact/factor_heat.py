"""A change pooled to the cells of a screen, from its factors: the matrix is never made.

The sum over a cell of `B A` is the sum of B's rows there times that of A's columns there. What a
sum cannot tell, the mean and the largest size of single entries, is NaN in the grid.
"""

import numpy as np
from numpy.typing import NDArray

from inspect_core.adapters.exact.balanced import Matrix
from inspect_core.adapters.exact.low_rank import Factors, Kronecker
from inspect_core.adapters.exact.norms import halves
from inspect_core.delta.heat import HeatGrid, MatrixView, Pooling, Window

Edges = NDArray[np.int64]


def pooled(
    factors: Factors, view: MatrixView, grid: tuple[int, int], window: Window | None = None
) -> HeatGrid:
    """The cells of a change, each with its exact sum and its number of values.

    A cell that a NaN or an infinity reaches is NaN. The sum of |d| and the largest |d| of a
    cell are not in the factors and are NaN, but where the cell is a single value.

    Args:
        factors: the change, of the view's rows and columns.
        view: the matrix.
        grid: rows and columns of cells at most, as `Pooling` takes them.
        window: the part of the matrix that is pooled; all of it by default.

    Raises:
        ValueError: the change has another shape than the view.
    """
    if factors.shape != (view.rows, view.columns):
        raise ValueError(f"a change of {factors.shape} in a view of {view.rows} x {view.columns}")
    window = window or Window.all_of(view)
    pooling = Pooling.of(view, *grid, window)
    before, after = pooling.guards
    down = _row_edges(pooling, window)
    across = pooling.column_edges[before : len(pooling.column_edges) - after]
    with np.errstate(all="ignore"):  # of factors that are not finite
        pool = _of_kronecker if isinstance(factors, Kronecker) else _of_low_rank
        sums = pool(*halves(factors), down, across)
    counts = np.outer(np.diff(down), np.diff(across)).astype(np.float64)
    sizes = np.where(counts == 1.0, np.abs(sums), np.nan)
    sizes[counts == 0.0] = 0.0
    return HeatGrid(np.stack([sums, sizes, sizes, counts]))


def total(factors: Factors) -> float:
    """The sum of all entries of a change."""
    rows, columns = factors.shape
    if not rows * columns:
        return 0.0
    return float(pooled(factors, MatrixView(rows, columns), (1, 1)).cells[0, 0, 0])


def _row_edges(pooling: Pooling, window: Window) -> Edges:
    """First row of each grid row, then the end: row i of the window falls into `i * g // rows`."""
    at = np.arange(pooling.rows + 1, dtype=np.int64)
    return window.top + -(-at * window.rows // pooling.rows)


def _of_low_rank(b: Matrix, a: Matrix, down: Edges, across: Edges) -> Matrix:
    sums: Matrix = _pooled_rows(b, down) @ _pooled_rows(a.T, across).T
    return sums


def _pooled_rows(matrix: Matrix, edges: Edges) -> Matrix:
    """Sums of the rows between two edges each; the edges rise, and none reaches past the end."""
    if edges[0] == edges[-1] or not matrix.shape[1]:
        return np.zeros((len(edges) - 1, matrix.shape[1]))
    inside = matrix[: edges[-1]]
    sums: Matrix = np.add.reduceat(inside, edges[:-1], axis=0)
    return sums


def _of_kronecker(left: Matrix, right: Matrix, down: Edges, across: Edges) -> Matrix:
    """Each range of rows is a part of a block, whole blocks, and a part of another; so columns."""
    cells = np.zeros((len(down) - 1, len(across) - 1))
    columns = _ranges(across, left.shape[1], right.shape[1])
    for above, below in _ranges(down, left.shape[0], right.shape[0]):
        outer, inner = above @ left, below @ right
        for over, under in columns:
            cells += (outer @ over.T) * (inner @ under.T)
    return cells


def _ranges(edges: Edges, blocks: int, size: int) -> list[tuple[Matrix, Matrix]]:
    """Ranges of indices as sums of products of indicators.

    Args:
        edges: first index of each range, then the end.
        blocks: how many blocks the indices are in.
        size: indices of a block.

    Returns:
        Three pairs `(ranges, blocks)` and `(ranges, size)` of zeros and ones: an index is in a
        range if its block is in the first and its place there in the second of one pair.
    """
    start, stop = edges[:-1, None], edges[1:, None]
    block, place = np.arange(blocks), np.arange(size)
    first, last = start // size, stop // size
    begin, end = start - first * size, stop - last * size
    one_block = first == last
    whole = (block >= first + (begin > 0)) & (block < last)
    parts = [
        # The last part of the block that the range begins in, unless that block is whole.
        ((block == first) & ((begin > 0) | one_block) & (stop > start),
         (place >= begin) & (~one_block | (place < end))),
        (whole & ~one_block, np.ones((len(start), size), bool)),
        ((block == last) & ~one_block & (end > 0), place < end),
    ]  # fmt: skip
    return [(inside.astype(np.float64), there.astype(np.float64)) for inside, there in parts]
