"""Bytes of live tensors: every value as torch has it, a piece at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from live_made import opened, value
from torch import nn

from inspect_core.errors import CheckpointError, FilesChanged
from inspect_core.live import register
from inspect_core.live.byte_source import LiveBytes
from inspect_core.opening import open_model


def holding(**tensors: torch.Tensor) -> nn.Module:
    module = nn.Module()
    for name, tensor in tensors.items():
        module.register_buffer(name, tensor)
    return module


def raw(tensor: torch.Tensor) -> bytes:
    flat = tensor.contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


LAYOUTS = {
    "plain": torch.arange(24.0).reshape(2, 3, 4),
    "transposed": torch.arange(24.0).reshape(4, 6).T,
    "every other column": torch.arange(24.0).reshape(4, 6)[:, ::2],
    "permuted": torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
    "expanded": torch.arange(6.0)[:, None].expand(6, 4),
    "scalar": torch.tensor(3.5),
    "channels last": torch.arange(48.0).reshape(2, 2, 3, 4).to(memory_format=torch.channels_last),
    "a slice of a vector": torch.arange(40.0)[3:40:5],
    "none": torch.empty(0, 4),
}


@pytest.mark.parametrize("tensor", LAYOUTS.values(), ids=LAYOUTS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_range_of_any_layout(tensor: torch.Tensor, data: st.DataObject) -> None:
    checkpoint = opened(holding(x=tensor))
    info, wanted = checkpoint.tensors["x"], raw(tensor)
    assert info.nbytes == len(wanted)
    first = data.draw(st.integers(0, len(wanted)))
    last = data.draw(st.integers(first, len(wanted)))
    found = bytearray(last - first)
    checkpoint.read_into(info, first, memoryview(found))
    assert bytes(found) == wanted[first:last]


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
     torch.int64, torch.int8, torch.uint8, torch.uint16, torch.bool],
)  # fmt: skip
def test_all_dtypes(dtype: torch.dtype) -> None:
    tensor = torch.arange(12).reshape(3, 4).to(torch.float32).to(dtype)
    checkpoint = opened(holding(x=tensor, y=tensor.T))
    for name, one in (("x", tensor), ("y", tensor.T)):
        info = checkpoint.tensors[name]
        found = bytearray(info.nbytes)
        checkpoint.read_into(info, 0, memoryview(found))
        assert bytes(found) == raw(one)


def test_neighbours_are_read_in_one_go() -> None:
    parts = [torch.arange(5.0), torch.arange(3), torch.arange(7, dtype=torch.int8)]
    checkpoint = opened(holding(a=parts[0], b=parts[1], c=parts[2]))
    infos = list(checkpoint.tensors.values())
    found = bytearray(infos[-1].stop - infos[0].start)
    checkpoint.shards[0].read_into(infos[0].start, memoryview(found))
    assert bytes(found) == b"".join(map(raw, parts))


def test_no_more_than_what_is_asked_for_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    contiguous = torch.Tensor.contiguous

    def counted(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.numel())
        return contiguous(tensor)

    tensor = torch.zeros(1000, 1000).T
    checkpoint = opened(holding(x=tensor))
    monkeypatch.setattr(torch.Tensor, "contiguous", counted)
    checkpoint.read_into(checkpoint.tensors["x"], 4 * 5500, memoryview(bytearray(4 * 3000)))
    assert sum(sizes) <= 3000


def test_values_are_those_of_now() -> None:
    model = nn.Linear(3, 2)
    checkpoint = opened(model)
    with torch.no_grad():
        model.weight.fill_(7)
    assert (value(checkpoint, "weight") == 7).all()
    with pytest.raises(FilesChanged, match="changed since it was listed"):
        checkpoint.check_unchanged()


CHANGES = {
    "a step": lambda m: m.weight.detach().add_(1),
    "other values": lambda m: setattr(m.weight, "data", torch.zeros(2, 3)),
    "another parameter": lambda m: setattr(m, "weight", nn.Parameter(torch.zeros(2, 3))),
    "frozen": lambda m: m.weight.requires_grad_(False),
    "one less": lambda m: setattr(m, "bias", None),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_in_place_is_noticed(change) -> None:
    model = nn.Linear(3, 2)
    before = opened(model)
    before.check_unchanged()
    change(model)
    with pytest.raises(FilesChanged):
        before.check_unchanged()
    assert before.identity[0][1] != opened(model).identity[0][1]


def test_reading_is_no_change() -> None:
    model = nn.Linear(3, 2)
    checkpoint = opened(model)
    value(checkpoint, "weight")
    model(torch.zeros(1, 3)).sum().backward()
    checkpoint.check_unchanged()


def test_a_tensor_that_is_gone_or_has_another_size() -> None:
    model = nn.Linear(3, 2)
    checkpoint = open_model(register(model))
    info = checkpoint.tensors["weight"]
    model.weight = nn.Parameter(torch.zeros(5, 5))
    with pytest.raises(FilesChanged, match="weight: this tensor is gone, or has another shape"):
        checkpoint.read_into(info, 0, memoryview(bytearray(4)))
    del model
    with pytest.raises(FilesChanged):
        checkpoint.read_into(info, 0, memoryview(bytearray(4)))


def test_inference_tensors_and_tensors_with_history_are_read() -> None:
    with torch.inference_mode():
        one = torch.ones(3)
    two = torch.ones(3, requires_grad=True) * 2
    module = holding(one=one, two=two)
    checkpoint = opened(module)
    assert value(checkpoint, "one").tolist() == [1, 1, 1]
    assert value(checkpoint, "two").tolist() == [2, 2, 2]
    assert two.grad_fn is not None
    checkpoint.check_unchanged()


class Wrapped(torch.Tensor):
    """What DTensor and torchao do: the values are not in the tensor itself."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise AssertionError("its own code was called")


def wrapped() -> torch.Tensor:
    return torch.Tensor._make_subclass(Wrapped, torch.zeros(2, 2))


UNREADABLE = {
    "meta": (lambda: torch.empty(2, 2, device="meta"), "the meta device, which holds no values"),
    "sparse": (lambda: torch.eye(2).to_sparse(), "it is sparse"),
    "quantised": (
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "packed by torch",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_holds_no_plain_values_is_listed_and_says_why(make, why: str) -> None:
    checkpoint = opened(holding(x=make(), y=torch.ones(2)))
    info = checkpoint.tensors["x"]
    assert why in info.unread
    if info.nbytes:
        with pytest.raises(CheckpointError, match=f"x: .*{why}"):
            checkpoint.read_into(info, 0, memoryview(bytearray(1)))
    assert value(checkpoint, "y").tolist() == [1, 1]


def test_a_subclass_that_only_has_attributes_is_plain() -> None:
    class Named(nn.Parameter):
        pass

    module = nn.Module()
    module.weight = Named(torch.ones(2))
    assert value(opened(module), "weight").tolist() == [1, 1]


def test_bytes_of_a_source_say_what_they_are_of() -> None:
    source = opened(nn.Linear(1, 1)).shards[0]
    assert isinstance(source, LiveBytes) and str(source.path).startswith("live model ")
    assert source.stamp is not None
    np.testing.assert_equal(source.close(), None)
