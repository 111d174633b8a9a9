"""First row, typed search, bytes a key and memory, beside sft-cli (PyPI), in one run.

python benchmarks/peers.py [SFT] [RUNS]

SFT is the `sft` command, e.g. that of an environment made for it:
python -m venv sft && sft/bin/pip install sft-cli
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from in_a_pty import LAMELLA, InAPty
from made_models import dense, mixture_of_experts, write_sparse

SIZES = {39: dense(4), 237: dense(26), 20_439: mixture_of_experts(6, 1133)}
"""Tensors -> a model of so many."""

KEY_SECONDS = 0.05
"""Between two typed letters."""

DOWNS = 20
"""Cursor-downs that are counted."""


class Peer:
    """A program under measurement.

    Args:
        name: how it is called in the table.
        command: what to run, before the file.
        first: what it prints with its first rows.
    """

    def __init__(self, name: str, command: list[str], first: bytes) -> None:
        self.name, self.command, self.first = name, command, first

    def start(self, file: Path) -> InAPty:
        return InAPty([*self.command, str(file)])

    def first_row(self, file: Path) -> float:
        program = self.start(file)
        try:
            return program.wait_for(self.first)
        finally:
            program.close()

    def settled(self, file: Path) -> InAPty:
        program = self.start(file)
        program.wait_for(self.first)
        program.drain(2.0)
        return program

    def search(self, file: Path, query: bytes) -> float:
        """Seconds from the last typed letter until the screen has settled on the answer."""
        program = self.settled(file)
        try:
            program.send(b"/")
            program.drain(1.0)
            for letter in query[:-1]:
                program.send(bytes([letter]))
                time.sleep(KEY_SECONDS)
            program.send(query[-1:])
            return program.settle()
        finally:
            program.close()

    def bytes_a_key(self, file: Path) -> float:
        """Bytes of a cursor-down, settled each time."""
        program = self.settled(file)
        try:
            program.send(b"\x1b[B")
            program.drain(1.0)
            total = 0
            for _ in range(DOWNS):
                program.send(b"\x1b[B")
                program.drain(0.4)
                total += len(program.seen)
            return total / DOWNS
        finally:
            program.close()

    def memory(self, file: Path) -> float:
        """MB of all its processes, shared pages divided among them."""
        program = self.settled(file)
        try:
            found = psutil.Process(program.pid)
            processes = [found, *found.children(recursive=True)]
            return sum(process.memory_full_info().pss for process in processes) / 1e6
        finally:
            program.close()


def main(sft: str, runs: int) -> None:
    ours = Peer("lamella", LAMELLA, b"embed_tokens")
    theirs = Peer("sft-cli", [sft, "browse"], b"lm_head")
    peers = (ours, theirs)
    with tempfile.TemporaryDirectory() as folder:
        for size, tensors in SIZES.items():
            file = Path(folder) / f"made-{size}.safetensors"
            write_sparse(file, tensors)
            assert len(tensors) == size
            query = b"3.self_attn.o" if size < 1000 else b"777.down"
            measures: list[tuple[str, str, Callable[[Peer], float]]] = [
                ("first row", "s", lambda peer, f=file: peer.first_row(f)),
                (
                    "search, after the last key",
                    "s",
                    lambda peer, f=file, q=query: peer.search(f, q),
                ),
                ("bytes a cursor-down", "B", lambda peer, f=file: peer.bytes_a_key(f)),
                ("memory, all processes", "MB", lambda peer, f=file: peer.memory(f)),
            ]
            for label, unit, measure in measures:
                found: dict[str, list[float]] = {peer.name: [] for peer in peers}
                for _ in range(runs):  # in turn, so that a slow minute slows both
                    for peer in peers:
                        found[peer.name].append(measure(peer))
                left, right = (statistics.median(found[peer.name]) for peer in peers)
                print(
                    f"{size:>7,} tensors  {label:28} lamella {left:9.3f} {unit:2}  "
                    f"sft-cli {right:9.3f} {unit:2}  {right / left:6.2f} x",
                    flush=True,
                )


if __name__ == "__main__":
    command = sys.argv[1] if len(sys.argv) > 1 else shutil.which("sft")
    if command is None:
        sys.exit("give the path of `sft` (pip install sft-cli)")
    main(command, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
