"""A small model and LoRAs of it, written byte by byte: no test waits for peft or torch."""

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

F32 = np.float32
RANK, ALPHA = 2, 4
SCALING = ALPHA / RANK


def write(path: Path, tensors: Mapping[str, np.ndarray]) -> str:
    """A .safetensors file of float32 and float64 tensors, put in place of what is there."""
    header, data = {}, b""
    for name, values in tensors.items():
        raw = values.tobytes()
        dtype = {"float32": "F32", "float64": "F64"}[str(values.dtype)]
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(struct.pack("<Q", len(text)) + text + data)
    fresh.replace(path)
    return str(path)


def base_tensors(layers: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    tensors = {"embed.weight": rng.normal(size=(12, 6)).astype(F32)}
    for layer in range(layers):
        for name, shape in (("q", (6, 6)), ("v", (8, 6)), ("up", (10, 6))):
            tensors[f"layers.{layer}.{name}.weight"] = rng.normal(size=shape).astype(F32)
    tensors["norm.weight"] = np.ones(6, F32)
    return tensors


def write_base(folder: Path) -> str:
    write(folder / "model.safetensors", base_tensors())
    return str(folder)


def factors(module: str, seed: int, trained: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A and B of a module; B is zero where it never was trained."""
    rng = np.random.default_rng([seed, *module.encode()])
    rows = base_tensors()[f"{module}.weight"].shape[0]
    a, b = rng.normal(size=(RANK, 6)), 0.1 * rng.normal(size=(rows, RANK))
    return a.astype(F32), (b if trained else 0.0 * b).astype(F32)


MODULES = tuple(f"layers.{layer}.{name}" for layer in range(3) for name in ("q", "v"))
"""What the usual adapter changes: not the last layer."""


def write_lora(
    folder: Path,
    modules: Iterable[str] = MODULES,
    *,
    seed: int = 2,
    trained: bool = True,
    more: Mapping[str, np.ndarray] | None = None,
) -> str:
    """A folder as PEFT writes it."""
    tensors = {}
    for module in modules:
        a, b = factors(module, seed, trained)
        tensors[f"base_model.model.{module}.lora_A.weight"] = a
        tensors[f"base_model.model.{module}.lora_B.weight"] = b
    write(folder / "adapter_model.safetensors", {**tensors, **(more or {})})
    config = {
        **{"peft_type": "LORA", "base_model_name_or_path": "base", "target_modules": ["q", "v"]},
        **{"r": RANK, "lora_alpha": ALPHA},
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return str(folder)


def change(module: str, seed: int = 2) -> np.ndarray:
    """The effective delta of a module, in float64."""
    a, b = (part.astype(np.float64) for part in factors(module, seed))
    return SCALING * b @ a


def merged_tensors(scale: float = 1.0, seed: int = 2) -> dict[str, np.ndarray]:
    """The base with the usual adapter merged into it."""
    tensors = base_tensors()
    for module in MODULES:
        weight = tensors[f"{module}.weight"].astype(np.float64)
        tensors[f"{module}.weight"] = (weight + scale * change(module, seed)).astype(F32)
    return tensors
