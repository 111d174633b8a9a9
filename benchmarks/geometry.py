"""What one layer of a landscape costs beside the product that its distances are made of.

    python benchmarks/geometry.py [--points 5000] [--units 4096] [--runs 5] [--threads 1]

Random points in float32, as a model gives them. The layer is all of `measure_layer`: duplicates
by hashing rows, neighbours up to the 100th, dimensions over all scales, density, peaks and
agreement with a column of labels. The product is X @ X.T alone, in float64, of points that lie
ready, into memory that lies ready. Each runs in turn after a run that warms up, in one process;
medians, as wall seconds and as seconds of the processor. Aims: 1.35 times, and 2 GB at the peak
(of a process of its own that does nothing else). scikit-learn's brute-force neighbours are run
beside it where it is installed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from measure import machine, own_peak, verdict

MOST = 1.35
"""Times the product that a layer may take."""

MOST_MEGABYTES = 2_000
K = 100


def points(count: int, units: int):
    """Random points, float32, and a label for each."""
    import numpy as np

    chance = np.random.default_rng(0)
    rows = chance.standard_normal((count, units), dtype=np.float32)
    return rows, (("label", tuple(map(str, chance.integers(10, size=count).tolist()))),)


def memory(count: int, units: int) -> None:
    """Print MB beyond what the points take, and at the peak, of one layer alone."""
    from inspect_core.geometry.landscape import Measured
    from inspect_core.geometry.measure import measure_layer

    rows, labels = points(count, units)
    before = own_peak()
    measure_layer("layer", rows, labels, Measured())
    print(json.dumps([before, own_peak()]))


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds, and seconds of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - processor


def ways(count: int, units: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    import numpy as np

    from inspect_core.geometry.landscape import Measured
    from inspect_core.geometry.measure import measure_layer
    from inspect_core.geometry.neighbours import nearest

    rows, labels = points(count, units)
    wide = rows.astype(np.float64)
    ready = np.empty((count, count))
    found: dict[str, Callable[[], object]] = {
        "X @ X.T": lambda: np.matmul(wide, wide.T, out=ready),
        "in new memory": lambda: wide @ wide.T,
        "one layer": lambda: measure_layer("layer", rows, labels, Measured()),
        "its neighbours": lambda: nearest(wide, K),
    }
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError:
        print("scikit-learn is not installed")
    else:
        brute = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(wide)
        found["scikit-learn"] = brute.kneighbors
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=5_000)
    parser.add_argument("--units", type=int, default=4_096)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of the products")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    size = asked.points, asked.units
    if asked.memory:
        memory(*size)
        return
    # Read by the libraries as they are loaded, here and in the process that measures memory.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(asked.threads)
    print(machine())
    print(f"{size[0]:,} points, {size[1]:,} units, {asked.threads} thread(s), {asked.runs} runs")
    actions = ways(*size)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for run in range(asked.runs + 1):
        for name, action in actions.items():
            seconds = timed(action)
            if run:
                taken[name].append(seconds)
    product = [statistics.median(one[at] for one in taken["X @ X.T"]) for at in (0, 1)]
    for name, seconds in taken.items():
        wall, processor = (statistics.median(one[at] for one in seconds) for at in (0, 1))
        ratios = f"{wall / product[0]:5.2f} x and {processor / product[1]:5.2f} x the product"
        print(f"{name:16}{wall:7.2f} s, {processor:7.2f} s of the processor: {ratios}")
    pairs = zip(taken["one layer"], taken["X @ X.T"], strict=True)
    print("one layer, run by run:", verdict(statistics.median(a[0] / b[0] for a, b in pairs), MOST))
    command = [sys.executable, __file__, "--memory", "--points", str(size[0])]
    run = subprocess.run(
        [*command, "--units", str(size[1])], capture_output=True, check=True, text=True
    )
    before, peak = json.loads(run.stdout)
    met = "met" if peak <= MOST_MEGABYTES else "NOT met"
    print(f"peak memory {peak:,.0f} MB, {peak - before:,.0f} beyond the points and the program "
          f"(at most {MOST_MEGABYTES:,}: {met})")  # fmt: skip


if __name__ == "__main__":
    main()
