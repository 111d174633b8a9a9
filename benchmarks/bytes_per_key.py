"""Bytes that each key sends to the terminal: what a slow line has to carry.

python benchmarks/bytes_per_key.py [--size 120x40] [--colors truecolor]

The bundled pair in a real pty, once with a tree alone on show (no reference) and once with the
heatmap of a parameter settled beside it. A key's bytes are counted until nothing has come for
half a second, so the figure that follows the cursor is in them; `tree` is without it.
"""

import argparse
import fcntl
import os
import struct
import sys
import termios
import time

from in_a_pty import LAMELLA, InAPty

SIZES = ("80x24", "120x40", "200x60")
DEPTHS = ("truecolor", "256", "16", "none")
QUIET = 0.5
"""Seconds without a byte after which a key is done with."""

BLINK = 0.06
"""Seconds in which the tree has answered and the figure has not yet."""

KEYS = {
    "cursor down": b"j",
    "cursor up": b"k",
    "page down": b"\x1b[6~",
    "page up": b"\x1b[5~",
    "fold": b" ",
    "unfold": b" ",
    "filter opens": b"/",
    "filter, a letter": b"n",
    "filter closes": b"\x1b",
    "metric": b"m",
    "other pane": b"\t",
    "back": b"\t",
    "help opens": b"?",
    "help closes": b"\x1b",
    "theme": b"t",
}


class Counted(InAPty):
    """A program in a pty of a size, whose bytes are counted."""

    def __init__(self, arguments: list[str], size: str) -> None:
        columns, rows = map(int, size.split("x"))
        super().__init__([*LAMELLA, *arguments], columns, rows)

    def bytes_of(self, keys: bytes) -> tuple[int, int]:
        """What keys send at once, and until all is quiet."""
        self.send(keys)
        time.sleep(BLINK)
        self.drain(0.0)
        soon = len(self.seen)
        self.drain(QUIET)
        return soon, len(self.seen)

    def resize(self, columns: int, rows: int) -> int:
        """What another size sends."""
        self.seen = b""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.drain(QUIET)
        return len(self.seen)


def measure(
    arguments: list[str], size: str, depth: str, ready: bytes
) -> dict[str, tuple[int, int]]:
    """Bytes of every key: at once and altogether."""
    program = Counted([*arguments, "--colors", depth], size)
    try:
        program.wait_for(ready)
        program.drain(1.5)
        found = {"first screens": (len(program.seen),) * 2}
        for name, keys in KEYS.items():
            found[name] = program.bytes_of(keys)
        program.seen = b""
        for _ in range(20):
            os.write(program.fd, b"j")
            time.sleep(1 / 30)
        program.drain(QUIET)
        found["20 cursor downs at 30/s"] = (len(program.seen),) * 2
        columns, rows = map(int, size.split("x"))
        found["resize"] = (program.resize(columns - 2, rows - 2),) * 2
        program.seen = b""
        program.drain(3.0)
        found["3 s at rest"] = (len(program.seen),) * 2
    finally:
        program.close()
    return found


def main() -> None:
    from tui.demo import demo_pair

    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--colors", choices=DEPTHS, action="append")
    asked = parser.parse_args()
    base, model = demo_pair()
    node = "model.layers.5.self_attn.q_proj.weight"
    shows = {
        "tree alone": ([model], b"no reference"),
        "heatmap": ([model, "--ref", base, "--node", node], b"model - reference"),
    }
    depths = asked.colors or DEPTHS
    for size in asked.size or SIZES:
        for title, (arguments, ready) in shows.items():
            if size == "80x24" and title == "heatmap":
                continue  # one pane at a time
            columns = {depth: measure(arguments, size, depth, ready) for depth in depths}
            print(f"\n{title}, {size}: bytes at once / with the figure")
            print(f"{'':24}" + "".join(f"{depth:>18}" for depth in depths))
            for key in next(iter(columns.values())):
                cells = [columns[depth][key] for depth in depths]
                print(f"{key:24}" + "".join(f"{a:>10,} {b:>7,}" for a, b in cells))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
