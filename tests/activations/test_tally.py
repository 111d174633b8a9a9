"""The tally is a sum: whatever the order and the parts, the counts are the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.activations import tally as module
from inspect_core.activations.tally import Budget, Tally
from inspect_core.errors import LamellaError

UNITS = 5
activations = st.tuples(
    st.integers(0, UNITS - 1),
    st.integers(0, 6),
    st.sampled_from([0.5, 1.0, -1.0, 2.0, 1e-3]),
    st.integers(0, 9),
)
lots = st.lists(activations, max_size=40)


def filled(parts, budget=None):
    tally = Tally(UNITS, budget)
    for part in parts:
        unit, feature, activation, sample = (
            np.array([row[at] for row in part], kind)
            for at, kind in enumerate([np.int64, np.int64, np.float64, np.int64])
        )
        tally.add(unit, feature, activation, sample)
    return tally


def plainly(rows):
    found = {}
    for unit, feature, activation, sample in rows:
        count, mass, best, of = found.get((unit, feature), (0, 0.0, -np.inf, 0))
        if activation > best or (activation == best and sample < of):
            best, of = activation, sample
        found[unit, feature] = (count + 1, mass + activation, best, of)
    return found


def assert_holds(tally, rows):
    counts = tally.counts()
    keys = list(zip(counts.unit.tolist(), counts.feature.tolist(), strict=True))
    expected = plainly(rows)
    assert keys == sorted(expected)
    exact = zip(counts.count.tolist(), counts.best.tolist(), counts.sample.tolist(), strict=True)
    assert list(exact) == [(expected[key][0], *expected[key][2:]) for key in keys]
    np.testing.assert_allclose(counts.mass, [expected[key][1] for key in keys], rtol=1e-12)
    kinds = [counts.unit, counts.feature, counts.count, counts.mass, counts.best, counts.sample]
    assert [array.dtype.name for array in kinds] == [
        "int32", "int32", "int64", "float64", "float64", "int64",
    ]  # fmt: skip
    assert counts.units == UNITS


@settings(max_examples=60, deadline=None)
@given(st.lists(lots, max_size=6), st.randoms(), st.integers(0, 30))
def test_the_order_and_the_parts_do_not_matter(parts, random, pending):
    rows = [row for part in parts for row in part]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PENDING", pending)
        assert_holds(filled(parts), rows)
        random.shuffle(rows)
        cut = len(rows) // 3
        assert_holds(filled([rows[cut:], rows[:cut]]), rows)


@settings(max_examples=60, deadline=None)
@given(lots, lots, lots)
def test_tallies_merge(one, two, three):
    a, b, c = (filled([rows]) for rows in (one, two, three))
    for whole in ((a + b) + c, a + (b + c), c + a + b, a + b + c + Tally(UNITS)):
        assert_holds(whole, one + two + three)
    assert_holds(a, one)


def test_counts_can_be_asked_for_on_the_way():
    tally = filled([[(0, 0, 1.0, 4)]])
    assert_holds(tally, [(0, 0, 1.0, 4)])
    tally.merge(filled([[(0, 0, 1.0, 2), (4, 1, 3.0, 7)]]))
    assert_holds(tally, [(0, 0, 1.0, 4), (0, 0, 1.0, 2), (4, 1, 3.0, 7)])


def test_nothing_counted():
    assert_holds(Tally(UNITS), [])


def test_large_units_and_features_do_not_mix():
    tally = Tally(2**31 - 1)
    unit = np.array([2**31 - 2, 2**31 - 2, 0])
    feature = np.array([0, 2**31 - 1, 2**31 - 1])
    tally.add(unit, feature, np.ones(3), np.zeros(3, np.int64))
    counts = tally.counts()
    assert counts.unit.tolist() == [0, 2**31 - 2, 2**31 - 2]
    assert counts.feature.tolist() == [2**31 - 1, 0, 2**31 - 1]


def test_other_numbers_of_units_do_not_merge():
    with pytest.raises(ValueError, match="5 and 6 units"):
        Tally(5).merge(Tally(6))


def test_pending_activations_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "PENDING", 10)
    tally = Tally(1)
    for _ in range(200):
        tally.add(np.zeros(3, np.int64), np.arange(3), np.ones(3), np.zeros(3, np.int64))
        assert tally._waiting <= 10
    assert tally.counts().count.tolist() == [200] * 3


def test_too_many_pairs_over_all_tallies(monkeypatch):
    monkeypatch.setattr(module, "PENDING", 0)
    budget = Budget(most=3)
    filled([[(0, 0, 1.0, 0), (0, 1, 1.0, 0)], [(0, 0, 1.0, 0)]], budget)
    with pytest.raises(LamellaError, match=r"more than 3 pairs.*top k"):
        filled([[(0, 0, 1.0, 0), (0, 1, 1.0, 0)]], budget)


def test_a_dropped_tally_gives_its_budget_back(monkeypatch):
    monkeypatch.setattr(module, "PENDING", 0)
    budget = Budget(most=3)
    rows = [(0, 0, 1.0, 0), (0, 1, 1.0, 0)]
    tally = filled([rows], budget)
    tally.drop()
    assert_holds(tally, [])
    assert_holds(filled([rows], budget), rows)
