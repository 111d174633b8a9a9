"""Geometry from Python: `from inspect_core import landscape_report`."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.capture.texts.source import TextSource
from inspect_core.control import Control
from inspect_core.errors import UsageError
from inspect_core.geometry.landscape import Measured
from inspect_core.geometry.places import BLOCKS
from inspect_core.geometry.representations import LAST
from inspect_core.live.tokenizers import attach_tokenizer
from inspect_core.opening import Live
from inspect_core.work.geometry_jobs import AskedSpace, FindLandscape, GeometryQuery
from inspect_core.work.given import Texts, here, text_source, uri_of

if TYPE_CHECKING:
    from inspect_core.geometry.landscape import LandscapeReport
    from inspect_core.live import Model
    from inspect_core.opening import Uri

Labels = Sequence[str] | Mapping[str, Sequence[str]]
"""Columns of the file of texts, or, for texts in a list, one label a text by name of a column."""


def landscape_report(
    *models: "Model | Uri",
    texts: Texts | None = None,
    labels: Labels = (),
    saved: Sequence[str | os.PathLike[str]] = (),
    where: str = BLOCKS,
    pooling: str = LAST,
    measured: Measured | None = None,
    shots: Sequence[int] = (),
    template: str = "",
    tokenizer: object = None,
    device: str = "auto",
    seed: int = 0,
    control: Control | None = None,
) -> "LandscapeReport":
    """The landscape of representations along the layers; runs the models, in this process.

    A live module runs where it is, without gradients and in eval mode, and is afterwards in the
    mode in which it was. Models from files are loaded one after the other. What was found for
    files is kept in the user's cache folder and found again; what live models show never is.

    Args:
        models: live modules, or what `open_checkpoint` takes; the first one is what the others
            are held against.
        texts: what all read: a file (lines, or .tsv, .csv, .jsonl), a `TextSource` that names
            its columns, or a list of texts. Not needed for saved representations alone.
        labels: what clusters and neighbours are held against: columns of the file, `rating:sign`
            for the sign of a number; or, for a list of texts, `{"mood": ["up", "down", ...]}`.
        saved: files or folders of saved representations of the same texts, more spaces.
        where: `blocks`, `norm1`, `norm2` or a pattern of modules.
        pooling: `last`, the last token of a text, or `mean`, the mean of all.
        measured: how; `landscape.AS_PUBLISHED` for overlaps as in the paper.
        shots: numbers of examples: every model runs once for each of them.
        template: of a prompt, with `{text}` and `{label}`.
        tokenizer: a folder or file; for live modules also a tokenizer of transformers or
            tokenizers, or a callable from a text to a list of ids.
        device: where models from files run: `auto`, `cpu`, `cuda` or `mps`.
        seed: which texts become examples.
        control: told of progress, and polled.

    Raises:
        LamellaError: the texts, the tokenizer, a file or a model cannot be used; its text says
            what to do.
    """
    uris = [uri_of(model) for model in models]
    path = os.fspath(tokenizer) if isinstance(tokenizer, str | os.PathLike) else None
    if path is None and tokenizer is not None:
        for uri in uris:
            if isinstance(uri, Live):
                attach_tokenizer(uri, tokenizer)
    with tempfile.TemporaryDirectory(prefix="lamella-") as folder:
        query = GeometryQuery(
            spaces=(
                *[AskedSpace(uri) for uri in uris],
                *[AskedSpace(saved=os.fspath(one)) for one in saved],
            ),
            texts=None if texts is None else _source(texts, labels, Path(folder)),
            where=where,
            pooling=pooling,
            measured=measured or Measured(),
            shots=tuple(shots),
            template=template,
            tokenizer=path,
            device=device,
            seed=seed,
        )
        return FindLandscape(query).run(here(control))


def _source(texts: Texts, labels: Labels, folder: Path) -> TextSource:
    """The texts and their labels as a file."""
    if not isinstance(labels, Mapping):
        source = text_source(texts, folder, "texts")
        columns = (labels,) if isinstance(labels, str) else tuple(labels)
        return replace(source, labels=columns) if columns else source
    if isinstance(texts, str | os.PathLike | TextSource):
        raise UsageError("a file has columns of labels: name them", where="labels")
    for name, column in labels.items():
        if name == "text" or len(column) != len(texts):
            raise UsageError(
                f"one label for each of {len(texts):,} texts is needed", where=f"labels {name}"
            )
    source = text_source(texts, folder, "texts")
    rows = zip(texts, *labels.values(), strict=True)
    keys = ("text", *labels)
    lines = [json.dumps(dict(zip(keys, map(str, row), strict=True))) + "\n" for row in rows]
    Path(source.path).write_text("".join(lines), encoding="ascii")
    return replace(source, labels=tuple(labels))
