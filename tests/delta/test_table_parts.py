"""Optional parts of a table's rows: they merge over any tensors as summaries themselves do."""

import pickle

import numpy as np
import pytest
from delta_made import Held, assert_close, encode, tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.control import Control
from inspect_core.delta.collect import EVERYTHING, NOTHING, Collect
from inspect_core.delta.compare import Comparer
from inspect_core.delta.kernel import CpuKernel
from inspect_core.delta.metrics import METRICS, ORIGINALS
from inspect_core.delta.summary import Summary
from inspect_core.delta.table import SummaryRows, SummaryTable, sweep_parts
from inspect_core.pairing import Pair

SHAPES = [(7, 9), (12,), (0, 3), (5, 4, 3), (), (64, 40), (2, 2), (30,)]


def made(shapes, dtypes, seed=0):
    rng = np.random.default_rng(seed)
    sides = Held({}), Held({})
    pairs = []
    for number, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)):
        name = f"t{number}"
        for side in sides:
            values = rng.integers(0, 9, shape) if dtype == "I64" else rng.normal(size=shape)
            side.tensors[name] = encode(np.ravel(values), dtype)
        info = tensor(name, dtype, shape)
        pairs.append(Pair(info, info))
    return *sides, pairs


def swept(collect, shapes=SHAPES, dtypes=None):
    """A table that a sweep filled, and the summaries it was made from."""
    dtypes = dtypes or ["F32"] * len(shapes)
    model, reference, pairs = made(shapes, dtypes)
    comparer, table = Comparer(CpuKernel(), 2), SummaryTable(len(pairs))
    wanted = list(enumerate(pairs))
    for indices, found in sweep_parts(comparer, model, reference, wanted, Control(), collect):
        rows = pickle.loads(pickle.dumps(found))  # as they cross from the worker
        table.put(np.asarray(indices, np.int64), rows)
    summaries = comparer.summaries(model, reference, pairs, Control(), collect)
    return table, [summary for _, summary in summaries]


def assert_same_parts(got, expected):
    assert (got.histogram is None) == (expected.histogram is None)
    assert got.histogram is None or np.array_equal(got.histogram, expected.histogram)
    assert (got.rows is None) == (expected.rows is None)
    if expected.rows is not None:
        assert (got.rows.rows, got.rows.undefined) == (expected.rows.rows, expected.rows.undefined)
        assert got.rows.angle_sum == pytest.approx(expected.rows.angle_sum, rel=1e-12)
        assert got.rows.largest_column == expected.rows.largest_column


@pytest.mark.parametrize("collect", [NOTHING, Collect(True), Collect(rows=True), EVERYTHING])
def test_a_sweep_brings_what_was_asked_for(collect):
    table, summaries = swept(collect)
    for ordinal, summary in enumerate(summaries):
        row = table.row(ordinal)
        assert_close(row, summary)
        assert_same_parts(row, summary)
        assert (row.rows is not None) == collect.rows
        assert (row.histogram is not None) == collect.histogram
    for key, metric in (METRICS | ORIGINALS).items():
        if not collect.covers(metric.needs):
            assert metric.value(table.row(5)) is None, key
        else:
            assert metric.value(table.row(5)) is not None, key


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_runs_merge_as_their_summaries_do(data):
    table, summaries = TABLE
    bounds = sorted(data.draw(st.sets(st.integers(0, len(summaries)), max_size=6)))
    runs = list(zip(bounds[::2], bounds[1::2], strict=False))
    got = table.summary(runs)
    chosen = [summaries[at] for start, stop in runs for at in range(start, stop)]
    if not chosen:
        assert got == Summary()
        return
    assert_close(got, Summary.merged(chosen))
    assert_same_parts(got, Summary.merged(chosen))


TABLE = swept(EVERYTHING)


def test_only_what_is_needed_is_merged():
    table, _ = TABLE
    runs = [(0, len(SHAPES))]
    plain = table.summary(runs, NOTHING)
    assert plain.histogram is plain.rows is None
    assert table.summary(runs, Collect(histogram=True)).rows is None
    assert table.summary(runs, Collect(rows=True)).histogram is None
    assert plain.abs_d == table.summary(runs).abs_d


def test_indices_and_masks_stay_apart_in_parts_too():
    table, summaries = swept(EVERYTHING, [(6, 5), (100,)], ["F32", "I64"])
    both = table.summary([(0, 2)])
    assert_same_parts(both, summaries[0])
    assert_same_parts(table.summary([(1, 2)]), summaries[1])


def test_rows_move_whole_when_reordered():
    table, summaries = TABLE
    order = np.array([5, 0, 7, 1, 2, 3, 4, 6])
    moved = table.reordered(order)
    for ordinal, old in enumerate(order):
        assert_same_parts(moved.row(ordinal), summaries[old])
    assert_same_parts(moved.summary([(0, 3)]), Summary.merged(summaries[at] for at in (5, 0, 7)))


def test_one_tensor_without_a_part_leaves_the_group_without_it():
    table, summaries = swept(EVERYTHING)
    plain = [summary.without_histogram() for summary in summaries[1:2]]
    table.put(np.array([1]), SummaryRows.of(plain))
    assert table.row(1).histogram is None
    assert table.row(1).rows is not None
    assert table.summary([(0, 3)]).histogram is None
    assert table.summary([(0, 3)]).rows is not None
    assert table.summary([(2, 8)]).histogram is not None
    bare, _ = swept(NOTHING)
    table.put(np.array([1]), SummaryRows(*bare_columns(bare, 1)))
    assert table.row(1).rows is None
    assert table.summary([(0, 3)]).rows is None


def bare_columns(table, ordinal):
    return table.counts[:, [ordinal]].T, table.sums[:, [ordinal]].T, table.apart[[ordinal]]


def test_what_was_not_seen_is_neutral():
    table, summaries = swept(EVERYTHING)
    wider = SummaryTable(len(SHAPES) + 2)
    wider.put(np.arange(1, len(SHAPES) + 1), SummaryRows.of(summaries))
    assert_same_parts(wider.summary([(0, len(SHAPES) + 2)]), table.summary([(0, len(SHAPES))]))
    assert wider.row(0) is None
    assert wider.summary([(0, 1)]).histogram is None


def test_rows_on_their_way_are_small():
    """A full histogram is 16 KB a tensor; 20,000 tensors cross as a few megabytes."""
    _, summaries = TABLE
    rows = SummaryRows.of(summaries * 50)
    assert len(pickle.dumps(rows)) < 1000 * len(summaries) * 50
    assert (
        rows.parts.histograms.counts.dtype == np.uint8 or rows.parts.histograms.counts.itemsize == 2
    )


def test_what_is_collected_adds_up():
    columns = Collect(rows=True, columns=True)
    assert NOTHING | columns | Collect(histogram=True) == EVERYTHING
    assert not Collect(True, True).covers(columns)
    assert EVERYTHING.covers(Collect(rows=True))
    assert not Collect(rows=True).covers(EVERYTHING)
    assert NOTHING.covers(NOTHING)
    assert not NOTHING
    assert Collect(histogram=True)
