"""In a real terminal: workers killed under a user's hands, and a connection that is lost."""

import contextlib
import json
import os
import random
import re
import signal
import struct
import time
from pathlib import Path

import psutil
import pytest
from terminal_helper import ROOT, Terminal, gone, starting

KILLS = 20
TENSORS = 40
VALUES = 600_000
"""Each fills a task of its own, so that a sweep goes on by single tensors."""


def write_pair(folder: Path) -> tuple[str, str]:
    """A model and a reference whose values are holes, but for the first ones."""
    found = []
    for name in ("model", "base"):
        header = {
            f"layers.{k}.w": {
                "dtype": "I8",
                "shape": [VALUES],
                "data_offsets": [k * VALUES, (k + 1) * VALUES],
            }
            for k in range(TENSORS)
        }
        text = json.dumps(header).encode()
        path = folder / f"{name}.safetensors"
        with path.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + TENSORS * VALUES)
            for k in range(TENSORS):
                file.seek(8 + len(text) + k * VALUES)
                file.write(bytes([1 if name == "base" else k + 2] * 100))
        found.append(str(path))
    return found[0], found[1]


def slowly(folder: Path, seconds: float) -> dict[str, str]:
    """An environment in which every read of a tensor takes so long."""
    folder = folder / f"slow-{seconds}"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"""
import os, time
quick = os.preadv
def slow(descriptor, buffers, offset):
    if sum(map(len, buffers)) > 500_000:
        time.sleep({seconds})
    return quick(descriptor, buffers, offset)
os.preadv = slow
""")
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


@pytest.fixture
def terminal(tmp_path):
    yield from starting(tmp_path)


def children(app: Terminal) -> list[psutil.Process]:
    return psutil.Process(app.child.pid).children(recursive=True)


def test_workers_killed_under_a_users_hands(terminal, tmp_path):
    model, base = write_pair(tmp_path)
    app = terminal(model, "--ref", base, **slowly(tmp_path, 0.1))
    app.until("layers")
    rng, seen = random.Random(11), set()
    for _ in range(KILLS):
        app.keys("".join(rng.choices(["j", "k", " ", "o", "\r", "m", "l", "h", "\x1b[B"], k=2)))
        end = time.monotonic() + rng.choice([0.05, 0.2, 0.4, 0.6])
        while time.monotonic() < end:
            app.read()
        if "press R" in app.text:
            app.keys("R")
        app.wait(lambda: children(app) or "press R" in app.text, "a worker, or a reason")
        for worker in children(app):
            seen.add(worker)
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
    app.settle(1.5)
    app.keys("R")
    app.until(f"{TENSORS} of {TENSORS} tensors compared")
    assert len(seen) > KILLS / 2
    alive = children(app)
    assert not [p for p in seen if p.is_running() and p not in alive], "neither zombies nor orphans"
    assert not [p for p in alive if p.status() == psutil.STATUS_ZOMBIE]
    app.settle()
    processes = app.processes
    app.keys("q")
    assert app.ends() == 0
    assert app.is_restored()
    assert gone(processes)
    assert b"Traceback" not in app.raw
    assert "Traceback" not in (tmp_path / "lamella" / "worker.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL], ids=lambda s: s.name)
def test_after_a_lost_connection_the_next_run_shows_what_was_compared(
    terminal, tmp_path, own_cache, number
):
    model, base = write_pair(tmp_path)
    app = terminal(model, "--ref", base, **slowly(tmp_path, 0.1))
    app.wait(lambda: any((own_cache / "lamella" / "sweeps").glob("*")), "what is stored")
    processes = app.processes
    os.kill(app.child.pid, number)
    app.ends()
    assert gone(processes)

    # No tensor can be compared in the time of this run: what it shows is what was stored.
    again = terminal(model, "--ref", base, **slowly(tmp_path, 600.0))
    again.wait(lambda: re.search(r"layers .*●.*\d █", again.text), "what was stored")
    processes = again.processes
    os.kill(again.child.pid, signal.SIGKILL)
    again.ends()
    assert gone(processes)

    last = terminal(model, "--ref", base)
    last.until(f"{TENSORS} of {TENSORS} tensors compared")
    last.keys("q")
    assert last.ends() == 0
