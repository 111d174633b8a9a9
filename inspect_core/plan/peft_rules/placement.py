"""Which parameters a method adds to a module: their names, shapes and order, as PEFT has them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from inspect_core.plan.peft_rules.kinds_of_layer import Layer
from inspect_core.plan.plan import Method

Shape = tuple[int, ...]

ADAPTER_NAME = "default"
"""What PEFT calls an adapter that nobody names."""

NAMED = "\0"
"""Stands for the adapter's name in a tail: live names have it, stored ones do not."""


@dataclass(frozen=True, slots=True)
class Made:
    """A parameter that a method adds.

    Attributes:
        tail: its name after the module's, `NAMED` where a live model has the adapter's name.
        shape: its sizes.
    """

    tail: str
    shape: Shape

    @property
    def stored(self) -> str:
        """The tail as an adapter's file has it."""
        return self.tail.replace(f".{NAMED}", "")

    @property
    def live(self) -> str:
        """The tail as a model in memory has it."""
        return self.tail.replace(NAMED, ADAPTER_NAME)


def added_by(layer: Layer, method: Method, rank: int, feedforward: bool) -> tuple[Made, ...]:
    """What a method adds to a layer, in PEFT's order; the same objects for layers alike.

    Args:
        layer: one that the method can be put on.
        method: see `Place`.
        rank: of LoRA and DoRA.
        feedforward: whether IA3 scales its inputs.
    """
    sizes = (layer.kind, layer.inward, layer.outward, layer.kernel, layer.groups)
    return _added(*sizes, method, rank, feedforward)


@lru_cache(maxsize=4096)
def _added(
    kind: str, inward: int, outward: int, kernel: Shape, groups: int,
    method: Method, rank: int, feedforward: bool,
) -> tuple[Made, ...]:  # fmt: skip
    layer = Layer(kind, "", -1, inward, outward, kernel, groups)
    if method == "ia3":
        return tuple(ia3(layer, feedforward))
    return tuple(lora(layer, rank, method == "dora"))


def lora(layer: Layer, rank: int, magnitude: bool) -> Iterator[Made]:
    """What LoRA adds to a layer; with `magnitude` DoRA.

    A is `(r, in)` and B `(out, r)`, kernels after them for convolutions; the magnitude is one
    number for each output, as `(1, out, 1, ...)` for convolutions.
    """
    if layer.kind == "Embedding":
        yield Made(f"lora_embedding_A.{NAMED}", (rank, layer.inward))
        yield Made(f"lora_embedding_B.{NAMED}", (layer.outward, rank))
        if magnitude:
            yield Made(f"lora_magnitude_vector.{NAMED}.weight", (layer.outward,))
        return
    ones = (1,) * len(layer.kernel)
    yield Made(f"lora_A.{NAMED}.weight", (rank, layer.inward, *layer.kernel))
    yield Made(f"lora_B.{NAMED}.weight", (layer.outward, rank // layer.groups, *ones))
    if magnitude:
        shape = (1, layer.outward, *ones) if ones else (layer.outward,)
        yield Made(f"lora_magnitude_vector.{NAMED}.weight", shape)


def lora_on_parameter(shape: Shape, rank: int) -> Iterator[Made]:
    """What LoRA adds to a parameter itself: of experts `(experts, out, in)`, or `(out, in)`."""
    experts, outward, inward = shape if len(shape) == 3 else (1, *shape)
    yield Made(f"lora_A.{NAMED}.weight", (rank * experts, inward))
    yield Made(f"lora_B.{NAMED}.weight", (outward, rank * experts))


def ia3(layer: Layer, feedforward: bool) -> Iterator[Made]:
    """What IA3 adds to a layer: a factor for each input of a feed-forward one, else each output."""
    size = layer.inward if feedforward else layer.outward
    ones = (1,) * len(layer.kernel)
    if layer.kernel:
        yield Made(f"ia3_l.{NAMED}", (1, size, *ones))
    else:
        yield Made(f"ia3_l.{NAMED}", (1, size) if feedforward else (size, 1))


def refusal(layer: Layer, method: str, rank: int) -> str:
    """Why a method cannot be put on a layer; empty where it can. Foreign text inside."""
    if not layer.kind:
        return layer.why
    if method == "ia3" and layer.kind in ("Embedding", "Conv1d", "MultiheadAttention"):
        return f"IA3 does not adapt {layer.kind}"
    if method == "dora" and layer.kind == "MultiheadAttention":
        return "DoRA does not adapt MultiheadAttention"
    if method != "ia3" and layer.kernel and rank % layer.groups:
        return f"its {layer.groups} groups do not divide the rank {rank}"
    return ""
