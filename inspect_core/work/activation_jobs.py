"""The jobs about activations: what is in a file of texts, and what neurons listen to."""

from dataclasses import dataclass

from inspect_core.activations.rule import STRONGEST, Rule
from inspect_core.capture.texts.source import TextSource
from inspect_core.work.listings import Source


@dataclass(frozen=True)
class ActivationQuery:
    """What is asked of one or two models; picklable.

    Attributes:
        model: after.
        reference: before; None for the model alone, or for one model on two files of texts.
        texts: what both read.
        reference_texts: what the reference (without one, the model) reads instead, as before.
        paths: modules, as the tree of the model has them; empty for the blocks of the model.
        rule: what counts as an activation.
        inputs: whether what the modules read is taken, not what they give.
        tokenizer: a folder or file to use instead of the checkpoints' own.
        tagger: `""`, or the name of an installed tagger, where the texts have no tags.
        device: where the models run.
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
