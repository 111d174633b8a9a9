"""Paths of modules in little room: those that differ still do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.short_paths import short_path

FOLD = [f"encoder.layer.{n}.attention.self.query" for n in range(12)]


@pytest.mark.parametrize("room", [16, 18, 21, 24, 30, 36])
def test_modules_of_a_fold_stay_apart(room):
    shown = [short_path(path, room) for path in FOLD]
    assert len(set(shown)) == len(FOLD) and max(map(len, shown)) <= room
    assert all(one.endswith(".query") and f".{n}." in one for n, one in enumerate(shown))


def test_a_path_that_fits_is_whole_and_one_that_does_not_loses_as_little_as_it_can():
    assert short_path(FOLD[3], 38) == FOLD[3]
    assert short_path(FOLD[3], 34) == "e.layer.3.attention.self.query"
    assert short_path(FOLD[3], 18) == "e.l.3.a.self.query"
    assert short_path("base-model to a tuned one", 12) == "base-…ed one"


@given(st.text(max_size=60), st.integers(1, 60))
def test_any_path_fits_and_is_safe(path, room):
    shown = short_path(path, room)
    assert len(shown) <= room and shown.isprintable()
