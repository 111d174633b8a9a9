"""Measures against the plainest way to work them out, and where they have no value."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from inspect_core.control import Control
from inspect_core.errors import Cancelled, UsageError
from inspect_core.geometry import neighbours as blocks
from inspect_core.geometry.agreement import adjusted_rand, data_overlap, label_overlap, numbered
from inspect_core.geometry.cka import linear_cka
from inspect_core.geometry.closer import principal_plane
from inspect_core.geometry.density import knn_density
from inspect_core.geometry.dimension import gride
from inspect_core.geometry.neighbours import nearest
from inspect_core.geometry.peaks import density_peaks
from inspect_core.geometry.points import distinct_points


def plain_neighbours(points, k):
    difference = points[:, None, :] - points[None, :, :]
    distance = np.sqrt((difference**2).sum(axis=2))
    np.fill_diagonal(distance, np.inf)
    order = np.lexsort((np.broadcast_to(np.arange(len(points)), distance.shape), distance))[:, :k]
    return np.take_along_axis(distance, order, axis=1), order


@pytest.mark.parametrize("block", [7, 16, 1000])
def test_neighbours_in_blocks_of_any_size(block, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", block)
    points = np.random.default_rng(0).standard_normal((61, 5))
    distance, index = plain_neighbours(points, 20)
    found = nearest(points, 20)
    np.testing.assert_array_equal(found.index, index)
    np.testing.assert_allclose(found.distance, distance, rtol=1e-12)


@pytest.mark.parametrize("block", [4, 1000])
def test_ties_keep_the_order_of_the_points(block, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", block)
    grid = np.stack(np.meshgrid(np.arange(5.0), np.arange(4.0)), axis=-1).reshape(-1, 2)
    found = nearest(grid, 6)
    np.testing.assert_array_equal(found.distance, plain_neighbours(grid, 6)[0])
    same = np.diff(found.distance, axis=1) == 0
    assert same.any()
    assert (np.diff(found.index, axis=1)[same] > 0).all()


def test_points_that_nearly_coincide_far_from_the_rest():
    """A product of norms of 10^8 has nothing left of a distance of 10^-6."""
    rng = np.random.default_rng(1)
    points = rng.standard_normal((40, 8)) * 1e8
    points[20:] = points[:20] + rng.standard_normal((20, 8)) * 1e-6
    found = nearest(points, 3)
    twins = np.linalg.norm(points[20:] - points[:20], axis=1)
    assert (found.index[:20, 0] == np.arange(20, 40)).all()
    # Subtracting the mean rounds each point once.
    np.testing.assert_allclose(found.distance[:20, 0], twins, rtol=0.05)


@pytest.mark.parametrize("block", [50, 1000])
@pytest.mark.parametrize("apart", [1e4, 1e7, 1e8, 1e9, 1e12])
def test_two_tight_groups_far_apart(apart, block, monkeypatch):
    """A unit of opposite signs leaves nothing of the products of a group."""
    monkeypatch.setattr(blocks, "BLOCK", block)
    rng = np.random.default_rng(0)
    base = rng.standard_normal((120, 8))
    side = np.where(np.arange(120) % 2, apart, -apart)[:, None]
    points = np.concatenate([base, side], axis=1)
    distance, index = plain_neighbours(points, 16)
    found = nearest(points, 16)
    np.testing.assert_array_equal(found.index, index)
    np.testing.assert_allclose(found.distance, distance, rtol=1e-12)


@pytest.mark.parametrize("power", [-1000, -900, -530, -500, 500, 510, 700, 1000])
def test_neighbours_do_not_depend_on_the_scale(power):
    points = np.random.default_rng(0).standard_normal((80, 6))
    plain, found = nearest(points, 20), nearest(np.ldexp(points, power), 20)
    np.testing.assert_array_equal(found.index, plain.index)
    np.testing.assert_allclose(np.ldexp(found.distance, -power), plain.distance, rtol=1e-12)


@pytest.mark.parametrize("largest", [1e100, 1e160, 1e200, 1e290])
def test_one_huge_point_does_not_hide_the_others(largest):
    points = np.random.default_rng(0).standard_normal((80, 6))
    points[7] *= largest
    others = np.delete(np.arange(80), 7)
    plain, found = nearest(points[others], 20), nearest(points, 20)
    np.testing.assert_array_equal(found.index[others], others[plain.index])
    np.testing.assert_allclose(found.distance[others], plain.distance, rtol=1e-12)
    everyone = nearest(points, 79)
    assert (everyone.index[others, -1] == 7).all() and np.isfinite(everyone.distance).all()
    np.testing.assert_allclose(everyone.distance[others, :20], plain.distance, rtol=1e-12)


def test_distances_beyond_all_numbers_have_no_dimension():
    points = np.random.default_rng(0).uniform(-1, 1, (60, 9)) * 1.7e308
    found = gride(nearest(points, 8), 8)
    assert all(math.isnan(one.value) and one.why for one in found)


@pytest.mark.parametrize("power", [-900, -540, 520, 1000])
def test_the_plane_does_not_depend_on_the_scale(power):
    points = np.random.default_rng(0).standard_normal((40, 6)) * np.arange(1, 7)
    (plane, share), (moved, other) = map(principal_plane, (points, np.ldexp(points, power)))
    np.testing.assert_allclose(np.ldexp(moved, -power), plane, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(other, share)


def test_distinct_points_take_no_second_copy():
    rows = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    rows[4], rows[6] = rows[1], np.nan
    found = distinct_points(rows)
    assert found.kept.tolist() == [0, 1, 2, 3, 5, 7, 8]
    np.testing.assert_array_equal(found.values, rows[found.kept].astype(np.float64))
    given = rows.astype(np.float64)
    before = given.copy()
    np.testing.assert_array_equal(distinct_points(given).values, found.values)
    np.testing.assert_array_equal(given, before)


def test_too_few_points_for_k():
    with pytest.raises(UsageError, match="5 neighbours of each of 5 points"):
        nearest(np.eye(5), 5)


def test_neighbours_can_be_stopped():
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        nearest(np.eye(5), 2, control)


def test_points_are_finite_and_each_there_once():
    rows = np.array([[1, 2], [0.0, 3], [1, 2], [np.nan, 0], [-0.0, 3], [np.inf, 1]])
    found = distinct_points(rows)
    np.testing.assert_array_equal(found.values, [[1, 2], [0, 3]])
    assert found.kept.tolist() == [0, 1]
    assert found.of.tolist() == [0, 1, 0, -1, 1, -1]
    assert (found.repeated, found.nonfinite) == (2, 2)


def test_values_whose_sum_overflows_are_finite():
    assert distinct_points(np.full((1, 4), 1e308)).nonfinite == 0


@pytest.mark.parametrize(("wanted", "units"), [(2, 10), (5, 30)])
def test_the_dimension_of_a_flat_sheet(wanted, units):
    rng = np.random.default_rng(2)
    sheet = rng.uniform(size=(1500, wanted)) @ rng.standard_normal((wanted, units))
    for one in gride(nearest(sheet, 16)):
        assert one.value == pytest.approx(wanted, rel=0.2)
        assert 0 < one.error < 0.2


def test_a_dimension_of_ties_is_not_known():
    corners = np.array([[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)])
    found = gride(nearest(corners, 4))
    assert [math.isnan(one.value) for one in found] == [True, False]
    assert "tied" in found[0].why


def test_a_density_needs_a_dimension():
    neighbours = nearest(np.eye(6), 3)
    with pytest.raises(UsageError, match="intrinsic dimension"):
        knn_density(neighbours, math.nan, 2)
    with pytest.raises(UsageError, match="neighbour 4"):
        knn_density(neighbours, 2.0, 4)


def test_density_of_a_uniform_square_is_one():
    points = np.random.default_rng(3).uniform(size=(3000, 2))
    inside = (np.abs(points - 0.5) < 0.35).all(axis=1)
    density = knn_density(nearest(points, 30), 2.0, 30)
    assert float(density.log[inside].mean()) == pytest.approx(0, abs=0.05)


def test_three_heaps_are_three_clusters_whatever_their_order():
    rng = np.random.default_rng(4)
    centres = np.array([[0.0, 0, 0], [12, 0, 0], [0, 12, 0]])
    truth = np.repeat([0, 1, 2], [300, 200, 100])
    points = centres[truth] + rng.standard_normal((600, 3))
    for order in (np.arange(600), rng.permutation(600)):
        neighbours = nearest(points[order], 40)
        found = density_peaks(neighbours, knn_density(neighbours, 3.0, 16))
        assert found.count == 3
        assert adjusted_rand(found.cluster, truth[order]) == 1.0
        assert np.bincount(found.cluster).tolist() == [300, 200, 100]


partitions = st.integers(2, 40).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 4), min_size=n, max_size=n)] * 2)
)


@given(partitions)
def test_adjusted_rand_is_that_of_scikit_learn(both):
    one, other = (numbered(side) for side in both)
    assert adjusted_rand(one, other) == pytest.approx(adjusted_rand_score(one, other), abs=1e-12)
    assert adjusted_rand(one, other) == adjusted_rand(other, one)
    assert adjusted_rand(one, one) == 1.0


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_overlaps_are_what_counting_gives(seed, k):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((12, 3))
    labels = numbered(rng.integers(0, 3, 12).tolist())
    one, other = nearest(points, 8).index, nearest(points + rng.standard_normal((12, 3)), 8).index
    shared = [len({*one[i, :k].tolist()} & {*other[i, :k].tolist()}) / k for i in range(12)]
    assert data_overlap(one, other, k) == pytest.approx(np.mean(shared), abs=1e-12)
    same = np.array([(labels[one[i, :k]] == labels[i]).mean() for i in range(12)])
    assert label_overlap(one, labels, k, balanced=False) == pytest.approx(same.mean(), abs=1e-12)
    by_label = np.mean([same[labels == label].mean() for label in np.unique(labels)])
    assert label_overlap(one, labels, k) == pytest.approx(by_label, abs=1e-12)


def test_a_class_larger_than_the_known_neighbours_is_refused():
    index = nearest(np.random.default_rng(5).standard_normal((40, 3)), 5).index
    with pytest.raises(UsageError, match="12 neighbours are needed, and 5 are known"):
        label_overlap(index, np.zeros(40, np.int64), share=0.3)
    with pytest.raises(UsageError):
        label_overlap(index, np.zeros(40, np.int64))
    with pytest.raises(UsageError):
        data_overlap(index, index, 6)
    with pytest.raises(UsageError):
        data_overlap(index, index[1:], 3)


def plain_cka(x, y):
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    norm = np.linalg.norm
    return norm(x.T @ y) ** 2 / (norm(x.T @ x) * norm(y.T @ y))


@pytest.mark.parametrize("shape", [(30, 5, 7), (6, 20, 9)])
def test_cka_of_few_and_of_many_units(shape):
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal(shape[:2]), rng.standard_normal((shape[0], shape[2]))
    y[:, 0] += 3 * x[:, 0]
    assert linear_cka(x, y) == pytest.approx(plain_cka(x, y), rel=1e-12)
    turned = np.linalg.qr(rng.standard_normal((shape[1], shape[1])))[0]
    assert linear_cka(x, 5 * x @ turned + 3) == pytest.approx(1.0, rel=1e-12)
    assert linear_cka(1e200 * x, 1e-200 * y) == pytest.approx(plain_cka(x, y), rel=1e-12)


def test_cka_of_a_constant_is_not_known():
    x = np.random.default_rng(7).standard_normal((9, 3))
    for constant in (np.zeros((9, 2)), np.full((9, 2), 0.1), np.full((9, 2), 1e6 / 3)):
        assert math.isnan(linear_cka(x, constant))
