"""Small checkpoints with chosen bytes, and adapters with chosen configs."""

import json
import struct
from pathlib import Path

import numpy as np

PEFT = "base_model.model.model.layers.0.self_attn.q_proj."
CONFIG = {
    "peft_type": "LORA", "base_model_name_or_path": "org/base", "r": 4, "lora_alpha": 8,
    "target_modules": ["q_proj"], "task_type": "CAUSAL_LM",
}  # fmt: skip


def write_safetensors(path: Path, tensors, metadata=None) -> Path:
    """`tensors`: name -> (dtype, shape, bytes)."""
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, shape, raw) in tensors.items():
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def f32(*values, shape=None):
    raw = np.array(values, "<f4")
    return "F32", shape if shape is not None else raw.shape, raw.tobytes()


def filled(*shape, value=1.0):
    return "F32", shape, np.full(shape, value, "<f4").tobytes()


def pair(module=PEFT, rank=4, b=1.0):
    """The two factors of one module."""
    return {
        f"{module}lora_A.weight": ("F32", (rank, 16), np.arange(rank * 16, dtype="<f4").tobytes()),
        f"{module}lora_B.weight": filled(16, rank, value=b),
    }


def write_adapter(folder: Path, config=CONFIG, tensors=None) -> Path:
    """`config`: an object, or the text of the file itself, or None for no file."""
    folder.mkdir(parents=True, exist_ok=True)
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config)
        (folder / "adapter_config.json").write_text(text)
    write_safetensors(folder / "adapter_model.safetensors", pair() if tensors is None else tensors)
    return folder
