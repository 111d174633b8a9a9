"""From the description of a view to a tensor of a file: every number is checked."""

from collections.abc import Callable
from math import prod

from inspect_core.checkpoint.header import MAX_RANK
from inspect_core.checkpoint.pytorch.calls import ELEMENT_BYTES
from inspect_core.checkpoint.pytorch.values import Storage, View
from inspect_core.checkpoint.pytorch.wrong import PyTorchError
from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo

MAX_REPEATED_BYTES = 1 << 30
"""Longest tensor whose values repeat (a view made with `expand`): a hundred bytes in a file can
claim any length, and no honest weight is repeated so often."""

Place = Callable[[Storage], tuple[int, int]]
"""First byte of a storage in the file, and one past its last."""


def describe(name: str, view: View, shard: int, place: Place) -> TensorInfo | str:
    """Describe a tensor, or say why it is left out.

    Args:
        name: its name.
        view: what the pickle says of it.
        shard: the file's index in the checkpoint.
        place: where storages lie; it raises PyTorchError where one lies nowhere.

    Raises:
        PyTorchError: the description is impossible, or points outside its storage.
    """
    if view.unread:
        return view.unread
    storage = view.storage
    if not isinstance(storage, Storage):
        raise PyTorchError(f"tensor '{name}' has no storage")
    if storage.device == "meta":
        return "without values (meta device)"
    raw = "U8" if storage.dtype == "bytes" else storage.dtype
    dtype = view.dtype or raw
    if dtype not in DTYPES:
        return f"dtype {dtype}"
    width = ELEMENT_BYTES[dtype]
    shape, strides = _sizes(name, view.shape, "shape"), _sizes(name, view.strides, "strides")
    offset = view.offset
    if type(offset) is not int or not 0 <= offset < 1 << 63 or len(shape) != len(strides):
        raise PyTorchError(f"tensor '{name}': offset or strides are impossible")
    if prod(size for size in shape if size) * width >= 1 << 63:
        raise PyTorchError(f"tensor '{name}': shape {list(shape)} is beyond 2^63 bytes")
    nbytes = prod(shape) * width
    reach = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + 1
    reach = reach if nbytes else 0
    has = storage.numel * ELEMENT_BYTES[storage.dtype]
    if (offset + reach) * width > has and nbytes:
        what = f"tensor '{name}' reaches beyond its storage of {has:,} bytes"
        raise PyTorchError(what)
    begin, end = place(storage)
    if end - begin != has:
        what = f"the storage of tensor '{name}' has {end - begin:,} bytes, not {has:,}"
        raise PyTorchError(what, "the file is damaged: download or copy it again")
    start = begin + offset * width if nbytes else begin
    if not nbytes or _in_order(shape, strides):
        return TensorInfo(name, dtype, shape, shard, start, start + nbytes)
    if nbytes > max(reach * width, MAX_REPEATED_BYTES):
        return f"it repeats its values to {nbytes:,} bytes"
    return TensorInfo(name, dtype, shape, shard, start, start + reach * width, strides)


def _sizes(name: str, value: object, field: str) -> tuple[int, ...]:
    if type(value) is not tuple and type(value) is not list:
        raise PyTorchError(f"tensor '{name}': its {field} is no tuple")
    if len(value) > MAX_RANK:
        raise PyTorchError(f"tensor '{name}': {len(value):,} dimensions, more than {MAX_RANK}")
    for size in value:
        # A bool is an int in Python, and must not be one here.
        if type(size) is not int or not 0 <= size < 1 << 63:
            raise PyTorchError(f"tensor '{name}': its {field} holds no possible size")
    return tuple(value)


def _in_order(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether values lie in order and without gaps; the stride of one index says nothing."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True
