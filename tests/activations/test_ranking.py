"""Orders of neurons, and those that moved most and least."""

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.activations.neurons import RARE, NeuronTable
from inspect_core.activations.ranking import (
    ORDERS,
    marked,
    new_and_gone,
    ranking,
    top_and_least,
)
from inspect_core.errors import UsageError


def made_table(distance: list[float], count: list[list[int]] | None = None, **more) -> NeuronTable:
    units = len(distance)
    fields = {
        "site": "m",
        "distance": np.array(distance),
        "tag_distance": None,
        "label_distance": (),
        "union": np.arange(units) + 1,
        "length": np.tile(np.arange(units), (2, 1)),
        "tag_length": None,
        "count": np.array(count if count is not None else [[RARE] * units] * 2),
        "mass": np.ones((2, units)),
        "original": np.array(distance),
        "top_word": (("",) * units,) * 2,
    }
    return NeuronTable(**(fields | more))


def test_the_farthest_is_first_and_what_has_no_distance_last() -> None:
    table = made_table([0.2, np.nan, 0.9, 0.2, np.nan])
    assert ranking(table).tolist() == [2, 0, 3, 1, 4]


def test_rare_neurons_can_be_hidden() -> None:
    table = made_table([0.1, 0.9, 0.5], [[RARE, RARE - 1, RARE], [RARE, 500, RARE]])
    assert ranking(table).tolist() == [1, 2, 0]
    assert ranking(table, hide_rare=True).tolist() == [2, 0]


def test_changes_count_by_their_size() -> None:
    table = made_table(
        [0.0] * 3,
        length=np.array([[5, 9, 3], [6, 2, 3]]),
        mass=np.array([[1.0, 1.0, 8.0], [2.0, 1.5, 0.5]]),
    )
    assert ranking(table, "shift").tolist() == [1, 0, 2]
    assert ranking(table, "mass_change").tolist() == [2, 0, 1]
    assert ranking(table, "mass").tolist() == [0, 1, 2]
    assert ranking(table, "union").tolist() == [2, 1, 0]
    assert ranking(table, "unit").tolist() == [0, 1, 2]


@pytest.mark.parametrize("by", sorted(ORDERS))
def test_each_order_has_every_neuron_once(by: str) -> None:
    table = made_table([0.3, np.nan, 0.3, 0.1])
    assert sorted(ranking(table, by).tolist()) == [0, 1, 2, 3]
    assert ranking(table, by).dtype == np.int64


def test_without_tags_their_order_is_that_of_the_numbers() -> None:
    assert ranking(made_table([0.1, 0.2, 0.3]), "tag_distance").tolist() == [0, 1, 2]


def test_an_unknown_order_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="choose of distance, tag_distance"):
        ranking(made_table([0.1]), "beauty")
    with pytest.raises(UsageError, match="is no distance"):
        top_and_least(made_table([0.1]), by="mass")


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(1, 4)),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 12),
)
def test_top_and_least_are_what_heapq_gives_as_published(pairs: list, n: int) -> None:
    table = made_table([distance for distance, _ in pairs], union=np.array([u for _, u in pairs]))
    numbered = [(distance, union, unit) for unit, (distance, union) in enumerate(pairs)]
    key = {"key": lambda item: item[:2]}
    most, least = top_and_least(table, n)
    assert most == [unit for _, _, unit in heapq.nlargest(n, numbered, **key)]
    assert least == [unit for _, _, unit in heapq.nsmallest(n, numbered, **key)]


def test_rare_dead_and_undefined_neurons_are_in_neither_list() -> None:
    table = made_table(
        [0.9, 0.8, np.nan, 0.3, 0.2],
        [[RARE, RARE - 1, RARE, RARE, 0], [RARE, RARE, RARE, RARE, RARE]],
    )
    assert top_and_least(table) == ([0, 3], [3, 0])
    assert top_and_least(table, hide_rare=False) == ([0, 1, 3], [3, 1, 0])


def one_sided() -> NeuronTable:
    """Neurons: 0 new, 1 gone, 2 new with few activations, 3 gone with few, 4 shared, 5 dead."""
    count = [[0, RARE + 5, 0, RARE - 1, RARE, 0], [32, 0, RARE - 1, 0, RARE, 0]]
    mass = np.array([[0.0, 9.0, 0.0, 1.0, 5.0, 0.0], [7.0, 0.0, 1.0, 0.0, 5.0, 0.0]])
    return made_table([np.nan] * 4 + [0.4, np.nan], count, mass=mass)


def test_a_neuron_that_is_often_activated_on_its_only_side_is_not_rare() -> None:
    assert one_sided().rare.tolist() == [False, False, True, True, False, True]


def test_new_and_gone_neurons_have_an_order_of_their_own_and_come_last_by_distance() -> None:
    assert ranking(one_sided(), hide_rare=True).tolist() == [4, 0, 1]
    assert ranking(one_sided(), "new_gone", hide_rare=True).tolist() == [1, 0, 4]
    assert new_and_gone(one_sided()) == [1, 0]
    assert new_and_gone(one_sided(), n=1) == [1]
    assert new_and_gone(one_sided(), hide_rare=False) == [1, 0, 2, 3]


def test_marks_are_in_one_list_and_what_did_not_move_is_not_among_the_most() -> None:
    few = made_table([0.9, 0.0, 0.5, 0.1, 0.7])
    assert marked(few) == ([0, 4, 2], [1, 3])
    still = made_table([0.0] * 30 + [0.2])
    most, least = marked(still, n=10)
    assert most == [30] and len(least) == 10 and 30 not in least
    assert marked(made_table([0.0] * 3)) == ([], [0, 1, 2])
    assert marked(made_table([0.5] * 3, union=np.ones(3, int))) == ([0, 1], [2])
