"""Pairs of tensors to summaries: files are read in chunks, chunks are compared in threads.

Memory is bounded by the chunks in flight, never by the size of a tensor; results come in
the order of the pairs and do not depend on the number of threads.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.control import Control, Progress
from inspect_core.delta.batches import compare_batch
from inspect_core.delta.collect import NOTHING, Collect
from inspect_core.delta.heat import HeatGrid, MatrixView, Pooling, Window
from inspect_core.delta.kernel import Chunk, HeatRequest, Kernel, Raw
from inspect_core.delta.profile import Profile, ProfilePart, ProfileSums
from inspect_core.delta.rows import PartsOfTensor, RowPart, compare_with_rows, row_bounds
from inspect_core.delta.summary import Summary
from inspect_core.delta.values import Readable, ValueReader
from inspect_core.pairing.match import Pair

CHUNK_VALUES = 1 << 20
"""Values a chunk: 2 to 8 MiB a side, some milliseconds of work. A multiple of every block."""

SMALL_BATCH = 256
"""Most tensors that one task compares when they are small."""

MOST_THREADS = 8
"""More readers than this do not make a disk or page cache faster."""


Task = TypeVar("Task")
Result = TypeVar("Result")


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
        self._model, self._reference = ValueReader(kernel.buffer), ValueReader(kernel.buffer)

    def summaries(
        self,
        model: Readable,
        reference: Readable,
        pairs: Sequence[Pair],
        control: Control,
        collect: Collect = NOTHING,
    ) -> Iterator[tuple[int, Summary]]:
        """Yield `(pair number, summary)` in order, reporting progress after each task.

        Args:
            model: what holds the model's tensors.
            reference: what holds the reference's.
            pairs: what is compared with what.
            control: takes progress, and can cancel.
            collect: what is found beside the sums.

        Raises:
            Cancelled: `control` was cancelled.
            CheckpointError: a file cannot be read, or changed meanwhile.
        """
        total_bytes = sum(pair.nbytes for pair in pairs)
        seen_bytes = 0
        held, held_pair = PartsOfTensor(collect.columns), 0
        control.report(Progress(0, len(pairs), "tensors", 0, total_bytes))

        def work(task: Sequence[_Piece]) -> list[tuple[_Piece, Summary, RowPart | None]]:
            if not collect:
                readers, sources = (self._model, self._reference), (model, reference)
                batch = [pairs[piece.pair] for piece in task]
                together = compare_batch(self._kernel, readers, sources, batch)
                if together is not None:
                    return [(*both, None) for both in zip(task, together, strict=True)]
            return [
                (piece, *self._piece(model, reference, pairs[piece.pair], piece, collect))
                for piece in task
            ]

        for results in self._in_order(work, _tasks(pairs, collect.rows), control):
            for piece, summary, rows in results:
                if piece.pair != held_pair:
                    yield held_pair, held.finished
                    held, held_pair = PartsOfTensor(collect.columns), piece.pair
                held.add(pairs[held_pair].model.shape, summary, rows)
                seen_bytes += _piece_bytes(pairs[piece.pair], piece)
            control.report(Progress(held_pair, len(pairs), "tensors", seen_bytes, total_bytes))
        if pairs:
            yield held_pair, held.finished
        control.report(Progress(len(pairs), len(pairs), "tensors", total_bytes, total_bytes))

    def measured(
        self,
        source: Readable,
        tensors: Sequence[TensorInfo],
        measure: Callable[[Raw, str], Result],
        control: Control,
    ) -> Iterator[tuple[int, Result]]:
        """Yield `(tensor number, result)` of every chunk of every tensor, in order.

        This is for whoever sums something else than differences.

        Args:
            source: what holds the tensors.
            tensors: what to read.
            measure: gets the bytes of a chunk and the dtype they are in, on one of several
                threads; the bytes are overwritten once it has returned.
            control: takes progress after each task, and can cancel.

        Raises:
            Cancelled: `control` was cancelled.
            CheckpointError: a file cannot be read, or changed meanwhile.
        """
        pairs = [Pair(tensor) for tensor in tensors]
        total, seen, last = sum(pair.nbytes for pair in pairs), 0, 0
        control.report(Progress(0, len(pairs), "tensors", 0, total))

        def work(task: Sequence[_Piece]) -> list[tuple[_Piece, Result]]:
            found = []
            for at in task:
                read = self._model.read(source, tensors[at.pair], at.start, at.stop)
                found.append((at, measure(*read)))
            return found

        for results in self._in_order(work, _tasks(pairs), control):
            for piece, result in results:
                yield piece.pair, result
                seen, last = seen + _piece_bytes(pairs[piece.pair], piece), piece.pair
            control.report(Progress(last, len(pairs), "tensors", seen, total))
        control.report(Progress(len(pairs), len(pairs), "tensors", total, total))

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

    def zoom(
        self,
        model: Readable,
        reference: Readable,
        pair: Pair,
        view: MatrixView,
        window: Window,
        grid: tuple[int, int],
        control: Control,
    ) -> HeatGrid:
        """A part of the matrix in view, pooled to `grid`; only its rows are read."""
        pooling = Pooling.of(view, *grid, window)
        first = view.first + window.top * view.columns
        heat = HeatGrid.zero(pooling.rows, pooling.columns)
        stop = first + window.rows * view.columns

        def work(piece: _Piece) -> HeatGrid | None:
            request = HeatRequest(piece.start - first, view.columns, pooling)
            chunk = self._read(model, reference, pair, piece)
            return self._kernel.compare(chunk, histogram=False, heat=request)[1]

        for cells in self._in_order(work, _cut(0, first, stop), control):
            heat = heat if cells is None else heat + cells
        return pooling.without_guards(heat)

    def profile(
        self,
        model: Readable,
        reference: Readable,
        pair: Pair,
        control: Control,
        view: MatrixView | None = None,
    ) -> Profile:
        """Sums over each row and each column of the matrix in view, by default the first.

        Raises:
            UsageError: it has too many of them.
            Cancelled: `control` was cancelled.
            CheckpointError: a file cannot be read, or changed meanwhile.
        """
        view = view or MatrixView.of(pair.model.shape)
        sums = ProfileSums(view)
        total = pair.nbytes * view.numel // max(1, pair.model.numel)

        def work(bound: tuple[int, int]) -> tuple[int, ProfilePart]:
            start, stop = bound
            piece = _Piece(0, view.first + start, view.first + stop)
            return stop, sums.of(self._read(model, reference, pair, piece), start)

        for seen, part in self._in_order(work, sums.bounds(CHUNK_VALUES), control):
            sums.add(part)
            done = pair.nbytes * seen // pair.model.numel
            control.report(Progress(0, 1, "tensors", done, total))
        return sums.profile

    def _piece(
        self, model: Readable, reference: Readable, pair: Pair, piece: _Piece, collect: Collect
    ) -> tuple[Summary, RowPart | None]:
        chunk = self._read(model, reference, pair, piece)
        if collect.rows:
            return compare_with_rows(self._kernel, chunk, pair.model.shape, collect)
        return self._kernel.compare(chunk, collect.histogram, None)[0], None

    def _read(self, model: Readable, reference: Readable, pair: Pair, piece: _Piece) -> Chunk:
        start, stop = piece.start, piece.stop
        ours = self._model.read(model, pair.model, start, stop)
        theirs: tuple[Raw | None, str | None] = None, None
        if pair.reference is not None:
            theirs = self._reference.read(reference, pair.reference, start, stop)
        decoded = ours[1] != pair.model.dtype
        if pair.reference is not None:
            decoded = decoded or theirs[1] != pair.reference.dtype
        return Chunk(*ours, *theirs, stop - start, decoded)

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


def _tasks(pairs: Sequence[Pair], whole_rows: bool = False) -> Iterator[list[_Piece]]:
    """Cut large tensors into chunks, and put small ones together."""
    batch: list[_Piece] = []
    values = 0
    for number, pair in enumerate(pairs):
        numel = pair.model.numel
        if batch and (values + numel > CHUNK_VALUES or len(batch) >= SMALL_BATCH):
            yield batch
            batch, values = [], 0
        if numel > CHUNK_VALUES:
            if whole_rows:
                bounds = row_bounds(pair.model.shape, CHUNK_VALUES)
                yield from ([_Piece(number, *bound)] for bound in bounds)
                continue
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
        yield from _cut(number, start, stop)
        start = max(start, stop)
    if numel == 0:
        yield _Piece(number, 0, 0)


def _cut(number: int, start: int, stop: int) -> Iterator[_Piece]:
    """Chunks of the values `start` .. `stop` of a tensor."""
    while start < stop:
        end = min(stop, start + CHUNK_VALUES)
        yield _Piece(number, start, end)
        start = end


def _piece_bytes(pair: Pair, piece: _Piece) -> int:
    if piece.stop - piece.start == pair.model.numel:
        return pair.nbytes
    dtypes = [DTYPES[side.dtype] for side in _sides(pair)]
    return sum(dtype.nbytes(piece.stop) - dtype.nbytes(piece.start) for dtype in dtypes)


def _sides(pair: Pair) -> tuple[TensorInfo, ...]:
    return (pair.model,) if pair.reference is None else (pair.model, pair.reference)
