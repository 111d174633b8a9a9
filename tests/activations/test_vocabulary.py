"""Features are numbered as they come."""

import pytest

from inspect_core.activations.vocabulary import Vocabulary
from inspect_core.errors import LamellaError


def test_words_are_numbered_in_the_order_they_are_met():
    words = Vocabulary()
    assert words.number(["b", "a", "b"]).tolist() == [0, 1, 0]
    assert words.number(["c", "a", "B"]).tolist() == [2, 1, 3]
    features = words.features()
    assert features.names == ("b", "a", "c", "B")
    assert (features.kind, features.tags) == ("word", None)


def test_case_is_dropped_where_asked():
    words = Vocabulary(lower=True)
    assert words.number(["Good", "GOOD", "good"]).tolist() == [0, 0, 0]
    assert words.features().names == ("good",)


def test_a_word_with_another_tag_is_another_feature():
    words = Vocabulary()
    assert words.number(["like", "like", "like"], ["VERB", "ADP", "VERB"]).tolist() == [0, 1, 0]
    assert words.number(["like", "like"], ["", ""]).tolist() == [2, 2]
    features = words.features()
    assert features.names == ("like", "like", "like")
    assert features.tags == ("VERB", "ADP", "")


def test_texts_without_tags_beside_some_with():
    words = Vocabulary()
    assert words.number(["a"]).tolist() == words.number(["a"], [""]).tolist() == [0]
    assert words.features().tags == ("",)


def test_occurrences_are_counted_apart():
    words = Vocabulary("mood")
    for _ in range(3):
        words.count(words.number([str(number) for number in range(300)]))
    words.number(["new"])
    features = words.features()
    assert features.kind == "mood"
    assert features.occurrences.tolist() == [3] * 300 + [0]


def test_too_many_distinct_ones():
    words = Vocabulary(most=2)
    words.number(["a", "b", "a"])
    with pytest.raises(LamellaError, match=r"word: more than 2 distinct.*fewer texts"):
        words.number(["a", "c"])


def test_too_long_ones():
    words = Vocabulary(characters=10)
    words.number(["aaaa", "bbbb", "aaaa"])
    words.number(["aaaa"] * 9)
    with pytest.raises(LamellaError, match="10 characters"):
        words.number(["ccc"])
