"""What the weights of a base's modules are called, and how they are stored."""

from collections.abc import Mapping

from inspect_core.checkpoint.adapter_config import AdapterConfig
from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.facts import CONV1D, Facts

_WEIGHTS = ("weight", "in_proj_weight")
"""What LoRA changes in a module; the second one is that of `MultiheadAttention`."""


class BaseWeights:
    """The weights of a base.

    Args:
        base: the base; None without, and then every module has a `weight`.
    """

    def __init__(self, base: Checkpoint | None) -> None:
        self._tensors: Mapping[str, TensorInfo] = {} if base is None else base.tensors
        self._facts = None if base is None else Facts.of(base)
        self._by_module: dict[str, list[str]] = {}
        self._leaves: dict[tuple[str, ...], frozenset[str]] = {}

    def beside(self, module: str) -> str:
        """The one weight of a module, by its full name; empty where there is none."""
        names = (joined(module, leaf) for leaf in _WEIGHTS)
        return next((name for name in names if name in self._tensors), "")

    def changed(
        self,
        config: AdapterConfig | None,
        module: str,
        parts: Mapping[str, TensorInfo],
        depth: int,
    ) -> str:
        """Which weight of a module an adapter's parts change, by its full name.

        Args:
            config: the adapter's.
            module: the module as the base spells it.
            parts: the adapter's tensors by role.
            depth: how many wrappers of the module lie outside of the one that has the parts.
        """
        if found := self.beside(module):
            return found
        if config is not None and config.target_parameters:
            leaves = self._parameters(config)
            here = [n for n in self._of_module(module) if n.rpartition(".")[2] in leaves]
            if here:
                return self._of_parameters(here, parts, depth)
        return joined(module, _WEIGHTS[0])

    def conv1d(self, module: str, info: TensorInfo | None) -> bool | None:
        """Whether a module is a `Conv1D`, which stores `(in, out)`; None where nothing tells."""
        if self._facts is None or info is None or len(info.shape) != 2:
            return None
        if module.rpartition(".")[2] in CONV1D:
            return self._facts.inward(info)
        # The config's flag is one for all modules; PEFT heeds it for `Conv1D` alone.
        return False if self._facts.conv1d else None

    def _of_parameters(self, names: list[str], parts: Mapping[str, TensorInfo], depth: int) -> str:
        """The one of several parameters that the factors' shapes fit."""
        a, b = parts.get("A"), parts.get("B")
        if a is None or b is None or len(a.shape) != 2 or len(b.shape) != 2:
            return names[0]
        sizes = sorted((b.shape[0], a.shape[1]))
        fits = [name for name in names if sorted(self._tensors[name].shape[-2:]) == sizes]
        # PEFT wraps them one after the other: the last one is outermost.
        return fits[0] if len(fits) == 1 else names[max(0, len(names) - 1 - depth)]

    def _of_module(self, module: str) -> list[str]:
        """Names of a module's own tensors, in the base's order."""
        if not self._by_module:
            for name in self._tensors:
                self._by_module.setdefault(name.rpartition(".")[0], []).append(name)
        return self._by_module.get(module, [])

    def _parameters(self, config: AdapterConfig) -> frozenset[str]:
        names = config.target_parameters
        if names not in self._leaves:
            self._leaves[names] = frozenset(name.rpartition(".")[2] for name in names)
        return self._leaves[names]


def joined(module: str, leaf: str) -> str:
    """The full name of a module's tensor."""
    return f"{module}.{leaf}" if module else leaf
