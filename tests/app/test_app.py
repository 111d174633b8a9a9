"""The app as a person uses it: keys, clicks, errors, hostile files, dead workers."""

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
from app_made import HOSTILE, layers, until, write_model
from app_running import NARROW, WIDE, idle, running
from textual.widgets import Input

from inspect_core.work.backend import Workers
from tui.demo import demo_pair
from tui.messages import JobEnded, RowChosen, RowHighlighted
from tui.metric_choice import STEPS
from tui.palette import Depth
from tui.screens.inspector import InspectorScreen
from tui.screens.reference import ReferencePrompt, complete_path
from tui.screens.text import TextScreen

pytestmark = pytest.mark.no_color


def small(tmp_path, name="model", **tensors):
    return write_model(tmp_path / name / "model.safetensors", tensors or layers())


# The bundled pair, in worker processes


async def test_it_opens_sweeps_and_leaves_no_process(pair, tmp_path):
    base, model = pair
    workers = Workers(log=str(tmp_path / "log"))
    async with running(model, base, backend=workers) as run:
        assert run.paths[:3] == ["", "model", "model.embed_tokens"]
        assert "74 of 74 tensors compared" in run.text
        assert "movies" in run.text and "vs" in run.text and "glosses" in run.text
        shown = [run.app.session.change(line.row) for line in run.tree.outline.lines]
        assert {change.status for change in shown} <= {"same", "changed"}
        assert run.app.session.done == frozenset(range(74))
        assert {m.role for m in run.got(JobEnded)} >= {"open", "pair", "sweep"}
        pids = workers.pids
        assert pids
        await run.press("q")
    await asyncio.sleep(0)
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_every_kind_of_row_has_its_detail(pair):
    base, model = pair
    async with running(model, base) as run:
        await run.shows("model.layers")
        fold = next(path for path in run.paths if "layers.0-" in path)
        await run.inspect("model.layers.0")
        await run.shows(fold)
        await run.shows("input_layernorm")
        assert "relative L2" in run.text and "cosine" in run.text
        await run.inspect("model.layers.0.mlp.up_proj.weight")
        await run.shows("mlp.up_proj ")
        await run.inspect("model.norm.weight")
        await run.until(lambda: "0-95" in run.text and "model - reference" in run.text)
        assert "model.norm.weight" in run.text


async def test_a_small_module_draws_each_of_its_parameters(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l1=0.5))
    async with running(model, base) as run:
        await run.go_to("layers.1")
        await run.press("o")
        await run.inspect("layers.1")
        await run.until(lambda: "attn.weight" in run.detail and "scale" in run.detail)
        assert run.detail.count("relative L2") == 4, "three parameters and their sum"
        assert "mlp.bias" in run.detail


async def test_types_arrive_and_the_numbers_stay(tmp_path):
    base, model = demo_pair()
    workers = Workers(log=str(tmp_path / "log"))
    async with running(model, base, backend=workers) as run:
        name = "model.layers.3.mlp.up_proj.weight"
        tensor = run.app.session.listing.names.index(name)

        def row_of():
            session = run.app.session
            at = int(session._ordinals()[tensor])
            return session.table.summary([(at, at + 1)]).sq_d

        before = row_of()
        await until(
            run.pilot, lambda: run.app.session.tree.root.type == "LlamaForCausalLM", 120, "types"
        )
        assert row_of() == before
        await run.shows("LlamaForCausalLM")
        assert run.app.detail.row is run.tree.current_row, "the detail follows the new tree"
        await run.inspect("lm_head.weight")
        await run.shows("it shares the values of model.embed_tokens.weight")


async def test_a_killed_idle_worker_is_replaced_at_the_next_selection(pair, tmp_path):
    base, model = pair
    workers = Workers(log=str(tmp_path / "log"))
    async with running(model, base, backend=workers) as run:
        await run.until(lambda: not run.app.desk.busy(), "rest")
        for pid in workers.pids:
            os.kill(pid, signal.SIGKILL)
        await run.until(lambda: not workers.pids)
        await run.inspect("model.norm.weight")
        await run.shows("model - reference")


async def test_a_worker_killed_at_work_is_a_message_and_enter_tries_again(pair, tmp_path):
    base, model = pair
    workers = Workers(log=str(tmp_path / "log"))
    async with running(model, base, backend=workers) as run:
        await run.until(lambda: not run.app.desk.busy(), "rest")
        (pid,) = workers.pids
        os.kill(pid, signal.SIGSTOP)
        await run.inspect("model.norm.weight")
        await run.until(lambda: run.app.desk.busy("inspect"))
        os.kill(pid, signal.SIGKILL)
        await run.shows("Press Enter to try again.")
        assert "killed (out of memory?)" in " ".join(run.detail.split())
        assert "model.norm.weight" in run.text
        await run.press("enter")
        await run.shows("model - reference")


async def test_leaving_in_the_middle_of_a_sweep_is_quiet(pair):
    base, model = pair
    async with running(model, base, swept=False) as run:
        await run.until(lambda: run.app.desk.busy("sweep") or run.app.session.done)
        await run.press("q")
    # The timer that would have painted them must not look for a screen.
    assert run.app.return_code == 0
    run.app.comparison.refresh()
    run.app.detail.inspect()


# Keys and mouse


async def test_keys_fold_open_and_collapse(tmp_path):
    async with running(small(tmp_path)) as run:
        start = run.paths
        assert "layers.0-3" in start
        await run.go_to("layers.0")
        await run.press("right")
        assert "layers.0-3.attn" in run.paths
        await run.press("right")
        assert run.tree.current_row.path == "layers.0-3.attn"
        await run.press("left", "left")
        assert run.tree.current_row.path == "layers.0-3"
        assert run.paths == start
        await run.press("space")
        assert "layers.0-3.mlp" in run.paths
        await run.press("o")
        assert [f"layers.{k}" in run.paths for k in range(4)] == [True] * 4
        assert run.tree.current_row.path == "layers.0"
        await run.press("j", "j", "o")
        assert run.tree.current_row.path == "layers.0-3"
        await run.press("g")
        assert run.tree.cursor == 0
        await run.press("G")
        assert run.tree.cursor == len(run.paths) - 1
        await run.press("o")
        await run.shows("this row is not a fold")


async def test_a_click_moves_folds_and_chooses(tmp_path):
    async with running(small(tmp_path)) as run:
        at = run.paths.index("layers.0-3")
        mark = run.tree.outline.lines[at].depth * 2
        await run.pilot.click("#tree", offset=(mark + 4, at))
        await run.until(lambda: run.tree.cursor == at)
        assert "layers.0-3.attn" not in run.paths and not run.got(RowChosen)
        await run.pilot.click("#tree", offset=(mark, at))
        await run.until(lambda: "layers.0-3.attn" in run.paths)
        await run.pilot.click("#tree", offset=(mark + 4, at))
        await run.until(lambda: run.got(RowChosen))
        assert run.got(RowChosen)[-1].row.path == "layers.0-3"


async def test_a_filter_is_typed_kept_and_ended(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.press("slash")
        await run.press(*"2 bias")
        await run.until(
            lambda: run.paths == ["", "layers", "layers.2", "layers.2.mlp", "layers.2.mlp.bias"]
        )
        await run.press("enter")
        assert run.app.focused is run.tree
        await run.until(lambda: len(run.paths) == 5)
        await run.press("escape")
        await run.until(lambda: "norm" in run.paths)
        assert not run.app.screen.query("#filter")
        before = run.paths
        assert run.tree.current_row.path == "layers.2.mlp.bias", "what was found stays in sight"
        await run.press("slash", *"zz")
        await run.shows("no name holds 'zz'")
        await run.press("escape")
        await run.until(lambda: run.paths == before)
        assert "no name holds" not in run.text


async def test_the_next_metric_is_shown_everywhere(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        await run.shows("relative L2")
        rel = run.app.session.change(run.tree.outline.root).value
        await run.press("m")
        await run.shows("mean |d|")
        assert run.app.session.change(run.tree.outline.root).value != rel
        for _ in range(len(STEPS) - 1):
            await run.press("m")
        assert run.app.session.metric_key == "rel_l2"


async def test_a_metric_needs_a_reference(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.press("m")
        await run.shows("a metric needs a reference")


async def test_help_and_warnings_are_pages_that_close(tmp_path):
    async with running(small(tmp_path)) as run:
        for key, text in (
            ("question_mark", "lamella: a checkpoint as a folded tree"),
            ("w", "nothing to warn"),
        ):
            await run.press(key)
            await run.shows(text)
            assert isinstance(run.app.screen, TextScreen)
            await run.press("escape")
            await run.until(lambda: isinstance(run.app.screen, InspectorScreen))


async def test_highlighting_settles_before_it_inspects(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.until(lambda: not run.app.desk.busy())
        await run.press(*"jjj")
        row = run.tree.current_row
        await run.until(lambda: run.app.detail.drawing._selected[0] is row)
        assert len(run.got(RowHighlighted)) >= 2


# References


async def test_a_reference_is_asked_for_and_its_path_completes(tmp_path):
    base, model = small(tmp_path, "base", **layers(l2=0.5)), small(tmp_path)
    async with running(model) as run:
        await run.shows("no reference: press r")
        assert run.app.session.change(run.tree.outline.root).status == "none"
        await run.press("r")
        await run.until(lambda: isinstance(run.app.screen, ReferencePrompt))
        field = run.app.screen.query_one(Input)
        field.value = base[:-12]
        field.cursor_position = len(field.value)
        await run.until(lambda: field._suggestion, "a suggestion")
        await run.press("tab")
        assert field.value == base
        await run.press("enter")
        await run.until(lambda: idle(run.app))
        await run.shows("14 of 14 tensors compared")
        row = next(line.row for line in run.tree.outline.lines if line.row.path == "layers.0-3")
        assert run.app.session.change(row).note == "0-1,3 unchanged, 2 changed"


async def test_a_wrong_reference_is_a_message_and_the_app_lives(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.press("r")
        run.app.screen.query_one(Input).value = str(tmp_path / "nowhere")
        await run.press("enter")
        await run.shows("nowhere")
        assert run.app.comparison.reference is None
        await run.inspect("norm.weight")
        await run.until(lambda: "values" in run.text and "std" in run.text)


async def test_a_wrong_second_reference_leaves_the_first(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        await run.press("r")
        run.app.screen.query_one(Input).value = str(tmp_path / "nowhere")
        await run.press("enter")
        await run.until(lambda: any(m.error for m in run.got(JobEnded) if m.role == "pair"))
        await run.until(lambda: idle(run.app))
        assert run.app.comparison.reference == base
        await run.inspect("norm.weight")
        await run.shows("model - reference")


async def test_escape_leaves_the_prompt_without_a_reference(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.press("r", "escape")
        await run.until(lambda: isinstance(run.app.screen, InspectorScreen))
        assert run.app.comparison.reference is None and not run.app.desk.busy("pair")


def test_completion_offers_folders_and_checkpoints_only(tmp_path):
    for name in ("notes.txt", "b.safetensors", ".hidden.safetensors", "c\x1b.safetensors", "d.GGUF",
                 "e.pt", "f.bin.index.json"):  # fmt: skip
        (tmp_path / name).touch()
    (tmp_path / "a").mkdir()
    assert complete_path(f"{tmp_path}/") == f"{tmp_path}/a/"
    assert complete_path(f"{tmp_path}/b") == f"{tmp_path}/b.safetensors"
    assert complete_path(f"{tmp_path}/.h") == f"{tmp_path}/.hidden.safetensors"
    for typed, found in (("d", "d.GGUF"), ("e", "e.pt"), ("f", "f.bin.index.json")):
        assert complete_path(f"{tmp_path}/{typed}") == f"{tmp_path}/{found}"
    for nothing in ("n", "c", "a/x"):
        assert complete_path(f"{tmp_path}/{nothing}") is None
    assert complete_path("") is None


async def test_without_a_reference_values_are_drawn(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.inspect("layers.1")
        await run.shows("rms of the values")
        assert "no reference" in run.text
        await run.inspect("embed.weight")
        await run.until(lambda: "rows 0-11  columns 0-5" in run.text)
        assert "std" in run.text


async def test_numbers_of_values_never_pass_for_changes(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path)
    async with running(model) as run:
        await run.press("enter")
        run.app.comparison.start(base)
        await run.until(lambda: idle(run.app))

        def statuses():
            return {run.app.session.change(line.row).status for line in run.tree.outline.lines}

        assert statuses() <= {"same", "pending"}, "never a change"
        await run.until(lambda: statuses() == {"same"})


async def test_another_architecture_is_compared_as_far_as_it_goes(tmp_path):
    theirs = layers(3)
    theirs["embed.weight"] = np.zeros((12, 7), np.float32)
    theirs["norm.weight"] = theirs["norm.weight"].astype(np.float16)
    theirs["only.here"] = np.zeros(3, np.float32)
    ours = {**layers(4), "odd": ("F8_E8M0", (4,), b"\x7f" * 4)}
    base, model = small(tmp_path, "base", **theirs), small(tmp_path, **ours)
    async with running(model, base) as run:
        session = run.app.session
        status = {line.row.path: session.change(line.row).status for line in run.tree.outline.lines}
        assert status["embed"] == "mismatch" and status["norm"] == "same"
        await run.shows("shape")
        await run.press("w")
        await run.shows("only in the reference (1): only.here")
        assert "shape 12x6 here, 12x7 in the reference" in run.text
        await run.press("escape")
        await run.inspect("embed.weight")
        await run.shows("shape 12x6 here, 12x7 in the reference")
        await run.inspect("layers.3.attn.weight")
        await run.shows("no partner in the reference")
        await run.inspect("odd")
        await run.shows("values of dtype F8_E8M0 are listed but not read")


# Small terminals


async def test_80x24_shows_one_pane_at_a_time(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base, size=NARROW) as run:
        assert run.tree.display and not run.app.inspector.detail.display
        await run.inspect("norm.weight")
        await run.until(lambda: "model - reference" in run.text)
        assert not run.tree.display
        assert run.app.inspector.detail.size.width == 80
        await run.press("escape")
        await run.until(lambda: run.tree.display)
        assert "norm" in run.text and run.app.focused is run.tree
        await run.press("tab")
        await run.shows("model - reference")
        await run.press("tab")
        await run.until(lambda: run.tree.display)


async def test_a_resize_draws_for_the_new_size(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.inspect("layers.1")
        for size in ((80, 24), (200, 50), (40, 10), (20, 6), (120, 40)):
            await run.pilot.resize_terminal(*size)
            await run.pilot.pause(0.2)
            assert len(run.text.split("\n")) == size[1]
        await run.shows("rms of the values")
        assert run.app.inspector.tree_view.display and run.app.inspector.detail.display


# Broken and hostile files


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_missing_model_is_a_sentence(tmp_path, size):
    async with running(str(tmp_path / "nothing"), size=size) as run:
        await run.shows("cannot open the model")
        await run.shows("nothing")
        assert "press q to quit" in run.text
        await run.press("down", "enter", "slash", "escape", "o", "m", "question_mark", "escape")
        await run.shows("cannot open the model")


async def test_a_broken_file_names_itself_and_the_reason(tmp_path):
    path = Path(small(tmp_path))
    path.write_bytes(path.read_bytes()[:300])
    async with running(str(path)) as run:
        await run.shows("cannot open the model")
        await run.until(lambda: "model.safetensors" in run.detail.replace("\n", ""))


async def test_hostile_names_are_shown_and_nothing_else(tmp_path):
    ones = np.ones((2, 2), np.float32)
    tensors = {f"{name}.w": ones for name in HOSTILE} | dict.fromkeys(HOSTILE, ones)
    base = small(tmp_path, "base", **{name: t * 2 for name, t in tensors.items()})
    async with running(small(tmp_path, **tensors), base) as run:
        for at in range(len(run.paths)):
            run.tree.focus()
            run.tree.move_to(at)
            await run.press("enter")
            await run.until(lambda: not run.app.desk.busy("inspect"))
            await run.pilot.click("#detail", offset=(6, 0))
        run.tree.focus()
        for key in ("w", "escape", "slash", "left_square_bracket"):
            await run.press(key)
        text = run.text
        assert all(char == "\n" or char.isprintable() for char in text)
        assert run.app.is_running and run.app._exit is False
        await run.press("escape")
        await run.shows("[@click=app.quit]x")
        assert r"b\x1b]52;c;ZXZpbA==\x07" in run.text and r"c\u202ed" in run.text


async def test_slices_of_a_3d_tensor_are_walked(tmp_path):
    cube = np.arange(3 * 16 * 16, dtype=np.float32).reshape(3, 16, 16)
    async with running(small(tmp_path, cube=cube)) as run:
        await run.inspect("cube")
        await run.shows("slice 1 of 3")
        await run.press("right_square_bracket")
        await run.shows("slice 2 of 3")
        await run.press("left_square_bracket", "left_square_bracket")
        await run.shows("slice 3 of 3")
        await run.press("escape", "down", "up")


async def test_a_file_replaced_during_the_session_is_a_message(tmp_path):
    model = small(tmp_path)
    async with running(model) as run:
        await run.until(lambda: not run.app.desk.busy())
        write_model(Path(model), {"other": np.ones(3, np.float32)})
        await run.inspect("norm.weight")
        await run.shows("press R to reload")
        assert run.app.is_running


async def test_empty_and_scalar_tensors_have_a_detail(tmp_path):
    tensors = {"empty": np.zeros((0, 4), np.float32), "scalar": np.array(3.0, np.float32)}
    async with running(small(tmp_path, **tensors)) as run:
        for name, text in (("empty", "no values"), ("scalar", "scalar")):
            await run.inspect(name)
            await run.shows(text)


@pytest.mark.parametrize("look", [{"ascii_only": True}, {"depth": Depth.NONE}])
async def test_other_looks_draw_everything(tmp_path, look):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base, **look) as run:
        for path in ("", "layers.1", "layers.2.mlp.weight", "norm.weight"):
            await run.inspect(path)
            await run.until(lambda: not run.app.desk.busy())
        await run.shows("model - reference")
        assert "▀" not in run.text


# What a first user stumbled over


async def test_indices_do_not_drown_the_weights(tmp_path):
    ids = np.arange(512, dtype=np.int64)
    tensors = {"emb.position_ids": ids, "emb.w": np.ones((4, 4), np.float32)}
    base = small(tmp_path, "base", **tensors)
    model = small(tmp_path, **{**tensors, "emb.w": np.full((4, 4), 2, np.float32)})
    async with running(model, base) as run:
        change = run.app.session.change(run.tree.outline.root)
        assert change.value == 1.0, "the weights moved by all they were"
    moved = small(tmp_path, "moved", **{**tensors, "emb.position_ids": ids + 1})
    async with running(moved, base) as run:
        assert run.app.session.change(run.tree.outline.root).status == "changed"


async def test_nan_is_marked_and_warned_of(tmp_path):
    values = np.ones((4, 4), np.float32)
    values[1, 2] = np.nan
    base = small(tmp_path, "base", **{"a.w": np.ones((4, 4), np.float32)})
    async with running(small(tmp_path, **{"a.w": values}), base) as run:
        change = run.app.session.change(run.tree.outline.root)
        assert "1 NaN or infinite" in change.note
        await run.shows("1 warning: w to read")
        await run.press("w")
        await run.shows("a.w: 1 NaN or infinite values")


async def test_opening_a_fold_shows_the_member_under_the_cursor(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l1=0.5))
    async with running(model, base) as run:
        await run.inspect("layers.0")
        await run.shows("layers.0-3")
        await run.press("o")
        await run.until(lambda: run.detail.startswith("layers.0 "))


async def test_the_end_of_a_filter_keeps_what_was_found(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.press("slash", *"embed", "enter", "end", "right", "down")
        await run.until(lambda: run.tree.current_row.path == "embed.weight")
        await run.press("escape")
        await run.until(lambda: not run.tree.outline.filtered)
        assert run.tree.current_row.path == "embed.weight"


async def test_the_palette_knows_the_commands(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.press("ctrl+p")
        await run.pilot.pause()
        await run.press(*"warnings")
        await run.shows("Everything to know about both checkpoints")
        await run.press("enter")
        await run.shows("nothing to warn of")


async def test_a_module_with_tensors_that_cannot_be_compared_is_not_the_same(tmp_path):
    ones = np.ones((4, 4), np.float32)
    base = small(tmp_path, "base", **{"blk.a": ones, "blk.c": np.ones((3, 4), np.float32)})
    model = small(tmp_path, **{"blk.a": ones, "blk.b": ones, "blk.c": ones})
    async with running(model, base) as run:
        change = run.app.session.change(run.tree.outline.root)
        assert change.status == "partial"
        assert "2 of its tensors cannot be compared" in change.note
        await run.shows("!")


async def test_a_model_replaced_while_open_is_refused(tmp_path):
    base = small(tmp_path, "base", **{"a.w": np.ones((2, 2), np.float32)})
    values = {"a.w": np.ones((2, 2), np.float32), "b.x": np.ones((2, 2), np.float32)}
    async with running(small(tmp_path, **values)) as run:
        small(tmp_path, **{"b.x": values["b.x"]})
        run.app.comparison.start(base)
        await run.shows("the file changed since it was opened")
        assert run.app.session.pairs is None
        await run.inspect("a.w")
        await run.until(lambda: "the file changed" in " ".join(run.detail.split()))


async def test_modules_without_parameters_are_on_a_switch(tmp_path):
    async with running(demo_pair()[1]) as run:
        await run.shows("LlamaForCausalLM")
        await run.until(lambda: not run.app.desk.busy("types"))
        await run.go_to("model.layers.0.mlp")
        await run.press("right")
        assert not any("act_fn" in path for path in run.paths)
        await run.press("b")
        await run.until(lambda: any("act_fn" in path for path in run.paths))
        await run.press("b")
        await run.until(lambda: not any("act_fn" in path for path in run.paths))
