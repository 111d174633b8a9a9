"""Scales keep the order of values, give no change a place of its own, and say what they clip."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inspect_core.results.pooling import pool_columns
from inspect_core.results.scale import FEW, LEAST_SHARE, ROOM, SCALES, Scale

ANY = st.floats(allow_nan=True, allow_infinity=True, width=64)
SIZES = st.floats(0.0, 1e300)
VALUES = hnp.arrays(np.float64, st.integers(0, 40), elements=st.one_of(SIZES, ANY))
KINDS = st.sampled_from(SCALES)


@given(KINDS, VALUES)
@example("robust", np.array([7.64028862e-19, 2.99776030e-282, 3.43372360e289]))
def test_shares_keep_the_order_and_the_zeros(kind, values):
    scale = Scale.of(kind, values)
    shares = scale.shares(values)
    finite = np.isfinite(values)
    assert np.array_equal(finite, np.isfinite(shares))
    assert ((shares[finite] >= 0.0) & (shares[finite] <= 1.0)).all()
    assert np.array_equal(shares[finite] == 0.0, values[finite] == 0.0)
    order = np.argsort(np.abs(values[finite]))
    assert (np.diff(shares[finite][order]) >= 0.0).all()


@given(KINDS, VALUES)
def test_what_is_clipped_is_what_is_beyond_the_end(kind, values):
    scale = Scale.of(kind, values)
    beyond = scale.clipped(values)
    assert scale.clips == bool(beyond.any())
    assert (scale.shares(values)[beyond] == 1.0).all()
    if kind != "robust":
        assert not scale.clips


@given(st.sampled_from(SCALES), VALUES)
def test_signed_shares_have_the_sign_of_the_value(kind, values):
    scale = Scale.of(kind, values)
    both = scale.signed(values), scale.signed(-values)
    finite = np.isfinite(values)
    assert np.array_equal(both[0][finite], -both[1][finite])
    assert np.isnan(both[0][~finite]).all()


def test_a_robust_scale_clips_outliers_alone():
    values = np.linspace(0.5, 1.0, 40)
    assert not Scale.of("robust", values).clips
    values[7] = 100.0
    scale = Scale.of("robust", values)
    assert scale.clips and scale.high <= 1.0 and scale.most == 100.0
    assert scale.clipped(values).sum() <= 3
    assert not Scale.of("robust", np.array([1.0, ROOM])).clips


def test_of_few_values_none_is_an_outlier():
    assert not Scale.of("robust", np.array([1.0] * (FEW - 2) + [1e6])).clips


def test_frozen_layers_do_not_make_the_others_outliers():
    values = np.concatenate([np.zeros(90), np.linspace(0.5, 1.0, 10)])
    assert not Scale.of("robust", values).clips


def test_a_logarithm_gives_each_decade_the_same_room():
    scale = Scale.of("log", np.array([0.0, 1e-4, 1e-2]))
    low, middle, high = scale.shares(np.array([1e-4, 1e-3, 1e-2]))
    assert (low, high) == (LEAST_SHARE, 1.0)
    assert middle == pytest.approx((low + high) / 2)
    assert scale.ends == (1e-4, 1e-2)


def test_a_cosine_is_on_the_scale_by_what_it_lacks():
    scale = Scale.of("linear", np.array([1.0, 0.9, 0.5]), rest=1.0)
    assert scale.shares(np.array([1.0, 0.75, 0.5])) == pytest.approx([0.0, 0.5, 1.0])
    assert scale.ends == (1.0, 0.5)


GRIDS = hnp.array_shapes(min_dims=2, max_dims=2, max_side=9).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.float64, shape, elements=SIZES),
        hnp.arrays(np.uint8, shape, elements=st.integers(0, 4)),
    )
)


@given(GRIDS, st.integers(1, 12), st.sampled_from([0.0, 1.0]))
def test_a_merged_cell_shows_the_greatest_of_its_columns(grid, cells, rest):
    values, states = grid
    values = np.where(states >= 3, values, np.nan)
    pooled = pool_columns(values, states, cells, rest)
    assert pooled.values.shape[1] <= cells or values.shape[1] <= cells
    assert pooled.bounds[0] == 0 and pooled.bounds[-1] == values.shape[1]
    for cell, (start, stop) in enumerate(zip(pooled.bounds, pooled.bounds[1:], strict=False)):
        assert 0 < stop - start <= pooled.most
        for row in range(len(values)):
            at = pooled.shown[row, cell]
            assert start <= at < stop
            state = states[row, start:stop].max()
            assert pooled.states[row, cell] == states[row, at] == state
            if state >= 3:
                same = states[row, start:stop] == state
                sizes = np.abs(values[row, start:stop] - rest)[same]
                assert abs(pooled.values[row, cell] - rest) == sizes.max()


def test_columns_that_fit_stay_as_they_are():
    values, states = np.arange(6.0).reshape(2, 3), np.full((2, 3), 4, np.uint8)
    pooled = pool_columns(values, states, 3)
    assert np.array_equal(pooled.values, values) and pooled.most == 1
