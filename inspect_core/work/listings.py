"""What opening a model or a reference tells: columns that cross to another process at once."""

import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from inspect_core.opening import Live, Uri

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.checkpoint.byte_source import Stamp
    from inspect_core.checkpoint.contents import Aside
    from inspect_core.pairing import LayerMap, Match
    from inspect_core.structure.build import ModuleFacts
    from inspect_core.structure.tree import LeafSpec, ModuleTree
    from inspect_core.work.adapted import AdapterListing
    from inspect_core.work.saved import SavedPair

__all__ = ["Listing", "Opened", "PairListing", "Source", "Uri", "listing_of"]


@dataclass(frozen=True)
class Opened:
    """A checkpoint as it was when it was listed; jobs refuse another one in its place.

    Attributes:
        uri: what was opened.
        identity: its files and their states then (`Checkpoint.identity`).
        generation: how many times the user had asked to reload it then.
        layer_map: of a reference, what the user says of the model's names in it.
    """

    uri: Uri
    identity: tuple[object, ...]
    generation: int = 0
    layer_map: "LayerMap | None" = None

    @property
    def replaced(self) -> bool:
        """Whether a file is gone or another one is in its place; asks the file system.

        Of a live model, whether it was changed in place.
        """
        if isinstance(self.uri, Live):
            from inspect_core.live.registry import is_changed

            return is_changed(self.uri, self.identity)
        return any(_is_replaced(*file) for file in self.identity)  # type: ignore[misc]


def _is_replaced(path: str, stamp: "Stamp") -> bool:
    from inspect_core.checkpoint.byte_source import Stamp

    try:
        now = os.stat(path)  # noqa: PTH116 - may be many, while somebody waits
    except OSError:
        return True
    return Stamp.of(now) != stamp


Source = Uri | Opened
"""A checkpoint as it is now, or as it was when it was listed."""


@dataclass(frozen=True)
class Listing:
    """What opening a model tells: no tensor has been read.

    Attributes:
        uri: what was opened.
        title: a short name for people; foreign text.
        names: full tensor names, in the order of the files.
        tree: the module tree over them.
        nbytes: bytes of all tensors.
        files: number of files; 0 of a live model.
        metadata: the files' own key-value metadata; foreign text.
        has_config: whether a config.json lies beside the files, so that types can be found;
            a live model has told them already.
        warnings: lines to show.
        format: of the files, e.g. `safetensors`.
        aside: what is in the files and not of the model.
        note: where the module types come from, or why there are none.
        identity: the files and their states.
        generation: see `Opened`.
        saved: what a saved result knows more; None for a model that is here.
        adapted: the adapters on it, or that it is; None without any.
        deltas: indices of the tensors that are an adapter's own and no model's, as factors are.
        notes: what is good to know and nothing to warn of, safe to show.
    """

    uri: Uri
    title: str
    names: list[str]
    tree: "ModuleTree"
    nbytes: int
    files: int
    metadata: dict[str, str]
    has_config: bool
    warnings: tuple[str, ...]
    format: str = ""
    aside: "tuple[Aside, ...]" = ()
    note: str = ""
    identity: tuple[object, ...] = ()
    generation: int = 0
    saved: "SavedPair | None" = None
    adapted: "AdapterListing | None" = None
    deltas: "array[int]" = field(default_factory=lambda: array("q"))
    notes: tuple[str, ...] = ()

    @property
    def opened(self) -> Opened:
        """What further jobs should open."""
        return Opened(self.uri, self.identity, self.generation)


def listing_of(
    checkpoint: "Checkpoint",
    facts: "ModuleFacts | None" = None,
    note: str = "",
    bare_modules: bool = False,
) -> Listing:
    """The listing of an opened checkpoint."""
    from inspect_core.structure.build import NO_FACTS, build_tree, storage_bytes
    from inspect_core.structure.tree import LeafSpec
    from inspect_core.work.adapted import adapter_listing

    names = list(checkpoint.tensors)
    overlay = checkpoint.overlay
    shown = overlay.specs if overlay is not None else {}
    facts = facts or NO_FACTS
    if overlay is not None and overlay.types:
        facts = replace(facts, remarks=overlay.types)
    made: dict[tuple[str, tuple[int, ...]], LeafSpec] = {}
    specs = []
    nbytes = 0
    for name, info in checkpoint.tensors.items():
        spec = shown.get(name)
        if spec is None:
            key = (info.dtype, info.shape)
            spec = made.get(key)
            if spec is None:
                spec = made[key] = LeafSpec(info.dtype, info.shape)
            nbytes += info.nbytes
        elif not spec.computed:  # what is made when it is read takes the bytes of its base
            nbytes += storage_bytes(spec.dtype, spec.numel)
        specs.append(spec)
    structure = checkpoint.structure
    if structure is not None:
        specs = list(structure.specs)[: len(names)]
        tree = build_tree(*structure, bare_modules)
    else:
        tree = build_tree(names, specs, facts, bare_modules)
    return Listing(
        uri=checkpoint.uri,
        title=checkpoint.title,
        names=names,
        tree=tree,
        nbytes=nbytes,
        files=len(checkpoint.identity) if structure is None else 0,
        metadata=checkpoint.metadata,
        has_config=checkpoint.config is not None and structure is None,
        warnings=checkpoint.warnings,
        format=checkpoint.format,
        aside=checkpoint.aside,
        note=note,
        notes=checkpoint.notes,
        identity=checkpoint.identity,
        adapted=adapter_listing(checkpoint.overlay),
        deltas=_deltas(checkpoint, names, specs) if tree.root.totals.delta else array("q"),
    )


def _deltas(
    checkpoint: "Checkpoint", names: "Sequence[str]", specs: "Sequence[LeafSpec]"
) -> "array[int]":
    """See `Listing.deltas`; what an adapter brings whole is the model's."""
    overlay = checkpoint.overlay
    whole = {target.weight for target in overlay.targets} if overlay is not None else ()
    own = [at for at, spec in enumerate(specs) if spec.delta and names[at] not in whole]
    return array("q", own)


class Named(Protocol):
    """A checkpoint, as far as a list of its tensors speaks of it."""

    @property
    def title(self) -> str:
        """See `Checkpoint`."""
        ...

    @property
    def uri(self) -> Uri:
        """See `Checkpoint`."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `Checkpoint`."""
        ...

    @property
    def identity(self) -> tuple[object, ...]:
        """See `Checkpoint`."""
        ...


@dataclass(frozen=True)
class PairListing:
    """Which tensor of the reference answers which of the model, as columns.

    Attributes:
        title: the reference's short name; foreign text.
        uri: the reference.
        statuses: the distinct `Match.status`.
        status: for each tensor of the model, in listing order, an index into `statuses`.
        reasons: the distinct reasons, for people; foreign text inside.
        reason: for each tensor an index into `reasons`.
        renamed: tensor -> its partner's name, where that is not its own.
        removed: names that only the reference has.
        warnings: the reference's own warnings.
        identity: the reference's files and their states.
        generation: see `Opened`.
        rules: how many partners each rule of pairing found; foreign text inside.
        layer_map: what the user said of the names.
    """

    title: str
    uri: Uri
    statuses: list[str]
    status: bytes
    reasons: list[str]
    reason: "array[int]"
    renamed: dict[int, str]
    removed: list[str]
    warnings: tuple[str, ...]
    identity: tuple[object, ...] = ()
    generation: int = 0
    rules: dict[str, int] = field(default_factory=dict)
    layer_map: "LayerMap | None" = None

    @property
    def opened(self) -> Opened:
        """What further jobs should open as the reference."""
        return Opened(self.uri, self.identity, self.generation, self.layer_map)

    @classmethod
    def of(
        cls,
        reference: Named,
        matches: "Iterable[Match]",
        rules: "Mapping[str, int]" = MappingProxyType({}),
        layer_map: "LayerMap | None" = None,
    ) -> "PairListing":
        """The columns of a pairing's matches."""
        statuses: dict[str, int] = {}
        reasons: dict[str, int] = {}
        status, reason = bytearray(), array("q")
        renamed: dict[int, str] = {}
        removed: list[str] = []
        for match in matches:
            if match.model is None:
                if match.reference is not None:
                    removed.append(match.reference.name)
                continue
            if match.reference is not None and match.reference.name != match.model.name:
                renamed[len(status)] = match.reference.name
            status.append(statuses.setdefault(match.status, len(statuses)))
            reason.append(reasons.setdefault(match.reason, len(reasons)))
        return cls(
            reference.title, reference.uri, list(statuses), bytes(status), list(reasons), reason,
            renamed, removed, reference.warnings, reference.identity, 0, dict(rules),
            layer_map,
        )  # fmt: skip

    def status_of(self, tensor: int) -> str:
        """The status of a tensor of the model."""
        return self.statuses[self.status[tensor]]

    def reason_of(self, tensor: int) -> str:
        """Why it has that status; foreign text inside."""
        return self.reasons[self.reason[tensor]]

    def is_pair(self, tensor: int) -> bool:
        """Whether a tensor of the model can be compared."""
        return self.status_of(tensor) == "pair"

    @property
    def paired(self) -> int:
        """How many tensors of the model can be compared."""
        if "pair" not in self.statuses:
            return 0
        return self.status.count(self.statuses.index("pair"))

    def unpaired(self, most: int) -> list[int]:
        """The first tensors of the model that cannot be compared."""
        found: list[int] = []
        if self.paired == len(self.status):
            return found
        for tensor in range(len(self.status)):
            if not self.is_pair(tensor):
                found.append(tensor)
                if len(found) == most:
                    break
        return found
