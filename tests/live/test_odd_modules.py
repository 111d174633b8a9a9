"""Modules that are not as `nn.Module` makes them: listed as far as they go, never an exception."""

import io
from collections.abc import Callable

import pytest
import torch
from live_made import opened, value
from torch import nn

from inspect_core.live import register_pair
from tui import print_tree


def linear() -> nn.Linear:
    torch.manual_seed(3)
    return nn.Linear(4, 3)


def printed(model: nn.Module) -> str:
    out = io.StringIO()
    print_tree(model, file=out)
    return out.getvalue()


def scripted() -> nn.Module:
    return torch.jit.script(nn.Sequential(linear()))


def without_tables() -> nn.Module:
    model = nn.Sequential(linear(), nn.Module())
    del model[1].__dict__["_parameters"]
    return model


def with_foreign_things() -> nn.Module:
    model = nn.Sequential(linear())
    model._modules["word"] = "a word"
    model._parameters["number"] = 3
    model._buffers["word"] = "a word"
    return model


class Never(nn.Module):
    def __init__(self) -> None:
        """Without the base's."""


ran: list[str] = []


class Evil(nn.Parameter):
    @property
    def shape(self):
        ran.append("shape")
        raise RuntimeError("no")

    dtype = requires_grad = device = layout = is_nested = is_quantized = shape

    def numel(self):
        ran.append("numel")
        raise RuntimeError("no")

    detach = data_ptr = element_size = is_contiguous = numel


def with_evil_properties() -> nn.Module:
    model = nn.Sequential(linear())
    model[0]._parameters["weight"] = linear().weight.detach().as_subclass(Evil)
    return model


@pytest.mark.filterwarnings("ignore:.*jit")
@pytest.mark.parametrize(
    "make", [scripted, without_tables, with_foreign_things, with_evil_properties]
)
def test_what_is_a_tensor_is_listed_and_read(make: Callable[[], nn.Module]) -> None:
    ran.clear()
    model = make()
    assert "weight:[3, 4] bias:[3] F32" in printed(model)
    checkpoint = opened(model)
    assert list(checkpoint.tensors) == ["0.weight", "0.bias"]
    assert (value(checkpoint, "0.weight") == linear().weight.detach().numpy()).all()
    checkpoint.check_unchanged()
    register_pair(model)
    assert not ran, "code of the model"


def test_a_module_that_was_never_initialised() -> None:
    assert "Never" in printed(Never())
    assert not opened(Never()).tensors


@pytest.mark.filterwarnings("ignore:.*nested")
def test_a_nested_buffer_is_listed_and_not_read() -> None:
    model = linear()
    model.register_buffer("rest", torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]))
    assert "rest" in printed(model)
    assert "nested" in opened(model).tensors["rest"].unread


def test_values_that_are_conjugate_or_negative_views() -> None:
    model = nn.Module()
    kept = torch.view_as_complex(torch.tensor([[1.0, 2.0], [3.0, -4.0]]))
    model.register_buffer("imag", kept.conj().imag)
    model.register_buffer("conj", kept.conj())
    checkpoint = opened(model)
    assert value(checkpoint, "imag").tolist() == [-2.0, 4.0]
    raw = bytearray(16)
    checkpoint.read_into(checkpoint.tensors["conj"], 0, memoryview(raw))
    assert torch.frombuffer(raw, dtype=torch.complex64).tolist() == [1 - 2j, 3 + 4j]
