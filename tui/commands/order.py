"""The order of the rows of a difference."""

import re
from collections.abc import Iterable
from typing import TypeVar

from inspect_core.results.groups import Layer
from inspect_core.results.records import TensorReport

Item = TypeVar("Item", TensorReport, Layer)


def in_order(items: Iterable[Item], sort: str | None) -> list[Item]:
    """Tensors or layers by `change` (the most first), by `name`, or as they come for None."""
    if sort == "name":
        return sorted(items, key=lambda item: _natural(item.name))
    return sorted(items, key=_change) if sort == "change" else list(items)


def _change(item: TensorReport | Layer) -> tuple[int, float]:
    """What moved away from zero, what moved by relative L2, what has no number, what is equal."""
    if isinstance(item, Layer):
        changed = item.counts["changed"] > 0
        identical = item.counts["identical"] == item.tensors
        rel_l2 = item.metrics["rel_l2"]
    else:
        changed, identical = item.status == "changed", item.status == "identical"
        rel_l2 = item.rel_l2
    if not changed:
        return (3 if identical else 2), 0.0
    return (0, 0.0) if rel_l2 is None else (1, -rel_l2)


def _natural(name: str) -> list[str | tuple[int, str]]:
    """A key that puts layer 2 before layer 10, without making numbers of a stranger's digits."""
    parts = re.split("([0-9]+)", name)
    return [(len(p.lstrip("0")), p) if at % 2 else p for at, p in enumerate(parts)]
