"""A look at one weight: `lamella diff BASE MODEL --node NAME`, start-up included.

    python benchmarks/lookup.py [--folder F] [--runs 9]

The weight is 4096x4096 in bf16, in a pair of one tensor and in pairs of about 700 and 20,000
tensors (sparse files: they need little disk). Each run is a fresh process from its start to
its exit, with the compiled kernels in their cache; beside it stand an empty Python and one
that imports numpy and numba, which no run can undercut.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from made_models import Tensors, dense, mixture_of_experts, write_sparse
from measure import machine, medians, run, scratch

TARGET = 0.7
NAME = "lookup.target.weight"
SIDE = 4096
WEIGHT: Tensors = {NAME: ("BF16", (SIDE, SIDE))}


def write(folder: Path, tensors: Tensors) -> list[str]:
    """A base and a tuned file; real values in the weight that is looked at, holes elsewhere."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal(SIDE * SIDE, np.float32)
    folder.mkdir()
    paths = []
    for side, step in (("base", 0.0), ("tuned", 1e-2)):
        changed = values + np.float32(step) * rng.standard_normal(values.size, np.float32)
        path = folder / f"{side}.safetensors"
        write_sparse(path, tensors | WEIGHT)
        with path.open("r+b") as file:
            file.seek(-2 * values.size, 2)
            file.write((changed.view(np.uint32) >> 16).astype(np.uint16).data)
        paths.append(str(path))
    return paths


def seconds(command: list[str]) -> float:
    found = run(command)
    assert not found.code, command
    return found.seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", help="where the files may lie for as long as it takes")
    parser.add_argument("--runs", type=int, default=9)
    asked = parser.parse_args()
    print(machine())
    print(f"medians of {asked.runs}, fresh processes in turn")
    models = {
        "1 tensor": {},
        "710 tensors": dense(78),
        "20,439 tensors": mixture_of_experts(6, 1133),
    }
    with scratch(asked.folder, 1.0) as folder:
        python = [sys.executable, "-c"]
        rows: list[tuple[str, list[str]]] = [
            ("python -c pass", [*python, "pass"]),
            ("import numpy, numba", [*python, "import numpy, numba"]),
        ]
        for number, (label, tensors) in enumerate(models.items()):
            base, tuned = write(folder / str(number), tensors)
            for node in (NAME, "lookup.*") if not number else (NAME,):
                command = [sys.executable, "-m", "tui", "diff", base, tuned, "--node", node]
                rows.append((f"--node {node}, {label}", command))
        found = medians([partial(seconds, command) for _, command in rows], asked.runs)
    for (label, _), taken in zip(rows, found, strict=True):
        mark = ""
        if label.startswith("--node"):
            mark = f"  (under {TARGET:g}: {'met' if taken < TARGET else 'NOT met'})"
        print(f"  {label:44} {taken:6.3f} s{mark}")


if __name__ == "__main__":
    main()
