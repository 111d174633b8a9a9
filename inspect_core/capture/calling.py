"""How a model is called: ids and masks under the names that it has for them."""

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inspect_core.capture.batch import Batch
from inspect_core.capture.layouts import Extent
from inspect_core.capture.limits import asked, config_of
from inspect_core.capture.running import RunningModel
from inspect_core.errors import Cancelled, LamellaError, UsageError
from inspect_core.text import clean

_FALSE = ("use_cache", "output_hidden_states", "output_attentions")
"""Options of models of transformers that would only keep what the hooks have seen."""


class Enough(Exception):  # noqa: N818 - a wish that is fulfilled, not an error
    """Raised in a hook: nothing behind it is wanted."""


class SeenError(Exception):
    """Raised in a hook for an error of who looks on, which is its cause: not the model's."""


class Caller:
    """Calls a model with batches.

    Args:
        model: the model.

    Attributes:
        splits: whether texts of one length alone are run together: the model is not told what
            is padding, or it is found that padding changes what it gives all the same.
        decodes: whether it has a decoder that reads the text behind a token that starts it.
        time_first: whether it takes `(positions, rows)`; found out by who calls it first.
    """

    def __init__(self, model: RunningModel) -> None:
        self._model = model
        names = _parameters(model.module)
        config = config_of(model.module)
        self._names = names
        self._masks = "attention_mask" in names
        self.splits = not self._masks
        self.decodes = "decoder_input_ids" in names and bool(
            asked(config, "is_encoder_decoder") is True
        )
        self._start = _start_token(config) if self.decodes else 0
        self.time_first = False

    def extent(self, rows: int, positions: int) -> Extent:
        """The sizes of a pass."""
        return Extent(rows, positions, positions + 1 if self.decodes else 0, self.time_first)

    def call(self, ids: NDArray[np.int64], attended: NDArray[np.bool_]) -> None:
        """One pass; only hooks see what comes of it.

        Args:
            ids: `(rows, positions)`.
            attended: the same shape, False where padded.

        Raises:
            UsageError: an id is not in the model's vocabulary.
            LamellaError: the pass fails.
        """
        self._refuse_unknown(ids)
        try:
            self._call(ids, attended)
        except (LamellaError, Cancelled, Enough, SeenError):
            raise
        except (Exception, SystemExit) as error:  # foreign code fails in any way
            raise self._told(error, ids) from error

    def _refuse_unknown(self, ids: NDArray[np.int64]) -> None:
        least, most = (int(ids.min()), int(ids.max())) if ids.size else (0, 0)
        known = self._model.vocabulary
        says = f", and the model knows {known:,}" if known is not None else ""
        if least < 0 or (known is not None and most >= known):
            raise UsageError(
                f"the tokenizer gives token {least if least < 0 else most:,}{says}",
                where=self._model.title,
                hint="it is the tokenizer of another model: give the right one with --tokenizer",
            )
        start = self._start
        if self.decodes and (start < 0 or (known is not None and start >= known)):
            raise UsageError(
                f"its config starts the decoder with token {start}{says}",
                where=self._model.title,
                hint="mend decoder_start_token_id in its config",
            )

    def _told(self, error: BaseException, ids: NDArray[np.int64]) -> LamellaError:
        words = " ".join(str(error).split())
        full = (torch.cuda.OutOfMemoryError, MemoryError)
        if isinstance(error, full) or "can't allocate memory" in words:
            return LamellaError(
                f"not enough memory for {ids.shape[0]} texts of {ids.shape[1]:,} tokens",
                where=self._model.title,
                hint="cut the texts, or run on another device",
            )
        return LamellaError(
            f"the model fails on the texts: {clean(f'{type(error).__name__}: {words}', 300)}",
            where=self._model.title,
            hint="does its tokenizer belong to it, and does it run on text alone?",
        )

    def _call(self, ids: NDArray[np.int64], attended: NDArray[np.bool_]) -> None:
        device = self._model.device
        tokens = torch.from_numpy(ids).to(device)
        if self.time_first:
            tokens = tokens.t().contiguous()
        given: dict[str, Any] = {name: False for name in _FALSE if name in self._names}
        if self._masks:
            given["attention_mask"] = torch.from_numpy(attended.astype(np.int64)).to(device)
        if self.decodes:
            first = tokens.new_full((len(tokens), 1), self._start)
            given["decoder_input_ids"] = torch.cat((first, tokens), 1)
            if self._masks and "decoder_attention_mask" in self._names:
                mask = given["attention_mask"]
                given["decoder_attention_mask"] = torch.cat((torch.ones_like(first), mask), 1)
        if "input_ids" in self._names:
            self._model.module(input_ids=tokens, **given)
        else:
            self._model.module(tokens, **given)


def _parameters(module: torch.nn.Module) -> frozenset[str]:
    """Names that a model's forward takes; through wrappers that pass everything on."""
    inner: Any = module
    base = getattr(module, "get_base_model", None)
    if callable(base):  # peft
        inner = base()
    found: set[str] = set()
    for one in (module, inner):
        try:
            found |= {*inspect.signature(one.forward).parameters}
        except (TypeError, ValueError):
            continue
    return frozenset(found)


def _start_token(config: Any) -> int:
    for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id"):
        token = asked(config, name)
        if type(token) is int:
            return token
    return 0


def parts_of(batch: Batch, splits: bool) -> Iterator[Batch]:
    """A batch as it can be run: whole, or by length without any padding."""
    if not splits:
        yield batch
        return
    lengths = batch.attended.sum(axis=1)
    for length in np.unique(lengths):
        yield _rows(batch, np.flatnonzero(lengths == length), int(length))


def _rows(batch: Batch, rows: NDArray[np.intp], length: int) -> Batch:
    """Some rows of a batch, with the words of these alone."""
    place = np.full(len(batch.ids), -1, np.int64)
    place[rows] = np.arange(len(rows))
    kept = np.flatnonzero(place[batch.rows] >= 0) if len(batch.rows) else np.empty(0, np.int64)
    renumbered = np.full(len(batch.words) + 1, -1, np.int64)  # the last is that of -1
    renumbered[kept] = np.arange(len(kept))
    return Batch(
        ids=np.ascontiguousarray(batch.ids[rows, :length]),
        attended=np.ascontiguousarray(batch.attended[rows, :length]),
        word=renumbered[batch.word[rows, :length]],
        words=tuple(batch.words[at] for at in kept),
        tags=None if batch.tags is None else tuple(batch.tags[at] for at in kept),
        rows=place[batch.rows[kept]],
        samples=batch.samples[rows],
        labels=tuple(batch.labels[at] for at in rows) if batch.labels else (),
    )
