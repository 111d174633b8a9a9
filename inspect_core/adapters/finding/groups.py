"""An adapter's tensors of one module, before they are held against a base."""

from collections.abc import Mapping
from typing import NamedTuple

from inspect_core.adapters.overlay import Target
from inspect_core.checkpoint.tensor_info import TensorInfo

NO_SCALE = "its scale is not known"
RANK_0 = "its rank is 0: it changes nothing"

Shape = tuple[int, ...]


class Group(NamedTuple):
    """The parts of one module; all texts are foreign.

    Attributes:
        adapter: index of the adapter.
        module: the module as the adapter spells it, without PEFT's own components.
        method: `LoRA`, `LoHa`, `LoKr`, `IA3` or `tokens`.
        parts: tensors by role.
        embedding: whether they are an embedding's.
        conv1d: whether the base has the module as a `Conv1D`, which stores `(in, out)`; None
            where nothing tells.
        why_not: why the parts have no effect that is known, whatever their shapes.
    """

    adapter: int
    module: str
    method: str
    parts: Mapping[str, TensorInfo]
    embedding: bool = False
    conv1d: bool | None = None
    why_not: str = ""


def bad(group: Group, note: str, method: str = "") -> Target:
    """A target that changes nothing, and why."""
    return Target(
        group.adapter, group.module, "", method or group.method, group.parts, (), note=note
    )


def sizes(shape: Shape) -> str:
    """A shape for people."""
    return "x".join(map(str, shape)) or "scalar"
