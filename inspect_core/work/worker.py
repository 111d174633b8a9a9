"""The worker process: `python -m inspect_core.work.worker LOG`.

Requests come in on what was its standard input, answers go out on what was its standard
output; both are moved away at once, so that no library's print reaches a frame or the
user's screen. It ends when its input does, whatever it is doing.
"""

import gc
import os
import sys
import threading
import time
import traceback
from collections import deque
from typing import Any, BinaryIO

from inspect_core.control import Control, Progress
from inspect_core.errors import Cancelled, LamellaError
from inspect_core.work.context import JobContext, Shelf
from inspect_core.work.wire import receive, send

HEARTBEAT_SECONDS = 0.5
"""How often a busy worker says that it lives."""

PROGRESS_SECONDS = 0.05
"""Progress is sent at most this often."""


class Worker:
    """Runs jobs in two lanes: one for what somebody waits for, one for the background.

    While the first lane works, jobs of the second wait at their next chunk.
    """

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests = requests
        self._answers = answers
        self._sending = threading.Lock()
        self._shelf = Shelf()
        self._lanes = {False: _Lane("work"), True: _Lane("background")}
        self._controls: dict[int, Control] = {}
        self._guard = threading.Lock()
        self._busy = threading.Event()
        self._held = False

    def serve(self) -> None:
        """Take requests until the input ends."""
        for background, lane in self._lanes.items():
            threading.Thread(
                target=self._work, args=(lane, background), name=lane.name, daemon=True
            ).start()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        self.send("alive", 0)
        while True:
            kind, number, job = receive(self._requests)
            if kind == "run":
                with self._guard:
                    self._controls[number] = Control(_Throttle(self, number))
                self._lanes[job.background].put((number, job))
            elif kind == "cancel":
                with self._guard:
                    control = self._controls.get(number)
                if control is not None:
                    control.cancel()
                if any(lane.drop(number) for lane in self._lanes.values()):
                    # It would be asked again only after the job before it, minutes later.
                    self._forget(number)
                    self.send("cancelled", number)

    def send(self, kind: str, number: int, payload: object = None) -> None:
        """Send one answer; if nobody reads any more, end."""
        try:
            with self._sending:
                send(self._answers, (kind, number, payload))
        except OSError:
            os._exit(0)

    def _work(self, lane: "_Lane", background: bool) -> None:
        while True:
            number, job = lane.get()
            control = self._controls[number]
            self._busy.set()
            if not background:
                self._hold_background(True)
            else:
                with self._guard:  # or it would be paused just after it was let go
                    if self._held:
                        control.pause()
            try:
                self._run(number, job, control)
            finally:
                self._forget(number)
                if not background and lane.empty():
                    self._hold_background(False)

    def _forget(self, number: int) -> None:
        with self._guard:
            del self._controls[number]
            if not self._controls:
                self._busy.clear()

    def _run(self, number: int, job: Any, control: Control) -> None:
        context = JobContext(self._shelf, control, lambda part: self.send("part", number, part))
        # A collector that walks 200,000 fresh tuples again and again doubles the time.
        gc.disable()
        try:
            control.check()
            result = job.run(context)
        except Cancelled:
            self.send("cancelled", number)
        except LamellaError as error:
            self.send("failed", number, error)
        except MemoryError:
            self.send("failed", number, LamellaError(f"not enough memory while {job.about}"))
        except Exception as error:  # whatever it was, the app must hear of it
            traceback.print_exc()
            what = f"{type(error).__name__} while {job.about}: {error}"
            self.send("failed", number, LamellaError(what, hint="please report this"))
        else:
            self.send("done", number, result)
        finally:
            gc.enable()

    def _hold_background(self, hold: bool) -> None:
        with self._guard:
            self._held = hold
            running = self._lanes[True].running
            control = self._controls.get(running) if running is not None else None
        if control is not None and hold:
            control.pause()
        elif control is not None:
            control.resume()

    def _beat(self) -> None:
        pause = threading.Event()
        while True:
            self._busy.wait()
            self.send("alive", 0)
            pause.wait(HEARTBEAT_SECONDS)


class _Lane:
    """A queue of jobs that remembers which one runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.running: int | None = None
        self._waiting: deque[tuple[int, Any]] = deque()
        self._changed = threading.Condition()

    def put(self, item: tuple[int, Any]) -> None:
        with self._changed:
            self._waiting.append(item)
            self._changed.notify()

    def get(self) -> tuple[int, Any]:
        with self._changed:
            self.running = None
            while not self._waiting:
                self._changed.wait()
            item = self._waiting.popleft()
            self.running = item[0]
            return item

    def drop(self, number: int) -> bool:
        """Take a job out of the queue; False if it is not, or no longer, in it."""
        with self._changed:
            waiting = [item for item in self._waiting if item[0] == number]
            for item in waiting:
                self._waiting.remove(item)
            return bool(waiting)

    def empty(self) -> bool:
        with self._changed:
            return not self._waiting


class _Throttle:
    """Sends progress of one job, not more often than a person can see."""

    def __init__(self, worker: Worker, number: int) -> None:
        self._worker = worker
        self._number = number
        self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= PROGRESS_SECONDS or progress.done == progress.total:
            self._last = now
            self._worker.send("progress", self._number, progress)


def main(log: str) -> None:
    """Move the standard streams away and serve."""
    requests = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    answers = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        record = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:  # a log is no reason not to work
        record = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 0)
    os.dup2(record, 1)
    os.dup2(record, 2)
    try:
        Worker(requests, answers).serve()
    except EOFError:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
