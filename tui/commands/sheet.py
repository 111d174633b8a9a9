"""Sheets on the terminal."""

from collections.abc import Sequence
from textwrap import wrap

from inspect_core.results.sheets import WORDS
from inspect_core.results.tables import MEASURED, Sheet, SheetColumn, Value
from tui import format as fmt
from tui.commands.output import Output, cells_of, of_base
from tui.commands.table import Column, Row, Table

_EQUAL = (WORDS["identical"], WORDS["rounded"])
"""Words in whose place no number is needed."""

_EXTRAS = ("shape", "dtypes", "tensors")
"""Columns that nobody asked for, and nobody is told about where they have no room."""


def print_sheet(sheet: Sheet, output: Output, bars: bool = False, asked: bool = False) -> None:
    """Print a sheet, one table for each of its bands.

    Args:
        sheet: what to print; foreign names are made safe here.
        output: where to.
        bars: whether the first number of each row is drawn as a bar, too.
        asked: whether the columns were asked for: then those without room are named.
    """
    bands = list(dict.fromkeys([c.band for c in sheet.columns if c.band])) or [""]
    for at, band in enumerate(bands):
        if band:
            if at:
                output.line()
            output.line((band, "muted"))
        kept = [
            number
            for number, column in enumerate(sheet.columns)
            if column.to != "files" and column.band in ("", band)
        ]
        columns = [sheet.columns[number] for number in kept]
        rows = [[row[number] for number in kept] for row in sheet.rows]
        total = None if sheet.total is None else [sheet.total[number] for number in kept]
        left = _print_table(columns, rows, total, output, bars)
        if left and asked:
            for line in wrap(f"no room for: {', '.join(left)}", output.width or MOST_TEXT):
                output.line((line, "muted"))


def _print_table(
    columns: Sequence[SheetColumn],
    rows: Sequence[Sequence[Value]],
    total: Sequence[Value] | None,
    output: Output,
    bars: bool,
) -> list[str]:
    """Print one table; returns the headings for which there was no room."""
    name, *others = [column for column in columns if column.kind != "words"]
    top = max([_first_number(columns, row) for row in rows], default=0.0) if bars else 0.0
    drawn = [_row(columns, row, top, output) for row in rows]
    last = [] if total is None else [_row(columns, total, 0.0, output)]
    shown = [
        _column(column, drawn + last, output)
        for column in others
        if column.key != "dtypes" or _differ(columns, rows)
    ]
    table = Table(output, name.title, shown, [row.name for row in drawn + last], bars)
    table.head()
    table.rows(drawn + last)
    return [c.heading for c in shown if c.title in table.left_out and c.title not in _EXTRAS]


def _column(column: SheetColumn, rows: Sequence[Row], output: Output) -> Column:
    heading = output.cut(column.title or column.key, WIDEST_TITLE)
    texts = [heading, *[row.cells.get(column.key, "") for row in rows]]
    least = len(WORDS["identical"]) if column.rank == 0 else 0
    return Column(column.key, max(least, *map(cells_of, texts)), column.rank, heading)


MOST_TEXT = 100
"""Columns of a text in a pipe."""

WIDEST_TITLE = 24
"""Cells of a heading; that of a model may be a stranger's."""


def _differ(columns: Sequence[SheetColumn], rows: Sequence[Sequence[Value]]) -> bool:
    """Whether the dtypes are not all the same one, so that they say something."""
    at = [column.key for column in columns].index("dtypes")
    return len({row[at] for row in rows}) > 1 or any(" -> " in str(row[at]) for row in rows)


def _first_number(columns: Sequence[SheetColumn], row: Sequence[Value]) -> float:
    for column, value in zip(columns, row, strict=True):
        if column.kind in MEASURED:
            return value if isinstance(value, float) and value > 0.0 else 0.0
    return 0.0


def _row(
    columns: Sequence[SheetColumn], values: Sequence[Value], top: float, output: Output
) -> Row:
    words, measured = "", False
    for column, value in zip(columns, values, strict=True):
        if column.kind == "words":
            words = words or str(value or "")
        elif value is not None and column.kind in MEASURED:
            measured = True
    silent = bool(words) and (words.startswith(_EQUAL) or not measured)
    cells = {}
    for column, value in zip(columns[1:], values[1:], strict=True):
        if column.kind == "words":
            continue
        if not silent if column.kind in MEASURED else value is not None:
            cells[column.key] = _text(column, value, output)
    share = _first_number(columns, values) / top if top > 0.0 and not silent else 0.0
    state = "same" if words == WORDS["identical"] else "note"
    return Row(str(values[0]), cells, of_base(words), share, state)


def _text(column: SheetColumn, value: Value, output: Output) -> str:
    if column.kind == "number" and isinstance(value, float):
        return fmt.number(value)
    if isinstance(value, tuple):
        return fmt.shape(value)
    if isinstance(value, str):
        if column.key != "dtypes":
            return output.cut(value)
        return value.replace("->", "->" if output.ascii_only else "→") if " " in value else value
    if column.kind == "count":
        return f"{value:,}"
    number = None if value is None else float(value)
    if column.kind == "cosine":
        return _cosine(number)
    return fmt.percent(number) if column.kind == "share" else fmt.number(number)


def _cosine(value: float | None) -> str:
    """A cosine in five decimals, that is 1 only when it is exactly that."""
    if value is None:
        return "n/a"
    text = f"{value:.5f}"
    return ">.99999" if text == "1.00000" and value < 1.0 else text
