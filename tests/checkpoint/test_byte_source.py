import os
import socket
import threading
import time
from pathlib import Path

import pytest
from checkpoint_files import write

from inspect_core.checkpoint import byte_source
from inspect_core.checkpoint.byte_source import MAX_OPEN_FILES, LocalFile, read_whole
from inspect_core.errors import CheckpointError


def read(file: LocalFile, offset: int, count: int) -> bytes:
    buffer = bytearray(count)
    file.read_into(offset, memoryview(buffer))
    return bytes(buffer)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_reads_exact_bytes(tmp_path: Path) -> None:
    file = LocalFile(write(tmp_path / "x", bytes(range(100))))
    assert read(file, 7, 5) == bytes(range(7, 12))
    assert read(file, 100, 0) == b""
    file.close()
    assert read(file, 0, 100) == bytes(range(100))
    file.close()


def test_reads_into_typed_views(tmp_path: Path) -> None:
    file = LocalFile(write(tmp_path / "x", (7).to_bytes(4, "little") * 6))
    view = memoryview(bytearray(24)).cast("B").cast("i", (2, 3))
    file.read_into(0, view)
    assert view.tobytes() == (7).to_bytes(4, "little") * 6
    file.close()


@pytest.mark.parametrize(("offset", "count"), [(98, 3), (100, 1), (10**15, 1)])
def test_past_the_end_is_an_error(tmp_path: Path, offset: int, count: int) -> None:
    file = LocalFile(write(tmp_path / "x", bytes(100)))
    with pytest.raises(CheckpointError, match="ends too early"):
        read(file, offset, count)


def test_short_reads_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LocalFile(write(tmp_path / "x", bytes(range(100))))
    real = os.preadv

    def one_byte(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        return real(descriptor, [buffers[0][:1]], offset)

    monkeypatch.setattr(os, "preadv", one_byte)
    assert read(file, 3, 90) == bytes(range(3, 93))


def test_pipe_socket_device_folder_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name, kind in [
            ("fifo", "a pipe"),
            ("socket", "a socket"),
            ("zero", "a device"),
            ("folder", "a folder"),
        ]:
            before = open_descriptors()
            with pytest.raises(CheckpointError, match=kind):
                LocalFile(tmp_path / name)
            assert open_descriptors() == before


def test_missing_loop_and_impossible_names(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name, what in [
        ("none", "no such file"),
        ("loop", "symbolic links"),
        ("x" * 5000, "too long"),
        ("a\0b", "not a possible"),
        ("\ud800", "not a possible"),
    ]:
        with pytest.raises(CheckpointError, match=what):
            LocalFile(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path: Path) -> None:
    path = write(tmp_path / "x", b"x")
    path.chmod(0)
    with pytest.raises(CheckpointError, match="Permission denied"):
        LocalFile(path)


def test_shrinking_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x", bytes(1 << 16))
    file = LocalFile(path)
    os.truncate(path, 100)
    with pytest.raises(CheckpointError, match="changed while it was read; reload it"):
        read(file, 0, 1 << 16)


def test_check_unchanged(tmp_path: Path) -> None:
    path = write(tmp_path / "x", bytes(100))
    file = LocalFile(path)
    file.check_unchanged()
    os.utime(path, ns=(1, 1))
    with pytest.raises(CheckpointError, match="changed"):
        file.check_unchanged()
    file = LocalFile(path)
    write(tmp_path / "new", bytes(100)).replace(path)
    with pytest.raises(CheckpointError, match="changed"):
        file.check_unchanged()
    file = LocalFile(path)
    path.unlink()
    with pytest.raises(CheckpointError, match="changed"):
        file.check_unchanged()


def test_a_change_whose_time_was_set_back_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "x", b"old!")
    file = LocalFile(path)
    before = path.stat()
    time.sleep(0.02)  # the clock of a file system ticks coarsely
    with path.open("r+b") as same:
        same.write(b"new!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(CheckpointError, match="changed"):
        file.check_unchanged()


def test_replaced_file_is_not_reopened(tmp_path: Path) -> None:
    path = write(tmp_path / "x", b"old!")
    file = LocalFile(path)
    file.close()
    write(tmp_path / "new", b"new!").replace(path)
    with pytest.raises(CheckpointError, match="changed"):
        read(file, 0, 4)


def test_descriptors_are_bounded(tmp_path: Path) -> None:
    before = open_descriptors()
    count = 3 * MAX_OPEN_FILES
    files = [LocalFile(write(tmp_path / str(i), b"%04d" % i)) for i in range(count)]
    assert open_descriptors() <= before + MAX_OPEN_FILES
    wrong: list[int] = []

    def read_all() -> None:
        for i, file in enumerate(files):
            if read(file, 0, 4) != b"%04d" % i:
                wrong.append(i)

    threads = [threading.Thread(target=read_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert open_descriptors() <= before + MAX_OPEN_FILES
    for file in files:
        file.close()
    assert open_descriptors() <= before


def test_descriptors_are_not_inherited(tmp_path: Path) -> None:
    file = LocalFile(write(tmp_path / "x", b"x"))
    descriptor = byte_source._OPEN_FILES.borrow(file)
    assert not os.get_inheritable(descriptor)
    file.close()  # in use: stays open until given back
    os.fstat(descriptor)
    byte_source._OPEN_FILES.give_back(file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_read_whole_has_a_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "x", bytes(100))
    assert read_whole(path, 100) == bytes(100)
    with pytest.raises(CheckpointError, match="more than the 99"):
        read_whole(path, 99)
