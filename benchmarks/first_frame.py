"""Time to the first tree row in a real pty, beside an empty Textual app.

python benchmarks/first_frame.py [RUNS]
"""

import statistics
import sys
import tempfile
from pathlib import Path

from in_a_pty import LAMELLA, PYTHON, InAPty
from made_models import MODELS, one_matrix, write_sparse

EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("first-frame")
Empty().run()
"""


def seconds(command: list[str], text: bytes) -> float:
    program = InAPty(command)
    try:
        return program.wait_for(text)
    finally:
        program.close()


def median(command: list[str], text: bytes, runs: int) -> float:
    return statistics.median(seconds(command, text) for _ in range(runs))


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {}
        for size, tensors in MODELS.items():
            files[size] = folder / f"made-{size}.safetensors"
            write_sparse(files[size], tensors)
        empty = [PYTHON, "-c", EMPTY]
        rows: list[tuple[str, list[float]]] = [("empty Textual app", [])]
        rows += [(f"lamella, {len(MODELS[size])} tensors", []) for size in MODELS]
        rows.append(("lamella, cold to a 4096x4096 heatmap", []))
        base, tuned = one_matrix(folder)
        for _ in range(runs + 1):  # in turn, so that a slow minute slows all of them
            rows[0][1].append(seconds(empty, b"first-frame"))
            for (_, times), file in zip(rows[1:-1], files.values(), strict=True):
                times.append(seconds([*LAMELLA, str(file)], b"embed_tokens"))
            rows[-1][1].append(cold_heatmap(base, tuned))
        unit = statistics.median(rows[0][1][1:])
        for label, times in rows:
            middle = statistics.median(times[1:])
            print(f"{label:40} {middle:6.3f} s   {middle / unit:5.2f} x empty")
        print("first runs, not counted: " + ", ".join(f"{t[0]:.2f}" for _, t in rows))
        print(f"enter on a 4096x4096 bf16 pair, warm: {warm_enter(base, tuned, runs):.3f} s")


def cold_heatmap(base: Path, tuned: Path) -> float:
    """From the start of everything to the drawn heatmap, walking to the parameter by keys."""
    program = InAPty([*LAMELLA, str(tuned), "--ref", str(base)])
    try:
        at = program.wait_for(b"layer")
        program.send(b"\x1b[B \x1b[B\r")  # down, unfold, down, enter
        return at + program.wait_for(b"model - reference")
    finally:
        program.close()


def warm_enter(base: Path, tuned: Path, runs: int) -> float:
    """Enter on the parameter, once everything is loaded, to the last byte of its heatmap."""
    program = InAPty([*LAMELLA, str(tuned), "--ref", str(base)])
    times = []
    try:
        program.wait_for(b"layer")
        program.send(b"\x1b[B \x1b[B\r")
        program.wait_for(b"model - reference")
        program.drain(1.5)
        for _ in range(runs):
            program.send(b"\x1b[A")
            program.drain(1.0)
            program.send(b"\x1b[B\r")
            times.append(program.wait_for(b"model - reference"))
            program.drain(1.0)
    finally:
        program.close()
    return statistics.median(times)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
