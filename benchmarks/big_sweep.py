"""A sweep of a pair far larger than memory: rate, memory of all processes, time to stop.

    python benchmarks/big_sweep.py [GIGABYTES_A_SIDE] [FOLDER]

The files are sparse, with real values every 256 MB, so they need little disk.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from made_models import write_sparse

from inspect_core.errors import Cancelled
from inspect_core.work.backend import Workers
from inspect_core.work.jobs import OpenModel
from inspect_core.work.sweep import Sweep

EVERY = 256 << 20
EXTENT = 1 << 20


def make_pair(folder: Path, gigabytes: int) -> tuple[str, str]:
    side = 16384
    count = max(1, gigabytes * 10**9 // (2 * side * side))
    tensors = {f"layers.{at}.weight": ("BF16", (side, side)) for at in range(count)}
    rng = np.random.default_rng(0)
    paths = folder / "base.safetensors", folder / "tuned.safetensors"
    for path in paths:
        write_sparse(path, tensors)
        with path.open("r+b") as file:
            size = path.stat().st_size
            for at in range(1 << 20, size - EXTENT, EVERY):
                file.seek(at & ~1)
                file.write(
                    (rng.standard_normal(EXTENT // 2, np.float32).view(np.uint32) >> 16)
                    .astype(np.uint16)
                    .tobytes()
                )
    return str(paths[0]), str(paths[1])


class PeakMemory(threading.Thread):
    """The most memory that this process and its children held together."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0

    def run(self) -> None:
        me = psutil.Process()
        while True:
            total = me.memory_info().rss
            for child in me.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, total)
            time.sleep(0.05)


def main(gigabytes: int, folder: Path) -> None:
    base, tuned = make_pair(folder, gigabytes)
    used = sum(Path(path).stat().st_blocks * 512 for path in (base, tuned))
    print(f"{gigabytes} GB a side, {used / 1e9:.2f} GB of disk for both")
    memory = PeakMemory()
    memory.start()
    workers = Workers()
    try:
        workers.submit(OpenModel(tuned)).result(60)
        latest: list[object] = []
        started = time.perf_counter()
        ticket = workers.submit(Sweep(tuned, base), on_progress=latest.append)
        ticket.result()
        seconds = time.perf_counter() - started
        print(f"whole sweep {seconds:6.1f} s, {2 * gigabytes / seconds:.1f} GB/s of both sides")
        print(f"peak memory of all processes {memory.peak / 1e6:.0f} MB")
        stops = []
        for _ in range(5):
            ticket = workers.submit(Sweep(tuned, base))
            time.sleep(0.7)
            asked = time.perf_counter()
            ticket.cancel()
            try:
                ticket.result(10)
            except Cancelled:
                stops.append(time.perf_counter() - asked)
        print(f"stops within {max(stops):.3f} s (most of {len(stops)})")
    finally:
        asked = time.perf_counter()
        workers.close()
        print(f"closing took {time.perf_counter() - asked:.3f} s")


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    where = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(dir=where) as name:
        main(size, Path(name))
