"""The landscape in a real terminal: the bundled pair on some of its bundled sentences."""

import pytest
from terminal_helper import starting

from tui.demo import demo_pair


@pytest.fixture
def terminal(tmp_path):
    yield from starting(tmp_path)


def test_from_the_tree_to_the_page_of_a_layer_and_back_to_its_row(terminal, tmp_path):
    base, model = demo_pair()
    app = terminal(model, "--ref", base, XDG_CACHE_HOME=str(tmp_path / "cache"))
    app.until("74 of 74 tensors compared")
    app.press("d")
    app.until("The landscape of representations")
    app.until("400 rows, columns label, text")
    # From the path over the columns and the labels to how many texts.
    app.press("\t", "\t", "\t")
    app.keys("60\r")
    app.until("60 texts")
    app.until("movies vs glosses")
    assert "intrinsic dimension" in app.text and "last token" in app.text
    app.press("2")
    app.until("shared neighbours")
    app.press("4")
    app.until("model.layers.7")
    app.press("\x1b[A", "\r")
    app.until("layer model.layers.7")
    app.until("60 points")
    app.press("o")
    app.until("74 of 74 tensors compared")
    assert "mlp.down_proj" in app.text, "the picture of that layer"
    app.keys("q")
    assert app.ends() == 0
    assert app.is_restored()
    assert b"Traceback" not in app.raw
