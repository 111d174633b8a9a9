"""Run a program in a real pty and say when it printed something."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time


class InAPty:
    """A program in a pty of 120x40, and everything it printed."""

    def __init__(self, command: list[str], columns: int = 120, rows: int = 40) -> None:
        self.started = time.perf_counter()
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"], os.environ["COLORTERM"] = "xterm-256color", "truecolor"
            os.execvp(command[0], command)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for(self, text: bytes, limit: float = 60.0) -> float:
        """Seconds since the start until `text` was printed after the last `forget`."""
        end = time.perf_counter() + limit
        while time.perf_counter() < end:
            if text in self.seen:
                return time.perf_counter() - self.started
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    chunk = os.read(self.fd, 65536)
                except OSError:
                    break
                self.seen += chunk
                if b"\x1b[?2026$p" in chunk or b"\x1b[c" in chunk:
                    os.write(self.fd, b"\x1b[?2026;2$y")
        raise TimeoutError(f"{text!r} did not appear; last: {self.seen[-300:]!r}")

    def drain(self, quiet: float = 0.5) -> int:
        """Read until nothing came for a while; how many bytes."""
        before = len(self.seen)
        while select.select([self.fd], [], [], quiet)[0]:
            self.seen += os.read(self.fd, 65536)
        return len(self.seen) - before

    def send(self, keys: bytes) -> None:
        """Type, and count time and text from now on."""
        self.seen = b""
        self.started = time.perf_counter()
        os.write(self.fd, keys)

    def close(self) -> None:
        """Hang up and wait."""
        os.close(self.fd)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


PYTHON = sys.executable
LAMELLA = [PYTHON, "-c", "from tui.__main__ import main; main()"]
