"""Some texts side by side: the ids that a model reads, and the words that they belong to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Texts for one forward pass, padded on the right.

    Attributes:
        ids: int64 `(rows, positions)`, 0 where padded.
        attended: bool `(rows, positions)`, False where padded.
        word: int64 `(rows, positions)`: the word a token is (a part of), as an index of `words`;
            -1 for special tokens, padding and white space. The tokens of a word follow each other.
        words: the words of all rows, in order, as written; foreign.
        tags: one for each of `words`; None without tags.
        rows: int64 `(words,)`, the row of each word.
        samples: int64 `(rows,)`, the number of each text in its file.
        labels: for each row, one value for each label column.
    """

    ids: NDArray[np.int64]
    attended: NDArray[np.bool_]
    word: NDArray[np.int64]
    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    rows: NDArray[np.int64]
    samples: NDArray[np.int64]
    labels: tuple[tuple[str, ...], ...] = ()
