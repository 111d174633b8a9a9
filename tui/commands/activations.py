"""`lamella activations`: what neurons listen to, before and after, printed or as a file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from inspect_core.activations.rule import MAX, OVER, POSITIVE, TOP, Rule
from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import UsageError
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
from tui.commands.activation_places import module_beyond, neuron_place
from tui.commands.activation_tables import print_report
from tui.commands.diff_sense import SUFFIXES, Format
from tui.commands.output import Output, into
from tui.commands.progress import ProgressLine
from tui.commands.running import meant_form, submit, tell, write

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport, NeuronDetail
    from inspect_core.activations.several import SeveralReport
    from tui.terminal import Look

MOST_WORDS = 20
"""Words of one neuron, each side."""


@dataclass(frozen=True)
class Asked:
    """What `lamella activations` is asked for; see its help."""

    model: Files | None = None
    adapters: tuple[str, ...] = ()
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

    @property
    def meant_rule(self) -> Rule:
        """What counts as an activation."""
        return _rule(self)


def print_activations(model: Files | None, adapters: Sequence[str], asked: Asked) -> None:
    """Find and print.

    Args:
        model: after; None with tables.
        adapters: put on it; it is then compared with itself without them.
        asked: the options.

    Raises:
        LamellaError: texts, tokenizer or a model cannot be used, or an option makes no sense.
    """
    asked = replace(asked, model=model, adapters=tuple(adapters))
    form = _form(asked)
    if asked.tables:
        _of_tables(model, adapters, asked, form)
        return
    query, between = _query(model, adapters, asked)
    backend = workers()
    try:
        if between:
            _several(submit(backend, FindSeveral(query, between)), asked, form)
            return
        report = submit(backend, FindActivations(query))
        if asked.neuron is None:
            _report(report, asked, query.is_alone, form)
            return
        module = module_beyond(asked, report)
        if module:  # not among the usual ones: what is asked for says which
            query = replace(query, modules=(module,))
            report = submit(backend, FindActivations(query))
        site, unit = neuron_place(asked.neuron, report)
        detail = submit(backend, FindNeuron(query, site, unit, MOST_WORDS))
        _detail(detail, report, asked, query.is_alone, form)
    finally:
        backend.close()


def workers() -> Backend:
    """Where the models run: what is killed or hangs there leaves this process alive."""
    return Workers()


def _query(
    model: Files | None, adapters: Sequence[str], asked: Asked
) -> tuple[ActivationQuery, tuple[Uri, ...]]:
    """What the jobs are asked, and the stages between."""
    if model is None:
        raise UsageError("give MODEL", hint="or --table, for tables of TX-Ray")
    if not asked.texts:
        raise UsageError("no texts for MODEL to read", hint="give --text FILE")
    if len(asked.texts) > 2:
        raise UsageError("two at most: what is read before, and after", where="--text")
    if len(asked.texts) == 2 and asked.between:
        raise UsageError("goes with one --text", where="--stage")
    if asked.neuron is not None and asked.between:
        raise UsageError("goes without --stage", where="--neuron")
    if asked.by in ("tag", "label") and asked.between:
        raise UsageError("goes without --stage", where=f"--by {asked.by}")
    if asked.by == "tag" and asked.tags_column is None and asked.tagger is None:
        raise UsageError("no tags", where="--by tag", hint="give --tags-column or --tagger")
    if asked.by == "label" and not asked.labels:
        raise UsageError("no labels", where="--by label", hint="give --label COLUMN")
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
    if asked.threshold is not None and not math.isfinite(asked.threshold):
        raise UsageError(f"{asked.threshold} is no threshold", where="--over", hint="give a number")
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
    _require_shares(report, asked)
    if asked.neuron is None:
        _report(report, asked, before is None, form)
        return
    site, unit = neuron_place(asked.neuron, report)
    detail = neuron_detail(before, stages[-1], site, unit, MOST_WORDS)
    _detail(detail, report, asked, before is None, form)


def _require_shares(report: "ActivationReport", asked: Asked) -> None:
    """Refuse rows of tags or labels where the tables have none."""
    for by, known in (
        ("tag", any(site.tags for site in report.sites)),
        ("label", any(shares for site in report.sites for _, shares in site.labels)),
    ):
        if asked.by == by and not known:
            hint = "give --label COLUMN" if by == "label" else "a table has them as POS"
            raise UsageError(f"the tables have no {by}s", where=f"--by {by}", hint=hint)


def _report(report: "ActivationReport", asked: Asked, alone: bool, form: Format) -> None:
    tell(report.notes)
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
    tell((*report.notes, *detail.notes))
    if form == "table":
        with into(asked.output):
            print_neuron(detail, report, alone, Output(asked.look))
    elif form == "json":
        _write(neuron_document(detail, report, asked, alone), asked)
    else:
        _write(neuron_sheet(detail, alone, form), asked)


def _several(report: "SeveralReport", asked: Asked, form: Format) -> None:
    tell(report.notes)
    if form == "table":
        with into(asked.output):
            print_several(report, asked, Output(asked.look))
    elif form == "json":
        _write(several_document(report, asked), asked)
    else:
        _write(several_sheet(report, asked, form), asked)


def _write(text: str, asked: Asked) -> None:
    write(text, asked.output)


def _form(asked: Asked) -> Format:
    """What to write; refuses early what cannot be written."""
    return cast("Format", meant_form(asked.form, asked.output, SUFFIXES.items()))
