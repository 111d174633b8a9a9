import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from probe_jobs import Probe
from safetensors.numpy import save_file

from inspect_core.errors import Cancelled, LamellaError
from inspect_core.work import worker_process
from inspect_core.work.backend import Threads, WorkerDied, Workers
from inspect_core.work.inspections import Inspect
from inspect_core.work.jobs import FindTypes, OpenModel, PairUp
from inspect_core.work.sweep import Sweep
from tui.demo import demo_pair

BASE, MODEL = demo_pair()


@pytest.fixture
def workers(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    made = Workers(log=str(tmp_path / "worker.log"))
    yield made
    made.close()


@pytest.fixture(params=["workers", "threads"])
def backend(request):
    if request.param == "workers":
        yield request.getfixturevalue("workers")
    else:
        made = Threads()
        yield made
        made.close()


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within a time (a zombie has not been waited for)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid):
            return True
        time.sleep(0.02)
    return False


def test_a_job_gives_its_result(backend):
    assert backend.submit(Probe("answer", 42)).result(30) == 42


def test_parts_and_progress_arrive_in_order_before_the_result(backend):
    parts, steps = [], []
    ticket = backend.submit(Probe("steps", 20), steps.append, parts.append)
    assert ticket.result(30) == "finished"
    assert parts == list(range(20))
    assert steps and steps[0].total == 20
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_an_error_of_ours_arrives_as_it_was(backend):
    with pytest.raises(LamellaError) as caught:
        backend.submit(Probe("refuse")).result(30)
    assert str(caught.value) == "there: no such thing; look elsewhere"


def test_any_other_error_is_one_clean_line(backend):
    with pytest.raises(LamellaError) as caught:
        backend.submit(Probe("fail")).result(30)
    assert str(caught.value).startswith("ValueError while probing fail: bad \\x1b[31m value")
    assert backend.submit(Probe("answer", 1)).result(30) == 1


def test_cancelling_stops_a_job_soon(backend):
    started = threading.Event()
    ticket = backend.submit(Probe("steps", 100_000), on_part=lambda _: started.set())
    assert started.wait(30)
    before = time.monotonic()
    ticket.cancel()
    with pytest.raises(Cancelled):
        ticket.result(10)
    assert time.monotonic() - before < 10


def test_out_of_memory_is_a_message(workers):
    with pytest.raises(LamellaError, match="not enough memory while probing exhaust"):
        workers.submit(Probe("exhaust")).result(30)
    assert workers.submit(Probe("answer", 1)).result(30) == 1


@pytest.mark.parametrize(
    ("act", "reason"),
    [("die", "it ended with status 7"), ("segfault", "it was ended by SIGSEGV")],
)
def test_a_crash_fails_its_jobs_and_the_next_finds_a_new_worker(workers, act, reason):
    first = workers.submit(Probe("pid")).result(30)
    ticket, waiting = workers.submit(Probe(act)), workers.submit(Probe("answer", 5))
    with pytest.raises(WorkerDied, match=reason):
        ticket.result(30)
    with pytest.raises(WorkerDied):
        waiting.result(30)
    second = workers.submit(Probe("pid")).result(30)
    assert second != first
    assert gone(first)


def test_kill_9_while_it_works(workers):
    started = threading.Event()
    ticket = workers.submit(Probe("steps", 100_000), on_part=lambda _: started.set())
    assert started.wait(30)
    (pid,) = workers.pids
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="it was killed"):
        ticket.result(10)
    assert workers.submit(Probe("answer", 3)).result(30) == 3
    assert gone(pid)


def test_a_stopped_worker_is_replaced(workers, monkeypatch):
    monkeypatch.setattr(worker_process, "HANG_SECONDS", 1.5)
    pid = workers.submit(Probe("pid")).result(30)
    os.kill(pid, signal.SIGSTOP)
    ticket = workers.submit(Probe("answer", 1))
    with pytest.raises(WorkerDied, match="no sign of life"):
        ticket.result(15)
    assert workers.submit(Probe("answer", 2)).result(30) == 2
    assert gone(pid)


def test_a_job_that_ignores_cancelling_takes_its_worker_with_it(workers, monkeypatch):
    monkeypatch.setattr(worker_process, "CANCEL_SECONDS", 0.3)
    pid = workers.submit(Probe("pid")).result(30)
    ticket = workers.submit(Probe("sleep", 60))
    time.sleep(0.2)
    ticket.cancel()
    with pytest.raises((WorkerDied, Cancelled)):
        ticket.result(10)
    assert workers.submit(Probe("answer", 2)).result(30) == 2
    assert gone(pid)


def test_a_job_over_its_time_limit_is_stopped(workers):
    with pytest.raises(WorkerDied, match="it took more than 1 s"):
        workers.submit(Probe("sleep", 60, time_limit=1.0)).result(20)


def test_a_slow_job_within_its_limits_is_left_alone(workers, monkeypatch):
    monkeypatch.setattr(worker_process, "HANG_SECONDS", 1.0)
    assert workers.submit(Probe("sleep", 2.5)).result(20) == "slept"


def test_prints_reach_neither_the_frames_nor_the_screen(workers, tmp_path, capfd):
    assert workers.submit(Probe("noise")).result(30) == ""
    assert workers.submit(Probe("answer", 1)).result(30) == 1
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert "noise on stderr" in (tmp_path / "worker.log").read_text()


def test_the_background_waits_while_somebody_waits(workers):
    seen = []
    sweep = workers.submit(Probe("steps", 300, background=True), on_part=seen.append)
    while len(seen) < 5:
        time.sleep(0.01)
    assert workers.submit(Probe("sleep", 0.8)).result(30) == "slept"
    before = len(seen)
    slept_at = time.monotonic()
    # While the other job slept for .8 s (80 steps' worth), the background stood still.
    assert before < 60
    assert sweep.result(30) == "finished"
    assert time.monotonic() - slept_at > 0.5


def test_closing_is_quick_and_leaves_no_process(workers):
    pid = workers.submit(Probe("pid")).result(30)
    ticket = workers.submit(Probe("sleep", 60))
    before = time.monotonic()
    workers.close()
    assert time.monotonic() - before < 10
    with pytest.raises(Cancelled):
        ticket.result(1)
    assert gone(pid)
    with pytest.raises(Cancelled):
        workers.submit(Probe("answer", 1)).result(1)


def test_the_worker_ends_when_the_app_is_killed(tmp_path):
    code = (
        "from inspect_core.work.backend import Workers\n"
        "from probe_jobs import Probe\n"
        "import time\n"
        "w = Workers()\n"
        "print(w.submit(Probe('pid')).result(30), flush=True)\n"
        "w.submit(Probe('sleep', 60))\n"
        "time.sleep(60)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    app = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env)
    pid = int(app.stdout.readline())
    app.kill()
    app.wait()
    app.stdout.close()
    assert gone(pid)


def test_the_plain_worker_imports_neither_torch_nor_a_terminal(workers):
    workers.submit(OpenModel(MODEL)).result(30)
    workers.submit(Sweep(MODEL, BASE)).result(60)
    modules = set(workers.submit(Probe("modules")).result(30))
    assert not modules & {"torch", "transformers", "textual", "rich", "plotext", "tui"}


def test_a_hostile_folder_does_not_become_a_library(workers, tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('owned')")
    (tmp_path / "inspect_core").mkdir()
    (tmp_path / "inspect_core" / "__init__.py").write_text("raise SystemExit('owned')")
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path) not in workers.submit(Probe("numpy_file")).result(30)


def test_open_pair_sweep_inspect_on_the_bundled_pair(backend):
    listing = backend.submit(OpenModel(MODEL)).result(60)
    assert len(listing.names) == 74
    assert listing.tree.root.totals.tensors == 74
    pairs = backend.submit(PairUp(MODEL, BASE)).result(60)
    assert pairs.paired == len(pairs.status) == 74
    parts = []
    assert backend.submit(Sweep(MODEL, BASE), on_part=parts.append).result(60) == 74
    tensors = [tensor for part in parts for tensor in part.tensors]
    assert sorted(tensors) == list(range(74))
    name = "model.layers.3.mlp.up_proj.weight"
    detail = backend.submit(Inspect(MODEL, BASE, name, name, (20, 40))).result(60)
    assert detail.heat.cells.shape == (4, 20, 40)
    assert detail.summary.numel == 192 * 96
    assert detail.heat.cells[3].sum() == 192 * 96
    row = tensors.index(listing.names.index(name))
    swept = [row for part in parts for row in part.rows.sums]
    assert swept[row][2] == pytest.approx(detail.summary.sq_d, rel=1e-12)


def test_a_sweep_goes_on_from_what_is_done(workers):
    parts = []
    done = frozenset(range(70))
    assert workers.submit(Sweep(MODEL, BASE, done=done), on_part=parts.append).result(60) == 4
    assert sorted(tensor for part in parts for tensor in part.tensors) == [70, 71, 72, 73]


def test_types_come_from_the_config_in_the_torch_worker(workers):
    listing = workers.submit(FindTypes(MODEL)).result(120)
    assert listing.tree.root.type == "LlamaForCausalLM"
    assert listing.tree.tied == {"lm_head.weight": "model.embed_tokens.weight"}
    assert sorted(listing.tree.order) == list(range(74))


def test_a_job_over_its_memory_limit_is_stopped(workers):
    with pytest.raises(WorkerDied, match="it took more than 1 GB of memory"):
        workers.submit(Probe("hoard", 200, memory_limit=10**9)).result(30)
    assert workers.submit(Probe("answer", 2)).result(30) == 2


def test_a_worker_ended_by_a_signal_without_a_name_fails_its_jobs(workers):
    started = threading.Event()
    ticket = workers.submit(Probe("steps", 100_000), on_part=lambda _: started.set())
    assert started.wait(30)
    os.kill(workers.pids[0], 36)
    with pytest.raises(WorkerDied, match="it was ended by signal 36"):
        ticket.result(10)


def test_a_file_replaced_after_it_was_listed_is_refused(backend, tmp_path):
    path, other = tmp_path / "model.safetensors", tmp_path / "other.safetensors"
    ones, twos = np.ones((2, 2), np.float32), np.full((2, 2), 2, np.float32)
    save_file({"a.w": ones, "b.x": twos}, path)
    listing = backend.submit(OpenModel(str(path))).result(60)
    pairs = backend.submit(PairUp(listing.opened, str(path))).result(60)
    save_file({"b.x": twos}, other)
    other.replace(path)
    for job in (
        PairUp(listing.opened, str(path)),
        Sweep(listing.opened, pairs.opened),
        Inspect(listing.opened, None, "a.w", None, (4, 4)),
        FindTypes(listing.opened),
    ):
        with pytest.raises(LamellaError, match="the file changed since it was opened"):
            backend.submit(job).result(60)
