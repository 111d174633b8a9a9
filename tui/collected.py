"""Summaries of one pair, by what was collected with them: never mixed, one of them on show."""

from typing import TYPE_CHECKING

from inspect_core.delta.collect import NOTHING, Collect

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspect_core.delta.table import SummaryRows, SummaryTable
    from inspect_core.structure.tree import ModuleTree


class Collected:
    """A table for each `Collect` that was asked for.

    Attributes:
        shown: what the table on show has beside the sums.
        filling: the same of the table that the running sweep fills. It goes on show with its
            first rows; until then what was there before stays.
    """

    def __init__(self) -> None:
        self._tables: dict[Collect, SummaryTable] = {}
        self.shown = self.filling = NOTHING

    def clear(self, needs: Collect = NOTHING) -> None:
        """Nothing is compared any more; the next sweep collects what is needed."""
        self._tables.clear()
        self.shown = self.filling = needs

    @property
    def table(self) -> "SummaryTable | None":
        """What is on show; None before anything was compared."""
        return self._tables.get(self.shown)

    @property
    def growing(self) -> "SummaryTable | None":
        """What the running sweep fills, or would go on to fill."""
        return self._tables.get(self.filling)

    def hold(self, table: "SummaryTable", collected: Collect = NOTHING) -> None:
        """Show a table that was made elsewhere, and what it has beside the sums."""
        self.clear(collected)
        self._tables[collected] = table

    def put(self, ordinals: "NDArray[np.int64]", rows: "SummaryRows", tensors: int) -> bool:
        """Take in rows of the running sweep.

        Returns:
            Whether another table is on show now.
        """
        from inspect_core.delta.table import SummaryTable

        table = self._tables.get(self.filling)
        if table is None:
            table = self._tables[self.filling] = SummaryTable(tensors)
        table.put(ordinals, rows)
        turned = self.shown != self.filling
        self.shown = self.filling
        return turned

    def reorder(self, old_ordinals: "NDArray[np.int64]") -> None:
        """The tensors have another order now; see `SummaryTable.reordered`."""
        self._tables = {
            collect: table.reordered(old_ordinals) for collect, table in self._tables.items()
        }

    def choose(self, needs: Collect) -> bool:
        """Fill, and if it is there show, the fullest table that has what a metric needs.

        Returns:
            Whether it is on show: else its first rows are still to come.
        """
        found = [collect for collect in (self.shown, *self._tables) if collect.covers(needs)]
        if not found:
            self.filling = needs
            return False
        self.shown = self.filling = max(found, key=self._seen)  # of equal ones the first
        return True

    def _seen(self, collect: Collect) -> int:
        table = self._tables.get(collect)
        return int(table.seen.sum()) if table is not None else 0


def order_of(tree: "ModuleTree") -> "NDArray[np.int64]":
    """The tree's order as an array: listing index by ordinal."""
    import numpy as np

    return np.frombuffer(tree.order, np.int64) if len(tree.order) else np.empty(0, np.int64)
