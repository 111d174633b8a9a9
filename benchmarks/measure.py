"""What the measurements share: medians in turn, peak memory of a command, the machine.

    python benchmarks/measure.py COMMAND...

runs one command and prints its seconds, its peak memory and its exit code as JSON. It is a
process of its own because Linux counts the memory of whoever starts a command as the command's.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

READ = 4 << 20
"""Bytes of one plain read."""

RUNS = 5


class Ran(NamedTuple):
    """One run of a command: wall seconds, MB of peak memory, exit code."""

    seconds: float
    megabytes: float
    code: int


def run(command: Sequence[str], limit: float = 600.0) -> Ran:
    """Run a command, its output thrown away; exit code 124 where it took longer than `limit`."""
    wrapper = [sys.executable, "-I", "-S", __file__, str(limit), *command]
    return Ran(*json.loads(subprocess.run(wrapper, capture_output=True, check=True).stdout))


def measured(limit: float, command: Sequence[str]) -> Ran:
    """The inner side of `run`."""
    start = time.perf_counter()
    with Path(os.devnull).open("r+b") as nothing:
        child = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)
    timed_out = False
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        seconds = time.perf_counter() - start
        if pid:
            break
        if seconds > limit and not timed_out:
            timed_out = True
            child.kill()
        time.sleep(0.001)
    unit = 1 if sys.platform == "darwin" else 1024
    code = 124 if timed_out else os.waitstatus_to_exitcode(status)
    return Ran(seconds, usage.ru_maxrss * unit / 1e6, code)


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def medians(actions: Sequence[Callable[[], float]], runs: int = RUNS) -> list[float]:
    """Median of what each gives, after a run that warms up; in turn, so that a slow minute
    slows all of them."""
    found: list[list[float]] = [[] for _ in actions]
    for number in range(runs + 1):
        for action, values in zip(actions, found, strict=True):
            value = action()
            if number:
                values.append(value)
    return [statistics.median(values) for values in found]


def read_plainly(paths: Iterable[Path]) -> None:
    """Read whole files with one thread into one buffer; it warms the page cache too."""
    buffer = bytearray(READ)
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        at = 0
        while got := os.preadv(descriptor, [buffer], at):
            at += got
        os.close(descriptor)


def own_peak() -> float:
    """MB of memory that this process held at most."""
    try:
        with Path("/proc/self/status").open() as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1e3
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


@contextmanager
def scratch(folder: str | None, gigabytes: float) -> Iterator[Path]:
    """A folder for the files of a measurement, gone afterwards.

    Args:
        folder: where to make it; None for the system's own place.
        gigabytes: what it must have room for.
    """
    with TemporaryDirectory(prefix="lamella-bench-", dir=folder) as name:
        free = shutil.disk_usage(name).free / 1e9
        if free < gigabytes + 1:
            sys.exit(f"{name}: {free:.0f} GB are free, {gigabytes:.0f} are needed (--folder)")
        yield Path(name)


def machine() -> str:
    """The machine in a line."""
    model = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open() as file:
            model = next((x.split(":")[1].strip() for x in file if x.startswith("model name")), "")
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (OSError, ValueError):
        pages = 0.0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0]
    return (
        f"{model or platform.machine()}, {cores} cores, {pages:.0f} GB, "
        f"Python {platform.python_version()}, load {load:.1f} before it began"
    )


def verdict(value: float, most: float) -> str:
    """A ratio beside its target."""
    return f"{value:6.2f} x  (at most {most:g}: {'met' if value <= most else 'NOT met'})"


if __name__ == "__main__":
    print(json.dumps(measured(float(sys.argv[1]), sys.argv[2:])))
