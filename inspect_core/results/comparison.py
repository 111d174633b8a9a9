"""Two checkpoints after the comparison: sums that still merge, and nothing that is open."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from inspect_core.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.control import Control
from inspect_core.delta.collect import NOTHING, Collect
from inspect_core.opening import Adapted, Live, open_model, spelled
from inspect_core.pairing import LayerMap, Match, pair_checkpoints
from inspect_core.results.side_files import FileDifference, side_file_differences
from inspect_core.text import clean

if TYPE_CHECKING:
    import torch

    from inspect_core.delta.summary import Summary
    from inspect_core.delta.table import SummaryTable
    from inspect_core.structure.tree import ModuleTree

if TYPE_CHECKING:
    Uri = str | os.PathLike[str] | Sequence[str] | Adapted | Live | torch.nn.Module
else:
    Uri = str | os.PathLike[str] | Sequence[str] | Adapted | Live
"""What names a model; see `open_model`."""

TensorStatus = Literal[
    "changed", "rounded", "identical", "added", "removed", "shape_mismatch", "unsupported"
]  # fmt: skip
STATUSES: tuple[TensorStatus, ...] = get_args(TensorStatus)
"""Every status, in the order in which they are counted; see `TensorReport`."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two, as far as it is spoken of afterwards.

    Attributes:
        uri: what was opened, as words for people; files as given.
        title: a short name for people, safe to show.
        tensors: how many it has.
        dtypes: of its tensors, in order of appearance.
        warnings: what is odd about it, safe to show.
        stored: names of tensors that were made with adapters, in F64, and the dtype of what lies
            under each of them.
    """

    uri: str | tuple[str, ...]
    title: str
    tensors: int
    dtypes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    stored: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Side":
        """The side that a checkpoint is."""
        tensors, stored = checkpoint.tensors, _stored(checkpoint)
        dtypes = dict.fromkeys([stored.get(info.name, info.dtype) for info in tensors.values()])
        return cls(
            uri=spelled(checkpoint.uri),
            title=checkpoint.title,
            tensors=len(tensors),
            dtypes=tuple(dtypes),
            warnings=checkpoint.warnings,
            stored=stored,
        )

    def dtype(self, info: TensorInfo) -> str:
        """The dtype of a tensor as it is stored, safe to show."""
        return self.stored.get(info.name, info.dtype)


def _stored(checkpoint: Checkpoint) -> dict[str, str]:
    """See `Side.stored`."""
    specs = checkpoint.overlay.specs if checkpoint.overlay is not None else {}
    return {
        name: specs[name].dtype
        for name, info in checkpoint.tensors.items()
        if name in specs and specs[name].dtype != info.dtype
    }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two checkpoints after the comparison, in sums that still merge.

    Attributes:
        model: the new one.
        reference: the base.
        matches: all tensors, in the model's order, then the removed ones.
        rules: how many partners each rule of pairing found.
        kept: which of the matches were asked for, as indices.
        table: a row for each match; of zeros where nothing was compared.
        files: what differs beside the weights: configs, tokenizer, chat template; nothing
            where only some tensors were asked for.
        collected: what the table has beside the sums.
        made: when it was saved, where it was read from a saved result; empty otherwise. In UTC,
            and safe to show.
        unread: names of tensors that were asked for, are in a file and cannot be described.
    """

    model: Side
    reference: Side
    matches: tuple[Match, ...]
    rules: Mapping[str, int]
    kept: Sequence[int]
    table: "SummaryTable"
    files: tuple[FileDifference, ...] = ()
    collected: Collect = NOTHING
    made: str = ""
    unread: tuple[str, ...] = ()

    def summary(self, index: int) -> "Summary | None":
        """The sums of one match; None if it was not compared."""
        return self.table.row(index)

    def status(self, index: int) -> TensorStatus:
        """The status of one match that was asked for."""
        status = self.matches[index].status
        if status != "pair":
            return status
        counts = self.table.counts
        if not counts[_column("changed"), index]:
            return "identical"
        return "changed" if counts[_column("beyond"), index] else "rounded"

    def dtypes(self, index: int) -> tuple[str | None, str | None]:
        """The stored dtypes of both sides of a match; None where there is no tensor."""
        model, reference = self.matches[index].model, self.matches[index].reference
        return (
            None if model is None else self.model.dtype(model),
            None if reference is None else self.reference.dtype(reference),
        )

    def tree(self) -> "ModuleTree":
        """The model's tree by names; tensor `i` of it is match `i`."""
        from inspect_core.structure.build import build_tree
        from inspect_core.structure.tree import LeafSpec

        tensors = [match.model for match in self.matches if match.model is not None]
        specs = [LeafSpec(self.model.dtype(info), info.shape) for info in tensors]
        return build_tree([info.name for info in tensors], specs)


def compare(
    base_uri: Uri,
    model_uri: Uri,
    *,
    device: str = "cpu",
    control: Control | None = None,
    keep: Callable[[Match], bool] | None = None,
    collect: Collect = NOTHING,
    layer_map: LayerMap | None = None,
) -> Comparison:
    """Compare two checkpoints; see `diff`, and `report_of` for the published numbers.

    Args:
        base_uri: the old one.
        model_uri: the new one.
        device: where to compare.
        control: takes progress, and can cancel.
        keep: which tensors to compare; None for all.
        collect: what is found beside the sums, for metrics that need it.
        layer_map: what the user says of the model's names in the reference.
    """
    import numpy as np

    from inspect_core.adapters.limits import refuse_endless
    from inspect_core.delta.compare import Comparer
    from inspect_core.delta.kernel import kernel_for
    from inspect_core.delta.table import SummaryTable, sweep_parts

    control = control or Control()
    comparer = Comparer(kernel_for(device))
    with open_model(base_uri) as reference, open_model(model_uri) as model:
        pairing = pair_checkpoints(model, reference, layer_map)
        matches = pairing.matches
        kept = [at for at, match in enumerate(matches) if keep is None or keep(match)]
        wanted = [(at, pair) for at in kept if (pair := matches[at].pair) is not None]
        refuse_endless((reference, model), [pair for _, pair in wanted])
        table = SummaryTable(len(matches))
        for indices, rows in sweep_parts(comparer, model, reference, wanted, control, collect):
            table.put(np.asarray(indices, np.int64), rows)
        model.check_unchanged()
        reference.check_unchanged()
    # Who asks for a few tensors does not wait for a tokenizer of 30 MB.
    folders = (reference.folder, model.folder) if keep is None else (None, None)
    files = side_file_differences(*folders)
    said = tuple(clean(warning, 400) for warning in pairing.warnings)
    ours = Side.of(model)  # a map speaks of the model's names
    sides = replace(ours, warnings=(*ours.warnings, *said)), Side.of(reference)
    unread = _unread(model, reference, keep)
    found = Comparison(*sides, matches, pairing.rules, kept, table, files, collect)
    return replace(found, unread=unread)


def _unread(
    model: Checkpoint, reference: Checkpoint, keep: Callable[[Match], bool] | None
) -> tuple[str, ...]:
    """What was asked for and left out of either side, once for each name."""
    names = dict.fromkeys([one.name for side in (model, reference) for one in side.left_out])
    # Nothing but their names is known.
    return tuple(name for name in names if keep is None or keep(_named(name)))


def _named(name: str) -> Match:
    return Match(TensorInfo(name, "U8", (), -1, 0, 0), None, "added", "")


@cache
def _column(count: str) -> int:
    from inspect_core.delta.summary import COUNTS

    return COUNTS.index(count)
