"""A comparison in groups: by tensor, by layer, by parameter kind, by type."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from inspect_core.delta.summary import COUNTS, Summary
from inspect_core.delta.table import place
from inspect_core.results.comparison import Comparison, TensorStatus
from inspect_core.structure.kinds import REPEATED
from inspect_core.structure.patterns import NUMBER

if TYPE_CHECKING:
    from inspect_core.structure.overview import Section

By = Literal["tensor", "layer", "kind", "type"]
GROUPINGS: tuple[By, ...] = get_args(By)
"""What can be a group."""

_CHANGED, _LEFT_OUT = COUNTS.index("changed"), COUNTS.index("left_out")


class Group:
    """Some of the tensors that were asked for, and what changed in them.

    Attributes:
        name: of the tensor, layer, kind or type; foreign text.
        indices: the matches of the comparison it holds, ascending.
    """

    def __init__(self, comparison: Comparison, name: str, indices: Sequence[int]) -> None:
        self.name = name
        self.indices = indices
        self._comparison = comparison

    @cached_property
    def counts(self) -> "Counter[TensorStatus]":
        """How many of its tensors have which status."""
        return Counter(map(self._comparison.status, self.indices))

    @cached_property
    def summary(self) -> Summary:
        """The sums of its tensors that were compared, merged.

        Indices and masks are left out unless there is nothing else; see `SummaryTable.summary`.
        """
        table = self._comparison.table
        if len(self.indices) == 1:
            return table.row(self.indices[0]) or Summary()
        return table.summary(place(_runs(self.indices)))

    @property
    def tensors(self) -> int:
        """How many tensors it has."""
        return len(self.indices)

    @property
    def compared(self) -> int:
        """How many of them were compared."""
        counts = self.counts
        return counts["changed"] + counts["rounded"] + counts["identical"]

    @property
    def changed_with_nonfinite(self) -> bool:
        """Whether a tensor of it changed and has values that are NaN or infinite."""
        counts = self._comparison.table.counts[:, list(self.indices)]
        return bool(((counts[_CHANGED] > 0) & (counts[_LEFT_OUT] > 0)).any())

    @property
    def status(self) -> TensorStatus | None:
        """The status of all its tensors; `changed` where one is; else None where they differ.

        Tensors of which some are identical and the others equal up to rounding are `rounded`.
        """
        found = set(self.counts)
        if "changed" in found:
            return "changed"
        if found == {"identical", "rounded"}:
            return "rounded"
        return next(iter(found)) if len(found) == 1 else None


def groups_of(comparison: Comparison, by: By) -> list[Group]:
    """The groups that have a tensor that was asked for, in the model's order.

    `tensor` has one for each. `layer` has what `overview` finds (the members of the outermost
    numbered siblings), then each tensor outside of the layers; `kind` has a parameter over all
    layers, `layers.{n}.mlp.up.weight` (a pattern that fits just these), and these tensors. What
    only the reference has is in none of these two. `type` is by `similarity.type_of`, over all
    tensors.
    """
    if by == "tensor":
        return [Group(comparison, comparison.matches[at].name, (at,)) for at in comparison.kept]
    if by == "type":
        from inspect_core.results.similarity import indices_by_type

        return [Group(comparison, n, at) for n, at in indices_by_type(comparison).items() if at]
    from inspect_core.structure.branch import Branch
    from inspect_core.structure.overview import overview

    tree = comparison.tree()
    kept = frozenset(comparison.kept)
    rows = _layers if by == "layer" else _kinds
    groups = []
    for section in overview(Branch.root(tree)):
        for name, ordinals in rows(section):
            indices = sorted([at for ordinal in ordinals if (at := tree.order[ordinal]) in kept])
            if indices:
                groups.append(Group(comparison, name, indices))
    return groups


def _layers(section: "Section") -> Iterator[tuple[str, Iterable[int]]]:
    """Path and ordinals of each layer."""
    if section.columns == ("",):
        yield from _kinds(section)
        return
    for at in range(len(section.columns)):
        yield section.paths[at], [ordinal for cells in section.cells for ordinal in cells[at]]


def _kinds(section: "Section") -> Iterator[tuple[str, Iterable[int]]]:
    """Name and ordinals of each kind."""
    for kind, cells in zip(section.kinds, section.cells, strict=True):
        parts = f"{section.stem}{kind}".split(".")
        name = ".".join([NUMBER if part == REPEATED else part for part in parts])
        yield name, [ordinal for cell in cells for ordinal in cell]


def _runs(ascending: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as half-open runs."""
    runs: list[tuple[int, int]] = []
    for at in ascending:
        if runs and runs[-1][1] == at:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs
