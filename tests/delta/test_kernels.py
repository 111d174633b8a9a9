"""Every kernel gives the sums that exact integer arithmetic gives, for every dtype."""

import math

import numpy as np
import pytest
import torch
from delta_made import (
    COMPARABLE,
    FLOATS,
    INTEGERS,
    TORCH,
    assert_close,
    chunk_of,
    encode,
    exact,
    random_raw,
    rounded_raw,
    widen,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.delta.heat import MatrixView, Pooling
from inspect_core.delta.kernel import CpuKernel, HeatRequest, kernel_for
from inspect_core.delta.rounding import narrow_side
from inspect_core.delta.summary import COUNTS
from inspect_core.delta.torch_kernel import TorchKernel
from inspect_core.errors import UsageError

CROSS = [
    ("BF16", "F32"), ("F32", "BF16"), ("F16", "F32"), ("I8", "F32"), ("F8_E4M3", "BF16"),
    ("F8_E5M2", "F8_E4M3"), ("U8", "I8"), ("BOOL", "U8"), ("I64", "F64"), ("F64", "F32"),
    ("U16", "F16"), ("I32", "BF16"), ("U64", "I64"),
]  # fmt: skip
PAIRS = [(dtype, dtype) for dtype in COMPARABLE] + CROSS
SMALL_FLOATS = ["F16", "BF16", "F8_E4M3", "F8_E5M2"]


def summed(kernel, a, b, dtype, histogram=False):
    chunk = chunk_of(encode(a, dtype), dtype, encode(b, dtype), dtype)
    return kernel.compare(chunk, histogram, None)[0]


def with_rounded_parts(raw_a, dtype_a, raw_b, dtype_b):
    """The same, with two thirds of the narrower side made from the wider one by rounding."""
    side = narrow_side(dtype_a, dtype_b)
    if side == "model":
        part = raw_a.size // 3 * 2
        return np.concatenate([rounded_raw(raw_b, dtype_b, dtype_a)[:part], raw_a[part:]]), raw_b
    part = raw_b.size // 3 * 2
    return raw_a, np.concatenate([rounded_raw(raw_a, dtype_a, dtype_b)[:part], raw_b[part:]])


# --- one test that holds the implementations equal


ROUNDED = [pair for pair in [*CROSS, ("F16", "F64"), ("F32", "F8_E5M2")] if narrow_side(*pair)]


@pytest.mark.parametrize(
    ("dtype_a", "dtype_b", "kind"),
    [(*pair, kind) for pair in PAIRS for kind in ("ordinary", "any bits", "alone")]
    + [(*pair, "rounded") for pair in ROUNDED],
)
def test_torch_and_numba_agree(torch_subject, dtype_a, dtype_b, kind):
    rng = np.random.default_rng(len(dtype_a) * 100 + len(kind))
    numel, first, columns = 5000, 37, 91
    raw_a = random_raw(rng, dtype_a, numel)
    raw_b = random_raw(rng, dtype_b, numel)
    if dtype_a == dtype_b:
        raw_b[: raw_b.size // 3] = raw_a[: raw_a.size // 3]
    if kind == "any bits" and dtype_a not in ("F32", "F64"):
        raw_a = rng.integers(0, 256, raw_a.size, np.uint8)
    if kind == "alone":
        raw_b, dtype_b = None, None
    if kind == "rounded":
        raw_a, raw_b = with_rounded_parts(raw_a, dtype_a, raw_b, dtype_b)
    view = MatrixView(60, columns)
    heat = HeatRequest(first, columns, Pooling.of(view, 7, 13))
    chunk = chunk_of(raw_a, dtype_a, raw_b, dtype_b)
    expected, expected_heat = CpuKernel().compare(chunk, True, heat)
    got, got_heat = torch_subject.kernel.compare(chunk, True, heat)
    assert_close(got, expected, torch_subject.rel)
    if kind == "rounded":
        assert 0 < got.beyond < got.changed <= got.across
    assert got.angle == pytest.approx(expected.angle, rel=torch_subject.rel)
    if torch_subject.wide:
        assert np.array_equal(got.histogram, expected.histogram)
    else:  # float32 rounds a difference once where float64 rounds it twice
        assert np.abs(got.histogram - expected.histogram).sum() <= 4
        assert got.histogram.sum() == numel
    total, size, most, count = expected_heat.cells
    scale = torch_subject.rel * (size + 1e-300)
    assert (np.abs(got_heat.cells[0] - total) <= scale).all()
    assert (np.abs(got_heat.cells[1] - size) <= scale).all()
    assert (np.abs(got_heat.cells[2] - most) <= torch_subject.rel * most).all()
    assert np.array_equal(got_heat.cells[3], count)


# --- sums against exact arithmetic


@pytest.mark.parametrize(("dtype_a", "dtype_b"), PAIRS)
def test_sums_are_those_of_exact_arithmetic(subject, dtype_a, dtype_b):
    rng = np.random.default_rng(17)
    raw_a, raw_b = random_raw(rng, dtype_a, 2111), random_raw(rng, dtype_b, 2111)
    got = subject.kernel.compare(chunk_of(raw_a, dtype_a, raw_b, dtype_b), True, None)[0]
    expected = exact(widen(raw_a, dtype_a), widen(raw_b, dtype_b))
    if (dtype_a, dtype_b) in (("I64", "I64"), ("U64", "U64")):
        # The reference here rounds both sides first; their own tests are below.
        assert_close(got, expected, 1e-12)
    else:
        assert_close(got, expected, subject.rel)
    assert got.histogram.sum() == got.numel == 2111
    assert got.left_out == 0


@pytest.mark.parametrize("dtype", [*SMALL_FLOATS, "I8", "U8", "I16", "U16", "BOOL"])
def test_every_bit_pattern_is_widened_right(subject, dtype):
    """Each pattern against zero, one kernel call a pattern's block: sums name the value."""
    bits = DTYPES[dtype].bits
    raw = np.arange(2**bits, dtype=np.uint8 if bits == 8 else np.uint16).view(np.uint8)
    values = widen(raw, dtype)
    finite = np.isfinite(values)
    zeros = encode(np.zeros(values.size), dtype)
    whole = subject.kernel.compare(chunk_of(raw, dtype, zeros, dtype), True, None)[0]
    expected = exact(values[finite], np.zeros(finite.sum()))
    assert whole.left_out == whole.nonfinite_model == (~finite).sum()
    assert whole.nonfinite_reference == 0
    assert whole.changed == expected.changed + (~finite).sum()
    assert whole.max_abs == expected.max_abs
    # One cell a value: the heat grid hands every widened value back.
    heat = HeatRequest(0, values.size, Pooling.of(MatrixView(1, values.size), 1, values.size))
    cells = subject.kernel.compare(chunk_of(raw, dtype), False, heat)[1].cells[:, 0]
    assert np.array_equal(cells[0][finite], values[finite])
    assert np.array_equal(cells[3], finite)


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_extreme_values_inside_ordinary_blocks(subject, dtype):
    large, small = (6e4, 6e-8) if dtype == "F16" else (1e20, 1e-24)
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=3000), rng.normal(size=3000)
    a[1500], b[1501], a[1502], b[1502] = large, -large, small, 0.0
    raw_a, raw_b = encode(a, dtype), encode(b, dtype)
    got = subject.kernel.compare(chunk_of(raw_a, dtype, raw_b, dtype), False, None)[0]
    expected = exact(widen(raw_a, dtype), widen(raw_b, dtype))
    assert_close(got, expected, subject.rel)
    assert got.angle == pytest.approx(expected.angle, rel=subject.rel)


@pytest.mark.parametrize("dtype", ["F64", "F32", "BF16"])
@pytest.mark.parametrize(
    ("size_a", "size_b"),
    [(1e-24, 1e-24), (1e20, 1e20), (1e20, 1e-10), (1e-24, 1e10), (3e38, 3e38), (1e-38, 1e-38)],
)
def test_whole_chunks_of_extreme_size(subject, dtype, size_a, size_b):
    rng = np.random.default_rng(6)
    raw_a = encode(rng.uniform(-1, 1, 1500) * size_a, dtype)
    raw_b = encode(rng.uniform(-1, 1, 1500) * size_b, dtype)
    got = subject.kernel.compare(chunk_of(raw_a, dtype, raw_b, dtype), False, None)[0]
    expected = exact(widen(raw_a, dtype), widen(raw_b, dtype))
    assert_close(got, expected, subject.rel)
    assert got.angle == pytest.approx(expected.angle, rel=10 * subject.rel)
    assert got.rel_l2 == pytest.approx(
        math.sqrt(expected.sq_d / expected.sq_reference), rel=10 * subject.rel
    )


def nan_bits(dtype, payload):
    kind, bits = {
        "F64": (np.uint64, 0x7FF8000000000000), "F32": (np.uint32, 0x7FC00000),
        "F16": (np.uint16, 0x7E00), "BF16": (np.uint16, 0x7FC0),
    }[dtype]  # fmt: skip
    return np.array([bits | payload], kind).view(np.uint8)


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
@pytest.mark.parametrize("place", [0, 1535, 1536, 2500])
def test_non_finite_values_are_counted_and_left_out(subject, dtype, place):
    inf = math.inf
    cases = [  # model, reference, changed?
        (encode([inf], dtype), encode([inf], dtype), False),
        (encode([inf], dtype), encode([-inf], dtype), True),
        (nan_bits(dtype, 1), nan_bits(dtype, 1), False),
        (nan_bits(dtype, 1), nan_bits(dtype, 2), True),
        (nan_bits(dtype, 1), encode([1.0], dtype), True),
        (encode([1.0], dtype), nan_bits(dtype, 1), True),
        (encode([inf], dtype), encode([1.0], dtype), True),
        (encode([inf], dtype), nan_bits(dtype, 0), True),
        (encode([0.0], dtype), encode([-0.0], dtype), False),
    ]
    rng = np.random.default_rng(place)
    a = random_raw(rng, dtype, 2501)
    b = random_raw(rng, dtype, 2501)
    width = a.size // 2501
    at = slice(place * width, (place + 1) * width)
    for left, right, differs in cases:
        a[at], b[at] = left, right
        got = subject.kernel.compare(chunk_of(a, dtype, b, dtype), True, None)[0]
        x, y = widen(a, dtype), widen(b, dtype)
        keep = np.isfinite(x) & np.isfinite(y)
        expected = exact(x[keep], y[keep])
        assert got.left_out == (~keep).sum()
        assert got.nonfinite_model == (~np.isfinite(x)).sum()
        assert got.nonfinite_reference == (~np.isfinite(y)).sum()
        assert got.compared == keep.sum()
        others = np.arange(2501) != place
        assert got.changed - (x != y)[others].sum() == differs
        assert got.max_abs == pytest.approx(float(expected.max_abs), rel=subject.rel)
        assert got.abs_d == pytest.approx(float(expected.abs_d), rel=subject.rel)
        assert got.residual == pytest.approx(float(expected.residual), rel=subject.rel)
        assert got.histogram.sum() == got.numel


def test_fp8_nan_is_left_out(subject):
    a = np.array([0x7F, 0x7F, 0xFF, 0x38, 0x7E], np.uint8)  # E4M3: nan, nan, -nan, 1, 448
    b = np.array([0x7F, 0xFF, 0x38, 0x38, 0x38], np.uint8)
    got = subject.kernel.compare(chunk_of(a, "F8_E4M3", b, "F8_E4M3"), False, None)[0]
    assert (got.changed, got.left_out) == (3, 3)
    assert (got.nonfinite_model, got.nonfinite_reference) == (3, 2)
    assert got.max_abs == 447.0


def test_zeros_of_both_signs_are_equal(subject):
    for dtype in FLOATS:
        got = summed(subject.kernel, [0.0, -0.0, 1.0], [-0.0, 0.0, 1.0], dtype)
        assert (got.changed, got.max_abs, got.l2, got.angle) == (0, 0.0, 0.0, 0.0)


def test_a_flag_is_true_whatever_its_byte(subject):
    a, b = np.array([0, 1, 2, 255], np.uint8), np.array([0, 1, 1, 0], np.uint8)
    got = subject.kernel.compare(chunk_of(a, "BOOL", b, "BOOL"), False, None)[0]
    assert (got.changed, got.abs_d, got.abs_model) == (1, 1.0, 3.0)


def test_unsigned_and_half_precision_differences_neither_wrap_nor_overflow(subject):
    got = summed(subject.kernel, [0, 255], [255, 0], "U8")
    assert (got.sum_d, got.abs_d, got.max_abs) == (0.0, 510.0, 255.0)
    got = summed(subject.kernel, [65504.0], [-65504.0], "F16")
    assert (got.abs_d, got.sq_d) == (131008.0, 131008.0**2)


@pytest.mark.parametrize("dtype", ["I64", "U64"])
def test_integers_beyond_2_53_are_subtracted_exactly(subject, dtype):
    info = np.iinfo(INTEGERS[dtype])
    edges = [info.min, info.min + 1, 0, 1, 2**53, 2**53 + 1, 2**62 + 1, info.max - 1, info.max]
    rng = np.random.default_rng(1)
    a = rng.integers(info.min, info.max, 3000, INTEGERS[dtype], endpoint=True)
    b = np.where(rng.random(3000) < 0.5, a, a ^ a.dtype.type(1))
    a[: len(edges) ** 2] = np.repeat(np.array(edges, a.dtype), len(edges))
    b[: len(edges) ** 2] = np.tile(np.array(edges, a.dtype), len(edges))
    raw_a, raw_b = a.view(np.uint8), b.view(np.uint8)
    differences = [x - y for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    heat = HeatRequest(0, a.size, Pooling.of(MatrixView(1, a.size), 1, a.size))
    chunk = chunk_of(raw_a, dtype, raw_b, dtype)
    got, grid = subject.kernel.compare(chunk, False, heat)
    assert got.changed == sum(d != 0 for d in differences)
    assert grid.cells[0, 0].tolist() == [float(d) for d in differences]  # int -> float rounds once
    assert got.max_abs == float(max(abs(d) for d in differences))
    assert got.sq_d == pytest.approx(float(sum(d * d for d in differences)), rel=1e-12)


def test_narrow_devices_keep_small_changes_of_wide_dtypes(subject):
    """float32 cannot hold these differences; they are counted and summed all the same."""
    got = summed(subject.kernel, [1.0 + 1e-12, 2.0, 1e300], [1.0, 2.0, 1e300], "F64")
    assert (got.changed, got.left_out) == (1, 0)
    assert got.abs_d == pytest.approx(1e-12, rel=1e-3)
    got = summed(subject.kernel, [2**24 + 1, 2**31 - 1], [2**24, 2**31 - 2], "I32")
    assert (got.changed, got.abs_d) == (2, 2.0)


def test_identical_tensors_give_exactly_zero_in_every_kernel(subject):
    rng = np.random.default_rng(2)
    for dtype in COMPARABLE:
        raw = random_raw(rng, dtype, 3000)
        got = subject.kernel.compare(chunk_of(raw, dtype, raw.copy(), dtype), True, None)[0]
        assert (got.mean_abs, got.mean, got.l2, got.rel_l2) == (0.0, 0.0, 0.0, 0.0), dtype
        assert (got.angle, got.max_abs, got.cosine, got.changed) == (0.0, 0.0, 1.0, 0), dtype
        assert got.histogram[0] == 3000


def test_without_a_reference_the_delta_is_the_model(subject):
    raw = encode(np.random.default_rng(0).normal(size=2000), "BF16")
    alone = subject.kernel.compare(chunk_of(raw, "BF16"), True, None)[0]
    assert_close(alone, exact(widen(raw, "BF16"), np.zeros(2000)), subject.rel)
    assert alone.rel_l2 is None
    assert alone.angle is None


def test_an_empty_chunk_is_zero(subject):
    heat = HeatRequest(0, 5, Pooling.of(MatrixView(3, 5), 2, 2))
    empty = np.empty(0, np.uint8)
    for dtype in COMPARABLE:
        got, grid = subject.kernel.compare(chunk_of(empty, dtype, empty, dtype), True, heat)
        assert [getattr(got, name) for name in COUNTS] == [0] * len(COUNTS)
        assert got.max_abs == 0.0
        assert got.histogram is not None
        assert not got.histogram.any()
        assert not grid.cells.any()
    assert subject.kernel.compare(chunk_of(empty, "F32", empty, "F32"), False, None)[1] is None


# --- angles


def angle_cases():
    rng = np.random.default_rng(11)
    numel = 3000
    b = rng.normal(size=numel)
    noise = rng.normal(size=numel)
    along = b * (noise @ b) / (b @ b)
    yield "random", rng.normal(size=numel), b
    yield "orthogonal", noise - along, b
    yield "opposite", -b, b
    yield "opposite with noise", -b + 1e-6 * noise, b
    yield "nearly parallel", b * (1 + 1e-3) + 1e-6 * noise, b
    yield "three times with noise", 3 * b + 1e-6 * noise, b
    yield "a thousandth with noise", 1e-3 * b + 1e-9 * noise, b
    for exponent in range(-6, 1):
        yield f"change of 1e{exponent}", b + 10.0**exponent * noise, b


@pytest.mark.parametrize(("name", "a", "b"), [pytest.param(*c, id=c[0]) for c in angle_cases()])
@pytest.mark.parametrize("dtype", ["F64", "F32"])
def test_angles_keep_their_digits(subject, dtype, name, a, b):
    raw_a, raw_b = encode(a, dtype), encode(b, dtype)
    got = subject.kernel.compare(chunk_of(raw_a, dtype, raw_b, dtype), False, None)[0]
    expected = exact(widen(raw_a, dtype), widen(raw_b, dtype)).angle
    if subject.wide or dtype == "F64":
        assert got.angle == pytest.approx(expected, rel=1e-6, abs=1e-15)
    else:  # float32 products: 6e-8 of |a| is all they hold where d is not small
        assert got.angle == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
def test_small_changes_of_stored_dtypes_have_exact_angles(subject, dtype):
    """One unit in the last place, here and there: what a fine-tuning of few steps leaves."""
    rng = np.random.default_rng(4)
    raw_b = encode(rng.normal(size=4000) + 3.0, dtype)
    kind = np.uint32 if dtype == "F32" else np.uint16
    raw_a = raw_b.copy()
    raw_a.view(kind)[rng.integers(0, 4000, 40)] += kind(1)
    got = subject.kernel.compare(chunk_of(raw_a, dtype, raw_b, dtype), False, None)[0]
    expected = exact(widen(raw_a, dtype), widen(raw_b, dtype))
    rel = 1e-9 if subject.wide else 2e-6
    assert got.angle == pytest.approx(expected.angle, rel=rel)
    assert got.sq_d == pytest.approx(float(expected.sq_d), rel=rel)


# --- any bits at all


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(["F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"]))
def test_any_bytes_are_summed_right(data, dtype):
    width = TORCH[dtype].itemsize
    numel = data.draw(st.integers(1, 40))
    draw = st.binary(min_size=numel * width, max_size=numel * width)
    raw_a = np.frombuffer(bytearray(data.draw(draw)), np.uint8)
    raw_b = np.frombuffer(bytearray(data.draw(draw)), np.uint8)
    got = CpuKernel().compare(chunk_of(raw_a, dtype, raw_b, dtype), True, None)[0]
    x, y = widen(raw_a, dtype), widen(raw_b, dtype)
    keep = np.isfinite(x) & np.isfinite(y)
    expected = exact(x[keep], y[keep])
    rows_a, rows_b = raw_a.reshape(numel, width), raw_b.reshape(numel, width)
    same = (x == y) | (rows_a == rows_b).all(axis=1)
    assert got.changed == (~same).sum()
    assert got.left_out == (~keep).sum()
    assert got.max_abs == float(expected.max_abs)
    assert got.abs_d == pytest.approx(float(expected.abs_d), rel=1e-13)
    assert got.residual == pytest.approx(
        float(expected.residual), rel=1e-9, abs=1e-30 * got.sq_model
    )
    assert got.histogram.sum() == numel


# --- the kernels as objects


def test_numba_compiles_one_specialisation():
    from inspect_core.delta import kernels

    rng = np.random.default_rng(0)
    heat = HeatRequest(0, 10, Pooling.of(MatrixView(10, 10), 2, 2))
    for dtype in COMPARABLE:
        raw = random_raw(rng, dtype, 100)
        for chunk in (chunk_of(raw, dtype), chunk_of(raw, dtype, raw, dtype)):
            CpuKernel().compare(chunk, True, heat)
            CpuKernel().compare(chunk, False, None)
    assert len(kernels.compare_raw.signatures) == 1


def test_the_kernel_of_a_device():
    assert isinstance(kernel_for("cpu"), CpuKernel)
    for device in ("cuda:99", "nonsense"):
        with pytest.raises(UsageError, match=device):
            kernel_for(device)
    if torch.cuda.is_available():
        assert isinstance(kernel_for("cuda"), TorchKernel)
