"""Which column is the text, and what is said where it is not clear."""

import pytest

from inspect_core.capture.texts import TextSource, look_at_texts, open_texts
from inspect_core.errors import LamellaError, UsageError

TABLE = "1\t0.5\tA good film\n2\t-1.0\tA bad film\n"
HEADED = "id\trating\treview\n1\t0.5\tA good film\n2\t-1.0\tA bad film\n"


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        (tmp_path / name).write_text(content)
        return str(tmp_path / name)

    return write


def first_of(path, **asked):
    return next(iter(open_texts(TextSource(path, **asked))))


def refusal(path, **asked):
    with pytest.raises(LamellaError) as caught:
        open_texts(TextSource(path, **asked))
    return str(caught.value)


def test_a_number_means_a_column(write):
    path = write("a.tsv", TABLE)
    texts = open_texts(TextSource(path, text="3", labels=("1", "2")))
    assert texts.labels == ("column 1", "column 2")
    assert [(one.text, one.labels) for one in texts] == [
        ("A good film", ("1", "0.5")),
        ("A bad film", ("2", "-1.0")),
    ]


def test_a_number_that_stands_in_the_first_row_is_a_number_still(write):
    path = write("a.tsv", "1\tA good film\n0\tA bad film\n")
    assert open_texts(TextSource(path, text="2", labels=("1",))).count == 2


def test_a_header_is_there_if_a_wanted_name_is_in_it(write):
    path = write("a.tsv", HEADED)
    assert first_of(path).text == "A good film"  # review is a known name
    assert first_of(path, text="review", labels=("rating",)).labels == ("0.5",)
    texts = open_texts(TextSource(path, text="3", labels=("rating",)))
    assert (texts.count, texts.labels) == (2, ("rating",))
    assert first_of(path, text="3").text == "A good film"  # not "review"
    assert first_of(write("b.tsv", TABLE.replace("2\t-1.0", "x\ty")), text="3").number == 0


def test_a_known_name_in_another_column_is_no_header(write):
    path = write("a.tsv", "text\tfirst row\nother\tsecond row\n")
    assert open_texts(TextSource(path, text="2")).count == 2


def test_a_column_named_by_a_year(write):
    path = write("a.csv", "text,2019\none,x\n")
    assert first_of(path, labels=("2019",)).labels == ("x",)


def test_one_column_needs_no_name(write):
    assert first_of(write("a.csv", '"one, two"\nthree\n')).text == "one, two"
    assert first_of(write("b.csv", "Sentence\none\n")).text == "one"


def test_where_it_is_not_clear_the_columns_are_listed(write):
    said = refusal(write("a.tsv", TABLE))
    assert "1: '1', 2: '0.5', 3: 'A good film'" in said
    assert "--text-column 3" in said
    said = refusal(write("b.jsonl", '{"a": "short", "b": "a long text", "c": 1}\n'))
    assert "a: 'short', b: 'a long text'" in said
    assert "--text-column b" in said


def test_a_column_that_is_not_there(write):
    assert "no column '4' for the text" in refusal(write("a.tsv", TABLE), text="4")
    assert "no column 'reveiw'" in refusal(write("b.tsv", HEADED), text="reveiw")
    said = refusal(write("b.tsv", HEADED), text="review", labels=("stars",))
    assert "no column 'stars' for the labels; the columns are id, rating, review" in said
    assert "several columns are called 'x'" in refusal(write("c.tsv", "text\tx\tx\n"), tags="x")
    assert "no column '0'" in refusal(write("a.tsv", TABLE), text="0")
    said = refusal(write("d.jsonl", '{"text": "a"}\n'), tags="pos")
    assert "no column 'pos' for the tags" in said


def test_lines_have_no_columns(write):
    path = write("a.txt", TABLE)
    assert "read as lines" in refusal(path, text="3")
    assert "read as lines" in refusal(path, text="review")
    assert "no columns for tags" in refusal(path, labels=("1",))
    look = look_at_texts(path)
    assert first_of(path, text=look.text).text == "1\t0.5\tA good film"


def test_tags_need_one_for_each_word(write):
    path = write(
        "a.tsv",
        "text\tpos\nA good film\tDT JJ NN\nIt 's bad\tPRP VBZ\nFine\t JJ \n\t\nBad\t\n"
        "No\tA B\nO\t\n",
    )
    texts = open_texts(TextSource(path, tags="pos"))
    assert [(one.number, one.tags) for one in texts] == [(0, ("DT", "JJ", "NN")), (1, ("JJ",))]
    assert texts.count == 2
    (note,) = texts.notes()
    assert note.startswith("4 texts have another number of words than of tags and are left out")
    assert "(lines 3, 6, 7, ...)" in note
    assert texts.sentences([1]) == ["Fine"]
    single = open_texts(TextSource(write("b.tsv", "text\tpos\na b\tX Y\nc\tX Y\n"), tags="pos"))
    assert "1 text has" in single.notes()[0]
    assert "(line 3)" in single.notes()[0]
    assert "no text has as many words as tags" in refusal(
        write("c.tsv", "text\tpos\na b\tX\n"), tags="pos"
    )


def test_lists_of_words_and_tags_in_json(write):
    path = write(
        "a.jsonl",
        '{"tokens": ["New York", "is", ""], "tags": [3, 0, "X"], "y": true, "z": 1.5}\n'
        '{"tokens": "a b", "tags": "A B", "y": null}\n',
    )
    one, other = open_texts(TextSource(path, tags="tags", labels=("y", "z")))
    assert (one.text, one.tags, one.labels) == ("New_York is _", ("3", "0", "X"), ("true", "1.5"))
    assert (other.text, other.tags, other.labels) == ("a b", ("A", "B"), ("", ""))
    said = refusal(write("b.jsonl", '{"text": "a", "y": [1]}\n'), labels=("y",))
    assert "line 1: 'y' is a list, not a label" in said
    said = refusal(write("c.jsonl", '{"text": "a", "t": [{}]}\n'), tags="t")
    assert "list of other things" in said


def test_a_look_at_a_table(write):
    look = look_at_texts(write("a.tsv", TABLE))
    assert (look.columns, look.has_header, look.text, look.rows, look.format) == (
        ("1", "2", "3"),
        False,
        None,
        2,
        "TSV",
    )
    assert look.first == (("1", "0.5", "A good film"), ("2", "-1.0", "A bad film"))
    look = look_at_texts(write("b.tsv", HEADED))
    assert (look.columns, look.has_header, look.text, look.rows) == (
        ("id", "rating", "review"),
        True,
        "review",
        2,
    )
    assert look.first[0] == ("1", "0.5", "A good film")
    look = look_at_texts(write("c.jsonl", '{"n": 1, "text": "a"}\n' * 8))
    assert (look.columns, look.text, look.rows) == (("n", "text"), "text", 8)
    assert look.first == (("1", "a"),) * 5
    look = look_at_texts(write("d.csv", "one\ntwo\n"))
    assert (look.columns, look.text, look.rows) == (("1",), "1", 2)
    look = look_at_texts(write("e.conll", "a X\nb Y\n\nc X\n"))
    assert (look.text, look.rows, look.first) == ("1", 2, (("a b", "X Y"), ("c", "X")))


def test_a_look_shows_no_more_than_a_look(write):
    deep = "[" * 500 + "]" * 500
    path = write(
        "a.jsonl", f'{{"text": "{"x" * 5000}", "w": ["a", "b"], "d": {deep}, "b": true}}\n'
    )
    (row,) = look_at_texts(path).first
    assert [len(row[0]), *row[1:]] == [1000, "a b", "(a list)", "true"]


def test_a_label_that_no_object_has_is_refused(tmp_path):
    path = tmp_path / "some.jsonl"
    path.write_text('{"text": "a b"}\n{"text": "c", "mood": "up"}\n')
    assert open_texts(TextSource(str(path), labels=("mood",))).count == 2
    with pytest.raises(UsageError, match="no column 'nope' for the labels"):
        open_texts(TextSource(str(path), labels=("nope",)))
