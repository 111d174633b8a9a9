"""The landscape of representations in the app: the dialog, the run, the views, a layer's page."""

import csv
import json
from dataclasses import replace

import pytest
from app_made import layers, write_model
from app_running import NARROW, WIDE, running
from geometry_made import HOSTILE, Canned, made_detail, made_report

from inspect_core.capture.texts import TextSource
from inspect_core.errors import UsageError
from inspect_core.geometry.landscape import LabelColumn, Measured
from inspect_core.geometry.representations import MEAN
from inspect_core.work.geometry_jobs import FindLayer
from inspect_core.work.ticket import WorkerDied
from tui.geometry.answers import Answers, answers_from, typed_fields
from tui.geometry.measures import offered
from tui.geometry.paths import nearest_path
from tui.geometry.words import readout
from tui.messages import ViewDrawn


@pytest.fixture
def models(tmp_path):
    write_model(tmp_path / "base.safetensors", layers())
    write_model(tmp_path / "tuned.safetensors", layers(l1=0.1))
    return str(tmp_path / "tuned.safetensors"), str(tmp_path / "base.safetensors")


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "films.tsv"
    path.write_text("rating\ttext\n" + "good\ta film\nbad\tno plot\n" * 3)
    return str(path)


def screen(run):
    return run.app.screen


def state(run):
    return run.app.geometry.state


def found(models, texts, report=None, size=WIDE, **more):
    backend = Canned(report)
    return running(*models, size=size, backend=backend, texts=TextSource(texts), **more), backend


async def drawn(run, *keys):
    """Press keys, and wait for the picture that they lead to."""
    before = len(run.got(ViewDrawn))
    await run.press(*keys)
    await run.until(lambda: len(run.got(ViewDrawn)) > before, f"a picture after {keys}")
    await run.pilot.pause()


async def test_the_dialog_asks_what_is_run_and_measured(models, texts):
    backend = Canned()
    async with running(*models, backend=backend) as run:
        await run.press("d")
        await run.shows("The landscape of representations: tuned")
        screen(run).query_one("#texts-path").value = texts
        await run.shows("6 rows, columns rating, text")
        for field, value in (("labels", "rating"), ("most", "4"), ("k", "3"), ("shots", "0,2")):
            screen(run).query_one(f"#texts-{field}").value = value
        screen(run).query_one("#texts-pooling").action_step(1)
        screen(run).query_one("#texts-where").action_step(1)
        await run.press("enter")
        await run.until(lambda: backend.asked, "the run")
        query = backend.asked[0].query
        assert query.texts == TextSource(texts, labels=("rating",), most=4)
        assert (query.where, query.pooling, query.shots) == ("norm1", MEAN, (0, 2))
        assert query.measured == Measured(k=3)
        session = run.app.session
        assert [one.model for one in query.spaces] == [
            session.pairs.opened, session.listing.opened
        ]  # fmt: skip
        await run.shows("tuned vs base")


async def test_a_file_that_cannot_be_read_is_said_and_nothing_runs(models, tmp_path):
    backend = Canned()
    async with running(*models, backend=backend) as run:
        await run.press("d")
        screen(run).query_one("#texts-path").value = str(tmp_path / "none.txt")
        await run.shows("! ")
        await run.press("enter")
        await run.pilot.pause()
        assert not backend.asked
        await run.press("escape")
        assert run.app.screen is run.app.inspector


@pytest.mark.parametrize("size", [NARROW, WIDE, (200, 60)])
async def test_every_view_is_drawn_and_names_models_texts_and_layer(models, texts, size):
    app, _ = found(models, texts, size=size)
    async with app as run:
        await drawn(run, "d")
        for key in ("1", "2", "3"):
            await drawn(run, key)
            assert "could not be drawn" not in run.text
            assert "films.tsv 302 texts" in run.text and "layers.3" in run.text
            assert screen(run).picture.display and not screen(run).table.display
        await run.press("4")
        assert screen(run).table.display and not screen(run).picture.display
        assert "tuned vs base" in run.text and "18" in run.text
        await drawn(run, "v")
        assert state(run).kind == "curves", "round again"


async def test_measures_go_round_and_the_cursor_names_the_layer_and_its_numbers(models, texts):
    app, _ = found(models, texts)
    async with app as run:
        await drawn(run, "d")
        assert (state(run).space, state(run).layer) == (1, 3), "the model, at its last layer"
        await run.shows("4 of 4 layers.3 (tuned)  dimension 18 ± .250  peaks 3")
        seen = []
        for _ in offered(state(run).report):
            seen.append(state(run).measure)
            await drawn(run, "m")
        assert seen == list(offered(state(run).report)) and state(run).measure == seen[0]
        await drawn(run, "left")
        await run.shows("3 of 4 layers.2 (tuned)  dimension 17")
        await drawn(run, "home")
        await run.press("left")
        assert state(run).layer == 0, "it stops there"
        await drawn(run, "up")
        await run.shows("1 of 4 layers.0 (base)  dimension 10")


async def test_label_columns_and_pairs_go_round_by_brackets(models, texts):
    app, _ = found(models, texts, made_report(columns=("rating", "kind")))
    async with app as run:
        await drawn(run, "d")
        await run.shows("labels rating  1 of 2")
        await drawn(run, "right_square_bracket")
        await run.shows("labels kind  2 of 2")
        await drawn(run, "2")
        await run.shows("base by tuned")
        await drawn(run, "right_square_bracket")
        await run.shows("base by base")
        await drawn(run, "left_square_bracket")
        await run.shows("shared neighbours  3 of 3")


async def test_the_cursor_of_a_matrix_has_two_directions(models, texts):
    app, backend = found(models, texts)
    async with app as run:
        await drawn(run, "d")
        await drawn(run, "2")
        await run.shows("layers.3 (base)  by  layers.3 (tuned)  shared neighbours 1")
        await drawn(run, "up")
        await drawn(run, "left")
        await drawn(run, "left")
        await run.shows("layers.2 (base)  by  layers.1 (tuned)  shared neighbours .900")
        await drawn(run, "m")
        await run.shows("linear CKA .810")
        await run.press("enter")
        job = backend.asked[-1]
        assert isinstance(job, FindLayer) and (job.space, job.layer) == (0, 2), "the row's layer"


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_page_of_a_layer_its_neighbours_and_back(models, texts, size):
    app, backend = found(models, texts, size=size)
    async with app as run:
        await drawn(run, "d")
        await drawn(run, "g")
        job = backend.asked[-1]
        assert isinstance(job, FindLayer) and (job.space, job.layer) == (1, 3)
        assert job.query == backend.asked[0].query
        assert "layers.3" in run.text and "could not be drawn" not in run.text
        await drawn(run, "c")
        assert "could not be drawn" not in run.text
        await drawn(run, "left")
        assert backend.asked[-1].layer == 2 and "layers.2" in run.text
        await run.press("end")
        await run.shows("text 1 of the peak")
        await run.press("escape")
        assert state(run).layer == 3 and screen(run).PLACE == "geometry"
        await run.press("escape")
        assert run.app.screen is run.app.inspector


async def test_a_layer_that_is_not_found_is_said_and_tried_again(models, texts):
    app, backend = found(models, texts)
    backend.detail = UsageError("the texts are gone")
    async with app as run:
        await drawn(run, "d")
        await run.press("enter")
        await run.shows("the texts are gone")
        backend.detail = None
        await drawn(run, "enter")
        assert "the texts are gone" not in run.text and "layers.3" in run.text


@pytest.mark.parametrize("page", [False, True])
async def test_from_a_layer_to_its_row_in_the_tree(models, texts, page):
    app, _ = found(models, texts)
    async with app as run:
        await drawn(run, "d")
        await drawn(run, "left")
        if page:
            await drawn(run, "enter")
        await run.press("o")
        assert run.app.screen is run.app.inspector
        assert run.tree.current_row.path == "layers.2" and run.tree.has_focus
        await run.press("D")
        assert state(run).layer == 2 and screen(run).PLACE == "geometry"


async def test_a_layer_that_the_tree_lacks_leads_nowhere(models, texts):
    app, _ = found(models, texts, made_report(names=["features.1", "features.2"]))
    async with app as run:
        await drawn(run, "d")
        await run.press("o")
        await run.shows("no module of that name")
        assert screen(run).PLACE == "geometry"


async def test_the_table_has_a_cursor_of_its_own(models, texts):
    app, backend = found(models, texts)
    async with app as run:
        await drawn(run, "d")
        await run.press("4", "up", "up")
        await run.until(lambda: state(run).layer == 1, "the cursor")
        await run.shows("2 of 4 layers.1 (tuned)")
        await run.press("left")
        await run.shows("2 of 4 layers.1 (base)")
        await run.press("enter")
        assert (backend.asked[-1].space, backend.asked[-1].layer) == (0, 1)


async def test_one_run_at_a_time_that_goes_on_beside_the_tree_and_stops(models, texts):
    app, backend = found(models, texts, "waits")
    async with app as run:
        await run.press("d")
        await run.shows("running the model over films.tsv")
        backend.report_progress(50, 200)
        await run.shows("50 of 200 texts")
        await run.press("escape")
        assert run.app.screen is run.app.inspector and run.app.geometry.running
        backend.report_progress(3, 7, "layers")
        await run.shows("landscape: 3 of 7 layers")
        await run.press("d")
        await run.shows("one run at a time")
        assert len(backend.asked) == 1
        await run.press("x")
        assert len(backend.cancelled) == 1 and not run.app.geometry.running
        await run.shows("stopped")
        await run.press("enter")
        assert len(backend.asked) == 2


async def test_what_was_found_before_a_stopped_run_is_shown_again(models, texts, tmp_path):
    other = tmp_path / "other.tsv"
    other.write_text("rating\ttext\ngood\ta film\n")
    app, backend = found(models, texts)
    async with app as run:
        await drawn(run, "d")
        before, backend.report = state(run).report, "waits"
        await run.press("A")
        await run.until(lambda: screen(run).query("#texts-path"), "the dialog")
        screen(run).query_one("#texts-path").value = str(other)
        await run.shows("1 row")
        await run.press("enter")
        await run.shows("running the model over other.tsv")
        await run.press("x")
        await run.shows("D shows what was found before")
        await drawn(run, "D")
        assert state(run).report is before and "films.tsv" in run.text


async def test_what_chance_gives_is_a_line_and_in_words(models, texts):
    report = replace(
        made_report(), labels=(LabelColumn("rating", (("a", 200), ("b", 102)), 0.553, 0.66, 0.5),)
    )
    app, _ = found(models, texts, report)
    async with app as run:
        await drawn(run, "d")
        assert "by chance" not in run.text
        for measure, told in (("rand", "0"), ("overlap", ".500"), ("nearest", ".553")):
            while state(run).measure != measure:
                await drawn(run, "m")
            await run.shows(f"by chance {told}")
            assert "╌╌" in run.text


async def test_the_readout_fits_a_small_screen_and_names_the_model(models, texts):
    app, _ = found(models, texts, size=(80, 24))
    async with app as run:
        await drawn(run, "d")
        told, _ = readout(state(run), 78)
        assert len(told) <= 78 and "tuned" in told and "1-NN" in told
        await run.shows(told)
        await run.shows("esc back")


async def test_a_label_column_that_is_none_is_said_before_running(models, texts):
    backend = Canned()
    async with running(*models, backend=backend) as run:
        await run.press("d")
        await run.shows("rating:sign")
        screen(run).query_one("#texts-path").value = texts
        screen(run).query_one("#texts-labels").value = "mood"
        await run.shows("no column 'mood': the columns are rating, text")
        await run.press("enter")
        await run.pilot.pause(0.2)
        assert not backend.asked


async def test_a_result_that_comes_beside_the_tree_is_kept(models, texts):
    app, backend = found(models, texts, "waits")
    async with app as run:
        await run.press("D")
        await run.shows("no landscape yet")
        await run.press("d", "escape")
        backend.answer(backend.tickets[0], made_report())
        await run.shows("D shows it")
        await drawn(run, "D")
        await run.shows("tuned vs base")
        await run.press("escape", "d")
        await run.pilot.pause()
        assert len(backend.asked) == 1, "the same texts and measures: nothing runs again"


@pytest.mark.parametrize(
    "error",
    [
        UsageError("no tokenizer", where="tuned", hint="give --tokenizer"),
        WorkerDied("it was killed"),
    ],
)
async def test_a_failure_is_one_line_and_enter_tries_again(models, texts, error):
    app, backend = found(models, texts, error)
    async with app as run:
        await run.press("d")
        await run.shows(error.what)
        await run.shows("Enter tries again")
        assert len(backend.asked) == 1, "not by itself"
        backend.report = made_report()
        await drawn(run, "enter")
        await run.shows("tuned vs base")
        assert len(backend.asked) == 2


async def test_without_a_reference_and_labels(models, texts):
    backend = Canned(made_report(titles=("tuned",), columns=()))
    async with running(models[0], backend=backend, texts=TextSource(texts)) as run:
        await drawn(run, "d")
        assert len(backend.asked[0].query.spaces) == 1
        await run.shows("no reference")
        await run.shows("no labels")
        for key in ("m", "m", "m", "2", "3"):
            await drawn(run, key)
            assert "could not be drawn" not in run.text
        await run.press("4")
        assert "ARI" not in screen(run).table.rows.header().text


async def test_what_is_not_known_is_said_with_its_reason(models, texts):
    report = made_report(known=False, notes=("all numbers are rough",))
    app, _ = found(models, texts, report)
    async with app as run:
        await drawn(run, "d")
        await run.shows("n/a: 12 distinct points, and 32 neighbours are needed")
        await run.shows("all numbers are rough")
        for key in ("m", "m", "m", "2", "4"):
            await run.press(key)
            await run.pilot.pause(0.2)
            assert "could not be drawn" not in run.text


@pytest.mark.parametrize("more", [{"ascii_only": True}, {"depth": "none"}, {}])
async def test_hostile_names_and_texts_are_safe_everywhere(models, texts, more):
    from tui.palette import Depth

    if "depth" in more:
        more = {"depth": Depth(more["depth"])}
    names = [f"{HOSTILE}.{k}" for k in range(3)]
    app, backend = found(models, texts, made_report(columns=(HOSTILE,), names=names), **more)
    backend.detail = made_detail(name=names[2], columns=(HOSTILE,))
    async with app as run:
        await drawn(run, "d")
        for key in ("1", "2", "3", "4", "enter", "c"):
            await run.press(key)
            await run.pilot.pause(0.2)
            text = "".join(strip.text for strip in screen(run)._compositor.render_strips())
            assert text.isprintable() and "\u202e" not in text
            assert "could not be drawn" not in text
            if more.get("ascii_only"):
                assert text.isascii()


async def test_numbers_curves_and_screen_are_written_and_the_layer_copied(models, texts, tmp_path):
    app, _ = found(models, texts)
    async with app as run:
        await drawn(run, "d")
        names = ("out.json", "out.csv", "out.tsv", "out.txt", "out.svg", "a.png", "a.curves.svg")
        for name in names:
            await run.press("e")
            screen(run).query_one("#export-input").value = str(tmp_path / name)
            await run.press("enter")
            await run.until((tmp_path / name).exists, name)
        await run.press("y")
        assert "layers.3" in run.app._clipboard and "dimension 18" in run.app._clipboard
    for name, separator in (("out.csv", ","), ("out.tsv", "\t")):
        with (tmp_path / name).open() as file:
            rows = list(csv.DictReader(file, delimiter=separator))
        assert len(rows) == 8
    assert json.loads((tmp_path / "out.json").read_text())
    assert "landscape" in (tmp_path / "out.txt").read_text()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "a.curves.svg").read_text()


async def test_a_plan_and_a_reload(models, texts):
    app, backend = found(models, texts)
    async with app as run:
        await run.press("p", "d")
        await run.shows("leave plan mode")
        assert not backend.asked
        await run.press("p")
        await drawn(run, "d")
        await run.press("escape")
        run.app.reloading.start()
        await run.until(lambda: state(run) is None, "nothing is known any more")


async def test_another_theme_and_size_paint_again_and_the_help_has_the_keys(models, texts):
    app, _ = found(models, texts)
    async with app as run:
        await drawn(run, "d")
        await drawn(run, "t")
        for size in (NARROW, (60, 10), (200, 60), WIDE):
            await run.pilot.resize_terminal(*size)
            await run.pilot.pause(0.3)
            assert "could not be drawn" not in run.text
        await run.press("question_mark")
        await run.shows("In the landscape")
        assert run.text.index("In the landscape") < len(run.text) // 2


def test_answers_are_typed_and_read_back():
    answers = Answers(
        TextSource("/films.tsv", "review", labels=("rating", "kind"), most=500), "norm2", MEAN,
        Measured(k=8, z=2.5, overlap_k=12), (0, 2, 5), "Q: {text}\nA\\n:\t{label}\n\n", "/bpe",
    )  # fmt: skip
    assert answers_from(typed_fields(answers)) == answers


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": ""}, {"k": "0"}, {"k": "x"}, {"z": "-1"}, {"z": "nan"}, {"z": "many"},
        {"overlap": "0"}, {"shots": "2", "labels": ""}, {"shots": "900"}, {"shots": "-1"},
    ],
)  # fmt: skip
def test_answers_that_cannot_be_read_are_refused(wrong):
    good = typed_fields(Answers(TextSource("/films.tsv", labels=("rating",))))
    assert answers_from(good)
    with pytest.raises(UsageError):
        answers_from(good | wrong)


@pytest.mark.parametrize(
    ("site", "path"),
    [
        ("model.layers.3", "model.layers.3"),
        ("model.layers.3#2", "model.layers.3"),
        ("model.layers.3.act (input)", "model.layers.3"),
        ("model.layers.33", "model.layers"),
        ("features.3", None),
    ],
)
def test_the_module_of_a_layer_is_the_nearest_that_the_tree_has(site, path):
    names = [f"model.layers.{k}.mlp.weight" for k in range(12)]
    assert nearest_path(site, names) == path


def test_rows_fit_any_width():
    from themes import load_theme
    from tui.geometry.rows import layer_rows
    from tui.geometry.steps import first_state
    from tui.palette import make_palette

    palette = make_palette(load_theme("lamella-dark"))
    for report in (made_report(), made_report(titles=("m",), columns=()), made_report(known=False)):
        for width in range(30, 200, 7):
            rows = layer_rows(first_state(report), palette, width)
            assert rows.header().cell_length <= max(width, 30)
            lengths = {rows.line(k, False).cell_length for k in rows.at}
            assert lengths == {rows.header().cell_length}


def test_keys_of_the_landscape_meet_no_others():
    from tui.keys import complaints

    assert complaints({"geometry.color": "s"}) == [], "s is a key of other screens"
    assert len(complaints({"geometry.color": "m"})) == 1
