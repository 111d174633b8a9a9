"""Three stages and more: distances between them, and where knowledge moved."""

import math

import numpy as np
import pytest
from made_stages import made_stage

from inspect_core.activations.compare import compare_stages
from inspect_core.activations.movement import movement, site_movement
from inspect_core.activations.neurons import RARE
from inspect_core.activations.several import compare_several, stage_pairs
from inspect_core.errors import UsageError

PRE = made_stage({"m": [(0, "a", 1.0), (1, "b", 1.0)]}, title="pretrained")
EARLY = made_stage({"m": [(0, "b", 1.0), (0, "a", 1.0)]}, title="early")
LATE = made_stage({"m": [(0, "b", 1.0), (1, "b", 2.0)], "n": [(0, "a", 1.0)]}, title="late")


def test_the_first_is_compared_with_each_and_neighbours_with_each_other() -> None:
    assert stage_pairs(2) == ((0, 1),)
    assert stage_pairs(4) == ((0, 1), (0, 2), (0, 3), (1, 2), (2, 3))
    report = compare_several([PRE, EARLY, LATE])
    (site,) = report.sites
    assert report.titles == ("pretrained", "early", "late")
    assert report.pairs == ((0, 1), (0, 2), (1, 2))
    half = math.sqrt(((1 - math.sqrt(0.5)) ** 2 + 0.5) / 2)
    assert site.distance[:, 0] == pytest.approx([half, 1.0, half])
    assert site.distance[:, 1] == pytest.approx([np.nan, 0.0, np.nan], nan_ok=True)
    assert site.count[:, :2].tolist() == [[1, 1], [2, 0], [1, 1]]
    assert site.top_word[2][:3] == ("b", "b", "")
    assert report.notes == ("only after (late), not compared: n",)


def test_each_pair_is_what_two_stages_alone_give() -> None:
    report = compare_several([PRE, EARLY, LATE])
    stages = [PRE, EARLY, LATE]
    for at, (one, other) in enumerate(report.pairs):
        alone = compare_stages(stages[one], stages[other]).sites[0].neurons
        np.testing.assert_allclose(report.sites[0].distance[at], alone.distance)
        assert report.sites[0].moved[at].weighted == site_movement(alone).weighted


def test_neighbours_are_weighted_by_their_own_activations() -> None:
    seldom = made_stage({"m": [(0, "a", 1.0), (1, "a", 1.0)]})
    often = [(0, "a", 1.0)] * 5 + [(1, "b", 1.0)]
    stages = [seldom, made_stage({"m": often}), made_stage({"m": [*often[:5], (1, "c", 1.0)]})]
    moved = compare_several(stages).sites[0].moved
    assert [one.weighted for one in moved] == pytest.approx([1 / 2, 1 / 2, 1 / 6])


def test_stages_without_a_common_site_and_a_single_one() -> None:
    other = made_stage({"x": [(0, "a", 1.0)]})
    with pytest.raises(UsageError, match="no module is in all stages"):
        compare_several([PRE, other, LATE])
    with pytest.raises(UsageError, match="give two or more"):
        compare_several([PRE])


def test_stages_of_other_sizes_have_room_for_all_neurons() -> None:
    large = made_stage({"m": [(5, "a", 1.0)]}, units=6)
    report = compare_several([PRE, large])
    assert report.sites[0].distance.shape == (1, 6)
    assert np.isnan(report.sites[0].distance).all()


def test_the_mean_leaves_rare_neurons_out_and_weights_do_not() -> None:
    distance = np.array([0.2, 0.4, 1.0, np.nan, 0.8])
    count = np.array([[100, RARE, 4, 50, 0], [300, 90, 900, 50, 70]])
    moved = movement(distance, count)
    assert moved.neurons == 2
    assert moved.mean == pytest.approx(0.3)
    assert moved.weighted == pytest.approx((0.2 * 100 + 0.4 * RARE + 1.0 * 4) / (104 + RARE))


def test_nothing_that_both_sides_activate_has_no_mean() -> None:
    moved = movement(np.array([np.nan, 0.5]), np.array([[9, 0], [9, 9]]))
    assert moved.neurons == 0
    assert math.isnan(moved.mean)
    assert math.isnan(moved.weighted)
