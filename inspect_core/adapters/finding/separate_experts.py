"""Factors of all experts in one parameter, on a base whose files hold each expert by itself.

The library puts such experts together when it loads them: the rows of `gate_proj` and then those
of `up_proj` are `gate_up_proj`. An adapter's `target_parameters` are of the parameters in memory.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from inspect_core.adapters.finding.part_names import LORA
from inspect_core.adapters.overlay import ExpertPart
from inspect_core.adapters.side import Side
from inspect_core.checkpoint.tensor_info import TensorInfo

MOST_EXPERTS = 4096
"""Experts of one layer; published models have up to 2,048."""

MOST_WANTED = 400_000
"""Modules of experts that one adapter is taken to mean; published models have up to 50,000."""

_GATE, _UP, _DOWN = "gate_proj", "up_proj", "down_proj"

Find = Callable[[str], str | None]


class Separate(NamedTuple):
    """One expert's weight, and which part of the factors changes it.

    Attributes:
        weight: its full name in the base.
        info: the weight.
        part: its part of the product.
    """

    weight: str
    info: TensorInfo
    part: ExpertPart


def experts_wanted(side: Side) -> Iterator[str]:
    """Modules of separate experts that an adapter's `target_parameters` may be meant for."""
    config = side.config
    if config is None or not config.target_parameters:
        return iter(())
    counts: dict[str, int] = {}
    for name, part in side.parts.items():
        if (part.method, part.role) == (LORA, "A"):
            count = _count(side.checkpoint.tensors[name], config.rank_of(part.module))
            counts[part.module] = max(count, counts.get(part.module, 0))
    names = (
        f"{module}.{expert}.{leaf}"
        for module, count in counts.items()
        for expert in range(count)
        for leaf in (_GATE, _UP, _DOWN)
    )
    return islice(names, MOST_WANTED)


def separate_experts(
    module: str,
    parts: Mapping[str, TensorInfo],
    rank: int | None,
    find: Find,
    tensors: Mapping[str, TensorInfo],
) -> list[Separate]:
    """The weights of single experts that factors change; nothing unless all of them fit.

    Args:
        module: the module of all experts, as the adapter spells it.
        parts: the factors.
        rank: r of one expert.
        find: finds a module in the base.
        tensors: the base's.
    """
    a, b = parts.get("A"), parts.get("B")
    if a is None or b is None or len(a.shape) != 2 or len(b.shape) != 2:
        return []
    count = _count(a, rank)
    if not count or b.shape[1] != a.shape[0]:
        return []
    for leaves in ((_GATE, _UP), (_DOWN,)):
        found = list(_found(module, count, leaves, find, tensors))
        fits = len(found) == count * len(leaves) and all(
            one.info.shape == (b.shape[0] // len(leaves), a.shape[1]) for one in found
        )
        if fits and b.shape[0] % len(leaves) == 0:
            return found
    return []


def _found(
    module: str,
    count: int,
    leaves: tuple[str, ...],
    find: Find,
    tensors: Mapping[str, TensorInfo],
) -> Iterator[Separate]:
    for expert in range(count):
        first = 0
        for leaf in leaves:
            own = find(f"{module}.{expert}.{leaf}")
            info = None if own is None else tensors.get(f"{own}.weight")
            if info is None or len(info.shape) != 2:
                return
            last = first + info.shape[0]
            yield Separate(info.name, info, ExpertPart(expert, count, first, last))
            first = last


def _count(a: TensorInfo, rank: int | None) -> int:
    if not rank or not a.numel or not a.shape or a.shape[0] % rank:
        return 0
    count = a.shape[0] // rank
    return count if count <= MOST_EXPERTS else 0
