"""What PEFT makes of an adapter's tensors when it loads them, as far as the config decides it."""

from collections.abc import Mapping

from inspect_core.adapters.finding.groups import RANK_0
from inspect_core.adapters.finding.part_names import IA3, LOHA, LOKR, LORA, Part
from inspect_core.checkpoint.adapter_config import AdapterConfig
from inspect_core.checkpoint.adapter_scope import Scope, Within
from inspect_core.checkpoint.adapter_tensors import SAVED_WHOLE
from inspect_core.checkpoint.tensor_info import TensorInfo

LEFT_OUT = "the config leaves it out: PEFT does not load it"
TWICE = "two tensors are one part of it: which one counts is not known"
INSIDE = "PEFT puts no wrapper there: it does not load it"
REPLICATED = "layer_replication: PEFT stacks copies of the base's layers, which is not followed"
NO_LORA_BIAS = "the config does not say lora_bias: PEFT does not load it"
WRAPPED = "PEFT does not load it: the adapter changes this module another way"
"""Said of a plain parameter of a module that has factors."""

BEHIND = "an adapter before it brings it too, and PEFT uses that one's"
REPLACED = "an adapter after it brings it too, and replaces it"

_NOTHING = frozenset({LEFT_OUT, INSIDE, NO_LORA_BIAS, WRAPPED, BEHIND, REPLACED, RANK_0})

_TYPES = {
    LORA: frozenset({"LORA", "ADALORA"}), LOHA: frozenset({"LOHA"}), LOKR: frozenset({"LOKR"}),
    IA3: frozenset({"IA3"}),
}  # fmt: skip
"""What the config may call a method of the file."""


class Loading:
    """One adapter's config, asked what PEFT does with its tensors.

    Args:
        config: the adapter's; None without a usable one, and then nothing is known against them.
    """

    def __init__(self, config: AdapterConfig | None) -> None:
        self._config = config
        self._scope = Scope(config)
        named = config.modules_to_save if config is not None else ()
        self._kept = Within(named)
        self._whole = Within((*SAVED_WHOLE, *named))
        self._biases = config is not None and config.bias not in (None, "none")

    def leaves_out(self, part: Part) -> bool:
        """Whether the config leaves out the module of a part that changes it."""
        return part.method in _TYPES and self._scope.leaves_out(part.module)

    def keeps(self, module: str) -> bool:
        """Whether `modules_to_save` names a module: it is kept beside the base's own."""
        return module in self._kept

    def is_saved(self, part: Part) -> bool:
        """Whether the config, or PEFT's habit, stores a parameter whole."""
        return (self._biases and part.role == "bias") or part.module in self._whole

    def parts(self, method: str, parts: Mapping[str, TensorInfo]) -> dict[str, TensorInfo]:
        """The parts that PEFT loads: magnitudes are DoRA's alone."""
        config = self._config
        dora = config is None or config.type is None or config.use_dora
        left = method == LORA and not dora
        return {role: info for role, info in parts.items() if not (left and role == "magnitude")}

    def why_not(self, method: str, module: str, parts: Mapping[str, TensorInfo], depth: int) -> str:
        """Why the parts of a module have no effect that is known; empty where they have.

        Args:
            method: what their names say.
            module: as the adapter spells it; foreign.
            parts: the adapter's tensors by role.
            depth: how many wrappers of the module lie outside of theirs.
        """
        config = self._config
        if config is None or method not in _TYPES:
            return ""
        if config.layer_replication:
            return REPLICATED
        if config.type is not None and config.type not in _TYPES[method]:
            return f"the config says {config.type}, its tensors are {method}'s"
        if self._scope.leaves_out(module):
            return LEFT_OUT
        if depth and not config.target_parameters and not config.token_indices:
            return INSIDE
        return _of_lora(config, parts) if method == LORA else ""

    def why_no_bias(self) -> str:
        """Why the bias of a factor has no effect; empty where it has."""
        config = self._config
        known = config is not None and config.type is not None
        return NO_LORA_BIAS if known and config is not None and not config.lora_bias else ""


def changes_nothing(note: str) -> bool:
    """Whether a target's note says that its weight stays as it is, and not that it is unknown."""
    return note in _NOTHING


def _of_lora(config: AdapterConfig, parts: Mapping[str, TensorInfo]) -> str:
    if config.type is not None and (config.type == "ADALORA") != ("E" in parts):
        there = "AdaLoRA" if "E" in parts else "LoRA"
        return f"the config says {config.type}, its tensors are {there}'s"
    if config.takes_off:
        return (
            f"{config.takes_off}: PEFT takes the first factors off the base when it loads this: "
            "save it converted, or compare the merged model"
        )
    if config.use_dora and "magnitude" not in parts and {"A", "B"} <= parts.keys():
        return "the config says use_dora, and it has no magnitudes"
    return ""
