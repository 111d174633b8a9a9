"""What a checkpoint is, by what it holds and what lies beside it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from inspect_core.checkpoint import Checkpoint
from inspect_core.checkpoint.adapter_config import AdapterConfig
from inspect_core.checkpoint.adapter_config_file import read_adapter_config
from inspect_core.checkpoint.adapter_tensors import is_adapter

MODEL, WEIGHTS, ADAPTER = "model", "weights", "adapter"
TRAINING, OPTIMIZER, NOTHING = "training checkpoint", "optimizer state", "nothing"

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt",
    "spiece.model", "sentencepiece.bpe.model", "merges.txt", "tekken.json", "tiktoken.model",
)  # fmt: skip
"""Any of these beside the weights is a tokenizer."""

_OPTIMIZER_STARTS = ("optimizer.", "optimizer_state", "optim.", "opt_state.")
_OPTIMIZER_ENDS = (".exp_avg", ".exp_avg_sq", ".max_exp_avg_sq", ".momentum_buffer")
_FAMILY_KEYS = ("model_type", "_class_name")
_GGUF_FAMILY = "general.architecture"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a checkpoint is. All texts but `kind` and `format` are foreign.

    Attributes:
        kind: `model`, `weights` (without a config), `adapter`, `training checkpoint`,
            `optimizer state` or `nothing`.
        family: what the config or the metadata calls it, `LlamaForCausalLM`; None if unknown.
        format: of the files.
        adapter: what an adapter's config says; None where there is none.
        parameters: elements of all tensors.
        nbytes: bytes of all tensors.
        dtypes: tensors by dtype, in the order of the file.
        wants_tokenizer: whether it is a text model in a folder without a tokenizer.
    """

    kind: str
    family: str | None
    format: str
    adapter: AdapterConfig | None
    parameters: int
    nbytes: int
    dtypes: Mapping[str, int]
    wants_tokenizer: bool


def identify(checkpoint: Checkpoint) -> Identity:
    """Say what a checkpoint is; reads adapter_config.json and the names in its folder."""
    kind = _kind(checkpoint)
    adapter = None
    if kind == ADAPTER and checkpoint.folder is not None:
        adapter, _ = read_adapter_config(checkpoint.folder)
    parameters, nbytes = 0, 0
    dtypes: dict[str, int] = {}
    for tensor in checkpoint.tensors.values():
        parameters += tensor.numel
        nbytes += tensor.nbytes
        dtypes[tensor.dtype] = dtypes.get(tensor.dtype, 0) + 1
    return Identity(
        kind=kind,
        family=_family(checkpoint) if kind != ADAPTER else None,
        format=checkpoint.format,
        adapter=adapter,
        parameters=parameters,
        nbytes=nbytes,
        dtypes=dtypes,
        wants_tokenizer=kind == MODEL and _lacks_tokenizer(checkpoint),
    )


def _kind(checkpoint: Checkpoint) -> str:
    names = list(checkpoint.tensors)
    if is_adapter(checkpoint.tensors, [shard.path.name for shard in checkpoint.shards]):
        return ADAPTER
    of_optimizer = sum(map(_is_of_optimizer, names))
    if names and of_optimizer == len(names):
        return OPTIMIZER
    if checkpoint.aside or of_optimizer:
        return TRAINING
    if not names:
        return NOTHING
    known = checkpoint.config is not None or _GGUF_FAMILY in checkpoint.metadata
    return MODEL if known else WEIGHTS


def _is_of_optimizer(name: str) -> bool:
    return name.startswith(_OPTIMIZER_STARTS) or name.endswith(_OPTIMIZER_ENDS)


def _family(checkpoint: Checkpoint) -> str | None:
    config = checkpoint.config or {}
    classes = config.get("architectures")
    if isinstance(classes, list) and classes and isinstance(classes[0], str):
        return classes[0]
    for key in _FAMILY_KEYS:
        value = config.get(key)
        if isinstance(value, str) and value:
            return value
    return checkpoint.metadata.get(_GGUF_FAMILY)


def _lacks_tokenizer(checkpoint: Checkpoint) -> bool:
    if checkpoint.folder is None or "vocab_size" not in (checkpoint.config or {}):
        return False
    try:
        here = set(os.listdir(checkpoint.folder))  # noqa: PTH208 - names, not paths
    except OSError:
        return False
    return here.isdisjoint(TOKENIZER_FILES)
