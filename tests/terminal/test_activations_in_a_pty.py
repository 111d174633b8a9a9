"""What neurons listen to, in a real terminal: the bundled pair on its bundled sentences."""

import pytest
from terminal_helper import starting

from tui.demo import demo_pair, demo_sentences


@pytest.fixture
def terminal(tmp_path):
    yield from starting(tmp_path)


def test_from_the_tree_to_the_page_of_a_neuron_and_back(terminal, tmp_path):
    base, model = demo_pair()
    app = terminal(
        model, "--ref", base, "--node", "model.layers.7", XDG_CACHE_HOME=str(tmp_path / "cache")
    )
    app.until("74 of 74 tensors compared")
    app.press("i")
    app.until("What neurons listen to")
    app.until("400 rows, columns label, text")
    # From the path over the columns and the labels to how many texts.
    app.press("\t", "\t", "\t", "\t")
    app.keys("20\r")
    app.until("20 texts")
    app.until("movies vs glosses")
    assert "strongest unit a word, by positive part" in app.text
    app.press("h", "2")
    app.until("word before")
    app.press("\r")
    app.until("sentences after")
    app.press("\x1b", "\x1b")
    app.until("74 of 74 tensors compared")
    app.keys("q")
    assert app.ends() == 0
    assert app.is_restored()
    assert b"Traceback" not in app.raw


def test_texts_of_the_command_line_are_run_at_once(terminal, tmp_path):
    _, model = demo_pair()
    few = tmp_path / "few.txt"
    few.write_text("a film\nno plot at all\n")
    app = terminal(model, "--text", str(few), XDG_CACHE_HOME=str(tmp_path / "cache"))
    app.until("no reference")
    app.press("i")
    app.until("2 texts")
    app.keys("\x03")
    assert app.ends() == 0


def test_the_bundled_sentences_are_there():
    with open(demo_sentences(), encoding="utf-8") as file:  # noqa: PTH123
        rows = [line.rstrip("\n").split("\t") for line in file]
    assert rows[0] == ["label", "text"] and len(rows) == 401
    assert {row[0] for row in rows[1:]} == {"positive", "negative"}
    assert all(len(row) == 2 and row[1] for row in rows)
