"""A table of summaries is a column each of the same sums: a run of rows is their merger."""

import math

import numpy as np
import pytest
from delta_made import assert_close, assert_identical, chunk_of, encode, exact
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.delta.kernel import CpuKernel
from inspect_core.delta.summary import COUNTS, Summary
from inspect_core.delta.table import SummaryRows, SummaryTable

VALUE = st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf]) | st.floats(-10, 10, width=32)


def summary_of(pairs):
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    chunk = chunk_of(encode(a, "F32"), "F32", encode(b, "F32"), "F32")
    return CpuKernel().compare(chunk, False, None)[0]


def table_of(parts, seen=None):
    table = SummaryTable(len(parts))
    wanted = [at for at in range(len(parts)) if seen is None or at in seen]
    if wanted:
        rows = SummaryRows.of([parts[at] for at in wanted])
        table.put(np.array(wanted, np.int64), rows)
    return table


TENSORS = st.lists(
    st.lists(st.tuples(VALUE, VALUE), max_size=12).map(summary_of), min_size=1, max_size=8
)


@st.composite
def tables(draw):
    """Summaries, and disjoint half-open runs of them in order."""
    parts = draw(TENSORS)
    bounds = sorted(draw(st.sets(st.integers(0, len(parts)), max_size=6)))
    pairs = zip(bounds[::2], bounds[1::2], strict=False)
    return parts, list(pairs)


@settings(max_examples=120, deadline=None)
@given(tables())
def test_a_summary_over_runs_is_the_merger_of_the_parts(case):
    parts, runs = case
    got = table_of(parts).summary(runs)
    wanted = Summary.merged(parts[at] for start, stop in runs for at in range(start, stop))
    assert_close(got, wanted)
    assert [getattr(got, n) for n in COUNTS] == [getattr(wanted, n) for n in COUNTS]
    assert got.max_abs == wanted.max_abs
    assert (got.angle is None) == (wanted.angle is None)
    if wanted.angle is not None:
        assert got.angle == pytest.approx(wanted.angle, rel=1e-9, abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32), st.floats(-6, 0), st.lists(st.integers(1, 60), min_size=1, max_size=6)
)
def test_small_angles_keep_their_digits(seed, size, lengths):
    rng = np.random.default_rng(seed)
    tensors = []
    for length in lengths:
        b = rng.normal(size=length + 1)
        a = b * (1 + 10**size * rng.normal()) + rng.normal(size=length + 1) * 10**size
        tensors.append((a, b))
    chunks = [chunk_of(encode(a, "F64"), "F64", encode(b, "F64"), "F64") for a, b in tensors]
    parts = [CpuKernel().compare(chunk, False, None)[0] for chunk in chunks]
    whole = exact(*(np.concatenate(side) for side in zip(*tensors, strict=True)))
    got = table_of(parts).summary([(0, len(parts))])
    assert got.angle == pytest.approx(whole.angle, rel=1e-7)
    assert got.residual == pytest.approx(float(whole.residual), rel=1e-7)


@settings(max_examples=60, deadline=None)
@given(TENSORS, st.data())
def test_unseen_rows_are_neutral_and_counted_as_unseen(parts, data):
    seen = data.draw(st.sets(st.integers(0, len(parts) - 1)))
    table = table_of(parts, seen)
    runs = [(0, len(parts))]
    assert table.seen_in(runs) == len(seen)
    assert_close(table.summary(runs), Summary.merged(parts[at] for at in sorted(seen)))
    for at in range(len(parts)):
        assert table.seen_in([(at, at + 1)]) == (at in seen)


@settings(max_examples=40, deadline=None)
@given(TENSORS, st.data())
def test_reordered_moves_rows_whole(parts, data):
    seen = data.draw(st.sets(st.integers(0, len(parts) - 1)))
    order = data.draw(st.permutations(range(len(parts))))
    before = table_of(parts, seen)
    after = before.reordered(np.array(order, np.int64))
    for new, old in enumerate(order):
        one, other = after.summary([(new, new + 1)]), before.summary([(old, old + 1)])
        assert_identical(one, other)
        assert after.seen[new] == before.seen[old]


def test_a_row_put_twice_is_the_newer_one():
    first, second = summary_of([(1.0, 2.0)]), summary_of([(5.0, 5.0)])
    table = table_of([first])
    table.put(np.array([0]), SummaryRows.of([second]))
    assert_identical(table.summary([(0, 1)]), second)


def test_no_run_is_an_empty_summary():
    table = table_of([summary_of([(1.0, 2.0)])])
    assert_identical(table.summary([]), Summary())
    assert_identical(table.summary([(0, 0)]), Summary())
    assert table.seen_in([]) == 0
