"""The app on a saved result: everything but values, and nothing is read of the models."""

import json

import numpy as np
import pytest
from app_made import ESC, HOSTILE, OSC_52, layers, row_at, write_model
from app_running import running

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.delta.table import SummaryTable
from inspect_core.pairing.match import Match
from inspect_core.results.comparison import Comparison, Side, compare
from inspect_core.results.saved import load, save
from inspect_core.results.side_files import FileDifference
from inspect_core.work.inspections import Inspect, InspectModule
from inspect_core.work.sweep import Sweep
from tui.messages import JobEnded
from tui.widgets.key_line import KeyLine

GONE = "layers.9.extra"


@pytest.fixture
def saved(tmp_path):
    """A saved result whose models are gone."""
    base, model = layers(), layers(l2=0.5)
    base[GONE] = np.ones(3, np.float32)
    model["head.weight"] = np.ones((2, 2), np.float32)
    paths = [
        write_model(tmp_path / name / "model.safetensors", tensors)
        for name, tensors in (("base", base), ("tuned", model))
    ]
    for name, size in (("base", 6), ("tuned", 7)):
        (tmp_path / name / "config.json").write_text(json.dumps({"hidden_size": size}))
    path = tmp_path / "result"
    save(path, compare(*paths))
    for name in ("base", "tuned"):
        for file in (tmp_path / name).iterdir():
            file.unlink()
    return path


async def test_the_tree_and_its_changes_are_there_at_once(saved) -> None:
    async with running(str(saved)) as run:
        await run.shows("result of tuned vs base")
        await run.shows("a saved result of 20")
        session = run.app.session
        assert session.complete and not run.app.desk.busy("sweep", "pair", "types")
        for path, status in (("layers.2", "changed"), ("layers.1", "same"), ("head", "new")):
            assert session.change(row_at(session.tree, path)).status == status
        assert not [m for m in run.got(JobEnded) if m.error is not None]


async def test_a_tensor_has_numbers_and_no_values(saved) -> None:
    async with running(str(saved)) as run:
        await run.go_to("layers.0")
        await run.press("o")
        await run.inspect("layers.2.mlp.weight")
        await run.until(lambda: "a saved result has no values" in run.detail)
        assert "relative L2" in run.detail and "10 x 6" in run.detail
        for key in ("0", "enter", "right_square_bracket", "v", "m"):
            await run.press(key)
        await run.until(lambda: "relative L2" in run.detail)


async def test_a_module_and_the_model_have_overviews(saved) -> None:
    async with running(str(saved)) as run:
        await run.inspect("layers.0")
        await run.until(lambda: "mlp.bias" in run.detail)
        await run.go_to("")
        await run.until(lambda: "1 difference beside the weights: config.json" in run.detail)


async def test_sorting_filtering_and_warnings(saved) -> None:
    async with running(str(saved)) as run:
        await run.press("s")
        await run.until(lambda: run.app.session.by_change)
        await run.press("w")
        await run.shows(f"only in the reference (1): {GONE}")
        assert "config.json: hidden_size: 6 → 7" in run.text
        await run.press("escape", "slash", *"head")
        await run.until(lambda: run.paths == ["", "head"])


async def test_what_needs_the_models_is_not_offered(saved) -> None:
    async with running(str(saved)) as run:
        offered = run.app.inspector.query_one(KeyLine).shown()
        keys = {binding.id for _, _, binding in offered}
        assert "screen.metric" in keys
        assert not keys & {"screen.aspect", "screen.reference"}
        await run.press("M")
        await run.shows("median |d|")
        assert "not saved" in run.text and "reads again" not in run.text


async def test_another_reference_and_reload(saved, tmp_path) -> None:
    async with running(str(saved)) as run:
        await run.press("r")
        await run.shows("a saved result cannot be compared with anything else")
        fresh = tmp_path / "fresh"
        one = layers(l1=0.5)
        paths = [
            write_model(tmp_path / name / "model.safetensors", tensors)
            for name, tensors in (("base2", layers()), ("tuned2", one))
        ]
        save(fresh, compare(*paths))
        saved.unlink()
        fresh.rename(saved)
        await run.press("R")
        await run.shows("result of tuned2 vs base2")
        row = row_at(run.app.session.tree, "layers.1")
        assert run.app.session.change(row).status == "changed"


async def test_a_reference_beside_a_saved_result_is_not_used(saved) -> None:
    async with running(str(saved), "elsewhere", swept=False) as run:
        await run.shows("--ref is not used")
        await run.shows("result of tuned vs base")
        assert not run.app.session.expects_pairs


async def test_a_damaged_one_says_so(saved) -> None:
    raw = bytearray(saved.read_bytes())
    raw[-1] ^= 1
    saved.write_bytes(raw)
    async with running(str(saved)) as run:
        await run.until(lambda: "result that is damaged" in " ".join(run.detail.split()))


async def test_what_was_not_asked_for_is_not_compared(tmp_path) -> None:
    paths = [
        write_model(tmp_path / name, tensors)
        for name, tensors in (("a.safetensors", layers()), ("b.safetensors", layers(l2=0.5)))
    ]
    path = tmp_path / "part"
    save(path, compare(*paths, keep=lambda match: match.name.startswith("layers.2")))
    async with running(str(path)) as run:
        await run.go_to("norm.weight")
        assert run.app.session.change(run.tree.current_row).status == "unsupported"
        await run.until(lambda: "not asked for when it was compared" in run.detail)


async def test_what_a_stranger_saved_is_safe_to_look_at(tmp_path) -> None:
    path = tmp_path / "result"
    evil = f"{ESC}{OSC_52}"
    names = [f"{name}.weight" for name in HOSTILE]
    infos = [TensorInfo(name, "F32", (2,), 0, 0, 8) for name in names]
    matches = [Match(info, info, "pair", evil) for info in infos[:-1]]
    matches.append(Match(infos[-1], None, "added", evil))
    table = SummaryTable(len(matches))
    table.seen[:-1] = True
    table.counts[0, :-1] = 2
    side = Side(evil, evil, len(names), ("F32",), (evil,))
    files = (FileDifference(evil, evil, evil, evil),)
    kept = range(len(matches))
    save(path, Comparison(side, side, tuple(matches), {evil: len(matches) - 1}, kept, table, files))
    async with running(str(path)) as run:
        await run.shows("a saved result of")
        for keys in ("", "w", "escape", "down", "down", "enter", "asterisk", "e"):
            if keys:
                await run.press(keys)
                await run.pilot.pause(0.2)
            assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(run.text)


async def test_a_finished_sweep_is_saved_and_opened_again(pair, tmp_path) -> None:
    path = tmp_path / "kept.lamella"
    async with running(pair[1], pair[0]) as run:
        await run.press("e")
        await run.until(lambda: run.app.screen.query("#export-input"))
        run.app.screen.query_one("#export-input").value = str(path)
        await run.press("enter")
        await run.shows("written:")
        before = run.app.session.summary(run.tree.outline.lines[0].row)
        await run.press("e")
        await run.until(lambda: run.app.screen.query("#export-input"))
        run.app.screen.query_one("#export-input").value = str(path)
        await run.press("enter")
        await run.shows("is there already")
    found = load(path)
    assert found.table.counts.tolist() == compare(*pair).table.counts.tolist()
    async with running(str(path)) as run:
        row = run.tree.outline.lines[0].row
        assert run.app.session.summary(row).rel_l2 == pytest.approx(before.rel_l2)
        jobs = {type(job) for job, _ in run.app.desk._tries.values()}
        assert not jobs & {Sweep, Inspect, InspectModule}
        await run.press("e")
        await run.until(lambda: run.app.screen.query("#export-input"))
        run.app.screen.query_one("#export-input").value = str(tmp_path / "again.lamella")
        await run.press("enter")
        await run.shows("this is a saved result: copy its file")


async def test_a_live_pair_says_what_differs_beside_the_weights(tmp_path) -> None:
    paths = [
        write_model(tmp_path / name / "model.safetensors", layers()) for name in ("base", "tuned")
    ]
    for name, top in (("base", 5), ("tuned", 6)):
        (tmp_path / name / "generation_config.json").write_text(json.dumps({"top_k": top}))
    async with running(paths[1], paths[0]) as run:
        await run.until(lambda: run.app.session.files)
        await run.go_to("layers.0")
        await run.go_to("")
        note = "1 difference beside the weights: generation_config.json: w to"
        await run.until(lambda: note in run.detail)
        await run.press("w")
        await run.shows("generation_config.json: top_k: 5 → 6")


async def test_an_unfinished_sweep_is_not_saved(pair, tmp_path) -> None:
    async with running(pair[1], None) as run:
        await run.press("e")
        await run.until(lambda: run.app.screen.query("#export-input"))
        run.app.screen.query_one("#export-input").value = str(tmp_path / "x.lamella")
        await run.press("enter")
        await run.shows("there is no comparison to save")
        assert not (tmp_path / "x.lamella").exists()
