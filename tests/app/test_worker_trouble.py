"""What the app does when workers die: it goes on as long as that helps, and then says so."""

import os
import signal
from array import array

import numpy as np
import pytest
from app_made import layers, write_model
from app_running import running

from inspect_core.delta.summary import Summary
from inspect_core.delta.table import SummaryRows
from inspect_core.work.backend import Threads, WorkerDied, Workers
from inspect_core.work.jobs import LookAgain, OpenModel, PairUp
from inspect_core.work.sweep import Sweep, SweepPart
from inspect_core.work.ticket import OverLimit

SLOW_READS = """
import os, time
quick = os.preadv
def slow(descriptor, buffers, offset):
    if sum(map(len, buffers)) > 500_000:
        time.sleep(0.3)
    return quick(descriptor, buffers, offset)
os.preadv = slow
"""


def small(folder, name: str = "model", **tensors) -> str:
    return write_model(folder / name / "model.safetensors", tensors or layers())


class Dying(Threads):
    """Jobs of some kinds end as if their worker had died, after some tensors.

    Args:
        kinds: whose worker dies.
        deaths: how often; after that they run.
        found: tensors that each sweep gets done before.
        error: how it ends.
    """

    def __init__(self, kinds, deaths, found=0, error=WorkerDied) -> None:
        super().__init__()
        self.kinds, self.deaths, self.found, self.error = kinds, deaths, found, error
        self.jobs = []

    def submit(self, job, *callbacks):
        self.jobs.append(job)
        if isinstance(job, self.kinds) and self.deaths:
            self.deaths -= 1
            return super().submit(Death(job, self.found, self.error), *callbacks)
        return super().submit(job, *callbacks)

    def count(self, kind) -> int:
        return len([job for job in self.jobs if isinstance(job, kind)])


class Death:
    def __init__(self, job, found, error) -> None:
        self.job, self.found, self.error, self.about = job, found, error, job.about

    def run(self, context):
        if isinstance(self.job, Sweep):
            left = [at for at in range(14) if at not in self.job.done][: self.found]
            rows = SummaryRows.of([Summary(numel=1)] * len(left))
            context.emit(SweepPart(array("q", left), rows))
        raise self.error(f"the worker was stopped while {self.about}: it was killed")


async def test_a_sweep_goes_on_as_long_as_it_gets_on(tmp_path):
    backend = Dying(Sweep, 13, found=1)
    async with running(small(tmp_path), small(tmp_path, "base"), backend=backend) as run:
        await run.until(lambda: len(run.app.session.done) == 14)
        assert backend.count(Sweep) == 14 and backend.deaths == 0
        assert run.app.problem == ""
        await run.shows("The sweep goes on.")


async def test_a_sweep_that_gets_nowhere_is_given_up_and_r_goes_on(tmp_path):
    backend = Dying(Sweep, 3)
    async with running(small(tmp_path), small(tmp_path, "base"), backend=backend) as run:
        await run.until(lambda: run.app.problem)
        assert run.app.problem.startswith("the sweep stopped, press R to go on: ")
        assert backend.count(Sweep) == 3
        await run.press("R")
        await run.until(lambda: len(run.app.session.done) == 14)
        assert run.app.problem == ""


async def test_a_tensor_in_between_counts(tmp_path):
    backend = Dying(Sweep, 2)
    async with running(small(tmp_path), small(tmp_path, "base"), backend=backend) as run:
        await run.until(lambda: len(run.app.session.done) == 14)
        assert backend.count(Sweep) == 3


@pytest.mark.parametrize("kind", [OpenModel, PairUp])
async def test_opening_is_tried_again(tmp_path, kind):
    backend = Dying(kind, 2)
    async with running(small(tmp_path), small(tmp_path, "base"), backend=backend) as run:
        await run.until(lambda: len(run.app.session.done) == 14)
        assert backend.count(kind) == 3 and run.app.problem == ""


@pytest.mark.parametrize(("error", "tries"), [(WorkerDied, 3), (OverLimit, 1)])
async def test_opening_is_given_up_after_some_tries(tmp_path, error, tries):
    backend = Dying(PairUp, 3, error=error)
    async with running(
        small(tmp_path), small(tmp_path, "base"), backend=backend, swept=False
    ) as run:
        await run.until(lambda: "it was killed" in run.app.problem)
        assert backend.count(PairUp) == tries
        assert run.app.session.pairs is None
        backend.deaths = 0
        await run.press("R")
        await run.until(lambda: len(run.app.session.done) == 14)


async def test_nobody_misses_a_look_at_the_files(tmp_path):
    backend = Dying(LookAgain, 100)
    async with running(small(tmp_path), small(tmp_path, "base"), backend=backend) as run:
        await run.press("down", "enter")
        await run.until(lambda: backend.count(LookAgain) and not run.app.desk.busy())
        assert run.app.problem == ""


async def test_the_first_worker_killed_before_it_said_a_word(tmp_path):
    workers = Workers(log=str(tmp_path / "log"))
    workers.start()
    opening = workers.submit(OpenModel(small(tmp_path)))
    os.kill(workers.pids[0], signal.SIGKILL)
    async with running(small(tmp_path), backend=workers, opening=opening) as run:
        await run.until(lambda: run.app.session.listing)


async def test_a_parameter_does_not_wait_for_the_values_of_all(tmp_path, monkeypatch):
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(SLOW_READS)
    monkeypatch.setenv("PYTHONPATH", str(slow))
    values = {f"layers.{k}.w": np.full(600_000, k, np.float16) for k in range(60)}
    model = small(tmp_path, **values, **{"norm.w": np.ones(4, np.float32)})
    async with running(model, backend=Workers(log=str(tmp_path / "log"))) as run:
        await run.press("enter")
        await run.until(lambda: run.app.desk.busy("some"), "the values of all")
        await run.inspect("norm.w")
        await run.until(lambda: "norm.w " in run.detail and "std" in run.detail)
        assert run.app.desk.busy("some"), "it was not waited for"
