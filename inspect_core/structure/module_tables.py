"""What a live module keeps, read from its own tables: none of its code is run.

A module may lack a table (its `__init__` never ran), hold in one what does not belong there, or
be scripted, whose tables are no dictionaries.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

_PLAIN = (torch.Tensor, torch.nn.Parameter)
_NOTHING: Mapping[str, Any] = {}


def table(module: torch.nn.Module, name: str) -> Mapping[str, Any]:
    """A table of a module: `_modules`, `_parameters` or `_buffers`; empty where it has none."""
    found = vars(module).get(name)
    if isinstance(found, dict):
        return found
    if not isinstance(module, torch.jit.ScriptModule):
        return _NOTHING
    try:
        return dict(getattr(module, name).items())
    except (AttributeError, RuntimeError):  # one that was never initialised
        return _NOTHING


def child_of(module: torch.nn.Module, name: str) -> torch.nn.Module | None:
    """A module right below; None where there is none."""
    found = table(module, "_modules").get(name)
    return found if isinstance(found, torch.nn.Module) else None


def children_of(module: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """The modules right below, by name."""
    for name, child in list(table(module, "_modules").items()):
        if isinstance(child, torch.nn.Module):
            yield str(name), child


def own_tensors(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor, bool]]:
    """Parameters, then buffers, that belong to the module itself; persistent or not."""
    for is_buffer, name in ((False, "_parameters"), (True, "_buffers")):
        for leaf, tensor in list(table(module, name).items()):
            if isinstance(tensor, torch.Tensor):
                yield str(leaf), tensor, is_buffer


def said_by_torch(tensor: torch.Tensor, name: str) -> Any:
    """An attribute of a tensor as torch has it, whatever a subclass says of it in Python."""
    if type(tensor) in _PLAIN:
        return getattr(tensor, name)
    return getattr(torch._C.TensorBase, name).__get__(tensor)


def shape_of(tensor: torch.Tensor) -> tuple[int, ...]:
    """Sizes of a tensor; none where they are not numbers, as those of a nested one."""
    try:
        return tuple([int(size) for size in said_by_torch(tensor, "shape")])
    except Exception:  # a subclass may run code of its own even here
        return ()
