"""Comparing in threads: the same bits in any number of them, and it stops when asked to."""

import math
import threading
import time

import numpy as np
import pytest
from delta_made import (
    Held,
    Repeated,
    assert_close,
    assert_identical,
    chunk_of,
    encode,
    exact,
    random_raw,
    tensor,
    widen,
)

from inspect_core.control import Control
from inspect_core.delta import compare, values
from inspect_core.delta.collect import Collect
from inspect_core.delta.compare import CHUNK_VALUES, SMALL_BATCH, Comparer, thread_count
from inspect_core.delta.heat import MatrixView
from inspect_core.delta.kernel import CpuKernel
from inspect_core.errors import Cancelled, CheckpointError
from inspect_core.pairing import Pair


def workers():
    return [t for t in threading.enumerate() if t.name.startswith("lamella-compare")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert workers() == []


def made(shapes, dtypes=("F32", "F32"), seed=0):
    """Two sources with the same names and shapes, and their pairs in order."""
    rng = np.random.default_rng(seed)
    sides, infos = [], []
    for dtype in dtypes:
        raws = {f"t{i}": random_raw(rng, dtype, math.prod(shape)) for i, shape in enumerate(shapes)}
        sides.append(Held(raws))
        infos.append([tensor(f"t{i}", dtype, shape) for i, shape in enumerate(shapes)])
    return *sides, [Pair(a, b) for a, b in zip(*infos, strict=True)]


def whole(model, reference, pair, histogram=False):
    a = model.tensors[pair.model.name]
    b = reference.tensors[pair.reference.name] if pair.reference else None
    chunk = chunk_of(a, pair.model.dtype, b, pair.reference and pair.reference.dtype)
    return CpuKernel().compare(chunk, histogram, None)[0]


MIXED = [(), (0,), (7,), (1000,), (1001,), (50, 50), (), (3, 0), (999,), (2, 2), (4321,), (0,)]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("dtypes", [("F32", "F32"), ("BF16", "F32"), ("I8", "F64")])
def test_every_tensor_comes_in_order_with_its_sums(monkeypatch, threads, dtypes):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 1000)
    model, reference, pairs = made(MIXED, dtypes)
    found = list(
        Comparer(CpuKernel(), threads).summaries(
            model, reference, pairs, Control(), Collect(histogram=True)
        )
    )
    assert [number for number, _ in found] == list(range(len(pairs)))
    for number, summary in found:
        expected = whole(model, reference, pairs[number], histogram=True)
        assert summary.numel == pairs[number].model.numel
        assert_close(summary, expected)
        assert np.array_equal(summary.histogram, expected.histogram)
    # Each byte was read once.
    for side in (model, reference):
        assert sum(n for _, _, n in side.reads) == sum(raw.size for raw in side.tensors.values())


def test_results_do_not_depend_on_the_number_of_threads():
    shapes = [*MIXED, (CHUNK_VALUES * 3 + 17,), (CHUNK_VALUES,), (CHUNK_VALUES + 1,), (5,)]
    model, reference, pairs = made(shapes)
    runs = [
        list(
            Comparer(CpuKernel(), threads).summaries(
                model, reference, pairs, Control(), Collect(histogram=True)
            )
        )
        for threads in (1, 2, 5)
    ]
    for run in runs[1:]:
        for (number, summary), (same, expected) in zip(run, runs[0], strict=True):
            assert number == same
            assert_identical(summary, expected)


def test_detail_does_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 1000)
    model, reference, pairs = made([(5, 40, 30)])
    view = MatrixView.of((5, 40, 30), 2)
    runs = [
        Comparer(CpuKernel(), threads).detail(model, reference, pairs[0], view, (7, 9), Control())
        for threads in (1, 2, 5)
    ]
    for summary, grid in runs[1:]:
        assert_identical(summary, runs[0][0])
        assert np.array_equal(grid.cells, runs[0][1].cells)


def test_many_small_tensors_are_batched():
    shapes = [(i % 5,) for i in range(3 * SMALL_BATCH + 10)]
    model, reference, pairs = made(shapes)
    reports = []
    found = list(
        Comparer(CpuKernel(), 2).summaries(model, reference, pairs, Control(reports.append))
    )
    assert [number for number, _ in found] == list(range(len(pairs)))
    assert [s.numel for _, s in found] == [i % 5 for i in range(len(pairs))]
    assert len(reports) == 2 + 4


def test_sizes_that_differ_are_never_broadcast():
    with pytest.raises(ValueError, match="16 values against 4"):
        Pair(tensor("w", "F32", (4, 4)), tensor("w", "F32", (1, 4)))


def test_no_pairs():
    assert list(Comparer(CpuKernel(), 2).summaries(Held({}), Held({}), [], Control())) == []


def test_without_a_reference_the_model_is_compared_with_zeros():
    model, _, pairs = made([(3000,), (0,), ()])
    alone = [Pair(pair.model) for pair in pairs]
    found = dict(Comparer(CpuKernel(), 2).summaries(model, Held({}), alone, Control()))
    for number, pair in enumerate(alone):
        assert_identical(found[number], whole(model, None, pair))
    assert found[0].abs_d == found[0].abs_model > 0


def test_progress_grows_to_the_total(monkeypatch):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 1000)
    model, reference, pairs = made(MIXED)
    reports = []
    list(Comparer(CpuKernel(), 2).summaries(model, reference, pairs, Control(reports.append)))
    total = sum(pair.nbytes for pair in pairs)
    seen = [report.bytes_done for report in reports]
    done = [report.done for report in reports]
    assert seen == sorted(seen)
    assert done == sorted(done)
    assert (seen[0], seen[-1], done[0], done[-1]) == (0, total, 0, len(pairs))
    assert {report.bytes_total for report in reports} == {total}
    reports.clear()
    view = MatrixView.of((4321,))
    Comparer(CpuKernel(), 2).detail(
        model, reference, pairs[10], view, (1, 5), Control(reports.append)
    )
    assert reports[-1].bytes_done == reports[-1].bytes_total == pairs[10].nbytes


@pytest.mark.parametrize("cores", [1, 3, 64])
def test_a_thread_a_core_up_to_a_limit(monkeypatch, cores):
    monkeypatch.setattr(compare.os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert thread_count() == min(cores, compare.MOST_THREADS)
    monkeypatch.delattr(compare.os, "sched_getaffinity")
    monkeypatch.setattr(compare.os, "cpu_count", lambda: cores)
    assert thread_count() == min(cores, compare.MOST_THREADS)


# --- stopping


class Slow:
    """A source that takes its time, and may fail."""

    def __init__(self, seconds=0.002, fails_at=None):
        self.seconds = seconds
        self.fails_at = fails_at
        self.reads = 0

    def read_into(self, tensor, offset, buffer):
        self.reads += 1
        if self.fails_at is not None and offset >= self.fails_at:
            raise CheckpointError("the file has changed", where="model.safetensors")
        time.sleep(self.seconds)
        buffer[:] = bytes(len(buffer))


@pytest.fixture
def endless(monkeypatch):
    """A pair of 10,000 chunks: 20 s at 2 ms a read."""
    monkeypatch.setattr(compare, "CHUNK_VALUES", 1000)
    return [Pair(tensor("w", "F32", (10_000_000,)))]


def test_cancelling_from_another_thread_stops_promptly(endless):
    control, slow = Control(), Slow()
    stopped_at = []

    def cancel():
        stopped_at.append(time.monotonic())
        control.cancel()

    timer = threading.Timer(0.05, cancel)
    timer.start()
    with pytest.raises(Cancelled):
        list(Comparer(CpuKernel(), 2).summaries(slow, slow, endless, control))
    assert time.monotonic() - stopped_at[0] < 10
    assert workers() == []
    timer.join()


def test_cancelling_stops_a_detail_too(endless):
    control, slow = Control(), Slow()
    timer = threading.Timer(0.05, control.cancel)
    timer.start()
    view = MatrixView.of((10_000_000,))
    with pytest.raises(Cancelled):
        Comparer(CpuKernel(), 2).detail(slow, slow, endless[0], view, (1, 9), control)
    assert slow.reads < 2000
    timer.join()


def test_cancelled_before_it_starts_nothing_is_read(endless):
    control, slow = Control(), Slow()
    control.cancel()
    with pytest.raises(Cancelled):
        list(Comparer(CpuKernel(), 2).summaries(slow, slow, endless, control))
    assert slow.reads == 0


@pytest.mark.parametrize("stop", ["close", "drop", "exception"])
def test_a_consumer_that_leaves_early_leaves_no_thread(monkeypatch, stop):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 1000)
    slow = Slow()
    pairs = [Pair(tensor("w", "F32", (1000,))) for _ in range(5000)]
    running = Comparer(CpuKernel(), 3).summaries(slow, slow, pairs, Control())
    next(running)
    if stop == "close":
        running.close()
    elif stop == "drop":
        del running
    else:
        with pytest.raises(KeyError):
            for _ in running:
                raise KeyError
        running.close()
    assert workers() == []
    assert slow.reads < 100


def test_a_consumer_that_waits_is_not_run_ahead_of(monkeypatch):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 1000)
    slow = Slow(seconds=0.0)
    pairs = [Pair(tensor("w", "F32", (1000,))) for _ in range(500)]
    running = Comparer(CpuKernel(), 2).summaries(slow, slow, pairs, Control())
    next(running)
    time.sleep(0.1)
    assert slow.reads <= 10
    running.close()


@pytest.mark.parametrize("threads", [1, 4])
def test_errors_of_reading_reach_the_consumer(endless, threads):
    slow = Slow(seconds=0.0, fails_at=40_000)
    with pytest.raises(CheckpointError, match="has changed"):
        list(Comparer(CpuKernel(), threads).summaries(slow, slow, endless, Control()))
    assert workers() == []
    assert slow.reads < 40
    with pytest.raises(CheckpointError, match="has changed"):
        Comparer(CpuKernel(), threads).detail(
            slow, slow, endless[0], MatrixView.of((10_000_000,)), (1, 9), Control()
        )


def test_tensors_before_a_failing_one_are_delivered(monkeypatch):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 1000)
    slow = Slow(seconds=0.0, fails_at=4000)
    pairs = [Pair(tensor(f"w{n}", "F32", (n,))) for n in (1000, 1000, 5000, 1000)]
    seen = []
    with pytest.raises(CheckpointError):
        for number, _ in Comparer(CpuKernel(), 2).summaries(slow, slow, pairs, Control()):
            seen.append(number)
    assert seen == [0, 1]


def test_paused_work_waits_and_resumes(monkeypatch):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 1000)
    slow = Slow(seconds=0.0)
    pairs = [Pair(tensor("w", "F32", (300_000,)))]
    paused = threading.Event()

    def on_progress(progress):
        if progress.bytes_done >= 400_000 and not paused.is_set():
            control.pause()
            paused.set()

    control = Control(on_progress)
    results = []
    thread = threading.Thread(
        target=lambda: results.extend(
            Comparer(CpuKernel(), 2).summaries(slow, slow, pairs, control)
        )
    )
    thread.start()
    assert paused.wait(10)
    time.sleep(0.05)
    reads = slow.reads
    time.sleep(0.1)
    assert slow.reads == reads < 150
    assert results == []
    control.resume()
    thread.join(10)
    assert slow.reads == 300
    assert results[0][1].numel == 300_000


def test_cancelling_wakes_paused_work(endless):
    control = Control()
    control.pause()
    threading.Timer(0.05, control.cancel).start()
    with pytest.raises(Cancelled):
        list(Comparer(CpuKernel(), 2).summaries(Slow(), Slow(), endless, control))


class Counting(CpuKernel):
    """Says how much memory was asked for to read into."""

    def __init__(self):
        self.asked = []

    def buffer(self, nbytes):
        self.asked.append(nbytes)
        return super().buffer(nbytes)


@pytest.mark.parametrize("chunks", [10, 200])
def test_memory_to_read_into_does_not_grow_with_the_tensor(monkeypatch, chunks):
    monkeypatch.setattr(compare, "CHUNK_VALUES", 1000)
    monkeypatch.setattr(values, "FEWEST_BYTES", 1)
    model, reference, pairs = made([(1000 * chunks,), (70, 90), (3,)])
    kernel, threads = Counting(), 3
    assert len(list(Comparer(kernel, threads).summaries(model, reference, pairs, Control()))) == 3
    # A thread may begin with a small buffer and need a larger one once.
    assert max(kernel.asked) == 4000
    assert 2 <= len(kernel.asked) <= 2 * 2 * threads


# --- model size, where small tensors hide a bug


@pytest.mark.parametrize(
    ("dtype_a", "dtype_b", "numel"),
    [("F32", "F32", 10**8), ("BF16", "BF16", 12 * 10**8), ("BF16", "F32", 10**8)],
)
def test_sums_hold_at_model_size(dtype_a, dtype_b, numel):
    """Errors of naive float32 sums: 1% to 73% at these sizes."""
    period = 4000
    rng = np.random.default_rng(9)
    values = rng.normal(0.05, 1.0, period)
    raw_b = encode(values, dtype_b)
    raw_a = encode(widen(raw_b, dtype_b) * (1 + 0.01 * rng.normal(size=period)), dtype_a)
    width_a, width_b = raw_a.size // period, raw_b.size // period
    model = Repeated(raw_a, CHUNK_VALUES * width_a)
    reference = Repeated(raw_b, CHUNK_VALUES * width_b)
    pair = Pair(tensor("w", dtype_a, (numel,)), tensor("w", dtype_b, (numel,)))
    ((_, got),) = Comparer(CpuKernel()).summaries(model, reference, [pair], Control())
    expected = exact(widen(raw_a, dtype_a), widen(raw_b, dtype_b), numel // period)
    assert got.numel == numel
    assert_close(got, expected, 1e-12)
    assert got.mean_abs == pytest.approx(float(expected.abs_d / numel), rel=1e-12)
    assert got.l2 == pytest.approx(math.sqrt(expected.sq_d), rel=1e-12)
    assert got.rel_l2 == pytest.approx(math.sqrt(expected.sq_d / expected.sq_reference), rel=1e-12)
    assert got.angle == pytest.approx(expected.angle, rel=1e-11)
    assert got.cosine == pytest.approx(math.cos(expected.angle), rel=1e-12)
    assert got.max_abs == float(expected.max_abs)
