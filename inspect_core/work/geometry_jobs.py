"""The jobs about geometry: the landscape of representations along the layers."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from inspect_core.capture.texts.source import TextSource
from inspect_core.geometry.landscape import Measured
from inspect_core.geometry.places import BLOCKS, PLACES
from inspect_core.geometry.representations import LAST
from inspect_core.work.jobs import Context, Job
from inspect_core.work.listings import Source

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport, LayerDetail


__all__ = [
    "BLOCKS", "PLACES", "AskedSpace", "FindLandscape", "FindLayer", "GeometryQuery", "SaveSpaces",
]  # fmt: skip


@dataclass(frozen=True)
class AskedSpace:
    """One model on the texts, or representations that were saved.

    Attributes:
        model: what runs; None for saved ones.
        saved: a file or folder of representations; `""` for a model.
        shots: examples before each text; None for the texts as they are.
        title: for people, safe to show; `""` for that of the model or file.
    """

    model: Source | None = None
    saved: str = ""
    shots: int | None = None
    title: str = ""


@dataclass(frozen=True)
class GeometryQuery:
    """What is asked of one space or several; picklable.

    Attributes:
        spaces: in the order in which they are shown; the reference, where there is one, first.
        texts: what all of them read, and its label columns; None where all spaces are saved and
            there are no labels.
        where: one of `PLACES`, or a pattern of modules.
        pooling: `representations.LAST` or `representations.MEAN`.
        measured: how.
        shots: every model that says nothing of its own runs once for each of these numbers of
            examples; empty for the texts as they are.
        template: of a prompt, with `{text}` and `{label}`; `""` for the usual one.
        tokenizer: a folder or file to use instead of the checkpoints' own.
        device: where the models run; `auto` is the GPU that has room, else the CPU.
        seed: which texts become examples.
    """

    spaces: tuple[AskedSpace, ...]
    texts: TextSource | None
    where: str = BLOCKS
    pooling: str = LAST
    measured: Measured = field(default_factory=Measured)
    shots: tuple[int, ...] = ()
    template: str = ""
    tokenizer: str | None = None
    device: str = "auto"
    seed: int = 0

    @property
    def expanded(self) -> tuple[AskedSpace, ...]:
        """The spaces of the report: a model once for each number of examples."""
        found: list[AskedSpace] = []
        for space in self.spaces:
            if space.model is None or space.shots is not None or not self.shots:
                found.append(space)
            else:
                found += [replace(space, shots=count) for count in dict.fromkeys(self.shots)]
        return tuple(found)

    @property
    def runs_models(self) -> bool:
        """Whether a model runs: saved representations need none."""
        return any(space.model is not None for space in self.spaces)


@dataclass(frozen=True)
class FindLandscape(Job["LandscapeReport"]):
    """Dimension, clusters and overlaps of every layer of every space.

    Attributes:
        query: what is asked.
    """

    query: GeometryQuery

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "reading representations"

    @property
    def needs_torch(self) -> bool:
        """See `Job.needs_torch`."""
        return self.query.runs_models

    def run(self, context: Context) -> "LandscapeReport":
        """See `Job.run`."""
        from inspect_core.work.spaces import find_spaces

        return find_spaces(self.query, context).report


@dataclass(frozen=True)
class FindLayer(Job["LayerDetail"]):
    """One layer of one space, closer: its clusters, with texts, and its points in a plane.

    It is of the spaces that the last report of this query was made of, where the process still
    has them; else they are found again.

    Attributes:
        query: what is asked.
        space: index of the space in the report.
        layer: index of the layer in that space.
    """

    query: GeometryQuery
    space: int
    layer: int

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return f"reading layer {self.layer + 1}"

    @property
    def needs_torch(self) -> bool:
        """See `Job.needs_torch`."""
        return self.query.runs_models

    def run(self, context: Context) -> "LayerDetail":
        """See `Job.run`."""
        from inspect_core.work.spaces import detail_of, find_spaces, shown_spaces

        found = shown_spaces(self.query) or find_spaces(self.query, context)
        return detail_of(found, self.space, self.layer)


@dataclass(frozen=True)
class SaveSpaces(Job[tuple[str, ...]]):
    """Write the representations of a query, one .npz file a space, to be read again.

    Attributes:
        query: what is asked.
        folder: a folder that is made where it is not there.
    """

    query: GeometryQuery
    folder: str

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "saving representations"

    @property
    def needs_torch(self) -> bool:
        """See `Job.needs_torch`."""
        return self.query.runs_models

    def run(self, context: Context) -> tuple[str, ...]:
        """See `Job.run`; the paths that were written."""
        from inspect_core.work.spaces import find_spaces, save_spaces, shown_spaces

        found = shown_spaces(self.query) or find_spaces(self.query, context)
        return save_spaces(found, self.folder)
