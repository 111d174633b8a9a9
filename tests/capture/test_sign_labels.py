"""Labels that are the sign of a number."""

import pytest

from inspect_core.capture.texts import open_texts
from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import LamellaError

ROWS = ["-0.5\tbad", "3\tgood", "0.0\tso so", "\tnobody knows", "-inf\tworst", " 1e3 \tbest"]
SIGNS = ["negative", "positive", "zero", "", "negative", "positive"]


def labels(path, *columns, text="text"):
    texts = open_texts(TextSource(str(path), text=text, labels=columns))
    return texts.labels, [sample.labels for sample in texts]


def test_of_a_named_column(tmp_path):
    path = tmp_path / "rated.tsv"
    path.write_text("rating\ttext\n" + "\n".join(ROWS) + "\n")
    titles, found = labels(path, "rating:sign", "rating")
    assert titles == ("rating:sign", "rating")
    assert [one[0] for one in found] == SIGNS and found[0][1] == "-0.5"


def test_of_a_column_by_its_number(tmp_path):
    path = tmp_path / "rated.tsv"
    path.write_text("\n".join(ROWS) + "\n")
    titles, found = labels(path, "1:sign", text="2")
    assert titles == ("column 1:sign",) and [one[0] for one in found] == SIGNS


def test_of_json(tmp_path):
    path = tmp_path / "rated.jsonl"
    rows = ['{"text": "good", "rating": 2}', '{"text": "bad", "rating": "-1"}', '{"text": "odd"}']
    path.write_text("\n".join(rows) + "\n")
    assert [one[0] for one in labels(path, "rating:sign")[1]] == ["positive", "negative", ""]


def test_a_column_that_is_called_so_is_that_column(tmp_path):
    path = tmp_path / "odd.tsv"
    path.write_text("mood:sign\ttext\nlibra\tgood\n")
    assert labels(path, "mood:sign") == (("mood:sign",), [("libra",)])


@pytest.mark.parametrize("value", ["good", "nan", "--1", "1" * 5000, "0x10", "\x1b[2J"])
def test_what_is_no_number_has_no_sign(tmp_path, value):
    path = tmp_path / "rated.tsv"
    path.write_text(f"rating\ttext\n{value}\tgood\n")
    with pytest.raises(LamellaError, match="is no number") as raised:
        labels(path, "rating:sign")
    assert "line 2" in str(raised.value) and "\x1b" not in str(raised.value)
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize("column", [":sign", "nobody:sign", "rating:size"])
def test_a_column_that_is_not_there_is_told(tmp_path, column):
    path = tmp_path / "rated.tsv"
    path.write_text("rating\ttext\n1\tgood\n")
    with pytest.raises(LamellaError, match="no column"):
        labels(path, column)
