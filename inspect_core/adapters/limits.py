"""Adapters alone whose products nobody has the time to look at value by value."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from inspect_core.errors import UsageError

if TYPE_CHECKING:
    from inspect_core.checkpoint.checkpoint import Checkpoint
    from inspect_core.pairing.match import Pair

MOST_VALUES = 1 << 38
"""Values that are made of factors alone; the weights of any model that exists are fewer."""

MOST_OF_ONE = 1 << 33
"""The same of one tensor: embeddings and stacked experts have up to half as many."""


def refuse_endless(sides: Iterable["Checkpoint"], pairs: Iterable["Pair"]) -> None:
    """Refuse to compare products that small files make endless.

    Args:
        sides: what is compared.
        pairs: of their tensors.

    Raises:
        UsageError: adapters without a base make more than `MOST_VALUES`, or `MOST_OF_ONE` in one.
    """
    alone = [side for side in sides if side.overlay is not None and side.overlay.base is None]
    if not alone:
        return
    sizes = [pair.model.numel for pair in pairs]
    count = sum(sizes)
    if count > MOST_VALUES or max(sizes, default=0) > MOST_OF_ONE:
        hint = "choose some with --node"
        raise UsageError(
            f"makes {count:,} values of its factors, more than can be compared",
            where=alone[0].title,
            hint=hint,
        )
