"""`lamella activations`: what neurons listen to, before and after, printed or as a file."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspect_core.activations.rule import MAX, OVER, POSITIVE, TOP, Rule
from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import UsageError
from inspect_core.new_file import require_new, write_new
from inspect_core.opening import Adapted, Files, Uri
from inspect_core.work.activation_jobs import (
    ActivationQuery,
    FindActivations,
    FindNeuron,
    FindSeveral,
)
from inspect_core.work.backend import Backend, Workers
from tui.commands.activation_files import (
    document,
    neuron_document,
    neuron_sheet,
    several_document,
    several_sheet,
    sheet,
)
from tui.commands.activation_neuron import print_neuron, print_several
from tui.commands.activation_tables import print_report
from tui.commands.diff_sense import SUFFIXES, Format
from tui.commands.output import Output, into, note
from tui.commands.progress import ProgressLine

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport, NeuronDetail
    from inspect_core.activations.several import SeveralReport
    from tui.terminal import Look

MOST_NOTES = 20
"""Notes that are told one by one."""

MOST_WORDS = 20
"""Words of one neuron, each side."""


@dataclass(frozen=True)
class Asked:
    """What `lamella activations` is asked for; see its help."""

    reference: str | None = None
    between: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    text_column: str | None = None
    tags_column: str | None = None
    labels: tuple[str, ...] = ()
    most: int | None = None
    tagger: str | None = None
    rule: str | None = None
    k: int | None = None
    threshold: float | None = None
    sign: str = POSITIVE
    keep_case: bool = False
    modules: tuple[str, ...] = ()
    inputs: bool = False
    tokenizer: str | None = None
    device: str = "auto"
    by: str | None = None
    neuron: str | None = None
    sort: str | None = None
    show_rare: bool = False
    top_rows: int | None = None
    original: bool = False
    form: Format | None = None
    output: Path | None = None
    look: "Look | None" = field(default=None, repr=False)


def print_activations(model: Files | None, adapters: Sequence[str], asked: Asked) -> None:
    """Find and print.

    Args:
        model: after; None with tables.
        adapters: put on it; it is then compared with itself without them.
        asked: the options.

    Raises:
        LamellaError: texts, tokenizer or a model cannot be used, or an option makes no sense.
    """
    form = _form(asked)
    if asked.tables:
        _of_tables(model, adapters, asked, form)
        return
    query, between = _query(model, adapters, asked)
    backend = workers()
    try:
        if between:
            _several(_submit(backend, FindSeveral(query, between)), asked, form)
            return
        report = _submit(backend, FindActivations(query))
        if asked.neuron is None:
            _report(report, asked, query.is_alone, form)
            return
        site, unit = _neuron(asked.neuron, report)
        detail = _submit(backend, FindNeuron(query, site, unit, MOST_WORDS))
        _detail(detail, report, asked, query.is_alone, form)
    finally:
        backend.close()


def workers() -> Backend:
    """Where the models run: what is killed or hangs there leaves this process alive."""
    return Workers()


def _submit(backend: Backend, job: Any) -> Any:
    with ProgressLine() as control:
        ticket = backend.submit(job, on_progress=control.report)
        try:
            return ticket.result()
        except KeyboardInterrupt:
            backend.close()  # before the line is wiped: nothing may be drawn after that
            raise


def _query(
    model: Files | None, adapters: Sequence[str], asked: Asked
) -> tuple[ActivationQuery, tuple[Uri, ...]]:
    """What the jobs are asked, and the stages between."""
    if model is None:
        raise UsageError("give MODEL", hint="or --table, for tables of TX-Ray")
    if not asked.texts:
        raise UsageError("what does MODEL read?", hint="give --text FILE")
    if len(asked.texts) > 2:
        raise UsageError("two at most: what is read before, and after", where="--text")
    if len(asked.texts) == 2 and asked.between:
        raise UsageError("goes with one --text", where="--stage")
    if asked.neuron is not None and asked.between:
        raise UsageError("goes without --stage", where="--neuron")
    if asked.tagger is not None and asked.tags_column is not None:
        raise UsageError("the tags are in the file already: --tags-column", where="--tagger")
    from tui.commands.adapters import app_models

    ours, theirs = app_models(model, asked.reference, adapters)
    if len(asked.texts) == 2 and asked.reference is None:
        theirs = None  # two texts are what is compared, not the adapters
    texts = [_source(path, asked) for path in asked.texts]
    query = ActivationQuery(
        model=ours,
        reference=theirs,
        texts=texts[-1],
        reference_texts=texts[0] if len(texts) == 2 else None,
        rule=_rule(asked),
        inputs=asked.inputs,
        tokenizer=asked.tokenizer,
        tagger=asked.tagger or "",
        device=asked.device,
        modules=asked.modules,
    )
    return query, tuple([_between(stage, theirs) for stage in asked.between])


def _between(stage: str, reference: Uri | None) -> Uri:
    """A stage; an adapter sits on the reference."""
    from inspect_core.adapters.folders import is_adapter

    if not is_adapter(stage):
        return stage
    if not isinstance(reference, str | tuple):
        raise UsageError("is an adapter: give what it sits on", where=stage, hint="use --ref BASE")
    return Adapted(reference, (stage,))


def _source(path: str, asked: Asked) -> TextSource:
    return TextSource(path, asked.text_column, asked.tags_column, asked.labels, asked.most)


def _rule(asked: Asked) -> Rule:
    kind = asked.rule or (TOP if asked.k is not None else OVER if asked.threshold is not None
                          else MAX)  # fmt: skip
    if (asked.k is not None and kind != TOP) or (
        asked.k is not None and asked.threshold is not None
    ):
        raise UsageError("goes with --rule top", where="--top")
    if asked.threshold is not None and kind != OVER:
        raise UsageError("goes with --rule over", where="--over")
    usual = Rule()
    return Rule(
        kind,
        asked.sign,
        usual.k if asked.k is None else asked.k,
        usual.threshold if asked.threshold is None else asked.threshold,
        not asked.keep_case,
    )


def _of_tables(model: Files | None, adapters: Sequence[str], asked: Asked, form: Format) -> None:
    """Tables of TX-Ray: read here, for nothing runs."""
    if model is not None or asked.reference is not None or adapters or asked.between:
        raise UsageError("goes without models: it stands in their place", where="--table")
    if asked.texts:
        raise UsageError("goes without --text: a table holds words already", where="--table")
    from inspect_core.activations.compare import compare_stages, neuron_detail
    from inspect_core.activations.tables import open_table

    with ProgressLine() as control:
        stages = [open_table(path, labels=asked.labels, control=control) for path in asked.tables]
    if len(stages) > 2:
        from inspect_core.activations.several import compare_several

        _several(compare_several(stages), asked, form)
        return
    before = stages[0] if len(stages) == 2 else None
    report = compare_stages(before, stages[-1])
    if asked.neuron is None:
        _report(report, asked, before is None, form)
        return
    site, unit = _neuron(asked.neuron, report)
    detail = neuron_detail(before, stages[-1], site, unit, MOST_WORDS)
    _detail(detail, report, asked, before is None, form)


def _neuron(word: str, report: "ActivationReport") -> tuple[str, int]:
    """The site and number that `[SITE:]N` means."""
    sites = [site.neurons.site for site in report.sites]
    place, _, number = word.rpartition(":")
    if not (number.isascii() and number.isdigit() and len(number) < 12):
        raise UsageError("is no number of a neuron", where=word, hint="give SITE:N, or N")
    if not place:
        if len(sites) > 1:
            raise UsageError(
                f"{len(sites)} modules have neurons",
                where=word,
                hint=f"say of which, as {sites[-1]}:{number}",
            )
        return sites[0], int(number)
    fits = [site for site in sites if site == place or site.endswith(f".{place}")]
    if len(fits) != 1:
        which = "is none of the modules" if not fits else f"is one of {len(fits)} modules"
        raise UsageError(which, where=place, hint=f"give one, as {sites[-1]}:{number}")
    return fits[0], int(number)


def _report(report: "ActivationReport", asked: Asked, alone: bool, form: Format) -> None:
    _tell(report.notes)
    if form == "table":
        with into(asked.output):
            print_report(report, asked, alone, Output(asked.look))
    elif form == "json":
        _write(document(report, asked, alone), asked)
    else:
        _write(sheet(report, asked, alone, form), asked)


def _detail(
    detail: "NeuronDetail", report: "ActivationReport", asked: Asked, alone: bool, form: Format
) -> None:
    _tell((*report.notes, *detail.notes))
    if form == "table":
        with into(asked.output):
            print_neuron(detail, report, alone, Output(asked.look))
    elif form == "json":
        _write(neuron_document(detail, report, asked, alone), asked)
    else:
        _write(neuron_sheet(detail, form), asked)


def _several(report: "SeveralReport", asked: Asked, form: Format) -> None:
    _tell(report.notes)
    if form == "table":
        with into(asked.output):
            print_several(report, asked, Output(asked.look))
    elif form == "json":
        _write(several_document(report, asked), asked)
    else:
        _write(several_sheet(report, asked, form), asked)


def _tell(notes: Sequence[str]) -> None:
    for told in notes[:MOST_NOTES]:
        note(told)
    if len(notes) > MOST_NOTES:
        note(f"and {len(notes) - MOST_NOTES:,} notes more; --format json has all")


def _write(text: str, asked: Asked) -> None:
    if asked.output is None:
        sys.stdout.write(text)
    else:
        write_new(asked.output, [text.encode()])


def _form(asked: Asked) -> Format:
    """What to write; refuses early what cannot be written."""
    if asked.output is None:
        return asked.form or "table"
    require_new(asked.output)
    meant = SUFFIXES.get(asked.output.suffix.lower())
    if asked.form is None and meant is None:
        hint = f"use {', '.join(SUFFIXES)}, or --format"
        raise UsageError("what to write is told by the ending", where=str(asked.output), hint=hint)
    if None not in (asked.form, meant) and asked.form != meant:
        said = f"--format says {asked.form}, the ending {meant}"
        raise UsageError(said, where=str(asked.output))
    return asked.form or meant or "table"
