"""The job that puts a model's tree under the names that all architectures have in common."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from inspect_core.checkpoint.strict_json import collector_paused
from inspect_core.work.jobs import Context, Job

if TYPE_CHECKING:
    from inspect_core.structure.common import CommonNames
    from inspect_core.structure.tree import ModuleTree
    from inspect_core.work.adapted import AdapterListing


class CommonListing(NamedTuple):
    """What of a listing is another under common names.

    Attributes:
        tree: the tree; its tensors have the same indices in the listing.
        adapted: the adapters on it, at their places there; None without any.
        told: how many names were known, for people.
        own: indices of the tensors that no table knows.
    """

    tree: "ModuleTree"
    adapted: "AdapterListing | None"
    told: str
    own: frozenset[int]


@dataclass(frozen=True)
class FindCommonNames(Job[CommonListing]):
    """Build a tree again under common names.

    Attributes:
        tree: the tree as the model has it.
        adapted: the adapters on it.
    """

    tree: "ModuleTree"
    adapted: "AdapterListing | None" = None

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "finding common names"

    @collector_paused()
    def run(self, context: Context) -> CommonListing:
        """See `Job.run`."""
        from inspect_core.structure.common import common_tree

        tree, names = common_tree(self.tree)
        adapted = None if self.adapted is None else _renamed(self.adapted, names)
        return CommonListing(tree, adapted, names.told, frozenset(_own(self.tree, names)))


def _own(tree: "ModuleTree", names: "CommonNames") -> Iterator[int]:
    """The tensors whose names are their own, by index in the listing."""
    unknown = {name for name, own in zip(names.names, names.own, strict=True) if own}
    if unknown:
        for path, module, first in tree.root.walk():
            prefix = f"{path}." if path else ""
            for leaf, offset in zip(module.leaves, module.leaf_offsets, strict=True):
                if leaf.spec.stored and prefix + leaf.name in unknown:
                    yield tree.order[first + offset]


def _renamed(adapted: "AdapterListing", names: "CommonNames") -> "AdapterListing":
    """The adapters with the paths of the view."""
    found = names.items()
    targets = []
    for target in adapted.targets:
        weight, _ = found.get(target.weight, (target.weight, True))
        # A weight that is not there itself is remembered by its module alone.
        module = weight.rpartition(".")[0] if target.weight in found else target.module
        targets.append(target._replace(module=module, weight=weight))
    return replace(adapted, targets=tuple(targets))
