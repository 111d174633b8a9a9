"""Races around the end of jobs and of workers: cancels, limits, deaths at any moment."""

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from probe_jobs import Probe

from inspect_core.errors import Cancelled
from inspect_core.work import worker_process
from inspect_core.work.backend import WorkerDied, Workers
from inspect_core.work.ticket import OverLimit


@pytest.fixture
def workers(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    made = Workers(log=str(tmp_path / "worker.log"))
    yield made
    made.close()


@pytest.mark.parametrize("background", [False, True])
def test_cancelling_a_job_in_the_queue_leaves_the_one_before_it_alone(
    workers, monkeypatch, background
):
    monkeypatch.setattr(worker_process, "CANCEL_SECONDS", 0.5)
    started = threading.Event()
    long = workers.submit(
        Probe("steps", 200, background=background), on_part=lambda _: started.set()
    )
    waiting = workers.submit(Probe("answer", 1, background=background))
    assert started.wait(30)
    waiting.cancel()
    with pytest.raises(Cancelled):
        waiting.result(1.0)
    assert long.result(30) == "finished"


def test_a_cancel_before_the_worker_is_up_does_not_kill_it(workers, monkeypatch, tmp_path):
    monkeypatch.setattr(worker_process, "CANCEL_SECONDS", 0.1)
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(1.5)")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(__file__).parent}")
    workers.start()
    (pid,) = workers.pids
    ticket = workers.submit(Probe("answer", 1))
    ticket.cancel()
    with pytest.raises(Cancelled):
        ticket.result(30)
    assert workers.submit(Probe("pid")).result(30) == pid


def test_a_worker_that_starts_slowly_is_waited_for(workers, monkeypatch, tmp_path):
    monkeypatch.setattr(worker_process, "HANG_SECONDS", 0.5)
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(1.5)")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(__file__).parent}")
    assert workers.submit(Probe("answer", 1)).result(30) == 1


def test_a_worker_that_never_starts_is_not_waited_for_for_ever(workers, monkeypatch, tmp_path):
    monkeypatch.setattr(worker_process, "START_SECONDS", 0.5)
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(__file__).parent}")
    with pytest.raises(WorkerDied, match="no sign of life"):
        workers.submit(Probe("answer", 1)).result(30)


def test_only_the_job_over_its_limit_is_to_blame(workers):
    started = threading.Event()
    bystander = workers.submit(
        Probe("steps", 10_000, background=True), on_part=lambda _: started.set()
    )
    assert started.wait(30)
    guilty = workers.submit(Probe("sleep", 60, time_limit=0.5))
    with pytest.raises(OverLimit, match="it took more than 0 s"):
        guilty.result(20)
    with pytest.raises(WorkerDied) as caught:
        bystander.result(20)
    assert not isinstance(caught.value, OverLimit)


def test_a_job_over_its_memory_limit_is_to_blame(workers):
    bystander = workers.submit(Probe("steps", 10_000, background=True))
    guilty = workers.submit(Probe("hoard", 200, memory_limit=10**9))
    with pytest.raises(OverLimit, match="memory"):
        guilty.result(30)
    with pytest.raises(WorkerDied) as caught:
        bystander.result(20)
    assert not isinstance(caught.value, OverLimit)


def test_jobs_end_whenever_the_worker_is_killed_or_they_are_cancelled(workers):
    """Every future resolves, no process stays, whatever meets whatever."""
    rng, me = random.Random(5), psutil.Process()
    before, ends = {child.pid for child in me.children()}, {"done": 0, "died": 0, "cancelled": 0}
    for _ in range(60):
        tickets = [
            workers.submit(Probe("steps", rng.choice([1, 5, 1000]), rng.random() < 0.5))
            for _ in range(rng.randrange(1, 4))
        ]
        time.sleep(rng.choice([0.0, 0.001, 0.02, 0.12, 0.3]))
        for ticket in tickets:
            if rng.random() < 0.5:
                ticket.cancel()
        if rng.random() < 0.6:
            for pid in workers.pids:
                with contextlib.suppress(ProcessLookupError):  # a cancel may have ended it
                    os.kill(pid, signal.SIGKILL)
        else:
            for ticket in tickets:
                ticket.cancel()
        for ticket in tickets:
            error = ticket.future.exception(20)
            assert error is None or isinstance(error, WorkerDied | Cancelled)
            end = "done" if error is None else type(error).__name__.removeprefix("Worker").lower()
            ends[end] += 1
    assert all(ends.values()), ends
    assert workers.submit(Probe("answer", 4)).result(30) == 4
    assert len({child.pid for child in me.children()} - before) == 1, "only the newest is left"
