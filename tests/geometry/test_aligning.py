"""Spaces of the same texts, brought together row by row."""

from dataclasses import replace

import numpy as np
import pytest

from inspect_core.errors import UsageError
from inspect_core.geometry.aligning import aligned
from inspect_core.geometry.landscape import Measured
from inspect_core.geometry.report import landscape
from inspect_core.geometry.representations import MEAN, Representations, text_digest

ALL = np.arange(40)


def digests(numbers):
    return np.array([text_digest(f"text {one}") for one in numbers], np.uint64)


def space(samples, title="a", labels=True, seed=0, numbers=True):
    """Rows whose first value is the number of their text."""
    rng = np.random.default_rng(seed)
    found = np.asarray(samples, np.int64)
    values = np.concatenate([found[:, None], rng.normal(size=(len(found), 3))], axis=1)
    column = (("odd", tuple(str(one % 2) for one in found.tolist())),) if labels else ()
    kept = found if numbers else np.full(len(found), -1)
    told = digests(found.tolist()) if numbers else None
    return Representations(title, ("x", "y"), (values, values * 2), column, kept, MEAN, (), told)


def test_spaces_of_the_same_texts_stay_as_they_are():
    one, other = space(ALL), space(ALL, "b")
    found, notes = aligned([one, other])
    assert not notes and found[0] is one and found[1] is other


def test_texts_that_are_not_in_all_are_left_out():
    found, notes = aligned([space(ALL), space(ALL[::-1][:25], "b"), space(ALL[3:], "c")])
    common = ALL[15:]
    for one in found:
        assert one.samples.tolist() == common.tolist()
        for at in range(2):
            assert one.values[at][:, 0].tolist() == (common * (1 + at)).tolist()
        assert one.labels[0][1] == tuple(str(number % 2) for number in common.tolist())
    assert len(notes) == 1 and notes[0].startswith("25 of 40 texts")


def test_rows_without_numbers_are_those_of_the_others():
    bare = space(ALL, "bare", labels=False, numbers=False)
    found, notes = aligned([bare, space(ALL + 5, "b")])
    assert notes == [
        "bare does not say which texts its rows are of: they are taken to be those of b, in order"
    ]
    assert found[0].samples.tolist() == (ALL + 5).tolist()
    assert found[0].labels == found[1].labels
    alone, _ = aligned([bare])
    assert alone[0].samples.tolist() == [-1] * 40


@pytest.mark.parametrize("others", [
    [space(ALL[:30], "short", numbers=False)], [space(ALL + 100, "others")],
])  # fmt: skip
def test_other_texts_are_refused(others):
    with pytest.raises(UsageError):
        aligned([space(ALL), *others])


def test_labels_go_by_the_text_and_nothing_is_said_to_be_left_out():
    order = np.random.default_rng(0).permutation(ALL)
    found, notes = aligned([space(ALL), space(order, "b", labels=False)])
    assert not notes and len(found[1].samples) == 40
    for one in found:
        assert one.labels[0][1] == tuple(str(int(row) % 2) for row in one.values[0][:, 0])
    found, _ = aligned([space(order, "b", labels=False), space(ALL)])
    for one in found:
        assert one.labels[0][1] == tuple(str(int(row) % 2) for row in one.values[0][:, 0])


def test_texts_are_told_by_what_they_say_and_not_by_their_place_in_a_file():
    order = np.random.default_rng(0).permutation(ALL)
    other = replace(space(order, "b", labels=False), samples=ALL)
    found, notes = aligned([space(ALL), other])
    assert not notes
    np.testing.assert_array_equal(found[0].values[0][:, 0], found[1].values[0][:, 0])
    strangers = replace(space(ALL + 100, "c"), samples=ALL)
    with pytest.raises(UsageError, match="no text in common"):
        aligned([space(ALL), strangers])


def test_a_text_that_is_there_twice_is_two_texts():
    twice = replace(space(ALL), digests=digests(ALL // 2))
    found, notes = aligned([twice, replace(twice, samples=ALL + 3)])
    assert not notes and all(len(one.samples) == 40 for one in found)


def test_numbers_of_files_that_say_no_more_are_noted_and_may_not_contradict_others():
    old = replace(space(ALL, "old"), digests=None)
    _, notes = aligned([space(ALL), old])
    assert len(notes) == 1 and notes[0].startswith("old does not say what its texts are")
    assert not aligned([old])[1]
    _, notes = aligned([old, old])
    assert len(notes) == 1 and notes[0].startswith("2 spaces do not say what their texts are")
    with pytest.raises(UsageError, match="other texts"):
        aligned([space(ALL), old, replace(space(ALL[::-1], "b"), samples=ALL)])


def test_what_is_left_is_measured_like_what_was_never_more():
    measured = Measured(k=4, overlap_k=6)
    rng = np.random.default_rng(5)
    shuffled = rng.permutation(ALL)
    together, _ = aligned([space(ALL), space(shuffled[:30], "b", seed=1)])
    report, layers = landscape(together, measured)
    kept = np.sort(shuffled[:30])
    place = np.array([shuffled.tolist().index(one) for one in kept.tolist()])
    rows = space(shuffled[:30], "b", seed=1).values[0][place]
    assert np.array_equal(np.asarray(layers[1][0].points.values), rows)
    assert report.texts == 30 and report.spaces[0].layers[0].points == 30
    assert [(pair.one, pair.other) for pair in report.pairs] == [(0, 0), (1, 1), (0, 1)]
