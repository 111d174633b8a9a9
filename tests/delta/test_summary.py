"""A summary is a sum: it merges in any order, and every metric follows from it exactly."""

import math
from itertools import pairwise

import numpy as np
import pytest
from delta_made import assert_close, assert_identical, chunk_of, encode, exact
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.delta.histogram import HISTOGRAM_BINS, histogram_by_decade, histogram_edges
from inspect_core.delta.kernel import Chunk, CpuKernel
from inspect_core.delta.residual import merge_residual
from inspect_core.delta.summary import COUNTS, Summary

SPECIAL = [0.0, -0.0, 1.0, -1.0, 1e20, -1e20, 1e-24, 1e-38, 3e38, math.nan, math.inf, -math.inf]
VALUES = st.one_of(
    st.sampled_from(SPECIAL), st.floats(-10, 10, width=32), st.floats(width=32, allow_nan=True)
)


def summary_of(a, b, dtype="F32", histogram=True):
    chunk = chunk_of(encode(a, dtype), dtype, encode(b, dtype), dtype)
    return CpuKernel().compare(chunk, histogram, None)[0]


@st.composite
def chunked(draw):
    """A pair of equally long value lists and where to cut them."""
    pairs = draw(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=60))
    same = draw(st.booleans())
    a = [x for x, _ in pairs]
    b = [x if same and i % 2 else y for i, (x, y) in enumerate(pairs)]
    cuts = draw(st.lists(st.integers(0, len(pairs)), max_size=6))
    bounds = [0, *sorted(cuts), len(pairs)]
    parts = [summary_of(a[i:j], b[i:j]) for i, j in pairwise(bounds)]
    return a, b, parts


@settings(max_examples=120, deadline=None)
@given(chunked(), st.randoms())
def test_any_chunking_in_any_order_gives_the_whole(case, random):
    a, b, parts = case
    whole = summary_of(a, b)
    random.shuffle(parts)
    merged = Summary.merged(parts)
    assert_close(merged, whole)
    assert merged.max_abs == whole.max_abs
    assert np.array_equal(merged.histogram, whole.histogram)
    assert (merged.angle is None) == (whole.angle is None)
    if whole.angle is not None:
        assert merged.angle == pytest.approx(whole.angle, rel=1e-9, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(chunked())
def test_addition_is_commutative_and_associative_with_a_zero(case):
    parts = [*case[2], *case[2], *case[2]]
    one, two, three = parts[0], parts[len(parts) // 2], parts[-1]
    assert_identical(one + Summary(), one)
    assert_identical(Summary() + one, one)
    left, right = one + two, two + one
    assert_close(left, right)
    assert [getattr(left, n) for n in COUNTS] == [getattr(right, n) for n in COUNTS]
    assert left.max_abs == right.max_abs
    assert np.array_equal(left.histogram, right.histogram)
    left, right = (one + two) + three, one + (two + three)
    assert_close(left, right)
    assert np.array_equal(left.histogram, right.histogram)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 400), st.floats(-7, 0), st.integers(1, 399))
def test_angle_of_merged_parts_is_the_angle_of_the_whole(seed, numel, size, cut):
    rng = np.random.default_rng(seed)
    b = rng.normal(size=numel + 1)
    a = b * (1 + 10**size * 3) + rng.normal(size=numel + 1) * 10**size
    cut = min(cut, numel)
    merged = summary_of(a[:cut], b[:cut], "F64") + summary_of(a[cut:], b[cut:], "F64")
    assert merged.angle == pytest.approx(exact(a, b).angle, rel=1e-7, abs=1e-15)


def test_residual_merges_by_the_sums_alone():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=50), rng.normal(size=50)
    one, two, whole = exact(a[:20], b[:20]), exact(a[20:], b[20:]), exact(a, b)
    merged = merge_residual(
        float(one.residual), float(one.dot), float(one.sq_reference),
        float(two.residual), float(two.dot), float(two.sq_reference),
    )  # fmt: skip
    assert merged == pytest.approx(float(whole.residual), rel=1e-14)
    assert merge_residual(2.0, 0.0, 0.0, 3.0, 4.0, 5.0) == 5.0


def test_a_part_without_a_histogram_leaves_the_whole_without_one():
    with_one, without = summary_of([1, 2], [1, 3]), summary_of([1, 2], [1, 3], histogram=False)
    assert (with_one + without).histogram is None
    assert (without + with_one).histogram is None
    assert with_one.without_histogram().histogram is None
    assert with_one.without_histogram().abs_d == with_one.abs_d


def test_an_empty_part_with_a_histogram_is_a_zero_too():
    empty = summary_of([], [])
    one = summary_of([1, 2], [1, 3])
    assert empty.histogram is not None
    assert_identical(empty + one, one)
    assert_identical(one + empty, one)
    assert_identical(empty + Summary(), empty)
    assert_identical(Summary() + empty, empty)


def test_nothing_has_no_metrics():
    for nothing in (Summary(), summary_of([], []), summary_of([math.nan], [1.0])):
        assert nothing.mean_abs is None
        assert nothing.mean is None
        assert nothing.std is None
        assert nothing.l2 is None
        assert nothing.rel_l2 is None
        assert nothing.angle is None
        assert nothing.cosine is None
    assert Summary().changed_fraction is None


def test_a_zero_side_has_no_angle():
    zero, some = [0.0, 0.0], [3.0, 4.0]
    assert summary_of(some, zero).angle is None
    assert summary_of(some, zero).rel_l2 is None
    assert summary_of(some, zero).l2 == 5.0
    assert summary_of(zero, some).angle is None
    assert summary_of(zero, some).rel_l2 == 1.0
    both = summary_of(zero, zero)
    assert (both.l2, both.rel_l2, both.angle, both.changed) == (0.0, 0.0, None, 0)


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"])
@pytest.mark.parametrize("numel", [1, 7, 1536, 1537, 100_003])
def test_identical_tensors_give_exactly_zero(dtype, numel):
    rng = np.random.default_rng(numel)
    a = rng.normal(size=numel) * 10.0 ** rng.uniform(-2, 2, numel)
    a[0] = 1.0
    same = summary_of(a, a, dtype)
    assert same.mean_abs == same.mean == same.std == same.l2 == same.rel_l2 == 0.0
    assert same.angle == same.max_abs == 0.0
    assert same.cosine == 1.0
    assert same.changed == 0
    cut = numel // 3
    merged = summary_of(a[:cut], a[:cut], dtype) + summary_of(a[cut:], a[cut:], dtype)
    assert merged.angle == 0.0
    assert merged.cosine == 1.0


def test_mean_and_standard_deviation_are_those_of_d():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.3, 2.0, 5000), rng.normal(size=5000)
    summary = summary_of(a, b, "F64")
    assert summary.mean == pytest.approx(np.mean(a - b), rel=1e-12)
    assert summary.std == pytest.approx(np.std(a - b), rel=1e-12)


@pytest.mark.parametrize(("factor", "cosine"), [(-1.0, -1.0), (-3.0, -1.0), (2.0, 1.0)])
def test_cosine_of_parallel_tensors_is_exact(factor, cosine):
    b = np.random.default_rng(0).normal(size=3000)
    summary = summary_of(b * factor, b, "F64")
    assert summary.cosine == cosine
    assert summary.angle == pytest.approx(0.0 if factor > 0 else math.pi, abs=1e-15)


def test_histogram_edges_are_float32_bit_patterns():
    edges = histogram_edges()
    assert edges.shape == (HISTOGRAM_BINS,)
    assert edges[0] == 0.0
    assert math.isinf(edges[-1])
    assert (np.diff(edges[:-1]) > 0).all()
    normal = edges[(edges >= 2.0**-126) & np.isfinite(edges)]
    ratios = normal[1:] / normal[:-1]
    assert ratios.max() <= 1.125
    assert {0.125, 1.0, 1.125, 10.0, 2.0**-126} <= set(edges.tolist())


def test_every_value_falls_between_the_edges_of_its_bin():
    rng = np.random.default_rng(1)
    sizes = np.concatenate([10.0 ** rng.uniform(-37, 38, 3000), histogram_edges()[1:-1]])
    edges = histogram_edges()
    sizes = sizes.astype(np.float32).astype(np.float64)
    expected = np.bincount(
        np.searchsorted(edges, sizes, side="right") - 1, minlength=HISTOGRAM_BINS
    )
    got = summary_of(-sizes, np.zeros_like(sizes)).histogram
    assert np.array_equal(got, expected)


def test_decades_count_each_size_once():
    sizes = [0.0, 0.0, 2e-5, 3e-5, 0.5, 1.0, 2.0, 9.0, 10.0, 11.0, 5e20]
    histogram = summary_of(sizes, [0.0] * len(sizes)).histogram
    decades = histogram_by_decade(histogram)
    assert decades == {-5: 2, -1: 1, 0: 3, 1: 2, 20: 1}
    assert list(decades) == sorted(decades)
    assert histogram_by_decade(np.zeros(HISTOGRAM_BINS, np.int64)) == {}


def test_sizes_beyond_float32_are_in_the_last_bin_and_in_no_decade():
    histogram = summary_of([1e300, 1.0], [0.0, 0.0], "F64").histogram
    assert histogram[-1] == 1
    assert histogram_by_decade(histogram) == {0: 1}


def test_squares_that_leave_the_range_of_float64_are_not_numbers():
    huge = Summary(numel=2, changed=2, abs_d=2e200, sq_d=math.inf, sq_model=math.inf,
                   sq_reference=1.0, dot=1e200, residual=math.inf, max_abs=1e200)  # fmt: skip
    assert (huge.l2, huge.rel_l2, huge.angle, huge.cosine, huge.std) == (None,) * 5
    assert huge.mean_abs == 1e200
    tiny = Summary(numel=1, changed=1, abs_d=1e-200, sq_d=0.0, sq_model=1.0,
                   sq_reference=1.0, dot=1.0, max_abs=1e-200)  # fmt: skip
    assert (tiny.l2, tiny.rel_l2, tiny.angle) == (None, None, None)
    assert tiny.mean_abs == 1e-200


@pytest.mark.parametrize(
    ("model", "reference", "undefined"),
    [
        ([1.7e308, 1.0], [-1.7e308, 1.0], ("largest", "l2", "rel_l2", "angle", "mean_abs")),
        ([1.0, 1e-165], [2e-162, 1.5e-162], ("rel_l2", "angle")),
        ([1.5e-162] * 1000 + [2e-162], [0.0] * 1001, ("l2", "rel_l2", "angle")),
        ([3e-162, 1e-162], [1e-162, 3e-162], ("l2", "rel_l2", "angle", "cosine")),
    ],
)
def test_numbers_at_the_ends_of_float64_are_none_and_not_wrong(model, reference, undefined):
    a, b = np.array(model), np.array(reference)
    chunk = Chunk(a.view(np.uint8), "F64", b.view(np.uint8), "F64", a.size)
    summary, _ = CpuKernel().compare(chunk, False, None)
    for name in ("largest", "mean_abs", "l2", "rel_l2", "angle", "cosine"):
        value = getattr(summary, name)
        assert value is None or math.isfinite(value)
        if name in undefined:
            assert value is None, name
