"""Small live models, and their values as a checkpoint gives them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from inspect_core.checkpoint import Checkpoint
from inspect_core.live import View, register
from inspect_core.opening import open_model

NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1",
         "BOOL": "?"}  # fmt: skip


class Net(nn.Module):
    """One of each kind of layer that adapters know."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 6)
        self.conv = nn.Conv2d(3, 6, 3)
        self.up = nn.Linear(6, 8)
        self.down = nn.Linear(8, 6)
        self.head = nn.Linear(6, 4)


def tiny_llama(layers: int = 3) -> nn.Module:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=16, hidden_size=8, intermediate_size=12, num_hidden_layers=layers,
            num_attention_heads=2, num_key_value_heads=1,
        )
    )  # fmt: skip


def net(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return Net().to(dtype)


def stir(model: nn.Module) -> nn.Module:
    """Adapters begin as nothing: give all that can be trained other values."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


_alive: list[nn.Module] = []


def opened(model: nn.Module, view: View | None = None) -> Checkpoint:
    """Open a model that nothing else need hold: what is opened does not keep it alive."""
    _alive.append(model)
    return open_model(register(model, view or View()))


def value(checkpoint: Checkpoint, name: str) -> NDArray[np.generic]:
    info = checkpoint.tensors[name]
    raw = bytearray(info.nbytes)
    checkpoint.read_into(info, 0, memoryview(raw))
    return np.frombuffer(raw, NUMPY[info.dtype]).reshape(info.shape)
