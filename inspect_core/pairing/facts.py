"""What a config or a GGUF file says of how its tensors are laid out: sizes and the family."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property

from inspect_core.checkpoint import Checkpoint
from inspect_core.checkpoint.contents import GGUF
from inspect_core.checkpoint.tensor_info import TensorInfo

MOST = 1 << 24
"""A size beyond this is a mistake, or meant to be one."""

CONV1D = frozenset({"c_attn", "c_proj", "c_fc", "q_attn"})
"""Modules that GPT-2 has as `Conv1D`, which stores `[in, out]`, and others as `Linear`."""

CONV1D_FAMILIES = frozenset({"gpt2", "openai-gpt", "imagegpt", "decision_transformer"})
"""Families that have them as `Conv1D`."""

_INNER = ("text_config", "llm_config", "language_config")


@dataclass(frozen=True, eq=False)
class Facts:
    """Facts of one checkpoint; None or empty where nothing says so.

    Attributes:
        tensors: its tensors.
        config: its config.json.
        metadata: the files' own key-value metadata.
        gguf: whether it is a GGUF file.
    """

    tensors: Mapping[str, TensorInfo]
    config: Mapping[str, object]
    metadata: Mapping[str, str]
    gguf: bool = False

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Facts":
        """The facts of a checkpoint."""
        config = checkpoint.config or {}
        gguf = checkpoint.format == GGUF
        return cls(checkpoint.tensors, config, checkpoint.metadata, gguf)

    @cached_property
    def family(self) -> str:
        """`model_type`, or the architecture of a GGUF file."""
        if self.gguf:
            return self.metadata.get("general.architecture", "")
        kind = self.config.get("model_type")
        return kind if isinstance(kind, str) else ""

    @cached_property
    def layers(self) -> int | None:
        """How many layers it has."""
        return self._size("num_hidden_layers", "n_layer", "num_layers", gguf="block_count")

    @cached_property
    def heads(self) -> int | None:
        """How many attention heads it has."""
        return self._size("num_attention_heads", "n_head", "num_heads", gguf="attention.head_count")

    @cached_property
    def key_heads(self) -> int | None:
        """How many heads of keys and of values."""
        if self.one_key_head:
            return 1
        found = self._size(
            "num_key_value_heads", "num_kv_heads", "n_head_kv", gguf="attention.head_count_kv"
        )
        return found or self.heads

    @cached_property
    def head_size(self) -> int | None:
        """Rows of the query projection that one head has."""
        found = self._size("head_dim", gguf="attention.key_length")
        if found or not self.heads:
            return found
        width = self.width
        return width // self.heads if width and width % self.heads == 0 else None

    @cached_property
    def width(self) -> int | None:
        """Size of the vectors between its layers."""
        return self._size("hidden_size", "n_embd", "d_model", gguf="embedding_length")

    @cached_property
    def conv1d(self) -> bool | None:
        """Whether modules of `CONV1D` are stored `[in, out]`; None where nothing tells.

        A witness is a `c_attn`, whose longer side holds queries, keys and values. All of them
        must agree, and with the config's family.
        """
        if self.gguf:
            return False
        said = {inward for shown in self._witnesses.values() for inward, _ in shown}
        if self.family in CONV1D_FAMILIES:
            return None if False in said else True
        return said.pop() if len(said) == 1 else None

    @property
    def contradicted(self) -> bool:
        """Whether witnesses speak against each other, or against the config."""
        return self.conv1d is None and bool(self._witnesses)

    def inward(self, info: TensorInfo) -> bool | None:
        """Whether the weight of one of those modules is; None where nothing tells.

        Of a square one only the config or a witness of its own block tells: its shape is the
        same either way.
        """
        square = info.shape[0] == info.shape[-1]
        told = self.gguf or self.family in CONV1D_FAMILIES or _block(info.name) in self._witnesses
        return self.conv1d if told or not square else None

    def shown_inward(self, info: TensorInfo) -> bool | None:
        """What the one witness of a square weight's own block and size says; None without."""
        shown = self._witnesses.get(_block(info.name), frozenset())
        return next((way for way in (False, True) if shown == {(way, info.shape[0])}), None)

    @cached_property
    def _witnesses(self) -> Mapping[str, Set[tuple[bool, int]]]:
        """Blocks with a `c_attn`: whether it is stored `[in, out]`, and how wide the block is."""
        found: dict[str, set[tuple[bool, int]]] = {}
        for name, info in self.tensors.items():
            if name.endswith(".c_attn.weight") and len(info.shape) == 2 and (at := _block(name)):
                first, second = info.shape
                if first == 3 * second or second == 3 * first:
                    found.setdefault(at, set()).add((second > first, min(first, second)))
        return found

    @property
    def one_key_head(self) -> bool:
        """Whether all heads share one head of keys, stored after the queries (the first Falcon)."""
        return self.flag("multi_query") and not self.flag("new_decoder_architecture")

    def flag(self, key: str) -> bool:
        """A yes or no of the config."""
        return self._inner.get(key, self.config.get(key)) is True

    @cached_property
    def _inner(self) -> Mapping[str, object]:
        """The language model's part of the config."""
        for key in _INNER:
            inner = self.config.get(key)
            if isinstance(inner, dict):
                return inner
        return self.config

    def _size(self, *keys: str, gguf: str = "") -> int | None:
        if self.gguf:
            text = self.metadata.get(f"{self.family}.{gguf}", "") if gguf else ""
            value: object = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        else:
            value = next((self._inner[key] for key in keys if key in self._inner), None)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MOST:
            return None
        return value


def _block(name: str) -> str:
    """The block of a module's weight: `h.0` of `h.0.attn.c_proj.weight`."""
    parts = name.rsplit(".", 3)
    return parts[0] if len(parts) == 4 else ""
