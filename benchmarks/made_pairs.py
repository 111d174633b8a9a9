"""Pairs of checkpoints full of real values, written fast: a block of normals, used again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from made_models import Tensors
from numpy.typing import NDArray

WIDTH = {"F32": 4, "BF16": 2, "F16": 2}

BLOCK = (8 << 20) - 1013
"""Values of the block; no power of two, so that equal rows do not come again soon."""

STEP = 0.02
"""Size of a change, of the size of a weight."""


def write_pair(folder: Path, tensors: Tensors, seed: int = 0) -> tuple[Path, Path]:
    """Two safetensors files, base and tuned; every fifth tensor is the same in both.

    Returns:
        The folders that they lie in, each with a small config.json.
    """
    rng = np.random.default_rng(seed)
    base = rng.standard_normal(BLOCK, np.float32) * np.float32(0.02)
    tuned = base + rng.standard_normal(BLOCK, np.float32) * np.float32(0.02 * STEP)
    sides = []
    for name, values in (("base", base), ("tuned", tuned)):
        side = folder / name
        side.mkdir(parents=True)
        _write(side / "model.safetensors", tensors, base, values)
        (side / "config.json").write_text("{}")
        sides.append(side)
    return sides[0], sides[1]


def weights(*sides: Path) -> list[Path]:
    """The files of weights in some folders."""
    return [path for side in sides for path in sorted(side.glob("*.safetensors"))]


def _write(
    path: Path, tensors: Tensors, same: NDArray[np.float32], values: NDArray[np.float32]
) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = int(np.prod(shape)) * WIDTH[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    kinds = {dtype for dtype, _ in tensors.values()}
    encoded = {kind: [_encoded(side, kind) for side in (same, values)] for kind in kinds}
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        place = 0
        for number, (dtype, shape) in enumerate(tensors.values()):
            block = encoded[dtype][number % 5 != 0]
            left = int(np.prod(shape))
            while left:
                part = block[place : place + left]
                file.write(part.data)
                left -= part.size
                place = (place + part.size) % BLOCK


def _encoded(values: NDArray[np.float32], dtype: str) -> NDArray[np.generic]:
    if dtype == "BF16":
        return (values.view(np.uint32) >> 16).astype(np.uint16)
    return values.astype({"F32": np.float32, "F16": np.float16}[dtype])


def decoder(gigabytes: float, dtype: str, side: int = 2048) -> Tensors:
    """A dense decoder of about so many GB: seven matrices and two norms a layer."""
    width = WIDTH[dtype]
    vocabulary = min(32000, int(gigabytes * 1e9 / width / side / 8))
    hidden = side * 11 // 4
    layer = 4 * side * side + 3 * side * hidden + 2 * side
    layers = max(1, round((gigabytes * 1e9 / width - 2 * vocabulary * side) / layer))
    tensors: Tensors = {"model.embed_tokens.weight": (dtype, (vocabulary, side))}
    for number in range(layers):
        prefix = f"model.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            tensors[f"{prefix}.self_attn.{part}.weight"] = (dtype, (side, side))
        for part in ("gate_proj", "up_proj"):
            tensors[f"{prefix}.mlp.{part}.weight"] = (dtype, (hidden, side))
        tensors[f"{prefix}.mlp.down_proj.weight"] = (dtype, (side, hidden))
        for part in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}.{part}.weight"] = (dtype, (side,))
    tensors["model.norm.weight"] = (dtype, (side,))
    tensors["lm_head.weight"] = (dtype, (vocabulary, side))
    return tensors


T5_LARGE: dict[str, Any] = {
    "architectures": ["T5ForConditionalGeneration"],
    "model_type": "t5",
    "d_model": 1024,
    "d_kv": 64,
    "d_ff": 4096,
    "num_layers": 24,
    "num_decoder_layers": 24,
    "num_heads": 16,
    "relative_attention_num_buckets": 32,
    "feed_forward_proj": "relu",
    "vocab_size": 32128,
    "tie_word_embeddings": True,
    "dtype": "float32",
}
"""The config of T5-large, as far as it decides shapes."""


def t5(config: dict[str, Any]) -> Tensors:
    """Names and shapes of a T5 of a config such as `T5_LARGE`, in fp32."""
    wide, inner = int(config["d_model"]), int(config["d_ff"])
    heads = int(config["num_heads"])
    across = heads * int(config["d_kv"])
    tensors: Tensors = {"shared.weight": ("F32", (int(config["vocab_size"]), wide))}
    buckets = int(config["relative_attention_num_buckets"])
    for stack, layers in (("encoder", "num_layers"), ("decoder", "num_decoder_layers")):
        attentions = (
            ["SelfAttention"] if stack == "encoder" else ["SelfAttention", "EncDecAttention"]
        )
        for block in range(int(config[layers])):
            prefix = f"{stack}.block.{block}.layer"
            for number, attention in enumerate(attentions):
                for part in "qkv":
                    tensors[f"{prefix}.{number}.{attention}.{part}.weight"] = (
                        "F32",
                        (across, wide),
                    )
                tensors[f"{prefix}.{number}.{attention}.o.weight"] = ("F32", (wide, across))
                if block == number == 0:
                    name = f"{prefix}.0.{attention}.relative_attention_bias.weight"
                    tensors[name] = ("F32", (buckets, heads))
                tensors[f"{prefix}.{number}.layer_norm.weight"] = ("F32", (wide,))
            last = len(attentions)
            tensors[f"{prefix}.{last}.DenseReluDense.wi.weight"] = ("F32", (inner, wide))
            tensors[f"{prefix}.{last}.DenseReluDense.wo.weight"] = ("F32", (wide, inner))
            tensors[f"{prefix}.{last}.layer_norm.weight"] = ("F32", (wide,))
        tensors[f"{stack}.final_layer_norm.weight"] = ("F32", (wide,))
    return tensors


def write_t5_pair(folder: Path, config: dict[str, Any]) -> tuple[Path, Path]:
    """A pair of T5 models that `from_pretrained` opens."""
    sides = write_pair(folder, t5(config))
    for side in sides:
        (side / "config.json").write_text(json.dumps(config))
    return sides
