"""Pairs of tensors to summaries: files are read in chunks, chunks are compared in threads.

Memory is bounded by the chunks in flight, never by the size of a tensor; results come in
the order of the pairs and do not depend on the number of threads.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.control import Control, Progress
from inspect_core.delta.heat import HeatGrid, MatrixView, Pooling
from inspect_core.delta.kernel import Chunk, HeatRequest, Kernel
from inspect_core.delta.summary import Summary

CHUNK_VALUES = 1 << 20
"""Values a chunk: 2 to 8 MiB a side, some milliseconds of work."""

SMALL_BATCH = 256
"""Most tensors that one task compares when they are small."""

MOST_THREADS = 8
"""More readers than this do not make a disk or page cache faster."""


Task = TypeVar("Task")
Result = TypeVar("Result")


class Readable(Protocol):
    """Where bytes of tensors come from; a `Checkpoint`, or a stream made up by a test."""

    def read_into(self, tensor: TensorInfo, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from byte `offset` of the tensor."""
        ...


@dataclass(frozen=True, slots=True)
class Pair:
    """A tensor of the model and its partner; without one the tensor is compared with zeros.

    Raises:
        ValueError: the two hold different numbers of values; they are never broadcast.
    """

    model: TensorInfo
    reference: TensorInfo | None = None

    def __post_init__(self) -> None:
        if self.reference is not None and self.reference.numel != self.model.numel:
            raise ValueError(f"{self.model.numel} values against {self.reference.numel}")

    @property
    def nbytes(self) -> int:
        """Bytes to read for it, both sides."""
        return self.model.nbytes + (self.reference.nbytes if self.reference else 0)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Values `start` .. `stop` of pair number `pair`."""

    pair: int
    start: int
    stop: int


def thread_count() -> int:
    """Threads that compare: one a usable core, up to `MOST_THREADS`."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min(MOST_THREADS, cores)


class Comparer:
    """Compares pairs of two checkpoints with one kernel.

    Args:
        kernel: what compares a chunk.
        threads: how many chunks are compared at once; by default `thread_count()`.
    """

    def __init__(self, kernel: Kernel, threads: int | None = None) -> None:
        self._kernel = kernel
        self._threads = threads or thread_count()
        self._local = threading.local()

    def summaries(
        self,
        model: Readable,
        reference: Readable,
        pairs: Sequence[Pair],
        control: Control,
        histogram: bool = False,
    ) -> Iterator[tuple[int, Summary]]:
        """Yield `(pair number, summary)` in order, reporting progress after each task.

        Raises:
            Cancelled: `control` was cancelled.
            CheckpointError: a file cannot be read, or changed meanwhile.
        """
        total_bytes = sum(pair.nbytes for pair in pairs)
        seen_bytes = 0
        held, held_pair = Summary(), 0
        control.report(Progress(0, len(pairs), "tensors", 0, total_bytes))

        def work(task: Sequence[_Piece]) -> list[tuple[_Piece, Summary]]:
            return [
                (piece, self._piece(model, reference, pairs[piece.pair], piece, histogram))
                for piece in task
            ]

        for results in self._in_order(work, _tasks(pairs), control):
            for piece, summary in results:
                if piece.pair != held_pair:
                    yield held_pair, held
                    held, held_pair = Summary(), piece.pair
                held = held + summary
                seen_bytes += _piece_bytes(pairs[piece.pair], piece)
            control.report(Progress(held_pair, len(pairs), "tensors", seen_bytes, total_bytes))
        if pairs:
            yield held_pair, held
        control.report(Progress(len(pairs), len(pairs), "tensors", total_bytes, total_bytes))

    def detail(
        self,
        model: Readable,
        reference: Readable,
        pair: Pair,
        view: MatrixView,
        grid: tuple[int, int],
        control: Control,
    ) -> tuple[Summary, HeatGrid]:
        """One tensor in full: its summary with a histogram, and its view pooled to `grid`.

        The summary covers the whole tensor; the heat grid covers the matrix in view.
        """
        pooling = Pooling.of(view, *grid)
        pieces = _split(0, pair.model.numel, (view.first, view.first + view.numel))

        def work(piece: _Piece) -> tuple[Summary, HeatGrid | None, int]:
            inside = view.first <= piece.start < view.first + view.numel
            heat = HeatRequest(piece.start - view.first, view.columns, pooling) if inside else None
            summary, cells = self._kernel.compare(
                self._read(model, reference, pair, piece), histogram=True, heat=heat
            )
            return summary, cells, _piece_bytes(pair, piece)

        total, seen, summary = pair.nbytes, 0, Summary()
        heat = HeatGrid.zero(pooling.rows, pooling.columns)
        for part, cells, nbytes in self._in_order(work, pieces, control):
            summary = summary + part
            heat = heat if cells is None else heat + cells
            seen += nbytes
            control.report(Progress(0, 1, "tensors", seen, total))
        return summary, heat

    def _piece(
        self, model: Readable, reference: Readable, pair: Pair, piece: _Piece, histogram: bool
    ) -> Summary:
        chunk = self._read(model, reference, pair, piece)
        return self._kernel.compare(chunk, histogram, None)[0]

    def _read(self, model: Readable, reference: Readable, pair: Pair, piece: _Piece) -> Chunk:
        numel = piece.stop - piece.start
        theirs = pair.reference
        return Chunk(
            self._fetch("model", model, pair.model, piece),
            pair.model.dtype,
            None if theirs is None else self._fetch("reference", reference, theirs, piece),
            None if theirs is None else theirs.dtype,
            numel,
        )

    def _fetch(
        self, side: str, source: Readable, tensor: TensorInfo, piece: _Piece
    ) -> NDArray[np.uint8]:
        width = DTYPES[tensor.dtype].bits // 8
        nbytes = (piece.stop - piece.start) * width
        held: NDArray[np.uint8] | None = getattr(self._local, side, None)
        if held is None or held.size < nbytes:
            held = np.empty(max(nbytes, CHUNK_VALUES * 2), np.uint8)
            setattr(self._local, side, held)
        buffer = held[:nbytes]
        if nbytes:
            source.read_into(tensor, piece.start * width, buffer.data)
        return buffer

    def _in_order(
        self, work: Callable[[Task], Result], tasks: Iterable[Task], control: Control
    ) -> Iterator[Result]:
        """Results of the tasks in their order, a few tasks ahead of the consumer."""
        ahead: deque[Future[Result]] = deque()
        waiting = iter(tasks)
        with ThreadPoolExecutor(self._threads, "lamella-compare") as pool:
            try:
                for task in waiting:
                    control.check()
                    ahead.append(pool.submit(work, task))
                    if len(ahead) > 2 * self._threads:
                        yield ahead.popleft().result()
                while ahead:
                    control.check()
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()


def _tasks(pairs: Sequence[Pair]) -> Iterator[list[_Piece]]:
    """Cut large tensors into chunks, and put small ones together."""
    batch: list[_Piece] = []
    values = 0
    for number, pair in enumerate(pairs):
        numel = pair.model.numel
        if batch and (values + numel > CHUNK_VALUES or len(batch) >= SMALL_BATCH):
            yield batch
            batch, values = [], 0
        if numel > CHUNK_VALUES:
            for piece in _split(number, numel):
                yield [piece]
        else:
            batch.append(_Piece(number, 0, numel))
            values += numel
    if batch:
        yield batch


def _split(number: int, numel: int, bounds: tuple[int, ...] = ()) -> Iterator[_Piece]:
    """Chunks of one tensor, none of them across a bound; an empty tensor is one piece."""
    start = 0
    for stop in (*bounds, numel):
        while start < stop:
            end = min(stop, start + CHUNK_VALUES)
            yield _Piece(number, start, end)
            start = end
    if numel == 0:
        yield _Piece(number, 0, 0)


def _piece_bytes(pair: Pair, piece: _Piece) -> int:
    sides = (pair.model,) if pair.reference is None else (pair.model, pair.reference)
    return sum((piece.stop - piece.start) * DTYPES[side.dtype].bits // 8 for side in sides)
