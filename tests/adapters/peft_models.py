"""Adapters that peft makes and saves, and what it merges them to: the oracle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
from safetensors.torch import save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

FIXED = {"original_module", "ranknum"}
"""Components of names of what no training changes."""


class Layer(nn.Module):
    """One of each kind of module that adapters change."""

    def __init__(self, turned: bool = False) -> None:
        super().__init__()
        self.q_proj = nn.Linear(12, 20)
        self.square = nn.Linear(12, 12, bias=False)
        self.up = nn.Linear(20, 24)
        self.conv = nn.Conv2d(6, 8, 3)
        self.point = nn.Conv2d(6, 8, 1)
        self.line = nn.Conv1d(6, 8, 3)
        if turned:
            self.c_attn = Conv1D(36, 12)
            self.c_proj = Conv1D(12, 12)


class Model(nn.Module):
    """Two layers between an embedding and a head; it is never called."""

    def __init__(self, turned: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(30, 12)
        self.layers = nn.ModuleList([Layer(turned), Layer(turned)])
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 5)


class Experts(nn.Module):
    """Experts in two parameters, stored `(experts, out, in)`."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_up = nn.Parameter(torch.randn(3, 16, 12))
        self.down = nn.Parameter(torch.randn(3, 12, 8))


class Mixture(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = Experts()
        self.head = nn.Linear(12, 5)


@dataclass(frozen=True)
class Made:
    """What lies on disk, and what peft makes of it.

    Attributes:
        base: the base's file.
        adapter: the adapter's folder.
        before: the base's tensors.
        merged: all tensors after `merge_and_unload`.
    """

    base: str
    adapter: str
    before: dict[str, torch.Tensor]
    merged: dict[str, torch.Tensor]


def make(
    folder: Path,
    config: peft.PeftConfig,
    model: nn.Module | None = None,
    dtype: torch.dtype = torch.float64,
    noise: float = 0.3,
) -> Made:
    """Save a base and a trained adapter of it, and merge it by peft.

    Args:
        folder: where.
        config: the adapter's.
        model: the base.
        dtype: of the base.
        noise: standard deviation of what training adds to each parameter.
    """
    torch.manual_seed(0)
    model = model or Model()
    with torch.no_grad():  # no bias is zero: a scale would not change it
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
    model = model.to(dtype)
    base = folder / "base.safetensors"
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_file(before, base)
    tuned = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if parameter.requires_grad and not FIXED & {*name.split(".")}:
                step = noise * torch.randn_like(parameter, dtype=torch.float32)
                parameter.add_(step.to(parameter.dtype))
    adapter = folder / "adapter"
    tuned.save_pretrained(str(adapter))
    merged = tuned.merge_and_unload().state_dict()
    return Made(str(base), str(adapter), before, dict(merged))


def as_numpy(tensor: torch.Tensor) -> Any:
    return tensor.to(torch.float64).numpy()


def values_of(checkpoint: Any, name: str) -> Any:
    """All values of a tensor of a checkpoint, as float64 in its shape."""
    from inspect_core.adapters.effect.values import read_shaped

    return read_shaped(checkpoint, checkpoint.tensors[name])


def rel(got: Any, wanted: Any) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(got - wanted).max() / max(np.abs(wanted).max(), 1e-300))
