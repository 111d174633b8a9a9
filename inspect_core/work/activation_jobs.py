"""The jobs about activations: what is in a file of texts, and what neurons listen to."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inspect_core.activations.rule import STRONGEST, Rule
from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import LamellaError
from inspect_core.work.jobs import Context, Job
from inspect_core.work.listings import Source

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport, NeuronDetail
    from inspect_core.activations.several import SeveralReport
    from inspect_core.capture.texts import TextColumns


@dataclass(frozen=True)
class ActivationQuery:
    """What is asked of one or two models; picklable.

    Attributes:
        model: after.
        reference: before; None for the model alone, or for one model on two files of texts.
        texts: what both read.
        reference_texts: what the reference (without one, the model) reads instead, as before.
        paths: modules, as the tree of the model has them; empty, without `modules`, for the
            blocks of the model.
        rule: what counts as an activation.
        inputs: whether what the modules read is taken, not what they give.
        tokenizer: a folder or file to use instead of the checkpoints' own.
        tagger: `""`, or the name of an installed tagger, where the texts have no tags.
        device: where the models run; `auto` is the GPU that has room, else the CPU.
        modules: patterns of modules, added to `paths`.
    """

    model: Source
    reference: Source | None
    texts: TextSource
    reference_texts: TextSource | None = None
    paths: tuple[str, ...] = ()
    rule: Rule = STRONGEST
    inputs: bool = False
    tokenizer: str | None = None
    tagger: str = ""
    device: str = "cpu"
    modules: tuple[str, ...] = ()

    @property
    def before_texts(self) -> TextSource:
        """What the first stage reads."""
        return self.reference_texts or self.texts

    @property
    def is_alone(self) -> bool:
        """Whether there is nothing to compare with: both sides are the same stage."""
        return self.reference is None and self.before_texts == self.texts


@dataclass(frozen=True)
class LookAtTexts(Job["TextColumns"]):
    """What is in a file of texts: its columns, how many rows, and the first of them.

    Attributes:
        path: the file.
    """

    path: str

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "looking at the texts"

    def run(self, context: Context) -> "TextColumns":
        """See `Job.run`."""
        from inspect_core.capture.texts import look_at_texts

        return look_at_texts(self.path, context.control)


@dataclass(frozen=True)
class FindActivations(Job["ActivationReport"]):
    """Which words, tags and labels activate which neurons, before and after.

    Attributes:
        query: what is asked.
    """

    query: ActivationQuery

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "reading activations"

    @property
    def needs_torch(self) -> bool:
        """See `Job.needs_torch`."""
        return True

    def run(self, context: Context) -> "ActivationReport":
        """See `Job.run`."""
        from inspect_core.activations.compare import compare_stages
        from inspect_core.work.stages import find_stages

        found = find_stages(self.query, context)
        return compare_stages(found.before, found.after)


@dataclass(frozen=True)
class FindSeveral(Job["SeveralReport"]):
    """Three stages of training and more, on the same texts.

    Attributes:
        query: what is asked of the last two; without a reference, of the last.
        between: models between them, in the order of training; the first one comes first where
            there is no reference.
    """

    query: ActivationQuery
    between: tuple[Source, ...] = ()

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return "reading activations"

    @property
    def needs_torch(self) -> bool:
        """See `Job.needs_torch`."""
        return True

    def run(self, context: Context) -> "SeveralReport":
        """See `Job.run`."""
        from inspect_core.activations.several import compare_several
        from inspect_core.work.stages import find_several

        return compare_several(find_several(self.query, self.between, context))


@dataclass(frozen=True)
class FindNeuron(Job["NeuronDetail"]):
    """One neuron in depth, with the sentences that it was strongest in.

    It is of the stages that the last report of this query was made of, where the process still
    has them; else they are found again.

    Attributes:
        query: what is asked.
        site: name of the site, as the report has it.
        unit: number of the neuron.
        most: words of each side.
    """

    query: ActivationQuery
    site: str
    unit: int
    most: int = 20

    @property
    def about(self) -> str:
        """See `Job.about`."""
        return f"reading neuron {self.unit}"

    @property
    def needs_torch(self) -> bool:
        """See `Job.needs_torch`."""
        return True

    def run(self, context: Context) -> "NeuronDetail":
        """See `Job.run`."""
        from inspect_core.activations.compare import neuron_detail
        from inspect_core.work.sentences import sentences_of
        from inspect_core.work.stages import find_stages, shown_stages

        found = shown_stages(self.query) or find_stages(self.query, context)
        detail = neuron_detail(found.before, found.after, self.site, self.unit, self.most)
        sides, notes = [], []
        for side, (texts, fingerprint) in enumerate(found.texts):
            words = detail.words[side]
            try:
                sentences = sentences_of(texts, fingerprint, [one.sample for one in words])
            except LamellaError as error:
                sentences = [""] * len(words)
                notes.append(f"without sentences: {error}")
            sides.append(
                tuple(
                    replace(one, sentence=text) for one, text in zip(words, sentences, strict=True)
                )
            )
        return replace(
            detail, words=(sides[0], sides[1]), notes=tuple(dict.fromkeys([*detail.notes, *notes]))
        )
