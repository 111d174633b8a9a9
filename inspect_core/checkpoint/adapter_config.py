"""What an adapter's `adapter_config.json` says; see `adapter_config_file` for how it is read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

ADAPTER_CONFIG = "adapter_config.json"

ALL_LINEAR = "all-linear"
"""What PEFT takes for every linear module; the one `target_modules` text that is no regex."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
Number = TypeVar("Number", int, float)

_MOST_PARTS = 64


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """The part of an adapter's config that says what it does; None is absent or unusable.

    All texts are foreign.

    Attributes:
        type: `peft_type` in capitals, `LORA`.
        rank: r, at least 1.
        alpha: numerator of the scale, finite; `lora_alpha`, or `alpha` of LoHa and LoKr.
        base: name of the base model, not followed.
        revision: of the base model.
        task: what the adapter is for, `CAUSAL_LM`.
        target_modules: names, or ends of names, of the modules that it changes.
        target_expression: given instead of names: `all-linear` or a regular expression.
        target_parameters: names of single parameters that it changes.
        modules_to_save: modules that are stored whole beside the adapter.
        rank_pattern: rank by the end of a module's name, or by a regular expression for it.
        alpha_pattern: the same for alpha.
        rank_expressions: whether ranks are given by regular expressions too.
        alpha_expressions: the same for alphas.
        bias: which biases it holds: `none`, `all`, `lora_only`.
        use_dora: whether it splits weights into magnitude and direction (DoRA).
        use_rslora: whether the scale is alpha / sqrt(r) instead of alpha / r.
        fan_in_fan_out: whether the base's weights are stored `(in, out)`.
        feedforward_modules: ends of names of the modules whose inputs IA3 scales.
        token_indices: rows of an embedding that are trained alone, by the plain end of the
            module's name; under "" those of any module.
        init_rank: `init_r` of AdaLoRA, which its scale is divided by whatever was pruned.
        takes_off: what makes PEFT change the base when it loads the adapter, as the config
            spells it, e.g. `init_lora_weights pissa`; empty where nothing does.
        layer_replication: whether PEFT stacks copies of the base's layers first.
        lora_bias: whether the factor B has a bias.
        exclude_modules: names, or ends of names, of modules that it leaves out.
        exclude_expression: given instead of names: a regular expression.
        layers: numbers of the layers that it is limited to; None for all.
        layers_pattern: names of the lists of layers that those numbers are of.
    """

    type: str | None = None
    rank: int | None = None
    alpha: float | None = None
    base: str | None = None
    revision: str | None = None
    task: str | None = None
    target_modules: tuple[str, ...] = ()
    target_expression: str | None = None
    target_parameters: tuple[str, ...] = ()
    modules_to_save: tuple[str, ...] = ()
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    rank_expressions: bool = False
    alpha_expressions: bool = False
    bias: str | None = None
    use_dora: bool = False
    use_rslora: bool = False
    fan_in_fan_out: bool = False
    feedforward_modules: tuple[str, ...] = ()
    token_indices: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    init_rank: int | None = None
    takes_off: str = ""
    layer_replication: bool = False
    lora_bias: bool = False
    exclude_modules: tuple[str, ...] = ()
    exclude_expression: str | None = None
    layers: tuple[int, ...] | None = None
    layers_pattern: tuple[str, ...] = ()

    def rank_of(self, module: str) -> int | None:
        """The rank meant for a module, by its name without the adapter's own prefix.

        None where it is not known: an expression that is not run may mean this module.
        """
        found = _by_end(self.rank_pattern, module)
        return found or (None if self.rank_expressions else self.rank)

    def alpha_of(self, module: str) -> float | None:
        """The numerator of the scale in a module; None where it is not known."""
        alpha = _by_end(self.alpha_pattern, module)
        return self.alpha if alpha is None and not self.alpha_expressions else alpha

    def scale_of(self, module: str) -> float | None:
        """What B @ A is multiplied with in a module: alpha / r; None where it is not known."""
        rank, alpha = self.rank_of(module), self.alpha_of(module)
        if rank is None or alpha is None:
            return None
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)


def is_plain(name: str) -> bool:
    """Whether a pattern is a plain name, which needs no regular expression to be understood."""
    return bool(name) and _PLAIN.issuperset(name)


def _by_end(numbers: Mapping[str, Number], module: str) -> Number | None:
    """The number given for a module, by its whole name or by the last parts of it."""
    if not numbers:
        return None
    parts = module.rsplit(".", _MOST_PARTS)
    ends = (".".join(parts[at:]) for at in range(len(parts)))
    return next((numbers[end] for end in ends if end in numbers), None)
