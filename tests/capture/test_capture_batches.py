"""Texts side by side: nothing is lost, nothing is counted twice, padding is nobody's word."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_files import KINDS, word_pieces

from inspect_core.capture import batches as module
from inspect_core.capture.batches import BatchSize, make_batch, make_batches
from inspect_core.capture.texts import Sample
from inspect_core.capture.tokenizer import wrap_tokenizer
from inspect_core.capture.words import split_words
from inspect_core.control import Control
from inspect_core.errors import Cancelled, UsageError

PIECES = wrap_tokenizer(word_pieces())
SMALL = BatchSize(rows=3, tokens=40, most=16)


def samples(*texts):
    return [Sample(number, text) for number, text in enumerate(texts)]


def words_by_sample(batches):
    found = {}
    for batch in batches:
        for row, number in enumerate(batch.samples):
            found[int(number)] = [batch.words[at] for at in np.flatnonzero(batch.rows == row)]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_the_texts_are(kind):
    tokenizer = wrap_tokenizer(KINDS[kind]())

    @given(st.lists(st.text("thecat é'- .,\u0301👩中", max_size=30), min_size=1, max_size=9))
    def holds(texts):
        batches = make_batches(samples(*texts), tokenizer, SMALL)
        seen = []
        for batch in batches:
            rows, longest = batch.ids.shape
            assert rows <= SMALL.rows
            assert rows == 1 or rows * longest <= SMALL.tokens
            assert longest <= SMALL.most
            assert batch.attended.any(axis=0).all(), "no column is padding alone"
            assert (batch.ids[~batch.attended] == 0).all()
            assert (batch.word[~batch.attended] == -1).all()
            # Padded on the right.
            assert (np.diff(batch.attended.astype(int), axis=1) <= 0).all()
            assert set(batch.word[batch.word >= 0]) == set(range(len(batch.words)))
            at_row, _ = np.nonzero(batch.word >= 0)
            assert (batch.rows[batch.word[batch.word >= 0]] == at_row).all()
            assert (np.diff(batch.word[batch.word >= 0]) >= 0).all()
            for word, row in zip(batch.words, batch.rows, strict=True):
                text = texts[batch.samples[row]]
                assert word in [text[start:end] for start, end in split_words(text)]
            seen += batch.samples.tolist()
        assert len(seen) == len(set(seen)) == batches.given
        assert batches.given + batches.wordless == len(texts)

    holds()


def test_the_words_of_texts_of_many_lengths():
    texts = ["the cat", "a", "cat's", "the cat the cat the cat"]
    found = words_by_sample(make_batches(samples(*texts), PIECES, SMALL))
    assert found == {0: ["the", "cat"], 1: ["a"], 2: ["cat's"], 3: ["the", "cat"] * 3}


def test_a_word_of_several_tokens():
    batch = next(make_batches(samples("The bat, cat"), PIECES))
    assert batch.words == ("The", "bat", ",", "cat")
    assert batch.word.tolist() == [[-1, 0, 1, 1, 1, 2, 3, -1]]
    assert batch.tags is None


def test_batches_are_sorted_by_length_inside_a_window_alone(monkeypatch):
    monkeypatch.setattr(module, "WINDOW", 4)
    texts = ["a b c", "a", "a b", "a", "a b c d", "a"]
    size = BatchSize(rows=2)
    made = [batch.samples.tolist() for batch in make_batches(samples(*texts), PIECES, size)]
    assert made == [[1, 3], [2, 0], [5, 4]]
    assert made == [b.samples.tolist() for b in make_batches(samples(*texts), PIECES, size)]


def test_a_window_ends_at_so_many_characters(monkeypatch):
    monkeypatch.setattr(module, "WINDOW_CHARACTERS", 5)
    windows = module._windows(samples("abc", "def", "g"))
    assert [len(window) for window in windows] == [2, 1]


def test_cut_texts_are_counted_and_their_words_end_there():
    batches = make_batches(samples("the cat " * 20, "the"), PIECES, BatchSize(most=6))
    assert words_by_sample(batches) == {0: ["the", "cat", "the", "cat"], 1: ["the"]}
    assert (batches.cut, batches.tokens, batches.given) == (1, 5, 2)
    assert batches.notes() == ("1 text was cut to 6 tokens",)


def test_texts_without_a_word_are_left_out():
    batches = make_batches(samples("\x01", "the", "\u200b"), PIECES)
    assert words_by_sample(batches) == {1: ["the"]}
    assert batches.notes() == ("2 texts have no words for the tokenizer and are left out",)


def test_nothing_at_all():
    assert list(make_batches([], PIECES)) == []


def test_tags_of_the_file_are_for_words_between_white_space():
    texts = [
        Sample(0, "  I don't  , no", ("PRP", "VB", ",", "UH"), ("pos",)),
        Sample(1, "cat " * 400, ("NN",) * 400, ("neg",)),
        Sample(2, "the end", ("DT", "NN"), ("",)),
    ]
    batch = make_batch([(one, PIECES.encode([one.text], 16)[0]) for one in texts], lambda _: ["X"])
    tagged = list(zip(batch.words, batch.tags, batch.rows, strict=True))
    assert tagged[:4] == [("I", "PRP", 0), ("don't", "VB", 0), (",", ",", 0), ("no", "UH", 0)]
    assert tagged[4:-2] == [("cat", "NN", 1)] * 14
    assert tagged[-2:] == [("the", "DT", 2), ("end", "NN", 2)]
    assert batch.labels == (("pos",), ("neg",), ("",))


def test_a_tagger_sees_the_words_of_one_text():
    seen = []

    def tagger(words):
        seen.append(words)
        return [word.upper() for word in words]

    batch = next(make_batches(samples("the\x01cat", "a b"), PIECES, tagger=tagger))
    assert seen == [["the", "\x01", "cat"], ["a", "b"]] or seen[0] == ["a", "b"]
    # A word without a token has no tag that counts.
    assert batch.words == tuple(tag.lower() for tag in batch.tags)


def test_a_tokenizer_without_places_makes_words_of_its_tokens():
    tokenizer = wrap_tokenizer(lambda text: text.encode())
    batch = next(make_batches(samples("ab", "c", "ab"), tokenizer, tagger=lambda words: words))
    assert batch.words == batch.tags == ("c", "97", "98", "97", "98")
    assert batch.word.tolist() == [[0, -1], [1, 2], [3, 4]]
    tagged = [Sample(0, "ab", ("X",))]
    with pytest.raises(UsageError, match="tags need a tokenizer"):
        next(make_batches(tagged, tokenizer))


def test_places_beyond_the_text_do_not_reach_the_next_one():
    class Wrong:
        notes = ()
        fingerprint = ""

        def encode(self, texts, most):
            (found,) = PIECES.encode(["the"], most)
            found.offsets[1] = [2, 50]
            return [found for _ in texts]

    batch = next(make_batches(samples("the", "cat"), Wrong()))
    assert batch.word.tolist() == [[-1, 0, -1], [-1, 1, -1]]


def test_a_control_can_stop_it():
    control = Control()
    batches = make_batches(samples("a"), PIECES, control=control)
    control.cancel()
    with pytest.raises(Cancelled):
        next(batches)
