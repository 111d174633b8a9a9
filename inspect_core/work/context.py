"""What a process keeps between jobs: opened checkpoints and comparers."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from inspect_core.control import Control
from inspect_core.errors import CheckpointError
from inspect_core.work.listings import Opened

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.delta.compare import Comparer
    from inspect_core.work.listings import Source, Uri

MOST_OPEN = 6
"""Checkpoints kept open; a large one's descriptions take some 100 MB."""


class Shelf:
    """Opened checkpoints and comparers, shared by the jobs of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[Uri, Checkpoint] = OrderedDict()
        self._comparers: dict[str, Comparer] = {}

    def checkpoint(self, uri: "Uri") -> "Checkpoint":
        """The checkpoint of a uri; opened again when its files changed."""
        from inspect_core.checkpoint import open_checkpoint

        with self._lock:
            held = self._open.pop(uri, None)
            if held is not None:
                try:
                    held.check_unchanged()
                except CheckpointError:
                    held.close()
                    held = None
            if held is None:
                held = open_checkpoint(uri)
            self._open[uri] = held
            # A checkpoint that falls off may still be read by a running job: it closes
            # with its last reference, not here.
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
            return held

    def comparer(self, device: str) -> "Comparer":
        """The comparer of a device."""
        from inspect_core.delta.compare import Comparer
        from inspect_core.delta.kernel import kernel_for

        with self._lock:
            if device not in self._comparers:
                self._comparers[device] = Comparer(kernel_for(device))
            return self._comparers[device]


class JobContext:
    """The context of one run of one job.

    Args:
        shelf: what the process keeps.
        control: polled and told of progress by the job.
        emit: takes parts of the result.
    """

    def __init__(self, shelf: Shelf, control: Control, emit: Callable[[object], None]) -> None:
        self._shelf = shelf
        self._emit = emit
        self.control = control

    def open(self, source: "Source") -> "Checkpoint":
        """See `Context.open`.

        Raises:
            CheckpointError: it cannot be opened, or is not the one that was listed.
        """
        if not isinstance(source, Opened):
            return self._shelf.checkpoint(source)
        found = self._shelf.checkpoint(source.uri)
        if found.identity != source.identity:
            raise CheckpointError(
                "the file changed since it was opened",
                where=found.title,
                hint="leave with q and open it again",
            )
        return found

    def comparer(self, device: str) -> "Comparer":
        """See `Context.comparer`."""
        return self._shelf.comparer(device)

    def emit(self, part: object) -> None:
        """See `Context.emit`."""
        self._emit(part)
