"""Singular values of a matrix that comes in panels: all of them, or the largest.

All of them by a QR of row panels and LAPACK's `gesdd`; the largest by randomised subspace
iteration (Halko, Martinsson, Tropp 2011). Both keep little more than a panel in memory.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from inspect_core.control import Control, Progress
from inspect_core.delta.panels import LEAST_NOISE, Matrix, Panels
from inspect_core.errors import UsageError

OVERSAMPLING = 16
"""Directions beyond `TOP` that are carried along: the last ones converge last."""

MOST_PASSES = 5
"""Readings of a larger matrix at most."""

SETTLED = 1e-7
"""A pass that moves no value of interest by more than this share is the last."""

SEED = 20110626
"""Of the random directions: the same pair gives the same numbers."""


class Found(NamedTuple):
    """Singular values, how they were computed, and below what they are not told from zero."""

    values: Matrix
    method: str
    numerical: float


class Passes:
    """Panels pass by pass, with progress; the first one refuses what cannot be computed.

    Args:
        panels: the matrix.
        control: takes progress.
        passes: how many there will be at most.

    Attributes:
        done: how many there were.
        bytes_total: what all of them read.
    """

    def __init__(self, panels: Panels, control: Control, passes: int) -> None:
        self._panels, self._control, self.done = panels, control, 0
        self._passes = passes
        self.bytes_total = panels.nbytes * passes

    def panels(self) -> Iterator[Matrix]:
        """One reading of the matrix."""
        panels, first = self._panels, self.done == 0
        source = panels.first_pass(self._control) if first else panels.again(self._control)
        seen = 0
        for panel in source:
            yield panel
            seen += len(panel)
            share = self.done + seen / max(1, panels.lines)
            bytes_done = int(share * panels.nbytes)
            progress = Progress(self.done, self._passes, "passes", bytes_done, self.bytes_total)
            self._control.report(progress)
        self.done += 1
        if first:
            self._refuse()

    def _refuse(self) -> None:
        panels = self._panels
        if panels.nonfinite:
            raise UsageError(
                f"{panels.nonfinite:,} positions hold NaN or infinite values: no spectrum"
            )
        if not math.isfinite(panels.energy):
            raise UsageError("the squares of its values leave the range of float64: no spectrum")


def all_values(panels: Panels, reader: Passes) -> Found:
    """All singular values: those of the R of a QR, which is updated panel by panel."""
    kept = np.empty((0, panels.length))
    for panel in reader.panels():
        if not panel.any():
            continue  # lines that did not change add nothing, and most do not
        if panels.height >= panels.lines <= 2 * panels.length:
            kept = panel  # small enough to go to the SVD as it is
        else:
            kept = _with_rows(kept, panel)
    values = _singular_values(kept, panels.length)
    top = float(values[0]) if values.size else 0.0
    numerical = panels.lines * float(np.finfo(np.float64).eps) * top
    return Found(values, "exact, LAPACK in float64", numerical)


def _with_rows(upper: Matrix, rows: Matrix) -> Matrix:
    """The R of the QR of a matrix with more rows: same singular values, few rows."""
    found: Matrix = np.asarray(np.linalg.qr(np.vstack([upper, rows]), mode="r"), np.float64)
    return found


def _singular_values(matrix: Matrix, count: int) -> Matrix:
    """All singular values of a matrix, with zeros behind where there are fewer than `count`."""
    values = np.zeros(count)
    found = np.linalg.svd(matrix, compute_uv=False)
    values[: len(found)] = found
    return values


def top_values(panels: Panels, reader: Passes, top: int) -> Found:
    """The largest singular values by subspace iteration on d^T d, one reading a step.

    Squaring loses values below sqrt(eps) of the largest: that is the numerical floor.
    """
    width = min(panels.lines, panels.length, top + OVERSAMPLING)
    basis = np.random.default_rng(SEED).standard_normal((panels.length, width))
    values, moved = np.zeros(width), math.inf
    while moved > SETTLED and reader.done < MOST_PASSES:
        basis, before = np.linalg.qr(basis)[0], values
        image = np.zeros_like(basis)
        for panel in reader.panels():
            if panel.any():
                image += panel.T @ (panel @ basis)
        squares = np.linalg.eigvalsh(basis.T @ image)[::-1]  # of the matrix within the basis
        values, basis = np.sqrt(np.maximum(squares, 0.0)), image
        floor = max(LEAST_NOISE * panels.noise.level, _square_floor(values))
        moved = _moved(before[:top], values[:top], floor)
    method = f"randomised, the largest {min(top, width)}, {reader.done} passes in float64"
    if moved > SETTLED:
        method += f", the last moved them by up to {moved:.1g}"
    return Found(values[:top], method, _square_floor(values))


def _square_floor(values: Matrix) -> float:
    top = float(values[0]) if values.size else 0.0
    return math.sqrt(float(np.finfo(np.float64).eps)) * top


def _moved(before: Matrix, after: Matrix, floor: float) -> float:
    """The largest relative change among values above a floor."""
    above = after > floor
    if not above.any():
        return 0.0 if before.any() or not after.any() else math.inf
    return float(np.max(np.abs(after[above] - before[above]) / after[above]))
