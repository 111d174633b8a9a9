"""The jobs: pure functions of file references and parameters, small and picklable.

A job opens what it names (opened checkpoints are kept by the process that runs it), polls
its control between chunks, and returns small results. Nothing heavy is imported here.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, ref

from inspect_core.control import Control
from inspect_core.errors import UsageError
from inspect_core.work.listings import Listing, Opened, PairListing, Source, Uri, listing_of

if TYPE_CHECKING:
    from inspect_core.checkpoint import Checkpoint
    from inspect_core.delta.compare import Comparer
    from inspect_core.pairing import LayerMap, Pair, Pairing

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

    def open_anew(self, uri: Uri, generation: int) -> "Checkpoint":
        """The checkpoint of a uri, opened anew for each generation."""
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
    """Read the headers and build the tree from names; or read a saved result.

    Attributes:
        uri: what to open.
        generation: grows when the user asks to reload: nothing opened before is used again.
    """

    uri: Uri
    generation: int = 0

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "opening the model"

    def run(self, context: Context) -> Listing:
        """See `Job.run`."""
        from inspect_core.work.saved import open_saved, saved_path

        path = saved_path(self.uri)
        if path is not None:
            listing = open_saved(path, self.uri)
        else:
            listing = listing_of(context.open_anew(self.uri, self.generation))
        return replace(listing, generation=self.generation)


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
        if checkpoint.structure is not None:
            listing = listing_of(checkpoint, bare_modules=self.bare_modules)
        elif checkpoint.config is None:
            listing = listing_of(checkpoint, note="no config.json: module types are not known")
        else:
            # What adapters add is in no config.
            overlay = checkpoint.overlay
            known = checkpoint if overlay is None else overlay.base or checkpoint
            facts, note = facts_from_config(checkpoint.config, list(known.tensors))
            listing = listing_of(checkpoint, facts, note, self.bare_modules)
        generation = self.model.generation if isinstance(self.model, Opened) else 0
        return replace(listing, generation=generation)


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
    """Open the reference and pair its tensors with the model's.

    Attributes:
        model: the model.
        reference: what to compare it with.
        generation: see `OpenModel`.
        map_path: a file that says how the reference spells names of the model (`LayerMap`); it
            is read each time, and what it says travels with `PairListing.opened`.
        common: whether to pair by place in the common structure, too.
    """

    model: Source
    reference: Uri
    generation: int = 0
    map_path: str | None = None
    common: bool = False

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "opening the reference"

    def run(self, context: Context) -> PairListing:
        """See `Job.run`."""
        model = context.open(self.model)
        reference = context.open_anew(self.reference, self.generation)
        layer_map = None
        if self.map_path is not None or self.common:
            from inspect_core.pairing import LayerMap

            layer_map = LayerMap.asked(self.map_path, self.common)
        pairing = pairing_of(model, reference, layer_map)
        listing = PairListing.of(reference, pairing.matches, pairing.rules, layer_map)
        warnings = (*listing.warnings, *pairing.warnings)
        return replace(listing, generation=self.generation, warnings=warnings)


_pairings: "WeakKeyDictionary[Checkpoint, tuple[ref[Checkpoint], LayerMap | None, Pairing]]" = (
    WeakKeyDictionary()
)
"""The last pairing of each opened model: every job about the two asks for it."""


def pairing_of(
    model: "Checkpoint", reference: "Checkpoint", layer_map: "LayerMap | None" = None
) -> "Pairing":
    """Which tensor of a reference answers which of a model; kept for the next job."""
    from inspect_core.pairing import pair_checkpoints

    held = _pairings.get(model)
    if held is not None and held[0]() is reference and held[1] == layer_map:
        return held[2]
    made = pair_checkpoints(model, reference, layer_map)
    _pairings[model] = ref(reference), layer_map, made
    return made


def map_of(reference: Source) -> "LayerMap | None":
    """What the user said of the names in a reference."""
    return reference.layer_map if isinstance(reference, Opened) else None


def pair_of(
    context: Context, model: Source, reference: Source | None, name: str
) -> "tuple[Checkpoint, Checkpoint, Pair]":
    """Both checkpoints, and what of a tensor is compared with what.

    Args:
        context: opens them.
        model: the model.
        reference: the reference, or None: the tensor is looked at alone, and the model is
            returned twice.
        name: the tensor's name in the model.

    Raises:
        UsageError: the tensor has no partner that it could be compared with.
    """
    from inspect_core.pairing import Pair

    ours = context.open(model)
    if reference is None:
        return ours, ours, Pair(ours.tensors[name])
    theirs = context.open(reference)
    pairing = pairing_of(ours, theirs, map_of(reference))
    match = next(match for match in pairing.matches if match.name == name)
    if match.pair is None:
        raise UsageError(f"cannot be compared: {match.reason}", where=name)
    return ours, theirs, match.pair


@dataclass(frozen=True)
class LookAgain(Job[tuple[bool, ...]]):
    """Ask the file system whether files were replaced since they were listed."""

    opened: tuple[Opened, ...]

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "looking at the files"

    def run(self, context: Context) -> tuple[bool, ...]:
        """See `Job.run`."""
        return tuple(one.replaced for one in self.opened)
