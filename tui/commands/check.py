"""`lamella check`: what a checkpoint is and what is wrong with it, in words or as JSON."""

import sys
from collections.abc import Iterator, Mapping

from inspect_core.checkpoint.adapter_config import AdapterConfig
from inspect_core.health.findings import NOTE, PROBLEM, WARNING, Finding, Severity, headline
from inspect_core.health.job import CheckHealth
from inspect_core.health.report import HealthReport, to_json
from inspect_core.text import clean
from inspect_core.work.backend import Workers
from inspect_core.work.listings import Uri
from tui import format as fmt
from tui.commands.output import BOLD, Output
from tui.commands.progress import ProgressLine
from tui.terminal import Look

MOST_LINES = 30
"""Findings of one severity that are printed; the others are counted."""

MOST_METADATA = 20
"""Entries of the metadata that are printed; the others are counted."""

MOST_DTYPES = 6
"""Dtypes named in the heading."""

_TITLES = {
    PROBLEM: ("problem", "problems"),
    WARNING: ("warning", "warnings"),
    NOTE: ("note", "notes"),
}
_KEY = 24
_INDENT = "  "


def print_check(
    model: Uri,
    *,
    values: bool = True,
    as_json: bool = False,
    look: Look | None = None,
) -> bool:
    """Check a model in a worker process and print what was found.

    Args:
        model: what to open.
        values: read every value; else headers and configs only.
        as_json: print the report as JSON.
        look: how to draw it.

    Returns:
        Whether there is no problem; warnings and notes are none.

    Raises:
        CheckpointError: the model cannot be read at all.
        WorkerDied: the worker was killed, or ran out of memory.
    """
    with ProgressLine() as control:
        workers = Workers()
        try:
            ticket = workers.submit(CheckHealth(model, values), control.report)
            report: HealthReport = ticket.result()
        finally:
            workers.close()
    if as_json:
        sys.stdout.write(to_json(report) + "\n")
        return report.sound
    output = Output(look)
    _print_head(report, output)
    for severity in (PROBLEM, WARNING, NOTE):
        _print_findings(report.of(severity), severity, output)
    _print_metadata(report.metadata, output)
    output.line()
    output.line(*_verdict(report))
    return report.sound


def _print_head(report: HealthReport, output: Output) -> None:
    """What it is, in two or three lines."""
    identity = report.identity
    what = f"  {identity.kind}, {identity.format}"
    family = f" ({output.cut(identity.family, 80)})" if identity.family else ""
    title = _fitted(report.title, output, len(family) + len(what))
    output.line((title, BOLD), (family, "type"), (what, "muted"))
    dtypes = [f"{count:,} {name}" for name, count in identity.dtypes.items()]
    if len(dtypes) == 1:
        dtypes = list(identity.dtypes)
    some = ", ".join(dtypes[:MOST_DTYPES]) + (" ..." if len(dtypes) > MOST_DTYPES else "")
    facts = (
        f"{fmt.params(identity.parameters)} parameters",
        _tensors(len(report.tensors)),
        *([some] if some else []),
        fmt.size(identity.nbytes),
        "1 file" if report.files == 1 else f"{report.files:,} files",
    )
    output.line((_fitted("  ".join(facts), output), "muted"))
    if identity.adapter is not None:
        output.line((_fitted("  ".join(_adapter(identity.adapter)), output), "delta"))


def _adapter(config: AdapterConfig) -> Iterator[str]:
    """What an adapter's config says of it; foreign text."""
    yield (config.type or "of an unknown type") + (" with DoRA" if config.use_dora else "")
    if config.rank is not None:
        yield f"rank {config.rank:,}"
    if config.alpha is not None:
        yield f"alpha {config.alpha:g}"
    yield f"for {clean(config.base, 80)}" if config.base else "base model unknown"
    targets = config.target_modules[:8]
    if targets:
        more = len(config.target_modules) - len(targets)
        names = " ".join(clean(name, 40) for name in targets)
        yield f"in {names}" + (f" and {more:,} more" if more else "")


def _print_findings(found: list[Finding], severity: Severity, output: Output) -> None:
    if not found:
        return
    one, many = _TITLES[severity]
    output.line()
    output.line((f"{len(found):,} {one if len(found) == 1 else many}", BOLD))
    state = "note" if severity != NOTE else "muted"
    for finding in found[:MOST_LINES]:
        output.line(_INDENT, (_fitted(headline(finding), output), state))
    if len(found) > MOST_LINES:
        output.line(_INDENT, (f"and {len(found) - MOST_LINES:,} more", "muted"))


def _print_metadata(metadata: Mapping[str, str], output: Output) -> None:
    if not metadata:
        return
    output.line()
    output.line(("metadata", BOLD))
    shown = list(metadata.items())[:MOST_METADATA]
    width = max(len(output.cut(key, _KEY)) for key, _ in shown)
    for key, value in shown:
        name = output.cut(key, _KEY)
        output.line(_INDENT, f"{name:<{width}}  ", (_fitted(value, output, width + 2), "muted"))
    if len(metadata) > MOST_METADATA:
        output.line(_INDENT, (f"and {len(metadata) - MOST_METADATA:,} more", "muted"))


def _fitted(text: str, output: Output, taken: int = 0) -> str:
    """Text on one line of the terminal; a pipe gets more of it, which is kept and read later."""
    room = 400 if output.width is None else output.width - len(_INDENT) - taken
    return output.cut(text, max(room, 20))


def _verdict(report: HealthReport) -> list[str | tuple[str, str]]:
    if not report.values_read:
        return ["no value was read" + ("" if report.sound else ": the problems are in the files")]
    read = sum(tensor.values is not None for tensor in report.tensors)
    odd = sum(bool(t.values and t.values.nonfinite) for t in report.tensors)
    left = len(report.tensors) - read
    finite = f"everything is finite: {_tensors(read)}"
    if odd:
        finite = f"{odd:,} of {_tensors(read)} {'has' if odd == 1 else 'have'} NaN or infinity"
    text = f"{finite}, {fmt.size(report.bytes_read)} read in {report.seconds:.1f} s"
    said: list[str | tuple[str, str]] = [text + (f"; {left:,} could not be read" if left else "")]
    if any(finding.kind == "untrained" for finding in report.findings):
        said.append(("; an adapter that was never trained", "note"))
    return said


def _tensors(count: int) -> str:
    return "1 tensor" if count == 1 else f"{count:,} tensors"
