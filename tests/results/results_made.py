"""Pairs of small checkpoints, and what a comparison of them finds."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from inspect_core.results.comparison import compare

F32 = np.float32
REFERENCE = Path(__file__).parent.parent / "reference"

VOLTA = """
[[rename]]
match = "encoder.layer.{n}.attention_*"
to = "encoder.layer.{n:attention}.attention.*"

[[rename]]
match = "encoder.layer.{n}.intermediate.*"
to = "encoder.layer.{n:feed_forward}.intermediate.*"

[[rename]]
match = "encoder.layer.{n}.output.*"
to = "encoder.layer.{n:feed_forward}.output.*"

[layers.attention]
0 = 0
2 = 1
4 = 2

[layers.feed_forward]
1 = 0
3 = 1
5 = 2
"""
"""The layers of the vision and language models of the published comparison."""


def written(folder: Path, base: dict, model: dict) -> tuple[str, str]:
    """Both as files; the base, then the model."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "base.safetensors", folder / "model.safetensors"
    for path, tensors in zip(paths, (base, model), strict=True):
        save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, path)
    return str(paths[0]), str(paths[1])


def compared(folder: Path, base: dict, model: dict, **options):
    """The comparison of two sets of arrays."""
    return compare(*written(folder, base, model), **options)


def published_case(letter: str) -> tuple[dict, dict, dict]:
    """Arrays of BERT, those of the other model, and what the published code makes of them."""
    import json

    (path,) = (REFERENCE / "vl_weight_table").glob(f"case_{letter}_*.npz")
    with np.load(path) as arrays:
        sides = [
            {name.partition("/")[2]: arrays[name] for name in arrays if name.startswith(side)}
            for side in ("bert/", "volta/")
        ]
    told = path.with_suffix("").with_suffix(".expected.json")
    return sides[0], sides[1], json.loads(told.read_text())
