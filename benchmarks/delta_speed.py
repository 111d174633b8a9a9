"""`lamella diff` beside a plain read of the files, and beside the published way; its memory.

    python benchmarks/delta_speed.py [rates] [published] [memory] [cuda] [--folder F]
        [--gigabytes 2] [--runs 5]

rates      a whole diff after start-up, against 4 MiB preads of both files by one thread
published  two `from_pretrained` models and one torch.linalg.norm(d, 1) a matrix, as the published
           script has it, against a diff with the default metrics, on a pair shaped as T5-large in
           fp32; each in a process of its own, after its imports
memory     peak memory of the command as the pair grows
cuda       the same diff on a GPU against the copy to it, where there is one

All of them by default. Files lie in the page cache; they take up to 6 GB of F (`cuda`: 14),
and are gone afterwards. Medians; `--gigabytes` is that of one side, in `rates`.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from functools import partial, reduce
from operator import or_
from pathlib import Path
from typing import Any

from made_pairs import T5_LARGE, decoder, weights, write_pair, write_t5_pair
from measure import (
    RUNS,
    machine,
    medians,
    own_peak,
    read_plainly,
    run,
    scratch,
    seconds_of,
    verdict,
)

DEFAULT_MOST, EVERYTHING_MOST = 1.5, 2.5
"""Times the plain read that a diff may take: with the default metrics, and with all of them."""

FASTER, SMALLER = 8.0, 5.0
"""Times that the published way must take as long, and as much memory."""

PAIRS_GB = (0.5, 1.0, 2.0, 4.0)
"""Sizes of the pairs whose memory is measured, both sides."""

CUDA_GB = 7.0
"""One side of the pair that is compared on a GPU."""


def diff_once(base: Path, tuned: Path, **how: Any) -> object:
    """The whole of `lamella diff` but its printing."""
    from inspect_core.results.comparison import compare
    from inspect_core.results.records import report_of

    return report_of(compare(str(base), str(tuned), **how))


def every_metric() -> Any:
    """What all metrics need beyond the plain sums."""
    from inspect_core.delta.collect import Collect
    from inspect_core.delta.metrics import METRICS

    return reduce(or_, [metric.needs for metric in METRICS.values()], Collect(histogram=True))


def rates(folder: Path, gigabytes: float, runs: int) -> None:
    from inspect_core.delta.kernel import warm_up

    warm_up()
    for dtype in ("BF16", "F32"):
        sides = write_pair(folder / dtype, decoder(gigabytes, dtype))
        files = weights(*sides)
        nbytes = sum(path.stat().st_size for path in files)
        print(f"\nrates, {dtype}: {nbytes / 2e9:.2f} GB a side, after start-up")
        read = partial(seconds_of, partial(read_plainly, files))
        default = partial(seconds_of, partial(diff_once, *sides))
        full = partial(seconds_of, partial(diff_once, *sides, collect=every_metric()))
        plain, ours, all_of_it = medians([read, default, full], runs)
        print(f"  4 MiB preads, one thread      {plain:7.3f} s  {nbytes / plain / 1e9:6.2f} GB/s")
        for label, seconds, most in (
            ("diff, default metrics", ours, DEFAULT_MOST),
            ("diff, all and histogram", all_of_it, EVERYTHING_MOST),
        ):
            speed = nbytes / seconds / 1e9
            ratio = verdict(seconds / plain, most)
            print(f"  {label:28}  {seconds:7.3f} s  {speed:6.2f} GB/s {ratio}", flush=True)
        shutil.rmtree(folder / dtype)


def published(folder: Path, runs: int) -> None:
    sides = write_t5_pair(folder / "t5", T5_LARGE)
    files = weights(*sides)
    nbytes = sum(path.stat().st_size for path in files)
    print(f"\npublished way, T5-large in F32: {nbytes / 1e9:.2f} GB of both sides")
    read_plainly(files)
    found: dict[str, list[dict[str, float]]] = {"from_pretrained": [], "diff": []}
    for number in range(runs + 1):
        for way, values in found.items():
            command = [sys.executable, __file__, "--child", way, *map(str, sides)]
            values.append(
                json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            )
            if not number:
                values.clear()
    theirs, ours = (
        [statistics.median(value[key] for value in found[way]) for key in ("seconds", "megabytes")]
        for way in found
    )
    print("                        after imports    peak memory")
    print(f"  from_pretrained x 2      {theirs[0]:7.3f} s      {theirs[1]:7.0f} MB")
    print(f"  lamella                  {ours[0]:7.3f} s      {ours[1]:7.0f} MB")
    for what, ratio, least in (
        ("times as fast", theirs[0] / ours[0], FASTER),
        ("times less memory", theirs[1] / ours[1], SMALLER),
    ):
        met = "met" if ratio >= least else "NOT met"
        print(f"  {ratio:6.1f} {what} (at least {least:g}: {met})", flush=True)
    shutil.rmtree(folder / "t5")


def child(way: str, base: Path, tuned: Path) -> None:
    """One measurement of `published`, in this process; prints it as JSON."""
    if way == "diff":
        from tui.demo import demo_pair

        diff_once(*map(Path, demo_pair()))  # what is imported and loaded once
        start = time.perf_counter()
        diff_once(base, tuned)
    else:
        import torch
        from transformers import T5ForConditionalGeneration

        start = time.perf_counter()
        with torch.inference_mode():
            old = T5ForConditionalGeneration.from_pretrained(base).state_dict()
            new = T5ForConditionalGeneration.from_pretrained(tuned).state_dict()
            for name, matrix in old.items():
                if matrix.ndim == 2:
                    float(torch.linalg.norm(matrix - new[name], 1))
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "megabytes": own_peak()}))


def memory(folder: Path, runs: int) -> None:
    print("\nmemory: `lamella diff`, the whole command, bf16")
    peaks = []
    for gigabytes in PAIRS_GB:
        sides = write_pair(folder / "memory", decoder(gigabytes / 2, "BF16"))
        command = [sys.executable, "-m", "tui", "diff", *map(str, sides)]
        found = [run(command) for _ in range(runs)]
        assert not any(one.code for one in found), found
        peaks.append(statistics.median(one.megabytes for one in found))
        seconds = statistics.median(one.seconds for one in found)
        print(f"  {gigabytes:4.1f} GB pair  {seconds:7.2f} s  peak {peaks[-1]:6.0f} MB", flush=True)
        shutil.rmtree(folder / "memory")
    print(f"  largest pair over smallest: {peaks[-1] / peaks[0]:.2f} x")


def cuda(folder: Path, runs: int) -> None:
    import torch

    nbytes = 256 << 20
    host = torch.empty(nbytes, dtype=torch.uint8, pin_memory=True)
    device = torch.empty(nbytes, dtype=torch.uint8, device="cuda")

    def copy() -> None:
        device.copy_(host, non_blocking=True)
        torch.cuda.synchronize()

    (seconds,) = medians([partial(seconds_of, copy)], runs)
    limit = nbytes / seconds / 1e9
    sides = write_pair(folder / "cuda", decoder(CUDA_GB, "BF16", 4096))
    files = weights(*sides)
    nbytes = sum(path.stat().st_size for path in files)
    print(f"\ncuda: {torch.cuda.get_device_name()}, {nbytes / 1e9:.1f} GB of both sides, bf16")
    print(f"  host to device, pinned                   {limit:6.2f} GB/s")
    read = partial(seconds_of, partial(read_plainly, files))
    actions = [partial(seconds_of, partial(diff_once, *sides, device=d)) for d in ("cuda", "cpu")]
    plain, gpu, cpu = medians([read, *actions], runs)
    for label, taken in (("4 MiB preads", plain), ("diff on the GPU", gpu), ("on the CPU", cpu)):
        speed = nbytes / taken / 1e9
        print(f"  {label:28}  {taken:7.3f} s  {speed:6.2f} GB/s  {limit / speed:6.2f} x the copy")
    shutil.rmtree(folder / "cuda")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("rates", "published", "memory", "cuda")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument("--folder", help="where the files may lie for as long as it takes")
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of one side, in rates")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        way, base, tuned = asked.child
        child(way, Path(base), Path(tuned))
        return
    if unknown := set(asked.parts) - set(parts):
        parser.error(f"no such part: {', '.join(unknown)}")
    chosen = asked.parts or parts
    print(machine())
    print(f"medians of {asked.runs}, files in the page cache, runs in turn")
    with scratch(asked.folder, max(6.0, 2 * asked.gigabytes)) as folder:
        if "rates" in chosen:
            rates(folder, asked.gigabytes, asked.runs)
        if "published" in chosen:
            published(folder, asked.runs)
        if "memory" in chosen:
            memory(folder, asked.runs)
    if "cuda" in chosen:
        import torch

        if not torch.cuda.is_available():
            print("\ncuda: torch sees no GPU here; not measured")
            return
        with scratch(asked.folder, 2 * CUDA_GB) as folder:
            cuda(folder, asked.runs)


if __name__ == "__main__":
    main()
