"""The app's dealings with its backend: one job a role, the newest one counts."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Any

from textual.message import Message

from inspect_core.control import Progress
from inspect_core.work.backend import Backend, Ticket
from tui.messages import JobEnded, ProgressMade, SweepArrived

MOST_TRIES = 3
"""A job whose worker is killed under it again and again is given up after so many."""


class JobDesk:
    """Submits jobs and turns what comes back into messages.

    A role is what the app wants a job for. A new job of a role cancels the one before, and
    what still comes from that is not `wanted` any more.

    Args:
        backend: where jobs run.
        post: takes messages, from any thread.
    """

    def __init__(self, backend: Backend, post: Callable[[Message], None]) -> None:
        self._backend = backend
        self._post = post
        self._tickets: dict[str, tuple[int, Ticket]] = {}
        self._since: dict[str, float] = {}
        self._tries: dict[str, tuple[Any, int]] = {}
        self._count = 0

    def submit(self, role: str, job: Any) -> None:
        """Start a job for a role."""
        self._tries[role] = (job, 1)
        self._submit(role, job)

    def again(self, role: str) -> bool:
        """Start the last job of a role again, whose worker died; False after some tries."""
        job, tries = self._tries.get(role, (None, MOST_TRIES))
        if tries >= MOST_TRIES:
            return False
        self._tries[role] = (job, tries + 1)
        self._submit(role, job)
        return True

    def _submit(self, role: str, job: Any) -> None:
        number = self._next(role)
        ticket = self._backend.submit(
            job, partial(self._progress, role, number), partial(self._part, role, number)
        )
        self._keep(role, number, ticket)

    def adopt(self, role: str, ticket: Ticket) -> None:
        """Take over a job that was submitted elsewhere."""
        self._tries[role] = (ticket.job, 1)
        self._keep(role, self._next(role), ticket)

    def cancel(self, role: str) -> None:
        """Stop the job of a role, if there is one."""
        _, ticket = self._tickets.pop(role, (0, None))
        if ticket is not None:
            ticket.cancel()

    def busy(self, *roles: str) -> bool:
        """Whether a job of one of the roles runs; without roles, whether any job does."""
        return any(role in self._tickets for role in roles) if roles else bool(self._tickets)

    def elapsed(self, role: str) -> float:
        """Seconds since the newest job of a role was submitted."""
        return monotonic() - self._since.get(role, monotonic())

    def wanted(self, message: JobEnded | ProgressMade | SweepArrived) -> bool:
        """Whether a message is of the newest job of its role."""
        return self._tickets.get(message.role, (0, None))[0] == message.number

    def close(self, message: JobEnded) -> bool:
        """Take note that a job ended; False if it was not wanted any more."""
        if not self.wanted(message):
            return False
        del self._tickets[message.role]
        return True

    def _next(self, role: str) -> int:
        self.cancel(role)
        self._count += 1
        return self._count

    def _keep(self, role: str, number: int, ticket: Ticket) -> None:
        self._tickets[role] = (number, ticket)
        self._since[role] = monotonic()
        ticket.future.add_done_callback(partial(self._ended, role, number))

    def _ended(self, role: str, number: int, future: "Future[Any]") -> None:
        error = future.exception()
        result = None if error else future.result()
        self._post(JobEnded(role, number, result, error))

    def _progress(self, role: str, number: int, progress: Progress) -> None:
        self._post(ProgressMade(role, number, progress))

    def _part(self, role: str, number: int, part: Any) -> None:
        self._post(SweepArrived(role, number, part))
