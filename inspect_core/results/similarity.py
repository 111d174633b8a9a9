"""How similar two models are by type of weight: norms and others, weights and biases.

The published table (eval_vl_glue, weight_similarity.ipynb) averages over tensors, so that a bias
counts as much as an embedding; weighted by size, each value counts the same. Both are given.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from inspect_core.delta.summary import Summary
from inspect_core.results.comparison import Comparison

WeightType = Literal["norm bias", "norm weight", "other bias", "other weight", "neither", "integer"]
"""The published types, what is none of them, and integers and masks."""

UNIONS: dict[str, tuple[WeightType, ...]] = {
    "all bias": ("norm bias", "other bias"),
    "all weight": ("norm weight", "other weight"),
}
"""The types that are made of others."""

TYPES: tuple[str, ...] = (
    "norm bias", "norm weight", "other bias", "other weight", *UNIONS,
    "neither", "integer",
)  # fmt: skip
"""All rows of the table, in the published order."""

PUBLISHED = {
    "norm bias": "layer_norm_bias",
    "norm weight": "layer_norm_weight",
    "other bias": "normal_bias",
    "other weight": "normal_weight",
    "all bias": "all_bias",
    "all weight": "all_weight",
}
"""What the types are called in the published table."""

_NORMS = ("norm", "ln", "bn", "gn")
"""How the words of a norm's name end; `norm` on its own, or with something in front."""

_RENAMED = {"gamma": "weight", "beta": "bias"}


@dataclass(frozen=True, slots=True)
class Averages:
    """Averages over the tensors of a type; None where there is nothing to average.

    Attributes:
        model: mean |value| of the model.
        reference: mean |value| of the reference.
        delta: mean |d|.
        cosine: of model and reference, over the tensors where it is defined.
    """

    model: float | None
    reference: float | None
    delta: float | None
    cosine: float | None


@dataclass(frozen=True, slots=True)
class TypeSimilarity:
    """A row of the table.

    Attributes:
        type: one of `TYPES`.
        tensors: how many of this type were asked for, compared or not.
        compared: how many were compared: the published n.
        numel: their values.
        undefined: of how many the cosine is undefined, and left out: one side is zero.
        by_tensor: each tensor counts the same, as published.
        by_size: each value counts the same; a cosine by the size of its tensor.
    """

    type: str
    tensors: int
    compared: int
    numel: int
    undefined: int
    by_tensor: Averages
    by_size: Averages


def similarity(comparison: Comparison, original: bool = False) -> list[TypeSimilarity]:
    """The table, a row for each of `TYPES`; `neither` and `integer` only where there are any.

    Args:
        comparison: what was found.
        original: count as the published code does: norms are those called `LayerNorm`, weights
            and biases what is named so, and the mean of nothing is 0. What the code gets wrong
            (`gamma` and buffers counted under the type before them, zero tensors that make an
            average NaN, shapes that broadcast) is right here, too.
    """
    groups = indices_by_type(comparison, original)
    found = {at: comparison.summary(at) for at in comparison.kept}
    rows = []
    for name in TYPES:
        indices = groups.get(name, [])
        if indices or name not in ("neither", "integer"):
            summaries = [summary for at in indices if (summary := found[at]) is not None]
            rows.append(_row(name, len(indices), summaries, 0.0 if original else None))
    return rows


def indices_by_type(comparison: Comparison, original: bool = False) -> dict[str, list[int]]:
    """The matches that were asked for by type, ascending, each type of `TYPES` with its own."""
    infos = [match.model or match.reference for match in comparison.matches]
    find = type_finder([(info.name, info.shape) for info in infos if info is not None], original)
    groups: dict[str, list[int]] = {name: [] for name in TYPES}
    for at in comparison.kept:
        info = infos[at]
        assert info is not None
        groups[find(info.name, info.shape, info.dtype)].append(at)
    for union, parts in UNIONS.items():
        groups[union] = sorted(chain.from_iterable(groups[part] for part in parts))
    return groups


def type_finder(
    tensors: Iterable[tuple[str, Sequence[int]]], original: bool = False
) -> Callable[[str, Sequence[int], str], WeightType]:
    """What finds the type of a tensor from its name, shape and dtype.

    `gamma` and `beta` are the weight and the bias of a norm: as last component alone, and where
    both are there or their module is named as a norm (a LayerScale's `gamma` is neither). A
    norm is named so, or its weight has one dimension: a BatchNorm within a Sequential has only
    a number for a name. What is not named a weight or a bias is a weight where it has two
    dimensions or more, as fused experts have.

    Args:
        tensors: names and shapes of all tensors of the model.
        original: see `similarity`.
    """
    shapes = dict(tensors)

    def find(name: str, shape: Sequence[int], dtype: str) -> WeightType:
        if not _is_float(dtype):
            return "integer"
        module, _, leaf = name.rpartition(".")
        norm = _is_norm(module)
        if leaf in _RENAMED and (norm or all(f"{module}.{old}" in shapes for old in _RENAMED)):
            leaf, norm = _RENAMED[leaf], True
        if original:
            norm = module.rpartition(".")[2] == "LayerNorm"
        is_bias = leaf == "bias" or (not original and _is_named(leaf, "bias"))
        is_weight = leaf == "weight" or (not original and _is_named(leaf, "weight"))
        if not (is_bias or is_weight):
            return "other weight" if len(shape) >= 2 and not original else "neither"
        if not norm and not original and leaf in ("weight", "bias"):
            weight = shapes.get(f"{module}.weight")
            norm = weight is not None and len(weight) == 1 and weight[0] > 1
        if is_bias:
            return "norm bias" if norm else "other bias"
        return "norm weight" if norm else "other weight"

    return find


def _is_float(dtype: str) -> bool:
    """Whether a dtype is of measured values: floats, and the quantised blocks of GGUF."""
    return not (dtype == "BOOL" or (dtype[:1] in "IU" and dtype[1:].isdecimal()))


def _is_norm(module: str) -> bool:
    """Whether the last component of a path names a norm: `ln_1`, `input_layernorm`, `norm2`."""
    words = module.rpartition(".")[2].lower().split("_")
    return any(word.rstrip("0123456789").endswith("norm") for word in words) or any(
        word.rstrip("0123456789") in _NORMS for word in words
    )


def _is_named(leaf: str, what: str) -> bool:
    """Whether one word of a name is this one: `weight_ih_l0`, `q_bias`."""
    return what in leaf.split("_")


def _row(
    name: str, tensors: int, found: Sequence[Summary], nothing: float | None
) -> TypeSimilarity:
    cosines = [(cosine, s.compared) for s in found if (cosine := s.cosine) is not None]
    # A tensor without a finite position has no mean, and none is made up for it.
    finite = [s for s in found if s.compared]
    return TypeSimilarity(
        type=name,
        tensors=tensors,
        compared=len(found),
        numel=sum([s.numel for s in found]),
        undefined=len(found) - len(cosines),
        by_tensor=_averages(finite, cosines, lambda size: 1, nothing),
        by_size=_averages(finite, cosines, lambda size: size, nothing),
    )


def _averages(
    found: Sequence[Summary],
    cosines: Sequence[tuple[float, int]],
    weight: Callable[[int], int],
    nothing: float | None,
) -> Averages:
    def mean(values: Iterable[tuple[float, int]]) -> float | None:
        weighted = [(value, weight(size)) for value, size in values]
        total = sum([size for _, size in weighted])
        if not total:
            return nothing
        value = sum([value * size for value, size in weighted]) / total
        return value if math.isfinite(value) else None

    return Averages(
        model=mean([(s.abs_model / s.compared, s.compared) for s in found]),
        reference=mean([(s.abs_reference / s.compared, s.compared) for s in found]),
        delta=mean([(s.abs_d / s.compared, s.compared) for s in found]),
        cosine=mean(cosines),
    )
