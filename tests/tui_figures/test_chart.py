"""Axes and the names in a plot."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from themes import load_theme
from tui.figures.chart import Axis, Dots, Name, draw_chart, spread
from tui.palette import Depth, make_palette

finite = st.floats(1e-9, 1e12)


@given(st.lists(finite, min_size=1, max_size=30), st.booleans(), st.booleans())
def test_values_keep_their_order_inside_of_the_axis(values, zero, whole):
    values = np.sort(np.array(values))
    values = np.maximum(values, 1.0) if whole else values
    shares = spread(values, zero, whole).share(values)
    assert ((shares >= -1e-9) & (shares <= 1 + 1e-9)).all()
    assert (np.diff(shares) >= 0).all()


def test_zero_has_a_place_of_its_own():
    axis = spread(np.array([0.0, 1.0, 100.0]), zero=True)
    shares = axis.share([0.0, -3.0, 1.0, 100.0, math.nan, math.inf])
    assert shares[0] == shares[1] == 0.0 < shares[2] < shares[3] == 1.0
    assert np.isnan(shares[4:]).all()


@pytest.mark.parametrize("cells", [4, 12, 20, 76, 200])
@pytest.mark.parametrize(
    "axis",
    [Axis(0.0, 1.0), Axis(0.0, 0.05), Axis(0, 11, whole=True), Axis(1, 4096, whole=True),
     Axis(1, 2000, log=True), Axis(1, 1.5, log=True), Axis(3e-7, 9e11, log=True, zero=True),
     Axis(1, 300, log=True, zero=True), Axis(2.5, 3.9, log=True), Axis(7, 8, whole=True)],
)  # fmt: skip
def test_ticks_stand_clear_of_each_other_and_where_they_say(axis, cells):
    for room in (None, 2):
        ticks = axis.ticks(cells, room)
        places = [cell for cell, _ in ticks]
        assert places == sorted(set(places)) and places[0] >= 0 and places[-1] < cells
        assert len({label for _, label in ticks}) == len(ticks)
        if cells >= 20:
            assert len(ticks) >= 2
        spaces = [b - a for a, b in itertools.pairwise(places)]
        assert all(space >= (room or 2) for space in spaces)


def test_ticks_of_layers_are_whole_numbers():
    labels = [label for _, label in Axis(0.0, 5.0, whole=True).ticks(100)]
    assert labels == ["0", "1", "2", "3", "4", "5"]


def test_names_cover_no_mark_and_no_other_name():
    palette = make_palette(load_theme("lamella-dark"), depth=Depth.NONE)
    at = np.linspace(0.1, 0.9, 9)
    dots = [Dots(at, at, "@", Style())]
    names = [Name(value, value, f"{100 + k}", Style()) for k, value in enumerate(at)]
    lines = draw_chart(dots, names, Axis(0, 1), Axis(0, 1), palette, 60, 14)
    text = "\n".join(strip.text for strip in lines[:-2])
    assert text.count("@") == 9
    assert all(f" {100 + k} " in text.replace("@", " ") for k in range(9))


def test_a_name_without_room_is_left_out():
    palette = make_palette(load_theme("lamella-dark"), depth=Depth.NONE)
    names = [Name(0.5, 0.5, f"{k:05}", Style()) for k in range(40)]
    lines = draw_chart([], names, Axis(0, 1), Axis(0, 1), palette, 40, 10)
    text = " ".join(strip.text for strip in lines[:-2])
    shown = [name for name in (f"{k:05}" for k in range(40)) if name in text]
    assert 0 < len(shown) < 40 and shown[0] == "00000"
