"""A chunk on a torch device: its values with what is lost left out, and their float64 sums."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from inspect_core.delta.kernel import Chunk, Raw
from inspect_core.delta.rounding import FORMATS, FloatFormat
from inspect_core.delta.summary import Summary


class Loader(Protocol):
    """Brings bytes to the device; a `TorchKernel`."""

    def load(self, raw: Raw, dtype: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The values of a dtype on the device, in its widest precision, and their bits."""
        ...


@dataclass(frozen=True, slots=True)
class Values:
    """A chunk on the device; nothing here waits for it.

    Attributes:
        chunk: as it came.
        whole_a: the model's values, whatever they are.
        whole_b: the reference's.
        lost: where either is not finite.
        lost_changed: where either is not finite and they differ, by value and by bits.
        a: the model's values, 0 where one is lost.
        b: the same of the reference.
        d: their differences.
    """

    chunk: Chunk
    whole_a: torch.Tensor
    whole_b: torch.Tensor
    lost: torch.Tensor
    lost_changed: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor
    d: torch.Tensor

    @classmethod
    def of(cls, kernel: Loader, chunk: Chunk) -> "Values":
        """Load both sides and leave out what is not finite."""
        whole_a, bits_a = kernel.load(chunk.model, chunk.model_dtype)
        if chunk.reference is None or chunk.reference_dtype is None:
            whole_b, bits_b = torch.zeros_like(whole_a), None
        else:
            whole_b, bits_b = kernel.load(chunk.reference, chunk.reference_dtype)
        lost = ~(torch.isfinite(whole_a) & torch.isfinite(whole_b))
        differ = whole_a != whole_b
        if bits_b is not None and chunk.model_dtype == chunk.reference_dtype:
            differ &= bits_a != bits_b
        a, b = whole_a.masked_fill(lost, 0.0), whole_b.masked_fill(lost, 0.0)
        halves = _int64_difference(chunk)
        d = a - b if halves is None else kernel.load(halves.view(np.uint8), "F64")[0]
        return cls(chunk, whole_a, whole_b, lost, lost & differ, a, b, d)

    def counts(self) -> dict[str, torch.Tensor]:
        """The integer fields of the summary that need no rounding, as int64 scalars."""
        a, b = self.a, self.b
        return {
            "numel": torch.full((), self.chunk.numel, dtype=torch.int64, device=a.device),
            "changed": (self.d != 0).sum() + self.lost_changed.sum(),
            "left_out": self.lost.sum(),
            "nonfinite_model": (~torch.isfinite(self.whole_a)).sum(),
            "nonfinite_reference": (~torch.isfinite(self.whole_b)).sum(),
            "sign_flips": (((a < 0) & (b > 0)) | ((a > 0) & (b < 0))).sum(),
        }


def wide_sums(values: Values) -> Summary:
    """All sums in float64 on the device, which is waited for once."""
    a, b, d = values.a, values.b, values.d
    counts = values.counts()
    dot, sq_b = (a * b).sum(), (b * b).sum()
    slope = torch.where(sq_b > 0.0, dot / sq_b, 0.0)
    sums = {
        "sum_d": d.sum(),
        "abs_d": d.abs().sum(),
        "sq_d": (d * d).sum(),
        "abs_model": a.abs().sum(),
        "abs_reference": b.abs().sum(),
        "sq_model": (a * a).sum(),
        "sq_reference": sq_b,
        "dot": dot,
        "residual": ((a - slope * b) ** 2).sum(),
        "max_abs": d.abs().max(),
    }
    counts["beyond"], sums["sq_beyond"] = _beyond(values, counts["changed"], sums["sq_d"])
    # float64 holds counts up to 2^53.
    found = torch.stack([value.double() for value in (*counts.values(), *sums.values())])
    numbers = found.cpu().tolist()
    fields: dict[str, Any] = dict(zip(counts, map(int, numbers), strict=False))
    fields |= zip(sums, numbers[len(counts) :], strict=True)
    across = values.chunk.numel if values.chunk.narrow_side else 0
    return Summary(**fields, across=across)


def _beyond(
    values: Values, changed: torch.Tensor, sq_d: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What rounding the wider side to the narrower dtype does not explain."""
    side = values.chunk.narrow_side
    if side is None:
        return changed, sq_d
    form = FORMATS[values.chunk.dtype_of(side)]
    wide, narrow = (values.b, values.a) if side == "model" else (values.a, values.b)
    rounded = _rounded(wide, form)
    gap = torch.where(rounded.abs() <= form.largest, narrow - rounded, values.d)
    wide, narrow = values.whole_b, values.whole_a
    if side == "reference":
        wide, narrow = narrow, wide
    explained = narrow == _rounded(wide, form)
    if math.isfinite(form.overflow):
        explained |= torch.isnan(narrow) & (wide.abs() > form.largest)
    # NaN stays NaN; `_rounded` gives what is too large in its place.
    explained = torch.where(torch.isnan(wide), torch.isnan(narrow), explained)
    lost = (values.lost & (wide != narrow) & ~explained) & values.lost_changed
    return (gap != 0).sum() + lost.sum(), (gap * gap).sum()


def _rounded(values: torch.Tensor, form: FloatFormat) -> torch.Tensor:
    """Round float64 to a narrower format, as `rounding_kernels` does and for its reasons."""
    x = values.float().double()
    exponent = x.view(torch.int64) & 0x7FF0000000000000
    exponent = exponent.clamp_min((form.least_exponent + 1023) << 52)
    quanta = ((exponent + ((52 - form.mantissa_bits) << 52)) | (1 << 51)).view(torch.float64)
    rounded = (x + quanta) - quanta
    overflow = torch.full_like(x, form.overflow).copysign(x)
    return torch.where(rounded.abs() <= form.largest, rounded, overflow)


def _int64_difference(chunk: Chunk) -> NDArray[np.float64] | None:
    """The difference of 64-bit integers; None where the sides are something else.

    float64 rounds integers beyond 2^53 before it subtracts them; their halves are exact.
    """
    if chunk.model_dtype not in ("I64", "U64") or chunk.model_dtype != chunk.reference_dtype:
        return None
    kind = np.int64 if chunk.model_dtype == "I64" else np.uint64
    assert chunk.reference is not None
    x, y = chunk.model.view(kind), chunk.reference.view(kind)
    high = (x >> kind(32)).astype(np.float64) - (y >> kind(32)).astype(np.float64)
    mask = kind(0xFFFFFFFF)
    low = (x & mask).astype(np.float64) - (y & mask).astype(np.float64)
    whole: NDArray[np.float64] = high * 2.0**32 + low
    return whole
