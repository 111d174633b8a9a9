"""What whoever runs a model needs of texts: those of a file, or prompts that are made of them."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from inspect_core.capture.texts.source import Sample, TextSource


class SomeTexts(Protocol):
    """Texts that can be read as often as they are needed."""

    @property
    def source(self) -> TextSource:
        """The file and its columns."""
        ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the label columns; foreign."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hex digest of all that is given, in this order."""
        ...

    def __iter__(self) -> Iterator[Sample]: ...

    def sentences(self, numbers: Sequence[int]) -> list[str]:
        """The texts of some numbers as the file has them; `""` for a number that no text has."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What was left out, for people; safe."""
        ...
