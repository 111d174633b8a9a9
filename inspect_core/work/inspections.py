"""The jobs of the detail pane: one tensor in full, a part of its matrix, a small module."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.work.jobs import Context, Job, pair_of
from inspect_core.work.listings import Source

if TYPE_CHECKING:
    from inspect_core.adapters.exact.behind import FactorFacts
    from inspect_core.delta.heat import HeatGrid, MatrixView, Window
    from inspect_core.delta.summary import Summary


@dataclass(frozen=True)
class TensorDetail:
    """One tensor in full.

    Attributes:
        name: its name in the model.
        reference_name: its partner's name; None where its own values were looked at.
        summary: over the whole tensor, with a histogram; one that has seen no value where
            `factors` is there.
        heat: the matrix in view, pooled.
        view: which matrix that is.
        window: which part of it the heat grid covers.
        factors: what is known of a change too large to be made unasked; the cells of `heat` then
            have means and no sizes (see `adapters.factor_heat`).
    """

    name: str
    reference_name: str | None
    summary: "Summary"
    heat: "HeatGrid"
    view: "MatrixView"
    window: "Window"
    factors: "FactorFacts | None" = None


@dataclass(frozen=True)
class Inspect(Job[TensorDetail]):
    """Compare one tensor with its partner (or with zeros) and pool it to a grid.

    Attributes:
        model: the model.
        reference: the reference, or None for the tensor's own values.
        name: the tensor's name in the model.
        reference_name: its partner's name.
        grid: most rows and columns of the heat grid.
        slice_index: which matrix of a 3-D tensor.
        device: where to compare.
        asked: whether a change that takes long to be made is made all the same.
    """

    model: Source
    reference: Source | None
    name: str
    reference_name: str | None
    grid: tuple[int, int]
    slice_index: int = 0
    device: str = "cpu"
    asked: bool = False

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return f"reading {self.name}"

    def run(self, context: Context) -> TensorDetail:
        """See `Job.run`."""
        from inspect_core.adapters.exact.behind import picture_of_pair
        from inspect_core.delta.heat import MatrixView, Window
        from inspect_core.delta.summary import Summary

        reference = self.reference if self.reference_name is not None else None
        model, source, pair = pair_of(context, self.model, reference, self.name)
        view = MatrixView.of(pair.model.shape, self.slice_index)
        window, names = Window.all_of(view), (self.name, self.reference_name)
        known = None if self.asked else picture_of_pair(model, source, pair, view, self.grid)
        if known is not None:
            return TensorDetail(*names, Summary(), known[0], view, window, known[1])
        summary, heat = context.comparer(self.device).detail(
            model, source, pair, view, self.grid, context.control
        )
        model.check_unchanged()
        source.check_unchanged()
        return TensorDetail(*names, summary, heat, view, window)


@dataclass(frozen=True)
class ZoomIn(Job["HeatGrid"]):
    """Pool a part of a tensor's matrix to a grid; only the rows of that part are read.

    Attributes:
        model: the model.
        reference: the reference, or None for the tensor's own values.
        name: the tensor's name in the model.
        reference_name: its partner's name.
        view: which matrix of the tensor.
        window: which part of that matrix.
        grid: most rows and columns of the heat grid.
        device: where to compare.
    """

    model: Source
    reference: Source | None
    name: str
    reference_name: str | None
    view: "MatrixView"
    window: "Window"
    grid: tuple[int, int]
    device: str = "cpu"

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return f"reading a part of {self.name}"

    def run(self, context: Context) -> "HeatGrid":
        """See `Job.run`."""
        from inspect_core.adapters.exact.behind import picture_of_pair

        reference = self.reference if self.reference_name is not None else None
        model, source, pair = pair_of(context, self.model, reference, self.name)
        known = picture_of_pair(model, source, pair, self.view, self.grid, self.window)
        if known is not None:
            return known[0]
        heat = context.comparer(self.device).zoom(
            model, source, pair, self.view, self.window, self.grid, context.control
        )
        model.check_unchanged()
        source.check_unchanged()
        return heat


@dataclass(frozen=True)
class InspectModule(Job[tuple[TensorDetail, ...]]):
    """Inspect the few tensors of a module, each on a grid of its own.

    Attributes:
        model: the model.
        reference: the reference, or None for the tensors' own values.
        names: names in the model, each with its partner's name or None.
        grid: most rows and columns of each heat grid.
        device: where to compare.
    """

    model: Source
    reference: Source | None
    names: tuple[tuple[str, str | None], ...]
    grid: tuple[int, int]
    device: str = "cpu"

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return f"reading {len(self.names)} tensors"

    def run(self, context: Context) -> tuple[TensorDetail, ...]:
        """See `Job.run`."""
        return tuple(
            Inspect(
                self.model, self.reference, name, partner, self.grid, 0, self.device, asked=True
            ).run(context)
            for name, partner in self.names
        )
