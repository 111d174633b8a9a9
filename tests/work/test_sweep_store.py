"""What a sweep found survives its process; what is damaged, foreign or stale does not count."""

import fcntl
import os
import signal
import threading
import time
from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probe_jobs import Slow
from safetensors.numpy import save_file

from inspect_core.checkpoint import open_checkpoint
from inspect_core.delta.collect import EVERYTHING
from inspect_core.delta.summary import COUNTS, SUMS
from inspect_core.delta.table import SummaryRows
from inspect_core.errors import Cancelled, FilesChanged
from inspect_core.pairing import Pair
from inspect_core.work import sweep_store
from inspect_core.work.backend import Threads, WorkerDied, Workers
from inspect_core.work.cache_folder import make_room
from inspect_core.work.jobs import OpenModel, PairUp
from inspect_core.work.sweep import Sweep
from inspect_core.work.sweep_store import SweepStore, sweep_folder, sweep_key

KEY = bytes(range(32))
SIZE = 50


def rows_of(tensors: list[int], seed: int = 0) -> SummaryRows:
    rng = np.random.default_rng([abs(t) for t in (seed, *tensors)])
    n = len(tensors)
    return SummaryRows(
        rng.integers(0, 1 << 60, (n, len(COUNTS))),
        rng.standard_normal((n, len(SUMS))) * 1e200,
        rng.integers(0, 2, n) > 0,
    )


def store_at(path: Path, key: bytes = KEY) -> SweepStore:
    return SweepStore(path, key, SIZE)


def put(path: Path, *frames: list[int], key: bytes = KEY) -> None:
    with store_at(path, key) as store:
        for tensors in frames:
            store.add(array("q", tensors), rows_of(tensors))
            store.flush()


def found(path: Path, key: bytes = KEY, wanted=None) -> dict[int, tuple]:
    """Each stored tensor with its row, to the bit."""
    mask = np.ones(SIZE, np.bool_) if wanted is None else wanted
    with store_at(path, key) as store:
        return {
            tensor: (rows.counts[k].tobytes(), rows.sums[k].tobytes(), bool(rows.apart[k]))
            for tensors, rows in store.parts(mask)
            for k, tensor in enumerate(tensors)
        }


def made(*frames: list[int]) -> dict[int, tuple]:
    return {
        tensor: (rows.counts[k].tobytes(), rows.sums[k].tobytes(), bool(rows.apart[k]))
        for tensors in frames
        for rows in [rows_of(tensors)]
        for k, tensor in enumerate(tensors)
    }


FRAMES = ([3, 1, 4], [15], [9, 2, 6, 5])


@pytest.fixture
def file(tmp_path):
    return tmp_path / "sweeps" / "a.sweep"


def test_what_is_written_comes_back_to_the_bit(file):
    put(file, *FRAMES)
    assert found(file) == made(*FRAMES)


def test_a_later_run_goes_on_at_the_end(file):
    put(file, *FRAMES[:1])
    put(file, *FRAMES[1:])
    assert found(file) == made(*FRAMES)


def test_only_what_is_wanted_and_possible_is_given(file):
    put(file, [1, 2], [49, 50, -1, 1 << 40])
    wanted = np.zeros(SIZE, np.bool_)
    wanted[[2, 49]] = True
    assert set(found(file, wanted=wanted)) == {2, 49}


def test_a_tensor_stored_twice_comes_once(file):
    put(file, [1, 2], [2, 3])
    with store_at(file) as store:
        tensors = [t for part, _ in store.parts(np.ones(SIZE, np.bool_)) for t in part]
    assert tensors == [1, 2, 3]


def test_parts_are_small_enough_for_the_screen(file, monkeypatch):
    monkeypatch.setattr(sweep_store, "MOST_ROWS", 3)
    put(file, *FRAMES)
    with store_at(file) as store:
        assert [len(tensors) for tensors, _ in store.parts(np.ones(SIZE, np.bool_))] == [3, 3, 2]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000))
def test_a_torn_tail_is_ignored_and_written_over(tmp_path_factory, cut):
    file = tmp_path_factory.mktemp("torn") / "a.sweep"
    put(file, *FRAMES)
    whole = file.read_bytes()
    cut = min(cut, len(whole))
    file.write_bytes(whole[:cut])
    before = found(file)
    kept = [made(*FRAMES[:count]) for count in range(4)]
    assert before in kept
    put(file, [40])
    assert found(file) == before | made([40])


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 2000), flip=st.integers(1, 255))
def test_a_damaged_byte_costs_at_most_what_follows(tmp_path_factory, at, flip):
    file = tmp_path_factory.mktemp("damaged") / "a.sweep"
    put(file, *FRAMES)
    content = bytearray(file.read_bytes())
    content[at % len(content)] ^= flip
    file.write_bytes(content)
    before = found(file)
    assert before in [made(*FRAMES[:count]) for count in range(3)]
    put(file, [40])
    assert found(file) == before | made([40])


@pytest.mark.parametrize(
    "tail", [b"\0" * 64, b"\xff" * 64, b"\1", (1 << 31).to_bytes(4, "little") * 2]
)
def test_any_tail_is_cut_off(file, tail):
    put(file, [1])
    file.write_bytes(file.read_bytes() + tail)
    assert found(file) == made([1])
    put(file, [2])
    assert found(file) == made([1], [2])


@pytest.mark.parametrize("content", [b"", b"lamella", b"\0" * 5000, b"PK\3\4 something else"])
def test_a_foreign_file_is_ignored_and_rewritten(file, content):
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert found(file) == {}
    put(file, [1])
    assert found(file) == made([1])


def test_another_key_in_the_same_file_is_another_sweep(file):
    put(file, *FRAMES)
    other = KEY[::-1]
    assert found(file, other) == {}
    put(file, [7], key=other)
    assert found(file, other) == made([7])
    assert found(file) == {}


def test_who_has_not_the_lock_reads_and_writes_nothing(file):
    put(file, [1])
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        put(file, [2])
        assert found(file) == made([1])
        with store_at(file) as store:
            store.add(array("q", [2]), rows_of([2]))
            store.flush()
            fcntl.flock(held, fcntl.LOCK_UN)
            store.flush()
    assert found(file) == made([1], [2]), "what waited is written once the other is gone"


def test_two_at_once_do_not_damage_the_file(file):
    with store_at(file) as one, store_at(file) as other:
        for tensor in range(20):
            store = one if tensor % 2 else other
            store.add(array("q", [tensor]), rows_of([tensor]))
            store.flush()
    stored = found(file)
    assert stored and stored.items() <= made(*[[tensor] for tensor in range(20)]).items()


def test_a_link_or_a_pipe_in_its_place_is_left_alone(file, tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"keep me")
    file.parent.mkdir()
    file.symlink_to(precious)
    put(file, [1])
    assert found(file) == {} and precious.read_bytes() == b"keep me"
    file.unlink()
    os.mkfifo(file)
    put(file, [1])
    assert found(file) == {}


def test_a_full_disk_is_no_matter(file, monkeypatch):
    put(file, [1])
    with store_at(file) as store:
        store.add(array("q", [2]), rows_of([2]))
        store.flush()

        def full(descriptor, data):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(sweep_store.os, "write", full)
        for _ in range(2):
            store.add(array("q", [3]), rows_of([3]))
            store.flush()
    assert found(file) == made([1], [2])


@pytest.mark.parametrize("base", ["relative/cache", "/proc/nowhere", "/dev/null"])
def test_no_usable_cache_folder_is_no_matter(base, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep_store, "FLUSH_SECONDS", 0.0)
    base_file, model = files(tmp_path)
    parts = []
    assert run(Sweep(model, base_file, kept=True), parts.append) == 3
    assert sorted(t for part in parts for t in part.tensors) == [0, 1, 2]
    assert {path.name for path in tmp_path.iterdir()} == {Path(base_file).name, Path(model).name}


def test_the_oldest_files_make_room(tmp_path, monkeypatch):
    files = [tmp_path / f"{k}.sweep" for k in range(4)]
    for k, file in enumerate(files):
        file.write_bytes(b"x" * 1000)
        os.utime(file, (1000 + k, 1000 + k))
    os.utime(files[0], (5000, 5000))
    (tmp_path / "notes.txt").write_bytes(b"x" * 9000)
    make_room(tmp_path / "mine.sweep", ".sweep", 2000)
    assert [file.exists() for file in files] == [True, False, False, True]
    assert (tmp_path / "notes.txt").exists()


def test_a_sweep_larger_than_all_the_room_is_not_kept(file):
    with SweepStore(file, KEY, 1 << 30) as store:
        store.add(array("q", [1]), rows_of([1]))
        store.flush()
    assert not file.exists()


# The key


def files(folder: Path, shift: float = 1.0) -> tuple[str, str]:
    """A reference and a model of three tensors."""
    found = []
    for name, by in (("base", 0.0), ("model", shift)):
        tensors = {f"t{k}": np.full((4, 4), k + by, np.float32) for k in range(3)}
        save_file(tensors, folder / f"{name}.safetensors")
        found.append(str(folder / f"{name}.safetensors"))
    return found[0], found[1]


def key_of(base: str, model: str, pairs=None) -> bytes | None:
    with open_checkpoint(base) as theirs, open_checkpoint(model) as ours:
        made = {k: Pair(info, theirs.tensors[name]) for k, (name, info) in enumerate(
            ours.tensors.items())}  # fmt: skip
        return sweep_key(ours, theirs, made if pairs is None else pairs(made))


def test_the_key_is_of_the_files_and_of_what_is_compared(tmp_path, monkeypatch):
    base, model = files(tmp_path)
    first = key_of(base, model)
    assert first is not None and len(first) == 32
    assert key_of(base, model) == first
    assert key_of(model, base) != first
    assert key_of(base, model, lambda pairs: dict(list(pairs.items())[:2])) != first
    swapped = key_of(
        base, model, lambda pairs: {0: pairs[0], 1: Pair(pairs[1].model, pairs[2].reference),
                                    2: Pair(pairs[2].model, pairs[1].reference)},
    )  # fmt: skip
    assert swapped != first
    monkeypatch.setattr(sweep_store, "NUMBERS_VERSION", -1)
    assert key_of(base, model) != first


def test_a_file_changed_behind_its_dates_has_another_key(tmp_path):
    base, model = files(tmp_path)
    first, before = key_of(base, model), Path(model).stat()
    time.sleep(0.05)  # a file system's clock ticks in milliseconds
    with Path(model).open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\1\2\3\4")
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    now = Path(model).stat()
    assert (now.st_size, now.st_mtime_ns, now.st_ino) == (
        before.st_size, before.st_mtime_ns, before.st_ino,
    )  # fmt: skip
    assert key_of(base, model) != first


def test_a_file_replaced_since_it_was_opened_has_no_key(tmp_path):
    base, model = files(tmp_path)
    with open_checkpoint(base) as theirs, open_checkpoint(model) as ours:
        Path(model).unlink()
        assert sweep_key(ours, theirs, {}) is None


# The sweep


def run(job, on_part):
    threads = Threads()
    try:
        return threads.submit(job, on_part=on_part).result(60)
    finally:
        threads.close()


def summaries(parts) -> dict[int, tuple]:
    return {
        tensor: (part.rows.counts[k].tobytes(), part.rows.sums[k].tobytes())
        for part in parts
        for k, tensor in enumerate(part.tensors)
    }


def test_a_quick_sweep_leaves_no_file(tmp_path):
    base, model = files(tmp_path)
    assert run(Sweep(model, base, kept=True), lambda _: None) == 3
    assert not sweep_folder().exists()


def test_a_sweep_that_is_not_kept_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_store, "FLUSH_SECONDS", 0.0)
    base, model = files(tmp_path)
    run(Sweep(model, base), lambda _: None)
    run(Sweep(model, None, kept=True), lambda _: None)
    assert not sweep_folder().exists()


def test_a_stored_sweep_is_not_compared_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_store, "FLUSH_SECONDS", 0.0)
    base, model = files(tmp_path)
    first, again = [], []
    run(Sweep(model, base, kept=True), first.append)
    (file,) = sweep_folder().iterdir()
    assert file.stat().st_mode & 0o777 == 0o600

    def refuse(*_):
        raise AssertionError("compared again")

    monkeypatch.setattr("inspect_core.delta.compare.Comparer._piece", refuse)
    assert run(Sweep(model, base, kept=True), again.append) == 3
    assert summaries(again) == summaries(first)
    some = []
    assert run(Sweep(model, base, done=frozenset([1]), kept=True), some.append) == 2
    assert set(summaries(some)) == {0, 2}


def test_a_changed_file_finds_nothing_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_store, "FLUSH_SECONDS", 0.0)
    base, model = files(tmp_path)
    first, again = [], []
    run(Sweep(model, base, kept=True), first.append)
    files(tmp_path, shift=5.0)
    run(Sweep(model, base, kept=True), again.append)
    assert set(summaries(again)) == {0, 1, 2}
    assert not set(summaries(again).items()) & set(summaries(first).items())


def test_a_sweep_that_collects_more_is_neither_kept_nor_begun_with_what_is(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_store, "FLUSH_SECONDS", 0.0)
    base, model = files(tmp_path)
    more = Sweep(model, base, kept=True, collect=EVERYTHING)
    run(more, lambda _: None)
    assert not sweep_folder().exists()
    run(Sweep(model, base, kept=True), lambda _: None)
    assert sweep_folder().exists()
    parts = []
    assert run(more, parts.append) == 3
    assert all(part.rows.parts.histograms is not None for part in parts)
    assert all(part.rows.parts.angles is not None for part in parts)


def test_nothing_is_stored_of_a_file_that_changed_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_store, "FLUSH_SECONDS", 0.0)
    base, model = files(tmp_path)
    parts = []

    def change(part):
        parts.append(part)
        with Path(model).open("r+b") as file:
            file.write(b"\0")

    with pytest.raises(FilesChanged):
        run(Sweep(model, base, kept=True), change)
    assert parts
    assert not sweep_folder().exists()


@pytest.fixture
def workers(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    made = Workers(log=str(tmp_path / "worker.log"))
    yield made
    made.close()


@pytest.mark.parametrize("end", ["kill", "cancel"])
def test_a_sweep_that_was_cut_off_goes_on_in_the_next_process(workers, tmp_path, end):
    tensors, stored = 40, 5
    made = {f"t{k}": np.full(600_000, k, np.float16) for k in range(tensors)}
    for name in ("base", "model"):
        save_file(made, tmp_path / f"{name}.safetensors")
    base, model = (str(tmp_path / f"{name}.safetensors") for name in ("base", "model"))
    listing = workers.submit(OpenModel(model)).result(30)
    pairs = workers.submit(PairUp(listing.opened, base)).result(30)
    job = Sweep(listing.opened, pairs.opened, kept=True)
    seen, enough = [], threading.Event()

    def take(part):
        seen.extend(part.tensors)
        # A file may be there and hold no row yet.
        if any(
            file.stat().st_size > stored * sweep_store._ROW_BYTES
            for file in sweep_folder().glob("*")
        ):
            enough.set()

    ticket = workers.submit(Slow(job, 0.15), on_part=take)
    assert enough.wait(60)
    if end == "kill":
        os.kill(workers.pids[0], signal.SIGKILL)
    else:
        ticket.cancel()
    with pytest.raises((WorkerDied, Cancelled)):
        ticket.result(30)
    assert len(seen) < tensors
    parts = []
    assert workers.submit(job, on_part=parts.append).result(60) == tensors
    assert sorted(tensor for part in parts for tensor in part.tensors) == list(range(tensors))
    assert len(parts[0].tensors) >= stored - 1, "what was stored comes at once"
    plain = []
    workers.submit(Sweep(model, base), on_part=plain.append).result(60)
    assert summaries(parts) == summaries(plain)
