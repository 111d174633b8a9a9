"""What chance gives for a column of labels, and what is said where labels do not fit."""

import math

import numpy as np
import pytest

from inspect_core.geometry.landscape import Measured
from inspect_core.geometry.measure import measure_space
from inspect_core.geometry.report import landscape
from inspect_core.geometry.representations import MEAN, Representations

COUNT = 120


def space(labels, *layers, title="toy", names=(), column="mood"):
    rng = np.random.default_rng(0)
    found = layers or (rng.standard_normal((len(labels), 3)),)
    names = names or tuple(f"layer.{k}" for k in range(len(found)))
    texts = np.arange(len(labels))
    return Representations(title, names, found, ((column, tuple(labels)),), texts, MEAN)


def report_of(labels, *layers, measured=None, **more):
    return landscape([space(labels, *layers, **more)], measured or Measured(k=8))[0]


def test_chance_is_what_labels_dealt_out_at_random_give():
    labels = ["up"] * 70 + ["down"] * 40 + ["flat"] * 10
    (found,) = report_of(labels).labels
    assert found.column == "mood"
    assert found.counts == (("up", 70), ("down", 40), ("flat", 10))
    assert found.majority == pytest.approx(70 / 120)
    rng = np.random.default_rng(1)
    points = rng.standard_normal((COUNT, 3))
    nearest, overlap = [], []
    for _ in range(150):
        dealt = rng.permutation(labels)
        one = measure_space(space(dealt, points), Measured(k=8))[0].layers[0].labels[0]
        nearest.append(one.nearest)
        overlap.append(one.overlap)
    for seen, wanted in ((nearest, found.nearest), (overlap, found.overlap)):
        assert abs(np.mean(seen) - wanted) < 4 * np.std(seen) / math.sqrt(len(seen))
    assert found.overlap == pytest.approx((69 + 39 + 9) / 3 / 119)


@pytest.mark.parametrize("count", [0, 1])
def test_chance_of_next_to_nothing(count):
    (found,) = report_of(["up"] * count, np.zeros((count, 2))).labels
    assert math.isnan(found.nearest) and math.isnan(found.overlap)


def test_counts_and_the_commonest_answer_are_noted():
    notes = report_of(["positive"] * 77 + ["negative"] * 40 + ["zero"] * 3).notes
    told = "mood: positive 77, negative 40, zero 3: always answering 'positive' is right for .642"
    assert told in notes
    few = [note for note in notes if "30 neighbours" in note]
    assert len(few) == 1 and "zero" in few[0] and "negative" not in few[0]


def test_a_share_of_each_label_needs_no_warning():
    measured = Measured(k=8, share=0.3)
    notes = report_of(["positive"] * 77 + ["zero"] * 43, measured=measured).notes
    assert not any("30 neighbours" in note for note in notes)


@pytest.mark.parametrize("column", ["rating", "column 2", "name"])
def test_a_label_a_text_is_no_label(column):
    values = [f"{at / 7:.3f}" if column != "name" else f"n{at}" for at in range(COUNT)]
    notes = report_of(values, column=column).notes
    assert len(notes) == 1 and "120 different labels" in notes[0]
    meant = {"rating": "meant rating:sign?", "column 2": "meant 2:sign?"}
    assert notes[0].endswith(meant.get(column, "120 texts"))


def test_foreign_labels_are_made_safe():
    notes = report_of(["a\x1b[31m"] * 60 + ["b"] * 60).notes
    assert "\x1b" not in "".join(notes)


def test_equal_points_with_other_labels():
    rng = np.random.default_rng(2)
    points = rng.standard_normal((COUNT, 3))
    few, many = points.copy(), points.copy()
    few[1] = few[0]
    many[1:60:2] = many[0:60:2]
    labels = ["up", "down"] * 60
    found, _ = measure_space(space(labels, few, many), Measured(k=8))
    first, second = (layer.labels[0] for layer in found.layers)
    assert not math.isnan(first.nearest) and not first.why
    assert math.isnan(second.nearest) and math.isnan(second.rand) and math.isnan(second.overlap)
    assert "60 of 120 texts" in second.why and "another label" in second.why
    told = [note for note in found.notes if "another label" in note]
    assert len(told) == 1 and "mood" in told[0] and "2 texts" in told[0]


def test_equal_points_of_one_label_are_no_trouble():
    points = np.random.default_rng(2).standard_normal((COUNT, 3))
    points[2:60:2] = points[0]
    found, _ = measure_space(space(["up", "down"] * 60, points), Measured(k=8))
    assert not found.layers[0].labels[0].why
    assert not any("another label" in note for note in found.notes)


def test_one_label_left_is_not_one_label_of_all():
    points = np.random.default_rng(2).standard_normal((COUNT, 3))
    points[1] = points[0]
    found, _ = measure_space(space(["up", "down", *["up"] * 118], points), Measured(k=8))
    why = found.layers[0].labels[0].why
    assert "all texts" not in why and "all distinct points" in why


@pytest.mark.parametrize("count", [3, 8])
def test_below_k_and_one_points_no_label_measure_is_told(count):
    found, _ = measure_space(space(["up", "down"] * 60), Measured(k=8))
    assert found.layers[0].labels[0].nearest > 0
    some = space((["up", "down"] * 60)[:count])
    one = measure_space(some, Measured(k=8, overlap_k=2))[0].layers[0].labels[0]
    assert math.isnan(one.nearest) and math.isnan(one.overlap) and math.isnan(one.rand)
    assert f"{count} distinct points" in one.why


def test_a_constant_layer_says_so():
    flat = np.ones((COUNT, 3))
    found, _ = measure_space(space(["up", "down"] * 60, flat, np.zeros((COUNT, 2))), Measured(k=8))
    assert all(one.why == "n/a: constant: all texts give the same point" for one in found.layers)
    assert found.layers[0].labels[0].why == found.layers[0].why
    one = measure_space(space(["up"], np.ones((1, 3))), Measured(k=8))[0].layers[0]
    assert one.why == "n/a: 1 distinct point, and 16 neighbours are needed"


def test_one_layer_of_several_has():
    values = np.random.default_rng(2).standard_normal((COUNT, 3))
    broken = values.copy()
    broken[3] = np.nan
    flat = np.ones((COUNT, 3))
    found, _ = measure_space(space(["up", "down"] * 60, values, flat, broken), Measured(k=8))
    assert any(note.startswith("1 of 3 layers has fewer than 80") for note in found.notes)
    assert any(note.startswith("1 of 3 layers has texts with NaN") for note in found.notes)


def test_layers_paired_by_position_are_said_to_be():
    values = np.random.default_rng(2).standard_normal((COUNT, 3))
    labels = ["up", "down"] * 60
    one = space(labels, values, values, title="one")
    longer = space(labels, values, values, values, title="longer")
    other = space(labels, values, values, title="other", names=("block.0", "block.1"))
    told = [n for n in landscape([one, longer, other, one], Measured(k=8))[0].notes
            if "paired by position" in n]  # fmt: skip
    assert told == [
        "one and longer: layers are paired by position: 2 against 3",
        "one and other: layers are paired by position: their names differ",
    ]
