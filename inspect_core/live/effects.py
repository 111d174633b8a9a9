"""What the adapters of a live model change, from PEFT's own tables; nothing of it is called."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from inspect_core.adapters.finding.groups import Group
from inspect_core.adapters.finding.part_names import IA3, LORA, PARTS, SAVED, TOKENS
from inspect_core.adapters.finding.targets import RANK_OFFSET, target_of
from inspect_core.adapters.overlay import Target
from inspect_core.checkpoint.adapter_config import AdapterConfig
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.live.adapter_status import active_adapters, available_adapters, merged_adapters
from inspect_core.structure.tuners import NAMES_OF_PARTS, own, parts_of

NOT_WORKED_OUT = "what it changes is not worked out from a live model"

_BEFORE = {"modules_to_save": "original_module", "ln_tuning_layers": "base_layer"}
"""Where a wrapper keeps what was there before, by where it keeps what takes its place."""

_REVERSIBLE = frozenset({"LoRA", "AdaLoRA", "LoHa", "LoKr"})
"""Methods that add to a weight: what was merged can be taken out again."""


@dataclass
class Effects:
    """What adapters do to the weights of a live model.

    Attributes:
        adapters: names of all adapters that are spoken of; `Target.adapter` counts in it.
        added: changes that are not in the weights: what the model computes with has them.
        merged: changes that are in the weights; taken out with their scaling turned round.
        originals: name of a tensor that an adapter brings whole -> what was there before.
    """

    adapters: list[str] = field(default_factory=list)
    added: list[Target] = field(default_factory=list)
    merged: list[Target] = field(default_factory=list)
    originals: dict[str, TensorInfo] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.merged or self.originals)


def effects(
    tuners: Iterable[tuple[str, torch.nn.Module]],
    tensors: Mapping[str, TensorInfo],
    wanted: tuple[str, ...] | None,
    names: Sequence[str] = (),
) -> Effects:
    """Find what the adapters of a model change.

    Args:
        tuners: the wrappers of the model, as `ListedModel` has them.
        tensors: the model's tensors by all their names, those of shared ones too.
        wanted: names of the adapters that count; None for those that are active, unless they
            are switched off, and those that are merged.
        names: all adapters of the model, in their order.
    """
    found = Effects()
    for path, module in tuners:
        off, active = bool(own(module, "_disable_adapters")), active_adapters(module)
        merged = merged_adapters(module)
        layer = _Layer(path, module, tensors, found)
        for name in available_adapters(module):
            if name in merged and (wanted is None or name in wanted):
                layer.look(name, merged=True)
            elif name in wanted if wanted is not None else not off and name in active:
                layer.look(name, merged=False)
    return _in_order(found, names)


def _in_order(found: Effects, names: Sequence[str]) -> Effects:
    """The same with adapters in the order of their names in the model."""
    order = [name for name in names if name in found.adapters]
    order += [name for name in found.adapters if name not in order]
    number = [order.index(name) for name in found.adapters]
    added, merged = (
        [replace(target, adapter=number[target.adapter]) for target in targets]
        for targets in (found.added, found.merged)
    )
    return Effects(order, added, merged, found.originals)


class _Layer:
    """One wrapper of a live model."""

    def __init__(
        self, path: str, module: torch.nn.Module, tensors: Mapping[str, TensorInfo], found: Effects
    ) -> None:
        self.path = path
        self.module = module
        self.tensors = tensors
        self.found = found

    def look(self, adapter: str, merged: bool) -> None:
        """Take down what an adapter changes here."""
        if adapter not in self.found.adapters:
            self.found.adapters.append(adapter)
        number = self.found.adapters.index(adapter)
        for part, before in _BEFORE.items():
            if part in (own(self.module, NAMES_OF_PARTS) or ()):
                self._whole(f"{self.path}.{part}.{adapter}.", f"{self.path}.{before}.", number)
                return
        targets = list(self._targets(adapter, number))
        if not merged:
            self.found.added += targets
        else:
            self.found.merged += [_taken_out(target) for target in targets]

    def _whole(self, ours: str, before: str, number: int) -> None:
        for name, info in self.tensors.items():
            if name.startswith(ours):
                original = self.tensors.get(before + name[len(ours) :])
                if original is not None:
                    self.found.originals[name] = original._replace(name=name)
                self.found.added.append(
                    Target(number, self.path, name, SAVED, {"whole": info}, info.shape)
                )

    def _targets(self, adapter: str, number: int) -> Iterator[Target]:
        groups = self._parts(adapter)
        base_path = self._base_path()
        leaf = own(self.module, "parameter_name")
        weight = f"{base_path}.{leaf if isinstance(leaf, str) else 'weight'}"
        base = self.tensors.get(weight)
        for method, parts in groups.items():
            bias = parts.pop("B_bias", None)
            embedding = any("embedding" in info.name for info in parts.values())
            turned = own(self.module, "fan_in_fan_out") is True
            group = Group(number, self.path, method, parts, embedding, turned)
            made = self._scaled(target_of(
                group, self._config(adapter), self.path, weight, base, alone=False
            ), adapter)  # fmt: skip
            if base is not None and base.unread:
                made = replace(made, note=base.unread)
            yield made
            yield from self._of_bias(made, bias, f"{base_path}.bias")
        if not groups:
            shape = base.shape if base is not None else ()
            words = str(own(self.module, NAMES_OF_PARTS)[0]).partition("_")[0]
            yield Target(number, self.path, weight, words, {}, shape, note=NOT_WORKED_OUT)

    def _of_bias(self, made: Target, bias: TensorInfo | None, name: str) -> Iterator[Target]:
        """What the same adapter does to the bias of the module."""
        under = self.tensors.get(name)
        if under is None or made.note:
            return
        if bias is not None and made.method == LORA and bias.shape == under.shape:
            yield replace(made, weight=name, parts={"bias": bias}, shape=under.shape)
        elif made.method == IA3 and not own(self.module, "is_feedforward"):
            yield replace(made, weight=name, shape=under.shape, transposed=False)

    def _parts(self, adapter: str) -> dict[str, dict[str, TensorInfo]]:
        """The tensors of an adapter here by method and role, as far as they are known."""
        found: dict[str, dict[str, TensorInfo]] = {}
        for part in own(self.module, NAMES_OF_PARTS) or ():
            method, role = PARTS.get(part, ("", ""))
            table = parts_of(self.module, part)
            if not method or not isinstance(table, torch.nn.Module):
                continue
            name = f"{self.path}.{part}.{adapter}"
            for full, suffix in ((name, ""), (f"{name}.weight", ""), (f"{name}.bias", "_bias")):
                info = self.tensors.get(full)
                if info is not None and info.numel:
                    found.setdefault(method, {})[role + suffix] = info
        return found

    def _base_path(self) -> str:
        """Where the wrapped module is, below wrappers of wrappers."""
        path, module = self.path, self.module
        while (below := module._modules.get("base_layer")) is not None:
            path, module = f"{path}.base_layer", below
        return path

    def _config(self, adapter: str) -> AdapterConfig:
        """What the layer knows, in the words of a configuration."""
        rank, alpha = self._of("r", adapter), self._of("lora_alpha", adapter)
        tokens = self._table("token_indices").get(adapter)
        return AdapterConfig(
            rank=int(rank) if rank is not None else None,
            alpha=alpha if alpha is not None else self._of("alpha", adapter),
            fan_in_fan_out=bool(own(self.module, "fan_in_fan_out")),
            feedforward_modules=(self.path,) if own(self.module, "is_feedforward") else (),
            token_indices={"": tuple(map(int, tokens))} if tokens is not None else {},
        )

    def _scaled(self, target: Target, adapter: str) -> Target:
        """The scale that the layer multiplies with: it may have been set to any number."""
        scaling = self._of("scaling", adapter)
        if scaling is None or target.method in (IA3, TOKENS):
            return target
        if "E" in target.parts:
            ranks = self.module._modules.get("ranknum")
            count = None if ranks is None else ranks._parameters.get(adapter)
            if count is None or count.device.type == "meta":
                return target
            scaling /= float(count.detach()) + RANK_OFFSET
        note = "" if target.note == "its scale is not known" else target.note
        return replace(target, scaling=scaling, note=note)

    def _of(self, table: str, adapter: str) -> float | None:
        value = self._table(table).get(adapter)
        if isinstance(value, torch.Tensor):
            value = float(value.detach()) if value.numel() == 1 and not value.is_meta else None
        return float(value) if isinstance(value, int | float) else None

    def _table(self, name: str) -> Mapping[str, Any]:
        found = own(self.module, name)
        return found if isinstance(found, Mapping) else {}


def _taken_out(target: Target) -> Target:
    """The change that undoes one that is in a weight."""
    if target.note or target.scaling is None or target.method not in _REVERSIBLE:
        what = f"{target.method} is merged: what the weight was before is not known"
        return replace(target, note=target.note or what)
    return replace(target, scaling=-target.scaling)
