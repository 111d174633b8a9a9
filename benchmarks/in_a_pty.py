"""Run a program in a real pty and say when it printed something."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

import pyte


class InAPty:
    """A program in a pty of 120x40, and everything it printed."""

    def __init__(self, command: list[str], columns: int = 120, rows: int = 40) -> None:
        self.started = time.perf_counter()
        self.seen = self._unread = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
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
                    chunk = self._read()
                except OSError:
                    break
                if b"\x1b[?2026$p" in chunk or b"\x1b[c" in chunk:
                    os.write(self.fd, b"\x1b[?2026;2$y")
        raise TimeoutError(f"{text!r} did not appear; last: {self.seen[-300:]!r}")

    def drain(self, quiet: float = 0.5, limit: float = 4.0) -> int:
        """Read until nothing came for a while (a cursor may blink for ever); how many bytes."""
        before = len(self.seen)
        end = time.perf_counter() + max(limit, quiet)
        while time.perf_counter() < end and select.select([self.fd], [], [], quiet)[0]:
            self._read()
        return len(self.seen) - before

    def settle(self, quiet: float = 4.0, limit: float = 60.0) -> float:
        """Seconds since the last `send` until the text on the screen changed for the last time.

        A terminal is emulated: a blinking cursor changes no text.
        """
        last, before = self.started, self._text()
        while time.perf_counter() < min(last + quiet, self.started + limit):
            if select.select([self.fd], [], [], 0.05)[0]:
                now = time.perf_counter()
                self._read()
                if (text := self._text()) != before:
                    last, before = now, text
        return last - self.started

    def _text(self) -> str:
        """The text on the screen; worked out only where it is asked for, because it is slow."""
        # What pyte does not know it would print: private modes with other final letters.
        self._stream.feed(re.sub(rb"\x1b\[[?>=<][0-9;]*[^hl0-9;]", b"", self._unread))
        self._unread = b""
        return "\n".join(self._screen.display)

    def _read(self) -> bytes:
        chunk = os.read(self.fd, 65536)
        self.seen += chunk
        self._unread += chunk
        return chunk

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
