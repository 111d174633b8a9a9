"""Activations from Python: `from inspect_core import activation_report`."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.activations.rule import STRONGEST, Rule
from inspect_core.capture.texts.source import TextSource
from inspect_core.control import Control
from inspect_core.errors import UsageError
from inspect_core.live.tokenizers import attach_tokenizer
from inspect_core.opening import Adapted, Live, Uri, required_module
from inspect_core.work.activation_jobs import ActivationQuery, FindActivations, FindNeuron
from inspect_core.work.context import JobContext, Shelf

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport, NeuronDetail
    from inspect_core.live import Model

Texts = str | os.PathLike[str] | TextSource | Sequence[str]
"""A file of texts, a file and its columns, or the texts themselves."""


def activation_report(
    model: "Model | Uri",
    reference: "Model | Uri | None" = None,
    *,
    texts: Texts,
    reference_texts: Texts | None = None,
    modules: Sequence[str] = (),
    rule: Rule = STRONGEST,
    inputs: bool = False,
    tokenizer: object = None,
    tagger: str = "",
    device: str = "auto",
    control: Control | None = None,
) -> "ActivationReport":
    """Which words activate which neurons, before and after; runs the models, in this process.

    A live module runs where it is, without gradients and in eval mode, and is afterwards in the
    mode in which it was. Models from files are loaded one after the other. What was found for
    files is kept in the user's cache folder and found again; what live models show never is.

    Args:
        model: after: a live module, or what `open_checkpoint` takes.
        reference: before, the same; None for the model alone, and for a live model of PEFT, whose
            adapters are then switched off for the first pass.
        texts: what both read: a file (lines, or .tsv, .csv, .jsonl), a `TextSource` that names
            its columns, or a list of texts.
        reference_texts: what the reference reads instead; without a reference the model reads
            them, and its two stages are compared.
        modules: patterns of modules, as in `--module`; the blocks of the model by default.
        rule: what counts as an activation.
        inputs: take what the modules read, not what they give.
        tokenizer: a folder or file; for live modules also a tokenizer of transformers or
            tokenizers, or a callable from a text to a list of ids.
        tagger: name of an installed tagger, where the texts have no tags.
        device: where models from files run: `auto`, `cpu`, `cuda` or `mps`.
        control: told of progress, and polled.

    Raises:
        LamellaError: the texts, the tokenizer or a model cannot be used; its text says what to
            do.
    """
    with _asked(
        model, reference, texts, reference_texts, modules, rule, inputs, tokenizer, tagger, device
    ) as query:
        return FindActivations(query).run(_context(control))


def neuron_report(
    model: "Model | Uri",
    reference: "Model | Uri | None" = None,
    *,
    site: str,
    unit: int,
    texts: Texts,
    reference_texts: Texts | None = None,
    modules: Sequence[str] = (),
    rule: Rule = STRONGEST,
    inputs: bool = False,
    tokenizer: object = None,
    tagger: str = "",
    device: str = "auto",
    most: int = 20,
    control: Control | None = None,
) -> "NeuronDetail":
    """One neuron in depth: its strongest words, their sentences, and its tags, before and after.

    Args:
        model: see `activation_report`.
        reference: the same.
        site: name of its site in the report.
        unit: its number.
        texts: see `activation_report`.
        reference_texts: the same.
        modules: the same. With all as for the report, files do not run again; live models do.
        rule: the same.
        inputs: the same.
        tokenizer: the same.
        tagger: the same.
        device: the same.
        most: words of each side.
        control: the same.

    Raises:
        LamellaError: see `activation_report`; or there is no such neuron.
    """
    with _asked(
        model, reference, texts, reference_texts, modules, rule, inputs, tokenizer, tagger, device
    ) as query:
        return FindNeuron(query, site, unit, most).run(_context(control))


def _context(control: Control | None) -> JobContext:
    return JobContext(Shelf(), control or Control(), lambda _: None)


@contextmanager
def _asked(
    model: "Model | Uri",
    reference: "Model | Uri | None",
    texts: Texts,
    reference_texts: Texts | None,
    modules: Sequence[str],
    rule: Rule,
    inputs: bool,
    tokenizer: object,
    tagger: str,
    device: str,
) -> Iterator[ActivationQuery]:
    """The query; texts that are given as such are in a file as long as it is used."""
    with tempfile.TemporaryDirectory(prefix="lamella-") as folder:
        path = os.fspath(tokenizer) if isinstance(tokenizer, str | os.PathLike) else None
        given = None if path is not None else tokenizer
        after, before = _uris(model, reference, reference_texts is None)
        for uri in (after, before):
            if isinstance(uri, Live) and given is not None:
                attach_tokenizer(uri, given)
        yield ActivationQuery(
            model=after,
            reference=before,
            texts=_source(texts, Path(folder), "texts"),
            reference_texts=None
            if reference_texts is None
            else _source(reference_texts, Path(folder), "reference texts"),
            modules=(modules,) if isinstance(modules, str) else tuple(modules),
            rule=rule,
            inputs=inputs,
            tokenizer=path,
            tagger=tagger,
            device=device,
        )


def _uris(
    model: "Model | Uri", reference: "Model | Uri | None", adapted: bool
) -> tuple[Uri, Uri | None]:
    """What is run after, and before: of a live model with adapters, the one without them."""
    if reference is not None or not adapted or _named(model) is not None:
        return _uri(model), None if reference is None else _uri(reference)
    from inspect_core.live import register_pair

    return register_pair(required_module(model))


def _uri(model: "Model | Uri") -> Uri:
    named = _named(model)
    if named is not None:
        return named
    from inspect_core.live.registry import register

    return register(required_module(model))


def _named(model: "Model | Uri") -> Uri | None:
    """A model that is given by its name; None for a module."""
    if isinstance(model, Live | Adapted):
        return model
    if isinstance(model, str | os.PathLike):
        return os.fspath(model)
    return tuple(map(os.fspath, model)) if isinstance(model, Sequence) else None


def _source(texts: Texts, folder: Path, name: str) -> TextSource:
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
