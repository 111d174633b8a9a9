"""The loop for BF16, F16 and F32 gives what the general kernel gives, or says that it cannot."""

import numpy as np
import pytest
from delta_made import Summary, assert_close, encode, random_raw
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.delta import float_kernels, kernels
from inspect_core.delta.float_kernels import BLOCK, compare_floats
from inspect_core.delta.histogram_kernels import joined
from inspect_core.delta.kernel import _NO_FORMAT, _NO_GRID, _NO_INDEX
from inspect_core.delta.widening import BYTE_VALUES, CODES

DTYPES = ["BF16", "F16", "F32"]
WIDTH = {"BF16": 2, "F16": 2, "F32": 4}


def general(raw_a, raw_b, dtype, histogram=True):
    """What `compare_raw` says of a chunk."""
    counts, sums, bins = kernels.empty_outputs(histogram)
    numel = raw_a.size // WIDTH[dtype]
    kernels.compare_raw(
        raw_a, CODES[dtype], raw_b, CODES[dtype], numel, WIDTH[dtype], BYTE_VALUES, 0, _NO_FORMAT,
        counts, sums, bins, 0, 1, 1, _NO_INDEX, _NO_GRID,
    )  # fmt: skip
    return Summary.of(counts, sums, joined(bins))


def in_one_loop(raw_a, raw_b, dtype, histogram=True):
    counts, sums, bins = kernels.empty_outputs(histogram)
    assert compare_floats(raw_a, raw_b, dtype, counts, sums, bins)
    return Summary.of(counts, sums, joined(bins))


def assert_same(raw_a, raw_b, dtype):
    got, expected = in_one_loop(raw_a, raw_b, dtype), general(raw_a, raw_b, dtype)
    assert_close(got, expected, 1e-13)
    assert np.array_equal(got.histogram, expected.histogram)
    assert got.sq_beyond == pytest.approx(expected.sq_beyond, rel=1e-12)
    if expected.angle is None:
        assert got.angle is None
    else:
        assert got.angle == pytest.approx(expected.angle, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("numel", [0, 1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_it_agrees_with_the_general_kernel_at_every_length(dtype, numel):
    rng = np.random.default_rng(numel)
    raw_a, raw_b = random_raw(rng, dtype, numel), random_raw(rng, dtype, numel)
    raw_b[: raw_b.size // 4] = raw_a[: raw_a.size // 4]
    assert_same(raw_a, raw_b, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", [0.0, 1e-6, 1e-3, 1.0])
def test_slopes_that_jump_between_blocks_cost_the_residual_no_digits(dtype, step):
    """Each block has a slope of its own, far from its neighbour's, and little beside it."""
    rng = np.random.default_rng(3)
    base = rng.normal(size=(6, BLOCK))
    slopes = np.array([1.0, -3.0, 1.0, 1e-3, 0.0, 30.0])[:, None]
    tuned = slopes * base + step * rng.normal(size=base.shape)
    assert_same(encode(tuned.ravel(), dtype), encode(base.ravel(), dtype), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_blocks_beside_large_ones(dtype):
    """The first blocks weigh nothing beside the others, whose slope they do not know."""
    rng = np.random.default_rng(4)
    sizes = np.array([1e-6, 1e-6, 1.0, 1.0, 1e-6])[:, None]
    base = rng.normal(size=(5, BLOCK)) * sizes
    tuned = base * np.array([5.0, 5.0, 1.0, 1.0, -7.0])[:, None]
    assert_same(encode(tuned.ravel(), dtype), encode(base.ravel(), dtype), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_of_both_signs_are_equal_and_no_change_of_sign(dtype):
    raw_a = encode([0.0, -0.0, 0.0, -0.0, 1.0, -1.0, 0.0, 2.0], dtype)
    raw_b = encode([-0.0, 0.0, 0.0, -1.0, -1.0, -1.0, 3.0, 0.0], dtype)
    got = in_one_loop(raw_a, raw_b, dtype)
    assert (got.numel, got.changed, got.sign_flips, got.beyond) == (8, 4, 1, 4)
    assert_same(raw_a, raw_b, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, BLOCK, 2 * BLOCK + 9])
def test_what_is_not_finite_is_left_to_the_general_kernel(dtype, value, place):
    values = np.ones(2 * BLOCK + 10)
    broken = values.copy()
    broken[place] = value
    raws = encode(values, dtype), encode(broken, dtype)
    outputs = kernels.empty_outputs(False)
    assert not compare_floats(*raws, dtype, *outputs)
    assert not compare_floats(*reversed(raws), dtype, *outputs)


@pytest.mark.parametrize("dtype", ["F64", "I8", "F8_E4M3"])
def test_other_dtypes_are_left_to_the_general_kernel(dtype):
    raw = encode(np.ones(4), dtype)
    assert not compare_floats(raw, raw, dtype, *kernels.empty_outputs(False))
    assert not compare_floats(raw, None, "F32", *kernels.empty_outputs(False))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(DTYPES),
    st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 2), min_size=1, max_size=40),
)
def test_any_finite_values(dtype, pairs):
    a, b = np.array(pairs).T
    assert_same(encode(a, dtype), encode(b, dtype), dtype)


def test_the_counters_of_a_block_cannot_overflow():
    assert float_kernels.BLOCK < 2**16
    raw_a, raw_b = encode(np.ones(BLOCK), "BF16"), encode(-np.ones(BLOCK), "BF16")
    got = in_one_loop(raw_a, raw_b, "BF16")
    assert (got.changed, got.sign_flips) == (BLOCK, BLOCK)
