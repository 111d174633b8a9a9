"""How running work is told to stop or to wait, and how it says how far it is."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from inspect_core.errors import Cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        done: units done.
        total: units in all.
        unit: what is counted, e.g. `tensors`.
        bytes_done: bytes of input read so far, both sides.
        bytes_total: bytes of input in all.
    """

    done: int
    total: int
    unit: str
    bytes_done: int = 0
    bytes_total: int = 0


class Control:
    """A token that work polls between chunks, each well under 100 ms.

    Args:
        on_progress: called with every `Progress`, on the thread that works.
    """

    def __init__(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        self._cancelled = threading.Event()
        self._may_run = threading.Event()
        self._may_run.set()
        self._on_progress = on_progress

    def cancel(self) -> None:
        """Ask the work to stop; it wakes if it was paused."""
        self._cancelled.set()
        self._may_run.set()

    def pause(self) -> None:
        """Ask the work to wait at its next poll."""
        self._may_run.clear()
        if self._cancelled.is_set():  # cancelled just before the line above, or long ago
            self._may_run.set()

    def resume(self) -> None:
        """Let paused work go on."""
        self._may_run.set()

    def check(self) -> None:
        """Wait while paused, and stop if asked to.

        Raises:
            Cancelled: the work is no longer wanted.
        """
        self._may_run.wait()
        if self._cancelled.is_set():
            raise Cancelled

    def report(self, progress: Progress) -> None:
        """Say how far the work is."""
        if self._on_progress is not None:
            self._on_progress(progress)


class Silent(Control):
    """Stops and waits with another control, and says nothing: for a part of its work.

    Args:
        control: the other one.
    """

    def __init__(self, control: Control) -> None:
        super().__init__()
        self._control = control

    def check(self) -> None:
        """See `Control.check`."""
        self._control.check()


class Part(Control):
    """The control of one part of several: its progress is a part of all.

    Args:
        control: of the whole.
        before: how many are done.
        total: how many there are in all.
        unit: what is counted.
    """

    def __init__(self, control: Control, before: int, total: int, unit: str) -> None:
        super().__init__()
        self._control, self._before, self._total, self._unit = control, before, total, unit

    def check(self) -> None:
        """See `Control.check`."""
        self._control.check()

    def report(self, progress: Progress) -> None:
        """See `Control.report`."""
        done = min(self._before + progress.done, self._total)
        self._control.report(Progress(done, self._total, self._unit))
