"""The jobs: pure functions of file references and parameters, small and picklable.

A job opens what it names (opened checkpoints are kept by the process that runs it), polls
its control between chunks, and returns small results. Nothing heavy is imported here.
"""

from abc import ABC, abstractmethod
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from inspect_core.control import Control
from inspect_core.work.listings import Listing, PairListing, Source, Uri, listing_of

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.delta.compare import Comparer
    from inspect_core.delta.heat import HeatGrid, MatrixView
    from inspect_core.delta.summary import Summary
    from inspect_core.delta.table import SummaryRows
    from inspect_core.pairing import Pairing

MOST_META_BYTES = 4 << 30
"""A config whose model takes more than this to build without weights is a bomb."""

R_co = TypeVar("R_co", covariant=True)


class Context(Protocol):
    """What the process that runs a job gives it."""

    @property
    def control(self) -> Control:
        """Polled between chunks; takes progress."""
        ...

    def open(self, source: Source) -> "Checkpoint":
        """The opened checkpoint, kept while its files stay the same."""
        ...

    def comparer(self, device: str) -> "Comparer":
        """What compares tensors on a device."""
        ...

    def emit(self, part: object) -> None:
        """Send a part of the result ahead."""
        ...


class Job(ABC, Generic[R_co]):
    """A unit of work: a frozen dataclass of its parameters.

    Attributes:
        about: what it is doing, for messages: `reading layer.5`.
        device: where it computes; anything but the CPU needs torch.
        background: whether it waits while somebody waits for another job.
        time_limit: seconds after which the process that runs it is stopped; None for no limit.
        memory_limit: bytes beyond which that process is stopped; None for no limit.
    """

    device: str = "cpu"
    background: bool = False
    time_limit: float | None = None
    memory_limit: int | None = None

    @property
    @abstractmethod
    def about(self) -> str:
        """See the class."""

    @property
    def needs_torch(self) -> bool:
        """Whether it runs in the process that has torch."""
        return self.device != "cpu"

    @abstractmethod
    def run(self, context: Context) -> R_co:
        """Do it.

        Raises:
            Cancelled: the context's control was cancelled.
            LamellaError: it cannot be done; the text is for people.
        """


@dataclass(frozen=True)
class OpenModel(Job[Listing]):
    """Read the headers and build the tree from names."""

    uri: Uri

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "opening the model"

    def run(self, context: Context) -> Listing:
        """See `Job.run`."""
        return listing_of(context.open(self.uri))


@dataclass(frozen=True)
class FindTypes(Job[Listing]):
    """Build the config's model on the meta device, and the tree again with its types."""

    model: Source
    bare_modules: bool = False
    needs_torch = True
    time_limit = 60.0
    memory_limit = MOST_META_BYTES

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "finding the module types"

    def run(self, context: Context) -> Listing:
        """See `Job.run`."""
        from inspect_core.structure.meta import facts_from_config

        checkpoint = context.open(self.model)
        if checkpoint.config is None:
            return listing_of(checkpoint, note="no config.json: module types are not known")
        facts, note = facts_from_config(checkpoint.config, list(checkpoint.tensors))
        return listing_of(checkpoint, facts, note, self.bare_modules)


@dataclass(frozen=True)
class WarmUp(Job[None]):
    """Compile or load the CPU kernel before somebody waits for it."""

    background = True

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "preparing the kernels"

    def run(self, context: Context) -> None:
        """See `Job.run`."""
        from inspect_core.delta.kernel import warm_up

        warm_up()


@dataclass(frozen=True)
class FindDevice(Job[str]):
    """Ask torch for the best device."""

    needs_torch = True
    time_limit = 60.0
    memory_limit = MOST_META_BYTES

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "looking for a GPU"

    def run(self, context: Context) -> str:
        """See `Job.run`."""
        from inspect_core.devices import best_device

        return best_device()


@dataclass(frozen=True)
class PairUp(Job[PairListing]):
    """Open the reference and pair its tensors with the model's."""

    model: Source
    reference: Uri

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "opening the reference"

    def run(self, context: Context) -> PairListing:
        """See `Job.run`."""
        reference = context.open(self.reference)
        matches = _pairing(context, self.model, self.reference).matches
        return PairListing.of(reference, matches)


def _pairing(context: Context, model: Source, reference: Source) -> "Pairing":
    from inspect_core.pairing import pair_tensors

    return pair_tensors(context.open(model).tensors, context.open(reference).tensors)


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
    """

    model: Source
    reference: Source | None
    device: str = "cpu"
    only: tuple[int, ...] | None = None
    done: frozenset[int] = frozenset()
    background: bool = True

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "comparing tensors" if self.reference else "reading tensors"

    def run(self, context: Context) -> int:
        """See `Job.run`; returns the number of tensors summarised."""
        from inspect_core.checkpoint.tensor_info import DTYPES
        from inspect_core.delta.compare import Pair
        from inspect_core.delta.table import sweep_parts

        model = context.open(self.model)
        if self.reference is None:
            reference = model
            pairs = {
                index: Pair(info)
                for index, info in enumerate(model.tensors.values())
                if DTYPES[info.dtype].comparable
            }
        else:
            reference = context.open(self.reference)
            matches = _pairing(context, self.model, self.reference).matches
            pairs = {
                index: Pair(match.model, match.reference)
                for index, match in enumerate(matches)
                if match.status == "pair" and match.model
            }
        chosen = pairs.keys() if self.only is None else [i for i in self.only if i in pairs]
        wanted = [(index, pairs[index]) for index in chosen if index not in self.done]
        comparer = context.comparer(self.device)
        for tensors, rows in sweep_parts(comparer, model, reference, wanted, context.control):
            context.emit(SweepPart(tensors, rows))
        model.check_unchanged()
        reference.check_unchanged()
        return len(wanted)


@dataclass(frozen=True)
class TensorDetail:
    """One tensor in full.

    Attributes:
        name: its name in the model.
        reference_name: its partner's name; None where its own values were looked at.
        summary: over the whole tensor, with a histogram.
        heat: the matrix in view, pooled.
        view: which matrix that is.
    """

    name: str
    reference_name: str | None
    summary: "Summary"
    heat: "HeatGrid"
    view: "MatrixView"


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
    """

    model: Source
    reference: Source | None
    name: str
    reference_name: str | None
    grid: tuple[int, int]
    slice_index: int = 0
    device: str = "cpu"

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return f"reading {self.name}"

    def run(self, context: Context) -> TensorDetail:
        """See `Job.run`."""
        from inspect_core.delta.compare import Pair
        from inspect_core.delta.heat import MatrixView

        model = context.open(self.model)
        info = model.tensors[self.name]
        source, partner = model, None
        if self.reference is not None and self.reference_name is not None:
            source = context.open(self.reference)
            partner = source.tensors[self.reference_name]
        view = MatrixView.of(info.shape, self.slice_index)
        summary, heat = context.comparer(self.device).detail(
            model, source, Pair(info, partner), view, self.grid, context.control
        )
        model.check_unchanged()
        source.check_unchanged()
        return TensorDetail(self.name, self.reference_name, summary, heat, view)


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
            Inspect(self.model, self.reference, name, partner, self.grid, 0, self.device).run(
                context
            )
            for name, partner in self.names
        )
