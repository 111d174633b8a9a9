"""Tensors of a checkpoint that are no parameters: indices, masks, tables made from the config."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspect_core.checkpoint.tensor_info import TensorInfo

BUFFERS = frozenset(
    {
        "position_ids", "token_type_ids", "inv_freq", "original_inv_freq", "causal_mask",
        "masked_bias", "num_batches_tracked", "relative_position_index", "cos_cached",
        "sin_cached",
    }
)  # fmt: skip
"""Last components of buffers that a model makes anew when it is loaded."""

INDICES = frozenset({"I64", "U64"})
"""Dtypes of indices, counters and masks; no parameter is stored so."""

SMALL_INTEGERS = frozenset({"I32", "U32", "I16", "U16", "I8", "U8"})
"""Dtypes of masks, and of packed weights as well."""

PACKED = ("qweight", "qzeros", "g_idx", "scales", "absmax", "quant_map", "quant_state")
"""Parts of last components of quantised weights."""


def is_buffer(name: str, info: "TensorInfo") -> bool:
    """Whether a tensor is a buffer that may be missing, by its name and dtype."""
    last = name.rpartition(".")[2]
    if last in BUFFERS:
        return True
    if info.dtype == "BOOL":
        return True
    if last == "bias" and info.dtype == "U8" and len(info.shape) == 4:
        return True  # the causal mask of GPT-2
    if "weight" in last or last == "bias" or any(part in last for part in PACKED):
        return False
    return info.dtype in INDICES or info.dtype in SMALL_INTEGERS
