"""Quantiles and the Lorenz area from a histogram keep the bounds that are promised."""

import math

import numpy as np
import pytest
from delta_made import chunk_of, encode
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.delta.histogram import (
    HISTOGRAM_BINS,
    PackedHistograms,
    lorenz_bounds,
    merged,
    quantile,
    trimmed,
)
from inspect_core.delta.kernel import CpuKernel
from inspect_core.delta.metrics import METRICS
from inspect_core.delta.summary import Summary

SEVENTEENTH = 1 / 17 + 1e-6
"""The promised bound, and what a rounding to float32 before the binning adds."""


def summary_of(sizes, dtype="F64"):
    zeros = np.zeros(len(sizes))
    chunk = chunk_of(encode(sizes, dtype), dtype, encode(zeros, dtype), dtype)
    return CpuKernel().compare(chunk, True, None)[0]


def exact_quantile(sizes, q):
    ordered = np.sort(np.abs(sizes))
    return ordered[min(len(ordered), max(1, math.ceil(q * len(ordered)))) - 1]


def exact_lorenz(sizes):
    ordered = np.sort(np.abs(sizes))
    return float(np.mean(np.cumsum(ordered) / ordered.sum()) - 1 / (2 * len(ordered)))


@st.composite
def sizes(draw):
    """Many kinds of distributions; no |d| between 0 and 2^-126, as is promised for."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 500))
    scale = 10.0 ** draw(st.floats(-30, 30))
    kind = draw(st.sampled_from(
        ["constant", "sparse", "normal", "heavy", "two", "one bin", "edges", "uniform", "ties"]
    ))  # fmt: skip
    found = {
        "constant": lambda: np.full(n, 1.0 + rng.random()),
        "sparse": lambda: np.where(rng.random(n) < 0.1, rng.normal(size=n), 0.0),
        "normal": lambda: rng.normal(size=n),
        "heavy": lambda: rng.pareto(0.4, size=n).clip(0, 1e6),
        "two": lambda: rng.choice([1.0, 1.0 + 10.0 ** rng.uniform(-3, 4)], n),
        "one bin": lambda: 1.0 + 0.125 * rng.random(n),
        "edges": lambda: rng.choice([1.0, 1.125 - 2**-50, 1.125, 1.25, 2.0, 4 - 2**-40], n),
        "uniform": lambda: rng.random(n) + 1e-3,
        "ties": lambda: rng.integers(0, 5, n).astype(float),
    }[kind]()
    return found * scale


@settings(max_examples=200, deadline=None)
@given(sizes(), st.floats(0, 1))
def test_a_quantile_is_within_a_seventeenth_of_the_value(values, q):
    expected = exact_quantile(values, q)
    got = summary_of(values).quantile(q)
    assert abs(got - expected) <= SEVENTEENTH * expected


@settings(max_examples=300, deadline=None)
@given(sizes())
def test_the_lorenz_area_lies_in_its_interval(values):
    got = summary_of(values)
    if not values.any():
        assert got.lorenz_area is None
        return
    low, high = got.lorenz_bounds
    expected = exact_lorenz(values)
    assert low - 1e-12 <= expected <= high + 1e-12
    assert high - low <= 2 * 0.03
    assert abs(got.lorenz_area - expected) <= 0.03


@pytest.mark.parametrize(
    ("values", "area"),
    [
        (np.full(1000, 0.3), 0.5),
        (np.full(1, 7.0), 0.5),
        (np.repeat([0.0, 2.0], [900, 100]), 0.05),
        (np.repeat([0.0, 5.0], [1, 1]), 0.25),
    ],
)
def test_where_one_size_moves_the_area_is_exact(values, area):
    assert summary_of(values).lorenz_area == pytest.approx(area, rel=1e-12)


def test_known_shapes_of_change_have_their_known_areas():
    rng = np.random.default_rng(0)
    normal = summary_of(rng.normal(size=200_000))
    assert normal.lorenz_area == pytest.approx(0.293, abs=0.005)  # half-normal changes
    uniform = summary_of(rng.random(200_000))
    assert uniform.lorenz_area == pytest.approx(1 / 3, abs=0.005)
    assert normal.lorenz_bounds[1] - normal.lorenz_bounds[0] < 0.02


def test_the_interval_is_as_tight_as_its_bins_allow():
    """Both ends are reached by values that have the same counts and the same sum."""
    values = np.concatenate([np.full(500, 1.0), np.full(500, 1.124)])
    middle = np.full(1000, values.mean())
    low, high = summary_of(values).lorenz_bounds
    assert low == pytest.approx(exact_lorenz(values), abs=1e-6)
    assert high == pytest.approx(exact_lorenz(middle), abs=1e-6)


def test_nothing_that_changed_has_no_area_and_zero_quantiles():
    none = summary_of(np.zeros(10))
    assert none.lorenz_area is None
    assert none.lorenz_bounds is None
    assert (none.quantile(0.0), none.quantile(0.5), none.quantile(1.0)) == (0.0, 0.0, 0.0)
    for empty in (summary_of([]), summary_of([math.nan]), Summary()):
        assert empty.quantile(0.5) is None
        assert empty.lorenz_area is None
    without = Summary(numel=3, abs_d=1.0)
    assert without.quantile(0.5) is without.lorenz_area is None


def test_positions_that_were_left_out_are_no_zeros():
    values = [math.nan] * 6 + [math.inf] + [3.0] * 3
    got = summary_of(values)
    assert got.histogram[0] == 7
    assert got.quantile(0.01) == pytest.approx(3.0, rel=SEVENTEENTH)
    assert got.lorenz_area == pytest.approx(0.5)


def test_the_largest_is_exact_and_bounds_its_bin():
    got = summary_of([1.0, 1.01, 1.02])
    assert got.quantile(1.0) == 1.02
    assert 1.0 <= got.quantile(0.5) <= 1.02


def test_sizes_beyond_float32_have_no_quantile_but_an_interval():
    got = summary_of([1e300, 2e300, 1.0])
    assert got.quantile(0.5) is None
    assert got.quantile(0.3) == pytest.approx(1.0, rel=SEVENTEENTH)
    low, high = got.lorenz_bounds
    assert low <= exact_lorenz([1e300, 2e300, 1.0]) <= high
    assert summary_of([1.7e308, -1.7e308, 1.7e308]).lorenz_bounds is None  # the sum overflowed


def test_sizes_below_float32_are_still_inside_the_interval():
    values = 2.0**-135 * np.arange(1, 400)
    low, high = summary_of(values).lorenz_bounds
    assert low <= exact_lorenz(values) <= high


@settings(max_examples=60, deadline=None)
@given(st.lists(sizes(), min_size=1, max_size=5), st.booleans())
def test_packed_histograms_come_back_and_merge(parts, with_empty):
    parts = [*parts, np.zeros(4), np.array([])] if with_empty else parts
    summaries = [summary_of(part) for part in parts]
    packed = PackedHistograms.of([s.histogram for s in summaries])
    runs = list(packed.runs())
    assert len(runs) == len(parts)
    for summary, run in zip(summaries, runs, strict=True):
        assert np.array_equal(merged([run], summary.numel), summary.histogram)
        assert len(run[1]) < HISTOGRAM_BINS - 1
    whole = Summary.merged(summaries)
    assert np.array_equal(merged(runs, whole.numel), whole.histogram)
    assert packed.counts.dtype.itemsize <= 2


def test_counts_beyond_32_bits_are_packed_too():
    histogram = np.zeros(HISTOGRAM_BINS, np.int64)
    histogram[[0, 700, 1000]] = [5, 1 << 40, 3]
    first, counts = trimmed(histogram)
    assert (first, len(counts)) == (700, 301)
    packed = PackedHistograms.joined([(first, counts), trimmed(histogram // (1 << 30))])
    back = [merged([run], total) for run, total in zip(packed.runs(), (8 + (1 << 40), 1 << 10), strict=True)]  # fmt: skip  # noqa: E501
    assert np.array_equal(back[0], histogram)
    assert back[1][700] == 1 << 10


def test_metrics_that_need_a_histogram_say_so():
    got = summary_of(np.arange(1, 101) / 100)
    for key, exact in (("median_abs", 0.5), ("p90_abs", 0.9), ("p99_abs", 0.99)):
        assert METRICS[key].needs.histogram
        assert METRICS[key].value(got) == pytest.approx(exact, rel=SEVENTEENTH)
        assert METRICS[key].value(got.without_histogram()) is None
    assert METRICS["lorenz_area"].needs.histogram


def test_the_bounds_hold_without_a_kernel():
    histogram = np.zeros(HISTOGRAM_BINS, np.int64)
    histogram[1016] = 4  # [1, 1.125)
    assert quantile(histogram, 0.5, 1.1) == pytest.approx(2 * 1.0 * 1.1 / 2.1, rel=1e-6)
    assert lorenz_bounds(histogram, 0.0, 0.0) is None
