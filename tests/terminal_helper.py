"""A program in a real pseudo-terminal: what it sends, the screen that makes, and its end."""

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import psutil
import pyte

LAMELLA = [sys.executable, "-P", "-m", "tui"]
ROOT = Path(__file__).parents[1]

PATIENCE = 150.0
"""Seconds: a machine that others use, too, may be slow. Only a test that fails waits so long."""

# pyte knows no private parameters with < = >, and prints what is left of them.
_UNKNOWN = re.compile(rb"\x1b\[[<=>][0-9;]*[a-zA-Z]")


class Terminal:
    """A program in a pty, everything it wrote, and the screen that made.

    Args:
        arguments: the words after the command.
        size: columns and lines.
        home: the folder of its state and its settings.
        command: the program; the app, if nothing else is said.
        more: its environment, beside that of the tests.
    """

    def __init__(
        self,
        arguments: list[str],
        size: tuple[int, int],
        home: Path,
        command: list[str] = LAMELLA,
        **more: str,
    ) -> None:
        columns, lines = size
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "SSH_CONNECTION")}
        env |= {
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "XDG_STATE_HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "PYTHONPATH": str(ROOT),
            **more,
        }
        words = [*command[1:], *arguments]
        self.child = pexpect.spawn(
            command[0],
            words,
            dimensions=(lines, columns),
            env=env,
            timeout=PATIENCE,
        )
        self.raw = b""
        self.is_over = False
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)

    def read(self, seconds: float = 0.05) -> bool:
        """Take what comes within some time; whether anything did."""
        try:
            data = self.child.read_nonblocking(1 << 16, seconds)
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            self.is_over = True
            time.sleep(0.01)
            return False
        self.raw += data
        self._stream.feed(_UNKNOWN.sub(b"", data))
        return True

    @property
    def text(self) -> str:
        """What the screen shows, line by line."""
        return "\n".join(self._screen.display)

    def until(self, text: str, seconds: float = PATIENCE) -> None:
        """Read until the screen shows a text."""
        self.wait(lambda: text in self.text, text, seconds)

    def wait(self, holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Read until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            in_time = time.monotonic() < end and not self.is_over
            assert in_time, f"never came: {what!r}\n{self.text}"
            self.read()

    def settle(self, seconds: float = 0.25) -> None:
        """Read until nothing has come for some time, and the program waits for something.

        A program that gets no processor is silent, too; it has not seen the keys yet.
        """
        while self.read(seconds) or not self.is_waiting():
            pass

    def is_waiting(self) -> bool:
        """Whether the program and its children have nothing to do: all their threads sleep."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return all(map(_sleeps, self.processes))
        return True

    def keys(self, text: str) -> None:
        """Send keys."""
        self.child.send(text)

    def press(self, *keys: str) -> None:
        """Press keys one by one, as a person does, who waits for what each of them does."""
        for key in keys:
            self.keys(key)
            self.settle()

    @property
    def processes(self) -> list[psutil.Process]:
        """The program's process, and those that it started."""
        own = psutil.Process(self.child.pid)
        return [own, *own.children(recursive=True)]

    def ends(self, seconds: float = PATIENCE) -> int | None:
        """Wait for the program to end; its status."""
        end = time.monotonic() + seconds
        while self.child.isalive():
            assert time.monotonic() < end, f"never ended\n{self.text}"
            self.read()
        while self.read():
            pass
        return self.child.exitstatus

    def is_restored(self) -> bool:
        """Whether the alternate screen was left and the cursor shown, after all else."""
        left, shown = self.raw.rfind(b"\x1b[?1049l"), self.raw.rfind(b"\x1b[?25h")
        return left > self.raw.rfind(b"\x1b[?1049h") and shown > self.raw.rfind(b"\x1b[?25l")


def _sleeps(process: psutil.Process) -> bool:
    tasks = Path(f"/proc/{process.pid}/task")
    if not tasks.is_dir():  # no Linux
        return process.status() != psutil.STATUS_RUNNING
    with contextlib.suppress(OSError):
        # After the name in brackets comes the state: S sleeps, I and Z have nothing to do.
        states = [(task / "stat").read_bytes().rpartition(b") ")[2][:1] for task in tasks.iterdir()]
        return all(state in b"SIZ" for state in states)
    return True


def gone(processes: list[psutil.Process], seconds: float = 30.0) -> bool:
    """Whether processes end, or have ended."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def starting(home: Path, command: list[str] = LAMELLA) -> Iterator[Callable[..., Terminal]]:
    """For fixtures: what starts programs in ptys; none of their processes is left after it."""
    made: list[Terminal] = []

    def start(*arguments: str, size: tuple[int, int] = (120, 40), **env: str) -> Terminal:
        made.append(Terminal(list(arguments), size, home, command, **env))
        return made[-1]

    yield start
    for one in made:
        left = one.processes if psutil.pid_exists(one.child.pid) else []
        with contextlib.suppress(pexpect.ExceptionPexpect, OSError):
            one.child.close(force=True)
        assert gone(left)
