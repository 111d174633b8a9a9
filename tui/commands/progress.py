"""One line on a terminal's standard error that says how far the work is, and then goes away."""

import sys
import time
from types import TracebackType

from inspect_core.control import Control, Progress
from tui import format as fmt
from tui.commands.output import columns

FIRST_SECONDS = 0.4
"""Work that takes less is done before anybody has read the line."""

EVERY_SECONDS = 0.1


class ProgressLine:
    """Shows the progress of a control, if standard error is a terminal."""

    def __init__(self) -> None:
        self._shown = 0
        self._first: tuple[float, int] | None = None
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Control:
        return Control(self._show if sys.stderr.isatty() else None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._put("")

    def _show(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._first is None and progress.done:
            self._first = now, progress.done
        if now - self._last < (EVERY_SECONDS if self._shown else FIRST_SECONDS):
            return
        self._last = now
        self._put(self._text(progress, now - self._start))

    def _text(self, progress: Progress, seconds: float) -> str:
        done, total = progress.bytes_done, progress.bytes_total
        text = f"{progress.done:,} of {progress.total:,} {progress.unit}"
        if total:
            text += f"  {fmt.size(done)} of {fmt.size(total)}"
        elif self._first is not None and progress.done > self._first[1]:
            # What came before the first of them, as loading a model, says nothing of the rate.
            since, before = self._first
            rate = (progress.done - before) / max(time.monotonic() - since, 1e-9)
            text += f"  {fmt.number(rate)} a second"
            text += f"  {fmt.duration((progress.total - progress.done) / rate)} left"
        if done:
            text += f"  {fmt.duration(seconds * (total - done) / done)} left"
        return text

    def _put(self, text: str) -> None:
        """Write over what stands there, with spaces: any terminal knows how."""
        # A line that the terminal breaks could not be taken back.
        text = text[: columns(sys.stderr) - 1]
        sys.stderr.write(f"\r{text:<{self._shown}}" + ("" if text else "\r"))
        sys.stderr.flush()
        self._shown = len(text)
