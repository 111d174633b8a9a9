"""What a process keeps between jobs: opened checkpoints and comparers."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from inspect_core.control import Control
from inspect_core.errors import CheckpointError, FilesChanged
from inspect_core.opening import Live
from inspect_core.work.listings import Opened

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.delta.compare import Comparer
    from inspect_core.work.listings import Source, Uri

CHANGED = "the file changed since it was opened"

CHANGED_IN_PLACE = "the model was changed since it was listed"
"""Of a live model: another thread trains it, for one."""

RELOAD = "press R to reload"

MOST_OPEN = 6
"""Checkpoints kept open; a large one's descriptions take some 100 MB."""


class Shelf:
    """Opened checkpoints and comparers, shared by the jobs of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[Uri, tuple[int, Checkpoint]] = OrderedDict()
        self._comparers: dict[str, Comparer] = {}

    def checkpoint(self, uri: "Uri", generation: int = 0) -> "Checkpoint":
        """The checkpoint of a uri.

        Args:
            uri: what to open.
            generation: a checkpoint opened for a smaller one is opened anew, whatever its files
                say: a config, an index or more shards may have come beside them.
        """
        from inspect_core.opening import open_model

        with self._lock:
            opened_for, held = self._open.pop(uri, (generation, None))
            if held is not None and (opened_for < generation or not _unchanged(held)):
                held.close()
                held = None
            if held is None:
                opened_for, held = generation, open_model(uri)
            self._open[uri] = (opened_for, held)
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
            CheckpointError: it cannot be opened.
            FilesChanged: it is not the one that was listed, or not there any more.
        """
        if not isinstance(source, Opened):
            return self._shelf.checkpoint(source)
        try:
            found = self._shelf.checkpoint(source.uri, source.generation)
        except CheckpointError as error:
            what = f"{CHANGED} ({error.what})"
            raise FilesChanged(what, where=error.where, hint=RELOAD) from None
        if found.identity != source.identity:
            changed = CHANGED_IN_PLACE if isinstance(source.uri, Live) else CHANGED
            raise FilesChanged(changed, where=found.title, hint=RELOAD)
        return found

    def open_anew(self, uri: "Uri", generation: int) -> "Checkpoint":
        """See `Context.open_anew`."""
        return self._shelf.checkpoint(uri, generation)

    def comparer(self, device: str) -> "Comparer":
        """See `Context.comparer`."""
        return self._shelf.comparer(device)

    def emit(self, part: object) -> None:
        """See `Context.emit`."""
        self._emit(part)


def _unchanged(held: "Checkpoint") -> bool:
    try:
        held.check_unchanged()
    except CheckpointError:
        return False
    return True
