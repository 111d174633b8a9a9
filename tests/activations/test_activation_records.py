"""Plain rows of results, for files."""

import json

import pytest
from made_stages import made_stage

from inspect_core.activations.compare import compare_stages, neuron_detail
from inspect_core.activations.records import (
    detail_rows,
    neuron_rows,
    several_rows,
    several_site_rows,
    share_rows,
    site_rows,
    tag_rows,
    why_undefined,
)
from inspect_core.activations.several import compare_several
from inspect_core.errors import UsageError

BEFORE = made_stage(
    {"m": [(0, "a/X", 1.0), (0, "b/Y", 3.0), (1, "a/X", 1.0)], "n": [(0, "a/X", 1.0)]},
    labels={"mood": {"m": [(0, "good", 1.0)], "n": [(0, "good", 1.0)]}},
)
AFTER = made_stage(
    {"m": [(0, "a/X", 2.0), (2, "b/Z", 1.0)], "n": [(0, "a/X", 1.0), (3, "a/X", -1.0)]},
    labels={"mood": {"m": [(0, "bad", 1.0)], "n": [(0, "good", 1.0)]}},
)
REPORT = compare_stages(BEFORE, AFTER)


def test_one_row_a_neuron_with_the_same_keys_everywhere() -> None:
    rows = neuron_rows(REPORT)
    assert [(row["site"], row["unit"]) for row in rows] == [
        (site, unit) for site in "mn" for unit in range(4)
    ]
    assert len({tuple(row) for row in rows}) == 1
    first = rows[0]
    assert (first["state"], first["rare"], first["mark"]) == ("shared", True, None)
    assert first["distance"] == pytest.approx(REPORT.sites[0].neurons.distance[0])
    assert first["mood distance"] == 1.0
    assert (first["length_before"], first["length_after"], first["shift"]) == (2, 1, -1)
    assert (first["word_before"], first["word_after"]) == ("b", "a")
    assert rows[1]["distance"] is None
    assert rows[1]["word_after"] is None
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_order_limit_and_rare_neurons() -> None:
    assert [row["unit"] for row in neuron_rows(REPORT, "mass", top=2)] == [0, 2, 0, 1]
    assert neuron_rows(REPORT, hide_rare=True) == []
    with pytest.raises(UsageError, match="choose of"):
        neuron_rows(REPORT, "beauty")


def test_frequent_neurons_are_marked() -> None:
    many = [(unit, word, 1.0) for unit in range(3) for word in ("a", "b") for _ in range(10)]
    stage = made_stage({"m": many}, units=3)
    moved = made_stage({"m": [*many, *[(1, "c", 1.0)] * 9]}, units=3)
    rows = neuron_rows(compare_stages(stage, moved), top=1)
    assert (rows[0]["unit"], rows[0]["mark"], rows[0]["rare"]) == (1, "top", False)


def test_one_row_a_site() -> None:
    first, second = site_rows(REPORT)
    states = {key: first[key] for key in ("units", "dead", "new", "gone", "shared", "frequent")}
    assert states == {"units": 4, "dead": 1, "new": 1, "gone": 1, "shared": 1, "frequent": 0}
    assert first["mean_distance"] is None
    assert first["weighted_distance"] == pytest.approx(REPORT.sites[0].neurons.distance[0])
    assert second["weighted_distance"] == 0.0
    assert second["mass_after"] == 0.0


def test_one_row_a_tag_and_label() -> None:
    rows = [row for row in tag_rows(REPORT) if row["site"] == "m"]
    assert [(row["column"], row["name"]) for row in rows] == [
        ("tag", "X"),
        ("tag", "Y"),
        ("tag", "Z"),
        ("mood", "good"),
        ("mood", "bad"),
    ]
    assert rows[2]["frequency_before"] == 0.0
    assert rows[2]["mass_after"] == pytest.approx(1 / 3)


def test_rows_of_a_detail() -> None:
    detail = neuron_detail(BEFORE, AFTER, "m", 0)
    rows = detail_rows(detail)
    assert [(row["side"], row["word"], row["tag"]) for row in rows] == [
        ("before", "b", "Y"),
        ("before", "a", "X"),
        ("after", "a", "X"),
    ]
    assert rows[0]["share"] == 0.75
    assert rows[0]["sentence"] is None
    shares = [(row["column"], row["name"], row["mass_after"]) for row in share_rows(detail)]
    assert shares == [
        ("tag", "X", 1.0),
        ("tag", "Y", 0.0),
        ("mood", "bad", 1.0),
        ("mood", "good", 0.0),
    ]


def test_rows_of_several_stages() -> None:
    report = compare_several([BEFORE, AFTER, BEFORE])
    rows = several_rows(report, top=1)
    assert [row["site"] for row in rows] == ["m", "n"]
    assert rows[0]["distance_1_3"] == 0.0
    assert rows[0]["distance_1_2"] == rows[0]["distance_2_3"] != 0.0
    assert (rows[0]["length_1"], rows[0]["length_2"], rows[0]["word_3"]) == (2, 1, "b")
    assert len(several_rows(report)) == 8
    assert several_rows(report, hide_rare=True) == []
    site = several_site_rows(report)[0]
    assert (site["mean_1_2"], site["neurons_1_2"], site["weighted_1_3"]) == (None, 0, 0.0)


def test_several_stages_are_sorted_by_the_distance_from_the_first_alone() -> None:
    first = made_stage({"m": [(0, "a", 1.0), (1, "a", 1.0), (1, "b", 1.0)]})
    second = made_stage({"m": [(0, "a", 1.0), (0, "b", 9.0), (1, "a", 1.0)]})
    third = made_stage({"m": [(0, "a", 1.0), (0, "b", 9.0), (1, "b", 1.0)]})
    rows = several_rows(compare_several([first, second, third]))
    assert [row["unit"] for row in rows[:2]] == [0, 1]
    assert rows[1]["distance_2_3"] == 1.0


def test_why_a_neuron_has_no_distance() -> None:
    first, second = (site.neurons for site in REPORT.sites)
    assert [why_undefined(first, unit) for unit in range(4)] == [
        "",
        "nothing after",
        "nothing before",
        "never activated",
    ]
    assert why_undefined(second, 0) == ""
    negative = made_stage({"m": [(0, "a", -1.0), (1, "a", 1.0)]})
    table = compare_stages(negative, negative).sites[0].neurons
    assert why_undefined(table, 0) == "no positive activation on one side"
    assert why_undefined(compare_stages(None, AFTER).sites[0].neurons, 0) == "no reference"
