"""Files that are replaced while they are open: noticed, and reloaded on request."""

import asyncio
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from app_made import layers, write_model
from app_running import NARROW, running
from textual.widgets import Input

from inspect_core.work import sweep_store
from inspect_core.work.backend import Threads, Workers
from inspect_core.work.jobs import LookAgain, OpenModel
from inspect_core.work.sweep import Sweep
from inspect_core.work.sweep_store import sweep_folder
from tui import reloading
from tui.demo import demo_pair
from tui.messages import JobEnded


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(reloading, "LOOK_SECONDS", 0.0)


def small(folder: Path, name: str = "model", **tensors) -> str:
    return write_model(folder / name / "model.safetensors", tensors or layers())


def idle(app) -> bool:
    return not app.desk.busy()


def value(run, path: str):
    """What the change column says of the row of a path, and by how much."""
    change = run.app.session.change(row(run, path))
    return change.status, change.value


def row(run, path: str):
    found = [line.row for line in run.tree.outline.lines if line.row and line.row.path == path]
    assert found, (path, run.paths)
    return found[0]


async def says(run, problem: str) -> None:
    await run.until(lambda: problem in run.app.problem, problem)


async def reload(run) -> None:
    await run.press("R")
    await run.until(lambda: idle(run.app) and run.app.session.listing, "the reload")


async def test_nothing_changed_and_nothing_is_lost(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        await run.go_to("layers.2")
        await run.press("o", "m")
        await run.go_to("layers.2.mlp")
        before, lines = value(run, "layers.2"), run.paths
        cursor = run.tree.current_key()
        listing, pairs = run.app.session.listing, run.app.session.pairs
        await reload(run)
        assert run.app.session.listing is not listing and run.app.session.pairs is not pairs
        assert run.app.session.listing.generation == run.app.session.pairs.generation == 1
        assert run.paths == lines and run.tree.current_key() == cursor
        assert value(run, "layers.2") == before
        assert run.app.session.metric_key != "rel_l2"
        assert "14 of 14 tensors compared" in run.text and "replaced" not in run.text


@pytest.mark.parametrize("moves", [True, False])
async def test_a_replaced_model_is_noticed_and_reloaded(tmp_path, moves):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        await run.go_to("layers.2")
        await run.press("o", "slash", *"layers", "enter")
        await run.until(lambda: run.app.navigation.query == "layers" and idle(run.app))
        old = value(run, "layers.2")
        assert value(run, "layers.1") == ("same", 0.0)
        small(tmp_path, **layers(l1=0.5, l2=0.25))
        if moves:
            await run.press("down")
        else:
            await run.press("enter")
        await says(run, "the files of the model were replaced: press R to reload")
        cursor, lines = run.tree.current_key(), run.paths
        await reload(run)
        assert "replaced" not in run.app.problem and run.app.problem == ""
        assert run.tree.current_key() == cursor and run.paths == lines
        assert run.app.navigation.query == "layers" and run.tree.outline.filtered
        assert run.app.comparison.reference == base
        assert value(run, "layers.1")[0] == "changed"
        assert value(run, "layers.2")[1] == pytest.approx(old[1] / 2, rel=1e-3)
        await run.inspect("layers.1.mlp.weight")
        await run.shows("model - reference")
        assert run.app.detail.details[0].summary.max_abs == pytest.approx(0.5, rel=1e-5)


async def test_a_replaced_reference_is_noticed_and_reloaded(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        small(tmp_path, "base", **layers(l2=0.5))
        await run.press("down")
        await says(run, "the files of the reference were replaced: press R to reload")
        await reload(run)
        assert value(run, "")[0] == "same"
        small(tmp_path, "base", **layers())
        small(tmp_path, **layers())
        await run.press("up")
        text = "the files of the model and the reference were replaced"
        await run.until(lambda: text in run.app.problem)
        await reload(run)
        assert value(run, "")[0] == "same" and run.app.problem == ""


async def test_a_model_that_vanished_and_came_back(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        lines = run.paths
        Path(model).rename(tmp_path / "away")
        await run.press("down")
        await says(run, "the files of the model were replaced")
        await run.press("R")
        await run.shows("press R to try again: cannot open the model")
        assert run.paths == lines, "what was known of it stays"
        await run.inspect("norm.weight")
        await run.until(lambda: "the file changed" in " ".join(run.detail.split()))
        assert "no such file" in " ".join(run.detail.split())
        await run.press("escape")
        small(tmp_path, **layers(l1=0.5))
        await reload(run)
        assert run.app.problem == "" and "try again" not in run.text
        assert value(run, "layers")[0] == "changed"
        await run.inspect("norm.weight")
        await run.shows("model - reference")


@pytest.mark.parametrize("size", [(120, 40), NARROW])
async def test_a_model_that_was_not_there_yet(tmp_path, size):
    model = tmp_path / "model" / "model.safetensors"
    base = small(tmp_path, "base")
    async with running(str(model), base, size=size, swept=False) as run:
        await run.shows("cannot open the model")
        await run.shows("R to try again")
        await run.press("R")
        await run.until(lambda: len([m for m in run.got(JobEnded) if m.role == "open"]) == 2)
        await run.shows("cannot open the model")
        small(tmp_path, **layers(l1=0.5))
        await run.press("R")
        await run.shows("14 of 14 tensors compared")
        await run.until(lambda: idle(run.app))
        assert run.tree.display and run.app.focused is run.tree
        assert value(run, "")[0] == "changed" and run.app.failure is None


async def test_a_reference_that_was_not_there_yet(tmp_path):
    model = small(tmp_path)
    async with running(model, str(tmp_path / "base"), swept=False) as run:
        await run.until(lambda: idle(run.app) and run.app.problem)
        assert run.app.comparison.reference is None
        small(tmp_path, "base", **layers(l1=0.5))
        await reload(run)
        assert run.app.comparison.reference == str(tmp_path / "base")
        assert value(run, "")[0] == "changed"


async def test_a_reference_that_vanished_leaves_the_values(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l2=0.5))
    async with running(model, base) as run:
        Path(base).unlink()
        await run.press("down")
        await says(run, "the files of the reference were replaced")
        await run.press("R")
        await run.until(lambda: "no such file" in run.app.problem)
        assert run.app.session.pairs is None and value(run, "") == ("none", None)
        small(tmp_path, "base")
        await reload(run)
        assert value(run, "")[0] == "changed"


async def test_other_tensors_in_the_new_file(tmp_path):
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(4, l2=0.5))
    async with running(model, base) as run:
        await run.go_to("layers.3.mlp.bias")
        await run.press("left")
        await run.until(lambda: idle(run.app))
        fewer = layers(2, l1=0.5)
        del fewer["embed.weight"]
        small(tmp_path, **fewer, **{"head.weight": np.ones((5, 5), np.float32)})
        await run.press("enter")
        await run.shows("press R to reload")
        await reload(run)
        assert len(run.app.session.listing.names) == 8
        assert value(run, "head")[0] == "new"
        assert not any("embed" in path for path in run.paths)
        assert run.tree.current_row is not None and run.app.detail.row is run.tree.current_row
        # And more again than ever, with the cursor on the last line.
        await run.press("end")
        small(tmp_path, **layers(12))
        await reload(run)
        assert len(run.app.session.done) == 14 and len(run.app.session.listing.names) == 38
        await run.press("end", "home", "enter")
        await run.until(lambda: idle(run.app))


async def test_a_config_that_came_later_is_read(tmp_path):
    _, model = demo_pair()
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(Path(model) / "model.safetensors", folder)
    async with running(str(folder)) as run:
        await run.until(lambda: idle(run.app))
        assert not run.app.session.listing.has_config
        await run.go_to("model.layers.0.mlp")
        shutil.copy(Path(model) / "config.json", folder)
        key = run.tree.current_key()
        await reload(run)
        assert run.app.session.tree.root.type == "LlamaForCausalLM"
        await run.go_to("model.layers.0.mlp")
        await reload(run)
        assert run.app.session.tree.root.type == "LlamaForCausalLM"
        assert run.tree.current_key() == key


class Held(Threads):
    """Sweeps wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.hold, self.jobs = True, []

    def submit(self, job, *callbacks):
        self.jobs.append(job)
        return super().submit(HeldSweep(job, self) if isinstance(job, Sweep) else job, *callbacks)


class HeldSweep:
    def __init__(self, job, backend) -> None:
        self.job, self.backend, self.about = job, backend, job.about

    def run(self, context):
        emit = context.emit

        class Slowly:
            control, open, comparer = context.control, context.open, context.comparer

            @staticmethod
            def emit(part):
                emit(part)
                while backend.hold:
                    context.control.check()
                    time.sleep(0.01)

        backend = self.backend
        return self.job.run(Slowly)


async def test_replaced_during_a_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr("inspect_core.delta.table.PART_SECONDS", 0.0)
    monkeypatch.setattr("inspect_core.delta.compare.SMALL_BATCH", 1)
    base, model = small(tmp_path, "base"), small(tmp_path, **layers(l0=0.5, l1=0.5, l2=0.5, l3=0.5))
    backend = Held()
    async with running(model, base, backend=backend, swept=False) as run:
        await run.until(lambda: run.app.session.done and run.app.desk.busy("sweep"))
        assert len(run.app.session.done) < 14
        small(tmp_path, **layers())
        await run.press("down")
        await says(run, "the files of the model were replaced")
        await run.until(lambda: idle(run.app), "the end of the sweep of the old file")
        backend.hold = False
        await reload(run)
        assert run.app.session.done == frozenset(range(14))
        assert value(run, "") == ("same", 0.0)
        assert run.app.problem == ""
        assert all(job.kept for job in backend.jobs if isinstance(job, Sweep))


async def test_reloaded_in_the_middle_of_everything(tmp_path):
    """Whatever runs when R is pressed, the numbers are those of the newest files."""
    base = small(tmp_path, "base")
    model = small(tmp_path, **layers())
    async with running(model, base, swept=False) as run:
        for turn in range(8):
            count = 3 + turn % 3
            small(tmp_path, **layers(count, **{f"l{turn % 3}": 0.5}))
            await run.press("R", *("down", "enter", "up")[: turn % 4])
            await asyncio.sleep(0.02 * (turn % 3))
            await run.press("R")
        await reload(run)
        assert len(run.app.session.listing.names) == 2 + 3 * (3 + 7 % 3)
        statuses = [value(run, "layers.1")[0] if "layers.1" in run.paths else "changed"]
        assert statuses == ["changed"]
        assert run.app.session.done == frozenset(range(14))
        assert run.app.problem == ""


async def test_idle_asks_nothing_and_moving_asks_seldom(tmp_path, monkeypatch):
    monkeypatch.setattr(reloading, "LOOK_SECONDS", 3600.0)
    backend = Held()
    backend.hold = False
    async with running(small(tmp_path), backend=backend) as run:
        await asyncio.sleep(0.5)
        await run.until(lambda: idle(run.app))
        run.app.reloading._looked = 0.0
        before = len(backend.jobs)
        await asyncio.sleep(0.3)
        assert len(backend.jobs) == before
        await run.press(*"jjjkkk")
        await run.until(lambda: idle(run.app))
        assert len([job for job in backend.jobs if isinstance(job, LookAgain)]) <= 2


async def test_reload_is_in_the_palette(tmp_path):
    backend = Held()
    async with running(small(tmp_path), backend=backend) as run:
        await run.press("ctrl+p")
        await run.pilot.pause()
        await run.press(*"reload")
        await run.shows("Open model and reference again")
        await run.press("enter")
        await run.until(lambda: OpenModel(run.app.options.model, 1) in backend.jobs)


async def test_a_prompt_takes_the_letter_r_itself(tmp_path):
    async with running(small(tmp_path)) as run:
        await run.press("r")
        await run.pilot.pause()
        run.app.screen.query_one(Input).value = ""
        await run.press("R")
        assert run.app.screen.query_one(Input).value == "R"
        assert run.app.reloading.generation == 0


# What was compared before the connection was lost


async def test_the_next_run_shows_what_the_last_one_found(tmp_path, monkeypatch):
    """The app is killed in its sweep, with its workers; the next one begins where it was."""
    for name, shift in (("base", 0.0), ("model", 1.0)):
        values = {f"layers.{k}.w": np.full(600_000, k + shift, np.float16) for k in range(30)}
        write_model(tmp_path / name / "model.safetensors", values)
    base, model = str(tmp_path / "base"), str(tmp_path / "model")
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(SLOW_READS)
    monkeypatch.setenv("PYTHONPATH", str(slow))
    first = Workers(log=str(tmp_path / "log"))
    async with running(model, base, backend=first, swept=False) as run:
        await run.until(lambda: len(run.app.session.done) >= 10 and stored())
        seen = run.app.session.done
        for pid in first.pids:
            os.kill(pid, 9)
        first.close()
    assert len(seen) < 30
    monkeypatch.setenv("PYTHONPATH", "")
    second = Held()
    async with running(model, base, backend=second, swept=False) as run:
        # The first part is what was stored: the sweep stands still after it.
        await run.until(lambda: run.app.session.done)
        again = run.app.session.done
        # What was done between the last look and the end may be stored as well.
        assert len(seen) // 4 <= len(again) < 30
        await run.until(lambda: value(run, "")[0] == "changed", "the change of the root")
        second.hold = False
        await run.until(lambda: idle(run.app))
        assert run.app.session.done == frozenset(range(30))


SLOW_READS = """
import os, time
quick = os.preadv
def slow(descriptor, buffers, offset):
    if sum(map(len, buffers)) > 100_000:
        time.sleep(0.06)
    return quick(descriptor, buffers, offset)
os.preadv = slow
"""


def stored() -> bool:
    return any(sweep_folder().glob("*"))


def test_the_store_is_in_the_cache_of_the_test(own_cache):
    assert sweep_folder() == own_cache / "lamella" / "sweeps"
    assert sweep_store.MOST_BYTES == 256 << 20
