"""Where jobs run. `Backend.submit` returns a `Ticket` at once; its future gets the result.

`Workers` is the default: processes beside the app, one without torch and, once something
needs it, one with. A worker that crashes, is killed, hangs or is out of memory fails the
jobs it had with a message, and the next job finds a new one. `Threads` runs jobs in this
process, for live models and for tests.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, BinaryIO, Protocol, cast

from inspect_core.control import Control, Progress
from inspect_core.errors import Cancelled, LamellaError
from inspect_core.work.context import JobContext, Shelf
from inspect_core.work.wire import receive, send

HANG_SECONDS = 10.0
"""A busy worker that says nothing for so long is stopped; it normally says so twice a second."""

CANCEL_SECONDS = 2.0
"""A cancelled job that has not ended after so long takes its worker with it."""

WATCH_SECONDS = 0.25


class WorkerDied(LamellaError):  # noqa: N818 - it says what happened
    """The process that ran the job is gone; a new one takes the next job."""


def _ignore(_: Any) -> None:
    pass


@dataclass(eq=False)
class Ticket:
    """A submitted job.

    Callbacks run on a thread of the backend: they must be quick and must not block.

    Attributes:
        job: the job.
        future: resolves to its result, a `LamellaError`, or `Cancelled`.
        on_progress: called with each `Progress`.
        on_part: called with each part of the result.
    """

    job: Any
    on_progress: Callable[[Progress], None] = _ignore
    on_part: Callable[[Any], None] = _ignore
    future: "Future[Any]" = field(default_factory=Future)
    cancel: Callable[[], None] = lambda: None

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result (never on the UI thread)."""
        return self.future.result(timeout)


class Backend(Protocol):
    """Runs jobs."""

    def submit(
        self,
        job: Any,
        on_progress: Callable[[Progress], None] = _ignore,
        on_part: Callable[[Any], None] = _ignore,
    ) -> Ticket:
        """Start a job; returns at once."""
        ...

    def close(self) -> None:
        """Stop everything; returns within a fraction of a second."""
        ...


class Workers:
    """Runs jobs in worker processes.

    Args:
        log: a file that takes what workers and their libraries print; None discards it.
    """

    def __init__(self, log: str | None = None) -> None:
        self._plain = WorkerProcess(log)
        self._torch = WorkerProcess(log)

    def start(self) -> None:
        """Start the process without torch now, ahead of its first job."""
        self._plain.start()

    def submit(
        self,
        job: Any,
        on_progress: Callable[[Progress], None] = _ignore,
        on_part: Callable[[Any], None] = _ignore,
    ) -> Ticket:
        """See `Backend.submit`."""
        process = self._torch if job.needs_torch else self._plain
        return process.submit(Ticket(job, on_progress, on_part))

    @property
    def pids(self) -> list[int]:
        """Process ids of the running workers."""
        return [process.pid for process in (self._plain, self._torch) if process.pid is not None]

    def close(self) -> None:
        """See `Backend.close`."""
        for process in (self._plain, self._torch):
            process.close()


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
        self._heard = 0.0
        self._reason = ""
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
            self._reason = ""
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
            _settle(ticket, error=Cancelled())

    def _cancel(self, number: int) -> None:
        with self._guard:
            if number in self._open:
                late = (time.monotonic() + CANCEL_SECONDS, "it did not stop when asked to")
                self._deadlines[number] = late
                self._outbox.put(("cancel", number, None))

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        """Hand answers to their tickets until the process is gone."""
        stream = cast(BinaryIO, process.stdout)
        try:
            while True:
                kind, number, payload = receive(stream)
                self._heard = time.monotonic()
                if kind in ("done", "failed", "cancelled"):
                    with self._guard:
                        self._deadlines.pop(number, None)
                        ticket = self._open.pop(number, None)
                    if ticket is not None:
                        error = Cancelled() if kind == "cancelled" else payload
                        _settle(ticket, payload, None if kind == "done" else error)
                else:
                    ticket = self._open.get(number)
                    if ticket is not None and not ticket.future.cancelled():
                        (ticket.on_part if kind == "part" else ticket.on_progress)(payload)
        except (EOFError, OSError, ValueError):
            self._bury(process)

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
            tickets = list(self._open.values())
            self._open.clear()
            self._deadlines.clear()
            reason = self._reason or _cause(process.returncode)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        for ticket in tickets:
            what = f"the worker was stopped while {ticket.job.about}: {reason}"
            _settle(ticket, error=WorkerDied(what, hint="a new one starts; try again"))

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        """Stop the process when it hangs or overruns a limit."""
        while self._process is process:
            time.sleep(WATCH_SECONDS)
            with self._guard:
                now = time.monotonic()
                late = [reason for limit, reason in self._deadlines.values() if now > limit]
                if self._open and now - self._heard > HANG_SECONDS:
                    late.append(f"no sign of life for {HANG_SECONDS:.0f} s")
                if late and self._process is process:
                    self._reason = late[0]
                    process.kill()
                    return


def _write(process: "subprocess.Popen[bytes]", outbox: "SimpleQueue[Any]") -> None:
    """Send what is put into the outbox; a stopped worker must not block who puts it there."""
    while (message := outbox.get()) is not None:
        # A dead worker is noticed, and its jobs failed, by the thread that listens.
        with contextlib.suppress(OSError, ValueError):
            send(cast(BinaryIO, process.stdin), message)


def _settle(ticket: Ticket, result: Any = None, error: BaseException | None = None) -> None:
    if ticket.future.done():
        return
    if error is not None:
        ticket.future.set_exception(error)
    else:
        ticket.future.set_result(result)


def _cause(status: int) -> str:
    if status == -signal.SIGKILL:
        return "it was killed (out of memory?)"
    if status < 0:
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it ended with status {status}"


def _environment() -> dict[str, str]:
    """The worker's environment: it never asks a hub, and never draws progress bars."""
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TQDM_DISABLE": "1"}
    return {**os.environ, **quiet}


class Threads:
    """Runs jobs on threads of this process; what is cancelled stops at its next poll."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._shelf = shelf or Shelf()
        self._pool = ThreadPoolExecutor(2, "lamella-job")
        self._controls: set[Control] = set()

    def submit(
        self,
        job: Any,
        on_progress: Callable[[Progress], None] = _ignore,
        on_part: Callable[[Any], None] = _ignore,
    ) -> Ticket:
        """See `Backend.submit`."""
        control = Control(on_progress)
        ticket = Ticket(job, on_progress, on_part, cancel=control.cancel)
        context = JobContext(self._shelf, control, on_part)
        self._controls.add(control)

        def run() -> None:
            try:
                control.check()
                _settle(ticket, job.run(context))
            except (LamellaError, Cancelled) as error:
                _settle(ticket, error=error)
            except Exception as error:  # the future must always resolve
                what = f"{type(error).__name__} while {job.about}: {error}"
                _settle(ticket, error=LamellaError(what, hint="please report this"))
            finally:
                self._controls.discard(control)

        self._pool.submit(run)
        return ticket

    def close(self) -> None:
        """See `Backend.close`."""
        for control in list(self._controls):
            control.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
