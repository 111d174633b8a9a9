"""What differs beside the weights: said key by key, and never more than a person can read."""

import json
import os
import shutil
from pathlib import Path

import pytest

from inspect_core.results.comparison import compare
from inspect_core.results.side_files import FileDifference, side_file_differences
from inspect_core.results.side_json import MOST_DIFFERENCES, json_differences
from tui.demo import demo_pair


@pytest.fixture
def folders(tmp_path):
    made = tmp_path / "old", tmp_path / "new"
    for folder in made:
        folder.mkdir()
    return made


def write(folders, name, *contents) -> None:
    """Write a file on both sides; None on a side leaves it out."""
    for folder, content in zip(folders, contents, strict=True):
        if content is not None:
            text = content if isinstance(content, str | bytes) else json.dumps(content)
            raw = text if isinstance(text, bytes) else text.encode()
            (folder / name).write_bytes(raw)


def told(folders) -> list[tuple]:
    return [(d.file, d.key, d.old, d.new) for d in side_file_differences(*folders)]


def test_a_config_is_told_key_by_key(folders) -> None:
    old = {"hidden_size": 6, "rope": {"theta": 1.0, "type": "a"}, "names": ["A"], "gone": None}
    new = {"hidden_size": 7, "rope": {"theta": 1.0, "type": "b"}, "names": ["B"], "more": False}
    write(folders, "config.json", old, new)
    assert told(folders) == [
        ("config.json", "hidden_size", "6", "7"),
        ("config.json", "rope.type", '"a"', '"b"'),
        ("config.json", "names", '["A"]', '["B"]'),
        ("config.json", "gone", "null", None),
        ("config.json", "more", None, "false"),
    ]


def test_who_wrote_it_comes_last_and_is_marked(folders) -> None:
    old = {"transformers_version": "4", "_name_or_path": "x", "size": 1}
    write(
        folders, "config.json", old, {"transformers_version": "5", "_name_or_path": "y", "size": 2}
    )
    write(folders, "generation_config.json", {"top_k": 1}, {"top_k": 2})
    found = side_file_differences(*folders)
    assert [d.minor for d in found] == [False, False, True, True]
    assert found[1] == FileDifference("generation_config.json", "top_k", "1", "2")


@pytest.mark.parametrize(
    ("old", "new"), [(1, True), (1, 1.0), (0, False), (None, 0), ("1", 1), ([1], [True]), ([], {})]
)
def test_values_of_other_types_are_not_the_same(old, new) -> None:
    assert len(json_differences({"key": old}, {"key": new})) == 1
    assert not json_differences({"key": old}, {"key": old})


def test_a_number_that_is_none_is_itself() -> None:
    assert not json_differences({"x": float("nan")}, {"x": float("nan")})
    assert len(json_differences({"x": float("nan")}, {"x": 1.0})) == 1


def test_numbers_beyond_64_bits_are_compared_as_they_are_written(folders) -> None:
    digits = ["9" * 23, "8" * 23, "1" + "0" * 5000, "9007199254740993"]
    old = f'{{"a": {digits[0]}, "b": 1e400, "c": 1e400, "d": {digits[3]}, "e": [{digits[2]}]}}'
    new = f'{{"a": {digits[1]}, "b": 1e500, "c": 1e400, "d": {digits[3][:-1]}2, "e": [-1e999]}}'
    write(folders, "config.json", old, new)
    found = {d.key: (d.old, d.new) for d in side_file_differences(*folders)}
    assert found.pop("e")[1] == "[-1e999]"
    assert found == {
        "a": (digits[0], digits[1]), "b": ("1e400", "1e500"),
        "d": ("9007199254740993", "9007199254740992"),
    }  # fmt: skip


def test_texts_that_look_the_same_are_told_apart() -> None:
    [found] = json_differences({"s": "caf\u00e9"}, {"s": "cafe\u0301"})
    assert found[1:] == (r'"caf\u00e9"', r'"cafe\u0301"')
    [found] = json_differences({"s": ["caf\u00e9", 1]}, {"s": ["cafe\u0301", 1]})
    assert found[1:] == (r'["caf\u00e9", 1]', r'["cafe\u0301", 1]')
    [found] = json_differences({"s": "caf\u00e9"}, {"s": "th\u00e9"})
    assert found[1:] == ('"caf\u00e9"', '"th\u00e9"')
    sides = {"s": "\uff21"}, {"s": "A"}
    assert json_differences(*sides)[0][1:] == (r'"\uff21"', '"A"')


def test_long_lists_are_told_item_by_item() -> None:
    old, new = list(range(10)), [*range(9), 99, 100]
    assert json_differences({"l": old}, {"l": new}) == [("l.9", "9", "99"), ("l.10", None, "100")]


def test_what_is_too_much_is_counted() -> None:
    found = json_differences({str(n): 0 for n in range(1000)}, {})
    assert len(found) == MOST_DIFFERENCES + 1
    assert found[-1].key == f"{1000 - MOST_DIFFERENCES} more"


def test_bytes_that_are_the_same_are_not_parsed(folders) -> None:
    write(folders, "config.json", "{broken", "{broken")
    assert told(folders) == []
    write(folders, "config.json", "{broken", "{}")
    [(file, key, _, new)] = told(folders)
    assert (file, key) == ("config.json", "") and new.startswith(
        "cannot be compared: not valid JSON"
    )


def test_other_spaces_and_order_are_no_difference(folders) -> None:
    write(folders, "config.json", '{"a": 1, "b": 2}', '{"b":2,"a":1}')
    assert told(folders) == []


def test_a_file_that_one_side_lacks(folders) -> None:
    write(folders, "adapter_config.json", None, {"r": 8})
    write(folders, "vocab.txt", "a\nb\n", None)
    write(folders, "merges.txt", "a b\n", "a c\n")
    assert told(folders) == [
        ("adapter_config.json", "", None, "8 bytes"),
        ("vocab.txt", "", "4 bytes", None),
        ("merges.txt", "", "4 bytes", "4 bytes, other content"),
    ]


def test_the_same_folder_and_none_differ_in_nothing(folders) -> None:
    write(folders, "config.json", {"a": 1}, {"a": 2})
    assert side_file_differences(folders[0], folders[0]) == ()
    assert side_file_differences(None, folders[0]) == ()


TOKENIZER = {
    "version": "1.0",
    "added_tokens": [{"id": 0, "content": "<s>", "special": True}],
    "normalizer": {"type": "Lowercase"},
    "model": {"type": "BPE", "vocab": {"<s>": 0, "a": 1, "b": 2}, "merges": ["a b", "b a"]},
}


def test_a_tokenizer_is_counted_not_listed(folders) -> None:
    new = json.loads(json.dumps(TOKENIZER))
    new["added_tokens"].append({"id": 3, "content": "<|im_end|>", "special": True})
    new["normalizer"] = None
    new["model"]["vocab"] = {"<s>": 0, "a": 2, "c": 1, "<|im_end|>": 3}
    new["model"]["merges"] = [["a", "b"], ["b", "c"], ["a", "a"]]
    new["model"]["byte_fallback"] = True
    write(folders, "tokenizer.json", TOKENIZER, new)
    assert [line[1:] for line in told(folders)] == [
        (
            "model.vocab",
            "3 tokens",
            "4 tokens: 2 new (<|im_end|>, c), 1 gone (b), 1 with another id",
        ),
        ("model.merges", "2 merges", "3 merges, the first other one is number 1"),
        ("added_tokens.<|im_end|>", None, "id 3, special"),
        ("model.byte_fallback", None, "true"),
        ("normalizer", "{1 key}", "null"),
    ]


def test_merges_in_pairs_are_those_in_words(folders) -> None:
    new = json.loads(json.dumps(TOKENIZER))
    new["model"]["merges"] = [["a", "b"], ["b", "a"]]
    write(folders, "tokenizer.json", TOKENIZER, new)
    assert told(folders) == []


def test_a_unigram_vocabulary_with_other_scores(folders) -> None:
    sides = [{"model": {"type": "Unigram", "vocab": [["a", s], ["b", -2.0]]}} for s in (-1.0, -3)]
    write(folders, "tokenizer.json", *sides)
    assert told(folders) == [
        ("tokenizer.json", "model.vocab", "2 tokens", "2 tokens: other scores")
    ]


@pytest.mark.parametrize(
    "raw", ["[]", '{"model": 1}', '{"model": {"vocab": {"a": "b"}}}', "[" * 99_999]
)
def test_a_tokenizer_of_no_known_kind(folders, raw) -> None:
    write(folders, "tokenizer.json", TOKENIZER, raw)
    [(_, _, _, new)] = told(folders)
    assert new.startswith("cannot be compared: not a tokenizer of a known kind")


def test_a_chat_template_says_how_many_lines_differ(folders) -> None:
    old = {"chat_template": "a\nb\nc", "padding_side": "left"}
    write(folders, "tokenizer_config.json", old, {**old, "chat_template": "a\nB\nc\nd"})
    assert told(folders) == [("chat template", "", "3 lines", "4 lines: 2 new, 1 gone")]


def test_a_template_that_only_moved_is_the_same(folders) -> None:
    write(folders, "tokenizer_config.json", {"chat_template": "a\nb"}, {})
    write(folders, "chat_template.jinja", None, "a\nb")
    assert told(folders) == []
    (folders[1] / "chat_template.jinja").unlink()
    assert told(folders) == [("chat template", "", "2 lines", None)]


def test_named_templates(folders) -> None:
    def named(text):
        return {"chat_template": [{"name": "tool", "template": text}, {"name": "x"}, 7]}

    write(folders, "tokenizer_config.json", named("a"), named("b\na"))
    assert told(folders) == [("chat template", "tool", "1 line", "2 lines: 1 new, 0 gone")]


def test_hostile_files_are_told_safely(folders) -> None:
    evil = "\x1b[2J\u202e"
    write(folders, "config.json", {evil: evil}, {evil: evil * 1000, "deep": {}})
    write(folders, "tokenizer_config.json", "[" * 100_000, "{}")
    write(folders, "generation_config.json", b"\xff", "{}")
    os.mkfifo(folders[0] / "vocab.txt")
    write((folders[1],), "vocab.txt", "a")
    (folders[0] / "special_tokens_map.json").symlink_to("nowhere")
    write((folders[1],), "special_tokens_map.json", "{}")
    found = side_file_differences(*folders)
    assert {d.file for d in found} >= {
        "config.json", "tokenizer_config.json", "generation_config.json", "vocab.txt",
        "special_tokens_map.json",
    }  # fmt: skip
    for text in [text for d in found for text in (d.key, d.old, d.new) if text]:
        assert "\x1b" not in text and "\u202e" not in text and "\n" not in text
        assert len(text) <= 300


def test_deep_keys_do_not_pile_up() -> None:
    old: object = 1
    new: object = 2
    for _ in range(900):
        old, new = {"k" * 50: old}, {"k" * 50: new}
    [difference] = json_differences(old, new)
    assert len(difference.key) <= 120 and difference[1:] == ("1", "2")


def test_a_large_file_is_not_looked_into(folders, monkeypatch) -> None:
    monkeypatch.setattr("inspect_core.results.side_files.MOST_BYTES", 10)
    write(folders, "config.json", {"a": "x" * 20}, {"a": "y" * 30})
    assert told(folders) == [("config.json", "", "29 bytes", "39 bytes, other content")]


def test_a_comparison_has_them_unless_it_is_of_a_few_tensors(tmp_path) -> None:
    base, model = map(Path, demo_pair())
    here = tmp_path / "model"
    shutil.copytree(model, here)
    config = json.loads((base / "config.json").read_text())
    (here / "config.json").write_text(json.dumps(config | {"hidden_size": 1}))
    [difference] = compare(str(base), str(here)).files
    assert (difference.key, difference.new) == ("hidden_size", "1")
    assert compare(str(base), str(here), keep=lambda match: False).files == ()
