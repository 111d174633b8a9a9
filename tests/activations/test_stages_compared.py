"""Two stages compared: what is in the report, what in the detail of a neuron, and what is said."""

import dataclasses

import numpy as np
import pytest
from made_stages import made_stage

from inspect_core.activations.compare import compare_stages, neuron_detail
from inspect_core.activations.neurons import DEAD, GONE, NEW, SHARED
from inspect_core.activations.rule import MAGNITUDE, Rule
from inspect_core.errors import UsageError

BEFORE = made_stage(
    {
        "m": [
            (0, "good/ADJ", 2.0),
            (0, "good/NOUN", 1.0),
            (0, "film/NOUN", 1.0),
            (1, "film/NOUN", 4.0),
            (2, "a/DET", 1.0),
        ]
    },
    title="base",
)
AFTER = made_stage(
    {"m": [(0, "good/ADJ", 1.0), (0, "bad/ADJ", 5.0), (0, "wow/INTJ", 1.0), (3, "a/DET", 2.0)]},
    title="tuned",
)


def test_lengths_counts_and_masses_of_both_sides() -> None:
    report = compare_stages(BEFORE, AFTER)
    table = report.sites[0].neurons
    assert report.titles == ("base", "tuned")
    assert (report.samples, report.tokens) == ((10, 10), (5, 4))
    assert table.state.tolist() == [SHARED, GONE, GONE, NEW]
    assert table.length.tolist() == [[2, 1, 1, 0], [3, 0, 0, 1]]
    assert table.union.tolist() == [4, 1, 1, 1]
    assert table.count.tolist() == [[3, 1, 1, 0], [3, 0, 0, 1]]
    assert table.mass.tolist() == [[4.0, 4.0, 1.0, 0.0], [7.0, 0.0, 0.0, 2.0]]
    assert table.tag_length is not None
    assert table.tag_length.tolist() == [[2, 1, 1, 0], [2, 0, 0, 1]]
    assert table.tag_union is not None
    assert table.tag_union.tolist() == [3, 1, 1, 1]
    assert table.top_word == (("good", "film", "a", ""), ("bad", "", "", "a"))


def test_a_word_is_one_whatever_its_tags() -> None:
    table = compare_stages(BEFORE, AFTER).sites[0].neurons
    # good 3/4 against 1/7; film, bad and wow have one side each.
    shared = (np.sqrt(3 / 4) - np.sqrt(1 / 7)) ** 2
    assert table.distance[0] == pytest.approx(np.sqrt((shared + 1 / 4 + 6 / 7) / 2), rel=1e-12)
    assert np.isnan(table.distance[1:]).all()
    assert table.tag_distance is not None
    # ADJ 2/4 against 6/7; NOUN and INTJ have one side each.
    tags = (np.sqrt(1 / 2) - np.sqrt(6 / 7)) ** 2 + 1 / 2 + 1 / 7
    assert table.tag_distance[0] == pytest.approx(np.sqrt(tags / 2), rel=1e-12)


def test_tags_of_one_side_alone_stay_in_frequency_and_mass() -> None:
    tags = {share.name: share for share in compare_stages(BEFORE, AFTER).sites[0].tags}
    assert list(tags) == ["NOUN", "ADJ", "DET", "INTJ"]
    assert tags["INTJ"].frequency == (0.0, 0.25)
    assert tags["INTJ"].mass == (0.0, pytest.approx(1 / 9))
    assert tags["NOUN"].frequency == (0.6, 0.0)
    assert tags["NOUN"].mass == (pytest.approx(6 / 9), 0.0)


def test_without_a_reference_both_sides_are_the_stage_and_nothing_has_a_distance() -> None:
    report = compare_stages(None, AFTER)
    table = report.sites[0].neurons
    assert report.titles == ("tuned", "tuned")
    assert (table.count[0] == table.count[1]).all()
    assert table.tag_distance is not None
    for distance in (table.distance, table.tag_distance, table.original):
        assert np.isnan(distance).all()
    assert table.union.tolist() == [3, 0, 0, 1]


def test_a_stage_compared_with_itself_has_not_moved() -> None:
    table = compare_stages(AFTER, AFTER).sites[0].neurons
    assert table.distance[[0, 3]].tolist() == [0.0, 0.0]
    assert np.isnan(table.distance[[1, 2]]).all()


def test_sites_of_one_side_are_named_in_a_note() -> None:
    before = made_stage({"x": [(0, "a", 1.0)], "only\x1b[2J": [(0, "a", 1.0)]}, title="base")
    after = made_stage({"y": [(0, "a", 1.0)], "x": [(0, "a", 1.0)]}, title="tuned")
    report = compare_stages(before, after)
    assert [site.neurons.site for site in report.sites] == ["x"]
    assert report.notes == (
        "only after (tuned), not compared: y",
        "only before (base), not compared: only\\x1b[2J",
    )


def test_a_prefix_more_or_less_is_the_same_site() -> None:
    words = [(0, "a", 1.0)]
    after = made_stage({f"bert.layer.{n}": words for n in range(3)} | {"head": words})
    before = made_stage({f"layer.{n}": words for n in range(3)} | {"head": words})
    for one, other in ((before, after), (after, before)):
        report = compare_stages(one, other)
        assert [site.neurons.site for site in report.sites] == [
            site.site.name for site in other.sites
        ]
        assert report.notes == ()
        last = other.sites[2].site.name
        assert neuron_detail(one, other, last, 0).words[0][0].word == "a"


def test_a_prefix_that_fits_two_sites_fits_none() -> None:
    words = [(0, "a", 1.0)]
    before = made_stage({"encoder.layer.0": words, "decoder.layer.0": words, "x": words})
    after = made_stage({"layer.0": words, "x": words})
    report = compare_stages(before, after)
    assert [site.neurons.site for site in report.sites] == ["x"]
    assert len(report.notes) == 2


def test_no_site_on_both_sides_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="no module is on both sides; choose"):
        compare_stages(made_stage({"x": [(0, "a", 1.0)]}), made_stage({"y": [(0, "a", 1.0)]}))


def test_sites_of_two_sizes_are_compared_by_number_and_said() -> None:
    before = made_stage({"m": [(0, "a", 1.0)]}, units=2)
    after = made_stage({"m": [(0, "a", 1.0), (4, "a", 1.0)]}, units=5)
    report = compare_stages(before, after)
    assert report.sites[0].neurons.state.tolist() == [SHARED, DEAD, DEAD, DEAD, NEW]
    assert report.notes == ("m: 2 neurons before, 5 after; compared by their number",)
    assert neuron_detail(before, after, "m", 4).words[0] == ()


def test_tags_of_one_stage_alone_are_not_compared() -> None:
    plain = made_stage({"m": [(0, "good", 1.0)]}, title="plain")
    report = compare_stages(BEFORE, plain)
    table = report.sites[0].neurons
    assert (table.tag_distance, table.tag_length, table.tag_union) == (None, None, None)
    assert report.sites[0].tags == ()
    assert report.notes == ("tags are not compared: only base has them",)
    assert neuron_detail(BEFORE, plain, "m", 0).tags == ()


def test_notes_of_both_stages_and_another_rule_are_said() -> None:
    before = dataclasses.replace(BEFORE, notes=("2 texts cut", "same"))
    after = dataclasses.replace(AFTER, notes=("same",), rule=Rule(sign=MAGNITUDE))
    report = compare_stages(before, after)
    assert report.rule == after.rule.words
    assert report.notes[:2] == ("2 texts cut", "same")
    assert report.notes[2].startswith("the sides count differently: strongest unit")
    assert compare_stages(None, after).notes == ("same",)
    cased = dataclasses.replace(AFTER, rule=Rule(lower=False))
    assert compare_stages(AFTER, cased).notes == (
        "only one side tells words apart that differ in case alone",
    )


def test_label_columns_are_matched_by_name() -> None:
    words = {"m": [(0, "a", 1.0), (0, "b", 1.0)]}
    before = made_stage(
        words,
        labels={
            "old": {"m": [(0, "z", 1.0)]},
            "rating": {"m": [(0, "5", 1.0), (0, "1", 1.0), (1, "5", 1.0)]},
        },
    )
    after = made_stage(words, labels={"rating": {"m": [(0, "1", 3.0), (1, "5", 2.0)]}})
    report = compare_stages(before, after)
    site = report.sites[0]
    (distance,) = site.neurons.label_distance
    expected = np.sqrt(((np.sqrt(0.5) - 1) ** 2 + 0.5) / 2)
    assert distance[:2] == pytest.approx([expected, 0.0])
    ((name, shares),) = site.labels
    assert name == "rating"
    masses = {share.name: share.mass for share in shares}
    assert masses == {"5": pytest.approx((2 / 3, 0.4)), "1": pytest.approx((1 / 3, 0.6))}
    assert report.notes == ("label column old is not compared: only one side has it",)
    ((_, of_neuron),) = neuron_detail(before, after, "m", 0).labels
    assert [share.name for share in of_neuron] == ["1", "5"]
    assert of_neuron[1].mass == (0.5, 0.0)


def test_a_neurons_strongest_words_and_tags_on_both_sides() -> None:
    detail = neuron_detail(BEFORE, AFTER, "m", 0)
    before, after = detail.words
    assert [(one.word, one.tag, one.mean) for one in before] == [
        ("good", "ADJ", 2.0),
        ("good", "NOUN", 1.0),
        ("film", "NOUN", 1.0),
    ]
    assert [one.share for one in before] == [0.5, 0.25, 0.25]
    assert after[0].word == "bad"
    assert (after[0].best, after[0].sample) == (5.0, 101)
    assert [(tag.name, tag.count) for tag in detail.tags] == [
        ("ADJ", (1, 2)),
        ("NOUN", (2, 0)),
        ("INTJ", (0, 1)),
    ]
    assert detail.tags[1].mass == (0.5, 0.0)
    assert len(neuron_detail(BEFORE, AFTER, "m", 0, most=1).words[0]) == 1
    assert len(neuron_detail(BEFORE, AFTER, "m", 0, most=0).words[0]) == 3


def test_the_mean_of_a_word_is_that_of_its_activations() -> None:
    stage = made_stage({"m": [(0, "a", 1.0), (0, "a", 4.0), (0, "b", -3.0)]})
    ((first, second), _) = neuron_detail(None, stage, "m", 0).words
    assert (first.word, first.count, first.mean, first.best) == ("a", 2, 2.5, 4.0)
    assert (second.word, second.mean, second.share) == ("b", -3.0, 0.0)


def test_a_neuron_or_site_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="m: has no neuron 4; its neurons are 0 to 3"):
        neuron_detail(BEFORE, AFTER, "m", 4)
    with pytest.raises(UsageError, match="is not a module that both sides have"):
        neuron_detail(BEFORE, AFTER, "n", 0)
