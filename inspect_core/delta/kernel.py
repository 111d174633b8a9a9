"""What a kernel is: raw bytes of two chunks in, a summary and a heat grid out.

There are two: `CpuKernel` (numba) and `TorchKernel` (cuda, mps). One test holds them equal.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.heat import HeatGrid, MatrixView, Pooling
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
    """

    model: Raw
    model_dtype: str
    reference: Raw | None
    reference_dtype: str | None
    numel: int


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
    """Compares one chunk; pure, and safe to call from several threads."""

    def compare(
        self, chunk: Chunk, histogram: bool, heat: HeatRequest | None
    ) -> tuple[Summary, HeatGrid | None]:
        """Sums over the chunk, with a histogram or a heat grid where asked for."""
        ...


class CpuKernel:
    """The numba kernel."""

    def compare(
        self, chunk: Chunk, histogram: bool, heat: HeatRequest | None
    ) -> tuple[Summary, HeatGrid | None]:
        """See `Kernel.compare`."""
        from inspect_core.delta import kernels  # numba takes 0.3 s to import

        model, model_code = _readable(chunk.model, chunk.model_dtype, kernels.CODES)
        reference, reference_code = _NOTHING, kernels.ZERO
        if chunk.reference is not None and chunk.reference_dtype is not None:
            reference, reference_code = _readable(
                chunk.reference, chunk.reference_dtype, kernels.CODES
            )
        counts, sums, bins = kernels.empty_outputs(histogram)
        grid = None if heat is None else HeatGrid.zero(heat.pooling.rows, heat.pooling.columns)
        kernels.compare_raw(
            model,
            model_code,
            reference,
            reference_code,
            chunk.numel,
            model.size // max(1, chunk.numel),
            kernels.BYTE_VALUES,
            counts,
            sums,
            bins,
            heat.first if heat else 0,
            heat.columns if heat else 1,
            heat.pooling.matrix_rows if heat else 1,
            heat.pooling.column_edges if heat else _NO_INDEX,
            grid.cells if grid else _NO_GRID,
        )
        return Summary.of(counts, sums, bins if histogram else None), grid


def _readable(raw: Raw, dtype: str, codes: dict[str, int]) -> tuple[Raw, int]:
    """Bytes and code as the numba kernel reads them; integers of 2 and 4 bytes fit F64."""
    if dtype in codes:
        return raw, codes[dtype]
    return raw.view(_MIDDLE_INTEGERS[dtype]).astype(np.float64).view(np.uint8), codes["F64"]


_MIDDLE_INTEGERS: dict[str, type[np.generic]] = {
    "I32": np.int32, "I16": np.int16, "U32": np.uint32, "U16": np.uint16,
}  # fmt: skip
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
