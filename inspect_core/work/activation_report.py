"""Activations from Python: `from inspect_core import activation_report`."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.activations.rule import STRONGEST, Rule
from inspect_core.control import Control
from inspect_core.live.tokenizers import attach_tokenizer
from inspect_core.opening import Live, Uri, required_module
from inspect_core.work.activation_jobs import ActivationQuery, FindActivations, FindNeuron
from inspect_core.work.given import Texts, here, named, text_source, uri_of

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport, NeuronDetail
    from inspect_core.live import Model


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

        from inspect_core import Rule, activation_report

        report = activation_report(tuned, base, texts="reviews.txt", rule=Rule("top", k=3))
        report = activation_report(tuned, base, texts=lines, rule=Rule(sign="magnitude"))

    Args:
        model: after: a live module, or what `open_checkpoint` takes.
        reference: before, the same; None for the model alone, and for a live model of PEFT, whose
            adapters are then switched off for the first pass.
        texts: what both read: a file (lines, or .tsv, .csv, .jsonl), a `TextSource` that names
            its columns, or a list of texts.
        reference_texts: what the reference reads instead; without a reference the model reads
            them, and its two stages are compared.
        modules: patterns of modules, as in `--module`; the blocks of the model by default.
        rule: what counts as an activation: `Rule()` is the strongest unit of each word by its
            positive part; `Rule("top", k=3)`, `Rule("over", threshold=0.5)`, and `sign` one of
            `positive`, `value` and `magnitude`.
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
        return FindActivations(query).run(here(control))


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
        return FindNeuron(query, site, unit, most).run(here(control))


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
            texts=text_source(texts, Path(folder), "texts"),
            reference_texts=None
            if reference_texts is None
            else text_source(reference_texts, Path(folder), "reference texts"),
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
    if reference is not None or not adapted or named(model) is not None:
        return uri_of(model), None if reference is None else uri_of(reference)
    from inspect_core.live import register_pair

    return register_pair(required_module(model))
