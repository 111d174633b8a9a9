"""Files of texts: what is read, what is refused and with which words."""

import csv
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspect_core.capture.texts import TextSource, look_at_texts, open_texts
from inspect_core.capture.texts.lines import MOST_LINE
from inspect_core.errors import FilesChanged, LamellaError


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def texts_of(path, **asked):
    return [sample.text for sample in open_texts(TextSource(path, **asked))]


def message(path, **asked):
    with pytest.raises(LamellaError) as caught:
        list(open_texts(TextSource(path, **asked)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


FORMS = {
    "a.txt": 'one two\n\n  \nthree "four\nfive\n',
    "a": 'one two\r\nthree "four\r\nfive',
    "a.tsv": '1\tone two\n2\tthree "four\n\n3\tfive\n',
    "a.csv": '1,one two\n2,"three ""four"\n\n3,five\n',
    "a.jsonl": '{"text": "one two"}\n{"n": 2, "text": "three \\"four"}\n\n{"text":"five"}',
    "a.ndjson": '{"text": "one two"}\n{"text": "three \\"four"}\n{"text": "five"}\n',
    "a.json": '{"text": "one two"}\n{"text": "three \\"four"}\n{"text": "five"}\n',
    "a.TSV": 'id\tText\n1\tone two\n2\tthree "four\n3\tfive',
    "bom.csv": b'\xef\xbb\xbfsentence,id\none two,1\n"three ""four",2\nfive,3\n',
    "bom.txt": b'\xef\xbb\xbfone two\nthree "four\nfive',
    "a.conll": 'one X\ntwo Y\n\nthree X\n"four Y\n\nfive X\n',
}


@pytest.mark.parametrize("name", FORMS)
def test_the_same_texts_in_every_form(tmp_path, name):
    column = "2" if name in ("a.tsv", "a.csv") else None
    path = written(tmp_path, name, FORMS[name])
    texts = open_texts(TextSource(path, text=column))
    assert [(one.number, one.text.strip()) for one in texts] == [
        (0, "one two"),
        (1, 'three "four'),
        (2, "five"),
    ]
    assert texts.count == 3
    assert texts.notes() == ()


PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=6))
def test_whatever_the_library_writes_is_read_again(tmp_path, pairs):
    pairs = [("text", "label"), ("always one", ""), *pairs]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows(pairs)
    lines = [json.dumps(dict(zip(pairs[0], pair, strict=True))) for pair in pairs[1:]]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    wanted = [(text, label.strip()) for text, label in pairs[1:] if text.strip()]
    for name in ("a.csv", "a.jsonl"):
        texts = open_texts(TextSource(str(tmp_path / name), labels=("label",)))
        assert [(one.text, *one.labels) for one in texts] == wanted


def test_a_csv_cell_may_hold_lines(tmp_path):
    path = written(tmp_path, "a.csv", 'text,id\n"one\ntwo, three",1\nfour,2\n')
    assert texts_of(path) == ["one\ntwo, three", "four"]


def test_a_line_ends_at_a_line_feed_alone(tmp_path):
    path = written(tmp_path, "a.txt", "one\x0btwo\u2028three\x85four\nfive")
    assert texts_of(path) == ["one\x0btwo\u2028three\x85four", "five"]


def test_lines_are_whole_wherever_the_file_is_cut_for_reading(tmp_path, monkeypatch):
    monkeypatch.setattr("inspect_core.capture.texts.lines._CHUNK", 7)
    wanted = ["ä" * length for length in range(1, 20)]
    assert texts_of(written(tmp_path, "a.txt", "\r\n".join(wanted))) == wanted


def test_at_most_so_many(tmp_path):
    path = written(tmp_path, "a.txt", "one\n\ntwo\nthree\n")
    some = open_texts(TextSource(path, most=2))
    assert some.count == 2
    assert [one.text for one in some] == ["one", "two"]
    assert "at least one" in message(path, most=0)


def test_texts_are_read_again_as_often_as_wanted(tmp_path):
    path = written(tmp_path, "a.txt", "".join(f"text {number}\n" for number in range(2000)))
    texts = open_texts(TextSource(path))
    assert [one.text for one in texts] == [one.text for one in texts]
    one, other = iter(texts), iter(texts)
    assert next(one) == next(other)
    assert texts.sentences([7, 1, 7, 5000, -1]) == ["text 7", "text 1", "text 7", "", ""]
    assert texts.sentences([]) == []


def test_sentences_are_read_no_further_than_needed(tmp_path):
    content = "one\ntwo\nthree\n" + "x\n" * 10
    path = written(tmp_path, "a.txt", content)
    texts = open_texts(TextSource(path))
    seen = []
    texts._samples = lambda: (seen.append(one.number) or one for one in type(texts)._samples(texts))
    assert texts.sentences([1]) == ["two"]
    assert seen == [0, 1]


def test_a_changed_file_is_noticed(tmp_path):
    path = written(tmp_path, "a.txt", "one\ntwo\n")
    texts = open_texts(TextSource(path))
    written(tmp_path, "a.txt", "one\nother\n")
    with pytest.raises(FilesChanged):
        texts.sentences([1])
    with pytest.raises(FilesChanged):
        list(texts)


def test_the_fingerprint_is_of_what_is_given(tmp_path):
    def of(name, content, **asked):
        return open_texts(TextSource(written(tmp_path, name, content), **asked)).fingerprint

    same = of("a.txt", "one\ntwo\n")
    assert of("b.txt", "one\r\n\r\ntwo\nthree", most=2) == same
    assert of("c.tsv", "text\tid\none\t1\ntwo\t2\n") == same
    assert of("d.txt", "onet\nwo\n") != same
    labelled = of("c.tsv", "text\tid\none\t1\ntwo\t2\n", labels=("id",))
    tagged = of("c.tsv", "text\tid\none\t1\ntwo\t2\n", tags="id")
    assert len({same, labelled, tagged}) == 3


REFUSED = {
    "empty.txt": ("", "holds no text"),
    "blank.txt": ("\n \n\t\r\n", "holds no text"),
    "header.tsv": ("text\tid\n", "holds no text"),
    "empty.csv": ("\n\n", "holds no text"),
    "latin.txt": ("fine\ncaf\xe9 au lait\n".encode("latin1"), "line 2 is not UTF-8: byte 4"),
    "surrogate.txt": (b"\xed\xa0\x80\n", "not UTF-8"),
    "nul.txt": (b"fine\nno\0text\n", "line 2 holds a NUL at byte 3"),
    "odd.bin": (b"\x01\x02\xff\x80 no text\n", "give a file of texts"),
    "wide.txt": ("fine".encode("utf-16"), "iconv -f UTF-16"),
    "packed.txt": (b"\x1f\x8b\x08rest", "gzip archive"),
    "sheet.csv": (b"PK\x03\x04rest", "spreadsheet"),
    "long.txt": (b"fine\n" + b"x" * (MOST_LINE + 1), "line 2 is longer than 1,048,576 bytes"),
    "long2.txt": (b"x" * (MOST_LINE + 1) + b"\nfine", "line 1 is longer than"),
    "ragged.tsv": ("text\tid\none\t1\n\ntwo\n", "line 4 has 1 columns, line 1 has 2"),
    "ragged.csv": ('text,id\n"one\ntwo",1\nthree\n', "line 4 has 1 columns, line 1 has 2"),
    "quote.csv": ('text,id\n"one,1\ntwo,2\n', "the row in line 2 never ends"),
    "inner.csv": ('text,id\n"one"two,1\n', "line 2 is no CSV"),
    "many.tsv": ("text" + "\t" * 20_000, "20,001 columns"),
    "twice.jsonl": ('{"text": "a"}\n{"text": "a", "text": "b"}\n', "line 2: 'text' is there twice"),
    "number.jsonl": ('{"text": "a"}\n{"text": 3}\n', "line 2: 'text' is a number, not a text"),
    "lacks.jsonl": ('{"text": "a"}\n{"other": "b"}\n', "line 2: there is no 'text'"),
    "null.jsonl": ('{"text": "a"}\n{"text": null}\n', "line 2: 'text' is null"),
    "list.jsonl": ('{"text": "a"}\n["b"]\n', "line 2 is no JSON object"),
    "cut.jsonl": ('{"text": "a"}\n{"text": "b\n', "line 2: not valid JSON"),
    "half.jsonl": ('{"text": "\\ud800"}\n', "line 1:"),
    "deep.jsonl": ('{"text": ' + "[" * 100_000, "line 1: nested too deeply"),
    "array.json": ('[{"text": "a"}, {"text": "b"}]', "jq -c '.[]'"),
    "pretty.json": ('[\n  {"text": "a"}\n]\n', "jq -c '.[]'"),
    "object.json": ('{\n  "text": "a"\n}\n', "jq -c '.[]'"),
    "words.conll": ("a X\nb\n", "line 2 has 1 columns, the one before it 2"),
}


BAD_TEXTS_ALONE = ("header.tsv", "number.jsonl", "lacks.jsonl", "null.jsonl")
"""Tables that can be looked at."""


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    content, said = REFUSED[name]
    path = written(tmp_path, name, content)
    assert said in message(path)
    assert name in message(path)
    if name not in BAD_TEXTS_ALONE:
        with pytest.raises(LamellaError):
            look_at_texts(path)


def test_an_unbalanced_quote_is_found_long_before_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("inspect_core.capture.texts.rows.MOST_ROW", 1000)
    path = written(tmp_path, "a.csv", 'text,id\n"one,1\n' + "two,2\n" * 10_000)
    assert "the row in line 2 never ends" in message(path)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    assert "not a regular file" in message(str(tmp_path / "pipe.txt"))
    assert "not a regular file" in message("/dev/zero")
    assert "a folder" in message(str(tmp_path))
    assert "no such file" in message(str(tmp_path / "none.txt"))
    assert "not a possible file name" in message("a\0b")


def test_a_text_of_one_line(tmp_path):
    assert texts_of(written(tmp_path, "a.txt", "only one")) == ["only one"]


def test_foreign_text_in_messages_is_cleaned(tmp_path):
    path = written(tmp_path, "a.jsonl", '{"text": "a", "\\u001b[31m": 1, "\\u001b[31m": 2}\n')
    assert "\x1b" not in message(path)
    path = written(tmp_path, "b.tsv", "\x1b[31mred\tother\n")
    assert "\x1b" not in message(path)


def test_universal_dependencies(tmp_path):
    content = (
        "# text = I don't.\n1\tI\ti\tPRON\n2-3\tdon't\t_\t_\n2\tdo\tdo\tAUX\n3\tn't\tnot\tPART\n"
        "4\t.\t.\tPUNCT\n\n# next\n1\t#\t#\tSYM\n2\tof 2\tof\tX\n"
    )
    path = written(tmp_path, "a.conllu", content)
    samples = list(open_texts(TextSource(path, tags="4")))
    assert [(one.text, one.tags) for one in samples] == [
        ("I do n't .", ("PRON", "AUX", "PART", "PUNCT")),
        ("# of_2", ("SYM", "X")),
    ]


def test_words_under_each_other_with_tags(tmp_path):
    path = written(tmp_path, "a.conll", "-DOCSTART- -X-\n\nThe DT\n# NN\n\n\nsat VBD\n")
    samples = list(open_texts(TextSource(path, tags="2")))
    assert [(one.text, one.tags) for one in samples] == [
        ("The #", ("DT", "NN")),
        ("sat", ("VBD",)),
    ]
    assert "tags" in message(path, labels=("2",))


def test_a_control_can_stop_the_reading(tmp_path):
    from inspect_core.control import Control
    from inspect_core.errors import Cancelled

    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        open_texts(TextSource(written(tmp_path, "a.txt", "one")), control)
