"""The sentences in which words activated a neuron, read again from their file."""

from collections.abc import Sequence

from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import FilesChanged


def sentences_of(source: TextSource, fingerprint: str, samples: Sequence[int]) -> list[str]:
    """The text of each number; `""` for a number below 0.

    Args:
        source: the file.
        fingerprint: of its texts, when the activations were found.
        samples: numbers of texts, in any order, some perhaps several times.

    Raises:
        LamellaError: the file is gone, cannot be read, or holds other texts now.
    """
    wanted = sorted({number for number in samples if number >= 0})
    if not wanted:
        return [""] * len(samples)
    from inspect_core.capture.texts import open_texts

    texts = open_texts(source)
    if texts.fingerprint != fingerprint:
        raise FilesChanged(
            "the texts changed since they were read", where=source.path, hint="run it again"
        )
    found = dict(zip(wanted, texts.sentences(wanted), strict=True))
    return [found.get(number, "") for number in samples]
