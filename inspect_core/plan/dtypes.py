"""The dtypes that memory is counted in, as people write them."""

from collections.abc import Collection

from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.errors import UsageError
from inspect_core.text import clean

_ALIASES = {
    "BFLOAT16": "BF16", "FP16": "F16", "FLOAT16": "F16", "HALF": "F16", "FP32": "F32",
    "FLOAT32": "F32", "FLOAT": "F32", "FP64": "F64", "FLOAT64": "F64", "DOUBLE": "F64",
    "INT8": "I8", "8BIT": "I8", "4BIT": "NF4", "FP8": "F8_E4M3", "FLOAT8_E4M3FN": "F8_E4M3",
    "FLOAT8_E5M2": "F8_E5M2",
}  # fmt: skip

_KNOWN = frozenset({name for name, dtype in DTYPES.items() if dtype.bits})
"""Those whose size is known: of a live model's other tensors it is not."""

MAY_BE_EMPTY = frozenset({"weights", "gradients", "optimizer"})
"""What takes another dtype where none is given: as stored, or that of the parameter."""


def dtype_named(text: str) -> str:
    """The dtype of a word, by its name in checkpoints: `bfloat16` and `bf16` are `BF16`.

    Raises:
        UsageError: there is none, or its size is not known.
    """
    word = text.strip().upper().removeprefix("TORCH.").replace("-", "")
    found = _ALIASES.get(word, word)
    if found not in _KNOWN:
        raise UsageError(
            f"no dtype '{clean(text, 40)}'",
            hint="F32, BF16, F16, 8bit, 4bit, or as stored: F8_E4M3",
        )
    return found


def dtype_of_field(field: str, text: str, may_be_empty: Collection[str] = MAY_BE_EMPTY) -> str:
    """The dtype of a field of `Precision`; empty where it may be.

    Raises:
        UsageError: it is none.
    """
    return "" if not text and field in may_be_empty else dtype_named(text)
