"""What a kernel is: raw bytes of two chunks in, a summary and a heat grid out.

There are two: `CpuKernel` (numba) and `TorchKernel` (cuda, mps). One test holds them equal.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.heat import HeatGrid, MatrixView, Pooling
from inspect_core.delta.rounding import FORMATS, Side, narrow_side
from inspect_core.delta.summary import Summary

Raw = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of values of both tensors, as they lie in their files.

    Attributes:
        model: uint8 bytes of the model's values.
        model_dtype: their dtype name.
        reference: bytes of the reference's values; None reads as zeros, so that the delta
            is the model itself.
        reference_dtype: their dtype name, or None.
        numel: values on each side.
        decoded: whether a side was decoded from quantised blocks: those have been rounded in
            a way of their own, and nothing of that is called rounding here.
    """

    model: Raw
    model_dtype: str
    reference: Raw | None
    reference_dtype: str | None
    numel: int
    decoded: bool = False

    @property
    def narrow_side(self) -> Side | None:
        """The side in a narrower float dtype, whose rounding may explain differences."""
        return None if self.decoded else narrow_side(self.model_dtype, self.reference_dtype)

    def dtype_of(self, side: Side) -> str:
        """The dtype of a side that is there."""
        return self.model_dtype if side == "model" else self.reference_dtype or ""


@dataclass(frozen=True, slots=True)
class HeatRequest:
    """Where a chunk lies in the matrix that is pooled.

    Attributes:
        first: flat index of the chunk's first value in the matrix.
        columns: matrix columns.
        pooling: the grid.
    """

    first: int
    columns: int
    pooling: Pooling


class Kernel(Protocol):
    """Compares one chunk; pure, and safe to call from several threads.

    What each field of the summary is stands in `Summary`. Of those that need care: `sign_flips`
    asks for both values nonzero, however small (a product of two may vanish). With
    `Chunk.narrow_side`, `across` is `numel`, and r is the other side's values in that dtype (F64
    by way of F32, as torch's `.to()`): `beyond` counts changed positions where r is neither
    equal to the narrow value nor NaN where that is NaN, non-finite positions included, and
    `sq_beyond` sums (narrow - r)^2 over the compared positions, d^2 where r is not finite.
    F8_E4M3 has no infinity: r is its largest value there, and a NaN counts as explained too.
    Without a narrow side they are 0, `changed` and `sq_d`.
    """

    def compare(
        self, chunk: Chunk, histogram: bool, heat: HeatRequest | None
    ) -> tuple[Summary, HeatGrid | None]:
        """Sums over the chunk, with a histogram or a heat grid where asked for."""
        ...

    def buffer(self, nbytes: int) -> Raw:
        """Memory to read a side of a chunk into, such as the kernel takes it from best."""
        ...


class CpuKernel:
    """The numba kernel."""

    def compare(
        self, chunk: Chunk, histogram: bool, heat: HeatRequest | None
    ) -> tuple[Summary, HeatGrid | None]:
        """See `Kernel.compare`."""
        from inspect_core.delta.float_kernels import compare_floats  # numba: 0.3 s to import
        from inspect_core.delta.histogram_kernels import joined
        from inspect_core.delta.kernels import compare_raw, empty_outputs

        counts, sums, bins = empty_outputs(histogram)
        if chunk.model_dtype == chunk.reference_dtype and heat is None:
            raws = chunk.model, chunk.reference
            if compare_floats(*raws, chunk.model_dtype, counts, sums, bins):
                return Summary.of(counts, sums, joined(bins)), None
            counts, sums, bins = empty_outputs(histogram)
        from inspect_core.delta.widening import BYTE_VALUES

        model, model_code, reference, reference_code = readable(chunk)
        side = chunk.narrow_side
        grid = None if heat is None else HeatGrid.zero(heat.pooling.rows, heat.pooling.columns)
        compare_raw(
            model,
            model_code,
            reference,
            reference_code,
            chunk.numel,
            model.size // max(1, chunk.numel),
            BYTE_VALUES,
            _SIDES[side],
            _NO_FORMAT if side is None else FORMATS[chunk.dtype_of(side)].row,
            counts,
            sums,
            bins,
            heat.first if heat else 0,
            heat.columns if heat else 1,
            heat.pooling.matrix_rows if heat else 1,
            heat.pooling.column_edges if heat else _NO_INDEX,
            grid.cells if grid else _NO_GRID,
        )
        return Summary.of(counts, sums, joined(bins)), grid

    def buffer(self, nbytes: int) -> Raw:
        """See `Kernel.buffer`."""
        return np.empty(nbytes, np.uint8)


def readable(chunk: Chunk) -> tuple[Raw, int, Raw, int]:
    """Bytes and codes of both sides as the numba kernels read them."""
    from inspect_core.delta.widening import CODES, ZERO

    model = _readable(chunk.model, chunk.model_dtype, CODES)
    if chunk.reference is None or chunk.reference_dtype is None:
        return *model, _NOTHING, ZERO
    return *model, *_readable(chunk.reference, chunk.reference_dtype, CODES)


def _readable(raw: Raw, dtype: str, codes: dict[str, int]) -> tuple[Raw, int]:
    """Bytes and code as the numba kernel reads them; integers of 2 and 4 bytes fit F64."""
    if dtype in codes:
        return raw, codes[dtype]
    return raw.view(_MIDDLE_INTEGERS[dtype]).astype(np.float64).view(np.uint8), codes["F64"]


_MIDDLE_INTEGERS: dict[str, type[np.generic]] = {
    "I32": np.int32, "I16": np.int16, "U32": np.uint32, "U16": np.uint16,
}  # fmt: skip
_SIDES: dict[Side | None, int] = {None: 0, "model": 1, "reference": 2}
_NO_FORMAT = np.zeros(4, np.float64)
_NOTHING = np.empty(0, np.uint8)
_NO_INDEX = np.empty(0, np.int64)
_NO_GRID = np.empty((4, 0, 0), np.float64)


def warm_up() -> None:
    """Import numba and compile the CPU kernel, or load it from its cache.

    Compiling takes some seconds, once for an installation; loading a tenth of a second.
    """
    view = MatrixView(2, 4)
    raw = np.zeros(32, np.uint8)
    heat = HeatRequest(0, 4, Pooling.of(view, 2, 4))
    CpuKernel().compare(Chunk(raw, "F32", raw, "F32", 8), histogram=True, heat=heat)


def kernel_for(device: str) -> Kernel:
    """The kernel of a device: `cpu`, `cuda`, `cuda:1` or `mps`."""
    if device == "cpu":
        return CpuKernel()
    from inspect_core.delta.torch_kernel import TorchKernel

    return TorchKernel(device)
