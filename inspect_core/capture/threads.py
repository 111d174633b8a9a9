"""How many threads a pass takes: on a busy machine several wait for each other, and one is faster.

Found out by the passes themselves: a few are timed with all threads and with one. It changes the
speed alone.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_WARM = 1
"""Passes that are not timed: the first one prepares much."""

AGAIN = 40
"""Passes until both ways are timed anew."""


class Threads:
    """The faster of two numbers of threads.

    Args:
        most: as many as torch takes.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._passes = -_WARM
        self._pace: dict[int, float] = {}

    @property
    def next(self) -> int:
        """Threads of the next pass."""
        at = self._passes % AGAIN if self._passes >= 0 else 0
        if at < 2:
            return (self.most, 1)[at]
        return min(self._pace, key=lambda count: self._pace[count], default=self.most)

    def took(self, seconds: float, tokens: int) -> None:
        """Say how long the pass took that `next` was asked for."""
        if self._passes >= 0 and self._passes % AGAIN < 2:
            self._pace[self.next] = seconds / max(tokens, 1)
        self._passes += 1

    @contextmanager
    def used(self, tokens: int) -> Iterator[None]:
        """Run a pass of so many tokens with the number of threads that is best for it."""
        if self.most < 2:
            yield
            return
        before = torch.get_num_threads()
        torch.set_num_threads(self.next)
        start = time.perf_counter()
        try:
            yield
        finally:
            torch.set_num_threads(before)
        self.took(time.perf_counter() - start, tokens)


def threads_for(device: torch.device, live: bool) -> Threads:
    """Those of a model; a live one's are left as they are, and a GPU takes none."""
    return Threads(torch.get_num_threads() if device.type == "cpu" and not live else 1)
