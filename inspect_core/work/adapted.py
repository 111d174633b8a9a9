"""What a listing tells of adapters: small enough to cross to another process at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from inspect_core.structure.branch import Branch, Row

if TYPE_CHECKING:
    from inspect_core.adapters.overlay import Overlay

SAVED = "saved"
"""The method of what an adapter brings whole; see `Target.method`."""

MOST_PARTS = 100
"""Components of a module's name that count; a foreign name may have a million."""


class AdapterNote(NamedTuple):
    """One opened adapter.

    Attributes:
        name: short, safe to show.
        method: `LoRA r=8 alpha=16 on 12 modules`, safe to show.
        params: values that it holds.
        nbytes: of its tensors.
        flags: what its user must know, safe to show.
        uri: its folder; foreign text.
    """

    name: str
    method: str
    params: int
    nbytes: int
    flags: tuple[str, ...]
    uri: str


class TargetNote(NamedTuple):
    """One weight that an adapter changes; see `inspect_core.adapters.overlay.Target`."""

    adapter: int
    module: str
    weight: str
    method: str
    shape: tuple[int, ...]
    rank: int | None
    alpha: float | None
    scaling: float | None
    note: str

    @property
    def made_bytes(self) -> int:
        """Bytes that its change takes in float64 when it is made; none where it cannot be had."""
        if self.note:
            return 0
        total = 8
        for size in self.shape:
            total *= size
        return total

    @property
    def facts(self) -> str:
        """`LoRA r=8 alpha=16 scaling=2`, as far as it is known; safe to show."""
        known = (("r", self.rank), ("alpha", self.alpha), ("scaling", self.scaling))
        return " ".join([self.method, *[f"{name}={n:g}" for name, n in known if n is not None]])


@dataclass(frozen=True)
class AdapterListing:
    """The adapters of an opened model.

    Attributes:
        base: title of what they sit on, safe to show; None without a base.
        adapters: in the order in which they are added.
        targets: every weight that is changed, once for each adapter that changes it.
    """

    base: str | None
    adapters: tuple[AdapterNote, ...]
    targets: tuple[TargetNote, ...]

    @cached_property
    def whole(self) -> frozenset[str]:
        """Names of the tensors that adapters bring whole; a base may lack them."""
        return frozenset([one.weight for one in self.targets if one.method == SAVED])

    @property
    def makes_changes(self) -> bool:
        """Whether what they do to any weight can be had: then their factors count for nothing."""
        return any(not target.note for target in self.targets)

    @cached_property
    def _by_weight(self) -> dict[str, list[TargetNote]]:
        found: dict[str, list[TargetNote]] = {}
        for target in self.targets:
            found.setdefault(target.weight, []).append(target)
        return found

    @cached_property
    def _below(self) -> dict[str, list[TargetNote]]:
        """The targets in every module, those of modules below it too."""
        found: dict[str, list[TargetNote]] = {}
        for target in self.targets:
            for path in _upwards(target.module):
                found.setdefault(path, []).append(target)
            found.setdefault("", []).append(target)
        return found

    def at(self, module: str) -> list[TargetNote]:
        """What changes a weight of a module itself."""
        return [target for target in self._below.get(module, ()) if target.module == module]

    def within(self, row: Row) -> list[TargetNote]:
        """What changes a weight in a row."""
        if isinstance(row, Branch):
            return [target for path in row.paths() for target in self._below.get(path, ())]
        name = row.leaf.name
        weights = (f"{path}.{name}" if path else name for path in row.branch.paths())
        return [target for weight in weights for target in self._by_weight.get(weight, ())]

    def owner(self, row: Row) -> list[TargetNote]:
        """What changes the module that a row of an adapter's own parameters belongs to."""
        return next((found for path in _upwards(row.anchor) if (found := self.at(path))), [])

    def made_bytes_in(self, row: Row) -> int:
        """Bytes of the changes in a row when they are made."""
        made = {target.weight: target.made_bytes for target in self.within(row)}
        return sum(made.values())

    def __getstate__(self) -> dict[str, object]:
        state = dict(self.__dict__)
        for kept in ("_by_weight", "_below", "whole"):
            state.pop(kept, None)
        return state


def _upwards(path: str) -> Iterator[str]:
    """A path and those of the modules that it is in, but for the root."""
    for _ in range(MOST_PARTS):
        if not path:
            return
        yield path
        path = path.rpartition(".")[0]


def adapter_listing(overlay: "Overlay | None") -> AdapterListing | None:
    """What a listing tells of an overlay; None without one."""
    if overlay is None:
        return None
    from inspect_core.opening import spelled

    notes = []
    for side in overlay.adapters:
        tensors = side.checkpoint.tensors.values()
        where = spelled(side.checkpoint.uri)
        notes.append(
            AdapterNote(
                side.name,
                side.method,
                sum(info.numel for info in tensors),
                sum(info.nbytes for info in tensors),
                side.flags,
                where if isinstance(where, str) else " ".join(where),
            )
        )
    targets = [
        TargetNote(
            t.adapter, t.module, t.weight, t.method, t.shape, t.rank, t.alpha, t.scaling, t.note
        )
        for t in overlay.targets
    ]
    base = overlay.base.title if overlay.base is not None else None
    return AdapterListing(base, tuple(notes), tuple(targets))
