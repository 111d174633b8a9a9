"""Representations of texts, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

LAST, MEAN = "last", "mean"
"""The last attended token; the mean of all attended tokens."""

POOLINGS = {LAST: "last token", MEAN: "mean of the tokens"}


@dataclass(frozen=True, eq=False, slots=True)
class Representations:
    """One vector a text and layer.

    Attributes:
        title: of the model, or of the file they were saved in; safe to show.
        names: of the layers, as `Site.name`.
        values: for each layer float32 or float64 `(texts, units)`, in memory or in a file.
        labels: for each column its name and one label a text; foreign.
        samples: int64 `(texts,)`, number of each text in its file; -1 where not known.
        pooling: `LAST`, `MEAN`, or `""` where it is not known.
        notes: safe to show.
        digests: uint64 `(texts,)`, `text_digest` of each text; None where not known.
    """

    title: str
    names: tuple[str, ...]
    values: Sequence[NDArray[np.floating]]
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    samples: NDArray[np.int64]
    pooling: str
    notes: tuple[str, ...] = ()
    digests: NDArray[np.uint64] | None = None


def text_digest(text: str) -> int:
    """64 bits that tell a text from others, whatever file it is in.

    Args:
        text: as written; of a prompt the text that it asks about.
    """
    raw = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")
