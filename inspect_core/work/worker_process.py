"""One worker process as the app sees it: jobs in, tickets resolved, whatever happens to it."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any, BinaryIO, cast

from inspect_core.errors import Cancelled, LamellaError
from inspect_core.work.ticket import OverLimit, Ticket, WorkerDied, settle
from inspect_core.work.wire import receive, send

HANG_SECONDS = 10.0
"""A busy worker that says nothing for so long is stopped; it normally says so twice a second."""

START_SECONDS = 60.0
"""The same before its first word: a library on a cold network drive loads slowly."""

CANCEL_SECONDS = 2.0
"""A cancelled job that has not ended after so long takes its worker with it."""

WATCH_SECONDS = 0.25


class WorkerProcess:
    """One worker process, started when needed and again after it died."""

    def __init__(self, log: str | None = None) -> None:
        self._log = log or ""
        self._guard = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._outbox: SimpleQueue[Any] = SimpleQueue()
        self._open: dict[int, Ticket] = {}
        self._deadlines: dict[int, tuple[float, str]] = {}
        self._cancelled: dict[int, float] = {}
        self._started = False
        self._heard = 0.0
        self._reason = ""
        self._guilty: set[int] = set()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process id, or None while none runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the process if none runs.

        Raises:
            LamellaError: the system cannot start one.
        """
        with self._guard:
            if self._process is not None or self._closed:
                return
            # -P: a folder with a file named numpy.py in it must not become our library.
            # A session of its own: Ctrl-C and a hang-up are for the app to answer.
            command = [sys.executable, "-P", "-m", "inspect_core.work.worker", self._log]
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    env=_environment(),
                )
            except OSError as error:
                raise LamellaError(f"cannot start a worker process ({error.strerror})") from None
            self._process = process
            self._heard = time.monotonic()
            self._started = False
            self._reason = ""
            self._guilty = set()
            self._outbox = SimpleQueue()
            threading.Thread(target=_write, args=(process, self._outbox), daemon=True).start()
            threading.Thread(target=self._listen, args=(process,), daemon=True).start()
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    def submit(self, ticket: Ticket) -> Ticket:
        """Send a job to the process."""
        with self._guard:
            number = next(self._numbers)
            ticket.cancel = lambda: self._cancel(number)
            if self._closed:
                ticket.future.set_exception(Cancelled())
                return ticket
            try:
                self.start()
                self._open[number] = ticket
                if len(self._open) == 1:
                    self._heard = time.monotonic()
                if ticket.job.time_limit is not None:
                    limit = ticket.job.time_limit
                    reason = f"it took more than {limit:.0f} s"
                    self._deadlines[number] = (time.monotonic() + limit, reason)
                self._outbox.put(("run", number, ticket.job))
            except LamellaError as error:
                self._open.pop(number, None)
                ticket.future.set_exception(error)
        return ticket

    def close(self) -> None:
        """Stop the process, whatever it does, and cancel what it had."""
        with self._guard:
            self._closed = True
            process, self._process = self._process, None
            tickets = list(self._open.values())
            self._open.clear()
            self._outbox.put(None)
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        for ticket in tickets:
            settle(ticket, error=Cancelled())

    def _cancel(self, number: int) -> None:
        with self._guard:
            if number in self._open:
                self._cancelled.setdefault(number, time.monotonic())
                self._outbox.put(("cancel", number, None))

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        """Hand answers to their tickets until the process is gone."""
        stream = cast(BinaryIO, process.stdout)
        try:
            while True:
                kind, number, payload = receive(stream)
                self._heard = time.monotonic()
                self._hear_first()
                if kind in ("done", "failed", "cancelled"):
                    with self._guard:
                        self._deadlines.pop(number, None)
                        self._cancelled.pop(number, None)
                        ticket = self._open.pop(number, None)
                    if ticket is not None:
                        error = Cancelled() if kind == "cancelled" else payload
                        settle(ticket, payload, None if kind == "done" else error)
                else:
                    ticket = self._open.get(number)
                    if ticket is not None and not ticket.future.cancelled():
                        (ticket.on_part if kind == "part" else ticket.on_progress)(payload)
        except Exception:  # whatever ended the conversation, the jobs must hear of it
            self._bury(process)

    def _hear_first(self) -> None:
        """The process is up: from now on it can be late to obey."""
        if not self._started:
            with self._guard:
                self._started = True
                self._cancelled = dict.fromkeys(self._cancelled, self._heard)

    def _bury(self, process: "subprocess.Popen[bytes]") -> None:
        """The process is gone: fail what it had, and let the next job start another."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
        process.kill()
        process.wait()
        with self._guard:
            if self._process is not process:
                return
            self._process = None
            self._outbox.put(None)
            tickets = list(self._open.items())
            self._open.clear()
            self._deadlines.clear()
            self._cancelled.clear()
            reason = self._reason or _cause(process.returncode)
            guilty = self._guilty
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        for number, ticket in tickets:
            what = f"the worker was stopped while {ticket.job.about}: {reason}"
            kind = OverLimit if number in guilty else WorkerDied
            settle(ticket, error=kind(what, hint="a new one starts; try again"))

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        """Stop the process when it hangs or overruns a limit."""
        while self._process is process:
            time.sleep(WATCH_SECONDS)
            with self._guard:
                if self._process is not process:
                    return
                late = self._late(time.monotonic()) + self._over_memory(process.pid)
                if late:
                    self._reason = late[0][1]
                    self._guilty = {number for number, _ in late}
                    process.kill()
                    return

    def _late(self, now: float) -> list[tuple[int, str]]:
        """Jobs beyond a limit of time, and which; number 0 where it cannot be said which job."""
        late = [(n, reason) for n, (limit, reason) in self._deadlines.items() if now > limit]
        if self._started:
            asked = [n for n, since in self._cancelled.items() if now - since > CANCEL_SECONDS]
            late += [(number, "it did not stop when asked to") for number in asked]
        patience = HANG_SECONDS if self._started else START_SECONDS
        if self._open and now - self._heard > patience:
            late.append((0, f"no sign of life for {patience:.0f} s"))
        return late

    def _over_memory(self, pid: int) -> list[tuple[int, str]]:
        """Jobs for which the process holds too much memory, and why."""
        limits = [(ticket.job.memory_limit, number) for number, ticket in self._open.items()]
        least = min((limit for limit in limits if limit[0] is not None), default=None)
        if least is None or _resident_bytes(pid) <= least[0]:
            return []
        return [(least[1], f"it took more than {least[0] / 1e9:.0f} GB of memory")]


def _resident_bytes(pid: int) -> int:
    """Memory that a process holds; 0 where the system does not say."""
    try:
        with open(f"/proc/{pid}/statm") as statm:  # noqa: PTH123 - several times a second
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _write(process: "subprocess.Popen[bytes]", outbox: "SimpleQueue[Any]") -> None:
    """Send what is put into the outbox; a stopped worker must not block who puts it there."""
    while (message := outbox.get()) is not None:
        # A dead worker is noticed, and its jobs failed, by the thread that listens.
        with contextlib.suppress(OSError, ValueError):
            send(cast(BinaryIO, process.stdin), message)


def _cause(status: int) -> str:
    if status == -signal.SIGKILL:
        return "it was killed (out of memory?)"
    if status < 0:
        # Real-time signals have numbers but no names.
        names = {known.value: known.name for known in signal.Signals}
        return f"it was ended by {names.get(-status, f'signal {-status}')}"
    return f"it ended with status {status}"


def _environment() -> dict[str, str]:
    """The worker's environment: it never asks a hub, and never draws progress bars."""
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TQDM_DISABLE": "1"}
    return {**os.environ, **quiet}
