"""The adapters of a live model: which there are, and whether their layers agree about them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from inspect_core.structure.from_modules import list_model, walk_modules
from inspect_core.structure.module_tables import child_of, children_of, own_tensors
from inspect_core.structure.tuners import NAMES_OF_PARTS, is_of_peft, own, parts_of
from inspect_core.text import clean

METHODS = {
    "LORA": "LoRA", "DORA": "DoRA", "IA3": "IA3", "LOHA": "LoHa", "LOKR": "LoKr",
    "ADALORA": "AdaLoRA", "OFT": "OFT", "BOFT": "BOFT", "VERA": "VeRA", "HRA": "HRA",
    "PROMPT_TUNING": "prompt tuning", "PREFIX_TUNING": "prefix tuning", "P_TUNING": "p-tuning",
    "MULTITASK_PROMPT_TUNING": "multitask prompt tuning", "LN_TUNING": "LN tuning",
    "TRAINABLE_TOKENS": "trainable tokens", "ADAPTION_PROMPT": "adaption prompt",
    "FOURIERFT": "FourierFT", "VBLORA": "VB-LoRA", "RANDLORA": "RandLoRA",
}  # fmt: skip
"""How methods are called, by PEFT's `peft_type`; others keep PEFT's word."""

_BY_PART = (
    ("lora_E", "AdaLoRA"), ("lora_", "LoRA"), ("ia3_", "IA3"), ("hada_", "LoHa"),
    ("lokr_", "LoKr"), ("boft_", "BOFT"), ("oft_", "OFT"), ("vera_", "VeRA"), ("hra_", "HRA"),
    ("ln_tuning", "LN tuning"), ("trainable_tokens", "trainable tokens"),
    ("modules_to_save", "saved modules"),
)  # fmt: skip
"""The method by the name of a part, where no configuration says it."""

_RANKED = frozenset({"LoRA", "DoRA", "AdaLoRA", "LoHa", "LoKr", "VeRA"})

_ASIDE = frozenset({"TrainableTokensWrapper"})
"""Wrappers around a tuner layer that counts itself."""


@dataclass(frozen=True, slots=True)
class AdapterStatus:
    """One adapter of a live model, as PEFT's `get_model_status` sees it.

    Where its modules do not agree a field is None, and `irregular` names it.

    Attributes:
        name: its name; foreign text.
        method: `LoRA`, `DoRA`, `IA3`, ..., safe to show; several joined by ` + `.
        modules: how many modules hold a part of it; 0 of a virtual prompt.
        active: whether it counts in a forward pass, unless adapters are switched off.
        merged: whether its change is in the base's weights already.
        trainable: whether its parameters are tuned.
        enabled: whether adapters are switched on where it is.
        irregular: names of the fields about which its modules do not agree.
        ranks: its ranks, the smallest first; none where the method has none.
        parameters: elements of its parameters.
        alphas: its alphas, the smallest first; none where the method has none.
        scalings: what its changes are multiplied with, the smallest first.
    """

    name: str
    method: str
    modules: int
    active: bool | None
    merged: bool | None
    trainable: bool | None
    enabled: bool | None = True
    irregular: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    parameters: int = 0
    alphas: tuple[float, ...] = ()
    scalings: tuple[float, ...] = ()


@dataclass
class _Found:
    """What the modules say of one adapter."""

    modules: int = 0
    merged: set[bool] = field(default_factory=set)
    enabled: set[bool] = field(default_factory=set)
    trained: set[bool] = field(default_factory=set)
    methods: dict[str, None] = field(default_factory=dict)
    ranks: set[int] = field(default_factory=set)
    parameters: dict[int, int] = field(default_factory=dict)
    alphas: set[float] = field(default_factory=set)
    scalings: set[float] = field(default_factory=set)


def statuses(
    model: torch.nn.Module, tuners: Iterable[tuple[str, torch.nn.Module]] | None = None
) -> tuple[AdapterStatus, ...]:
    """The adapters of a model, in order of appearance; none of a model without any.

    Nothing is called: PEFT's wrappers say all of it in their tables.

    Args:
        model: the model.
        tuners: `ListedModel.tuners`, if the model is listed already.
    """
    found: dict[str, _Found] = {}
    active: list[frozenset[str]] = []
    configs = _configs(model)
    for _, module in list_model(model).tuners if tuners is None else tuners:
        if type(module).__name__ not in _ASIDE:
            active.append(active_adapters(module))
            for name in available_adapters(module):
                _look(module, name, found.setdefault(name, _Found()))
    made = [_status(name, one, active, configs.get(name)) for name, one in found.items()]
    prompts = (one for one in _prompts(model, configs) if one.name not in found)
    return (*made, *prompts)


def available_adapters(module: torch.nn.Module) -> list[str]:
    """Names of the adapters that a wrapper has."""
    names: dict[str, None] = {}
    for part in own(module, NAMES_OF_PARTS) or ():
        table = parts_of(module, part)
        if isinstance(table, torch.nn.ModuleDict | torch.nn.ParameterDict):
            names |= dict.fromkeys(map(str, _keys(table)))
    return list(names)


def active_adapters(module: torch.nn.Module) -> frozenset[str]:
    """Names of the adapters that count in a wrapper's forward pass."""
    found = own(module, "_active_adapter")
    names = [found] if isinstance(found, str) else found
    return frozenset(map(str, names)) if isinstance(names, list | tuple | set) else frozenset()


def merged_adapters(module: torch.nn.Module) -> list[str]:
    """Names of the adapters whose change is in the wrapped weight."""
    found = own(module, "merged_adapters")
    return [str(name) for name in found] if isinstance(found, list | tuple) else []


def told(status: AdapterStatus) -> str:
    """`adapter default: active, tunable, LoRA r=8 alpha=16 scaling=2 on 12 modules`.

    Safe to show. Its state stands first: a line may be cut.
    """
    return f"adapter {clean(status.name, 40)}: {', '.join((*states(status), method_of(status)))}"


def method_of(status: AdapterStatus) -> str:
    """`LoRA r=8 alpha=16 scaling=2 on 12 modules`, safe to show."""
    method = status.method
    numbers = (("r", status.ranks), ("alpha", status.alphas), ("scaling", status.scalings))
    for name, values in numbers:
        if len(values) == 1:
            method += f" {name}={values[0]:.4g}"
        elif values:
            method += f" {name}={values[0]:.4g}-{values[-1]:.4g}"
    if status.modules:
        method += f" on {status.modules} module{'s' if status.modules > 1 else ''}"
    return method


def states(status: AdapterStatus) -> list[str]:
    """`active`, `tunable`: what PEFT would say of an adapter.

    What is switched off is not called active, though PEFT goes on doing so.
    """
    words = {
        "active": ("inactive", "active"), "merged": ("", "merged"),
        "trainable": ("frozen", "tunable"), "enabled": ("switched off", ""),
    }  # fmt: skip
    if status.enabled is False and status.active:
        del words["active"]
    found = []
    for name, (no, yes) in words.items():
        value = getattr(status, name)
        found.append(f"{name} only in part" if value is None else yes if value else no)
    return [word for word in found if word]


def irregularities(found: tuple[AdapterStatus, ...]) -> Iterator[str]:
    """A warning for each adapter whose modules do not agree, safe to show."""
    for status in found:
        if status.irregular:
            what = " and ".join(status.irregular)
            name = clean(status.name, 40)
            yield f"adapter {name} is irregular: some of its modules are {what}, others are not"


def _look(module: torch.nn.Module, name: str, found: _Found) -> None:
    """Take down what one wrapper says of an adapter."""
    found.modules += 1
    found.merged.add(name in merged_adapters(module))
    found.enabled.add(not own(module, "_disable_adapters"))
    for part in own(module, NAMES_OF_PARTS):
        table = parts_of(module, part)
        if not isinstance(table, torch.nn.ModuleDict | torch.nn.ParameterDict):
            continue
        entry = _entry(table, name)
        if entry is None:
            continue
        found.methods[_method_of(part)] = None
        for parameter in _parameters(entry):
            found.trained.add(parameter.requires_grad)
            found.parameters[id(parameter)] = parameter.numel()
    variants = own(module, "lora_variant") or own(module, "use_dora")
    variant = variants.get(name) if isinstance(variants, Mapping) else None
    if "Dora" in type(variant).__name__ or variant is True:
        found.methods["DoRA"] = None
    ranks = own(module, "r")
    rank = ranks.get(name) if isinstance(ranks, Mapping) else None
    if isinstance(rank, int) and not isinstance(rank, bool):
        found.ranks.add(rank)
    alphas = (_number(module, "lora_alpha", name), _number(module, "alpha", name))
    found.alphas |= {alpha for alpha in alphas if alpha is not None}
    scaling = _number(module, "scaling", name)
    found.scalings |= {scaling} if scaling is not None else set()


def _number(module: torch.nn.Module, table: str, name: str) -> float | None:
    """What a wrapper has for an adapter in one of its tables of numbers."""
    values = own(module, table)
    value = values.get(name) if isinstance(values, Mapping) else None
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and value is not None else None


def _status(
    name: str, found: _Found, active: list[frozenset[str]], config: str | None
) -> AdapterStatus:
    words = dict(found.methods)
    words.pop("", None)
    if words.keys() & {"DoRA", "AdaLoRA"}:
        words.pop("LoRA", None)
    if config is not None and config in METHODS and not words.keys() & set(METHODS.values()):
        words = {METHODS[config]: None, **words}
    method = " + ".join(words) or clean(METHODS.get(config or "", config or "adapter"), 40)
    fields = {
        "active": {name in some for some in active},
        "merged": found.merged,
        "trainable": found.trained,
        "enabled": found.enabled,
    }
    irregular = tuple(key for key, values in fields.items() if len(values) > 1)
    said = {key: None if key in irregular else any(values) for key, values in fields.items()}
    ranked = words.keys() & _RANKED
    return AdapterStatus(
        name, method, found.modules, **said, irregular=irregular,
        ranks=tuple(sorted(found.ranks)) if ranked else (),
        parameters=sum(found.parameters.values()),
        alphas=tuple(sorted(found.alphas)) if ranked else (),
        scalings=tuple(sorted(found.scalings)) if ranked else (),
    )  # fmt: skip


def _prompts(model: torch.nn.Module, configs: Mapping[str, str]) -> Iterator[AdapterStatus]:
    """Virtual prompts: adapters that no layer holds."""
    encoders = child_of(model, "prompt_encoder")
    if encoders is None or not is_of_peft(model):
        return
    chosen = own(model, "active_adapter") or own(model, "_active_adapter")
    for name, module in children_of(encoders):
        tensors = list(_parameters(module))
        trained = {parameter.requires_grad for parameter in tensors}
        method = METHODS.get(configs.get(name, ""), "prompt")
        yield AdapterStatus(
            name, method, 0, name == chosen, False,
            any(trained) if len(trained) < 2 else None,
            irregular=("trainable",) if len(trained) > 1 else (),
            parameters=sum(parameter.numel() for parameter in tensors),
        )  # fmt: skip


def _configs(model: torch.nn.Module) -> dict[str, str]:
    """`peft_type` by adapter, from the outermost modules that keep PEFT's configurations."""
    types: dict[str, str] = {}
    inner: torch.nn.Module | None = model
    for _ in range(3):
        table = own(inner, "peft_config") or own(inner, "_peft_config")
        if isinstance(table, Mapping):
            for name, config in table.items():
                kind = own(config, "peft_type")
                word = str(getattr(kind, "value", kind))
                types.setdefault(str(name), word)
        inner = child_of(inner, "base_model") if inner is not None else None
    return types


def _method_of(part: str) -> str:
    return next((method for stem, method in _BY_PART if part.startswith(stem)), "")


def _keys(table: torch.nn.ModuleDict | torch.nn.ParameterDict) -> list[Any]:
    if isinstance(table, torch.nn.ModuleDict):
        return list(table._modules)
    return list(getattr(table, "_keys", table._parameters))


def _entry(table: torch.nn.ModuleDict | torch.nn.ParameterDict, name: str) -> Any:
    if isinstance(table, torch.nn.ModuleDict):
        return table._modules.get(name)
    return table._parameters.get(name)


def _parameters(entry: torch.nn.Module | torch.Tensor) -> Iterator[torch.Tensor]:
    if isinstance(entry, torch.Tensor):
        yield entry
        return
    for _, module, _ in walk_modules(entry):
        yield from (tensor for _, tensor, is_buffer in own_tensors(module) if not is_buffer)
