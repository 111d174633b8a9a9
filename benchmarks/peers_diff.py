"""`lamella diff` beside the diff of sft-cli and of weightscope (both on PyPI), in one run.

    python benchmarks/peers_diff.py [--sft SFT] [--weightscope WEIGHTSCOPE] [--folder F]
        [--runs 5] [--limit 600]

SFT and WEIGHTSCOPE are their commands, in environments made for them:

    python -m venv sft && sft/bin/pip install sft-cli==0.2.2
    python -m venv ws && ws/bin/pip install weightscope==0.4.3

One that is not given and not on the PATH is left out. Whole commands are measured, from their
start to their exit, in turn, on the same files in the page cache: a bf16 pair of 1 GB a side,
and one of 20,439 tensors of 64x64. A run that takes longer than the limit is stopped and not
tried again; the files take 2.1 GB of F and are gone afterwards.
"""

import argparse
import shutil
import statistics
import sys
from pathlib import Path

from made_models import Tensors, mixture_of_experts
from made_pairs import decoder, weights, write_pair
from measure import RUNS, Ran, machine, read_plainly, run, scratch

TENSORS = 20_439


def commands(asked: argparse.Namespace) -> dict[str, list[str]]:
    """The command of each program that is here, without the two files."""
    found = {"lamella": [sys.executable, "-m", "tui", "diff"]}
    for name, arguments in (("sft", ["diff", "--delta"]), ("weightscope", ["diff"])):
        path = getattr(asked, name) or shutil.which(name)
        if path is None:
            print(f"{name}: not here, left out (--{name})")
        else:
            found[name] = [path, *arguments]
    return found


def measure(
    programs: dict[str, list[str]], sides: tuple[Path, Path], runs: int, limit: float
) -> None:
    """Run all programs in turn on one pair, and print their medians."""
    files = weights(*sides)
    read_plainly(files)
    found: dict[str, list[Ran]] = {name: [] for name in programs}
    for number in range(runs + 1):
        for name, command in programs.items():
            if found[name] and found[name][-1].code:
                continue
            # sft takes files, the others folders too.
            taken = run([*command, *map(str, files if name == "sft" else sides)], limit)
            if number == 1 and not found[name][0].code:
                found[name].clear()  # the first run warmed up
            found[name].append(taken)
    ours = statistics.median(one.seconds for one in found["lamella"])
    for name, values in found.items():
        seconds = statistics.median(one.seconds for one in values)
        megabytes = statistics.median(one.megabytes for one in values)
        code = values[-1].code
        note = f"{seconds / ours:7.2f} x lamella's time"
        if code == 124:
            note = f"stopped: more than {limit / ours:.0f} x lamella's time"
        elif code:
            note = f"failed with exit code {code}"
        print(f"  {name:12} {seconds:8.2f} s  peak {megabytes:6.0f} MB  {note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sft", help="the command of sft-cli")
    parser.add_argument("--weightscope", help="the command of weightscope")
    parser.add_argument("--folder", help="where the files may lie for as long as it takes")
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of one side of the large one")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that a run may take")
    asked = parser.parse_args()
    print(machine())
    programs = commands(asked)
    many: Tensors = {
        name: (dtype, tuple(min(64, size) for size in shape))
        for name, (dtype, shape) in mixture_of_experts(6, 1133).items()
    }
    assert len(many) == TENSORS
    with scratch(asked.folder, 2 * asked.gigabytes + 0.4) as folder:
        for label, tensors in (
            (f"{asked.gigabytes:g} GB a side", decoder(asked.gigabytes, "BF16")),
            (f"{TENSORS:,} tensors", many),
        ):
            sides = write_pair(folder / label.split()[0], tensors)
            size = sum(path.stat().st_size for path in weights(*sides))
            print(f"\n{label}, bf16, {size / 1e9:.2f} GB of both sides; medians of {asked.runs}")
            measure(programs, sides, asked.runs, asked.limit)
            shutil.rmtree(folder / label.split()[0])


if __name__ == "__main__":
    main()
