"""The sweep: many tensors summarised, the results sent and kept as they come."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.delta.collect import NOTHING, Collect
from inspect_core.work.jobs import Context, Job, map_of, pairing_of
from inspect_core.work.listings import Source

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.delta.table import SummaryRows
    from inspect_core.pairing import LayerMap, Pair


@dataclass(frozen=True)
class SweepPart:
    """Summaries of some tensors: their indices in the listing, and one row each."""

    tensors: "array[int]"
    rows: "SummaryRows"


@dataclass(frozen=True)
class Sweep(Job[int]):
    """Summarise many tensors; parts of the result come as they are ready.

    Attributes:
        model: the model.
        reference: what to compare with; None summarises the model's own values.
        device: where to compare.
        only: indices in the listing, or None for all.
        done: indices that need no comparing any more (an interrupted sweep goes on).
        background: whether it waits while somebody waits for another job.
        kept: whether a comparison is kept on disk as it goes on, and begins with what is there;
            one that collects more than the sums is not.
        collect: what is found beside the sums.
    """

    model: Source
    reference: Source | None
    device: str = "cpu"
    only: tuple[int, ...] | None = None
    done: frozenset[int] = frozenset()
    background: bool = True
    kept: bool = False
    collect: Collect = NOTHING

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "comparing tensors" if self.reference else "reading tensors"

    def run(self, context: Context) -> int:
        """See `Job.run`; returns the number of tensors summarised."""
        model = context.open(self.model)
        if self.reference is None:
            reference, pairs = model, _own_values(model)
        else:
            reference = context.open(self.reference)
            pairs = _pairs(model, reference, map_of(self.reference))
        chosen = pairs.keys() if self.only is None else [i for i in self.only if i in pairs]
        wanted = [index for index in chosen if index not in self.done]
        if not self.kept or self.reference is None or self.collect:
            for part in self._parts(context, model, reference, pairs, wanted):
                context.emit(part)
        else:
            self._keep(context, model, reference, pairs, wanted)
        model.check_unchanged()
        reference.check_unchanged()
        return len(wanted)

    def _keep(
        self,
        context: Context,
        model: "Checkpoint",
        reference: "Checkpoint",
        pairs: "dict[int, Pair]",
        wanted: list[int],
    ) -> None:
        """Emit what is stored at once; compare the rest, and store it as it comes."""
        import numpy as np

        from inspect_core.work.sweep_store import SweepStore

        missing = np.zeros(len(model.tensors), np.bool_)
        missing[wanted] = True
        with SweepStore.of(model, reference, pairs) as store:
            for tensors, rows in store.parts(missing.copy()):
                context.emit(SweepPart(tensors, rows))
                missing[tensors] = False
            rest = [index for index in wanted if missing[index]]
            for part in self._parts(context, model, reference, pairs, rest):
                context.emit(part)
                store.add(part.tensors, part.rows)
                if store.due:
                    # What is written was read from files that were still those of the key.
                    model.check_unchanged()
                    reference.check_unchanged()
                    store.flush()
            model.check_unchanged()
            reference.check_unchanged()
            store.finish()

    def _parts(
        self,
        context: Context,
        model: "Checkpoint",
        reference: "Checkpoint",
        pairs: "dict[int, Pair]",
        wanted: list[int],
    ) -> "Iterator[SweepPart]":
        from inspect_core.delta.table import sweep_parts

        numbered = [(index, pairs[index]) for index in wanted]
        comparer = context.comparer(self.device)
        parts = sweep_parts(comparer, model, reference, numbered, context.control, self.collect)
        for tensors, rows in parts:
            yield SweepPart(tensors, rows)


def _own_values(model: "Checkpoint") -> "dict[int, Pair]":
    """What there is to summarise without a reference, by index in the listing."""
    from inspect_core.checkpoint.tensor_info import DTYPES
    from inspect_core.pairing import Pair

    return {
        index: Pair(info)
        for index, info in enumerate(model.tensors.values())
        if DTYPES[info.dtype].comparable and not info.unread
    }


def _pairs(
    model: "Checkpoint", reference: "Checkpoint", layer_map: "LayerMap | None"
) -> "dict[int, Pair]":
    """What can be compared with what, by index in the listing."""
    return {
        index: pair
        for index, match in enumerate(pairing_of(model, reference, layer_map).matches)
        if (pair := match.pair) is not None
    }
