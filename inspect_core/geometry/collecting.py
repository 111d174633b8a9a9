"""One vector a text and layer, from one forward pass a batch."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspect_core.capture.batch import Batch
from inspect_core.capture.output import Output, Site
from inspect_core.control import Control
from inspect_core.errors import LamellaError, UsageError
from inspect_core.geometry.representations import LAST, MEAN, POOLINGS, Representations, text_digest
from inspect_core.geometry.room import Room
from inspect_core.text import clean

if TYPE_CHECKING:
    import torch

    from inspect_core.capture.passes import PassReport
    from inspect_core.capture.running import RunningModel
    from inspect_core.capture.texts import Sample
    from inspect_core.capture.texts.some_texts import SomeTexts

MOST_NOTES = 3
"""Modules that notes name one by one."""


def collect_representations(
    model: "RunningModel",
    texts: "SomeTexts",
    paths: Sequence[str],
    pooling: str,
    control: Control,
    *,
    title: str | None = None,
    room: Room | None = None,
    cutting: bool = True,
) -> Representations:
    """What a model makes of each text, at several places of it at once.

    Each output is reduced to one vector a text as soon as it is there. Layers come in the order
    in which the model runs them, whatever the order of their paths; texts in that of the file,
    without those that hold nothing for the tokenizer. Texts of the same tokens have the same
    vectors, bit by bit, although batches of other shapes are added up in another order.

    Args:
        model: ready to run.
        texts: of a file, or prompts.
        paths: modules, as the model's tree has them; see `layer_paths`.
        pooling: `LAST`, the last attended token, whichever side is padded, or `MEAN`, the mean of
            all attended tokens with the special ones. A module that gives one vector a text is
            taken as it is.
        control: told of progress in texts, and polled between batches.
        title: of the space, safe to show; None for the model's.
        room: where the vectors are kept.
        cutting: whether a text longer than the model takes is cut at its end. A prompt ends with
            what it asks: without its end it is another one, and False leaves it out.

    Returns:
        float32, or float64 where the model computes so.

    Raises:
        Cancelled: nobody waits for them any more.
        LamellaError: the texts or the modules cannot be used, or there is no room.
    """
    from inspect_core.capture.passes import run_passes

    if pooling not in POOLINGS:
        raise UsageError(f"no pooling '{pooling}'", hint=f"it is {LAST} or {MEAN}")
    read = _Read(texts)
    collecting = _Collecting(read, pooling, room or Room())
    report = run_passes(
        model, read, paths, collecting.visit, control, whole_texts=True, cutting=cutting
    )
    control.check()
    told = _too_long(report, texts.count, model.title) if report.too_long else ()
    return collecting.found(model.title if title is None else title, (*told, *report.notes))


def _too_long(report: "PassReport", count: int, title: str) -> tuple[str]:
    most = "1 token" if report.most == 1 else f"{report.most:,} tokens"
    if not report.samples:
        raise UsageError(
            f"all {report.too_long:,} prompts are longer than the model takes ({most})",
            where=title,
            hint="use fewer shots, or shorter texts",
        )
    some = "prompt is" if count == 1 else "prompts are"
    return (
        f"{report.too_long:,} of {count:,} {some} longer than the model takes ({most}): "
        "those questions are left out of every space",
    )


class _Read:
    """Texts as they are, with the row of each that has been read."""

    def __init__(self, texts: "SomeTexts") -> None:
        self._texts = texts
        self.source, self.count = texts.source, texts.count
        self.labels, self.fingerprint = texts.labels, texts.fingerprint
        self.row: dict[int, int] = {}
        self.labelled: list[tuple[str, ...]] = []
        self.digests: list[int] = []

    def __iter__(self) -> "Iterator[Sample]":
        for sample in self._texts:
            self.row[sample.number] = len(self.labelled)
            self.labelled.append(sample.labels)
            self.digests.append(text_digest(sample.text if sample.asked is None else sample.asked))
            yield sample

    def sentences(self, numbers: Sequence[int]) -> list[str]:
        return self._texts.sentences(numbers)

    def notes(self) -> tuple[str, ...]:
        return self._texts.notes()


class _Collecting:
    """The visitor of a run: one vector a text and site."""

    def __init__(self, read: _Read, pooling: str, room: Room) -> None:
        self._read, self._pooling, self._room = read, pooling, room
        self._values: dict[Site, NDArray[np.floating]] = {}
        self._uneven: dict[Site, None] = {}
        self._batch: Batch | None = None
        self._rows = np.zeros(0, np.int64)
        self._seen: set[int] = set()
        self._first: dict[bytes, int] = {}
        self._same: dict[int, int] = {}

    def visit(self, batch: Batch, output: Output) -> None:
        """Keep one vector for each text of an output."""
        if batch is not self._batch:
            self._take(batch)
        site = output.site
        if site in self._uneven:
            return
        pooled = pool(output, self._pooling).cpu().numpy()
        kept = self._values.get(site)
        if kept is None:
            kept = self._room.array((self._read.count, pooled.shape[1]), pooled.dtype)
            self._values[site] = kept
        if kept.shape[1] != pooled.shape[1]:
            self._uneven[site] = None
            del self._values[site]
            return
        kept[self._rows] = pooled

    def found(self, title: str, notes: tuple[str, ...]) -> Representations:
        """All layers, once all texts were read.

        Raises:
            LamellaError: there is nothing.
        """
        rows = np.array(sorted(self._seen), np.int64)
        if not self._values or not len(rows):
            raise LamellaError(
                "no text has a word for the tokenizer",
                where=self._read.source.path,
                hint="is the column of the texts the right one?",
            )
        samples = np.zeros(len(self._read.labelled), np.int64)
        for number, row in self._read.row.items():
            samples[row] = number
        labelled = [self._read.labelled[row] for row in rows.tolist()]
        return Representations(
            title=title,
            names=tuple(site.name for site in self._values),
            values=[self._in_order(values, rows) for values in self._values.values()],
            labels=tuple(
                (name, tuple(labels[at] for labels in labelled))
                for at, name in enumerate(self._read.labels)
            ),
            samples=samples[rows],
            pooling=self._pooling,
            notes=(*notes, *self._notes()),
            digests=np.array(self._read.digests, np.uint64)[rows],
        )

    def _take(self, batch: Batch) -> None:
        """The rows of a batch; texts whose tokens came before are noted."""
        self._batch = batch
        rows = [self._read.row[number] for number in batch.samples.tolist()]
        self._rows = np.array(rows, np.int64)
        for row, ids, attended in zip(rows, batch.ids, batch.attended, strict=True):
            first = self._first.setdefault(ids[attended].tobytes(), row)
            if first != row:
                self._same[row] = first
        self._seen.update(rows)

    def _in_order(
        self, values: NDArray[np.floating], rows: NDArray[np.int64]
    ) -> NDArray[np.floating]:
        for row, first in self._same.items():
            values[row] = values[first]
        if len(rows) == len(values):
            return values
        # Rows that were left out are closed up in place: they may lie in a large file.
        for place, row in enumerate(rows.tolist()):
            if place != row:
                values[place] = values[row]
        return values[: len(rows)]

    def _notes(self) -> tuple[str, ...]:
        named = [clean(site.name) for site in self._uneven]
        notes = [f"{name}: left out, its width differs from batch to batch" for name in named]
        more = len(notes) - MOST_NOTES
        return (*notes[:MOST_NOTES], *([f"... and {more:,} more modules"] if more > 0 else []))


def pool(output: Output, pooling: str) -> "torch.Tensor":
    """One vector a text, of what a module gave for a batch.

    Args:
        output: of the module.
        pooling: `LAST` or `MEAN`.

    Returns:
        float32 `(rows, units)`, float64 where the values are; on their device.
    """
    import torch

    values, attended = output.values, output.attended
    if values.dtype != torch.float64:
        values = values.float()
    if pooling == LAST:
        places = torch.arange(attended.shape[1], device=attended.device)
        last = torch.where(attended, places, -1).amax(dim=1).clamp(min=0)
        return values[torch.arange(len(values), device=values.device), last]
    # What is padded may be NaN: it is put aside, not multiplied by 0.
    kept = values.masked_fill(~attended.unsqueeze(2), 0.0)
    return kept.sum(dim=1) / attended.sum(dim=1, keepdim=True).clamp(min=1)
