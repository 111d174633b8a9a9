"""What neurons listen to, in the app: the dialog, the run, the views, a neuron's page."""

import csv
import json
from dataclasses import replace

import pytest
from activations_made import Canned, made_report
from app_made import layers, write_model
from app_running import NARROW, WIDE, running

from inspect_core.activations.rule import MAGNITUDE, TOP
from inspect_core.capture.texts import TextSource
from inspect_core.errors import UsageError
from inspect_core.work.activation_jobs import FindNeuron
from inspect_core.work.ticket import WorkerDied
from tui import format as fmt
from tui.activations.answers import answers_from, typed_fields
from tui.activations.steps import VIEWS
from tui.messages import ViewDrawn


@pytest.fixture
def models(tmp_path):
    write_model(tmp_path / "base.safetensors", layers())
    write_model(tmp_path / "tuned.safetensors", layers(l1=0.1))
    return str(tmp_path / "tuned.safetensors"), str(tmp_path / "base.safetensors")


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "films.tsv"
    path.write_text("label\ttext\n" + "good\ta film\nbad\tno plot\n" * 3)
    return str(path)


def screen(run):
    return run.app.screen


async def shown(run):
    """Wait until the result is on show, with its picture where the view has one."""
    state = run.app.activations
    await run.until(lambda: state.state is not None and screen(run).table.rows, "the table")
    if state.state.kind != "table":
        await run.until(lambda: run.got(ViewDrawn), "the picture")
    await run.pilot.pause()


def found(models, texts, report=None, size=WIDE, **more):
    backend = Canned(report)
    return running(*models, size=size, backend=backend, texts=TextSource(texts), **more), backend


async def test_the_dialog_says_what_the_file_holds_and_runs_what_was_chosen(models, texts):
    backend = Canned()
    async with running(*models, backend=backend) as run:
        await run.go_to("layers.0")
        await run.press("i")
        await run.shows("What neurons listen to: layers.0-3")
        screen(run).query_one("#texts-path").value = texts
        await run.shows("6 rows, columns label, text")
        await run.shows("no plot")
        await run.press("tab", "tab", "tab", *"label", "tab", *"4")
        await run.press("tab", "tab", "tab", "right", "tab", *"3", "tab", "right", "right", "enter")
        await run.until(lambda: backend.asked, "the run")
        query = backend.asked[0].query
        assert query.paths == tuple(f"layers.{k}" for k in range(4))
        assert query.texts == TextSource(texts, labels=("label",), most=4)
        assert (query.rule.kind, query.rule.k, query.rule.sign) == (TOP, 3, MAGNITUDE)
        assert query.reference == run.app.session.pairs.opened
        await run.shows("tuned vs base")


@pytest.mark.parametrize(
    ("row", "paths"),
    [("", ()), ("embed.weight", ("embed",)), ("layers.0.mlp", 4), ("norm", ("norm",))],
)
async def test_a_row_stands_for_its_modules(models, texts, row, paths):
    app, backend = found(models, texts)
    async with app as run:
        await run.go_to(row)
        await run.press("i")
        await run.until(lambda: backend.asked, "the run")
        if paths == 4:
            paths = tuple(f"layers.{k}.mlp" for k in range(4))
        assert backend.asked[0].query.paths == paths


async def test_a_file_that_cannot_be_read_is_said_and_nothing_runs(models, tmp_path):
    backend = Canned()
    async with running(*models, backend=backend) as run:
        await run.press("i")
        screen(run).query_one("#texts-path").value = str(tmp_path / "none.txt")
        await run.shows("! ")
        await run.press("enter")
        await run.pilot.pause()
        assert not backend.asked
        await run.press("escape")
        assert run.app.screen is run.app.inspector


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_every_view_is_drawn_and_says_rule_texts_and_models(models, texts, size):
    app, _ = found(models, texts, size=size)
    async with app as run:
        await run.press("i")
        await shown(run)
        assert run.app.activations.state.kind == "layers", "several modules: where it moved"
        for number, kind in enumerate(VIEWS, 1):
            before = len(run.got(ViewDrawn))
            await run.press(str(number))
            if kind != "table":
                await run.until(lambda b=before: len(run.got(ViewDrawn)) > b, f"picture of {kind}")
                await run.pilot.pause()
            assert run.app.activations.state.kind == kind
            assert "strongest unit a word, by positive part" in run.text
            assert "films.tsv 20 texts" in run.text
            assert "tuned vs base" in run.text and "blocks." in run.text
            assert "could not be drawn" not in run.text
            assert screen(run).picture.display == (kind != "table")
            assert screen(run).table.display == (kind == "table" or size == WIDE)
        await run.press("v")
        assert run.app.activations.state.kind == VIEWS[0], "round again"


@pytest.mark.parametrize("more", [{"ascii_only": True}, {"depth": "none"}, {}])
async def test_hostile_words_and_names_are_safe_everywhere(models, texts, more):
    from tui.palette import Depth

    if "depth" in more:
        more = {"depth": Depth(more["depth"])}
    app, _ = found(models, texts, **more)
    async with app as run:
        await run.press("i", "1")
        await shown(run)
        for key in ("1", "2", "5", "enter"):
            await run.press(key)
            await run.pilot.pause(0.2)
            text = "".join(strip.text for strip in screen(run)._compositor.render_strips())
            assert text.isprintable() and "\u202e" not in text
            if more.get("ascii_only"):
                assert text.isascii()


async def test_sorting_hiding_and_finding(models, texts):
    app, _ = found(models, texts)
    async with app as run:
        await run.press("i", "2")
        await shown(run)
        table = screen(run).table
        assert run.app.activations.state.hide_rare and len(table.rows.at) == 38
        await run.press("h")
        assert len(table.rows.at) == 40 and "1 rare hidden" not in run.text
        orders = [run.app.activations.state.order]
        for _ in range(10):
            await run.press("s")
            orders.append(run.app.activations.state.order)
        assert orders[0] == orders[-1] == "distance" and len(set(orders)) == 10
        await run.press("slash", "1", "7", "enter")
        assert table.chosen == 17 == run.app.activations.state.unit
        await run.press("slash", *"FILM", "enter")
        assert 0 < len(table.rows.at) < 40
        top = run.app.activations.state.report.sites[0].neurons.top_word
        assert all("film" in top[0][u] or "film" in top[1][u] for u in table.rows.at)
        await run.press("escape")
        assert len(table.rows.at) == 40
        assert run.app.activations.state is not None, "still there"
        await run.press("slash", *"9999")
        await run.shows("no neuron 9999")


async def test_modules_are_chosen_in_the_layers_and_by_brackets(models, texts):
    app, _ = found(models, texts)
    async with app as run:
        await run.press("i")
        await shown(run)
        await run.press("g", "j")
        assert run.app.activations.state.site == 1
        await run.press("enter")
        assert run.app.activations.state.kind == "overview"
        await run.press("right_square_bracket")
        assert run.app.activations.state.site == 2
        await run.press("right_square_bracket")
        assert run.app.activations.state.site == 0
        await run.shows("blocks.0  1 of 3")


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_page_of_a_neuron_and_back(models, texts, size):
    app, backend = found(models, texts, size=size)
    async with app as run:
        await run.press("i", "2")
        await shown(run)
        unit = screen(run).table.chosen
        await run.press("enter")
        site = run.app.activations.state.site
        await run.shows(f"blocks.{site} neuron {unit}")
        job = backend.asked[-1]
        assert isinstance(job, FindNeuron) and (job.site, job.unit) == (f"blocks.{site}", unit)
        assert job.query == backend.asked[0].query
        await run.shows("NOUN")
        await run.press("G")
        await run.shows("a sentence 6 around")
        await run.press("escape")
        assert run.app.activations.state.kind == "table" and screen(run).table.chosen == unit
        await run.press("escape")
        assert run.app.screen is run.app.inspector


async def test_a_neuron_that_is_not_found_is_said_and_tried_again(models, texts):
    app, backend = found(models, texts)
    backend.detail = UsageError("the texts are gone")
    async with app as run:
        await run.press("i", "2", "enter")
        await run.shows("the texts are gone")
        backend.detail = None
        await run.press("enter")
        await run.shows("NOUN")


async def test_one_run_at_a_time_that_goes_on_beside_the_tree_and_stops(models, texts):
    app, backend = found(models, texts, "waits")
    async with app as run:
        await run.press("i")
        await run.shows("running the model over films.tsv")
        backend.report_progress(50, 200)
        await run.shows("50 of 200 texts")
        await run.press("escape")
        assert run.app.screen is run.app.inspector and run.app.activations.running
        backend.report_progress(60, 200)
        await run.shows("activations: 60 of 200 texts")
        await run.go_to("norm")
        await run.press("i")
        await run.shows("one run at a time")
        assert len(backend.asked) == 1
        await run.press("x")
        assert len(backend.cancelled) == 1 and not run.app.activations.running
        await run.shows("stopped")
        await run.press("enter")
        assert len(backend.asked) == 2


async def test_a_result_that_comes_beside_the_tree_is_kept(models, texts):
    app, backend = found(models, texts, "waits")
    async with app as run:
        await run.press("i", "escape")
        backend.answer(backend.tickets[0], made_report())
        await run.shows("I shows them")
        await run.press("I")
        await run.shows("tuned vs base")
        assert len(backend.asked) == 1
        await run.press("escape", "i")
        await run.pilot.pause()
        assert len(backend.asked) == 1, "the same row, texts and rule: nothing runs again"
        await run.press("escape")
        await run.go_to("norm")
        await run.press("i")
        assert len(backend.asked) == 2


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
        await run.press("i")
        await run.shows(error.what)
        await run.shows("Enter tries again")
        assert len(backend.asked) == 1, "not by itself"
        backend.report = made_report()
        await run.press("enter")
        await run.shows("tuned vs base")
        assert len(backend.asked) == 2


async def test_without_a_reference_there_is_nothing_to_compare(models, texts):
    backend = Canned(made_report(sites=1, alone=True, tags=False))
    async with running(models[0], backend=backend, texts=TextSource(texts)) as run:
        await run.press("i")
        await shown(run)
        assert run.app.activations.state.kind == "overview"
        assert backend.asked[0].query.reference is None
        await run.shows("no reference")
        assert "distance" not in screen(run).table.rows.header().text
        assert run.app.activations.state.order == "mass"


async def test_the_table_is_written_and_the_neuron_copied(models, texts, tmp_path):
    app, _ = found(models, texts)
    async with app as run:
        await run.press("i", "2")
        await shown(run)
        unit = screen(run).table.chosen
        for name in ("out.json", "out.csv", "out.tsv", "out.txt", "out.svg"):
            await run.press("e")
            screen(run).query_one("#export-input").value = str(tmp_path / name)
            await run.press("enter")
            await run.until((tmp_path / name).exists, name)
        await run.press("y")
        assert f"neuron {unit}" in run.app._clipboard
    records = json.loads((tmp_path / "out.json").read_text())["neurons"]
    assert records[0]["unit"] == unit and len(records) == 38
    for name, separator in (("out.csv", ","), ("out.tsv", "\t")):
        with (tmp_path / name).open() as file:
            rows = list(csv.DictReader(file, delimiter=separator))
        assert [int(row["unit"]) for row in rows] == [one["unit"] for one in records]
        assert "\x1b" not in (tmp_path / name).read_text()
    assert "neuron" in (tmp_path / "out.txt").read_text()


async def test_a_plan_and_a_reload(models, texts):
    app, backend = found(models, texts)
    async with app as run:
        await run.press("p")
        await run.press("i")
        await run.shows("leave plan mode")
        assert not backend.asked
        await run.press("p", "i")
        await shown(run)
        await run.press("escape")
        run.app.reloading.start()
        await run.until(lambda: run.app.activations.state is None, "nothing is known any more")


async def test_another_theme_paints_the_picture_again(models, texts):
    app, _ = found(models, texts)
    async with app as run:
        await run.press("i", "1")
        await shown(run)
        before = screen(run).picture._lines
        await run.press("t")
        await run.until(lambda: screen(run).picture._lines is not before, "another picture")
        await run.press("question_mark")
        await run.shows("In the activations")


async def test_a_click_moves_the_cursor_and_another_opens_the_page(models, texts):
    app, backend = found(models, texts)
    async with app as run:
        await run.press("i", "2")
        await shown(run)
        table = screen(run).table
        await run.pilot.click(table, offset=(5, 3))
        assert table.cursor == 2 and run.app.activations.state.unit == table.rows.at[2]
        await run.pilot.click(table, offset=(5, 0))
        assert table.cursor == 2, "the titles are no row"
        await run.pilot.click(table, offset=(5, 3))
        await run.until(lambda: isinstance(backend.asked[-1], FindNeuron), "the page")


async def test_another_size_lays_out_and_draws_again(models, texts):
    app, _ = found(models, texts)
    async with app as run:
        await run.press("i", "1")
        await shown(run)
        for size in (NARROW, (200, 60), (60, 10), WIDE):
            await run.pilot.resize_terminal(*size)
            await run.pilot.pause(0.3)
            assert screen(run).picture.display
            assert screen(run).table.display == (size[0] >= 100)
            assert "could not be drawn" not in run.text
        await run.until(lambda: "neurons activated" in screen(run).picture.text, "the picture")


def test_keys_of_another_screen_are_no_conflict():
    from tui.keys import complaints

    assert complaints({"activations.sort": "m"}) == [], "m is a key of the tree's screen"
    assert len(complaints({"activations.sort": "h"})) == 1


def test_columns_without_texts_are_refused():
    from click.testing import CliRunner

    from tui.cli.inspector import open_app

    done = CliRunner().invoke(open_app, ["model", "--label", "rating"])
    assert done.exit_code == 2 and "--text FILE" in done.output


def test_answers_are_typed_and_read_back():
    typed = {
        "path": " ~/films.tsv ", "text": "", "tags": "pos", "labels": "a, b", "most": "2,000",
        "number": "-0.5", "rule": "over", "sign": "value", "tagger": "", "tokenizer": "~/bpe",
    }  # fmt: skip
    answers = answers_from(typed)
    assert not answers.texts.path.startswith("~") and answers.texts.path.endswith("/films.tsv")
    assert answers.texts.labels == ("a", "b") and answers.texts.most == 2000
    assert answers.rule.threshold == -0.5
    assert answers.tokenizer.endswith("/bpe") and not answers.tokenizer.startswith("~")
    assert answers_from(typed_fields(answers)) == answers


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": ""}, {"most": "none"}, {"most": "0"}, {"most": "9" * 5000}, {"most": "٣"},
        {"rule": "top", "number": "x"}, {"rule": "over", "number": "nan"},
        {"rule": "over", "number": "inf"}, {"tagger": "textblob", "tags": "pos"},
    ],
)  # fmt: skip
def test_answers_that_cannot_be_read_are_refused(wrong):
    typed = dict.fromkeys(
        ("path", "text", "tags", "labels", "most", "number", "tagger", "tokenizer"), ""
    )
    with pytest.raises(UsageError):
        answers_from(typed | {"path": "f", "rule": "max", "sign": "value"} | wrong)


def test_rows_fit_any_width():
    from themes import load_theme
    from tui.activations.rows import neuron_rows, site_rows
    from tui.activations.state import ViewState
    from tui.palette import make_palette

    palette = make_palette(load_theme("lamella-dark"))
    for report in (made_report(), made_report(alone=True), made_report(tags=False)):
        for width in range(40, 200, 7):
            for rows in (
                neuron_rows(ViewState(report), palette, width), site_rows(report, palette, width)
            ):  # fmt: skip
                assert rows.header().cell_length <= width
                assert {rows.line(k, False).cell_length for k in range(3)} == {
                    rows.header().cell_length
                }


def test_what_rows_are_sorted_by_is_shown():
    from themes import load_theme
    from tui.activations.rows import SHOWS, neuron_rows
    from tui.activations.state import ViewState
    from tui.palette import make_palette

    palette = make_palette(load_theme("lamella-dark"))
    for order, title in {**SHOWS, "original": "original", "distance": "distance"}.items():
        for width in (40, 60):
            rows = neuron_rows(ViewState(made_report(), order=order), palette, width)
            assert rows.columns[2].title == title, (order, width)


def test_beside_the_layers_the_modules_are_written():
    from tui.activations.files import table_json, table_text
    from tui.activations.state import ViewState

    state = ViewState(made_report(), kind="layers")
    assert [row["site"] for row in json.loads(table_json(state))["modules"]] == [
        "blocks.0", "blocks.1", "blocks.2"
    ]  # fmt: skip
    assert len(table_text(state, ",").splitlines()) == 4


def test_marks_of_the_list_are_those_of_the_pictures():
    from themes import load_theme
    from tui.activations.figures.facts import UNICODE
    from tui.activations.rows import neuron_rows
    from tui.activations.state import ViewState
    from tui.palette import make_palette

    palette = make_palette(load_theme("lamella-dark"))
    report = made_report()
    rows = neuron_rows(ViewState(report), palette, 60)
    cells = {unit: rows.columns[0].cell(unit) for unit in rows.at}
    assert cells[1][0] == UNICODE.new and cells[2][0] == UNICODE.gone
    assert cells[3][0] == palette.glyphs.note, "few activations"
    assert cells[rows.at[0]] == (UNICODE.most, palette.styles["note"])
    far = [unit for unit in rows.at if cells[unit][0] == UNICODE.least]
    assert cells[far[0]][1] == palette.styles["delta"]


def test_words_that_are_cut_say_so():
    from themes import load_theme
    from tui.activations.rows import neuron_rows
    from tui.activations.state import ViewState
    from tui.palette import make_palette

    report = made_report(sites=1)
    table = report.sites[0].neurons
    long = replace(table, top_word=(("antidisestablishmentarianism",) * table.units,) * 2)
    report = replace(report, sites=(replace(report.sites[0], neurons=long),))
    rows = neuron_rows(ViewState(report), make_palette(load_theme("lamella-dark")), 60)
    shown = rows.line(0, False).text
    assert "…" in shown and "antidisestablishmentarianism" not in shown


async def test_a_page_has_the_neurons_numbers_and_goes_to_its_neighbours(models, texts):
    app, backend = found(models, texts)
    async with app as run:
        await run.press("i", "2")
        await shown(run)
        listed = screen(run).table.rows.at
        table = run.app.activations.state.report.sites[run.app.activations.state.site].neurons
        await run.press("enter")
        await run.shows(f"neuron {listed[0]}")
        await run.shows(f"distance {fmt.number(float(table.distance[listed[0]]))}")
        await run.shows("shared")
        await run.press("right_square_bracket")
        await run.shows(f"neuron {listed[1]}")
        await run.shows("] neuron")
        assert backend.asked[-1].unit == listed[1]
        await run.press("left_square_bracket", "left_square_bracket")
        await run.shows(f"neuron {listed[-1]}")
        await run.press("escape")
        assert screen(run).table.chosen == listed[-1] == run.app.activations.state.unit


def test_the_modules_say_of_how_many_neurons_their_mean_is():
    from themes import load_theme
    from tui.activations.rows import site_rows
    from tui.palette import make_palette

    rows = site_rows(made_report(), make_palette(load_theme("lamella-dark")), 60)
    column = next(column for column in rows.columns if column.title == "mean of")
    assert column.cell(0)[0] == "36 of 40"


@pytest.mark.parametrize("notes", [(), ("the texts were cut after 1,000 characters " * 3,)])
def test_the_line_of_status_fits_eighty_cells(notes):
    from types import SimpleNamespace

    from tui.activations import words
    from tui.activations.state import ViewState

    state = ViewState(made_report(notes=notes), hide_rare=True)
    control = SimpleNamespace(problem="")
    text, _ = words.ready(control, state, "", 80)
    assert len(text) <= 78 and "mean distance" in text
    assert ("the texts were" in text) == bool(notes) != ("1 rare hidden  1 new" in text)
    assert ("the texts were cut" in words.ready(control, state, "", 160)[0]) == bool(notes)


async def test_what_was_found_is_still_there_after_a_run_that_was_stopped(models, texts):
    app, backend = found(models, texts)
    async with app as run:
        await run.press("i")
        await shown(run)
        report = run.app.activations.state.report
        await run.press("escape")
        await run.go_to("norm")
        backend.report = "waits"
        await run.press("i")
        await run.shows("running the model over")
        await run.press("x")
        await run.shows("stopped")
        await run.press("escape", "I")
        await shown(run)
        assert run.app.activations.state.report is report
        await run.press("enter")
        await run.pilot.pause()


async def test_columns_of_another_file_are_said_before_anything_runs(models, tmp_path):
    (tmp_path / "lines.txt").write_text("a film\nno plot\n")
    (tmp_path / "films.tsv").write_text("label\ttext\ngood\ta film\n")
    backend = Canned()
    async with running(*models, backend=backend) as run:
        await run.press("i")
        screen(run).query_one("#texts-path").value = str(tmp_path / "films.tsv")
        screen(run).query_one("#texts-labels").value = "label"
        await run.shows("a film")
        screen(run).query_one("#texts-path").value = str(tmp_path / "lines.txt")
        await run.shows("no column 'label'")
        await run.press("enter")
        await run.pilot.pause()
        assert not backend.asked
        screen(run).query_one("#texts-labels").value = ""
        await run.shows("2 rows")
        await run.press("enter")
        await run.until(lambda: backend.asked, "the run")
