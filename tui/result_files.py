"""What stands on a screen of its own, written to files that a prompt asks for."""

import asyncio
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.errors import LamellaError, UsageError
from inspect_core.text import clean

if TYPE_CHECKING:
    from textual.strip import Strip

    from tui.app import LamellaApp

SCREEN_ENDINGS = ".svg and .txt: this screen"

TABLES = {".csv": ",", ".tsv": "\t"}
"""What stands between the cells of a table, by the ending of its file."""

Write = Callable[[Path], bool]
"""Writes a file whose ending it knows, on a thread; False where it does not know it."""


class ResultFiles:
    """Asks for file names, and writes.

    Args:
        app: where the prompt is shown, and where it is said what was written.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app

    def ask(
        self,
        title: str,
        name: str,
        strips: "list[Strip]",
        *,
        endings: str = SCREEN_ENDINGS,
        known: Sequence[str] = (),
        write: Write | None = None,
    ) -> None:
        """Ask for a name, and write what its ending says; `.svg` and `.txt` are the screen.

        Args:
            title: the kind of result, such as `activations`; begins the suggestion.
            name: what it is of; foreign.
            strips: the screen as it is now.
            endings: says what each ending writes.
            known: the endings that `write` knows, the first one suggested.
            write: writes what is not the screen; asked before the screen is.
        """
        from tui import export
        from tui.screens.export import ExportPrompt

        suffix = known[0] if known else ".svg"
        start = Path(export.suggested_name(title, clean(name, 80))).with_suffix(suffix)

        def answered(typed: str | None) -> None:
            if typed:
                path = Path(typed).expanduser()
                work = self._write(path, title, strips, known, write)
                self._app.run_worker(work, group="export")

        self._app.push_screen(ExportPrompt(str(start), endings=endings), answered)

    async def _write(
        self,
        path: Path,
        title: str,
        strips: "list[Strip]",
        known: Sequence[str],
        write: Write | None,
    ) -> None:
        try:
            await asyncio.to_thread(_write_now, path, title, strips, known, write)
        except LamellaError as error:
            self._app.warn(str(error))
        else:
            self._app.notify(f"written: {clean(str(path))}", markup=False)


def _write_now(
    path: Path,
    title: str,
    strips: "list[Strip]",
    known: Sequence[str],
    write: Write | None,
) -> None:
    from tui import export

    if write is not None and write(path):
        return
    if path.suffix == ".svg":
        export.write_new(path, export.screen_svg(strips, f"lamella {title}"))
    elif path.suffix == ".txt":
        export.write_new(path, export.screen_text(strips))
    else:
        *most, last = [*known, ".svg", ".txt"]
        hint = f"use {', '.join(most)} or {last}"
        raise UsageError("what to write is told by the ending", hint=hint)


def table_text(rows: Sequence[Mapping[str, object]], separator: str) -> str:
    """Rows with a line of names; what is not defined is empty, words are made safe.

    Args:
        rows: of the same columns.
        separator: what stands between cells.
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    if rows:
        writer.writerow([clean(name) for name in rows[0]])
    for row in rows:
        # Safe, because people look at such files in terminals; the JSON has them exact.
        cells = [clean(value) if isinstance(value, str) else value for value in row.values()]
        writer.writerow(["" if value is None else value for value in cells])
    return out.getvalue()
