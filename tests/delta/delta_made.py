"""Made-up tensors, and what their sums are by exact integer arithmetic."""

import math
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
import torch

from inspect_core.checkpoint.tensor_info import SAFETENSORS_DTYPES, TensorInfo
from inspect_core.delta.kernel import Chunk
from inspect_core.delta.summary import COUNTS, Summary

COMPARABLE = [name for name, dtype in SAFETENSORS_DTYPES.items() if dtype.comparable]
FLOATS = ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"]
INTEGERS = {
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
}  # fmt: skip
TORCH = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip

SHIFT = 1080
"""Every float64 times 2^SHIFT is an integer."""


def encode(values, dtype):
    """Values as the bytes of a dtype, rounded to it."""
    if dtype == "BOOL":
        return np.asarray(values).astype(bool).view(np.uint8).copy()
    if dtype in INTEGERS:
        return np.asarray(values).astype(INTEGERS[dtype]).view(np.uint8).copy()
    tensor = torch.from_numpy(np.array(values, np.float64).reshape(-1))
    return tensor.to(TORCH[dtype]).view(torch.uint8).numpy().copy()


def widen(raw, dtype):
    """The values of raw bytes in float64, by numpy's and torch's own conversions."""
    if dtype == "BOOL":
        return (raw != 0).astype(np.float64)
    if dtype in INTEGERS:
        return raw.view(INTEGERS[dtype]).astype(np.float64)
    return torch.from_numpy(raw.copy()).view(TORCH[dtype]).to(torch.float64).numpy()


def rounded_raw(raw, dtype, narrow):
    """Values of a float dtype rounded to a narrower one, by torch's own conversion."""
    values = torch.from_numpy(raw.copy()).view(TORCH[dtype]).to(TORCH[narrow])
    return values.view(torch.uint8).numpy().copy()


def random_raw(rng, dtype, numel, scale=1.0):
    """Bytes of ordinary values: a normal of the given scale, or the integers' whole range."""
    if dtype == "BOOL":
        return encode(rng.integers(0, 2, numel), dtype)
    if dtype in INTEGERS:
        return rng.integers(0, 256, SAFETENSORS_DTYPES[dtype].nbytes(numel), np.uint8)
    return encode(rng.normal(size=numel) * scale, dtype)


def chunk_of(raw_a, dtype_a, raw_b=None, dtype_b=None):
    numel = raw_a.size // SAFETENSORS_DTYPES[dtype_a].nbytes(1)
    return Chunk(raw_a, dtype_a, raw_b, dtype_b, numel)


def _integer(value):
    numerator, denominator = float(value).as_integer_ratio()
    return numerator * (2**SHIFT // denominator)


@dataclass(frozen=True)
class Exact:
    """The sums of a pair of finite float64 arrays as fractions, without any rounding."""

    sum_d: Fraction
    abs_d: Fraction
    sq_d: Fraction
    abs_model: Fraction
    abs_reference: Fraction
    sq_model: Fraction
    sq_reference: Fraction
    dot: Fraction
    residual: Fraction
    max_abs: Fraction
    changed: int

    @property
    def angle(self):
        sine = math.sqrt(self.residual * self.sq_reference)
        return math.atan2(sine, float(self.dot))


def exact(a, b, times=1):
    """Exact sums of `a` and `b`, each repeated `times` times."""
    pairs = [(_integer(x), _integer(y)) for x, y in zip(a, b, strict=True)]
    unit, square = Fraction(1, 2**SHIFT), Fraction(times, 2 ** (2 * SHIFT))
    sq_a, sq_b = sum(x * x for x, _ in pairs), sum(y * y for _, y in pairs)
    dot = sum(x * y for x, y in pairs)
    residual = Fraction(sq_a * sq_b - dot * dot, sq_b) if sq_b else Fraction(sq_a)
    return Exact(
        sum_d=times * unit * sum(x - y for x, y in pairs),
        abs_d=times * unit * sum(abs(x - y) for x, y in pairs),
        sq_d=square * sum((x - y) ** 2 for x, y in pairs),
        abs_model=times * unit * sum(abs(x) for x, _ in pairs),
        abs_reference=times * unit * sum(abs(y) for _, y in pairs),
        sq_model=square * sq_a,
        sq_reference=square * sq_b,
        dot=square * dot,
        residual=square * residual,
        max_abs=unit * max((abs(x - y) for x, y in pairs), default=0),
        changed=times * sum(x != y for x, y in pairs),
    )


def magnitudes(summary):
    """Against what each sum's rounding error is to be measured."""
    both = math.sqrt(float(summary.sq_model) * float(summary.sq_reference))
    beyond = {"sq_beyond": summary.sq_d + summary.sq_beyond} if isinstance(summary, Summary) else {}
    return beyond | {
        "sum_d": summary.abs_d, "abs_d": summary.abs_d, "sq_d": summary.sq_d,
        "abs_model": summary.abs_model, "abs_reference": summary.abs_reference,
        "sq_model": summary.sq_model, "sq_reference": summary.sq_reference,
        "dot": both, "residual": summary.sq_model, "max_abs": summary.max_abs,
    }  # fmt: skip


def assert_close(summary, expected, rel=1e-12, counts=True):
    """Sums of a summary against those of another one, or against exact ones."""
    for name, size in magnitudes(expected).items():
        left, right = float(getattr(summary, name)), float(getattr(expected, name))
        assert abs(left - right) <= rel * float(size), (name, left, right)
    if counts and isinstance(expected, Summary):
        for name in COUNTS:
            assert getattr(summary, name) == getattr(expected, name), name
    else:
        assert summary.changed == expected.changed


def assert_identical(summary, expected):
    """Every bit of two summaries is the same."""
    for field in fields(Summary):
        left, right = getattr(summary, field.name), getattr(expected, field.name)
        if field.name == "histogram":
            assert (left is None) == (right is None)
            assert left is None or np.array_equal(left, right)
        else:
            assert left == right, field.name


def tensor(name, dtype, shape):
    return TensorInfo(name, dtype, shape, 0, 0, SAFETENSORS_DTYPES[dtype].nbytes(math.prod(shape)))


class Held:
    """Tensors in memory, and what was read of them."""

    def __init__(self, tensors):
        self.tensors = tensors
        self.reads = []

    def read_into(self, tensor, offset, buffer):
        raw = self.tensors[tensor.name]
        assert offset >= 0 and offset + len(buffer) <= raw.size, "read past the tensor"
        self.reads.append((tensor.name, offset, len(buffer)))
        buffer[:] = memoryview(raw)[offset : offset + len(buffer)]


class Repeated:
    """A tensor of any length that repeats one run of values."""

    def __init__(self, raw, longest):
        self._period = raw.size
        self._raw = np.tile(raw, longest // raw.size + 2)

    def read_into(self, tensor, offset, buffer):
        start = offset % self._period
        buffer[:] = memoryview(self._raw)[start : start + len(buffer)]
