"""What is seen in values, for every dtype, held against numpy's and torch's own numbers."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.checkpoint.tensor_info import SAFETENSORS_DTYPES
from inspect_core.health.layouts import LAYOUTS
from inspect_core.health.values import Values, look

TORCH = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz, "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E8M0": torch.float8_e8m0fnu, "C64": torch.float32,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8,
}  # fmt: skip
FLOATS = [name for name, layout in LAYOUTS.items() if layout.kind in ("float", "scale")]
LIMITED = ["F64", "F32", "F16", "BF16"]
SIZES = [1, 2, 3, 7, 63, 64, 65, 1000, 4099]


def bytes_of(values, dtype):
    return torch.tensor(values, dtype=torch.float64).to(TORCH[dtype]).view(torch.uint8).numpy()


def expected(raw, dtype):
    """The same by conversion to float64, or to Python's integers."""
    if dtype == "BOOL":
        truth = [int(byte != 0) for byte in raw]
        odd = sum(byte > 1 for byte in raw.tolist())
        return Values(raw.size, odd_bools=odd, low=min(truth), high=max(truth))
    tensor = torch.from_numpy(raw.copy()).view(TORCH[dtype])
    if dtype not in FLOATS:
        numbers = tensor.tolist()
        return Values(len(numbers), low=min(numbers), high=max(numbers))
    # By way of F32 where torch converts no other way; every 8-bit float is exact in it.
    wide = (tensor if dtype == "F64" else tensor.to(torch.float32)).to(torch.float64).numpy()
    finite = wide[np.isfinite(wide)]
    most = torch.finfo(TORCH[dtype]).max
    return Values(
        wide.size,
        int(np.isnan(wide).sum()),
        int((wide == np.inf).sum()),
        int((wide == -np.inf).sum()),
        int((np.abs(finite) >= 0.99 * most).sum()) if dtype in [*LIMITED, "C64"] else 0,
        0,
        float(finite.min()) if finite.size else None,
        float(finite.max()) if finite.size else None,
    )


def test_every_dtype_of_a_fixed_width_is_looked_at():
    left = {name for name, dtype in SAFETENSORS_DTYPES.items() if dtype.bits % 8 or name == "F4"}
    assert left == {"F4", "F6_E2M3", "F6_E3M2"}
    assert set(LAYOUTS) == set(SAFETENSORS_DTYPES) - left


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", LAYOUTS)
def test_any_bits(dtype, size):
    rng = np.random.default_rng(size)
    raw = rng.integers(0, 256, size * LAYOUTS[dtype].width, np.uint8)
    assert look(raw, dtype) == expected(raw, dtype)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sign", [-1.0, 1.0, None])
@pytest.mark.parametrize("dtype", sorted(set(FLOATS) - {"F8_E8M0"}))
def test_ordinary_floats(dtype, sign, size):
    values = np.random.default_rng(size).normal(size=size)
    raw = bytes_of((values if sign is None else sign * np.abs(values)).tolist(), dtype)
    assert look(raw, dtype) == expected(raw, dtype)
    assert look(raw, dtype).nonfinite == 0


@pytest.mark.parametrize("dtype", [name for name in LAYOUTS if LAYOUTS[name].width <= 2])
def test_every_pattern_alone(dtype):
    width = LAYOUTS[dtype].width
    for bits in range(0, 1 << (8 * width), 1 if width == 1 else 7):
        raw = np.frombuffer(bits.to_bytes(width, "little"), np.uint8)
        assert look(raw, dtype) == expected(raw, dtype), bits


@pytest.mark.parametrize("dtype", LIMITED)
def test_the_limit_is_met_to_the_bit(dtype):
    layout, most = LAYOUTS[dtype], torch.finfo(TORCH[dtype]).max
    assert layout.float_of(layout.largest) == most
    assert layout.float_of(layout.near) >= 0.99 * most > layout.float_of(layout.near - 1)


def test_nan_payloads_and_signs():
    bits = np.array([0x7FC00000, 0x7F800001, 0xFFC00000, 0xFFFFFFFF, 0x7F800000, 0xFF800000], "<u4")
    assert look(bits.view(np.uint8), "F32") == Values(6, nan=4, plus_inf=1, minus_inf=1)


def test_the_largest_of_a_half():
    seen = look(np.array([65504, -65504, 65504, 1], "<f2").view(np.uint8), "F16")
    assert seen == Values(4, near_limit=3, low=-65504.0, high=65504.0)


def test_denormals_and_zeros_are_ordinary():
    seen = look(np.array([1e-45, 1e-40, -1e-39, 0], "<f4").view(np.uint8), "F32")
    assert seen.nonfinite == seen.near_limit == 0
    assert seen.low == float(np.float32(-1e-39))
    zeros = look(np.array([0.0, -0.0, -0.0], "<f4").view(np.uint8), "F32")
    assert zeros.constant == 0.0
    assert math.copysign(1, zeros.low) == math.copysign(1, zeros.high) == 1


def test_bytes_that_are_no_bool():
    raw = np.array([0, 1, 2, 255], np.uint8)
    assert look(raw, "BOOL") == Values(4, odd_bools=2, low=0, high=1)
    assert look(np.array([2, 3], np.uint8), "BOOL").constant == 1


def test_integers_beyond_float64_stay_exact():
    raw = np.array([2**63 - 1, -(2**63)], np.int64).view(np.uint8)
    assert look(raw, "I64") == Values(2, low=-(2**63), high=2**63 - 1)
    assert look(np.array([2**64 - 1], np.uint64).view(np.uint8), "U64").constant == 2**64 - 1


@pytest.mark.parametrize("dtype", LAYOUTS)
def test_no_values(dtype):
    assert look(np.empty(0, np.uint8), dtype) == Values()
    assert Values().constant is None


def test_constant_only_where_all_are_finite_and_equal():
    def constant(*values):
        return look(np.array(values, "<f4").view(np.uint8), "F32").constant

    assert constant(0.5, 0.5) == 0.5
    assert constant(0.5, 0.25) is None
    assert constant(0.5, math.nan) is None
    assert constant(math.inf, math.inf) is None


COUNT = st.integers(0, 2**40)
EXTREME = (
    st.none() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.builds(Values, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, EXTREME, EXTREME)


@given(VALUES, VALUES, VALUES)
def test_the_sum_is_a_commutative_monoid(a, b, c):
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Values() == Values() + a == a


@given(st.data(), st.sampled_from(sorted(LAYOUTS)))
def test_parts_sum_to_the_whole(data, dtype):
    width = LAYOUTS[dtype].width
    raw = np.frombuffer(data.draw(st.binary(max_size=200)), np.uint8)
    raw = raw[: raw.size // width * width]
    cuts = sorted(data.draw(st.lists(st.integers(0, raw.size // width), max_size=4)))
    edges = [0, *cuts, raw.size // width]
    parts = [raw[a * width : b * width] for a, b in pairwise(edges)]
    assert Values.merged(look(part, dtype) for part in parts) == look(raw, dtype)
