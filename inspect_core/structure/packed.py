"""Weights that are stored packed, as quantising libraries keep them in a live model.

Known by the names of classes and tensors: none of those libraries need be there.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from inspect_core.structure.module_tables import said_by_torch

_GROUPS = (
    ("qweight", ("qzeros", "scales", "g_idx", "bias_scale")),  # GPTQ, AWQ, EETQ
    ("qweight_type", ("qweight",)),
    ("weight_packed", ("weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx",
                       "weight_global_scale", "input_global_scale")),  # compressed-tensors
    ("weight_scale", ("weight", "weight_zero_point", "input_scale")),
    ("weight_scale_inv", ("weight", "activation_scale_inv")),  # fp8 by blocks
    ("W_q", ("meta", "zero", "scale")),  # HQQ
)  # fmt: skip
"""A tensor that says that its module is packed, and those that then belong to it."""

_BITSANDBYTES = frozenset({"Params4bit", "Int8Params"})
_STATE = (
    "absmax", "quant_map", "nested_absmax", "nested_quant_map", "quant_state", "SCB",
    "weight_format",
)  # fmt: skip
"""Names of what bitsandbytes keeps beside a packed weight."""

_LAYERS = frozenset({"Linear4bit", "LinearFP4", "LinearNF4", "Linear8bitLt"})


class Packed(NamedTuple):
    """What is known of a packed tensor.

    Attributes:
        dtype: the packing's name, `NF4`; empty where it is the tensor's own dtype.
        shape: what it stands for; None where it is not known, or is the tensor's own.
    """

    dtype: str = ""
    shape: tuple[int, ...] | None = None


_PLAIN = Packed()


def packed_leaves(
    module: torch.nn.Module, tensors: Sequence[tuple[str, torch.Tensor, bool]]
) -> dict[str, Packed]:
    """The module's own tensors that hold packed values or belong to them, by name.

    Args:
        module: the module.
        tensors: its parameters and buffers: name, tensor, and whether it is a buffer.
    """
    found: dict[str, Packed] = {}
    names = {name for name, _, _ in tensors}
    for mark, others in _GROUPS:
        if mark in names:
            belong = [name for name in others if name in names]
            if belong:
                found |= dict.fromkeys([mark, *belong], _PLAIN)
    layer = type(module).__name__ in _LAYERS
    for name, tensor, _ in tensors:
        packed = _bitsandbytes(module, tensor) or _subclass(tensor)
        if packed is None and layer and name.rpartition(".")[2] in _STATE:
            packed = _PLAIN
        if packed is not None:
            found[name] = packed
    return found


def unreadable(tensor: torch.Tensor) -> str:
    """Why the values of a tensor cannot be read as they lie there; empty where they can."""
    kind = type(tensor)
    if kind.__name__ in _BITSANDBYTES and not tensor.dtype.is_floating_point:
        return "its values are packed by bitsandbytes"
    if not is_plain(tensor):
        return f"its values are those of a {kind.__name__}, which only its library can read"
    if said_by_torch(tensor, "device").type == "meta":
        return "it is on the meta device, which holds no values"
    if said_by_torch(tensor, "is_nested"):
        return "it is nested: its values are not read"
    if said_by_torch(tensor, "layout") is not torch.strided:
        return "it is sparse: its values are not read"
    if said_by_torch(tensor, "is_quantized"):
        return "its values are packed by torch"
    return ""


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether a tensor is read as it lies in memory: no subclass has a say in what it holds."""
    kind = type(tensor)
    if kind is torch.Tensor or kind is torch.nn.Parameter:
        return True
    # A subclass that only adds a name or attributes keeps what its base does here.
    plain = (torch.Tensor.__torch_function__, torch.nn.Parameter.__torch_function__)
    function = kind.__torch_function__
    inherited = getattr(function, "__func__", function) in [
        getattr(one, "__func__", one) for one in plain
    ]
    return inherited and kind.__torch_dispatch__ is torch.Tensor.__torch_dispatch__


def _bitsandbytes(module: torch.nn.Module, tensor: torch.Tensor) -> Packed | None:
    kind = type(tensor).__name__
    if kind not in _BITSANDBYTES or tensor.dtype.is_floating_point:
        return None
    if kind == "Int8Params":
        return _PLAIN
    state = _asked(tensor, "quant_state") or _asked(module, "quant_state")
    name = _asked(state, "quant_type") or _asked(tensor, "quant_type")
    dtype = name.upper() if isinstance(name, str) and name.lower() in ("nf4", "fp4") else ""
    return Packed(dtype, _shape(_asked(state, "shape")))


def _subclass(tensor: torch.Tensor) -> Packed | None:
    library = type(tensor).__module__.partition(".")[0]
    return _PLAIN if library in ("torchao", "optimum", "hqq") and not is_plain(tensor) else None


def _asked(thing: Any, name: str) -> Any:
    """A plain attribute; None where there is none, or asking for it goes wrong."""
    return getattr(thing, "__dict__", {}).get(name) if thing is not None else None


def _shape(found: Any) -> tuple[int, ...] | None:
    if not isinstance(found, tuple | list | torch.Size):
        return None
    sizes = tuple(found)
    return sizes if sizes and all(isinstance(size, int) and size >= 0 for size in sizes) else None
