"""What PEFT's wrappers say of themselves, read from their tables; nothing of them is called.

Known by their attributes and not by their classes: PEFT need not be there, and old and new
versions of it, or copies of its layers, look alike.
"""

from typing import Any

import torch

from inspect_core.structure.module_tables import table

NAMES_OF_PARTS = "adapter_layer_names"
"""The attribute of PEFT's wrappers that names what of them is an adapter's."""

_NONE: frozenset[str] = frozenset()


def is_tuner(module: torch.nn.Module) -> bool:
    """Whether a module wraps another one for adapters: a tuner layer, or `modules_to_save`."""
    if not hasattr(type(module), NAMES_OF_PARTS):
        return False
    return _names(module, NAMES_OF_PARTS) != () and own(module, "_active_adapter") is not None


def tuner_parts(module: torch.nn.Module) -> frozenset[str]:
    """Names of the parameters, buffers and children of a module that adapters have added."""
    if is_tuner(module):
        return frozenset((*_names(module, NAMES_OF_PARTS), *_names(module, "other_param_names")))
    if "prompt_encoder" in table(module, "_modules") and is_of_peft(module):
        return frozenset({"prompt_encoder"})
    return _NONE


def is_of_peft(module: torch.nn.Module) -> bool:
    """Whether PEFT defines a module's class."""
    return type(module).__module__.partition(".")[0] == "peft"


def own(module: object, name: str) -> Any:
    """An attribute of an object or its class, without asking its `__getattr__`; None without."""
    found = getattr(module, "__dict__", {}).get(name)
    if found is None:
        found = getattr(type(module), name, None)
        if isinstance(found, property):
            return None
    return found


def parts_of(module: torch.nn.Module, name: str) -> Any:
    """A table of a wrapper by adapter: a `ModuleDict`, `ParameterDict` or plain dict."""
    child = table(module, "_modules").get(name)
    return child if child is not None else own(module, name)


def _names(module: torch.nn.Module, attribute: str) -> tuple[str, ...]:
    found = own(module, attribute)
    if not isinstance(found, tuple | list):
        return ()
    return tuple(name for name in found if isinstance(name, str))
