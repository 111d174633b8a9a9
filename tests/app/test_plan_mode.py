"""Plan mode as a person uses it: keys, prompts, files, undo, errors, dead workers."""

import json
import os
import signal
import tomllib

import pytest
from app_made import HOSTILE, layers, write_model
from app_running import NARROW, running
from textual.widgets import Input

from inspect_core.plan.plan import Freeze, Pattern, Place, Plan
from inspect_core.work.backend import Workers
from inspect_core.work.plan_jobs import PreviewPlan
from tui.screens.plan_pattern import PatternPrompt
from tui.screens.plan_settings import PlacementDialog
from tui.screens.text import TextScreen

pytestmark = pytest.mark.no_color

CONFIG = {
    "model_type": "bert", "architectures": ["BertModel"], "hidden_size": 8,
    "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 12, "vocab_size": 10,
    "max_position_embeddings": 6, "type_vocab_size": 2,
}  # fmt: skip


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model" / "model.safetensors", layers())


async def planning(run) -> None:
    """Go into plan mode, and wait for what it shows."""
    await run.press("p")
    await settled(run)
    assert run.app.plan.preview is not None, run.text


async def settled(run) -> None:
    await run.pilot.pause()  # what a key asks for is asked for
    await run.until(lambda: not run.app.desk.busy("plan", "trial", "write_plan", "read_plan"))
    await run.pilot.pause()


async def on(run, path: str, *keys: str) -> None:
    await run.go_to(path)
    await run.press(*keys)
    await settled(run)


def header(run) -> str:
    return run.text.split("\n")[1]


def row_line(run, label: str) -> str:
    return next(line for line in run.text.split("\n")[2:] if label in line.split("│")[0])


async def test_it_shows_an_empty_plan_and_leaves_as_it_was(model):
    async with running(model) as run:
        before = run.paths
        await planning(run)
        assert header(run).startswith(" plan  nothing planned yet")
        assert "tunable 100%" in header(run) and "memory" in header(run)
        await run.shows("f freezes it, or thaws it")
        await run.press("escape")
        await run.until(lambda: not run.app.plan.active)
        await run.shows("no reference: press r")
        assert run.paths == before and "nothing planned" not in run.text


async def test_keys_of_plan_mode_do_nothing_outside_it(model, monkeypatch):
    async with running(model) as run:
        status, said = run.app.inspector.status, []
        say = status.say

        def heard(text, *more):
            said.append(text)
            say(text, *more)

        # What ends in the background may say something else right after.
        monkeypatch.setattr(status, "say", heard)
        await run.press("f", "a", "u", "U", "F", "A")
        assert run.app.plan.plan.steps == () and run.app.screen is run.app.inspector
        assert "freeze" not in run.text and said.count("p for plan mode") == 6


async def test_freezing_splits_a_fold_and_keeps_the_cursor_and_the_numbers(tmp_path):
    base = write_model(tmp_path / "base" / "model.safetensors", layers())
    tuned = write_model(tmp_path / "tuned" / "model.safetensors", layers(l2=0.3))
    async with running(tuned, base) as run:
        changed = {p: run.app.session.change(line.row).value for p, line in _rows(run)}
        await planning(run)
        await run.go_to("layers.0")
        await run.press("o", "f")
        await settled(run)
        assert [p for p in run.paths if p.count(".") == 1] == [f"layers.{k}" for k in range(4)]
        assert run.tree.current_row.path == "layers.0"
        assert "○" in row_line(run, "▸ 0 ") and "●" in row_line(run, "▸ 1 ")
        await run.press("down", "f")
        await settled(run)
        assert run.app.plan.plan.steps == (
            Freeze((Pattern("layers.0", "exact"),)), Freeze((Pattern("layers.1", "exact"),)),
        )  # fmt: skip
        again = {p: run.app.session.change(line.row).value for p, line in _rows(run)}
        assert changed.items() <= {**changed, **again}.items()
        assert again["layers.2"] > 0 and again["layers.1"] == 0
        await run.press("p")
        assert {p: run.app.session.change(line.row).value for p, line in _rows(run)}[""] == (
            changed[""]
        )


def _rows(run):
    return [(line.row.path, line) for line in run.tree.outline.lines if line.row is not None]


async def test_f_takes_itself_back_and_undo_and_redo_go_all_the_way(model):
    async with running(model) as run:
        await planning(run)
        await on(run, "embed", "f")
        assert "●" not in row_line(run, "embed")
        await run.press("f")
        await settled(run)
        assert run.app.plan.plan.steps == () and "●" in row_line(run, "embed")
        await run.press("u")
        await settled(run)
        assert len(run.app.plan.plan.steps) == 1 and "○" in row_line(run, "embed")
        await run.press("u")
        await run.press("u")
        await run.shows("nothing to undo")
        await run.press("U", "U")
        await settled(run)
        assert run.app.plan.plan.steps == ()
        await run.press("U")
        await run.shows("nothing was undone")


async def test_adapters_appear_where_the_cursor_is_with_their_sizes(model):
    async with running(model) as run:
        await planning(run)
        await on(run, "layers.0.attn", "a")
        assert "LoRA r=8 alpha=16 on attn" in header(run) and "×4" in header(run)
        await run.go_to("layers.0.attn")
        await run.press("right", "right")
        await run.pilot.pause()
        assert "◆" in row_line(run, "attn") and "lora_A" in run.text
        assert run.app.plan.preview.totals.delta == 4 * 8 * (6 + 6)
        await on(run, "layers.0.attn", "a")
        assert run.app.plan.plan.steps == () and "lora_A" not in run.text


async def test_a_filter_keeps_what_a_plan_adds_to_what_it_finds(model):
    async with running(model) as run:
        await planning(run)
        await on(run, "layers.0.attn", "a")
        await run.go_to("layers.0.attn")
        await run.press("right")
        assert "lora_A" in run.text
        await run.press("slash", *"attn", "enter")
        await run.pilot.pause(0.2)
        assert "lora_A" in run.text and "mlp" not in "".join(run.paths)


async def test_the_plan_stays_when_plan_mode_is_left(model):
    async with running(model) as run:
        await planning(run)
        await on(run, "embed", "f")
        await run.press("p")
        await run.shows("plan kept: p")
        run.app.say_ready()  # as at the end of a job that was still going on
        await run.pilot.pause()
        assert "plan kept: p   no reference" in run.text
        assert "●" in row_line(run, "embed")
        await planning(run)
        assert "○" in row_line(run, "embed") and "freeze embed" in header(run)


async def test_a_pattern_is_tried_as_it_is_typed(model):
    async with running(model) as run:
        await planning(run)
        await run.press("F")
        assert isinstance(run.app.screen, PatternPrompt)
        run.app.screen.query_one(Input).value = "mlp - bias"
        await run.shows("but not bias")
        await run.until(lambda: "▮▮▮▮ 0-3" in run.text)
        run.app.screen.query_one(Input).value = "re:(a+)+$("
        await run.shows("not a regular expression")
        await run.press("enter")
        assert isinstance(run.app.screen, PatternPrompt)
        run.app.screen.query_one(Input).value = "mlp - bias"
        await run.press("enter")
        await settled(run)
        [step] = run.app.plan.plan.steps
        assert step == Freeze((Pattern("mlp"),), exclude=(Pattern("bias"),))


async def test_the_dialog_places_by_what_is_typed(model):
    async with running(model) as run:
        await planning(run)
        await run.press("A")
        dialog = run.app.screen
        assert isinstance(dialog, PlacementDialog)
        dialog.query_one("#placement-targets", Input).value = "attn,mpl"
        dialog.query_one("#placement-layers", Input).value = "1-2"
        dialog.query_one("#placement-rank", Input).value = "4"
        await run.shows("matches nothing")
        dialog.query_one("#placement-layers", Input).value = "1-x"
        await run.shows("no layer")
        await run.press("enter")
        assert run.app.screen is dialog
        dialog.query_one("#placement-layers", Input).value = "1-2"
        dialog.query_one("#placement-targets", Input).value = "attn"
        await run.press("enter")
        await settled(run)
        [step] = run.app.plan.plan.steps
        assert isinstance(step, Place)
        assert (step.targets, step.layers, step.rank, step.alpha) == (("attn",), (1, 2), 4, 16)
        await run.press("A")
        assert run.app.screen.query_one("#placement-layers", Input).value == "1-2"
        await run.press("escape")
        await run.press("u")
        await settled(run)
        assert run.app.plan.plan.steps == ()


async def test_another_dtype_counts_other_memory(model):
    async with running(model) as run:
        await planning(run)
        before = run.app.plan.preview.totals
        await run.press("A")
        run.app.screen.query_one("#placement-weights").focus()
        await run.press("right", "right", "enter")
        await settled(run)
        assert run.app.plan.plan.precision.weights == "BF16"
        assert run.app.plan.plan.steps == ()
        assert run.app.plan.preview.totals.weight_bytes == before.weight_bytes // 2


@pytest.mark.parametrize(
    "name", ["plan.toml", "adapter_config.json", "plan.py", "names.txt", "names.json"]
)
async def test_a_plan_is_written_and_said(model, tmp_path, name):
    async with running(model) as run:
        await planning(run)
        await on(run, "layers.0.attn", "a")
        path = tmp_path / name
        await run.press("e")
        assert run.app.screen.query_one(Input).value == "adapter_config.json"
        run.app.screen.query_one(Input).value = str(path)
        await run.press("enter")
        await settled(run)
        await run.until(path.exists, name)
        text = path.read_text("utf-8")
        assert (run.app.plan.unsaved is None) == (not name.startswith("names"))
        if name == "names.json":
            assert "attn" in json.loads(text)[0]["name"]
        elif name.endswith(".json"):
            assert json.loads(text)["target_modules"] == ["attn"]
        elif name.endswith(".toml"):
            assert tomllib.loads(text)["step"][0]["targets"] == ["attn"]
        else:
            assert "attn" in text
        run.app.plan.files.write(path)
        await run.shows("is there already")
        assert path.read_text("utf-8") == text


async def test_the_screen_can_still_be_written(model, tmp_path):
    async with running(model) as run:
        await planning(run)
        await run.press("e")
        run.app.screen.query_one(Input).value = str(tmp_path / "screen.svg")
        await run.press("enter")
        await run.until((tmp_path / "screen.svg").exists)


async def test_a_plan_file_is_where_it_begins(model, tmp_path):
    file = tmp_path / "plan.toml"
    file.write_text('[[step]]\nfreeze = ["embed"]\n[[step]]\nplace = "lora"\ntargets = ["attn"]\n')
    async with running(model, plan_file=str(file)) as run:
        await run.until(lambda: run.app.plan.preview is not None)
        await settled(run)
        assert len(run.app.plan.plan.steps) == 2 and "LoRA" in header(run)
        await run.press("q")
    assert run.app.return_code == 0


async def test_a_plan_file_that_is_none_is_one_line(model, tmp_path):
    file = tmp_path / "plan.toml"
    file.write_text("[[step]]\nfreeze = 3\n")
    async with running(model, plan_file=str(file)) as run:
        await run.shows("plan.toml")
        assert not run.app.plan.active and run.app.session.listing is not None


async def test_a_plan_that_was_not_written_is_said_once(model):
    async with running(model) as run:
        await planning(run)
        await on(run, "embed", "f")
        await run.press("q")
        await run.shows("the plan is not written")
        assert run.app.is_running
        await run.press("q")
        await run.until(lambda: run.app._exit)


async def test_a_pattern_that_takes_too_long_is_not_taken(model):
    async with running(model) as run:
        await planning(run)
        await on(run, "embed", "f")
        run.app.plan.change(run.app.plan.plan.then(Freeze((Pattern("(", "regex"),))))
        await settled(run)
        await run.shows("not taken")
        assert len(run.app.plan.plan.steps) == 1 and "○" in row_line(run, "embed")


async def test_what_peft_refuses_is_said_and_can_be_undone(model):
    async with running(model) as run:
        await planning(run)
        run.app.plan.change(Plan().then(Place(targets=("nothing_here",))))
        await settled(run)
        assert "PEFT would refuse" in header(run)
        await run.press("u")
        await settled(run)
        assert "nothing planned" in header(run)


async def test_it_says_everything_that_fits_on_a_small_screen(model):
    async with running(model, size=NARROW) as run:
        await planning(run)
        await on(run, "layers.0.attn", "a")
        assert "LoRA r=8" in header(run) and "tunable" in header(run)
        assert "attn" in row_line(run, "layers") or "attn" in run.text
        for key in ("f freeze", "a place", "F by name", "A settings", "u undo", "e export"):
            assert key in run.text
        await run.press("tab")
        await run.shows("parameters")
        await run.press("end")
        await run.pilot.pause(0.2)
        assert "entry" in run.text and "▮▮▮▮" in run.text
        await run.press("escape", "escape")
        assert not run.app.plan.active


async def test_enter_still_inspects_a_row(model):
    async with running(model) as run:
        await planning(run)
        await run.inspect("layers.0.attn.weight")
        await run.until(lambda: "parameters" not in run.detail and "attn.weight" in run.detail)
        await run.press("up")
        await run.until(lambda: "parameters" in run.detail)


async def test_types_that_come_late_change_what_the_plan_counts_with(tmp_path):
    path = _bert(tmp_path)
    async with running(path, backend=Workers(log=str(tmp_path / "log"))) as run:
        await run.press("p")
        await run.until(lambda: run.app.plan.preview is not None)
        await run.until(lambda: not run.app.session.listing.tree.untyped, "types")
        await settled(run)
        assert "BertModel" in run.text and run.app.plan.typed
        await on(run, "encoder.layer.0.attention.self.query", "a")
        assert run.app.plan.preview.totals.delta == 3 * 3 * 8 * 16
        assert "×9" in header(run)
        await run.press("b")
        await run.until(lambda: run.app.bare_modules and not run.app.desk.busy("types", "plan"))
        assert "LoRA" in header(run)


def _bert(tmp_path) -> str:
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    made = BertModel(BertConfig(**{k: v for k, v in CONFIG.items() if k != "architectures"}))
    state = {name: value.contiguous() for name, value in made.state_dict().items()}
    save_file(state, str(folder / "model.safetensors"))
    return str(folder)


async def test_a_worker_that_dies_leaves_the_plan(model, tmp_path):
    workers = Workers(log=str(tmp_path / "log"))
    async with running(model, backend=workers) as run:
        await planning(run)
        await on(run, "embed", "f")
        for pid in workers.pids:
            os.kill(pid, signal.SIGKILL)
        await on(run, "norm", "f")
        assert len(run.app.plan.plan.steps) == 2
        await run.until(lambda: "○" in row_line(run, "norm"))


async def test_hostile_names_are_frozen_placed_on_and_written(tmp_path):
    tensors = {f"{name}.weight": layers()["layers.0.attn.weight"] for name in HOSTILE}
    path = write_model(tmp_path / "model" / "model.safetensors", tensors)
    async with running(path, size=(100, 60)) as run:
        await planning(run)
        for key in ("f", "a"):
            for _ in HOSTILE:
                await run.press("down", key)
            await run.press("home")
            await settled(run)
        assert "\x1b" not in run.text and "\u202e" not in run.text
        assert len(run.app.plan.plan.steps) >= 1
        out = tmp_path / "plan.toml"
        run.app.plan.files.write(out)
        await run.until(out.exists)


async def test_a_reload_keeps_the_plan(model):
    async with running(model) as run:
        await planning(run)
        await on(run, "embed", "f")
        await run.press("R")
        await run.until(lambda: not run.app.desk.busy("open", "plan"))
        await settled(run)
        assert "freeze embed" in header(run) and "○" in row_line(run, "embed")


async def test_a_saved_result_says_that_there_is_nothing_to_plan_for(model, monkeypatch):
    async with running(model) as run:
        monkeypatch.setattr(type(run.app.session), "saved", True)
        await run.press("p")
        await run.shows("no model to plan for")
        assert not run.app.plan.active


async def test_the_help_has_the_keys(model):
    async with running(model, size=(120, 100)) as run:
        await run.press("question_mark")
        assert isinstance(run.app.screen, TextScreen)
        assert "In plan mode" in run.text and "take back the last change" in run.text


def test_the_job_travels_and_needs_torch_only_for_types():
    import pickle

    job = PreviewPlan("m", Plan().then(Place(targets=("q",), rank_pattern={"q": 4})), True)
    assert pickle.loads(pickle.dumps(job)) == job
    assert job.needs_torch and not PreviewPlan("m", Plan()).needs_torch
