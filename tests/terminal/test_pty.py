"""End to end in a real pseudo-terminal: what arrives at the terminal, and what stays behind."""

import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import psutil
import pyte
import pytest

LAMELLA = [sys.executable, "-P", "-m", "tui"]
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


PATIENCE = 150.0
"""Seconds: a machine that others use, too, may be slow."""


class Terminal:
    """A program in a pty, everything it wrote, and the screen that made."""

    def __init__(
        self, arguments: list[str], size: tuple[int, int], home: Path, **more: str
    ) -> None:
        columns, lines = size
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "SSH_CONNECTION")}
        env |= {
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "XDG_STATE_HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **more,
        }
        self.child = pexpect.spawn(
            LAMELLA[0], [*LAMELLA[1:], *arguments], dimensions=(lines, columns), env=env, timeout=30
        )
        self.raw = b""
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)

    def read(self, seconds: float = 0.05) -> None:
        with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF):
            data = self.child.read_nonblocking(1 << 16, seconds)
            self.raw += data
            # pyte knows no private parameters with < = >, and prints what is left of them.
            self._stream.feed(re.sub(rb"\x1b\[[<=>][0-9;]*[a-zA-Z]", b"", data))

    @property
    def text(self) -> str:
        return "\n".join(self._screen.display)

    def until(self, text: str, seconds: float = PATIENCE) -> None:
        self.wait(lambda: text in self.text, text, seconds)

    def wait(self, holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Read until something holds; only a test that would fail waits as long as it may."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"never came: {what!r}\n{self.text}"
            self.read()

    def settle(self, seconds: float = 0.6) -> None:
        """Read until nothing has come for some time."""
        while True:
            before = len(self.raw)
            self.read(seconds)
            if len(self.raw) == before:
                return

    def keys(self, text: str) -> None:
        self.child.send(text)

    @property
    def processes(self) -> list[psutil.Process]:
        own = psutil.Process(self.child.pid)
        return [own, *own.children(recursive=True)]

    def ends(self, seconds: float = 10.0) -> int | None:
        """Wait for the program to end; its status."""
        end = time.monotonic() + seconds
        while self.child.isalive() and time.monotonic() < end:
            self.read(0.02)
        self.read()
        assert not self.child.isalive(), self.text
        return self.child.exitstatus


def gone(processes: list[psutil.Process], seconds: float = 6.0) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def terminal(tmp_path):
    made = []

    def start(*arguments: str, size=(120, 40)) -> Terminal:
        made.append(Terminal(list(arguments), size, tmp_path))
        return made[-1]

    yield start
    for one in made:
        left = one.processes if psutil.pid_exists(one.child.pid) else []
        with contextlib.suppress(pexpect.ExceptionPexpect, OSError):
            one.child.close(force=True)
        assert gone(left)


@pytest.fixture
def model(tmp_path):
    names = [f"layers.{k}.{part}.weight" for k in range(4) for part in ("up", "down")]
    return write_model(tmp_path / "model.safetensors", [*names, "norm.weight"])


def is_restored(raw: bytes) -> bool:
    """Whether the alternate screen was left and the cursor shown, after all else."""
    left, shown = raw.rfind(b"\x1b[?1049l"), raw.rfind(b"\x1b[?25h")
    return left > raw.rfind(b"\x1b[?1049h") and shown > raw.rfind(b"\x1b[?25l")


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
    app.keys("\x1b")
    app.settle()
    app.keys("?")
    app.until("lamella: a checkpoint as a folded tree")
    app.keys("\x1b")
    app.settle()
    app.keys("q")
    assert app.ends() == 0
    assert is_restored(app.raw)
    assert gone(processes)
    assert b"Traceback" not in app.raw


def test_ctrl_c_leaves(terminal, model):
    app = terminal(model)
    app.until("no reference")
    processes = app.processes
    app.keys("\x03")
    assert app.ends() == 0
    assert is_restored(app.raw)
    assert gone(processes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_a_signal_leaves_no_worker_and_a_usable_terminal(terminal, model, number):
    app = terminal(model)
    app.until("no reference")
    processes = app.processes
    os.kill(app.child.pid, number)
    assert app.ends() == 128 + number
    assert gone(processes)
    assert is_restored(app.raw)


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
            app.keys("j")
            app.keys("\r")
            app.settle(0.3)
        app.keys("w")
        app.settle(0.3)
        app.keys("\x1b")
        app.settle(0.3)
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
