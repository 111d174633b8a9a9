"""What the app knows: the model, its reference, what was compared, and what to show of it.

One place for state, without a terminal. Widgets are given values from here; the app tells
it what arrived. numpy is imported only once there is something to compare.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from operator import and_
from time import perf_counter
from typing import TYPE_CHECKING

from inspect_core.structure.branch import Branch, Row, spans
from inspect_core.structure.fold import short_names
from inspect_core.structure.tree import ModuleTree
from tui.collected import Collected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspect_core.delta.metrics import Metric
    from inspect_core.delta.summary import Summary
    from inspect_core.delta.table import Place, SummaryTable
    from inspect_core.results.scale import ScaleKind
    from inspect_core.results.side_files import FileDifference
    from inspect_core.work.listings import Listing, PairListing
    from inspect_core.work.saved import SavedPair
    from inspect_core.work.sweep import SweepPart


@dataclass(frozen=True, slots=True)
class Change:
    """What the change column says of a row.

    Attributes:
        status: `pending`, `same`, `changed`, `partial` (no change where it was compared),
            `new`, `mismatch`, `unsupported` or `none`.
        value: the metric, where it is defined.
        note: something to know about the row, e.g. which members of a fold did not move.
    """

    status: str
    value: float | None = None
    note: str = ""


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
        by_change: whether siblings are in order of their change.
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
    by_change: bool = False
    complaints: list[str] = field(default_factory=list)
    version: int = 0
    _ordinal_of: "NDArray[np.int64] | None" = None
    _paired: "NDArray[np.bool_] | None" = None
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

    def open(self, listing: "Listing") -> None:
        """A model was opened, or opened again with types."""
        old = self.listing
        if old is not None and self.table is not None and old.names == listing.names:
            self.collected.reorder(self._ordinals()[_order(listing.tree)])
        else:
            self.collected.clear()
        self.listing = listing
        self._ordinal_of = None
        self._paired = None
        self._places.clear()
        self._anew()

    def pair(self, pairs: "PairListing | None") -> None:
        """A reference was opened (or taken away): nothing is compared yet."""
        from inspect_core.delta.collect import NOTHING

        self.pairs, self.files = pairs, ()
        self.metric_key, self.awaited = self.awaited or self.metric_key, ""
        self.collected.clear(self.metric.needs if pairs is not None else NOTHING)
        self._paired = None
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
        self.collected.hold(saved.table.reordered(_order(self.listing.tree)), saved.collected)

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
        """Bytes of all tensors of a row."""
        if isinstance(row, Branch):
            return row.module.totals.nbytes * row.count
        from inspect_core.structure.build import storage_bytes

        return storage_bytes(row.leaf.spec.dtype, row.leaf.spec.numel) * row.count

    def missing(self, row: Row) -> tuple[int, ...]:
        """Those tensors of a row that can be summarised and were not yet."""
        import numpy as np

        tree = self.tree
        assert tree is not None
        where = self._place(row)
        ordinals = np.arange(len(tree.order))[where][self._waiting(where)]
        return tuple(_order(tree)[ordinals].tolist())

    def _waiting(self, where: "Place") -> "NDArray[np.bool_]":
        """Which tensors of a place can be summarised and were not yet."""
        comparable = self._comparable()[where]
        return comparable if self.table is None else comparable & ~self.table.seen[where]

    def _comparable(self) -> "NDArray[np.bool_]":
        """Which tensors, by ordinal, have something to be compared with."""
        if self._paired is None:
            import numpy as np

            assert self.listing is not None
            order = _order(self.listing.tree)
            self._paired = np.ones(len(order), np.bool_)
            if self.pairs is not None:
                codes = np.frombuffer(self.pairs.status, np.uint8)[order]
                pair = self.pairs.statuses.index("pair") if "pair" in self.pairs.statuses else 255
                self._paired = codes == pair
        return self._paired

    def _place(self, row: Row) -> "Place":
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
        if table is None:
            return frozenset()
        import numpy as np

        return frozenset(np.flatnonzero(table.seen[self._ordinals()]).tolist())

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
        where = self._place(row)
        return self.table.summary(where) if self.table.seen_in(where) else None

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
        found = self._change(row)
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
        self.version += 1

    def _change(self, row: Row) -> Change:
        if not row.width:
            return Change("none")
        summary = self.summary(row)
        if summary is None:
            return Change(self._uncompared(row))
        note = self._odd_members(row) if isinstance(row, Branch) and row.folded else ""
        assert self.table is not None
        lost = self.table.nonfinite_in(self._place(row))
        if lost:
            found = f"{lost} NaN or infinite, left out of the numbers"
            note = f"{found}; {note}" if note else found
        if not self.table.changed_in(self._place(row)):
            return self._unchanged(row, note)
        return Change("changed", self.metric.value(summary), note)

    def _unchanged(self, row: Row, note: str) -> Change:
        """A row of which nothing that was compared changed: the same only if that is all of it."""
        assert self.table is not None
        where = self._place(row)
        left = row.width * row.count - self.table.seen_in(where)
        if not left:
            return Change("same", 0.0, note)
        if self._waiting(where).any():
            return Change("pending")
        found = f"{left} of its tensors cannot be compared"
        return Change("partial", 0.0, f"{found}; {note}" if note else found)

    def _uncompared(self, row: Row) -> str:
        import numpy as np

        assert self.pairs is not None and self.listing is not None
        where = self._place(row)
        status = np.frombuffer(self.pairs.status, np.uint8)
        counts = np.bincount(status[_order(self.listing.tree)[where]])
        found = {self.pairs.statuses[code] for code in np.flatnonzero(counts).tolist()}
        if "pair" in found:
            return "pending"
        for wire, shown in (("shape_mismatch", "mismatch"), ("unsupported", "unsupported")):
            if wire in found:
                return shown
        return "new"

    def _odd_members(self, row: Row) -> str:
        """Which members of a fold differ from the others: still ones, or one that moved most."""
        if not isinstance(row, Branch) or row.count > MOST_MEMBERS or not self._all_seen(row):
            return ""
        members = row.members()
        found = [self.summary(member) for member in members]
        assert self.table is not None
        changed = [self.table.changed_in(spans(member)) > 0 for member in members]
        still = [m.names[0] for m, any_ in zip(members, changed, strict=True) if not any_]
        moved = [m.names[0] for m, any_ in zip(members, changed, strict=True) if any_]
        if still and moved:
            return f"{short_names(still)} unchanged, {short_names(moved)} changed"
        values = [self.metric.value(summary) or 0.0 for summary in found if summary]
        middle, most = sorted(values)[len(values) // 2], max(values)
        if len(values) > 2 and most > ODD_FACTOR * middle > 0.0:
            return f"{members[values.index(most)].names[0]} moved most"
        return ""

    def _all_seen(self, row: Branch) -> bool:
        """Whether all comparable tensors of a row were compared: only then is one odd."""
        if self.table is None:
            return False
        total = row.width * row.count
        where = self._place(row)
        return self.table.seen_in(where) == total or not self._waiting(where).any()

    def _ordinals(self) -> "NDArray[np.int64]":
        """Ordinal of each tensor of the listing."""
        if self._ordinal_of is None:
            import numpy as np

            assert self.listing is not None
            order = _order(self.listing.tree)
            self._ordinal_of = np.empty(len(order), np.int64)
            self._ordinal_of[order] = np.arange(len(order))
        return self._ordinal_of


WIDE = 5_000
"""Tensors of a row that takes milliseconds to merge; while a sweep runs its number may be late."""

PAINT_SECONDS = 0.01
"""Wide rows are worked out for so long at one painting, the others at the next."""

MOST_MEMBERS = 300
"""A fold of more members than this is not searched for odd ones."""

MOST_PLACES = 4000
"""Rows whose places in the table are kept; those of wide folds take a megabyte each."""

ODD_FACTOR = 3.0
"""A member is odd when it moved this many times as much as the middle one."""


def _order(tree: ModuleTree) -> "NDArray[np.int64]":
    import numpy as np

    return np.frombuffer(tree.order, np.int64) if len(tree.order) else np.empty(0, np.int64)


def keep_matching(names: Iterable[str], order: "array[int]", query: str) -> list[bool]:
    """Which ordinals have a name that holds all words of the query, in any letter case."""
    hits: list[bool] | None = None
    lowered = [name.lower() for name in names]
    for word in query.lower().split():
        found = [word in name for name in lowered]
        hits = found if hits is None else list(map(and_, hits, found))
    return [True] * len(order) if hits is None else list(map(hits.__getitem__, order))
