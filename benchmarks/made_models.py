"""Large checkpoints that need little disk: real headers over sparse files."""

import json
import struct
from pathlib import Path

import numpy as np


def write_sparse(path: Path, tensors: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    """A safetensors file whose values are a hole that reads as zeros."""
    width = {"F32": 4, "BF16": 2, "F16": 2}
    header: dict[str, object] = {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = int(np.prod(shape)) * width[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + at)


Tensors = dict[str, tuple[str, tuple[int, ...]]]
"""Names, dtypes and shapes."""


def _decoder(layers: int, mlp: Tensors, side: int) -> Tensors:
    """Names and shapes of a decoder whose layers have the same `mlp`."""
    tensors: Tensors = {"model.embed_tokens.weight": ("BF16", (32000, side))}
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            tensors[f"{prefix}.self_attn.{part}.weight"] = ("BF16", (side, side))
        tensors |= {f"{prefix}.mlp.{name}.weight": what for name, what in mlp.items()}
        for part in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}.{part}.weight"] = ("BF16", (side,))
    tensors["model.norm.weight"] = ("BF16", (side,))
    tensors["lm_head.weight"] = ("BF16", (32000, side))
    return tensors


def mixture_of_experts(layers: int, experts: int, side: int = 512) -> Tensors:
    """A mixture of experts with one module an expert: 7 tensors a layer and 3 an expert."""
    mlp: Tensors = {"gate": ("BF16", (experts, side))}
    for expert in range(experts):
        for part in ("gate_proj", "up_proj", "down_proj"):
            mlp[f"experts.{expert}.{part}"] = ("BF16", (side, side))
    return _decoder(layers, mlp, side)


def dense(layers: int, side: int = 512) -> Tensors:
    """A dense decoder: nine tensors a layer and three outside."""
    mlp: Tensors = dict.fromkeys(("gate_proj", "up_proj", "down_proj"), ("BF16", (side, side)))
    return _decoder(layers, mlp, side)


MODELS = {
    39: mixture_of_experts(4, 0),
    20_000: mixture_of_experts(26, 254),
    200_000: mixture_of_experts(60, 1109),
}
"""About so many tensors -> their names and shapes."""


def one_matrix(folder: Path, side: int = 4096) -> tuple[Path, Path]:
    """A pair of files with one bf16 matrix of real values each."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((side, side), np.float32)
    tuned = base + 1e-2 * rng.standard_normal((side, side), np.float32)
    paths = folder / "base.safetensors", folder / "tuned.safetensors"
    for path, values in zip(paths, (base, tuned), strict=True):
        write_sparse(path, {"layer.weight": ("BF16", (side, side))})
        with path.open("r+b") as file:
            file.seek(-2 * side * side, 2)
            (values.view(np.uint32) >> 16).astype(np.uint16).tofile(file)
    return paths
