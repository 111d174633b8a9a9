"""How fast pairs of tensors are compared, beside what the machine could do at best.

    python benchmarks/kernel_speed.py [--values N] [--megabytes N] [--no-files]

All speeds are GB/s of input, both sides counted, best of a few runs in one process.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.control import Control
from inspect_core.delta.compare import CHUNK_VALUES, Comparer, thread_count
from inspect_core.delta.heat import MatrixView, Pooling
from inspect_core.delta.kernel import Chunk, CpuKernel, HeatRequest, Kernel
from inspect_core.pairing import Pair

REPEATS = 5
GRID = (60, 160)
COLUMNS = 4096
READ = 4 << 20


def best(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """Seconds of the fastest run, after one that warms up."""
    action()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def show(what: str, nbytes: int, seconds: float, memcpy: float | None = None) -> float:
    speed = nbytes / seconds / 1e9
    ratio = "" if memcpy is None else f"{speed / memcpy:8.2f} x copy"
    print(f"  {what:<44}{speed:8.2f} GB/s{ratio}", flush=True)
    return speed


def made(dtype: str, numel: int, seed: int) -> np.ndarray:
    """Random bytes of ordinary values of a dtype (finite, of both signs)."""
    rng = np.random.default_rng(seed)
    values = rng.normal(scale=0.02, size=min(numel, 1 << 20)).astype(np.float32)
    if dtype == "F16":
        raw = values.astype(np.float16).view(np.uint8)
    elif dtype == "BF16":
        raw = (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    elif dtype == "F32":
        raw = values.view(np.uint8)
    else:
        raw = rng.integers(0, 120, values.size, np.uint8)
    nbytes = numel * DTYPES[dtype].bits // 8
    return np.resize(raw, nbytes)


def compare_all(
    kernel: Kernel, a: np.ndarray, b: np.ndarray, dtype: str, threads: int,
    histogram: bool, heat: bool,
) -> Callable[[], object]:  # fmt: skip
    """The kernel over all chunks of two arrays in memory, in some threads."""
    width = DTYPES[dtype].bits // 8
    numel = a.size // width
    pooling = Pooling.of(MatrixView(-(-numel // COLUMNS), COLUMNS), *GRID)

    def one(start: int) -> object:
        stop = min(numel, start + CHUNK_VALUES)
        part = slice(start * width, stop * width)
        request = HeatRequest(start, COLUMNS, pooling) if heat else None
        chunk = Chunk(a[part], dtype, b[part], dtype, stop - start)
        return kernel.compare(chunk, histogram, request)

    starts = range(0, numel, CHUNK_VALUES)
    if threads == 1:
        return lambda: [one(start) for start in starts]
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(one, starts))


def torch_norm(a: np.ndarray, b: np.ndarray, dtype: str) -> Callable[[], object]:
    import torch

    kind = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}[dtype]
    x, y = (torch.from_numpy(side).view(kind) for side in (a, b))
    return lambda: float(torch.linalg.norm(x.float() - y.float()))


def in_memory(numel: int) -> None:
    import torch

    from inspect_core.delta.torch_kernel import TorchKernel

    start = time.perf_counter()
    tiny = np.zeros(4, np.uint8)
    CpuKernel().compare(Chunk(tiny, "F32", tiny, "F32", 1), False, None)
    print(f"first call of the numba kernel: {time.perf_counter() - start:.2f} s")
    devices = ["cpu"]
    devices += ["cuda"] if torch.cuda.is_available() else []
    devices += ["mps"] if torch.backends.mps.is_available() else []
    for dtype in ("F32", "BF16", "F16", "I8"):
        a, b = made(dtype, numel, 0), made(dtype, numel, 1)
        nbytes = a.size + b.size
        target = np.empty_like(a)

        def copy(a: np.ndarray = a, b: np.ndarray = b, target: np.ndarray = target) -> None:
            np.copyto(target, a)
            np.copyto(target, b)

        print(f"\n{dtype}, {numel:,} values a side")
        memcpy = show("numpy copies both sides", nbytes, best(copy))
        for threads in (1, 2):
            for histogram, heat, name in (
                (False, False, "sums"), (True, False, "sums, histogram"),
                (False, True, "sums, heat"), (True, True, "sums, histogram, heat"),
            ):  # fmt: skip
                run = compare_all(CpuKernel(), a, b, dtype, threads, histogram, heat)
                show(f"numba, {threads} thread(s): {name}", nbytes, best(run), memcpy)
        if dtype == "I8":
            continue
        show("torch.linalg.norm(a.float() - b.float())", nbytes,
             best(torch_norm(a, b, dtype), 2), memcpy)  # fmt: skip
        for device in devices:
            run = compare_all(TorchKernel(device), a, b, dtype, 1, False, False)
            show(f"TorchKernel({device!r}): sums", nbytes, best(run, 2), memcpy)


def write_checkpoint(path: Path, nbytes: int, dtype: str, seed: int) -> list[TensorInfo]:
    """A safetensors file of 64 MiB matrices and a few hundred small vectors."""
    width = DTYPES[dtype].bits // 8
    shapes: list[tuple[int, ...]] = [(COLUMNS,)] * 256
    large = (64 << 20) // width // COLUMNS
    shapes += [(large, COLUMNS)] * max(1, nbytes // (64 << 20))
    header, place = {}, 0
    infos = []
    for number, shape in enumerate(shapes):
        stop = place + int(np.prod(shape)) * width
        entry = {"dtype": dtype, "shape": list(shape), "data_offsets": [place, stop]}
        header[f"layer.{number}.weight"] = entry
        infos.append(TensorInfo(f"layer.{number}.weight", dtype, shape, 0, place, stop))
        place = stop
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    first = 8 + len(text)
    block = made(dtype, (64 << 20) // width, seed)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for info in infos:
            file.write(block[: info.nbytes].data)
    return [info._replace(start=first + info.start, stop=first + info.stop) for info in infos]


class Preads:
    """A file that is read with `pread`, without any checks."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def read_into(self, tensor: TensorInfo, offset: int, buffer: memoryview) -> None:
        """Fill the buffer from a byte of the tensor."""
        os.preadv(self.descriptor, [buffer], tensor.start + offset)


def read_plainly(sources: list[Preads], size: int) -> None:
    buffer = bytearray(READ)
    for source in sources:
        for start in range(0, size, READ):
            os.preadv(source.descriptor, [buffer], start)


def from_files(megabytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("F32", "BF16"):
            paths = [Path(folder) / f"{side}.safetensors" for side in "ab"]
            infos = [
                write_checkpoint(path, megabytes * 500_000, dtype, seed)
                for seed, path in enumerate(paths)
            ]
            pairs = [Pair(a, b) for a, b in zip(*infos, strict=True)]
            sources = [Preads(path) for path in paths]
            size = paths[0].stat().st_size
            nbytes = sum(pair.nbytes for pair in pairs)
            print(f"\ntwo {dtype} safetensors files in the page cache, {2 * size / 1e9:.2f} GB")

            def read(sources: list[Preads] = sources, size: int = size) -> None:
                read_plainly(sources, size)

            plain = show("pread of both files, one thread", 2 * size, best(read, 3))
            for threads in sorted({1, 2, thread_count()}):

                def run(
                    threads: int = threads, sources: list[Preads] = sources,
                    pairs: list[Pair] = pairs,
                ) -> object:  # fmt: skip
                    comparer = Comparer(CpuKernel(), threads)
                    return list(comparer.summaries(sources[0], sources[1], pairs, Control()))

                speed = nbytes / best(run, 3) / 1e9
                print(
                    f"  {f'Comparer, {threads} thread(s)':<44}{speed:8.2f} GB/s"
                    f"{speed / plain:8.2f} x pread",
                    flush=True,
                )
            for source in sources:
                os.close(source.descriptor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=1 << 25, help="values a side, in memory")
    parser.add_argument("--megabytes", type=int, default=512, help="both files together")
    parser.add_argument("--no-files", action="store_true", help="skip the files")
    options = parser.parse_args()
    in_memory(options.values)
    if not options.no_files:
        from_files(options.megabytes)


if __name__ == "__main__":
    main()
