"""Tokenizer files that ask for the machine, or for files outside their folder."""

import json
import threading
import time

import pytest
from tokenizer_files import KINDS, saved, word_pieces
from tokenizers import normalizers

from inspect_core.capture import tokenizer as module
from inspect_core.capture.tokenizer import open_tokenizer, wrap_tokenizer
from inspect_core.errors import CheckpointError, LamellaError


def with_parts(folder, **parts):
    saved(word_pieces(), folder)
    made = json.loads((folder / "tokenizer.json").read_text()) | parts
    (folder / "tokenizer.json").write_text(json.dumps(made))
    return folder


def replaces(pattern, content, times=1):
    one = {"type": "Replace", "pattern": pattern, "content": content}
    return {"type": "Sequence", "normalizers": [one] * times}


@pytest.mark.parametrize(
    "normalizer",
    [
        replaces({"String": "a"}, "aa", 30),
        replaces({"Regex": "."}, "\u1234\u1234", 12),
        replaces({"Regex": "\u1234|a"}, "\u1234\u1234", 12),
        {"type": "Sequence", "normalizers": [replaces({"String": "a"}, "aaa", 5)] * 5},
        {"type": "Prepend", "prepend": "cat " * 400_000},
        replaces({"String": " "}, "cat" * 1_000),
    ],
)
def test_normalizers_that_blow_texts_up_are_refused(normalizer, tmp_path):
    with pytest.raises(CheckpointError, match=r"makes texts .* longer|characters"):
        open_tokenizer(with_parts(tmp_path, normalizer=normalizer))


@pytest.mark.parametrize(
    "normalizer",
    [
        replaces({"String": " "}, "\u2581"),
        {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"},
            {"type": "Replace", "pattern": {"String": "\n"}, "content": " <newline> "},
            {"type": "Replace", "pattern": {"String": "\t"}, "content": " <tab> "},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"},
        ]},
    ],
)  # fmt: skip
def test_usual_normalizers_are_not(normalizer, tmp_path):
    open_tokenizer(with_parts(tmp_path, normalizer=normalizer)).encode(["the cat"], 64)


@pytest.mark.parametrize("kind", KINDS)
def test_nor_are_usual_tokenizers(kind, tmp_path):
    open_tokenizer(saved(KINDS[kind](), tmp_path)).encode(["the cat"], 64)


def test_a_live_tokenizer_that_blows_texts_up(tmp_path):
    made = word_pieces()
    made.normalizer = normalizers.Sequence([normalizers.Replace("a", "aa")] * 30)
    with pytest.raises(LamellaError, match="makes texts"):
        wrap_tokenizer(made)


def test_a_template_that_repeats_the_text_without_end(tmp_path):
    made = json.loads(word_pieces().to_str())["post_processor"]
    made["single"] = [made["single"][1]] * 5_000
    with pytest.raises(CheckpointError, match=r"5,000 pieces"):
        open_tokenizer(with_parts(tmp_path, post_processor=made))


def test_ids_beyond_all_vocabularies(tmp_path):
    model = {"type": "WordLevel", "vocab": {"a": 0, "b": 4_000_000_000}, "unk_token": "a"}
    with pytest.raises(CheckpointError, match=r"a token 4,000,000,000"):
        open_tokenizer(with_parts(tmp_path, model=model, added_tokens=[], post_processor=None))


def test_texts_that_take_too_long_are_given_up(tmp_path, monkeypatch):
    tokenizer = open_tokenizer(saved(word_pieces(), tmp_path))
    monkeypatch.setattr(module, "MOST_SECONDS", 0.05)
    go_on = threading.Event()

    class Endless:
        def encode_batch(self, _):
            go_on.wait(30)
            return []

        def __getattr__(self, name):
            return lambda *_, **__: 0

    monkeypatch.setattr(tokenizer, "_library", Endless())
    start = time.monotonic()
    with pytest.raises(CheckpointError, match=r"takes more than .* for 1 text"):
        tokenizer.encode(["the cat"], 64)
    go_on.set()
    assert time.monotonic() - start < 20


def vocabulary(folder):
    folder.mkdir(parents=True, exist_ok=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s"]
    (folder / "vocab.txt").write_text("\n".join(pieces))
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return folder


@pytest.mark.parametrize(
    "config",
    [
        {"fast_tokenizer_files": ["../outside/tokenizer.4.0.0.json"]},
        {"fast_tokenizer_files": ["{outside}/tokenizer.4.0.0.json"]},
        {"tokenizer_file": "../outside/tokenizer.4.0.0.json"},
        {"tokenizer_file": "{outside}/tokenizer.4.0.0.json"},
        {"vocab_file": "{outside}/vocab.txt"},
        {"init_inputs": ["{outside}/vocab.txt"]},
    ],
)
def test_no_file_outside_the_folder_is_read(config, tmp_path):
    outside = tmp_path / "outside"
    saved(word_pieces(), outside)
    (outside / "tokenizer.json").rename(outside / "tokenizer.4.0.0.json")
    vocabulary(outside)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    text = json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"} | config)
    (folder / "tokenizer_config.json").write_text(text.replace("{outside}", str(outside)))
    with pytest.raises(CheckpointError, match=r"transformers makes no tokenizer|outside"):
        open_tokenizer(folder)


def test_where_a_file_once_was_does_not_matter(tmp_path):
    config = {
        "tokenizer_class": "BertTokenizer", "name_or_path": "/content/drive/model",
        "special_tokens_map_file": "/root/.cache/x/special_tokens_map.json",
        "tokenizer_file": None, "do_lower_case": False,
    }  # fmt: skip
    one = vocabulary(tmp_path / "one")
    (one / "tokenizer_config.json").write_text(json.dumps(config))
    (found,) = open_tokenizer(one).encode(["the cats The"], 64)
    assert found.ids.tolist() == [2, 5, 6, 7, 1, 3]  # its other settings count
    two = vocabulary(tmp_path / "two")
    (two / "tokenizer_config.json").write_text(json.dumps(config))
    assert open_tokenizer(one).fingerprint == open_tokenizer(two).fingerprint
    assert open_tokenizer(one).fingerprint == open_tokenizer(one).fingerprint


@pytest.mark.parametrize("text", ["[1]", "{", "\x00", '{"a": ' + "[" * 100_000])
def test_a_broken_config_of_a_tokenizer(text, tmp_path):
    (vocabulary(tmp_path) / "tokenizer_config.json").write_text(text)
    with pytest.raises(CheckpointError) as caught:
        open_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)
