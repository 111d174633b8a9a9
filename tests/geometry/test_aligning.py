"""Spaces of the same texts, brought together row by row."""

import numpy as np
import pytest

from inspect_core.errors import UsageError
from inspect_core.geometry.aligning import aligned
from inspect_core.geometry.landscape import Measured
from inspect_core.geometry.report import landscape
from inspect_core.geometry.representations import MEAN, Representations

ALL = np.arange(40)


def space(samples, title="a", labels=True, seed=0, numbers=True):
    """Rows whose first value is the number of their text."""
    rng = np.random.default_rng(seed)
    found = np.asarray(samples, np.int64)
    values = np.concatenate([found[:, None], rng.normal(size=(len(found), 3))], axis=1)
    column = (("odd", tuple(str(one % 2) for one in found.tolist())),) if labels else ()
    kept = found if numbers else np.full(len(found), -1)
    return Representations(title, ("x", "y"), (values, values * 2), column, kept, MEAN)


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
    found, _ = aligned([bare, space(ALL + 5, "b")])
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
