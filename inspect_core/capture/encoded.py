"""What a tokenizer makes of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CHARACTERS_A_TOKEN = 64
"""A text is cut to so many characters for each token that a model takes, before it is looked at:
a book on one line must not be read whole for its first page."""


@dataclass(frozen=True, eq=False, slots=True)
class Encoded:
    """The tokens of one text.

    Attributes:
        ids: int64 `(tokens,)`.
        offsets: int64 `(tokens, 2)`: the first character of each token in the text, counted in
            Unicode characters, and the one after its last; equal where it has none.
        special: bool `(tokens,)`, tokens that are not part of the text, such as `[CLS]`.
        cut: whether the text is longer than what is here.
        pieces: the text of each token where offsets are not known, else None; foreign.
    """

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    special: NDArray[np.bool_]
    cut: bool = False
    pieces: tuple[str, ...] | None = None


class Tokenizer(Protocol):
    """Turns texts into ids.

    Attributes:
        fingerprint: hex digest of what decides on the ids; `""` where that cannot be known.
        notes: what is good to know, for people; safe.
    """

    @property
    def fingerprint(self) -> str: ...  # noqa: D102 - see above

    @property
    def notes(self) -> tuple[str, ...]: ...  # noqa: D102

    def encode(self, texts: Sequence[str], most: int) -> list[Encoded]:
        """Turn texts into tokens.

        Args:
            texts: any; foreign.
            most: tokens that a text may have, special ones included; the rest is cut off.

        Raises:
            LamellaError: a text cannot be turned into tokens, or `most` leaves no room for one.
        """
        ...


def shortened(text: str, most: int) -> tuple[str, bool]:
    """A text cut to what `most` tokens can hold, and whether it was."""
    limit = most * CHARACTERS_A_TOKEN
    return (text, False) if len(text) <= limit else (text[:limit], True)
