"""Comfort: a cursor on cells, zoom, order, matches, where one was, files to take along."""

import json

import numpy as np
import pytest
from app_made import layers, write_model
from app_running import NARROW, running

from inspect_core.work.backend import Workers
from tui import keys, settings
from tui.demo import demo_pair
from tui.settings import Settings

pytestmark = pytest.mark.no_color


def small(tmp_path, name="model", **tensors):
    return write_model(tmp_path / name / "model.safetensors", tensors or layers())


@pytest.fixture
def matrix(tmp_path):
    """A model and its base whose one weight differs by a known matrix."""
    rng = np.random.default_rng(3)
    base = rng.normal(size=(200, 300)).astype(np.float32)
    moved = base + np.arange(base.size, dtype=np.float32).reshape(base.shape) * np.float32(2**-12)
    paths = [small(tmp_path, name, weight=side) for name, side in (("m", moved), ("b", base))]
    return *paths, moved.astype(float) - base


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Folders of settings of the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "config" / "lamella").mkdir(parents=True)
    return tmp_path


# The cursor on the cells


async def test_the_cursor_on_an_overview_says_and_leads(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        await run.inspect("layers.0")
        await run.shows("max |d|")
        await run.press("tab", "right", "right")
        view = run.app.inspector.detail
        assert view.readout.startswith("2 · attn.weight")
        assert "changed 100%" in view.readout and view.readout in run.text
        await run.press("right")
        assert "relative L2 0 " in f"{view.readout} "
        await run.press("left", "enter")
        row = run.tree.current_row
        assert row.anchor.startswith("layers.2.") and row.count == 1
        await run.shows(row.anchor)


async def test_the_cursor_reaches_every_plot_and_stays_inside(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        view = run.app.inspector.detail
        await run.press("tab")
        await run.until(lambda: view._plots)
        seen = set()
        for _ in range(30):
            seen.add(view._spot.plot)
            await run.press("down")
        assert seen == set(range(len(view._plots))) and len(seen) == 2
        for _ in range(30):
            await run.press("up", "left")
        assert tuple(view._spot) == (0, 0, 0)
        await run.press("end")
        assert view._spot.column == view._plots[0].columns - 1
        await run.press("home")
        assert view._spot.column == 0


async def test_a_click_moves_the_cursor_and_a_second_one_goes_there(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        await run.inspect("layers.0")
        view = run.app.inspector.detail
        await run.until(lambda: view._plots)
        line, column = view._plots[0].place(1, 2)
        await run.pilot.click("#detail", offset=(column + 2, line))
        assert tuple(view._spot) == (0, 1, 2)
        await run.pilot.click("#detail", offset=(column + 2, line))
        assert run.tree.current_row.anchor.startswith("layers.2.")


async def test_zooming_ends_at_single_values(matrix):
    model, base, d = matrix
    async with running(model, base) as run:
        await run.inspect("weight")
        view = run.app.inspector.detail
        await run.until(lambda: view._plots and not run.app.desk.busy())
        await run.press("tab", *["down"] * 9, *["right"] * 9)
        before = view._matrix_place()
        whole = view._plots[0].window
        for _ in range(9):
            await run.press("plus")
            await run.until(lambda: not run.app.desk.busy("zoom"))
            await run.pilot.pause(0.05)
        window = view._plots[0].window
        assert (window.rows, window.columns) == (4, 4)
        place = view._matrix_place()
        assert np.abs(np.subtract(place, before)).max() < 8, "it closes in on the cursor"
        row, column = place
        assert view.readout == f"row {row}  column {column}   d {d[row, column]:.3g}".replace(
            " 0.", " ."
        )
        await run.press("0")
        await run.until(lambda: view._plots[0].window == whole)
        await run.press("minus")
        assert view._plots[0].window == whole, "no further out than everything"


async def test_x_goes_to_the_largest_cell(matrix):
    model, base, d = matrix
    async with running(model, base) as run:
        await run.inspect("weight")
        view = run.app.inspector.detail
        await run.until(lambda: view._plots and not run.app.desk.busy())
        await run.press("tab", "x")
        row, column = np.unravel_index(np.abs(d).argmax(), d.shape)
        for _ in range(9):
            await run.press("plus")
            await run.until(lambda: not run.app.desk.busy("zoom"))
            await run.pilot.pause(0.05)
            await run.press("x")
        assert view.readout.startswith(f"row {row}  column {column}   d ")


async def test_cells_with_nan_say_so(tmp_path):
    values = np.ones((50, 60), np.float32)
    values[7, 9] = np.nan
    async with running(small(tmp_path, weight=values)) as run:
        await run.inspect("weight")
        view = run.app.inspector.detail
        await run.until(lambda: view._plots and not run.app.desk.busy())
        plot = view._plots[0]
        told = [plot.says(*plot.cell_of(7, 9)), plot.says(*plot.cell_of(40, 50))]
        assert "NaN or infinite" in told[0] and "NaN" not in told[1]


async def test_keys_are_offered_where_they_can_do_something(matrix):
    model, base, _ = matrix
    async with running(model, base) as run:
        await run.press("tab")
        await run.until(lambda: "closer" in run.text and "zoom" not in run.text.split("\n")[-1])
        await run.press("escape")
        await run.inspect("weight")
        await run.press("tab")
        await run.until(lambda: "zoom" in run.text.split("\n")[-1])


async def test_panning_moves_by_half_and_stops_at_the_edge(matrix):
    model, base, _ = matrix
    async with running(model, base) as run:
        await run.inspect("weight")
        view = run.app.inspector.detail
        await run.until(lambda: view._plots and not run.app.desk.busy())
        await run.press("tab", "plus")
        await run.until(lambda: view._plots[0].window.rows == 100)
        for key, side in (("J", "top"), ("L", "left")):
            start = getattr(view._plots[0].window, side)
            await run.press(key)
            await run.until(
                lambda side=side, start=start: getattr(view._plots[0].window, side) > start
            )
        for _ in range(6):
            await run.press("J", "L")
            await run.until(lambda: not run.app.desk.busy("zoom"))
            await run.pilot.pause(0.05)
        assert (view._plots[0].window.bottom, view._plots[0].window.right) == (200, 300)


async def test_a_zoom_survives_another_size(matrix):
    model, base, _ = matrix
    async with running(model, base) as run:
        await run.inspect("weight")
        view = run.app.inspector.detail
        await run.until(lambda: view._plots and not run.app.desk.busy())
        await run.press("tab", "plus")
        await run.until(lambda: view._plots[0].window.rows == 100)
        window = view._plots[0].window
        await run.pilot.resize_terminal(140, 50)
        await run.pilot.pause(0.3)
        await run.until(lambda: not run.app.desk.busy() and view._plots[0].window == window)
        await run.press("escape")
        await run.go_to("")
        await run.inspect("weight")
        await run.until(lambda: view._plots and view._plots[0].window.rows == 200)


# Order, matches, history


async def test_sorting_puts_the_most_changed_first(tmp_path):
    base = small(tmp_path, "base", **layers())
    model = small(tmp_path, **layers(l0=0.1, l1=2.0, l3=0.5))
    async with running(model, base) as run:
        await run.go_to("layers.0")
        await run.press("o")
        members = [path for path in run.paths if path.count(".") == 1 and path[:7] == "layers."]
        assert [path[-1] for path in members] == list("0123")
        await run.press("s")
        members = [path for path in run.paths if path.count(".") == 1 and path[:7] == "layers."]
        assert [path[-1] for path in members] == list("1302")
        assert run.tree.current_row.anchor == "layers.0", "the cursor stays on its row"
        await run.press("m", "s")
        assert [p for p in run.paths if p in members] == sorted(members)


async def test_sorting_needs_a_reference(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.press("s")
        await run.shows("press r")


async def test_opening_a_sorted_fold_begins_with_the_most_changed(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=2.0))
    async with running(model, base) as run:
        await run.press("s")
        assert "(sorted)" in run.text.split("\n")[0]
        await run.go_to("layers.0")
        await run.press("o")
        assert run.tree.current_row.anchor == "layers.2"
        await run.press("o")
        assert run.tree.current_row.path == "layers.0-3"


async def test_what_a_filter_found_in_a_fold_stays(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.press("slash", *"2.mlp.bias")
        await run.until(lambda: "1 tensor of 14 match" in run.text)
        await run.press("enter")
        assert run.tree.current_row.anchor == "layers.2.mlp.bias"
        await run.press("escape")
        await run.until(lambda: not run.app.navigation.query)
        assert (
            run.tree.current_row.anchor == "layers.2.mlp.bias" and run.tree.current_row.count == 1
        )


async def test_back_closes_the_fold_that_one_was_on(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        await run.inspect("layers.0")
        await run.until(lambda: run.app.inspector.detail._plots and not run.app.desk.busy())
        await run.press("tab", "right", "right", "enter")
        await run.until(lambda: run.tree.current_row.anchor.startswith("layers.2."))
        await run.pilot.pause(0.3)
        await run.press("escape", "less_than_sign")
        assert run.tree.current_row.path == "layers.0-3"


async def test_nothing_in_common_is_said(tmp_path):
    base = small(tmp_path, "base", other=np.ones((2, 2), np.float32))
    async with running(small(tmp_path), base, swept=False) as run:
        await run.shows("nothing in common with the reference")


async def test_n_walks_the_matches_around(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.press("n")
        await run.shows("n goes to the next match")
        await run.press("slash", *"attn", "enter")
        await run.until(lambda: "layers.0-3.attn" in run.paths)
        await run.press("n")
        first = run.tree.current_row.path
        assert first == "layers.0-3.attn"
        await run.press("o", "n", "N")
        assert run.tree.current_row.path == first


async def test_back_and_on_again(tmp_path):
    async with running(small(tmp_path)) as run:
        for path in ("embed.weight", "layers.0.mlp", "norm"):
            await run.inspect(path)
        assert run.tree.current_row.path == "norm"
        await run.press("less_than_sign")
        assert run.tree.current_row.path == "layers.0-3.mlp"
        await run.press("less_than_sign")
        assert run.tree.current_row.path == "embed.weight"
        await run.press("greater_than_sign")
        assert run.tree.current_row.path == "layers.0-3.mlp"
        await run.pilot.pause(0.3)
        await run.press("greater_than_sign", "greater_than_sign")
        assert run.tree.current_row.path == "norm"
        await run.shows("nothing further on")


async def test_back_finds_a_row_that_was_folded_away(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.inspect("layers.0.mlp.bias")
        await run.go_to("layers")
        await run.press("space", "enter", "less_than_sign")
        assert run.tree.current_row.path == "layers.0-3.mlp.bias"


@pytest.mark.parametrize(
    ("pattern", "path"),
    [("layers.2", "layers.2"), ("*.mlp", "layers.0.mlp"), ("norm*", "norm")],
)
async def test_a_bookmark_is_where_it_begins(tmp_path, pattern, path):
    async with running(small(tmp_path), bookmark=pattern) as run:
        assert run.tree.current_row.path == path


async def test_a_bookmark_is_still_there_when_the_types_fold_its_siblings(tmp_path):
    name = "model.layers.3.self_attn.q_proj.weight"
    base, model = demo_pair()
    workers = Workers(log=str(tmp_path / "log"))
    async with running(model, base, backend=workers, bookmark=name) as run:
        assert run.tree.current_row.anchor == name
        await run.until(lambda: run.app.session.tree.root.type == "LlamaForCausalLM", "types")
        await run.pilot.pause(0.3)
        assert run.tree.current_row.anchor == name and run.tree.current_row.count == 1


async def test_a_bookmark_that_fits_nothing_is_said(tmp_path):
    async with running(small(tmp_path), bookmark="[nope*") as run:
        await run.shows("no name fits [nope*")


# Taking things along


async def test_copying_shows_what_was_copied(tmp_path):
    names = {"a\x1b]52;c;eA==\x07.w": np.ones((2, 2), np.float32)}
    async with running(small(tmp_path, **names)) as run:
        await run.press("j", "y")
        await run.pilot.pause(0.2)
        assert run.app.clipboard == r"a\x1b]52;c;eA==\x07"
        await run.shows(run.app.clipboard)
        await run.press("tab")
        await run.until(lambda: run.app.inspector.detail.readout)
        await run.press("y")
        assert run.app.clipboard.endswith(f"   {run.app.inspector.detail.readout}")


async def test_the_screen_and_its_numbers_become_files(matrix, tmp_path):
    model, base, d = matrix
    async with running(model, base) as run:
        await run.inspect("weight")
        await run.until(lambda: run.app.detail.details)
        for ending in ("svg", "txt", "json"):
            await _export(run, str(tmp_path / f"out.{ending}"))
            await run.until((tmp_path / f"out.{ending}").exists)
    assert "weight" in (tmp_path / "out.txt").read_text()
    picture = (tmp_path / "out.svg").read_text()
    assert picture.startswith("<svg") and "url(" not in picture.replace("url(#", "")
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["node"] == "weight" and found["tensors"][0]["status"] == "changed"
    assert found["summary"]["l2"] == pytest.approx(np.linalg.norm(d), rel=1e-9)
    cells = np.array(found["cells"][0]["mean"])
    assert cells.mean() == pytest.approx(d.mean(), rel=0.05) and cells.shape[1] > 10
    assert sorted(path.name for path in tmp_path.glob("*out*")) == [
        "out.json",
        "out.svg",
        "out.txt",
    ]


async def _export(run, path):
    await run.press("e")
    await run.until(lambda: run.app.screen.query("#export-input"))
    run.app.screen.query_one("#export-input").value = path
    await run.press("enter")


async def test_an_export_replaces_nothing_and_says_why(tmp_path):
    (tmp_path / "out.txt").write_text("mine")
    async with running(small(tmp_path), size=NARROW) as run:
        await _export(run, str(tmp_path / "out.txt"))
        await run.shows("is there already")
        await _export(run, str(tmp_path / "no" / "out.txt"))
        await run.shows("cannot be written")
        await _export(run, str(tmp_path / "out.gif"))
        await run.shows("use .svg or .txt or .json")
    assert (tmp_path / "out.txt").read_text() == "mine"
    assert not list(tmp_path.glob(".out*"))


async def test_a_model_without_a_reference_exports_its_values(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.inspect("norm.weight")
        await run.until(lambda: run.app.detail.details)
        await _export(run, str(tmp_path / "out.json"))
        await run.until((tmp_path / "out.json").exists)
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["reference"] is None and found["cells"][0]["mean"] == [[1.0] * 6]


# Settings


async def test_settings_choose_metric_order_and_keys(tmp_path, state):
    (state / "config" / "lamella" / "config.toml").write_text(
        'metric = "mean_abs"\nsort = "change"\n[keys]\n"screen.metric" = "f7"\n'
    )
    wanted = settings.load_settings()
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l1=2.0))
    async with running(model, base, size=(160, 40), settings=wanted) as run:
        assert "mean |d|" in run.text.split("\n")[0] and run.app.session.by_change
        await run.press("m")
        assert "mean |d|" in run.text.split("\n")[0], "the key is another one now"
        await run.press("f7")
        await run.until(lambda: "mean |d|" not in run.text.split("\n")[0])
        assert "f7" in run.text.split("\n")[-1]


async def test_a_key_that_is_given_twice_is_said(tmp_path, state):
    (state / "config" / "lamella" / "config.toml").write_text('[keys]\n"screen.metric" = "s"\n')
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l1=2.0))
    async with running(model, base, settings=settings.load_settings()) as run:
        metric = run.app.session.metric_key
        await run.press("s")
        assert run.app.session.metric_key != metric and not run.app.session.by_change
        await run.press("w")
        await run.shows("keys: s is now for screen.metric, and not for screen.sort")


def test_keys_complain_only_where_one_would_hide_another():
    assert keys.complaints({}) == []
    assert keys.complaints({"screen.metric": "f7,m"}) == []
    assert keys.complaints({"tree.top": "0"}) == [], "0 is a key of the picture alone"
    assert keys.complaints({"screen.metric": "s", "screen.sort": "m"}) == [], "they swap"
    assert len(keys.complaints({"screen.metric": "f9", "screen.sort": "f9"})) == 1
    assert keys.complaints({"tree.top": "q"}) == [
        "keys: q is now for tree.top, and not for screen.quit"
    ]


async def test_the_help_names_every_binding_and_the_users_keys(tmp_path):
    async with running(small(tmp_path), settings=Settings(keys={"screen.metric": "f7"})) as run:
        await run.press("question_mark")
        text = run.app.screen._text
        assert (
            '  "screen.metric" = "f7"' in text and "f7                show the next metric" in text
        )
        assert all(f'"{name}" = ' in text for name in keys.IDS)
        assert max(map(len, text.split("\n"))) <= 66, "it fits 80 columns"


async def test_what_was_chosen_last_is_remembered(tmp_path, state):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l1=2.0))
    async with running(model, base, settings=settings.load_settings()) as run:
        await run.press("m", "s")
        remembered = state / "state" / "lamella" / "remembered.json"
        await run.until(lambda: remembered.exists() and "sort" in remembered.read_text())
        key = run.app.session.metric_key
    again = settings.load_settings()
    assert (again.metric, again.sort) == (key, "change")
    (state / "config" / "lamella" / "config.toml").write_text('sort = "model"\n')
    assert settings.load_settings().sort == "model", "the user's own file decides"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("metric = ", "is not used"),
        ("x\x00 = 1", "is not used"),
        ("colour = 'red'", "colour is no setting"),
        ("[keys]\n'screen.sort' = 7", "keys of screen.sort"),
        ('[keys]\n"screen.sort" = "\\u001b]0;x\\u0007"', "keys of screen.sort"),
        ("metric = 'best'", "best is no metric"),
        ("[" * 5000, "is not used"),
        ("sort = 'foo'", "sort cannot be foo"),
        ("ascii = 'yes'", "ascii cannot be 'yes'"),
        ("[keys]\n'screen.nope' = 'x'", "screen.nope is no binding"),
    ],
)
async def test_broken_settings_are_reported_and_not_fatal(tmp_path, state, text, problem):
    (state / "config" / "lamella" / "config.toml").write_text(text)
    async with running(small(tmp_path), settings=settings.load_settings()) as run:
        await run.press("w")
        # The page breaks its lines where the path of the file happens to end.
        await run.until(lambda: problem in " ".join(run.text.replace("│", " ").split()), problem)


def test_settings_that_cannot_be_read_or_kept_are_no_settings(state):
    (state / "config" / "lamella" / "config.toml").mkdir()
    (state / "state").write_text("a file where a folder should be")
    found = settings.load_settings()
    assert found == Settings(problems=found.problems) and len(found.problems) == 1
    settings.remember(metric="l2")


# Leaving


async def test_what_could_not_be_opened_is_kept_for_the_exit(tmp_path):
    async with running(str(tmp_path / "nope")) as run:
        assert "no such file" in str(run.app.failure)
