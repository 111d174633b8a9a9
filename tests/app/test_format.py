"""Numbers for people: short enough for their column, and never misleading."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.delta.metrics import METRICS
from tui import format as fmt
from tui.widgets.module_tree import CHANGE_COLUMNS, COUNT_COLUMNS


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"), (770, "770"), (999, "999"), (1000, "1k"), (147_720, "148k"),
        (999_499, "999k"), (999_500, "1M"), (22_700_000, "22.7M"), (8_030_261_248, "8.03B"),
        (671_026_419_200, "671B"), (1_200_000_000_000, "1.2T"),
    ],
)  # fmt: skip
def test_parameters(value, shown):
    assert fmt.params(value) == shown


@given(st.integers(0, 10**17))
def test_counts_fit_their_column_and_lose_less_than_a_percent(value):
    text = fmt.count(value)
    assert len(text) <= 5 < COUNT_COLUMNS
    unit = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}.get(text[-1], 1)
    assert float(text.rstrip("kMGTP")) * unit == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 B"), (999, "999 B"), (3_400_000, "3.4 MB"), (1_200_000_000_000, "1.2 TB")],
)
def test_bytes(value, shown):
    assert fmt.size(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"), (-0.0, "0"), (0.0142, ".0142"), (0.147, ".147"), (-0.5, "-.500"),
        (1.2, "1.2"), (0.001, ".00100"), (4.4e-4, "4.4e-4"), (3.1e-15, "3.1e-15"),
        (999.6, "1.0e3"), (12345.0, "1.2e4"), (1e20, "1.0e20"), (0.99999, "1"), (0.99949, ".999"),
        (math.inf, "inf"), (-math.inf, "-inf"), (math.nan, "n/a"), (None, "n/a"),
    ],
)  # fmt: skip
def test_numbers(value, shown):
    assert fmt.number(value) == shown


@given(st.floats(1e-99, 1e99))
def test_numbers_fit_the_change_column_and_keep_two_digits(value):
    text = fmt.number(value)
    assert len(text) <= CHANGE_COLUMNS - 1
    assert float(text) == pytest.approx(value, rel=0.0501)


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0%"), (1.0, "100%"), (0.012, "1.2%"), (0.5, "50.0%"), (1e-9, "<.01%"),
        (0.99999, ">99.9%"), (None, "n/a"),
    ],
)  # fmt: skip
def test_percentages(share, shown):
    assert fmt.percent(share) == shown


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_only_nothing_is_0_and_only_all_is_100_percent(share):
    assert fmt.percent(share) not in ("0%", "0.0%", "100%", "100.0%")


def test_a_share_reads_as_a_percentage_and_others_as_numbers():
    assert fmt.metric_value(METRICS["changed_fraction"], 0.5) == "50.0%"
    assert fmt.metric_value(METRICS["rel_l2"], 0.5) == ".500"
    assert fmt.metric_value(METRICS["rel_l2"], None) == "n/a"


@given(st.floats(0, 1), st.booleans())
def test_bars_are_one_character_and_grow(share, ascii_only):
    marks = fmt._ASCII_BARS if ascii_only else fmt._BARS
    mark = fmt.bar(share, ascii_only)
    assert marks.index(mark) / len(marks) <= share <= (marks.index(mark) + 1) / len(marks)
    assert mark.isascii() == ascii_only


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "1 s"), (8.4, "8 s"), (89.9, "90 s"), (180, "3 min"), (7200, "2 h")],
)
def test_remaining_times(seconds, shown):
    assert fmt.duration(seconds) == shown


def test_shapes():
    assert (fmt.shape(()), fmt.shape((384, 384))) == ("scalar", "384 x 384")
