"""Weights with adapters on them, as bytes that are made when they are asked for."""

from bisect import bisect_right
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inspect_core.adapters.effect.changes import BLOCK_VALUES, Matrix
from inspect_core.adapters.effect.factors import FactorShelf, is_of_experts
from inspect_core.adapters.effect.values import read_values
from inspect_core.adapters.overlay import Target
from inspect_core.checkpoint.byte_source import Stamp
from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo

WIDTH = 8
"""Bytes of a value: everything that is computed is float64."""


class Computed(NamedTuple):
    """One weight that is computed.

    Attributes:
        start: its first byte in the source.
        shape: its sizes.
        targets: what changes it, in order; none has a note.
        under: where the values come from that are changed, and under which name; None for zeros.
    """

    start: int
    shape: tuple[int, ...]
    targets: tuple[Target, ...]
    under: tuple[Checkpoint, TensorInfo] | None

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows and columns: of experts in one tensor, all rows of all of them."""
        if len(self.shape) == 3 and any(is_of_experts(target) for target in self.targets):
            return self.shape[0] * self.shape[1], self.shape[2]
        return (self.shape[0] if self.shape else 1), prod(self.shape[1:])


class ComputedSource:
    """Bytes of changed weights, one after the other; a `ByteSource`.

    Only the rows that are asked for are made, in blocks. Safe to use from many threads.

    Args:
        weights: in the order of their `start`.
        shelf: what the adapters change.
        name: what messages call it.
    """

    def __init__(self, weights: Sequence[Computed], shelf: FactorShelf, name: str) -> None:
        self._weights = list(weights)
        self._starts = [weight.start for weight in weights]
        self._shelf = shelf
        self.path = Path(name)

    @property
    def stamp(self) -> Stamp | None:
        """See `ByteSource`."""
        return None

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` with bytes from `offset` on, of one weight or of several.

        Raises:
            CheckpointError: a file cannot be read, or changed.
        """
        rest = buffer.cast("B")
        while rest:
            weight = self._weights[bisect_right(self._starts, offset) - 1]
            at = offset - weight.start
            taken = min(len(rest), WIDTH * prod(weight.shape) - at)
            self._fill(weight, at, rest[:taken])
            rest, offset = rest[taken:], offset + taken

    def check_unchanged(self) -> None:
        """Nothing of it can change; its files are shards of their own."""

    def close(self) -> None:
        """It holds nothing open."""

    def _fill(self, weight: Computed, at: int, buffer: memoryview) -> None:
        """Bytes of one weight, block by block."""
        if at % WIDTH or len(buffer) % WIDTH:
            first, last = at // WIDTH, -(-(at + len(buffer)) // WIDTH)
            wide = np.empty(last - first)
            self._fill(weight, WIDTH * first, wide.view(np.uint8).data)
            skip = at - WIDTH * first
            buffer[:] = wide.view(np.uint8).data[skip : skip + len(buffer)]
            return
        values = np.frombuffer(buffer, np.float64)
        columns = weight.matrix[1]
        start = at // WIDTH
        stop = start + len(values)
        step = max(1, BLOCK_VALUES // columns)
        first = start // columns
        while first * columns < stop:
            last = min(first + step, -(-stop // columns))
            rows = self._rows(weight, first, last).reshape(-1)
            low, high = max(start, first * columns), min(stop, last * columns)
            values[low - start : high - start] = rows[
                low - first * columns : high - first * columns
            ]
            first = last

    def _rows(self, weight: Computed, first: int, last: int) -> Matrix:
        """Rows of a weight with every change on it."""
        columns = weight.matrix[1]

        def under(first: int, last: int) -> Matrix:
            if weight.under is None:
                return np.zeros((last - first, columns))
            source, info = weight.under
            flat = read_values(source, info, first * columns, last * columns)
            return flat.reshape(last - first, columns)

        base = under(first, last)
        values = base.copy() if any(target.needs_base for target in weight.targets) else base
        # Infinite and missing values of a stranger's file go where arithmetic takes them.
        with np.errstate(all="ignore"):
            for target in weight.targets:
                values = self._shelf.change(target).apply(values, base, under, first)
        return values
