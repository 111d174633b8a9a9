"""One model over one file of texts, in one pass a batch: activations by neuron and feature."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.rule import Rule
from inspect_core.activations.stage import Features, SiteCounts, Stage
from inspect_core.activations.tally import MOST_PAIRS, Budget, Tally
from inspect_core.activations.units import Activated, find_activated
from inspect_core.activations.vocabulary import Vocabulary
from inspect_core.capture.batch import Batch
from inspect_core.capture.output import Output, Site
from inspect_core.control import Control
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.capture.loading import RunningModel
    from inspect_core.capture.texts import Texts

Tagger = Callable[[list[str]], list[str]]
"""From the words of a text to their tags."""


def collect_stage(
    model: "RunningModel",
    texts: "Texts",
    paths: Sequence[str],
    rule: Rule,
    control: Control,
    *,
    inputs: bool = False,
    tagger: Tagger | None = None,
    title: str | None = None,
) -> Stage:
    """What a model shows on texts, at several places of it at once.

    Nothing of a batch is kept but what its words add to the counts, so that memory grows with
    distinct words, not with texts.

    Args:
        model: ready to run.
        texts: read once, in order.
        paths: modules, as the model's tree has them.
        rule: what counts as an activation.
        control: told of progress, and polled between batches.
        inputs: whether what the modules read is taken, not what they give.
        tagger: gives the words tags where the texts have none.
        title: of the stage, safe to show; None for the model's.

    Raises:
        Cancelled: nobody waits for it any more.
        LamellaError: the texts or the modules cannot be used, or there is too much to count.
    """
    from inspect_core.capture.passes import run_passes

    counting = Counting(rule, texts.labels)
    report = run_passes(model, texts, paths, counting.visit, control, inputs=inputs, tagger=tagger)
    control.check()
    return Stage(
        title=model.title if title is None else title,
        rule=rule,
        words=counting.words.features(),
        labels=counting.label_features(),
        sites=counting.sites(report.sites),
        samples=report.samples,
        tokens=report.tokens,
        notes=(*report.notes, *counting.notes()),
        tokenizer=model.tokenizer.fingerprint,
    )


class Counting:
    """The visitor of a run: counts what each site gives for each batch.

    Args:
        rule: what counts as an activation.
        labels: names of the label columns; foreign.
        pairs: of neuron and feature, held at most.
    """

    def __init__(self, rule: Rule, labels: Sequence[str] = (), pairs: int = MOST_PAIRS) -> None:
        self._rule = rule
        self.words = Vocabulary(lower=rule.lower)
        self._labels = [Vocabulary(name) for name in labels]
        self._budget = Budget(pairs)
        self._tallies: dict[Site, list[Tally]] = {}
        self._odd: dict[Site, int] = {}
        self._uneven: dict[Site, None] = {}
        self._batch: Batch | None = None
        self._features: list[NDArray[np.int64]] = []
        self._samples = np.zeros(0, np.int64)

    def visit(self, batch: Batch, output: Output) -> None:
        """Count one output.

        Raises:
            LamellaError: there is too much to count.
        """
        if batch is not self._batch:
            self._read(batch)
        site, units = output.site, output.values.shape[-1]
        if site in self._uneven:
            return
        if site not in self._tallies:
            kinds = 1 + len(self._labels)
            self._tallies[site] = [Tally(units, self._budget) for _ in range(kinds)]
        if self._tallies[site][0].units != units:
            self._uneven[site] = None
            for tally in self._tallies.pop(site):
                tally.drop()
            return
        found = find_activated(output, self._rule)
        if found.odd:
            self._odd[site] = self._odd.get(site, 0) + found.odd
        self._add(site, found)

    def sites(self, order: Sequence[Site]) -> tuple[SiteCounts, ...]:
        """What was counted, site by site.

        Args:
            order: of the sites; those that gave nothing are left out.
        """
        return tuple(
            SiteCounts(site, words.counts(), tuple(tally.counts() for tally in labels))
            for site in order
            if site in self._tallies
            for words, *labels in [self._tallies[site]]
        )

    def label_features(self) -> tuple[Features, ...]:
        """The values of each label column."""
        return tuple(vocabulary.features() for vocabulary in self._labels)

    def notes(self) -> tuple[str, ...]:
        """What was left out; safe."""
        uneven = [
            f"{clean(site.name)}: left out, its width differs from batch to batch"
            for site in self._uneven
        ]
        odd = [
            f"{clean(site.name)}: NaN or infinite values at {words:,} "
            f"word{'' if words == 1 else 's'}, left out"
            for site, words in self._odd.items()
            if site not in self._uneven
        ]
        return (*uneven, *_few(odd), *[note for one in self._labels for note in _many(one)])

    def _read(self, batch: Batch) -> None:
        """Number the words and labels of a batch, once for all its sites."""
        self._batch = batch
        words = self.words.number(batch.words, batch.tags)
        self.words.count(words)
        self._features = [words]
        for at, vocabulary in enumerate(self._labels):
            values = np.array([labels[at] for labels in batch.labels], object)
            labelled = values != ""  # an empty cell is no label
            of_rows = np.full(len(values), -1, np.int64)
            of_rows[labelled] = vocabulary.number(values[labelled].tolist())
            of_words = of_rows[batch.rows]
            vocabulary.count(of_words[of_words >= 0])
            self._features.append(of_words)
        self._samples = batch.samples[batch.rows]

    def _add(self, site: Site, found: Activated) -> None:
        samples = self._samples[found.word]
        for features, tally in zip(self._features, self._tallies[site], strict=True):
            feature = features[found.word]
            known = feature >= 0
            if known.all():
                tally.add(found.unit, feature, found.activation, samples)
            else:
                tally.add(
                    found.unit[known], feature[known], found.activation[known], samples[known]
                )


MOST_VALUES = 50
"""Of a label column: one with more is most probably a number, or says something of one text."""


def _many(labels: Vocabulary) -> list[str]:
    features = labels.features()
    count = len(features.names)
    if count <= MOST_VALUES:
        return []
    name = clean(features.kind, 60)
    numbers = all(_is_number(value) for value in features.names[:MOST_VALUES])
    more = f"; {name}:sign takes its numbers by their sign" if numbers else ""
    return [f"label column {name} has {count:,} values, each a label of its own{more}"]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text[:40]))
    except ValueError:
        return False


MOST_NOTES = 5
"""Notes of one kind that are told one by one."""


def _few(notes: list[str]) -> list[str]:
    if len(notes) <= MOST_NOTES:
        return notes
    return [*notes[:MOST_NOTES], f"... and so at {len(notes) - MOST_NOTES:,} more modules"]
