"""`lamella diff`: what changed from a base to one model or several, printed or as a file."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from inspect_core.new_file import write_new
from inspect_core.opening import Uri
from inspect_core.results.comparison import Comparison
from inspect_core.results.groups import By, Group, groups_of
from inspect_core.results.records import is_identical
from inspect_core.results.selection import Selection, Sort
from inspect_core.results.thresholds import Threshold, breaches
from tui.commands.adapter_report import AdapterReport, report_on
from tui.commands.diff_metrics import Metrics
from tui.commands.diff_pairs import compared, warn_of
from tui.commands.diff_sense import Format, format_of, require_sense
from tui.commands.diff_tables import print_view
from tui.commands.diff_view import View, document
from tui.commands.output import Output, into, note

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric
    from inspect_core.results.scale import ScaleKind
    from tui.terminal import Look

MOST_BREACHES = 20
"""Rows over a limit that are named."""


@dataclass(frozen=True)
class DiffOptions:
    """What `lamella diff` is asked for; see its help.

    Attributes:
        by: what the rows are.
        metrics: keys of the numbers to list; none for the usual ones.
        all_metrics: list all there are.
        original: offer and list the numbers as the published scripts have them.
        nodes: only tensors that fit one of these patterns.
        without: none that fit one of these.
        sort: order of the rows.
        top: only the rows that changed the most.
        over: only rows whose first metric reaches this.
        fail_over: limits, as `METRIC=VALUE`.
        form: how to write; None goes by the suffix of `output`.
        output: file to write to, in place of the terminal.
        save: file to keep the comparison in.
        map_file: the user's own rules of pairing.
        common: pair by place in the common structure of architectures, too.
        heatmap: draw layers across and kinds down instead of a table.
        scale: how the heatmap spreads values over its colours; None for `robust`.
        device: where to compare; `auto` is the CPU, which is as fast as files are read.
        look: how to draw.
    """

    by: By = "tensor"
    metrics: tuple[str, ...] = ()
    all_metrics: bool = False
    original: bool = False
    nodes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    sort: Sort | None = None
    top: int | None = None
    over: float | None = None
    fail_over: tuple[str, ...] = ()
    form: Format | None = None
    output: Path | None = None
    save: Path | None = None
    map_file: Path | None = None
    common: bool = False
    heatmap: bool = False
    scale: "ScaleKind | None" = None
    device: str = "auto"
    look: "Look | None" = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a script wants to know.

    Attributes:
        identical: nothing differs.
        held: no limit was exceeded.
        merged: whether adapters were merged as they should be; None where that is not asked.
    """

    identical: bool
    held: bool
    merged: bool | None = None


def print_diff(models: Sequence[Uri], options: DiffOptions | None = None) -> Outcome:
    """Compare and print.

    Args:
        models: the base and one model or more; or a saved result alone.
        options: what to list, and how.

    Raises:
        CheckpointError: a file cannot be read.
        UsageError: an option makes no sense here, no tensor fits a pattern, a file to write is
            there already, or the device cannot be used.
    """
    options = options or DiffOptions()
    metrics = Metrics.chosen(options.metrics, options.all_metrics, options.original)
    limits = [Threshold.parse(text, metrics.known) for text in options.fail_over]
    require_sense(models, options, metrics)
    needed = metrics.needs(limit.metric for limit in limits)
    found = compared(models, options, needed)
    adapters = report_on(models)
    warn_of(found, "" if adapters is None else adapters.remedy)
    if options.save is not None:
        from inspect_core.results.saved import save

        save(options.save, found[0])
    groups = [groups_of(comparison, options.by) for comparison in found]
    if options.heatmap:
        _note_of(adapters)
        _draw(found, metrics.listed(options.by)[0], options)
    else:
        plain = not (metrics.asked or options.sort or options.top or options.over is not None)
        _print(View.of(found, groups, options.by, metrics, plain), options, adapters)
    merged = adapters.merged if adapters is not None else None
    return Outcome(all(map(is_identical, found)), _judge(groups, limits, found), merged)


def print_layers(base: str, model: str, *, device: str = "cpu", look: "Look | None" = None) -> None:
    """Print what changed along the layers."""
    print_diff((base, model), DiffOptions(by="layer", device=device, look=look))


def _note_of(adapters: AdapterReport | None) -> None:
    """What became of a merge, where there is no place for it in the output."""
    for merge in adapters.merges if adapters is not None else ():
        note(f"{merge.merged}: {merge.line}")


def _print(view: View, options: DiffOptions, adapters: AdapterReport | None) -> None:
    """What was asked for, in the format that was asked for."""
    form = format_of(options)
    shown = view.selected(Selection(options.sort, options.top, options.over))
    if form == "table":
        with into(options.output):
            hidden = len(view.rows) - len(shown.rows)
            print_view(shown, hidden, Output(options.look), adapters)
        return
    if form == "json":
        text = document(shown, adapters.members if adapters is not None else {})
    else:
        _note_of(adapters)
        text = _sheet_text(shown, form)
    if options.output is None:
        sys.stdout.write(text)
    else:
        write_new(options.output, [text.encode()])


def _sheet_text(view: View, form: Literal["csv", "tsv", "md"]) -> str:
    from inspect_core.results.formats import sheet_text

    return sheet_text(view.sheet(), form)


def _draw(found: Sequence[Comparison], metric: "Metric", options: DiffOptions) -> None:
    """The heatmap of one metric."""
    from tui.commands.heatmap import heatmap_of_all, write_heatmap

    if found[0].made:
        note(f"a saved result of {found[0].made} UTC, not of the files as they are now")
    write_heatmap(
        heatmap_of_all(found, metric, layers=options.by == "layer"),
        scale=options.scale or "robust",
        form=options.form,
        output=options.output,
        look=options.look,
    )


def _judge(
    groups: Sequence[Sequence[Group]], limits: Sequence[Threshold], found: Sequence[Comparison]
) -> bool:
    """Whether every row, listed or not, is within the limits; what is not is named."""
    held = True
    for comparison, some in zip(found, groups, strict=True):
        failed = breaches(some, limits)
        held = held and not failed
        where = f"{comparison.model.title}: " if len(found) > 1 else ""
        for breach in failed[:MOST_BREACHES]:
            value = "n/a" if breach.value is None else f"{breach.value:.6g}"
            limit = f" of {breach.limit:.6g}" if breach.is_over else ""
            note(f"{where}{breach.name}: {breach.metric} {value}: {breach.reason}{limit}")
        if len(failed) > MOST_BREACHES:
            note(f"{where}{len(failed) - MOST_BREACHES:,} more are over a limit")
    return held
