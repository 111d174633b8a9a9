"""A submitted job, as its submitter holds it."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from inspect_core.control import Progress
from inspect_core.errors import LamellaError


class WorkerDied(LamellaError):  # noqa: N818 - it says what happened
    """The process that ran the job is gone; a new one takes the next job."""


class OverLimit(WorkerDied):
    """The job itself was the reason: the same job would end the next worker as well."""


def ignore(_: Any) -> None:
    """For parts and progress that nobody asked for."""


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
    on_progress: Callable[[Progress], None] = ignore
    on_part: Callable[[Any], None] = ignore
    future: "Future[Any]" = field(default_factory=Future)
    cancel: Callable[[], None] = lambda: None

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result (never on the UI thread)."""
        return self.future.result(timeout)


def settle(ticket: Ticket, result: Any = None, error: BaseException | None = None) -> None:
    """Resolve a ticket, unless it is resolved already."""
    if ticket.future.done():
        return
    if error is not None:
        ticket.future.set_exception(error)
    else:
        ticket.future.set_result(result)
