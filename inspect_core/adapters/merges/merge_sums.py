"""What a merged weight is made of: counts and sums over W, W + change, and what was stored.

All arithmetic is in float64 on values that it holds exactly; a pass keeps a few blocks in memory.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from inspect_core.adapters.effect.values import read_values
from inspect_core.adapters.exact.balanced import Matrix
from inspect_core.adapters.merges.stored_floats import FORMATS, adjacent, nearest, units
from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.delta.compare import thread_count

if TYPE_CHECKING:
    from inspect_core.checkpoint.tensor_info import TensorInfo
    from inspect_core.control import Control
    from inspect_core.delta.rounding import FloatFormat
    from inspect_core.delta.values import Readable

WIDE_UNITS = 32.0
"""Units in the last place that a merge in float32 or float64 may be off by: there the product's
own sums are rounded as the merge is."""

WIDE_BITS = 23
"""Mantissa bits of these dtypes at least."""

BLOCK_VALUES = 1 << 18
"""Values of a block: 2 MB a side, and some ten arrays of them on the way."""

MOST_LINES = 1 << 22
"""A matrix with more rows is not looked at line by line."""

Lines = NDArray[np.int64]
Result = TypeVar("Result")
Where = tuple["Readable", "TensorInfo"]
"""A tensor and what holds it."""


@dataclass
class MergeSums:
    """Counts and sums over one weight, for one scale s of the change; those of blocks add up.

    W is the base's value, D the change, R the merge as it should be: W + s * D rounded once to
    the merged dtype. M is what is stored.

    Attributes:
        numel: values seen.
        lost: positions where one of them is NaN or infinite, and M is not what it should be.
        same: M is W, rounded to the merged dtype where that is another.
        exact: M is R.
        adjacent: M is a neighbour of R in the merged dtype.
        told: R is not W rounded, so that M can tell whether it was merged.
        told_same: of those, M is W rounded.
        told_merged: of those, M is R; in a wide dtype, it is within `WIDE_UNITS` of R and not W.
        most_units: largest |M - R| in units in the last place of the largest of W, s * D, R and
            the mean size of D: where the terms of a change cancel, their roundings stay.
        dd: sum of D^2.
        cc: sum of (M - W)^2.
        cd: sum of (M - W) * D.
        ed: sum of (M - R) * D.
        eedd: sum of ((M - R) * D)^2.
        ww: sum of W^2.
        ew: sum of (M - R) * W.
        eeww: sum of ((M - R) * W)^2.
        beyond: values where M is more than a unit from R, in those units.
        expected: how many values at most rounding s * D to the merged dtype on the way turns
            into a neighbour; counted in a narrow dtype only.
        rows: told, told_same and told_merged of each row, int64 `(3, rows)`; None where they
            were not counted.
        columns: the same of each column.
    """

    numel: int = 0
    lost: int = 0
    same: int = 0
    exact: int = 0
    adjacent: int = 0
    told: int = 0
    told_same: int = 0
    told_merged: int = 0
    most_units: float = 0.0
    dd: float = 0.0
    cc: float = 0.0
    cd: float = 0.0
    ed: float = 0.0
    eedd: float = 0.0
    ww: float = 0.0
    ew: float = 0.0
    eeww: float = 0.0
    beyond: int = 0
    expected: float = 0.0
    rows: Lines | None = field(default=None, repr=False)
    columns: Lines | None = field(default=None, repr=False)

    def take(self, part: "MergeSums", first_row: int) -> None:
        """Add the sums of a block of whole rows."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(part, name))
        self.most_units = max(self.most_units, part.most_units)
        if self.rows is not None and part.rows is not None:
            self.rows[:, first_row : first_row + part.rows.shape[1]] += part.rows
        if self.columns is not None and part.columns is not None:
            self.columns += part.columns

    @property
    def deviation(self) -> float:
        """By how much of D the stored values go beyond R, as a factor; 0 for a right merge."""
        return self.ed / self.dd if self.dd > 0.0 else 0.0

    @property
    def doubt(self) -> float:
        """Standard error of `deviation` as roundings alone would make it (White 1980)."""
        return math.sqrt(self.eedd) / self.dd if self.dd > 0.0 else math.inf

    @property
    def base_deviation(self) -> float:
        """By how much of W the stored values go beyond R, as a factor; 0 for a right merge."""
        return self.ew / self.ww if self.ww > 0.0 else 0.0

    @property
    def base_doubt(self) -> float:
        """Standard error of `base_deviation`, as `doubt` is that of `deviation`."""
        return math.sqrt(self.eeww) / self.ww if self.ww > 0.0 else math.inf

    @property
    def scale(self) -> float | None:
        """The least-squares factor of D in M - W; None where D is zero."""
        return self.cd / self.dd if self.dd > 0.0 else None

    @property
    def residual(self) -> float | None:
        """Norm of what of M - W is not along D, over that of M - W; None where that is zero."""
        if not self.cc > 0.0 or not self.dd > 0.0:
            return None
        return math.sqrt(max(0.0, 1.0 - self.cd / self.cc * (self.cd / self.dd)))

    @classmethod
    def of(
        cls, base: Matrix, change: Matrix, merged: Matrix, scale: float, kinds: "Kinds", width: int
    ) -> "MergeSums":
        """The sums of a block of values.

        Args:
            base: W, flat.
            change: D.
            merged: M.
            scale: s.
            kinds: the formats that W and M are stored in.
            width: values of a row, to count by rows and columns; 0 to leave that.
        """
        sums = cls(numel=merged.size)
        change_there = change if scale == 1.0 else scale * change
        right = nearest(base + change_there, kinds.merged)
        before = base if kinds.same else nearest(base, kinds.merged)
        exact, same = merged == right, merged == before
        sums.exact, sums.same = int(np.count_nonzero(exact)), int(np.count_nonzero(same))
        finite = np.isfinite(merged) & np.isfinite(right) & np.isfinite(change) & np.isfinite(base)
        told = (right != before) & finite
        if not finite.all():
            sums._lose(merged, right, before, finite)
            base, change, change_there, merged, right = (
                values[finite] for values in (base, change, change_there, merged, right)
            )
        sums.dd = _dot(change, change)
        moved = merged - base
        sums.cc, sums.cd = _dot(moved, moved), _dot(moved, change)
        sums.ww = _dot(base, base)
        off = ~exact & finite
        typical = abs(scale) * math.sqrt(sums.dd / max(1, change.size))
        if not kinds.is_wide:
            sums.expected = _shifted(change_there, right, typical, kinds)
        if off.any():
            # Where some are lost the others lie closer together.
            there = off if finite.all() else off[finite]
            parts = (values[there] for values in (base, change, change_there, merged, right))
            ratio = sums._miss(_Missed(*parts), kinds, typical)
            if kinds.is_wide:
                exact[np.flatnonzero(off)[ratio <= WIDE_UNITS]] = True
                exact &= ~same | ~told
        sums._tell(told, same, exact, width)
        return sums

    def _tell(
        self,
        told: NDArray[np.bool_],
        same: NDArray[np.bool_],
        close: NDArray[np.bool_],
        width: int,
    ) -> None:
        masks = (told, told & same, told & close)
        self.told, self.told_same, self.told_merged = (int(np.count_nonzero(m)) for m in masks)
        if width:
            lines = [mask.reshape(-1, width) for mask in masks]
            self.rows = np.stack([np.count_nonzero(mask, axis=1) for mask in lines])
            self.columns = np.stack([np.count_nonzero(mask, axis=0) for mask in lines])

    def _lose(
        self, merged: Matrix, right: Matrix, before: Matrix, finite: NDArray[np.bool_]
    ) -> None:
        """Positions that are not finite: as it should be, as they were, or lost."""
        off = ~finite
        found, wanted, old = merged[off], right[off], before[off]
        nan = np.isnan(found)
        as_wanted, as_before = nan & np.isnan(wanted), nan & np.isnan(old)
        # NaN is not equal to itself: those were not counted yet.
        self.exact += int(np.count_nonzero(as_wanted))
        self.same += int(np.count_nonzero(as_before))
        self.lost += int(np.count_nonzero(~(as_wanted | (found == wanted))))

    def _miss(self, at: "_Missed", kinds: "Kinds", typical: float) -> Matrix:
        """Positions where M is finite and not R; gives the distances in units."""
        off = at.merged - at.right
        self.adjacent += int(np.count_nonzero(adjacent(at.merged, at.right, kinds.merged)))
        largest = np.maximum(np.maximum(np.abs(at.base), np.abs(at.scaled)), np.abs(at.right))
        np.maximum(largest, typical, out=largest)
        ratio: Matrix = np.abs(off) / units(largest, kinds.merged)
        self.most_units = max(self.most_units, float(ratio.max(initial=0.0)))
        products = off * at.change
        self.ed += float(products.sum())
        self.eedd += _dot(products, products)
        products = off * at.base
        self.ew += float(products.sum())
        self.eeww += _dot(products, products)
        self.beyond += int(np.count_nonzero(ratio > 1.0))
        return ratio


class _Missed(NamedTuple):
    """Values where M is finite and not R."""

    base: Matrix
    change: Matrix
    scaled: Matrix
    merged: Matrix
    right: Matrix


_SUMS = (
    "numel", "lost", "same", "exact", "adjacent", "told", "told_same", "told_merged",
    "dd", "cc", "cd", "ed", "eedd", "ww", "ew", "eeww", "beyond", "expected",
)  # fmt: skip


def _shifted(change: Matrix, right: Matrix, typical: float, kinds: "Kinds") -> float:
    """How many sums at most are rounded otherwise where the change itself was rounded before.

    An error of d moves a sum to a neighbour with the chance of d over their distance; the factors
    and their products may have been rounded too, so d is a whole unit of the change.
    """
    with np.errstate(all="ignore"):
        error = units(np.maximum(np.abs(change), typical), kinds.merged)
        return float(np.minimum(1.0, error / units(right, kinds.merged)).sum())


def _dot(one: Matrix, other: Matrix) -> float:
    # BLAS wakes all its threads for a product of this length, and waits for them.
    return float(np.einsum("i,i->", one, other))


@dataclass(frozen=True, slots=True)
class Kinds:
    """The float formats of the base and of the merged weight."""

    base: "FloatFormat"
    merged: "FloatFormat"

    @property
    def same(self) -> bool:
        """Whether every value of the base is one of the merged dtype."""
        return self.merged.width >= self.base.width and (
            self.merged is self.base or self.merged.width > self.base.width
        )

    @property
    def is_wide(self) -> bool:
        """Whether M is in a dtype in which the sums of a product are rounded themselves."""
        return self.merged.mantissa_bits >= WIDE_BITS

    @classmethod
    def of(cls, base: "TensorInfo", merged: "TensorInfo") -> "Kinds | None":
        """The formats of two tensors; None where one holds no floats that are stored plainly."""
        names = [DTYPES[info.dtype].decoded or info.dtype for info in (base, merged)]
        if DTYPES[merged.dtype].decoded or not all(name in FORMATS for name in names):
            return None
        return cls(FORMATS[names[0]], FORMATS[names[1]])


def sum_up(
    base: Where,
    adapted: Where,
    merged: Where,
    shape: tuple[int, int],
    scale: float,
    kinds: Kinds,
    control: "Control",
    most: int | None = None,
) -> MergeSums:
    """One pass over a weight.

    Args:
        base: W.
        adapted: W + D in float64, as it is computed.
        merged: M.
        shape: rows and columns, for lines.
        scale: s.
        kinds: the formats of W and M.
        control: can cancel between blocks.
        most: look at about so many values from the first on; None for all.

    Raises:
        Cancelled: `control` was cancelled.
        CheckpointError: a file cannot be read, or changed.
    """
    rows, columns = shape
    sums = MergeSums()
    whole = rows <= MOST_LINES and columns <= BLOCK_VALUES and rows * columns == merged[1].numel
    if whole:
        sums.rows, sums.columns = np.zeros((3, rows), np.int64), np.zeros((3, columns), np.int64)
    step = max(1, BLOCK_VALUES // columns) * columns if whole and columns else BLOCK_VALUES

    def work(start: int) -> MergeSums:
        stop = min(merged[1].numel, start + step)
        weight, changed, stored = (
            read_values(*side, start, stop) for side in (base, adapted, merged)
        )
        with np.errstate(all="ignore"):  # what is lost is counted
            change = changed - weight
            return MergeSums.of(weight, change, stored, scale, kinds, columns if whole else 0)

    end = merged[1].numel if most is None else min(most, merged[1].numel)
    for start, part in _in_order(work, range(0, end, step), control):
        sums.take(part, start // max(1, columns))
    return sums


def _in_order(
    work: Callable[[int], Result], starts: range, control: "Control"
) -> Iterator[tuple[int, Result]]:
    """Results in the order of the starts, a few ahead of who takes them."""
    ahead: deque[tuple[int, Future[Result]]] = deque()
    with ThreadPoolExecutor(thread_count(), "lamella-merge") as pool:
        try:
            for start in starts:
                control.check()
                ahead.append((start, pool.submit(work, start)))
                if len(ahead) > thread_count():
                    first, future = ahead.popleft()
                    yield first, future.result()
            while ahead:
                control.check()
                first, future = ahead.popleft()
                yield first, future.result()
        finally:
            for _, future in ahead:
                future.cancel()


def count_unlike(base: Where, merged: Where, kinds: Kinds, control: "Control") -> int:
    """Values of a tensor that are not the base's, rounded to the merged dtype where it is another.

    Raises:
        Cancelled: `control` was cancelled.
        CheckpointError: a file cannot be read, or changed.
    """

    def work(start: int) -> int:
        stop = min(merged[1].numel, start + BLOCK_VALUES)
        weight, stored = (read_values(*side, start, stop) for side in (base, merged))
        wanted = nearest(weight, kinds.merged)
        return int(np.count_nonzero((wanted != stored) & ~(np.isnan(wanted) & np.isnan(stored))))

    starts = range(0, merged[1].numel, BLOCK_VALUES)
    return sum(unlike for _, unlike in _in_order(work, starts, control))
