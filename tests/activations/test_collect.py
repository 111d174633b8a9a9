"""The visitor of a run: what it counts of outputs, batch by batch."""

import numpy as np
import pytest
import torch
from made_outputs import made_batch, made_output, plainly_activated

from inspect_core.activations.collect import Counting
from inspect_core.activations.rule import MAX, OVER, POSITIVE, TOP, VALUE, Rule
from inspect_core.capture.output import Site
from inspect_core.errors import LamellaError

SITE = Site("layer.0")
UNITS = 6
TEXTS = [
    ["The", "cat", "the", ("unlikely", 3)],
    ["a", "cat"],
    [("unlikely", 2), "The", "dog", "a", "CAT"],
    [],
    ["dog"],
]


def batches(size, texts=TEXTS, labels=None):
    for start in range(0, len(texts), size):
        part = texts[start : start + size]
        yield made_batch(
            part,
            samples=range(start, start + len(part)),
            labels=labels[start : start + size] if labels else (),
        )


def values_of(batch, site=SITE):
    """Values that depend on the text and the place in it alone, not on the batch."""
    rows = [
        np.random.default_rng([len(site.path), sample]).normal(size=(12, UNITS))
        for sample in batch.samples.tolist()
    ]
    return np.array(rows)[:, : batch.word.shape[1]]


def counted(rule, parts, sites=(SITE,), labels=()):
    counting = Counting(rule, labels)
    for batch in parts:
        for site in sites:
            counting.visit(batch, made_output(values_of(batch, site), batch.word, site))
    return counting


def by_name(counts, features):
    names = features.names
    if features.tags is not None:
        names = tuple(zip(features.names, features.tags, strict=True))
    columns = (counts.unit, counts.feature, counts.count, counts.mass, counts.best, counts.sample)
    return {
        (unit, names[feature]): (count, pytest.approx(mass), best, sample)
        for unit, feature, count, mass, best, sample in zip(
            *(column.tolist() for column in columns), strict=True
        )
    }


def plainly(rule, parts, name_of=lambda batch, word: batch.words[word].lower()):
    found = {}
    for batch in parts:
        activated, _ = plainly_activated(values_of(batch), batch.word, rule)
        for (word, unit), activation in activated.items():
            key = unit, name_of(batch, word)
            found.setdefault(key, []).append((activation, -batch.samples[batch.rows[word]]))
    return {
        key: (len(rows), sum(row[0] for row in rows), max(rows)[0], -max(rows)[1])
        for key, rows in found.items()
    }


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("kind", [MAX, TOP, OVER])
def test_counts_whatever_the_batches(kind, size):
    rule = Rule(kind, POSITIVE, k=2, threshold=0.4)
    counting = counted(rule, batches(size))
    (site,) = counting.sites([SITE])
    features = counting.words.features()
    assert by_name(site.words, features) == plainly(rule, batches(1))
    assert (site.site, site.words.units, site.labels) == (SITE, UNITS, ())
    assert dict(zip(features.names, features.occurrences.tolist(), strict=True)) == {
        "the": 3, "cat": 3, "unlikely": 2, "a": 2, "dog": 2,
    }  # fmt: skip


def test_case_kept():
    counting = counted(Rule(lower=False), batches(5))
    assert set(counting.words.features().names) >= {"The", "the", "cat", "CAT"}


def test_several_sites_are_counted_apart_and_come_in_the_order_asked():
    one, two = Site("a"), Site("bb", side="input")
    counting = counted(Rule(), batches(2), [one, two])
    both = counting.sites([two, Site("never called"), one])
    assert [site.site for site in both] == [two, one]
    for site in both:
        (alone,) = counted(Rule(), batches(2), [site.site]).sites([site.site])
        np.testing.assert_array_equal(alone.words.mass, site.words.mass)
    # Each word occurred once, however many sites saw it.
    assert counting.words.features().occurrences.sum() == 12


def test_labels_of_a_text_count_for_each_of_its_words():
    labels = [("good", "x"), ("bad", ""), ("good", "y"), ("none", "x"), ("", "x")]
    rule = Rule(TOP, VALUE, k=3)
    counting = counted(rule, batches(2, labels=labels), labels=("mood", "source"))
    (site,) = counting.sites([SITE])
    mood, source = counting.label_features()
    assert (mood.kind, source.kind) == ("mood", "source")

    def label(at):
        return lambda batch, word: batch.labels[batch.rows[word]][at]

    for at, (counts, features) in enumerate(zip(site.labels, (mood, source), strict=True)):
        expected = plainly(rule, batches(1, labels=labels), label(at))
        expected = {key: value for key, value in expected.items() if key[1]}
        assert by_name(counts, features) == expected
    assert dict(zip(mood.names, mood.occurrences.tolist(), strict=True)) == {
        "good": 9, "bad": 2, "none": 0,
    }  # fmt: skip
    assert dict(zip(source.names, source.occurrences.tolist(), strict=True)) == {"x": 5, "y": 5}


def test_tags_make_features():
    batch = made_batch([["like", "it", "like"]], tags=("VERB", "PRON", "ADP"))
    counting = counted(Rule(), [batch])
    (site,) = counting.sites([SITE])
    features = counting.words.features()
    expected = plainly(Rule(), [batch], lambda batch, word: (batch.words[word], batch.tags[word]))
    assert by_name(site.words, features) == expected
    assert len(expected) > 1


def test_nan_and_infinity_are_left_out_and_told():
    batch = made_batch([["a", ("b", 2), "c"]])
    values = torch.ones(*batch.word.shape, 3)
    values[0, 0] = float("nan")  # the special token
    values[0, 1, 0] = float("nan")
    values[0, 3, 2] = float("inf")
    counting = Counting(Rule())
    counting.visit(batch, made_output(values, batch.word, Site("bad\x1b[31m")))
    (site,) = counting.sites([Site("bad\x1b[31m")])
    assert site.words.unit.tolist() == [0, 0, 1]
    assert np.isfinite(site.words.mass).all()
    (note,) = counting.notes()
    assert "2 words" in note
    assert "\x1b" not in note


def test_no_notes_without_a_reason():
    assert counted(Rule(), batches(2)).notes() == ()


def test_notes_of_many_modules_are_few():
    batch = made_batch([["a"]])
    counting = Counting(Rule())
    for number in range(40):
        values = torch.full((*batch.word.shape, 2), float("nan"))
        counting.visit(batch, made_output(values, batch.word, f"layer.{number}"))
    assert len(counting.notes()) < 10
    assert "more modules" in counting.notes()[-1]


def test_a_site_whose_width_changes_is_left_out():
    first, second = (made_batch([["a", "b"]], samples=[number]) for number in range(2))
    counting = Counting(Rule())
    for batch, width in ((first, 3), (second, 4), (first, 3)):
        counting.visit(batch, made_output(torch.ones(1, 3, width), batch.word, "scores"))
        counting.visit(batch, made_output(torch.ones(1, 3, 2), batch.word, SITE))
    assert [site.site for site in counting.sites([Site("scores"), SITE])] == [SITE]
    assert counting.notes() == ("scores: left out, its width differs from batch to batch",)


def test_too_many_pairs(monkeypatch):
    monkeypatch.setattr("inspect_core.activations.tally.PENDING", 0)
    counting = Counting(Rule(OVER, VALUE, threshold=-9), pairs=20)
    batch = made_batch(TEXTS)
    with pytest.raises(LamellaError, match="more than 20 pairs"):
        counting.visit(batch, made_output(values_of(batch), batch.word, SITE))


def test_a_label_with_a_value_for_each_text_is_told():
    from inspect_core.activations.vocabulary import Vocabulary

    counting = Counting(Rule(), ("rating", "mood"))
    rating, mood = counting._labels
    rating.number([str(at / 8) for at in range(60)])
    mood.number(["up", "down"])
    assert isinstance(rating, Vocabulary)
    (told,) = counting.notes()
    assert "rating has 60 values" in told and "rating:sign" in told
