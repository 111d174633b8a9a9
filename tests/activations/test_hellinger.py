"""The distance is a metric, the same one neuron by neuron and all at once."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_stages import made_counts, made_stage

from inspect_core.activations.compare import both, compare_stages
from inspect_core.activations.distributions import COUNT, MEAN, Distributions, Numbering, strongest
from inspect_core.activations.hellinger import distances, hellinger, overlap, unions
from inspect_core.activations.originals import original_distances, original_hellinger
from inspect_core.activations.stage import Counts, Stage

WORDS = ["a", "b", "c", "d", "e"]
masses = st.dictionaries(st.sampled_from(WORDS), st.floats(1e-6, 1e6), min_size=1)
signed = st.dictionaries(st.sampled_from(WORDS), st.floats(-1e3, 1e3))
entries = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([f"{word}/{tag}" for word in WORDS for tag in ("X", "Y")]),
        st.floats(0.01, 9.0),
    ),
    max_size=40,
)


@given(masses, masses)
def test_it_is_symmetric_and_between_0_and_1(p: dict, q: dict) -> None:
    distance = hellinger(p, q)
    assert 0.0 <= distance <= 1.0
    assert distance == hellinger(q, p)


@given(masses)
def test_nothing_is_nearer_than_itself(p: dict) -> None:
    assert hellinger(p, p) == 0.0
    assert hellinger(p, {name: 3.0 * mass for name, mass in p.items()}) < 1e-15


@given(masses, masses, masses)
def test_no_way_round_is_shorter(p: dict, q: dict, r: dict) -> None:
    assert hellinger(p, r) <= hellinger(p, q) + hellinger(q, r) + 1e-12


@given(masses, masses)
def test_different_distributions_are_apart(p: dict, q: dict) -> None:
    total = sum(p.values()), sum(q.values())
    gap = max(abs(p.get(w, 0) / total[0] - q.get(w, 0) / total[1]) for w in WORDS)
    # Total variation is at most sqrt(2) of it, and no single share differs by more.
    assert gap <= math.sqrt(2) * hellinger(p, q) + 1e-12


@given(masses, masses, masses)
def test_a_mixture_is_no_farther_than_its_parts(p: dict, q: dict, r: dict) -> None:
    def mixed(one: dict) -> dict:
        whole = sum(one.values()), sum(r.values())
        return {w: one.get(w, 0) / whole[0] + r.get(w, 0) / whole[1] for w in WORDS}

    assert hellinger(mixed(p), mixed(q)) <= hellinger(p, q) + 1e-12


def test_small_distances_keep_their_digits() -> None:
    p, q = {"a": 1.0, "b": 1.0}, {"a": 1.0 + 1e-9, "b": 1.0 - 1e-9}
    # To first order sqrt((1/8) sum (dp^2 / p)): dp is 5e-10, p is 1/2.
    expected = math.sqrt((2 * 5e-10**2 / 0.5) / 8)
    assert hellinger(p, q) == pytest.approx(expected, rel=1e-6)
    before, after = sides([(0, "a", 1.0), (0, "b", 1.0)], [(0, "a", 1 + 1e-9), (0, "b", 1 - 1e-9)])
    assert distances(before, after)[0] == pytest.approx(expected, rel=1e-6)


def sides(one: list, other: list, units: int = 4) -> tuple[Distributions, Distributions]:
    names = list(dict.fromkeys(name for _, name, _ in [*one, *other])) or ["none"]
    counts = made_counts(one, names, units), made_counts(other, names, units)
    return both(counts, Numbering.of(names, names))


def by_name(given_entries: list, unit: int) -> tuple[dict, dict]:
    mass: dict[str, float] = {}
    count: dict[str, int] = {}
    for own, name, value in given_entries:
        if own == unit:
            mass[name] = mass.get(name, 0.0) + value
            count[name] = count.get(name, 0) + 1
    return mass, count


@given(entries, entries)
def test_all_neurons_at_once_are_each_on_its_own(one: list, other: list) -> None:
    given_sides = sides(one, other)
    length = unions(*given_sides)
    found = {by: distances(*given_sides, by) for by in ("mass", MEAN, COUNT)}
    original = original_distances(*given_sides)
    for unit in range(4):
        (mass_p, count_p), (mass_q, count_q) = by_name(one, unit), by_name(other, unit)
        mean_p, mean_q = (
            {w: m[w] / c[w] for w in m} for m, c in [(mass_p, count_p), (mass_q, count_q)]
        )
        expected = {"mass": (mass_p, mass_q), MEAN: (mean_p, mean_q), COUNT: (count_p, count_q)}
        for by, (p, q) in expected.items():
            assert found[by][unit] == pytest.approx(hellinger(p, q), abs=1e-12, nan_ok=True)
        assert length[unit] == len(mass_p.keys() | mass_q.keys())
        if mass_p and mass_q:
            rows = [
                {w: mean[w] / sum(mass.values()) for w in mean}
                for mean, mass in ((mean_p, mass_p), (mean_q, mass_q))
            ]
            assert original[unit] == pytest.approx(original_hellinger(*rows)[0], abs=1e-12)
        else:
            assert np.isnan(original[unit])


@given(signed, signed)
def test_negative_masses_weigh_nothing(p: dict, q: dict) -> None:
    positive = [{w: m for w, m in one.items() if m > 0} for one in (p, q)]
    given_sides = sides([(0, w, m) for w, m in p.items()], [(0, w, m) for w, m in q.items()])
    expected = hellinger(*positive)
    assert math.isnan(expected) == (not all(positive))
    assert distances(*given_sides)[0] == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert hellinger(p, q) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_what_has_nothing_in_common_is_exactly_1_apart() -> None:
    one = [(0, word, 0.1) for word in "abc"]
    other = [(0, word, 0.7) for word in "defghij"]
    assert distances(*sides(one, other))[0] == 1.0
    below = [(0, word, -1.0) for word in "abc"]
    assert distances(*sides(one, [*other, *below]))[0] == 1.0


def renumbered(stage: Stage, order: list[int]) -> Stage:
    """The same stage with its words in another order."""
    counts = stage.sites[0].words
    place = np.argsort(order).astype(np.int32)
    feature = place[counts.feature]
    at = np.lexsort((feature, counts.unit))
    words = stage.words
    moved = Counts(
        counts.units,
        counts.unit[at],
        feature[at],
        counts.count[at],
        counts.mass[at],
        counts.best[at],
        counts.sample[at],
    )
    site = type(stage.sites[0])(stage.sites[0].site, moved)
    features = type(words)(
        words.kind,
        tuple(words.names[old] for old in order),
        None if words.tags is None else tuple(words.tags[old] for old in order),
        words.occurrences[order],
    )
    return type(stage)(stage.title, stage.rule, features, (), (site,), 10, 10)


@given(entries.filter(bool), entries.filter(bool), st.randoms())
def test_the_numbers_of_features_do_not_matter(one: list, other: list, random) -> None:
    before, after = made_stage({"m": one}), made_stage({"m": other})
    order = list(range(len(before.words.names)))
    random.shuffle(order)
    plain = compare_stages(before, after).sites[0]
    moved = compare_stages(renumbered(before, order), after).sites[0]
    for field in ("distance", "tag_distance", "original", "mass"):
        left, right = getattr(plain.neurons, field), getattr(moved.neurons, field)
        np.testing.assert_allclose(left, right, atol=1e-12)
    for field in ("union", "length", "tag_length", "count"):
        assert (getattr(plain.neurons, field) == getattr(moved.neurons, field)).all()
    assert [share.name for share in plain.tags] == [share.name for share in moved.tags]


@given(entries.filter(bool), entries.filter(bool))
def test_coarser_features_are_never_farther_apart(one: list, other: list) -> None:
    fine = distances(*sides(one, other))
    table = compare_stages(made_stage({"m": one}), made_stage({"m": other})).sites[0].neurons
    assert table.tag_distance is not None
    defined = ~np.isnan(fine)
    assert (table.distance[defined] <= fine[defined] + 1e-12).all()
    assert (table.tag_distance[defined] <= fine[defined] + 1e-12).all()


@given(entries, entries, entries)
def test_merging_sides_adds_up_their_masses(one: list, more: list, other: list) -> None:
    whole = sides([*one, *more], other)[0]
    parts, rest = sides(one, more)
    assert whole.mass.sum() == pytest.approx(parts.mass.sum() + rest.mass.sum())
    assert (whole.lengths() == unions(parts, rest)).all()
    assert whole.count.sum() == parts.count.sum() + rest.count.sum()


def test_numberings_of_two_kinds_are_not_compared() -> None:
    (small, _), (large, _) = sides([(0, "a", 1.0)], []), sides([(0, "a", 1.0), (0, "b", 1.0)], [])
    with pytest.raises(ValueError, match="numbered differently"):
        overlap(small, large)


def test_the_strongest_feature_is_the_first_of_equal_ones() -> None:
    one = [(0, "a", 1.0), (0, "b", 2.0), (0, "c", 2.0), (2, "c", -1.0), (2, "b", -2.0)]
    found = strongest(sides(one, [])[0]).tolist()
    assert found == [1, -1, 2, -1]
