"""The same sums on a torch device, for cuda and mps.

cuda sums in float64. mps has none: there float32 sums of `BLOCK` values are combined in
float64 on the host, after a scaling by a power of two that keeps squares in range.
"""

import math
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.delta.heat import HeatGrid
from inspect_core.delta.histogram import HISTOGRAM_BINS, HISTOGRAM_SHIFT
from inspect_core.delta.kernel import Chunk, HeatRequest, Raw
from inspect_core.delta.summary import Summary
from inspect_core.delta.torch_sums import Values, wide_sums
from inspect_core.devices import require_device

TORCH_DTYPES: dict[str, torch.dtype] = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8,
}  # fmt: skip
"""The torch dtype of every dtype compared but BOOL."""

BLOCK = 1024
"""Values summed in the device's own precision before the host takes over (mps)."""

ON_EVERY_DEVICE = frozenset({"F32", "F16", "BF16"})
"""Dtypes that mps converts itself; the host widens the others for it."""

ON_THE_HOST = frozenset({"U16", "U32", "U64"})
"""Dtypes that torch hardly knows on a device: they are widened before they go there."""

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Integers by their bytes, to compare bits with."""

BEYOND_FLOAT32 = frozenset({"F64", "I64", "U64", "I32", "U32"})
"""Dtypes that float32 cannot hold: where the device has no float64, the host compares them."""

LARGEST = 2.0**126
"""Beyond this a difference may leave float32's range, and the host compares the chunk."""


class TorchKernel:
    """Compares chunks on a torch device.

    Args:
        device: `cuda`, `cuda:1`, `mps` (or `cpu`, for tests).
        wide: sum in float64; by default wherever the device has it.

    Raises:
        UsageError: torch cannot use the device.
    """

    def __init__(self, device: str, wide: bool | None = None) -> None:
        require_device(device)
        self.device = torch.device(device)
        wide = self.device.type != "mps" if wide is None else wide
        self.dtype = torch.float64 if wide else torch.float32
        self._host = None if wide else TorchKernel("cpu", wide=True)
        self._local = threading.local()

    @torch.inference_mode()
    def compare(
        self, chunk: Chunk, histogram: bool, heat: HeatRequest | None
    ) -> tuple[Summary, HeatGrid | None]:
        """See `Kernel.compare`."""
        if chunk.numel == 0:
            nothing = Summary(histogram=np.zeros(HISTOGRAM_BINS, np.int64) if histogram else None)
            if heat is None:
                return nothing, None
            return nothing, HeatGrid.zero(heat.pooling.rows, heat.pooling.columns)
        if self._host and self._needs_float64(chunk):
            return self._host.compare(chunk, histogram, heat)
        with self._own_stream():
            values = Values.of(self, chunk)
            if self._host:
                summary = self._narrow_sums(values)
                if summary is None:
                    return self._host.compare(chunk, histogram, heat)
            else:
                summary = wide_sums(values)
            if histogram:
                summary = replace(summary, histogram=_histogram(values.d))
            return summary, None if heat is None else _pooled(values.d, values.lost, heat)

    def buffer(self, nbytes: int) -> Raw:
        """See `Kernel.buffer`; what is copied to a GPU lies in memory that it reads itself."""
        pinned = self.device.type == "cuda"
        raw: Raw = torch.empty(nbytes, dtype=torch.uint8, pin_memory=pinned).numpy()
        return raw

    def load(self, raw: Raw, dtype: str) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Loader.load`; the bytes cross to the device once."""
        held = self._moved(torch.from_numpy(raw))
        bits = held.view(BITS[DTYPES[dtype].nbytes(1)])
        if dtype == "BOOL":  # a byte other than 0 and 1 is no value that torch defines
            return (held != 0).to(self.dtype), bits
        kind = TORCH_DTYPES[dtype]
        if dtype in ON_EVERY_DEVICE or (not self._host and dtype not in ON_THE_HOST):
            return held.view(kind).to(self.dtype), bits
        return self._moved(torch.from_numpy(raw).view(kind).to(self.dtype)), bits

    def _moved(self, values: torch.Tensor) -> torch.Tensor:
        return values.to(self.device, non_blocking=True)

    def _own_stream(self) -> AbstractContextManager[object]:
        """A stream for each thread on cuda: one copies while another computes.

        The only wait is that for the sums, at the end; until then the buffers are in use.
        """
        if self.device.type != "cuda":
            return nullcontext()
        if not hasattr(self._local, "stream"):
            self._local.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        context: AbstractContextManager[object] = torch.cuda.stream(self._local.stream)
        return context

    def _needs_float64(self, chunk: Chunk) -> bool:
        dtypes = {chunk.model_dtype, chunk.reference_dtype}
        return chunk.narrow_side is not None or not BEYOND_FLOAT32.isdisjoint(dtypes)

    def _narrow_sums(self, values: Values) -> Summary | None:
        """Sums on a device without float64; None where the values leave float32's range."""
        a, b, d = values.a, values.b, values.d
        largest = [float(side.abs().max()) for side in (a, b, d)]
        if max(largest) > LARGEST:
            return None
        # A scale for each: the squares of one side must not vanish beside the other's.
        unit_a, unit_b, unit_d = (_power_of_two(v) for v in largest)
        x, y, z = a / unit_a, b / unit_b, d / unit_d
        dot, sq_b = _sum(x * y), _sum(y * y)
        slope = dot / sq_b if sq_b > 0.0 else 0.0
        if abs(slope * (unit_a / unit_b) - 1.0) <= 0.5:
            # What of d is not along b is the same, and keeps float32's digits where d is small.
            slope_d = _sum(z * y) / sq_b
            residual = _sum((z - slope_d * y) ** 2) * unit_d**2
        else:
            residual = _sum((x - slope * y) ** 2) * unit_a**2
        sums: dict[str, Any] = {
            "sum_d": _sum(z) * unit_d,
            "abs_d": _sum(z.abs()) * unit_d,
            "sq_d": _sum(z * z) * unit_d**2,
            "abs_model": _sum(x.abs()) * unit_a,
            "abs_reference": _sum(y.abs()) * unit_b,
            "sq_model": _sum(x * x) * unit_a**2,
            "sq_reference": sq_b * unit_b**2,
            "dot": dot * unit_a * unit_b,
            "residual": residual,
            "max_abs": largest[2],
        }
        counts = values.counts()
        found = torch.stack(list(counts.values())).cpu().tolist()
        summary = Summary(**dict(zip(counts, found, strict=True)), **sums)
        return replace(summary, beyond=summary.changed, sq_beyond=summary.sq_d)


def _sum(values: torch.Tensor) -> float:
    """A sum of float32: short ones on the device, the rest on the host in float64."""
    short = -values.numel() % BLOCK
    blocks = torch.nn.functional.pad(values, (0, short)).reshape(-1, BLOCK).sum(dim=1)
    return math.fsum(blocks.cpu().tolist())


def _power_of_two(value: float) -> float:
    """The power of two at or below a positive value, as float32 can divide by it; 1 for zero."""
    return 2.0 ** max(-100, math.frexp(value)[1] - 1) if value > 0.0 else 1.0


def _histogram(d: torch.Tensor) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    bins = d.abs().float().view(torch.int32) >> HISTOGRAM_SHIFT
    counts: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        torch.bincount(bins, minlength=HISTOGRAM_BINS).cpu().numpy()
    )
    return counts


def _pooled(d: torch.Tensor, lost: torch.Tensor, heat: HeatRequest) -> HeatGrid:
    if d.dtype == torch.float32:  # its sums over whole cells are too coarse
        d, lost = d.cpu().double(), lost.cpu()
    pooling = heat.pooling
    place = torch.arange(heat.first, heat.first + d.numel(), device=d.device)
    inner = torch.from_numpy(pooling.column_edges[1:-1]).to(d.device)
    column = torch.bucketize(place % heat.columns, inner, right=True)
    row = place // heat.columns * pooling.rows // pooling.matrix_rows
    cell = row * pooling.columns + column
    size = pooling.rows * pooling.columns
    empty = torch.zeros(size, dtype=d.dtype, device=d.device)
    parts = [
        empty.index_add(0, cell, d),
        empty.index_add(0, cell, d.abs()),
        empty.scatter_reduce(0, cell, d.abs(), "amax"),
        empty.index_add(0, cell, (~lost).to(d.dtype)),
    ]
    cells = torch.stack(parts).reshape(4, pooling.rows, pooling.columns)
    return HeatGrid(cells.cpu().double().numpy())
