"""Texts as few-shot prompts: some examples with their labels, then the text to be labelled."""

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np

from inspect_core.capture.texts.some_texts import SomeTexts
from inspect_core.capture.texts.source import Sample
from inspect_core.errors import UsageError

TEMPLATE = "{text}\nlabel: {label}\n\n"
"""One example; a question is the same, without its label."""

POOL = 10
"""Texts that are set aside to be examples, however many of them a prompt has."""

_TEXT, _LABEL = "{text}", "{label}"
_PARTS = re.compile(r"(\{text\}|\{label\})")


class FewShot:
    """Prompts made of texts: the same examples before each of them.

    Examples come from a pool that depends on the texts and the seed alone and is never asked
    about, so that the questions are the same for any number of examples, and none. (A model that
    takes no prompt so long leaves its question out.) Two examples are the first two of five. Labels
    take turns among them, so that each comes as often as the others as far as there are texts of
    it.

    Args:
        texts: with a column of labels where there are examples.
        shots: examples before each question.
        template: of one example, with `{text}` once and `{label}` at most once; other braces stay
            as they are. A question ends where its label would begin, without white space.
        label: which label column, from 0.
        seed: chooses the examples.
        pool: texts set aside; half of the texts at most.

    Attributes:
        source: the file of the texts and its columns.
        count: questions.
        labels: names of the label columns; foreign.
        fingerprint: hex digest of texts, template and examples.
        shots: examples before each question.
        examples: numbers of the texts set aside, as in `Sample.number`; the first ones are used.

    Raises:
        UsageError: the template, the number of examples or the texts will not do.
    """

    def __init__(
        self,
        texts: SomeTexts,
        shots: int,
        template: str = TEMPLATE,
        *,
        label: int = 0,
        seed: int = 0,
        pool: int = POOL,
    ) -> None:
        parts = _checked(template, shots)
        if shots and not texts.labels:
            raise UsageError(
                "examples need labels", where=texts.source.path, hint="name a column of labels"
            )
        if not 0 <= label < max(1, len(texts.labels)):
            raise UsageError(f"no label column {label}", where=texts.source.path)
        self._texts, self._parts, self._label = texts, parts, label
        self.shots, self.labels, self.source = shots, texts.labels, texts.source
        self.examples = _examples(texts, label, seed, min(pool, texts.count // 2))
        if shots > len(self.examples):
            raise UsageError(
                f"{shots} examples, and {len(self.examples)} texts with labels are set aside",
                where=texts.source.path,
                hint="ask for fewer, or give more texts",
            )
        self._set_aside = frozenset(self.examples)
        self.count = texts.count - len(self.examples)
        self._before = "".join(self._shown(sample) for sample in self._shots())
        digest = blake2b(digest_size=20)
        for part in (texts.fingerprint, str(self.examples), str(label), template, str(shots)):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "little") + raw)
        self.fingerprint = digest.hexdigest()

    def __iter__(self) -> Iterator[Sample]:
        """Give the prompts in the order of the file, each with the number and labels of its text.

        Raises:
            FilesChanged: the file is no longer the one that was opened.
        """
        for sample in self._texts:
            if sample.number not in self._set_aside:
                text = self._before + self._asked(sample.text)
                yield Sample(sample.number, text, None, sample.labels, sample.text)

    def sentences(self, numbers: Sequence[int]) -> list[str]:
        """The texts themselves, without what a prompt puts around them; see `Texts`."""
        return self._texts.sentences(numbers)

    def notes(self) -> tuple[str, ...]:
        """What was made of the texts, for people; safe."""
        notes = [*self._texts.notes()]
        if self.examples:
            notes.append(f"{len(self.examples):,} texts are set aside as examples of prompts")
        return tuple(notes)

    def _shots(self) -> list[Sample]:
        wanted = self.examples[: self.shots]
        if not wanted:
            return []
        found = {}
        for sample in self._texts:
            if sample.number in wanted:
                found[sample.number] = sample
            if len(found) == len(wanted):
                break
        return [found[number] for number in wanted]

    def _shown(self, sample: Sample) -> str:
        given = {_TEXT: sample.text, _LABEL: sample.labels[self._label]}
        return "".join(given.get(part, part) for part in self._parts)

    def _asked(self, text: str) -> str:
        parts = self._parts
        end = parts.index(_LABEL) if _LABEL in parts else len(parts)
        # A label that comes first leaves nothing to ask behind it.
        if _TEXT not in parts[:end]:
            end = len(parts)
        given = {_TEXT: text, _LABEL: ""}
        return "".join(given.get(part, part) for part in parts[:end]).rstrip()


def _checked(template: str, shots: int) -> list[str]:
    parts = _PARTS.split(template)
    if parts.count(_TEXT) != 1 or parts.count(_LABEL) > 1:
        raise UsageError(
            "a template needs {text} once, and {label} at most once", where=template[:60]
        )
    if shots < 0:
        raise UsageError(f"{shots} examples cannot be had")
    if shots and _LABEL not in parts:
        raise UsageError("examples need {label} in their template", where=template[:60])
    return parts


def _examples(texts: SomeTexts, label: int, seed: int, most: int) -> tuple[int, ...]:
    """Texts set aside: the labels take turns, and of each label chance decides."""
    if not texts.labels:
        return ()
    of_label: dict[str, list[int]] = {}
    for sample in texts:
        if sample.labels[label]:
            of_label.setdefault(sample.labels[label], []).append(sample.number)
    chance = np.random.default_rng(seed)
    names = sorted(of_label)
    turns = [of_label[names[at]] for at in chance.permutation(len(names))]
    chosen: list[int] = []
    while turns and len(chosen) < most:
        chosen += [
            numbers.pop(int(chance.integers(len(numbers))))
            for numbers in turns[: most - len(chosen)]
        ]
        turns = [numbers for numbers in turns if numbers]
    return tuple(chosen)
