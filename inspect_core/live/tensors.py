"""The tensors of a live model: found again in their modules at each read, and never kept."""

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parameter import is_lazy

from inspect_core.checkpoint.byte_source import Stamp
from inspect_core.structure.module_tables import said_by_torch, table

if TYPE_CHECKING:
    from inspect_core.structure.from_modules import Slot

_MASK = (1 << 62) - 1


class LiveTensors:
    """Places of tensors in a live model; weak, so that it keeps nothing alive.

    Args:
        slots: where the tensors are.

    Attributes:
        stamp: the state of all of them when they were listed.
    """

    def __init__(self, slots: "Iterable[Slot]") -> None:
        held: dict[int, weakref.ref[Any]] = {}
        self._places: list[tuple[weakref.ref[Any], str, bool]] = []
        for module, leaf, is_buffer in slots:
            place = held.get(id(module))
            if place is None:
                place = held[id(module)] = weakref.ref(module)
            self._places.append((place, leaf, is_buffer))
        self.stamp = self.stamp_now()

    def __len__(self) -> int:
        return len(self._places)

    def tensor(self, index: int) -> torch.Tensor | None:
        """The tensor that is in a place now; None where its module or it is gone."""
        place, leaf, is_buffer = self._places[index]
        module = place()
        if module is None:
            return None
        found = table(module, "_buffers" if is_buffer else "_parameters").get(leaf)
        return found if isinstance(found, torch.Tensor) else None

    def stamp_now(self) -> Stamp:
        """What tells this state of the model from another one.

        Every operation of torch that changes a tensor in place counts its version up. What is
        written through `tensor.data`, or by foreign code into its memory, is not noticed.
        """
        objects, versions, total = [], [], 0
        with torch._C.DisableTorchFunctionSubclass():
            for index in range(len(self._places)):
                tensor = self.tensor(index)
                objects.append((_address(tensor), _trained(tensor)))
                versions.append(_version(tensor))
                total += numel_of(tensor) if tensor is not None and not is_lazy(tensor) else 0
        return Stamp(total, hash(tuple(versions)) & _MASK, 0, hash(tuple(objects)) & _MASK)


def numel_of(tensor: torch.Tensor) -> int:
    """Number of elements; 0 of a tensor that says nothing of that."""
    try:
        return int(said_by_torch(tensor, "numel")())
    except Exception:  # a subclass may run code of its own even here
        return 0


def _trained(tensor: torch.Tensor | None) -> bool:
    return tensor is not None and bool(said_by_torch(tensor, "requires_grad"))


def _version(tensor: torch.Tensor | None) -> int:
    try:
        return said_by_torch(tensor, "_version") if tensor is not None else -1
    except (RuntimeError, NotImplementedError, AttributeError):  # of inference: it has none
        return 0


def _address(tensor: torch.Tensor | None) -> int:
    """Where the values are; of a tensor that says nothing of that, nothing."""
    try:
        return said_by_torch(tensor, "data_ptr")() if tensor is not None else -1
    except (RuntimeError, NotImplementedError, AttributeError, ValueError):
        return 0
