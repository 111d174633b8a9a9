"""End to end in a real pseudo-terminal: what arrives at the terminal, and what stays behind."""

import json
import os
import re
import signal
import struct
import subprocess
from pathlib import Path

import pytest
from terminal_helper import LAMELLA, gone, starting

HOSTILE = [
    "[/]", "[@click=app.quit]x", "a\x1b[31m", "b\x1b]52;c;ZXZpbA==\x07", "c\x1b[2J", "d\x9b5n",
    "e\x1bP1$t\x1b\\", "f\x1b]0;title\x07", "g\r\n", "h\u202e",
]  # fmt: skip
SEQUENCE = re.compile(
    rb"\x1b\[([<=>?]*)[0-9;:]*([ -/]*[@-~])"  # CSI: its private mark and final byte
    rb"|\x1b([\]PX^_])([0-9]*)"  # OSC, DCS and the like: introducer and number
    rb"|\x1b([ -/]*[0-~])"
    rb"|([\x00-\x06\x0e-\x1a])"
)


def write_model(path: Path, names: list[str]) -> str:
    """A checkpoint of one-value tensors."""
    entries = {
        name: {"dtype": "F32", "shape": [2], "data_offsets": [8 * k, 8 * k + 8]}
        for k, name in enumerate(names)
    }
    header = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\1\2\3\4" * 2 * len(names))
    return str(path)


@pytest.fixture
def terminal(tmp_path):
    yield from starting(tmp_path)


@pytest.fixture
def model(tmp_path):
    names = [f"layers.{k}.{part}.weight" for k in range(4) for part in ("up", "down")]
    return write_model(tmp_path / "model.safetensors", [*names, "norm.weight"])


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_the_demo_opens_answers_keys_and_leaves_as_it_came(terminal, size):
    app = terminal("demo", size=size)
    app.until("74 of 74 tensors compared")
    assert "movies" in app.text and "embed_tokens" in app.text
    processes = app.processes
    assert len(processes) > 1, "there is a worker"
    app.keys("/")
    app.keys("norm")
    app.until("layernorm")
    app.press("\x1b", "?")
    app.until("lamella: a checkpoint as a folded tree")
    app.press("\x1b", "q")
    assert app.ends() == 0
    assert app.is_restored()
    assert gone(processes)
    assert b"Traceback" not in app.raw


def test_ctrl_c_leaves(terminal, model):
    app = terminal(model)
    app.until("no reference")
    processes = app.processes
    app.keys("\x03")
    assert app.ends() == 0
    assert app.is_restored()
    assert gone(processes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_a_signal_leaves_no_worker_and_a_usable_terminal(terminal, model, number):
    app = terminal(model)
    app.until("no reference")
    processes = app.processes
    os.kill(app.child.pid, number)
    assert app.ends() == 128 + number
    assert gone(processes)
    assert app.is_restored()


def test_a_log_that_cannot_be_written_stops_nothing(terminal, model, tmp_path):
    (tmp_path / "lamella" / "worker.log").mkdir(parents=True)
    terminal(model).until("no reference")


def test_kill_9_leaves_no_worker(terminal, model):
    app = terminal(model)
    app.until("no reference")
    processes = app.processes
    os.kill(app.child.pid, signal.SIGKILL)
    app.ends()
    assert gone(processes)


def test_a_closed_terminal_leaves_no_process(terminal, model):
    app = terminal(model)
    app.until("no reference")
    processes = app.processes
    os.close(app.child.child_fd)
    assert gone(processes)


def kinds(raw: bytes) -> set[tuple[bytes, ...]]:
    """What kinds of control sequences were written: their introducers and final bytes."""
    return {tuple(part or b"" for part in match) for match in SEQUENCE.findall(raw)}


def test_hostile_names_write_no_sequence_that_benign_ones_do_not(terminal, tmp_path):
    raw = []
    for file, names in (("benign", [f"n{k}" for k in range(len(HOSTILE))]), ("hostile", HOSTILE)):
        path = write_model(tmp_path / f"{file}.safetensors", names)
        app = terminal(path)
        app.until("no reference")
        for _ in names:
            app.press("j\r")
        app.press("w", "\x1b")
        assert "not zero" in app.text
        app.keys("q")
        assert app.ends() == 0
        raw.append(app.raw)
    assert kinds(raw[1]) - kinds(raw[0]) == set()
    assert b"ZXZpbA==" in raw[1], "the name itself was on the screen"
    assert b"\xc2\x9b" not in raw[1] and "\u202e".encode() not in raw[1]


def test_an_idle_app_writes_nothing(terminal, model):
    app = terminal(model)
    app.until("no reference")
    app.settle(1.0)
    before = len(app.raw)
    app.read(1.5)
    assert len(app.raw) == before


def test_without_a_terminal_it_is_one_line_and_status_2(model, tmp_path):
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(
        [*LAMELLA, model], capture_output=True, text=True, stdin=subprocess.DEVNULL,
        timeout=60, check=False, env=env,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "needs a terminal" in done.stderr and "lamella tree" in done.stderr
