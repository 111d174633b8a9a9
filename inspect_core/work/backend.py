"""Where jobs run. `Backend.submit` returns a `Ticket` at once; its future gets the result.

`Workers` is the default: processes beside the app, one without torch and, once something
needs it, one with. A worker that crashes, is killed, hangs or is out of memory fails the
jobs it had with a message, and the next job finds a new one. `Threads` runs jobs in this
process, for live models and for tests.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from inspect_core.control import Control, Progress
from inspect_core.errors import Cancelled, LamellaError
from inspect_core.work.context import JobContext, Shelf
from inspect_core.work.ticket import Ticket, WorkerDied, ignore, settle
from inspect_core.work.worker_process import WorkerProcess

__all__ = ["Backend", "Threads", "Ticket", "WorkerDied", "Workers"]


class Backend(Protocol):
    """Runs jobs."""

    def submit(
        self,
        job: Any,
        on_progress: Callable[[Progress], None] = ignore,
        on_part: Callable[[Any], None] = ignore,
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
        on_progress: Callable[[Progress], None] = ignore,
        on_part: Callable[[Any], None] = ignore,
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


class Threads:
    """Runs jobs on threads of this process; what is cancelled stops at its next poll."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._shelf = shelf or Shelf()
        self._pool = ThreadPoolExecutor(2, "lamella-job")
        self._controls: set[Control] = set()

    def submit(
        self,
        job: Any,
        on_progress: Callable[[Progress], None] = ignore,
        on_part: Callable[[Any], None] = ignore,
    ) -> Ticket:
        """See `Backend.submit`."""
        control = Control(on_progress)
        ticket = Ticket(job, on_progress, on_part, cancel=control.cancel)
        context = JobContext(self._shelf, control, on_part)
        self._controls.add(control)

        def run() -> None:
            try:
                control.check()
                settle(ticket, job.run(context))
            except (LamellaError, Cancelled) as error:
                settle(ticket, error=error)
            except Exception as error:  # the future must always resolve
                what = f"{type(error).__name__} while {job.about}: {error}"
                settle(ticket, error=LamellaError(what, hint="please report this"))
            finally:
                self._controls.discard(control)

        try:
            self._pool.submit(run)
        except RuntimeError:  # closed already: the app is leaving
            settle(ticket, error=Cancelled())
        return ticket

    def close(self) -> None:
        """See `Backend.close`."""
        for control in list(self._controls):
            control.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
