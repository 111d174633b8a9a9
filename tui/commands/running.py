"""What commands share that run models: the job, what it notes, and where the result goes."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from inspect_core.errors import UsageError
from inspect_core.new_file import require_new, write_new
from tui.commands.output import note
from tui.commands.progress import ProgressLine

if TYPE_CHECKING:
    from inspect_core.work.backend import Backend
    from inspect_core.work.jobs import Job

MOST_NOTES = 20
"""Notes that are told one by one."""

Result = TypeVar("Result")


def submit(backend: "Backend", job: "Job[Result]") -> Result:
    """Run a job, with its progress on standard error."""
    with ProgressLine() as control:
        ticket = backend.submit(job, on_progress=control.report)
        try:
            found: Result = ticket.result()
            return found
        except KeyboardInterrupt:
            backend.close()  # before the line is wiped: nothing may be drawn after that
            raise


def tell(notes: Sequence[str]) -> None:
    """Print notes on standard error."""
    for told in notes[:MOST_NOTES]:
        note(told)
    if len(notes) > MOST_NOTES:
        note(f"and {len(notes) - MOST_NOTES:,} notes more; --format json has all")


def write(content: str | bytes, output: Path | None) -> None:
    """Print a text, or write it to a new file."""
    data = content if isinstance(content, bytes) else content.encode()
    if output is not None:
        write_new(output, [data])
    elif isinstance(content, str):
        sys.stdout.write(content)


def meant_form(form: str | None, output: Path | None, endings: Iterable[tuple[str, str]]) -> str:
    """What to write: what was asked for, or what the ending of the file says; else a table.

    Args:
        form: of `--format`.
        output: of `--output`.
        endings: of files, with what each means.

    Raises:
        UsageError: the file is there, or its ending says nothing, or something else.
    """
    if output is None:
        return form or "table"
    require_new(output)
    known = dict(endings)
    meant = known.get(output.suffix.lower())
    if form is None and meant is None:
        hint = f"use {', '.join(known)}, or --format"
        raise UsageError("what to write is told by the ending", where=str(output), hint=hint)
    if None not in (form, meant) and form != meant:
        raise UsageError(f"--format says {form}, the ending {meant}", where=str(output))
    return form or meant or "table"
