"""Tables of neurons, and the screen, written to files."""

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.errors import LamellaError, UsageError
from inspect_core.text import clean
from tui.activations.state import LISTS_SITES

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.activations.records import Row
    from tui.activations.state import ViewState
    from tui.app import LamellaApp

ENDINGS = """\
.json, .csv and .tsv: the table, in this order
.svg and .txt: this screen"""

SCREEN_ENDINGS = ".svg and .txt: this screen"

TABLES = {".csv": ",", ".tsv": "\t"}


class TableFiles:
    """Asks for file names, and writes.

    Args:
        app: where the prompt is shown, and where it is said what was written.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._app = app

    def ask(self, state: "ViewState", strips: "list[Strip]") -> None:
        """Write the table or the screen as it is now."""
        self._ask(state.report.sites[state.site].neurons.site, ENDINGS, strips, state)

    def ask_screen(self, name: str, strips: "list[Strip]") -> None:
        """Write the screen as it is now."""
        self._ask(name, SCREEN_ENDINGS, strips, None)

    def _ask(
        self, name: str, endings: str, strips: "list[Strip]", state: "ViewState | None"
    ) -> None:
        from tui import export
        from tui.screens.export import ExportPrompt

        suffix = ".svg" if state is None else ".tsv"
        start = str(Path(export.suggested_name("activations", clean(name, 80))).with_suffix(suffix))

        def answered(typed: str | None) -> None:
            if typed:
                path = Path(typed).expanduser()
                self._app.run_worker(self._write(path, strips, state), group="export")

        self._app.push_screen(ExportPrompt(start, endings=endings), answered)

    async def _write(self, path: Path, strips: "list[Strip]", state: "ViewState | None") -> None:
        try:
            await asyncio.to_thread(_write_now, path, strips, state)
        except LamellaError as error:
            self._app.warn(str(error))
        else:
            self._app.notify(f"written: {clean(str(path))}", markup=False)


def _write_now(path: Path, strips: "list[Strip]", state: "ViewState | None") -> None:
    from tui import export

    if path.suffix == ".svg":
        text = export.screen_svg(strips, "lamella activations")
    elif path.suffix == ".txt":
        text = export.screen_text(strips)
    elif state is not None and path.suffix == ".json":
        text = table_json(state)
    elif state is not None and path.suffix in TABLES:
        text = table_text(state, TABLES[path.suffix])
    else:
        endings = ".svg or .txt" if state is None else ".json, .csv, .tsv, .svg or .txt"
        raise UsageError("what to write is told by the ending", hint=f"use {endings}")
    export.write_new(path, text)


def records(state: "ViewState") -> "list[Row]":
    """What the table lists, in its order: numbers in full, words exact; the modules, or neurons."""
    from inspect_core.activations.records import neuron_rows, site_rows

    if state.kind == LISTS_SITES:
        return site_rows(state.report)
    chosen = replace(state.report, sites=(state.report.sites[state.site],))
    return neuron_rows(chosen, state.order, state.hide_rare)


def table_json(state: "ViewState") -> str:
    """The table as one JSON object, in ASCII."""
    report = state.report
    found = {
        "before": report.titles[0],
        "after": report.titles[1],
        "rule": report.rule,
        "texts": list(report.samples),
        "tokens": list(report.tokens),
        "modules" if state.kind == LISTS_SITES else "neurons": records(state),
    }
    return json.dumps(found, ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def table_text(state: "ViewState", separator: str) -> str:
    """The table with a line of names; what is not defined is empty, words are made safe."""
    import csv

    rows = records(state)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    if rows:
        writer.writerow([clean(name) for name in rows[0]])
    for row in rows:
        # Safe, because people look at such files in terminals; the JSON has them exact.
        cells = [clean(value) if isinstance(value, str) else value for value in row.values()]
        writer.writerow(["" if value is None else value for value in cells])
    return out.getvalue()
