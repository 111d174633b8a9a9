"""Tokenizers: of a file, of this process, and what is said where there is none."""

import io
import json

import numpy as np
import pytest
from tokenizer_files import KINDS, byte_pairs, saved, word_pieces
from tokenizers import Tokenizer, models, pre_tokenizers

from inspect_core.capture.encoded import CHARACTERS_A_TOKEN
from inspect_core.capture.tokenizer import open_tokenizer, wrap_tokenizer
from inspect_core.errors import LamellaError, UsageError


def refusal(place):
    with pytest.raises(LamellaError) as caught:
        open_tokenizer(place)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_of_a_folder_of_a_file_and_beside_the_weights(tmp_path):
    saved(word_pieces(), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "tokenizer.json").rename(tmp_path / "other.json")
    one = open_tokenizer(tmp_path / "other.json")
    saved(word_pieces(), tmp_path)
    for place in (tmp_path, str(tmp_path), tmp_path / "model.safetensors"):
        assert open_tokenizer(place).fingerprint == one.fingerprint
    assert open_tokenizer(saved(byte_pairs(), tmp_path / "b")).fingerprint != one.fingerprint


def test_tokens_offsets_and_what_is_special(tmp_path):
    (found,) = open_tokenizer(saved(word_pieces(), tmp_path)).encode(["Thé CAT §"], 512)
    assert found.offsets.tolist() == [[0, 0], [0, 3], [4, 7], [8, 9], [0, 0]]
    # A word that the vocabulary lacks is a word still.
    assert found.special.tolist() == [True, False, False, False, True]
    assert found.ids.dtype == found.offsets.dtype == np.int64
    assert found.ids[[0, -1]].tolist() == [2, 3]
    assert not found.cut
    assert found.pieces is None


def test_neither_the_padding_nor_the_length_of_the_file_is_used(tmp_path):
    tokenizer = open_tokenizer(saved(word_pieces(), tmp_path))
    text = "the cat " * 20
    short, long = tokenizer.encode(["the", text], 512)
    assert (len(short.ids), len(long.ids), long.cut) == (3, 42, False)
    (cut,) = tokenizer.encode([text], 8)
    assert (len(cut.ids), cut.cut) == (8, True)
    assert cut.special.tolist() == [True, *[False] * 6, True]
    (whole,) = tokenizer.encode([text], 42)
    assert (len(whole.ids), whole.cut) == (42, False)


def test_no_room_for_a_word(tmp_path):
    tokenizer = open_tokenizer(saved(word_pieces(), tmp_path))
    with pytest.raises(UsageError, match=r"leave no room for a word.*needs 3 or more"):
        tokenizer.encode(["the"], 2)
    assert len(tokenizer.encode(["the cat"], 3)[0].ids) == 3


def test_special_tokens_that_stand_in_a_text_are_no_words(tmp_path):
    (found,) = open_tokenizer(saved(word_pieces(), tmp_path)).encode(["the [SEP] [UNK] cat"], 512)
    assert found.special.tolist() == [True, False, True, False, False, True]


def test_a_book_on_one_line_is_not_read_whole(tmp_path):
    tokenizer = open_tokenizer(saved(word_pieces(), tmp_path))
    (found,) = tokenizer.encode([" " * 8 * CHARACTERS_A_TOKEN + "the"], 8)
    assert found.cut
    assert found.special.all()


def test_dropout_is_for_training():
    made = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")], dropout=0.5))
    tokenizer = wrap_tokenizer(made)
    assert {tuple(one.ids) for one in tokenizer.encode(["ab"] * 50, 8)} == {(2,)}
    assert made.model.dropout == 0.5


def test_without_any(tmp_path):
    said = refusal(tmp_path)
    assert "no tokenizer in this folder" in said
    assert "--tokenizer DIR" in said
    assert "no such file" in refusal(tmp_path / "none")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert str(tmp_path) in refusal(tmp_path / "model.safetensors")


BROKEN = {
    "empty": b"",
    "no json": b"\x80\x04K\x00.",
    "an object": b"{}",
    "a config": b'{"model_type": "bert"}',
    "a model of no kind": b'{"model": {"type": "\\u001b[31m\\n"}}',
    "deep": b'{"model":' + b"[" * 100_000,
    "no id": json.dumps({"model": {"type": "WordLevel", "vocab": {"a": "b"}}}).encode(),
    "a bomb of numbers": b'{"version": 1e999999999, "model": 1}',
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file(tmp_path, kind):
    (tmp_path / "tokenizer.json").write_bytes(BROKEN[kind])
    said = refusal(tmp_path)
    assert "not a tokenizer" in said
    assert "\x1b" not in said


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    saved(word_pieces(), tmp_path)
    monkeypatch.setattr("inspect_core.capture.tokenizer.MOST_FILE", 100)
    assert "more than the 100 accepted" in refusal(tmp_path)


def test_a_tokenizer_that_fails_on_a_text_says_so(tmp_path):
    made = Tokenizer(models.WordLevel({"a": 0}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = open_tokenizer(saved(made, tmp_path))
    with pytest.raises(LamellaError, match="fails on these texts"):
        tokenizer.encode(["b"], 8)


def test_a_bug_of_the_library_is_one_line_too(tmp_path):
    made = json.loads(word_pieces().to_str())
    charsmap = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(made | {"normalizer": charsmap}))
    assert "not a tokenizer" in refusal(tmp_path)
    apart = {"type": "FixedLength", "length": 0}
    (tmp_path / "tokenizer.json").write_text(json.dumps(made | {"pre_tokenizer": apart}))
    with pytest.raises(LamellaError, match="fails on these texts"):
        open_tokenizer(tmp_path).encode(["the"], 8)


def test_an_expression_that_never_ends_is_given_up(tmp_path):
    made = json.loads(word_pieces().to_str())
    made["pre_tokenizer"] = {
        "type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": False,
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(made))
    with pytest.raises(LamellaError, match="fails on these texts"):
        open_tokenizer(tmp_path).encode(["a" * 40 + "b"], 64)


def test_a_template_that_repeats_the_text_is_refused(tmp_path):
    made = json.loads(word_pieces().to_str())
    made["post_processor"]["single"] *= 2
    (tmp_path / "tokenizer.json").write_text(json.dumps(made))
    with pytest.raises(LamellaError, match="12 tokens where 8 were asked for"):
        open_tokenizer(tmp_path).encode(["the cat the cat the cat"], 8)


def test_a_vocabulary_alone_is_read_by_transformers(tmp_path, capfd):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (found,) = open_tokenizer(tmp_path).encode(["The cats"], 512)
    assert found.ids.tolist() == [2, 5, 6, 7, 3]
    assert found.offsets.tolist() == [[0, 0], [0, 3], [4, 7], [7, 8], [0, 0]]
    assert capfd.readouterr() == ("", "")


def test_code_of_the_folder_is_never_run(tmp_path, monkeypatch):
    config = {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["mine.Mine", None]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    said = refusal(tmp_path)
    assert "transformers makes no tokenizer of this folder" in said
    assert "--tokenizer DIR" in said
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_live_tokenizer_is_left_as_it_is(kind):
    made = KINDS[kind]()
    before = made.to_str()
    tokenizer = wrap_tokenizer(made)
    (found,) = tokenizer.encode(["the cat sat"], 5)
    assert len(found.ids) <= 5
    assert made.to_str() == before
    assert wrap_tokenizer(made).fingerprint == tokenizer.fingerprint
    assert wrap_tokenizer(tokenizer) is tokenizer


def test_a_fast_tokenizer_of_transformers():
    from transformers import PreTrainedTokenizerFast

    given = PreTrainedTokenizerFast(tokenizer_object=word_pieces())
    (found,) = wrap_tokenizer(given).encode(["the cat"], 512)
    assert found.offsets.tolist() == [[0, 0], [0, 3], [4, 7], [0, 0]]


class Slow:
    """What a tokenizer of transformers that is written in Python offers."""

    unk_token_id = 1

    def __call__(self, text, truncation=False, max_length=None):
        ids = [2, *(5 + len(word) for word in text.split()), 3]
        return {"input_ids": [*ids[: max_length - 1], 3] if truncation else ids}

    def convert_ids_to_tokens(self, ids):
        return [f"t{number}" for number in ids]

    def get_special_tokens_mask(self, ids, already_has_special_tokens):
        return [int(number in (2, 3)) for number in ids]

    def get_vocab(self):
        return {"a": 1}


def test_a_slow_tokenizer_has_no_places():
    tokenizer = wrap_tokenizer(Slow())
    one, cut = tokenizer.encode(["a bb", "a bb ccc"], 4)
    assert one.pieces == ("t2", "t6", "t7", "t3")
    assert one.special.tolist() == [True, False, False, True]
    assert (one.cut, cut.cut) == (False, True)
    assert cut.ids.tolist() == [2, 6, 7, 3]
    assert "each is a word of its own" in tokenizer.notes[0]
    assert tokenizer.fingerprint == wrap_tokenizer(Slow()).fingerprint


def test_a_function():
    tokenizer = wrap_tokenizer(lambda text: [len(word) for word in text.split()])
    (found,) = tokenizer.encode(["the long cat"], 2)
    assert found.ids.tolist() == [3, 4]
    assert found.offsets.tolist() == [[0, 3], [4, 8]]
    assert found.cut
    letters = wrap_tokenizer(lambda text: np.frombuffer(text.encode(), np.uint8))
    (found,) = letters.encode(["ab"], 8)
    assert found.pieces == ("97", "98")
    assert letters.fingerprint == tokenizer.fingerprint == ""  # nobody knows what they do


def test_what_is_no_tokenizer():
    with pytest.raises(UsageError, match="a int is no tokenizer"):
        wrap_tokenizer(3)
    with pytest.raises(UsageError, match="not a list of ids"):
        wrap_tokenizer(lambda text: None).encode(["a"], 8)
    with pytest.raises(UsageError, match="not a list of ids"):
        wrap_tokenizer(lambda text: text.split()).encode(["a"], 8)
