"""What the app knows: the model, its reference, what was compared, and what to show of it.

One place for state, without a terminal. Widgets are given values from here; the app tells
it what arrived. numpy is imported only once there is something to compare.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING

from inspect_core.structure.branch import Branch, Row, spans
from inspect_core.structure.tree import ModuleTree
from tui.changes import Change, work_out
from tui.collected import Collected, order_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspect_core.delta.metrics import Metric
    from inspect_core.delta.summary import Summary
    from inspect_core.delta.table import Place, SummaryTable
    from inspect_core.results.scale import ScaleKind
    from inspect_core.results.side_files import FileDifference
    from inspect_core.work.adapted import AdapterListing
    from inspect_core.work.common_jobs import CommonListing
    from inspect_core.work.listings import Listing, PairListing
    from inspect_core.work.saved import SavedPair
    from inspect_core.work.sweep import SweepPart


@dataclass
class Session:
    """The state of one run of the app.

    Attributes:
        listing: the opened model, or None while it opens.
        pairs: which tensors answer which, or None without a reference.
        expects_pairs: whether a reference was asked for, and may still be opening.
        metric_key: the metric on show.
        awaited: the metric that will be once the sweep that collects for it has found something.
        collected: summaries by ordinal, and what was collected with them.
        scale: how the values of a figure are spread over its colours.
        files: what differs beside the weights.
        read_of_adapters: what was found by reading the adapters' own tensors, safe to show.
        by_change: whether siblings are in order of their change.
        common: what is known of common names while they are on show; None otherwise.
        complaints: what is wrong with settings and themes, safe to show.
        version: grows with every change that a view could show.
        behind: whether the change of a wide row was taken from before the newest summaries.
    """

    listing: "Listing | None" = None
    pairs: "PairListing | None" = None
    expects_pairs: bool = False
    metric_key: str = "rel_l2"
    awaited: str = ""
    collected: Collected = field(default_factory=Collected)
    scale: "ScaleKind" = "robust"
    files: "tuple[FileDifference, ...]" = ()
    read_of_adapters: tuple[str, ...] = ()
    by_change: bool = False
    common: "CommonListing | None" = None
    complaints: list[str] = field(default_factory=list)
    version: int = 0
    _ordinal_of: "NDArray[np.int64] | None" = None
    _paired: "NDArray[np.bool_] | None" = None
    _deltas: "NDArray[np.bool_] | None" = None
    behind: bool = False
    _changes: dict[Row, tuple[int, Change]] = field(default_factory=dict)
    _places: dict[Row, "Place"] = field(default_factory=dict)
    _spent: float = 0.0

    @property
    def table(self) -> "SummaryTable | None":
        """Summaries by ordinal, or None before anything was compared."""
        return self.collected.table

    @property
    def tree(self) -> ModuleTree | None:
        """The tree on show."""
        return self.listing.tree if self.listing else None

    @property
    def adapted(self) -> "AdapterListing | None":
        """The adapters of the model on show."""
        return self.listing.adapted if self.listing else None

    def open(self, listing: "Listing") -> None:
        """A model was opened, or opened again with types."""
        old = self.listing
        if old is not None and self.table is not None and old.names == listing.names:
            self.collected.reorder(self._ordinals()[order_of(listing.tree)])
        else:
            self.collected.clear()
        if old is None or old.opened != listing.opened:
            self.read_of_adapters = ()
        self.listing = listing
        self._ordinal_of = None
        self._paired = self._deltas = None
        self._places.clear()
        self._anew()

    def pair(self, pairs: "PairListing | None") -> None:
        """A reference was opened (or taken away): nothing is compared yet."""
        from inspect_core.delta.collect import NOTHING

        self.pairs, self.files = pairs, ()
        self.metric_key, self.awaited = self.awaited or self.metric_key, ""
        self.collected.clear(self.metric.needs if pairs is not None else NOTHING)
        self._paired = self._deltas = None
        self._anew()

    @property
    def saved(self) -> bool:
        """Whether it is a saved result that is on show: numbers without values."""
        return self.listing is not None and self.listing.saved is not None

    def restore(self, saved: "SavedPair") -> None:
        """What a saved result knows of the model on show: all of it is there at once."""
        assert self.listing is not None
        self.pair(saved.pairs)
        self.expects_pairs, self.files = False, saved.files
        if not saved.collected.covers(self.metric.needs):
            self.metric_key = "rel_l2"
        self.collected.hold(saved.table.reordered(order_of(self.listing.tree)), saved.collected)

    def in_listing_order(self, table: "SummaryTable") -> "SummaryTable":
        """The rows of a table by index in the listing, as others count tensors."""
        return table.reordered(self._ordinals())

    def put(self, part: "SweepPart") -> None:
        """Some tensors were summarised."""
        import numpy as np

        assert self.listing is not None
        ordinals = self._ordinals()[np.asarray(part.tensors, np.int64)]
        turned = self.collected.put(ordinals, part.rows, len(self.listing.names))
        if self.awaited or turned:
            self.metric_key, self.awaited = self.awaited or self.metric_key, ""
            self._anew()
        self.version += 1

    def tensor_at(self, ordinal: int) -> int:
        """Index in the listing of the tensor at an ordinal."""
        assert self.listing is not None
        return self.listing.tree.order[ordinal]

    def tensors_of(self, row: Row) -> list[int]:
        """Indices in the listing of all tensors of a row."""
        assert self.listing is not None
        order = self.listing.tree.order
        return [tensor for start, stop in spans(row) for tensor in order[start:stop]]

    def nbytes(self, row: Row) -> int:
        """Bytes of all tensors of a row, those that an adapter makes as they are made."""
        made = self.adapted.made_bytes_in(row) if self.adapted is not None else 0
        if isinstance(row, Branch):
            return row.module.totals.nbytes * row.count + made
        if row.leaf.spec.computed:
            return made
        from inspect_core.structure.build import storage_bytes

        return storage_bytes(row.leaf.spec.dtype, row.leaf.spec.numel) * row.count + made

    def missing(self, row: Row) -> tuple[int, ...]:
        """Those tensors of a row that can be summarised and were not yet."""
        import numpy as np

        tree = self.tree
        assert tree is not None
        where = self.place(row)
        ordinals = np.arange(len(tree.order))[where][self.waiting(where)]
        return tuple(order_of(tree)[ordinals].tolist())

    def waiting(self, where: "Place") -> "NDArray[np.bool_]":
        """Which tensors of a place can be summarised and were not yet."""
        comparable = self._comparable()[where]
        return comparable if self.table is None else comparable & ~self.table.seen[where]

    def _comparable(self) -> "NDArray[np.bool_]":
        """Which tensors, by ordinal, have something to be compared with."""
        paired = self._paired
        if paired is None:
            import numpy as np

            assert self.listing is not None
            order = order_of(self.listing.tree)
            paired = np.ones(len(order), np.bool_)
            if self.pairs is not None:
                codes = np.frombuffer(self.pairs.status, np.uint8)[order]
                pair = self.pairs.statuses.index("pair") if "pair" in self.pairs.statuses else 255
                paired = codes == pair
                if self.adapted is not None and self.adapted.makes_changes:
                    # One change has many factors: what differs in them says nothing of it.
                    paired[self._ordinals()[np.asarray(self.listing.deltas, np.int64)]] = False
            self._paired = paired
        return paired

    def deltas(self, where: "Place") -> "NDArray[np.bool_]":
        """Which tensors of a place are an adapter's own: nothing answers them in a base."""
        if self._deltas is None:
            import numpy as np

            assert self.listing is not None
            own = np.zeros(len(self.listing.tree.order), np.bool_)
            own[self._ordinals()[np.asarray(self.listing.deltas, np.int64)]] = True
            self._deltas = own if self.pairs is None else own & ~self._comparable()
        return self._deltas[where]

    @cached_property
    def brought(self) -> frozenset[int]:
        """Tensors that adapters bring and nothing answers: no reason to warn."""
        listing, pairs = self.listing, self.pairs
        if listing is None or pairs is None:
            return frozenset()
        whole = listing.adapted.whole if listing.adapted is not None else frozenset()
        saved = [at for at, name in enumerate(listing.names) if name in whole] if whole else []
        return frozenset([at for at in (*listing.deltas, *saved) if not self.is_compared(at)])

    def is_compared(self, tensor: int) -> bool:
        """Whether a tensor of the listing has something that it is compared with."""
        return self.pairs is not None and bool(self._comparable()[self._ordinals()[tensor]])

    @property
    def compared(self) -> int:
        """How many tensors of the listing have something that they are compared with."""
        return int(self._comparable().sum()) if self.pairs is not None else 0

    def place(self, row: Row) -> "Place":
        """Where a row's tensors are in the table; kept, because a wide fold has many runs."""
        where = self._places.get(row)
        if where is None:
            from inspect_core.delta.table import place

            if len(self._places) > MOST_PLACES:
                self._places.clear()
            where = self._places[row] = place(spans(row))
        return where

    @property
    def complete(self) -> bool:
        """Whether nothing is left for the running sweep, or the next one."""
        table = self.collected.growing
        return table is not None and not (self._comparable() & ~table.seen).any()

    @property
    def done(self) -> frozenset[int]:
        """Indices of the tensors that need no summarising any more."""
        table = self.collected.growing
        deltas = self.listing.deltas if self.listing is not None and self.pairs is not None else ()
        left_out = [tensor for tensor in deltas if not self.is_compared(tensor)]
        if table is None:
            return frozenset(left_out)
        import numpy as np

        return frozenset([*np.flatnonzero(table.seen[self._ordinals()]).tolist(), *left_out])

    def nonfinite(self, most: int) -> list[tuple[int, int]]:
        """The first tensors with NaN or infinite values, and how many positions that are."""
        if self.table is None or self.listing is None:
            return []
        import numpy as np

        from inspect_core.delta.summary import COUNTS

        left_out = self.table.counts[COUNTS.index("left_out")]
        found = np.flatnonzero(left_out)[:most].tolist()
        return [(self.listing.tree.order[at], int(left_out[at])) for at in found]

    @property
    def metric(self) -> "Metric":
        """The metric on show; of a model without a reference, its values' root mean square."""
        from inspect_core.delta.metrics import METRICS, VALUE_METRIC

        return METRICS[self.metric_key] if self.pairs is not None else VALUE_METRIC

    def summary(self, row: Row) -> "Summary | None":
        """The merged summary of a row's tensors; None before any of them was compared."""
        if self.table is None:
            return None
        where = self._without_factors(self.place(row))
        return self.table.summary(where) if self.table.seen_in(where) else None

    def _without_factors(self, where: "Place") -> "Place":
        """A place without adapters' own parameters, if there is anything else in it."""
        if self.listing is None or not self.listing.deltas:
            return where
        import numpy as np

        own = self.deltas(where)
        mixed = own.any() and not own.all()
        return np.arange(len(self.listing.names))[where][~own] if mixed else where

    def summary_at(self, ordinals: Sequence[int]) -> "Summary | None":
        """The merged summary of some tensors; None before any of them was compared."""
        import numpy as np

        where = np.array(ordinals, np.int64)
        if self.table is None or not self.table.seen_in(where):
            return None
        return self.table.summary(where)

    def size_of(self, row: Row) -> float:
        """How much a row changed, for sorting: what has no number comes after what did not move.

        What is new or could not be compared comes first among those.
        """
        change = self.change(row)
        if change.value is not None:
            return change.value
        return {"changed": inf, "new": -1.0, "mismatch": -1.0, "unsupported": -1.0}.get(
            change.status, -2.0
        )

    def change(self, row: Row) -> Change:
        """What the change column says of a row, worked out once a version."""
        if self.pairs is None:
            return Change("none")
        kept = self._changes.get(row)
        if kept is not None:
            if kept[0] == self.version:
                return kept[1]
            if self._spent > PAINT_SECONDS and row.width * row.count > WIDE:
                self.behind = True
                return kept[1]
        start = perf_counter()
        found = work_out(self, row)
        self._spent += perf_counter() - start
        self._changes[row] = self.version, found
        return found

    def begin_paint(self) -> None:
        """Rows may be worked out again, for some milliseconds (see `behind`)."""
        self.behind = False
        self._spent = 0.0

    def show_metric(self, key: str) -> bool:
        """Another metric is on show.

        Returns:
            Whether it is already: else a sweep has to collect what it needs, and its first
            numbers bring it. Until then those of before stay.
        """
        from inspect_core.delta.metrics import METRICS

        there = self.collected.choose(METRICS[key].needs) or not self._comparable().any()
        self.awaited = "" if there else key
        if there:
            self.metric_key = key
            self._anew()
        return there

    def _anew(self) -> None:
        """What was worked out of rows does not hold any more."""
        self._changes.clear()
        self.__dict__.pop("brought", None)
        self.version += 1

    def _ordinals(self) -> "NDArray[np.int64]":
        """Ordinal of each tensor of the listing."""
        ordinals = self._ordinal_of
        if ordinals is None:
            import numpy as np

            assert self.listing is not None
            order = order_of(self.listing.tree)
            ordinals = np.empty(len(order), np.int64)
            ordinals[order] = np.arange(len(order))
            self._ordinal_of = ordinals  # only now: the thread that draws may look at any time
        return ordinals


WIDE = 5_000
"""Tensors of a row that takes milliseconds to merge; while a sweep runs its number may be late."""

PAINT_SECONDS = 0.01
"""Wide rows are worked out for so long at one painting, the others at the next."""

MOST_PLACES = 4000
"""Rows whose places in the table are kept; those of wide folds take a megabyte each."""
