"""A user moves about while workers are killed at random: nothing is lost, nothing is left."""

import asyncio
import contextlib
import os
import random
import shutil
import signal

import numpy as np
import psutil
from app_made import write_model
from app_running import running

from inspect_core.work.backend import Workers

KILLS = 100
LAYERS = 80
KEYS = ("down", "up", "space", "o", "enter", "m", "right", "left", "pagedown", "home", "end", "tab",
        "w", "escape", "R")  # fmt: skip
ODDS = [8, 6, 2, 1, 4, 1, 2, 2, 1, 1, 1, 1, 0.3, 3, 0.15]


def write_pair(tmp_path):
    rng = np.random.default_rng(3)
    for name in ("base", "model"):
        values = {
            # Each fills a task of its own, so that a sweep goes on by single tensors.
            f"layers.{k}.w": ("I8", (600_000,), rng.integers(0, 9, 600_000, np.uint8).tobytes())
            for k in range(LAYERS)
        }
        write_model(tmp_path / name / "model.safetensors", values)
    return str(tmp_path / "base"), str(tmp_path / "model")


def rows(app):
    table = app.session.table
    return table.counts.tobytes(), table.sums.tobytes(), table.seen.all()


async def numbers_without_kills(base: str, model: str):
    async with running(model, base, backend=Workers()) as run:
        return rows(run.app)


async def test_a_hundred_random_kills(tmp_path, monkeypatch):
    base, model = write_pair(tmp_path)
    expected = await numbers_without_kills(base, model)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(SLOW_READS)
    monkeypatch.setenv("PYTHONPATH", str(slow))
    rng, me, log = random.Random(7), psutil.Process(), tmp_path / "log"
    workers = Workers(log=str(log))
    before = {child.pid for child in me.children(recursive=True)}
    async with running(model, base, backend=workers, swept=False) as run:
        for _ in range(KILLS):
            await run.press(*rng.choices(KEYS, ODDS, k=rng.randrange(3)))
            if done(run.app):  # too soon: begin again
                shutil.rmtree(tmp_path / "cache", ignore_errors=True)
            if done(run.app) or run.app.problem:
                await run.press("escape", "escape", "R")  # as the app says
            await run.until(lambda: workers.pids or run.app.problem, "a worker, or a reason")
            if rng.random() < 0.3 and run.app.desk.busy("sweep"):
                await further(run)
            await asyncio.sleep(rng.choice([0.0, 0.05, 0.1, 0.3]))
            for pid in workers.pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert run.app.is_running
        await run.press("escape", "escape", "home")
        await run.until(lambda: not run.app.desk.busy(), "rest")
        if not done(run.app):
            await run.press("R")
        await run.until(lambda: done(run.app), "all rows")
        assert rows(run.app) == expected
        statuses = {run.app.session.change(line.row).status for line in run.tree.outline.lines}
        assert statuses == {"changed"}
        await run.until(lambda: not run.app.desk.busy(), "rest")
        run.app.navigation.go("layers.7.w")
        await run.press("enter")
        await run.until(lambda: "0-599999" in run.detail or "model - reference" in run.detail)
        alive = {child.pid for child in me.children(recursive=True)} - before
        assert alive == set(workers.pids), "neither zombies nor orphans"
        await run.press("q")
    assert not {child.pid for child in me.children(recursive=True)} - before
    assert "Traceback" not in log.read_text()


async def further(run) -> None:
    """Wait until the sweep has got on, or has ended."""
    before = len(run.app.session.done)
    await run.until(lambda: len(run.app.session.done) > before or not run.app.desk.busy("sweep"))


def done(app) -> bool:
    table = app.session.table
    return table is not None and app.session.pairs is not None and bool(table.seen.all())


SLOW_READS = """
import os, time
quick = os.preadv
def slow(descriptor, buffers, offset):
    if sum(map(len, buffers)) > 500_000:
        time.sleep(0.05)
    return quick(descriptor, buffers, offset)
os.preadv = slow
"""
