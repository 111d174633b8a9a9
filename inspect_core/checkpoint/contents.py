"""What one file with weights says of itself, whatever its format."""

from typing import NamedTuple

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.text import clean

SAFETENSORS, PYTORCH, GGUF = "safetensors", "PyTorch", "GGUF"


class Aside(NamedTuple):
    """Tensors in a file that are not the model's: an optimizer's state, another copy.

    Attributes:
        name: where they are in the file; foreign text.
        tensors: how many.
        nbytes: their bytes.
    """

    name: str
    tensors: int
    nbytes: int

    @property
    def told(self) -> str:
        """A line about it, safe to show."""
        count = f"{self.tensors:,} {'tensor' if self.tensors == 1 else 'tensors'}"
        return f"beside the model: {clean(self.name, 80)}, {count}, {self.nbytes:,} bytes"


class LeftOut(NamedTuple):
    """A tensor that is in a file and cannot be described.

    Attributes:
        name: its name; foreign text.
        reason: why not; foreign text is in it.
    """

    name: str
    reason: str


class Contents(NamedTuple):
    """What one file says of itself.

    Attributes:
        tensors: in the order of the file.
        metadata: free text by free key, foreign.
        warnings: what is odd but harmless, one line each; foreign text is in them.
        format: `SAFETENSORS`, `PYTORCH` or `GGUF`.
        aside: tensors that are in the file and are not the model's.
        left_out: the model's own that are not among `tensors`.
    """

    tensors: list[TensorInfo]
    metadata: dict[str, str]
    warnings: tuple[str, ...]
    format: str = SAFETENSORS
    aside: tuple[Aside, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
