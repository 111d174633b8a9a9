"""The tree of a live model: its modules, parameters and buffers, read and never called."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn.parameter import is_lazy

from inspect_core.structure.build import ModuleFacts, build_tree
from inspect_core.structure.module_tables import (
    children_of,
    own_tensors,
    said_by_torch,
    shape_of,
)
from inspect_core.structure.packed import Packed, packed_leaves
from inspect_core.structure.traits import Traits
from inspect_core.structure.tree import ROOT_PATH, LeafSpec, ModuleTree
from inspect_core.structure.tuners import is_tuner, tuner_parts

MOST_VISITS = 500_000
"""Modules listed under all their names; past it one that was listed is not listed again.

Shared modules inside shared modules make names by the power of two.
"""

_DTYPE_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
    torch.float8_e4m3fnuz: "F8_E4M3FNUZ", torch.float8_e5m2fnuz: "F8_E5M2FNUZ",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint64: "U64", torch.uint32: "U32", torch.uint16: "U16", torch.uint8: "U8",
    torch.bool: "BOOL", torch.complex64: "C64",
}  # fmt: skip
_NEWER_DTYPES = {"FLOAT8_E8M0FNU": "F8_E8M0"}

_ADAPTER_NAMES = frozenset(
    {"prompt_embeddings", "modules_to_save", "adaption_prompt", "adaption_gate",
     "trainable_tokens_delta", "ln_tuning_layers", "internal_xlora_classifier",
     "adapter_down", "adapter_up", "adapter_fusion_layer", "invertible_adapters",
     "prefix_tunings", "loras"}
)  # fmt: skip
"""Components of names in PEFT, and in `adapters` and its ancestor adapter-transformers."""

_ADAPTER_STEMS = (
    "lora_", "ia3_", "hada_", "lokr_", "oft_", "boft_", "vera_", "pvera_", "fourierft_", "hra_",
    "vblora_", "randlora_", "hira_", "gralora_", "delora_", "shira_", "c3a_", "miss_", "waveft_",
)  # fmt: skip
_PROMPT_CLASSES = frozenset(
    {"PromptEmbedding", "MultitaskPromptEmbedding", "PrefixEncoder", "PromptEncoder",
     "CPTEmbedding", "CartridgeEncoder"}
)  # fmt: skip


class Slot(NamedTuple):
    """Where a tensor of a live model is kept: the table of its own module."""

    module: torch.nn.Module
    leaf: str
    is_buffer: bool


@dataclass(frozen=True, eq=False)
class ListedModel:
    """Everything a live model says of itself, in declared order.

    Attributes:
        names: full names of parameters and buffers; foreign text.
        specs: one for each name.
        facts: what is known of the modules.
        slots: where each tensor is.
        tuners: PEFT's wrappers with their paths, each once.
    """

    names: list[str]
    specs: list[LeafSpec]
    facts: ModuleFacts
    slots: list[Slot]
    tuners: list[tuple[str, torch.nn.Module]]


def tree_of_model(model: torch.nn.Module, bare_modules: bool = False) -> ModuleTree:
    """The tree of a live model.

    Args:
        model: any module; nothing of it is called.
        bare_modules: show modules that hold no tensor.
    """
    names, specs, facts = model_listing(model)
    return build_tree(names, specs, facts, bare_modules)


def model_listing(model: torch.nn.Module) -> tuple[list[str], list[LeafSpec], ModuleFacts]:
    """Full names of parameters and buffers, a spec for each, and what is known of modules."""
    listed = list_model(model)
    return listed.names, listed.specs, listed.facts


def list_model(model: torch.nn.Module) -> ListedModel:
    """List a live model; nothing of it is called.

    A tensor with two names belongs to the first; under the others it is tied and holds no
    values of its own. A parameter that waits for its first input holds no values yet, and
    its shape is `()`. Packed weights have the shape that they stand for, where it is known.
    """
    # Not even asking a tensor for its shape may run code of its own class.
    with torch._C.DisableTorchFunctionSubclass():
        return _listed(model)


def _listed(model: torch.nn.Module) -> ListedModel:
    names: list[str] = []
    specs: list[LeafSpec] = []
    slots: list[Slot] = []
    types: dict[str, str] = {}
    buffers: list[str] = []
    tied: dict[str, str] = {}
    # The tensors are kept beside the names: scripted modules make a new one at each look,
    # and the id of a dead one comes again.
    owners: dict[int, tuple[str, torch.Tensor]] = {}
    made: dict[tuple[object, ...], LeafSpec] = {}
    tuners: dict[int, tuple[str, torch.nn.Module]] = {}
    traits = Traits()
    for path, module, in_adapter in walk_modules(model):
        traits.see(path, module, types.setdefault(path, _type_name(module)))
        prefix = f"{path}." if path else ""
        own = list(own_tensors(module))
        of_tuner = tuner_parts(module)
        if of_tuner and is_tuner(module):
            tuners.setdefault(id(module), (path, module))
        packed = packed_leaves(module, own) if own else {}
        of_adapter = in_adapter or is_adapter_name(path)
        for leaf, tensor, is_buffer in own:
            name = prefix + leaf
            owner, _ = owners.setdefault(id(tensor), (name, tensor))
            if owner != name:
                tied[name] = owner
            if is_buffer:
                buffers.append(name)
            delta = (
                of_adapter
                or leaf in of_tuner
                or is_adapter_name(leaf)
                or bool(getattr(tensor, "__dict__", {}).get("_is_delta"))
            )
            names.append(name)
            slots.append(Slot(module, leaf, is_buffer))
            spec = _spec(tensor, delta, is_buffer, owner != name, packed.get(leaf))
            specs.append(made.setdefault(spec, spec))
    at = {name: position for position, name in enumerate(names)}
    shapes = {name: (specs[at[name]].dtype, specs[at[name]].shape) for name in tied}
    facts = ModuleFacts(
        types, at, frozenset(buffers), tied, shapes,
        bases=traits.bases, groups=traits.groups, shared=traits.shared,
        output=output_layer(model), generates=_generates(model),
    )  # fmt: skip
    return ListedModel(names, specs, facts, slots, list(tuners.values()))


def output_layer(model: torch.nn.Module) -> str | None:
    """The path of what a model of transformers calls its output layer, as PEFT asks for it.

    The only method of a model that is called, and only where it is the library's own.

    Returns:
        The path; empty where it has none, None where nobody can be asked.
    """
    method = getattr(type(model), "get_output_embeddings", None)
    home = str(getattr(method, "__module__", ""))
    own = "get_output_embeddings" in model.__dict__
    if method is None or own or not home.startswith("transformers."):
        return None
    try:
        found = method(model)
    except Exception:  # the library's, but the model may lack what it looks at
        return None
    if found is None:
        return ""
    return next((path for path, module, _ in walk_modules(model) if module is found), None)


def _generates(model: torch.nn.Module) -> bool | None:
    """Whether a model of transformers has what PEFT needs for tasks that generate."""
    kinds = type(model).__mro__
    if not any(kind.__module__.startswith("transformers.") for kind in kinds):
        return None
    return hasattr(type(model), "prepare_inputs_for_generation")


def is_adapter_name(name: str) -> bool:
    """Whether a full name is one that adapter libraries give to what they add."""
    return any(
        part in _ADAPTER_NAMES or part.startswith(_ADAPTER_STEMS) for part in name.split(".")
    )


def dtype_name(dtype: torch.dtype) -> str:
    """The checkpoint format's name of a dtype; torch's own in capitals where it has none."""
    name = _DTYPE_NAMES.get(dtype)
    if name is None:
        own = str(dtype).removeprefix("torch.").upper()
        name = _NEWER_DTYPES.get(own, own)
    return name


def walk_modules(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module, bool]]:
    """Modules under all their names, parents first; the flag says inside an adapter.

    `named_modules(remove_duplicate=False)` without its recursion: it fails on deep models and
    does not end on a module that contains itself.
    """
    inside = _is_prompt(model)
    yield ROOT_PATH, model, inside
    above, seen = {id(model)}, {id(model)}
    stack = [(ROOT_PATH, model, inside, tuner_parts(model), children_of(model))]
    visits = 0
    while stack:
        path, module, inside, parts, rest = stack[-1]
        for name, child in rest:
            again = id(child) in seen and visits > MOST_VISITS
            if id(child) in above or again:
                continue
            visits += 1
            full = f"{path}.{name}" if path else name
            adapter = inside or name in parts or _is_prompt(child)
            yield full, child, adapter
            above.add(id(child))
            seen.add(id(child))
            stack.append((full, child, adapter, tuner_parts(child), children_of(child)))
            break
        else:
            above.discard(id(module))
            stack.pop()


def _spec(
    tensor: torch.Tensor, delta: bool, is_buffer: bool, tied: bool, packed: Packed | None
) -> LeafSpec:
    waits = is_lazy(tensor)
    shape = () if waits else shape_of(tensor)
    frozen = not is_buffer and not said_by_torch(tensor, "requires_grad")
    stored = not tied and not waits
    dtype = dtype_name(said_by_torch(tensor, "dtype"))
    if packed is not None:
        dtype, shape = packed.dtype or dtype, packed.shape or shape
    return LeafSpec(
        dtype, shape, frozen, delta, is_buffer, tied, stored, quantised=packed is not None
    )


def _type_name(module: torch.nn.Module) -> str:
    if isinstance(module, torch.jit.ScriptModule):
        return str(getattr(module, "original_name", type(module).__name__))
    return type(module).__name__


def _is_prompt(module: torch.nn.Module) -> bool:
    """Whether a module is a virtual prompt of peft, whose tensors have everyday names."""
    kind = type(module)
    return kind.__name__ in _PROMPT_CLASSES and kind.__module__.partition(".")[0] == "peft"
