"""What functions of the public interface are given: models, texts, a control."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.capture.texts.source import TextSource
from inspect_core.control import Control
from inspect_core.errors import UsageError
from inspect_core.opening import Adapted, Live, Uri, required_module
from inspect_core.work.context import JobContext, Shelf

if TYPE_CHECKING:
    from inspect_core.live import Model

Texts = str | os.PathLike[str] | TextSource | Sequence[str]
"""A file of texts, a file and its columns, or the texts themselves."""


def here(control: Control | None) -> JobContext:
    """Where a job runs in this process."""
    return JobContext(Shelf(), control or Control(), lambda _: None)


def uri_of(model: "Model | Uri") -> Uri:
    """The uri of a model; a module is registered as a live one."""
    known = named(model)
    if known is not None:
        return known
    from inspect_core.live.registry import register

    return register(required_module(model))


def named(model: "Model | Uri") -> Uri | None:
    """A model that is given by its name; None for a module."""
    if isinstance(model, Live | Adapted):
        return model
    if isinstance(model, str | os.PathLike):
        return os.fspath(model)
    return tuple(map(os.fspath, model)) if isinstance(model, Sequence) else None


def text_source(texts: Texts, folder: Path, name: str) -> TextSource:
    """The file of texts; those that are given as such are written into a folder.

    Raises:
        UsageError: they are no texts.
    """
    if isinstance(texts, TextSource):
        return texts
    if isinstance(texts, str | os.PathLike):
        return TextSource(os.fspath(texts))
    if not texts or not all(isinstance(text, str) for text in texts):
        raise UsageError("a file of texts or a list of texts is needed", where=name)
    path = folder / f"{name}.jsonl"
    lines = [json.dumps({"text": text}) + "\n" for text in texts]
    path.write_text("".join(lines), encoding="ascii")
    return TextSource(str(path), text="text")
