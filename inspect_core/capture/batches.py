"""Texts laid out for forward passes: sorted by length in windows, so that little is padding."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inspect_core.capture.batch import Batch
from inspect_core.capture.encoded import Encoded, Tokenizer
from inspect_core.capture.texts.source import Sample
from inspect_core.capture.words import split_at_spaces, split_words, word_of_tokens
from inspect_core.control import Control
from inspect_core.errors import UsageError

WINDOW = 1024
"""Texts that are sorted by length together."""

WINDOW_CHARACTERS = 1 << 22
"""Characters of the texts of a window."""

_AT_ONCE = 128
"""Texts that are turned into tokens before somebody may stop the work."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How large a batch may be.

    Attributes:
        rows: texts.
        tokens: rows times positions, unless one text alone has more.
        most: tokens of one text, special ones included; the rest is cut off.
    """

    rows: int = 64
    tokens: int = 4096
    most: int = 512


class _Row(NamedTuple):
    sample: Sample
    encoded: Encoded


class Batches(Iterator[Batch]):
    """Batches of texts, made as they are asked for, always the same ones.

    Attributes:
        given: texts in the batches so far.
        tokens: their tokens, without special ones.
        cut: how many of them were cut.
        too_long: texts so far that would have been cut, and were left out instead.
        wordless: texts so far that hold nothing but what the tokenizer drops; they are left out.
    """

    def __init__(
        self,
        texts: Iterable[Sample],
        tokenizer: Tokenizer,
        size: BatchSize,
        tagger: Callable[[list[str]], list[str]] | None,
        control: Control | None,
        cutting: bool = True,
    ) -> None:
        self.given = self.tokens = self.cut = self.too_long = self.wordless = 0
        self._cutting = cutting
        self._tokenizer = tokenizer
        self._size = size
        self._tagger = tagger
        self._control = control
        self._batches = self._made(texts)

    def __next__(self) -> Batch:
        return next(self._batches)

    def notes(self) -> tuple[str, ...]:
        """What became of the texts so far, for people; safe."""
        notes = list(self._tokenizer.notes)
        if self.cut:
            what = "text was" if self.cut == 1 else "texts were"
            notes.append(f"{self.cut:,} {what} cut to {self._size.most:,} tokens")
        if self.wordless:
            what = "text has no word" if self.wordless == 1 else "texts have no words"
            notes.append(f"{self.wordless:,} {what} for the tokenizer and "
                         f"{'is' if self.wordless == 1 else 'are'} left out")  # fmt: skip
        return tuple(notes)

    def _made(self, texts: Iterable[Sample]) -> Iterator[Batch]:
        for window in _windows(texts):
            rows = self._encoded(window)
            # Equal lengths stay in the order of the file, so that each run gives the same.
            rows.sort(key=lambda row: len(row.encoded.ids))
            for some in _portions(rows, self._size):
                batch = make_batch(some, self._tagger)
                self.given += len(some)
                self.tokens += sum(int((~row.encoded.special).sum()) for row in some)
                self.cut += sum(row.encoded.cut for row in some)
                yield batch

    def _encoded(self, window: Sequence[Sample]) -> list[_Row]:
        rows: list[_Row] = []
        for start in range(0, len(window), _AT_ONCE):
            if self._control is not None:
                self._control.check()
            some = window[start : start + _AT_ONCE]
            found = self._tokenizer.encode([one.text for one in some], self._size.most)
            rows += map(_Row, some, found)
        kept = [row for row in rows if not row.encoded.special.all()]
        self.wordless += len(rows) - len(kept)
        if self._cutting:
            return kept
        whole = [row for row in kept if not row.encoded.cut]
        self.too_long += len(kept) - len(whole)
        return whole


def make_batches(
    texts: Iterable[Sample],
    tokenizer: Tokenizer,
    size: BatchSize | None = None,
    tagger: Callable[[list[str]], list[str]] | None = None,
    control: Control | None = None,
    cutting: bool = True,
) -> Batches:
    """Lay texts out in batches.

    Args:
        texts: such as `open_texts` gives.
        tokenizer: of the model.
        size: how large batches may be.
        tagger: gives a tag to each word, where the texts have no tags of their own.
        control: polled between some texts.
        cutting: whether a text that is too long is cut at its end; else it is left out.

    Returns:
        The batches, one by one; what was cut and left out can be read from them afterwards.

    Raises:
        LamellaError: while they are read: a text cannot be turned into tokens; the texts have
            tags and the tokenizer does not say where its tokens are.
    """
    return Batches(texts, tokenizer, size or BatchSize(), tagger, control, cutting)


def make_batch(
    rows: Sequence[tuple[Sample, Encoded]],
    tagger: Callable[[list[str]], list[str]] | None = None,
) -> Batch:
    """Put texts side by side.

    Args:
        rows: the texts and their tokens.
        tagger: as in `make_batches`.
    """
    lengths = np.array([len(encoded.ids) for _, encoded in rows], np.int64)
    attended = np.arange(lengths.max()) < lengths[:, None]
    word, words, tags, owner = _words(rows, lengths, tagger)
    return Batch(
        ids=_laid_out(np.concatenate([encoded.ids for _, encoded in rows]), attended, 0),
        attended=attended,
        word=_laid_out(word, attended, -1),
        words=words,
        tags=tags,
        rows=owner,
        samples=np.array([sample.number for sample, _ in rows], np.int64),
        labels=tuple(sample.labels for sample, _ in rows),
    )


def _windows(texts: Iterable[Sample]) -> Iterator[list[Sample]]:
    window: list[Sample] = []
    characters = 0
    for sample in texts:
        window.append(sample)
        characters += len(sample.text)
        if len(window) == WINDOW or characters > WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window


def _portions(rows: Sequence[_Row], size: BatchSize) -> Iterator[Sequence[_Row]]:
    """Rows that fit into a batch; they are sorted, so that the last one is the longest."""
    start = 0
    for end in range(1, len(rows) + 1):
        more = end < len(rows) and (end - start < size.rows) and (
            (end - start + 1) * len(rows[end].encoded.ids) <= size.tokens
        )  # fmt: skip
        if not more:
            yield rows[start:end]
            start = end


def _laid_out(
    values: NDArray[np.int64], attended: NDArray[np.bool_], empty: int
) -> NDArray[np.int64]:
    out = np.full(attended.shape, empty, np.int64)
    out[attended] = values
    return out


class _Spans(NamedTuple):
    """Words of one text, before it is known which have tokens."""

    starts: list[int]
    ends: list[int]
    words: list[str]
    tags: tuple[str, ...] | None


def _words(
    rows: Sequence[tuple[Sample, Encoded]],
    lengths: NDArray[np.int64],
    tagger: Callable[[list[str]], list[str]] | None,
) -> tuple[NDArray[np.int64], tuple[str, ...], tuple[str, ...] | None, NDArray[np.int64]]:
    """The word of each token of all rows, the words that have one, their tags and rows."""
    spans = [_spans(sample, encoded, tagger) for sample, encoded in rows]
    # Characters are numbered on from text to text, which finds all words at once.
    sizes = [max(len(sample.text), len(encoded.ids)) + 1 for sample, encoded in rows]
    bases = np.array([0, *accumulate(sizes)][:-1], np.int64)
    counts = np.array([len(one.words) for one in spans], np.int64)
    starts = _numbered([one.starts for one in spans], bases, counts)
    ends = _numbered([one.ends for one in spans], bases, counts)
    offsets = np.concatenate([_offsets(sample, encoded) for sample, encoded in rows])
    special = np.concatenate([encoded.special for _, encoded in rows])
    word = word_of_tokens(starts, ends, offsets + np.repeat(bases, lengths)[:, None], special)
    kept = np.unique(word[word >= 0])
    new = np.full(len(starts) + 1, -1, np.int64)  # the last one is what -1 reaches
    new[kept] = np.arange(len(kept))
    names = [name for one in spans for name in one.words]
    owner = np.repeat(np.arange(len(rows)), counts)[kept]
    tags = None
    if all(one.tags is not None for one in spans):
        listed = [tag for one in spans for tag in one.tags or ()]
        tags = tuple(listed[at] for at in kept)
    return new[word], tuple(names[at] for at in kept), tags, owner.astype(np.int64)


def _numbered(
    places: Sequence[list[int]], bases: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    flat = np.array([place for some in places for place in some], np.int64)
    return flat + np.repeat(bases, counts)


def _offsets(sample: Sample, encoded: Encoded) -> NDArray[np.int64]:
    if encoded.pieces is None:
        # Nothing that a tokenizer says may reach into the next text.
        inside: NDArray[np.int64] = np.clip(encoded.offsets, 0, len(sample.text))
        return inside
    at = np.arange(len(encoded.pieces), dtype=np.int64)
    return np.stack([at, at + 1], axis=1)


def _spans(
    sample: Sample, encoded: Encoded, tagger: Callable[[list[str]], list[str]] | None
) -> _Spans:
    if encoded.pieces is not None:
        if sample.tags is not None:
            raise UsageError(
                "tags need a tokenizer that says where its tokens are in a text",
                hint="give one with a tokenizer.json: --tokenizer DIR",
            )
        words = list(encoded.pieces)
        starts = list(range(len(words)))
        ends = [start + 1 for start in starts]
    else:
        split = split_words if sample.tags is None else split_at_spaces
        # A word beyond the last token has none: a book on one line is not split whole.
        text = sample.text[: int(encoded.offsets[:, 1].max(initial=0)) + _TAIL]
        spans = split(text)
        starts, ends = [span[0] for span in spans], [span[1] for span in spans]
        words = [text[start:end] for start, end in spans]
    tags = None if sample.tags is None else sample.tags[: len(words)]
    if tags is None and tagger is not None:
        tags = tuple(tagger(words))
    return _Spans(starts, ends, words, tags)


_TAIL = 256
"""Characters after the last token that still show a tagger what follows, and end its word."""
