"""The same sums on a torch device, for cuda and mps.

cuda sums in float64. mps has none: there float32 sums of `BLOCK` values are combined in
float64 on the host, after a scaling by a power of two that keeps squares in range.
"""

import math

import numpy as np
import torch

from inspect_core.delta.heat import HeatGrid
from inspect_core.delta.kernel import Chunk, HeatRequest, Raw
from inspect_core.delta.summary import HISTOGRAM_BINS, HISTOGRAM_SHIFT, Summary
from inspect_core.errors import UsageError

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
        try:
            self.device = torch.device(device)
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).split("\n", 1)[0]
            raise UsageError(
                f"torch cannot use the device {device!r} ({reason})", hint="use --device cpu"
            ) from None
        wide = self.device.type != "mps" if wide is None else wide
        self.dtype = torch.float64 if wide else torch.float32
        self._host = None if wide else TorchKernel("cpu", wide=True)

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
        if self._host and not BEYOND_FLOAT32.isdisjoint((chunk.model_dtype, chunk.reference_dtype)):
            return self._host.compare(chunk, histogram, heat)
        a = self._load(chunk.model, chunk.model_dtype)
        if chunk.reference is None or chunk.reference_dtype is None:
            b = torch.zeros_like(a)
        else:
            b = self._load(chunk.reference, chunk.reference_dtype)
        lost_a, lost_b = ~torch.isfinite(a), ~torch.isfinite(b)
        lost = lost_a | lost_b
        left_out = int(lost.sum())
        changed_lost = _changed_among(lost, a, b, chunk) if left_out else 0
        if left_out:
            a, b = a.masked_fill(lost, 0.0), b.masked_fill(lost, 0.0)
        d = self._difference(a, b, chunk)
        largest = [float(values.abs().max()) for values in (a, b, d)]
        if self._host and max(largest) > LARGEST:
            return self._host.compare(chunk, histogram, heat)
        # A scale for each: the squares of one side must not vanish beside the other's.
        unit_a, unit_b, unit_d = (1.0 if not self._host else _power_of_two(v) for v in largest)
        x, y, z = a / unit_a, b / unit_b, d / unit_d
        dot, sq_b = self._sum(x * y), self._sum(y * y)
        slope = dot / sq_b if sq_b > 0.0 else 0.0
        if self._host and abs(slope * (unit_a / unit_b) - 1.0) <= 0.5:
            # What of d is not along b is the same, and keeps float32's digits where d is small.
            slope_d = self._sum(z * y) / sq_b
            residual = self._sum((z - slope_d * y) ** 2) * unit_d**2
        else:
            residual = self._sum((x - slope * y) ** 2) * unit_a**2
        summary = Summary(
            numel=chunk.numel,
            changed=int((d != 0).sum()) + changed_lost,
            left_out=left_out,
            nonfinite_model=int(lost_a.sum()),
            nonfinite_reference=int(lost_b.sum()),
            sum_d=self._sum(z) * unit_d,
            abs_d=self._sum(z.abs()) * unit_d,
            sq_d=self._sum(z * z) * unit_d**2,
            abs_model=self._sum(x.abs()) * unit_a,
            abs_reference=self._sum(y.abs()) * unit_b,
            sq_model=self._sum(x * x) * unit_a**2,
            sq_reference=sq_b * unit_b**2,
            dot=dot * unit_a * unit_b,
            residual=residual,
            max_abs=largest[2],
            histogram=_histogram(d) if histogram else None,
        )
        return summary, None if heat is None else _pooled(d, lost, heat)

    def _load(self, raw: Raw, dtype: str) -> torch.Tensor:
        if dtype == "BOOL":  # a byte other than 0 and 1 is no value that torch defines
            return torch.from_numpy(raw != 0).to(self.dtype).to(self.device)
        values = torch.frombuffer(raw, dtype=TORCH_DTYPES[dtype])
        if dtype in ON_EVERY_DEVICE or (not self._host and not dtype.startswith("U")):
            return values.to(self.device).to(self.dtype)
        return values.to(self.dtype).to(self.device)

    def _difference(self, a: torch.Tensor, b: torch.Tensor, chunk: Chunk) -> torch.Tensor:
        if chunk.model_dtype == chunk.reference_dtype and chunk.model_dtype in ("I64", "U64"):
            return self._int64_difference(chunk)
        return a - b

    def _int64_difference(self, chunk: Chunk) -> torch.Tensor:
        # float64 rounds integers beyond 2^53 before it subtracts them; their halves are exact.
        kind = np.int64 if chunk.model_dtype == "I64" else np.uint64
        assert chunk.reference is not None
        x, y = chunk.model.view(kind), chunk.reference.view(kind)
        high = (x >> kind(32)).astype(np.float64) - (y >> kind(32)).astype(np.float64)
        mask = kind(0xFFFFFFFF)
        low = (x & mask).astype(np.float64) - (y & mask).astype(np.float64)
        return torch.from_numpy(high * 2.0**32 + low).to(self.dtype).to(self.device)

    def _sum(self, values: torch.Tensor) -> float:
        if self.dtype == torch.float64:
            return float(values.sum())
        short = -values.numel() % BLOCK
        blocks = torch.nn.functional.pad(values, (0, short)).reshape(-1, BLOCK).sum(dim=1)
        return math.fsum(blocks.cpu().tolist())


def _changed_among(lost: torch.Tensor, a: torch.Tensor, b: torch.Tensor, chunk: Chunk) -> int:
    """How many of the non-finite positions differ: by value, and by bits in one dtype."""
    same = (a == b)[lost].cpu()
    if chunk.reference is not None and chunk.model_dtype == chunk.reference_dtype:
        where = lost.cpu().numpy()
        width = chunk.model.size // chunk.numel
        rows_a = chunk.model.reshape(chunk.numel, width)[where]
        rows_b = chunk.reference.reshape(chunk.numel, width)[where]
        same |= torch.from_numpy((rows_a == rows_b).all(axis=1))
    return int((~same).sum())


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
