"""Models made of others: in a wider dtype, or without a tensor."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def in_f32(source: Path, to: Path) -> str:
    """The same values in F32."""
    save_file({name: tensor.to(torch.float32) for name, tensor in load_file(source).items()}, to)
    return str(to)


def without(source: Path, to: Path, *names: str) -> str:
    """The same without some tensors."""
    save_file({n: tensor for n, tensor in load_file(source).items() if n not in names}, to)
    return str(to)
