"""What a module is to an adapter: which of torch's layers, and its sizes, from types and shapes."""

from collections.abc import Mapping
from dataclasses import dataclass

from inspect_core.pairing.facts import CONV1D, CONV1D_FAMILIES
from inspect_core.plan.outline import Outline

ADAPTABLE = frozenset(
    {"Linear", "Embedding", "Conv1d", "Conv2d", "Conv3d", "Conv1D", "MultiheadAttention"}
)
"""The layers that PEFT's methods know, by class name."""

LINEAR = frozenset({"Linear", "Conv1D"})
"""What `all-linear` takes."""

LISTS = frozenset({"ModuleList", "ModuleDict", "ParameterList", "ParameterDict"})
"""Containers that have no forward pass of their own."""

_DIMENSIONS = {
    "Linear": 2, "Embedding": 2, "Conv1D": 2, "Conv1d": 3, "Conv2d": 4, "Conv3d": 5,
}  # fmt: skip
_BY_DIMENSIONS = {3: "Conv1d", 4: "Conv2d", 5: "Conv3d"}
_TABLES = frozenset(
    {"wte", "wpe", "shared", "relative_attention_bias", "tok_embeddings", "tokens_embed",
     "positions_embed", "class_embedding", "embed_in", "embed_positions", "embed_tokens"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layer:
    """One module as an adapter sees it.

    Attributes:
        kind: one of `ADAPTABLE`; empty where it is none.
        why: why it cannot be adapted; foreign text inside.
        weight: the tensor of its weight.
        inward: input features (rows of an embedding, input channels).
        outward: output features (width of an embedding, output channels).
        kernel: sizes of a convolution's kernel.
        groups: of a convolution.
    """

    kind: str
    why: str = ""
    weight: int = -1
    inward: int = 0
    outward: int = 0
    kernel: tuple[int, ...] = ()
    groups: int = 1


class Layers:
    """What the modules of a listing are.

    Args:
        outline: the listing.
        config: the model's config.json.
    """

    def __init__(self, outline: Outline, config: Mapping[str, object] | None) -> None:
        self._outline = outline
        family = (config or {}).get("model_type")
        self._conv1d = isinstance(family, str) and family in CONV1D_FAMILIES
        self._typed = bool(outline.facts.types)

    def kind(self, module: int) -> str:
        """The torch layer that a module is or descends from; empty where it is none."""
        outline = self._outline
        path = outline.paths[module]
        declared = outline.facts.types.get(path)
        if declared is None:
            return self._guess(module)
        known = outline.facts.bases.get(declared)
        if known is not None:
            return known
        return declared if declared in ADAPTABLE else ""

    def declared(self, module: int) -> str:
        """The class name, or an empty string where nothing tells it; foreign text."""
        return self._outline.facts.types.get(self._outline.paths[module], "")

    def layer(self, module: int) -> Layer:
        """The module with its sizes, or why it cannot be adapted."""
        kind = self.kind(module)
        own = self._outline.own(module)
        if kind == "MultiheadAttention":
            return self._attention(own)
        if not kind:
            return Layer("", self._why(module))
        weight = own.get("weight", self._parametrised(module))
        if weight is None:
            return Layer("", f"its {kind} weight is not stored under that name")
        spec = self._outline.specs[weight]
        shape = spec.shape
        if spec.quantised and (len(shape) != 2 or 1 in shape):
            return Layer("", "its weight is packed, and its sizes are not known here")
        if len(shape) != _DIMENSIONS[kind]:
            return Layer("", f"its weight has {len(shape)} dimensions")
        if kind in ("Embedding", "Conv1D"):
            return Layer(kind, "", weight, shape[0], shape[1])
        if kind == "Linear":
            return Layer(kind, "", weight, shape[1], shape[0])
        groups = self._outline.facts.groups.get(self._outline.paths[module], 1)
        return Layer(kind, "", weight, shape[1] * groups, shape[0], shape[2:], groups)

    def _parametrised(self, module: int) -> int | None:
        """The tensor that has the shape of a weight which a parametrisation makes."""
        outline = self._outline
        home = outline.module_at.get(f"{outline.paths[module]}.parametrizations.weight")
        own = outline.own(home) if home is not None else {}
        return own.get("original1", own.get("original"))

    def _attention(self, own: Mapping[str, int]) -> Layer:
        weight = own.get("in_proj_weight")
        if weight is None:
            return Layer("", "its queries, keys and values differ in size")
        shape = self._outline.specs[weight].shape
        if len(shape) != 2:
            return Layer("", f"its weight has {len(shape)} dimensions")
        return Layer("MultiheadAttention", "", weight, shape[1], shape[0])

    def _why(self, module: int) -> str:
        declared = self.declared(module)
        if declared:
            return f"{declared} is not a layer that can be adapted"
        own = self._outline.own(module)
        if "weight" not in own:
            return "it holds no weight of its own"
        shape = self._outline.specs[own["weight"]].shape
        return f"a weight of {len(shape)} dimensions is no layer that can be adapted"

    def _guess(self, module: int) -> str:
        """By the shape of the weight, and by names that say embedding, where no type is known."""
        outline = self._outline
        own = outline.own(module)
        if "in_proj_weight" in own and f"{outline.paths[module]}.out_proj" in outline.module_at:
            return "MultiheadAttention"
        weight = own.get("weight")
        if weight is None:
            return ""
        dimensions = len(outline.specs[weight].shape)
        if dimensions != 2:
            return _BY_DIMENSIONS.get(dimensions, "")
        name = outline.paths[module].rpartition(".")[2]
        if name in _TABLES or name.endswith(("embedding", "embeddings")):
            return "Embedding"
        return "Conv1D" if self._conv1d and name in CONV1D else "Linear"
