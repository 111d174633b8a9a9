"""Words of a text, and tokens aligned with them."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_files import KINDS

from inspect_core.capture.tokenizer import wrap_tokenizer
from inspect_core.capture.words import split_at_spaces, split_words, word_of_tokens

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(
    "aé'-’ .,3 \u0301\u200d👩🇩🇪中文で\x1c\u00a0\u2028_", max_size=30
)


def words(text):
    return [text[start:end] for start, end in split_words(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Don't stop-it, it’s 'quoted'!", "Don't|stop-it|,|it’s|'|quoted|'|!"),
        ("co-writer/director a- -b a--b", "co-writer|/|director|a|-|-|b|a|--|b"),
        ("3.5 1,000, 10. x.y", "3.5|1,000|,|10|.|x|.|y"),
        ("foo_bar @me #tag", "foo|_|bar|@|me|#|tag"),
        ("中国 です", "中|国|です"),
        ("cafe\u0301 हिन्दी می\u200cخواهم", "cafe\u0301|हिन्दी|می\u200cخواهم"),
        ("👩‍👩‍👧🇩🇪🇫🇷👍🏽1️⃣❤️", "👩‍👩‍👧|🇩🇪|🇫🇷|👍🏽|1️⃣|❤️"),
        ("... ''x'' ?! 😂😂", "...|''|x|''|?|!|😂|😂"),
        (" \t\u00a0\u2028\x1c", ""),
    ],
)
def test_words(text, wanted):
    assert words(text) == [word for word in wanted.split("|") if word]


@given(TEXTS)
def test_each_character_is_in_exactly_one_word_unless_it_is_white_space(text):
    spans = split_words(text)
    inside = [at for start, end in spans for at in range(start, end)]
    assert inside == [at for at, char in enumerate(text) if not char.isspace()]
    assert all(start < end for start, end in spans)


@given(TEXTS)
def test_what_stands_between_white_space(text):
    assert [text[start:end] for start, end in split_at_spaces(text)] == text.split()


@given(TEXTS)
def test_words_do_not_cross_white_space(text):
    assert "".join(words(text)) == "".join(text.split())


def test_a_text_that_repeats_what_is_tried_is_split_quickly():
    for part in ("a-", "'", "\u0301", "1,", "a'", "\u200d"):
        assert len(words(part * 100_000)) <= 100_000


def aligned(text, encoded):
    spans = np.array(split_words(text), np.int64).reshape(-1, 2)
    return word_of_tokens(spans[:, 0], spans[:, 1], encoded.offsets, encoded.special)


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_of_words_on_every_kind_of_tokenizer(kind):
    tokenizer = wrap_tokenizer(KINDS[kind]())

    @given(TEXTS)
    def holds(text):
        (encoded,) = tokenizer.encode([text], 512)
        found = aligned(text, encoded)
        spans = split_words(text)
        assert (found[encoded.special] == -1).all()
        runs = [word for word, _ in groupby(found.tolist()) if word >= 0]
        assert runs == sorted(set(runs)), "the tokens of a word follow each other"
        for word, (start, end) in zip(found, encoded.offsets, strict=True):
            part = text[start:end]
            if part.strip() and word >= 0:
                first = start + len(part) - len(part.lstrip())
                assert spans[word][0] <= first < spans[word][1]

    holds()


def test_every_word_has_tokens_where_bytes_are_tokens():
    text = "The  cat's 👩‍👩‍👧 cafe\u0301, 3.5 中国!\n"
    (encoded,) = wrap_tokenizer(KINDS["bytes"]()).encode([text], 512)
    found = aligned(text, encoded)
    assert set(found) - {-1} == set(range(len(words(text))))


def test_a_tokenizer_that_decomposes_still_points_into_the_text():
    text = "Thé ÇAT"
    (encoded,) = wrap_tokenizer(KINDS["decomposed"]()).encode([text], 512)
    found = aligned(text, encoded)
    first = [text[start:end] for start, end in encoded.offsets[found == 0]]
    assert first == ["Thé", "é"]
    assert {"Ç", "A", "T"} <= {text[start:end] for start, end in encoded.offsets[found == 1]}


def of(spans, offsets, special=None):
    places = np.array(spans, np.int64).reshape(-1, 2)
    tokens = np.array(offsets, np.int64).reshape(-1, 2)
    marks = np.zeros(len(tokens), bool) if special is None else np.array(special, bool)
    return word_of_tokens(places[:, 0], places[:, 1], tokens, marks).tolist()


def test_a_token_belongs_to_the_word_of_its_first_character_that_is_no_space():
    spans = [(0, 3), (5, 8), (8, 9)]
    assert of(spans, [(0, 3), (3, 8), (8, 9)]) == [0, 1, 2]
    assert of(spans, [(2, 9), (3, 5), (4, 6)]) == [0, -1, 1]
    assert of(spans, [(5, 9)]) == [1]
    assert of(spans, [(0, 0), (3, 3), (9, 9), (20, 30)]) == [-1, -1, -1, -1]
    assert of([], [(0, 1)]) == [-1]
    assert of(spans, []) == []


def test_a_token_without_characters_inside_a_word_belongs_to_it():
    assert of([(0, 4), (5, 6)], [(0, 2), (2, 2), (2, 4), (4, 4), (5, 6)]) == [0, 0, 0, -1, 1]


def test_a_special_token_inside_a_word_ends_it():
    tokens = [(0, 1), (1, 3), (3, 4), (4, 5), (6, 7)]
    assert of([(0, 5), (6, 7)], tokens, [0, 1, 0, 0, 0]) == [0, -1, -1, -1, 1]


def test_words_never_go_back():
    assert of([(0, 2), (3, 5)], [(0, 2), (3, 4), (1, 2), (4, 5)]) == [0, 1, 1, 1]
