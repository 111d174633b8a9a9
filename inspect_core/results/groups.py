"""A comparison along the layers: one row for each, and one for each tensor outside of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from inspect_core.results.comparison import Comparison, TensorStatus
from inspect_core.results.records import metrics_of
from inspect_core.structure.branch import Branch
from inspect_core.structure.overview import Section, overview


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer, or a tensor outside the layers.

    Attributes:
        name: its path; foreign text.
        metrics: as in `TensorReport`, merged over its tensors that were compared.
        compared: how many those are.
        counts: how many of its tensors have which status.
    """

    name: str
    metrics: dict[str, Any]
    compared: int
    counts: "Counter[TensorStatus]"

    @property
    def tensors(self) -> int:
        """How many tensors it has that were asked for."""
        return self.counts.total()


def layers_of(found: Comparison) -> list[Layer]:
    """The layers in the model's order, then what lies outside of them.

    Layers are what `overview` finds: the members of the outermost numbered siblings. What
    only the reference has is in none of them.
    """
    import numpy as np

    tree = found.tree()
    order = np.frombuffer(tree.order, np.int64) if len(tree.order) else np.empty(0, np.int64)
    table = found.table.reordered(order)
    kept = frozenset(found.kept)
    layers = []
    for section in overview(Branch.root(tree)):
        for name, ordinals in _members(section):
            counts = Counter(found.status(at) for at in order[ordinals].tolist() if at in kept)
            if counts:
                runs = _runs(ordinals)
                metrics = metrics_of(table.summary(runs))
                layers.append(Layer(name, metrics, table.seen_in(runs), counts))
    return layers


def _members(section: Section) -> Iterable[tuple[str, list[int]]]:
    """Path and ordinals of each row to print."""
    if section.columns == ("",):
        for kind, cells in zip(section.kinds, section.cells, strict=True):
            yield kind, sorted(cells[0])
        return
    for at, column in enumerate(section.columns):
        name = f"{section.title}.{column}" if section.title else column
        yield name, sorted([ordinal for cells in section.cells for ordinal in cells[at]])


def _runs(ordinals: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted ordinals as half-open runs."""
    runs: list[tuple[int, int]] = []
    for at in ordinals:
        if runs and runs[-1][1] == at:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs
