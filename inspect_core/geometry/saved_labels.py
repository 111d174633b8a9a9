"""Labels of saved representations, from the file of texts that they were made of."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspect_core.capture.texts.source import TextSource
from inspect_core.control import Control, Silent
from inspect_core.errors import UsageError
from inspect_core.geometry.representations import text_digest
from inspect_core.text import clean

Labels = tuple[tuple[str, tuple[str, ...]], ...]
"""For each column its name and one label a text; foreign."""

_SHOWN = 60


def labelled_rows(
    labels: TextSource,
    samples: NDArray[np.int64],
    digests: NDArray[np.uint64] | None,
    place: Path,
    control: Control,
) -> tuple[NDArray[np.int64], Labels]:
    """Numbers and labels of rows, by the digest of each row's text, else by its number.

    Args:
        labels: the file of texts.
        samples: int64 `(rows,)`, the numbers that rows have so far; -1 where not known.
        digests: uint64 `(rows,)`; None where not known.
        place: of the rows, for messages.
        control: polled between texts.

    Raises:
        LamellaError: the file cannot be read, or is not that of the rows.
    """
    from inspect_core.capture.texts import open_texts

    texts = open_texts(labels, Silent(control))
    if digests is not None:
        told = [(text_digest(sample.text), sample.labels) for sample in texts]
        numbers = _found_again([digest for digest, _ in told], samples, digests, labels, place)
        return numbers, _columns(texts.labels, [found for _, found in told], numbers)
    known = bool((samples >= 0).all()) and len(samples) > 0
    fits = texts.count > int(samples.max()) if known else texts.count == len(samples)
    if not fits:
        raise UsageError(
            f"{texts.count:,} texts, and {clean(place.name, _SHOWN)} has {len(samples):,} rows",
            where=labels.path,
            hint="give the file of texts that they were made of",
        )
    numbers = samples if known else np.arange(len(samples), dtype=np.int64)
    return numbers, _columns(texts.labels, [sample.labels for sample in texts], numbers)


def _columns(
    names: Sequence[str], labels: Sequence[tuple[str, ...]], numbers: NDArray[np.int64]
) -> Labels:
    return tuple(
        (name, tuple(labels[number][at] for number in numbers.tolist()))
        for at, name in enumerate(names)
    )


def _found_again(
    texts: Sequence[int],
    samples: NDArray[np.int64],
    digests: NDArray[np.uint64],
    labels: TextSource,
    place: Path,
) -> NDArray[np.int64]:
    """The numbers of the texts that rows were made of; of equal texts that of a row's own."""
    numbers_of: dict[int, list[int]] = {}
    for number, digest in enumerate(texts):
        numbers_of.setdefault(digest, []).append(number)
    found = []
    before: Counter[int] = Counter()
    for sample, digest in zip(samples.tolist(), digests.tolist(), strict=True):
        same = numbers_of.get(digest, [])
        if 0 <= sample < len(texts) and texts[sample] == digest:
            found.append(sample)
        elif same:
            found.append(same[min(before[digest], len(same) - 1)])
        before[digest] += 1
    if len(found) < len(samples):
        missing = len(samples) - len(found)
        raise UsageError(
            f"{missing:,} of {len(samples):,} texts of {clean(place.name, _SHOWN)} are not in it",
            where=labels.path,
            hint="give the file of texts that they were made of",
        )
    return np.array(found, np.int64)


def same_names(labels: Labels) -> tuple[str, ...]:
    """A note where two columns of labels cannot be told apart by name."""
    twice = [name for name, count in Counter(name for name, _ in labels).items() if count > 1]
    if not twice:
        return ()
    return (f"several columns of labels have the name '{clean(twice[0], _SHOWN)}'",)
