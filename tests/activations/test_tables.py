"""The original's tables, read strictly."""

from pathlib import Path

import numpy as np
import pytest

from inspect_core.activations import tables
from inspect_core.activations.tables import open_table
from inspect_core.errors import LamellaError, UsageError

HEAD = "inputs\tPOS\tmax_activations\tmax_activation_index\n"


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "model.tsv"
    path.write_text(text)
    return str(path)


def test_rows_of_a_neuron_and_word_add_up(tmp_path: Path) -> None:
    text = HEAD + "the\tDT\t0.5\t3\nfilm\tNN\t0.25\t0\nthe\tDT\t0.75\t3\n\nthe\tNN\t-1e-1\t3.0\n"
    stage = open_table(written(tmp_path, text))
    counts = stage.sites[0].words
    assert stage.words.names == ("the", "film", "the")
    assert stage.words.tags == ("DT", "NN", "NN")
    assert stage.words.occurrences.tolist() == [2, 1, 1]
    assert counts.units == 4
    assert counts.unit.tolist() == [0, 3, 3]
    assert counts.feature.tolist() == [1, 0, 2]
    assert counts.count.tolist() == [1, 2, 1]
    assert counts.mass.tolist() == [0.25, 1.25, -0.1]
    assert counts.best.tolist() == [0.25, 0.75, -0.1]
    assert counts.sample.tolist() == [-1, -1, -1]
    assert (stage.title, stage.tokens, stage.samples) == ("model.tsv", 4, 0)
    assert stage.notes == ()


def test_columns_in_any_order_among_others_and_without_tags(tmp_path: Path) -> None:
    head = "\tmax_activation_index\tlabels\tinputs\tmax_activations\n"
    text = head + "0\t2\tpos\ta\t1\n1\t2\tneg\ta\t3\n"
    stage = open_table(written(tmp_path, text), title="early", labels=["labels"])
    assert stage.title == "early"
    assert stage.words.tags is None
    assert stage.labels[0].kind == "labels"
    assert stage.labels[0].names == ("pos", "neg")
    assert stage.labels[0].occurrences.tolist() == [1, 1]
    assert stage.sites[0].labels[0].mass.tolist() == [1.0, 3.0]
    assert stage.sites[0].words.mass.tolist() == [4.0]


def test_quotation_marks_are_words_like_others(tmp_path: Path) -> None:
    stage = open_table(written(tmp_path, HEAD + '"\t``\t1\t0\n""""\t``\t1\t0\n'))
    assert stage.words.names == ('"', '""""')


def test_ends_of_sentences_count_and_are_said(tmp_path: Path) -> None:
    stage = open_table(written(tmp_path, HEAD + "a\tX\t1\t0\neos\teos\t1\t0\neop\teop\t1\t1\n"))
    assert stage.words.names == ("a", "eos", "eop")
    assert stage.notes == (
        "model.tsv: 2 ends of sentences (eos, eop) count as words, as published",
    )


def test_many_rows_give_the_sums_of_a_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    rows = [
        f"w{generator.integers(9)}\tT\t{generator.integers(1, 9)}\t{generator.integers(5)}\n"
        for _ in range(500)
    ]
    path = written(tmp_path, HEAD + "".join(rows))
    whole = open_table(path).sites[0].words
    monkeypatch.setattr(tables, "_BLOCK", 7)
    parts = open_table(path).sites[0].words
    for field in ("unit", "feature", "count", "mass", "best"):
        assert (getattr(whole, field) == getattr(parts, field)).all()
    assert whole.count.sum() == 500


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a\tX\tnan\t0", "line 3: 'nan' is no activation"),
        ("a\tX\tinf\t0", "line 3: 'inf' is no activation"),
        ("a\tX\t1e39\t0", "line 3: '1e39' is no activation"),
        ("a\tX\t1_0\t0", "line 3: '1_0' is no activation"),
        ("a\tX\t0,5\t0", "line 3: '0,5' is no activation"),
        ("a\tX\t\t0", "line 3: '' is no activation"),
        ("a\tX\t1\t-1", "line 3: '-1' is no number of a neuron"),
        ("a\tX\t1\t1.5", "line 3: '1.5' is no number of a neuron"),
        ("a\tX\t1\t\u0663", "is no number of a neuron"),
        ("a\tX\t1\t99999999", "line 3: neuron 99999999 of at most 1,048,576"),
        ("a\tX\t1\t" + "9" * 5000, "line 3: neuron 9999"),
        ("a\tX\t1", "line 3 has 3 columns, the first has 4"),
        ("a\tX\t\x1b[2J\t0", r"'\\x1b\[2J' is no activation"),
    ],
)
def test_a_row_that_makes_no_sense_is_named_by_its_line(
    tmp_path: Path, row: str, message: str
) -> None:
    with pytest.raises(LamellaError, match=message):
        open_table(written(tmp_path, HEAD + "b\tX\t1\t0\n" + row + "\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds nothing; a table has the columns inputs, POS"),
        (HEAD, "holds no row below its first"),
        ("a\tb\n1\t2\n", "has no column 'inputs'.*it has a, b"),
        (HEAD.replace("POS", "inputs"), "several columns are called 'inputs'"),
        ("plain text", "has no column 'inputs'"),
    ],
)
def test_what_is_no_table_says_what_one_is(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LamellaError, match=message):
        open_table(written(tmp_path, text))


def test_a_label_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no column 'labels'"):
        open_table(written(tmp_path, HEAD + "a\tX\t1\t0\n"), labels=["labels"])


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(LamellaError):
        open_table(str(tmp_path / "none.tsv"))
    with pytest.raises(LamellaError, match="a folder"):
        open_table(str(tmp_path))
