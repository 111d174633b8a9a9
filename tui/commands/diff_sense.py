"""What of `lamella diff`'s options goes together: what would be dropped is refused."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from inspect_core.errors import UsageError
from inspect_core.new_file import require_new
from inspect_core.opening import Uri
from inspect_core.results.selection import falls
from tui.commands.diff_metrics import Metrics

if TYPE_CHECKING:
    from tui.commands.diff import DiffOptions

Format = Literal["table", "json", "csv", "tsv", "md"]
SUFFIXES: dict[str, Format] = {
    ".json": "json", ".csv": "csv", ".tsv": "tsv", ".md": "md", ".txt": "table",
}  # fmt: skip
"""The formats that `--output` knows by the name of the file."""

PICTURES = (".svg", ".png")
"""Suffixes of the files that are pictures, of a heatmap."""


def require_sense(models: Sequence[Uri], options: "DiffOptions", metrics: Metrics) -> None:
    """Refuse options that contradict one another, before anything is read.

    Args:
        models: the base and one model or more; or a saved result alone.
        options: what was asked for.
        metrics: the numbers to list.

    Raises:
        UsageError: an option makes no sense here, or a file to write is there already.
    """
    _require_format(options)
    for path in (options.output, options.save):
        if path is not None:
            require_new(path)
    if options.save is not None and len(models) > 2:
        raise UsageError("keeps one comparison, not several", where="--save")
    if len(metrics.asked) > 1 and (options.heatmap or len(models) > 2):
        what = "a heatmap is of one metric" if options.heatmap else "several models have a column"
        what += "" if options.heatmap else " each, of one metric"
        raise UsageError(what, where="--metric", hint="name one KEY")
    if options.over is not None:
        first = metrics.listed(options.by)[0]
        if falls(first):
            hint = "use --metric one_minus_cosine"
            raise UsageError("the cosine falls where more changes", where="--over", hint=hint)
        if not math.isfinite(options.over):
            raise UsageError("is not a finite number", where="--over")
    if options.heatmap:
        _require_heatmap(options)
    elif options.scale is not None:
        raise UsageError("is how a heatmap is coloured: add --heatmap", where="--scale")


def format_of(options: "DiffOptions") -> Format:
    """What to write: what was asked for, or what the ending of the file says."""
    if options.form is not None or options.output is None:
        return options.form or "table"
    return SUFFIXES.get(options.output.suffix.lower(), "table")


def _require_format(options: "DiffOptions") -> None:
    """Refuse an ending that says nothing, or something else than `--format`."""
    if options.output is None:
        return
    where, suffix = str(options.output), options.output.suffix.lower()
    if suffix in PICTURES and not options.heatmap:
        raise UsageError("a picture is of a heatmap: add --heatmap", where=where)
    meant = "a picture" if suffix in PICTURES else SUFFIXES.get(suffix)
    if options.form is None and meant is None and not options.heatmap:
        hint = f"use {', '.join(SUFFIXES)}, or --format"
        raise UsageError("what to write is told by the ending", where=where, hint=hint)
    if None not in (options.form, meant) and options.form != meant:
        raise UsageError(f"--format says {options.form}, the ending {meant}", where=where)


def _require_heatmap(options: "DiffOptions") -> None:
    if options.sort or options.top or options.over is not None:
        raise UsageError("shows all cells: it goes without --sort, --top, --over",
                         where="--heatmap")  # fmt: skip
    if options.by not in ("tensor", "layer"):
        raise UsageError(f"has a row for each kind: it goes without --by {options.by}",
                         where="--heatmap")  # fmt: skip
    from tui.commands.heatmap import require_form

    require_form(options.form, options.output)
