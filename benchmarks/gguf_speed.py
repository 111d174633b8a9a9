"""How fast GGUF files are opened and their quantised tensors compared.

    python benchmarks/gguf_speed.py [--values N] [--threads N]

The header has a vocabulary of 150,000 tokens and 280,000 merges. Speeds of a pair are values a
second, both sides decoded and compared, from the page cache, best of a few runs.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np

from inspect_core import open_checkpoint
from inspect_core.checkpoint.tensor_info import GGML_QUANTS, DType
from inspect_core.control import Control
from inspect_core.delta.compare import Comparer, thread_count
from inspect_core.delta.kernel import CpuKernel, warm_up
from inspect_core.pairing import Pair

COLUMNS = 4096


def best(action: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of the fastest run."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_vocabulary(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_token_list([f"token{i}" for i in range(150_000)])
    writer.add_token_merges([f"ab{i} cd{i}" for i in range(280_000)])
    writer.add_array("tokenizer.ggml.token_type", [1] * 150_000)
    for i in range(700):
        writer.add_tensor(f"blk.{i // 10}.t{i % 10}.weight", np.zeros((1, 32), np.float32))
    finish(writer)


def write_blocks(path: Path, dtype: DType, values: int) -> None:
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (values // COLUMNS, dtype.nbytes(COLUMNS)), np.uint8)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("w", blocks, raw_dtype=gguf.GGMLQuantizationType[dtype.name])
    finish(writer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=1 << 25)
    parser.add_argument("--threads", type=int, default=thread_count())
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        write_vocabulary(path)
        ours = best(lambda: open_checkpoint(str(path)).close())
        theirs = best(lambda: gguf.GGUFReader(path), 1)
        print(f"opening, {path.stat().st_size / 1e6:.0f} MB of header: {ours * 1e3:.0f} ms")
        print(f"  with gguf.GGUFReader: {theirs * 1e3:.0f} ms, {theirs / ours:.0f} times as long")
        warm_up()
        comparer = Comparer(CpuKernel(), asked.threads)
        for dtype in GGML_QUANTS.values():
            if not dtype.comparable:
                continue
            write_blocks(path, dtype, asked.values)
            with open_checkpoint(str(path)) as model:
                info = model.tensors["w"]
                pairs = [Pair(info, info)]
                seconds = best(lambda: list(comparer.summaries(model, model, pairs, Control())))  # noqa: B023
            rate, read = info.numel / seconds, 2 * info.nbytes / seconds
            print(f"{dtype.name:8} {rate / 1e6:5.0f} M values/s {read / 1e6:5.0f} MB/s read")


if __name__ == "__main__":
    main()
