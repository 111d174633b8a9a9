"""The tensors of an adapter: which factors belong together, and what is odd about them."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspect_core.checkpoint.adapter_config import ADAPTER_CONFIG, AdapterConfig
from inspect_core.checkpoint.adapter_config_file import read_adapter_config
from inspect_core.checkpoint.damage import Doubt, Remark
from inspect_core.checkpoint.locate import some_names
from inspect_core.checkpoint.tensor_info import TensorInfo

PEFT_PREFIX = "base_model.model."
"""What PEFT puts before every name of the base model."""

ADAPTER_FILE = "adapter_model."
"""How the file of an adapter's weights is named, up to its suffix."""

_A, _B, _MAGNITUDE, _OTHER = "a", "b", "magnitude", "other"
_PARTS = {
    "lora_A": _A, "lora_B": _B, "lora_embedding_A": _A, "lora_embedding_B": _B,
    "lora_down": _A, "lora_up": _B, "lora_magnitude_vector": _MAGNITUDE,
    "lora_E": _OTHER, "ranknum": _OTHER,
}  # fmt: skip
_LAST_PARTS = 4
_LORA = frozenset({"LORA", "ADALORA"})
NEEDS_BASE = "DoRA: the effective delta needs the base model's weights"
"""Said of an adapter whose base is not there."""

SAVED_WHOLE = ("embed_tokens", "lm_head", "wte", "word_embeddings", "score", "classifier")
"""Modules that PEFT stores whole by habit."""

_MOST_TARGETS = 100


@dataclass(frozen=True, slots=True)
class LoraFactors:
    """The low-rank pair of one module; the change of its weight is scale * B @ A.

    Attributes:
        module: the changed module's name, without `base_model.model.`; foreign text.
        adapter: name of the adapter, where the tensors' names hold one, else empty.
        a: `(r, in, ...)`, applied first.
        b: `(out, r, ...)`, applied last.
        magnitude: DoRA's vector.
    """

    module: str
    adapter: str
    a: TensorInfo | None = None
    b: TensorInfo | None = None
    magnitude: TensorInfo | None = None

    @property
    def rank(self) -> int | None:
        """The rank of the product; None unless both factors are there and fit."""
        if self.a is None or self.b is None or len(self.a.shape) < 2 or len(self.b.shape) < 2:
            return None
        return self.a.shape[0] if self.a.shape[0] == self.b.shape[1] else None


def lora_factors(tensors: Mapping[str, TensorInfo]) -> list[LoraFactors]:
    """Find the low-rank factors by their names, in the order of the tensors."""
    found: dict[tuple[str, str], dict[str, TensorInfo]] = {}
    for name, tensor in tensors.items():
        place = _place(name)
        if place is not None and place[2] != _OTHER:
            found.setdefault(place[:2], {})[place[2]] = tensor
    return [
        LoraFactors(module, adapter, parts.get(_A), parts.get(_B), parts.get(_MAGNITUDE))
        for (module, adapter), parts in found.items()
    ]


def is_adapter(tensors: Mapping[str, TensorInfo], files: Iterable[str]) -> bool:
    """Whether a checkpoint is an adapter: by the names of its files, or of most tensors."""
    if any(name.startswith(ADAPTER_FILE) for name in files):
        return True
    count = sum(1 for name in tensors if "lora_" in name and _place(name))
    return 0 < len(tensors) <= 2 * count


def adapter_warnings(
    folder: Path | None, tensors: Mapping[str, TensorInfo], files: Sequence[str]
) -> list[str]:
    """Say what is odd about an adapter, and nothing where there is none.

    Args:
        folder: where adapter_config.json would lie.
        tensors: what is shown.
        files: names of the files that hold them.

    Returns:
        One line each; foreign text is in them.
    """
    config_is_here = folder is not None and os.path.lexists(folder / ADAPTER_CONFIG)
    if not is_adapter(tensors, files):
        if not config_is_here:
            return []
        what = f"an adapter lies here too ({ADAPTER_CONFIG}): shown are the model's own tensors"
        return [Doubt(what)]
    config, said = read_adapter_config(folder) if folder else (None, [])
    warnings = [line for line in said if not isinstance(line, Remark)]
    factors = lora_factors(tensors)
    if not config_is_here and _wants_config(tensors, files):
        warnings.append(f"no {ADAPTER_CONFIG} lies here: scale, type and base are not known")
    if config is None or config.type in _LORA or config.type is None or factors:
        warnings += _odd_names(tensors, factors, config)
        warnings += _odd_factors(factors)
        warnings += _dora(factors, config)
    if config is not None and factors:
        warnings += _against_config(factors, config)
    return warnings


def _place(name: str) -> tuple[str, str, str] | None:
    """Module, adapter and part of a low-rank tensor's name; None for any other name."""
    head, *parts = name.rsplit(".", _LAST_PARTS)
    for at in range(len(parts) - 1, -1, -1):
        part = _PARTS.get(parts[at])
        if part is None:
            continue
        rest = parts[at + 1 :]
        if rest[-1:] == ["bias"]:
            part = _OTHER
        adapter = ".".join(rest[:-1] if rest[-1:] in (["weight"], ["bias"]) else rest)
        return ".".join([head, *parts[:at]]).removeprefix(PEFT_PREFIX), adapter, part
    return None


def _wants_config(tensors: Mapping[str, TensorInfo], files: Sequence[str]) -> bool:
    # Kohya's files bring their own `.alpha` tensors and have no config.
    named = any(name.startswith(ADAPTER_FILE) for name in files)
    return named or any("lora_A" in name for name in tensors)


def _odd_names(
    tensors: Mapping[str, TensorInfo], factors: list[LoraFactors], config: AdapterConfig | None
) -> list[str]:
    saved = {*SAVED_WHOLE, *(config.modules_to_save if config else ())}
    biases = config is not None and config.bias not in (None, "none")
    odd = [
        name
        for name in tensors
        if "lora_" not in name
        and "trainable_tokens_delta" not in name
        and not name.endswith((".alpha", ".ranknum"))
        and not (biases and name.endswith(".bias"))
        and saved.isdisjoint(name.rsplit(".", _LAST_PARTS))
    ]
    if not factors:
        return [_count([*tensors], "tensor, and no LoRA factor", "tensors, and no LoRA factor")]
    what = _count(odd, "tensor is no part of a LoRA", "tensors are no part of a LoRA")
    return [what] if odd else []


def _odd_factors(factors: list[LoraFactors]) -> list[str]:
    groups: list[tuple[Callable[[LoraFactors], bool], str]] = [
        (lambda f: f.b is None and f.a is not None, "lora_A without its lora_B"),
        (lambda f: f.a is None and f.b is not None, "lora_B without its lora_A"),
        (lambda f: f.a is None and f.b is None, "magnitudes without factors"),
        (_is_flat, "factors that are no matrices"),
        (lambda f: f.rank == 0, "factors of rank 0, which change nothing"),
        (
            lambda f: bool(f.a and f.b) and not _is_flat(f) and f.rank is None,
            "factors that do not fit each other: B @ A is impossible",
        ),
    ]
    warnings = []
    for is_odd, what in groups:
        modules = [factor.module for factor in factors if is_odd(factor)]
        if modules:
            many = "module has" if len(modules) == 1 else "modules have"
            warnings.append(f"{len(modules):,} {many} {what} ({some_names(modules)})")
    return warnings


def _is_flat(factor: LoraFactors) -> bool:
    return any(half is not None and len(half.shape) < 2 for half in (factor.a, factor.b))


def _dora(factors: list[LoraFactors], config: AdapterConfig | None) -> list[str]:
    magnitudes = sum(factor.magnitude is not None for factor in factors)
    wanted = config is not None and config.use_dora
    warnings = []
    if wanted or magnitudes:
        warnings.append(NEEDS_BASE)
    if wanted and magnitudes < len(factors):
        lacking = f"{len(factors) - magnitudes:,} of {len(factors):,} modules"
        warnings.append(f"{ADAPTER_CONFIG} says use_dora, but {lacking} have no magnitudes")
    if magnitudes and config is not None and not wanted:
        warnings.append(f"there are DoRA magnitudes, but {ADAPTER_CONFIG} does not say use_dora")
    return warnings


def _against_config(factors: list[LoraFactors], config: AdapterConfig) -> list[str]:
    warnings = []
    # Experts share a factor, and AdaLoRA prunes its ranks: there r is no size of a tensor.
    if config.type == "LORA" and not config.target_parameters:
        by_ranks: dict[tuple[int, int], list[str]] = {}
        for factor in factors:
            meant, rank = config.rank_of(factor.module), factor.rank
            if meant is not None and rank not in (None, 0, meant):
                by_ranks.setdefault((rank or 0, meant), []).append(factor.module)
        for (rank, meant), modules in list(by_ranks.items())[:3]:
            what = _count(modules, f"module has rank {rank:,}", f"modules have rank {rank:,}")
            warnings.append(f"{what}, but {ADAPTER_CONFIG} says r = {meant:,}")
    return warnings


def missed_targets(factors: Sequence[LoraFactors], targets: Sequence[str]) -> list[str]:
    """Find the entries of `target_modules` that no factor belongs to, among the first 100.

    Args:
        factors: all of the adapter.
        targets: names, or last parts of names, of modules.
    """
    by_last: dict[str, list[str]] = {}
    for factor in factors:
        by_last.setdefault(factor.module.rsplit(".", 1)[-1], []).append(factor.module)
    # A dotted target is held against every module that ends alike: only so many of them.
    return [
        target
        for target in dict.fromkeys(targets[:_MOST_TARGETS])
        if not any(
            module == target or module.endswith(f".{target}")
            for module in by_last.get(target.rsplit(".", 1)[-1], ())
        )
    ]


def _count(names: Sequence[str], one: str, many: str) -> str:
    return f"{len(names):,} {one if len(names) == 1 else many} ({some_names(names)})"
