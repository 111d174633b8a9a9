"""What LoHa and LoKr change, by shapes and config alone."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from inspect_core.adapters.finding.groups import NO_SCALE, Group, Shape, bad, sizes
from inspect_core.adapters.finding.part_names import LOHA, LOKR
from inspect_core.adapters.overlay import Target
from inspect_core.checkpoint.adapter_config import AdapterConfig
from inspect_core.checkpoint.tensor_info import TensorInfo


def loha(group: Group, config: AdapterConfig, base: TensorInfo | None) -> Target:
    """Two low-rank products, multiplied value by value."""
    parts = group.parts
    if not {"w1_a", "w1_b", "w2_a", "w2_b"} <= parts.keys():
        return bad(group, "some of its four factors are missing")
    w1a, w1b, w2a, w2b = (parts[role].shape for role in ("w1_a", "w1_b", "w2_a", "w2_b"))
    if {len(w1a), len(w1b), len(w2a), len(w2b)} != {2}:
        return bad(group, "its factors are no matrices")
    tucker = "t1" in parts or "t2" in parts
    rank = w1b[0]
    if tucker:
        kernels = [parts[role].shape for role in ("t1", "t2") if role in parts]
        fits = len(kernels) == 2 and all(
            len(one) == 4 and one[:2] == (rank, rank) for one in kernels
        )
        fits = fits and w1a == w2a and w1b == w2b and w1a[0] == rank and kernels[0] == kernels[1]
        shape: Shape = (w1a[1], w1b[1], *kernels[0][2:]) if fits else ()
    else:
        fits = w1a[1] == rank and w2a[1] == w2b[0] and w1a[0] == w2a[0] and w1b[1] == w2b[1]
        shape = (w1a[0], w1b[1])
    if not fits:
        return bad(group, "its factors do not fit each other")
    return _scaled(group, config, LOHA, shape, rank, base)


def lokr(group: Group, config: AdapterConfig, base: TensorInfo | None) -> Target:
    """The Kronecker product of two factors, each whole or in factors itself."""
    parts = group.parts
    left, _ = _half(parts, "w1")
    right, rank = _half(parts, "w2")
    _, other = _half(parts, "w1")
    if not left or not right or len(left) != 2:
        return bad(group, "its factors are missing, or do not fit each other")
    shape: Shape = (left[0] * right[0], left[1] * right[1], *right[2:])
    return _scaled(group, config, LOKR, shape, rank or other, base)


def _half(parts: Mapping[str, TensorInfo], role: str) -> tuple[Shape, int | None]:
    """Shape of one factor of a Kronecker product, and the rank that it is made with."""
    if role in parts:
        shape = parts[role].shape
        return (shape if 2 <= len(shape) <= 4 else ()), None
    if f"{role}_a" not in parts or f"{role}_b" not in parts:
        return (), None
    one, two = parts[f"{role}_a"].shape, parts[f"{role}_b"].shape
    if len(one) != 2 or len(two) != 2:
        return (), None
    kernel = parts.get("t2") if role == "w2" else None
    if kernel is not None:
        fits = len(kernel.shape) == 4 and kernel.shape[:2] == (one[0], two[0])
        return ((one[1], two[1], *kernel.shape[2:]) if fits else ()), one[0]
    return ((one[0], two[1]) if one[1] == two[0] else ()), one[1]


def _scaled(
    group: Group,
    config: AdapterConfig,
    method: str,
    shape: Shape,
    rank: int | None,
    base: TensorInfo | None,
) -> Target:
    """LoHa or LoKr, whose values lie as the weight's own whatever its shape."""
    alpha, scaling = config.alpha_of(group.module), config.scale_of(group.module)
    meant = config.rank_of(group.module)
    target = Target(
        group.adapter, group.module, "", method, group.parts, shape, rank or meant, alpha, scaling
    )
    if base is not None and (not shape or prod(shape) != base.numel or shape[:1] != base.shape[:1]):
        return replace(target, note=f"it makes {sizes(shape)}, the base's is {sizes(base.shape)}")
    return target if scaling is not None else replace(target, note=NO_SCALE)
