"""A matrix of differences in panels: some of its rows at a time, or some of its columns.

No tensor is held whole. On the way the rounding of the stored numbers is measured, which is
the noise that a spectrum has to rise above.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.control import Control
from inspect_core.delta.heat import MatrixView
from inspect_core.delta.kernel import Raw
from inspect_core.delta.values import Readable, ValueReader
from inspect_core.pairing.match import Pair

Matrix = NDArray[np.float64]

PANEL_VALUES = 1 << 22
"""Values of a panel at most (32 MiB), unless one line of the matrix has more."""

LEAST_NOISE = 1.1 * math.sqrt(0.5)
"""Noise of one rounding as a share of that of two, and a tenth more to be safe."""

SIGNIFICANT_BITS = {"F64": 53, "F32": 24, "F16": 11, "BF16": 8, "F8_E4M3": 4, "F8_E5M2": 3}
"""Bits of a float's significand, the hidden one among them."""

LEAST_STEPS = {
    "F64": 2.0**-1074, "F32": 2.0**-149, "F16": 2.0**-24, "BF16": 2.0**-133,
    "F8_E4M3": 2.0**-9, "F8_E5M2": 2.0**-16,
}  # fmt: skip
"""Distance of the smallest numbers of a float, which is that around zero."""

_INTEGERS: dict[str, type[np.generic]] = {
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip
_EXPONENT = np.int64(0x7FF0000000000000)


@dataclass
class Noise:
    """What rounding to the stored dtypes adds to a difference, as sums over lines.

    A value that was rounded to nearest is off by up to half the distance `u` of its neighbours,
    with a variance of `u^2 / 12`. Lines that did not change at all add nothing. Where the dtypes
    of a pair differ both sides count in the coarser one: a base in float32 may well have been
    rounded to bfloat16 before it was trained.

    Attributes:
        dtype: the coarser dtype of the two.
        lines: float64, variance summed over each line (see `Panels`).
        places: the same over each place of all lines.
    """

    dtype: str
    lines: Matrix
    places: Matrix

    @property
    def energy(self) -> float:
        """Variance summed over all entries: what the noise adds to ||d||_F^2."""
        return float(self.lines.sum())

    @property
    def level(self) -> float:
        """Largest singular value that rounding alone can be expected to have.

        The norm of a random matrix with independent entries is about the norm of its largest
        row plus that of its largest column (Bandeira, van Handel 2016); for equal variances
        that is `sigma * (sqrt(m) + sqrt(n))`.
        """
        largest = [float(sums.max(initial=0.0)) for sums in (self.lines, self.places)]
        return math.sqrt(largest[0]) + math.sqrt(largest[1])


class Panels:
    """The differences of a pair, or the values of a lone tensor, as panels of a matrix.

    Args:
        model: what holds the model's tensor.
        reference: what holds the reference's.
        pair: the two.
        view: which matrix of them.
        by_columns: whether a line of a panel is a column, not a row: a panel is transposed.
        values: values of a panel at most; `PANEL_VALUES` by default.

    Attributes:
        lines: how many lines the matrix has.
        length: values of a line: a panel is `(some lines, length)`.
        noise: filled by `first_pass`.
        energy: sum of d^2, the same.
        changed: positions where d is not 0, the same.
        nonfinite: positions where either side is NaN or infinite, the same.
        moved: lines, and places of the lines, that hold a change, the same.
    """

    def __init__(
        self,
        model: Readable,
        reference: Readable,
        pair: Pair,
        view: MatrixView,
        by_columns: bool = False,
        values: int | None = None,
    ) -> None:
        self._sides = [(model, pair.model)]
        if pair.reference is not None:
            self._sides.append((reference, pair.reference))
        self._readers = [ValueReader() for _ in self._sides]
        self._view = view
        self._by_columns = by_columns
        sizes = (view.columns, view.rows) if by_columns else (view.rows, view.columns)
        self.lines, self.length = sizes
        self.height = max(1, min(self.lines, (values or PANEL_VALUES) // max(1, self.length)))
        dtype = coarser([stored_dtype(tensor) for _, tensor in self._sides])
        self.noise = Noise(dtype, np.zeros(self.lines), np.zeros(self.length))
        self.energy, self.changed, self.nonfinite = 0.0, 0, 0
        self.moved = np.zeros(self.lines, np.bool_), np.zeros(self.length, np.bool_)

    @property
    def nbytes(self) -> int:
        """Bytes that one pass reads."""
        sides = [DTYPES[tensor.dtype].nbytes(self._view.numel) for _, tensor in self._sides]
        return sum(sides)

    def first_pass(self, control: Control) -> Iterator[Matrix]:
        """The panels, while noise, energy and counts are summed up; NaN and inf read as zero."""
        for start, panel, sides in self._read(control):
            finite = np.isfinite(panel)
            if not finite.all():
                self.nonfinite += int(panel.size - np.count_nonzero(finite))
                panel[~finite] = 0.0
            self.energy += float(np.vdot(panel, panel))
            moved = panel != 0.0
            self.changed += int(np.count_nonzero(moved))
            lines, places = self.moved
            lines[start : start + len(panel)] = moved.any(axis=1)
            places |= moved.any(axis=0)
            self._add_noise(start, sides, lines[start : start + len(panel)])
            yield panel

    def again(self, control: Control) -> Iterator[Matrix]:
        """The panels once more; only of a matrix without NaN and inf."""
        for _, panel, _ in self._read(control):
            yield panel

    def _read(self, control: Control) -> Iterator[tuple[int, Matrix, list[Matrix]]]:
        for start in range(0, self.lines, self.height):
            control.check()
            stop = min(self.lines, start + self.height)
            sides = [self._side(number, start, stop) for number in range(len(self._sides))]
            with np.errstate(all="ignore"):  # inf - inf is NaN, and counted
                panel = sides[0] - sides[1] if len(sides) > 1 else sides[0].copy()
            yield start, panel, sides

    def _side(self, number: int, start: int, stop: int) -> Matrix:
        """Values of one side, `(stop - start, length)`."""
        columns, first = self._view.columns, self._view.first
        if not self._by_columns:
            flat = self._values(number, first + start * columns, first + stop * columns)
            return flat.reshape(stop - start, columns)
        found = np.empty((self._view.rows, stop - start))
        if (start, stop) == (0, self.lines):
            found[:] = self._values(number, first, first + self._view.numel).reshape(found.shape)
            return found.T
        for row in range(self._view.rows):
            at = first + row * columns
            found[row] = self._values(number, at + start, at + stop)
        return found.T

    def _values(self, number: int, start: int, stop: int) -> Matrix:
        source, tensor = self._sides[number]
        return widen(*self._readers[number].read(source, tensor, start, stop))

    def _add_noise(self, start: int, sides: list[Matrix], moved: NDArray[np.bool_]) -> None:
        if not moved.any():
            return
        for side in sides:
            spread = variances(side, self.noise.dtype)
            lines = spread.sum(axis=1)
            lines[~moved] = 0.0
            self.noise.lines[start : start + len(lines)] += lines
            self.noise.places += moved.astype(np.float64) @ spread


def stored_dtype(tensor: TensorInfo) -> str:
    """The dtype that a tensor's values are read in."""
    return DTYPES[tensor.dtype].decoded or tensor.dtype


def coarser(dtypes: list[str]) -> str:
    """The dtype with the fewest significant bits; integers count as exact beside floats."""
    return min(dtypes, key=lambda dtype: SIGNIFICANT_BITS.get(dtype, 64))


def widen(raw: Raw, dtype: str) -> Matrix:
    """Values in float64, a copy.

    Args:
        raw: uint8, the bytes of whole values.
        dtype: a comparable dtype that is not quantised.
    """
    if dtype == "BF16":
        wide = raw.view(np.uint16).astype(np.uint32)
        wide <<= np.uint32(16)
        return wide.view(np.float32).astype(np.float64)
    if dtype in ("F8_E4M3", "F8_E5M2"):
        from inspect_core.delta.widening import float8_table  # numba takes 0.3 s to import

        table: Matrix = float8_table(4 if dtype == "F8_E4M3" else 5)
        return table[raw]
    kinds: dict[str, type[np.generic]] = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
    with np.errstate(all="ignore"):  # signalling NaN
        return raw.view((kinds | _INTEGERS)[dtype]).astype(np.float64)


def variances(values: Matrix, dtype: str) -> Matrix:
    """Variance of the rounding error of each value in its dtype: `u^2 / 12`.

    Args:
        values: float64, any shape.
        dtype: what they are stored in; integers are one apart.
    """
    if dtype not in SIGNIFICANT_BITS:
        return np.full(values.shape, 1.0 / 12.0)
    # A float64 without its mantissa and sign is the power of two that its neighbours hang on.
    power = np.bitwise_and(values.view(np.int64), _EXPONENT).view(np.float64)
    power[~np.isfinite(power)] = 0.0
    step = np.multiply(power, 2.0 ** (1 - SIGNIFICANT_BITS[dtype]), out=power)
    np.maximum(step, LEAST_STEPS[dtype], out=step)
    with np.errstate(over="ignore", under="ignore"):  # of F64
        step *= step
    step /= 12.0
    return step
