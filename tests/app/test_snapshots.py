"""A few looks at 80x24, drawn on threads of this process: nothing ticks, nothing blinks."""

import pytest
from app_made import layers, screen_text, until, write_model

from inspect_core.work.backend import Threads
from themes import load_theme
from tui.app import LamellaApp
from tui.options import Options

SIZE = (80, 24)


@pytest.fixture
def look(tmp_path, monkeypatch, snap_compare):
    """Compare the screen once the app is at rest after some keys and shows a text."""
    # A path of the machine in the picture would make it another one elsewhere; and a run
    # under NO_COLOR has other colours.
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    write_model(tmp_path / "base.safetensors", layers())
    write_model(tmp_path / "tuned.safetensors", layers(l1=0.02, l2=0.3))

    def compare(model, reference, keys, text):
        app = LamellaApp(Options(model, reference, "cpu", load_theme("lamella-dark")), Threads())

        async def settled(pilot):
            await until(pilot, lambda: app.session.listing or text in screen_text(app))
            if reference is not None:
                await until(pilot, lambda: app.session.pairs and not app.desk.busy())
            await pilot.press(*keys)
            await until(pilot, lambda: text in screen_text(app), what=text)
            # The selection settles, is drawn for the size of its pane, and painted.
            for _ in range(2):
                await pilot.pause(0.3)
                await until(
                    pilot, lambda: not app.desk.busy() and app.comparison._refreshing is None
                )

        return snap_compare(app, terminal_size=SIZE, run_before=settled)

    return compare


def test_the_tree_with_its_changes(look):
    assert look("tuned.safetensors", "base.safetensors", "jjj ", "attn")


def test_the_detail_of_a_fold(look):
    assert look("tuned.safetensors", "base.safetensors", ["j", "j", "j", "enter"], "cosine")


def test_a_model_that_cannot_be_opened(look):
    assert look("missing.safetensors", None, [], "cannot open the model")
