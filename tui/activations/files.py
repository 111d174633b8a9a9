"""Tables of neurons, and the screen, written to files."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tui.activations.state import LISTS_SITES
from tui.result_files import SCREEN_ENDINGS, TABLES, ResultFiles
from tui.result_files import table_text as table_of

if TYPE_CHECKING:
    from textual.strip import Strip

    from inspect_core.activations.records import Row
    from tui.activations.state import ViewState
    from tui.app import LamellaApp

ENDINGS = f"""\
.json, .csv and .tsv: the table, in this order
{SCREEN_ENDINGS}"""


class TableFiles:
    """Asks for file names, and writes.

    Args:
        app: where the prompt is shown, and where it is said what was written.
    """

    def __init__(self, app: "LamellaApp") -> None:
        self._files = ResultFiles(app)

    def ask(self, state: "ViewState", strips: "list[Strip]") -> None:
        """Write the table or the screen as it is now."""
        self._files.ask(
            "activations",
            state.report.sites[state.site].neurons.site,
            strips,
            endings=ENDINGS,
            known=(".tsv", ".csv", ".json"),
            write=partial(_write_table, state),
        )

    def ask_screen(self, name: str, strips: "list[Strip]") -> None:
        """Write the screen as it is now."""
        self._files.ask("activations", name, strips)


def _write_table(state: "ViewState", path: Path) -> bool:
    """Write a table; see `result_files.Write`."""
    from tui import export

    if path.suffix == ".json":
        export.write_new(path, table_json(state))
    elif path.suffix in TABLES:
        export.write_new(path, table_text(state, TABLES[path.suffix]))
    else:
        return False
    return True


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
    """The table with a line of names; see `result_files.table_text`."""
    return table_of(records(state), separator)
