"""Results as text for other programs: JSON, CSV, TSV and Markdown from one type.

JSON has names exactly as they are, in ASCII. The others are looked at in terminals, spreadsheets
and browsers, which obey what strangers wrote: there a name is made safe first.
"""

import json
import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from inspect_core.results.records import DiffReport, DiffSummary, TensorReport
from inspect_core.results.tables import MEASURED, Sheet, SheetColumn, Value
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.activations.neurons import ActivationReport

Format = Literal["json", "csv", "tsv", "md"]

_FORMULA = frozenset("=+-@|")
"""What makes a spreadsheet take a text for a formula, in any width."""

_BEFORE = ' ;,"'
"""What a spreadsheet may take away before it: blanks, and what separates cells elsewhere."""

_MARKDOWN = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>|~&#"})


def to_json(
    report: "DiffReport | ActivationReport", more: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """A report as one JSON object in ASCII, one line a tensor, or a neuron.

    `{"model", "reference", "tensors": [...], "summary": {...}, "files": [...]}`, with the
    fields of `TensorReport`, `DiffSummary` and `FileDifference`; of `more` each metric is a
    member of its own. Names are exact; what is undefined is null. What comes from a saved
    result says first when it was saved: `"saved"`. A report of activations is `{"model",
    "reference", "rule", "samples", "tokens", "notes", "modules": [...], "neurons": [...],
    "tags": [...]}`, with the rows of `lamella activations`.

    Args:
        report: what to write.
        more: members to add at the end.
    """
    if not isinstance(report, DiffReport):
        return _activations(report, more)
    return json_object(
        {
            **({"saved": report.saved} if report.saved else {}),
            "model": report.model,
            "reference": report.reference,
            "tensors": [plain(tensor) for tensor in report.tensors],
            "summary": plain(report.summary),
            "files": [asdict(difference) for difference in report.files],
            **more,
        }
    )


def _activations(report: "ActivationReport", more: Mapping[str, Any]) -> str:
    from inspect_core.activations.records import neuron_rows, site_rows, tag_rows

    return json_object(
        {
            "model": report.titles[1],
            "reference": report.titles[0],
            "rule": report.rule,
            "samples": list(report.samples),
            "tokens": list(report.tokens),
            "notes": list(report.notes),
            "modules": site_rows(report),
            "neurons": neuron_rows(report),
            "tags": tag_rows(report),
            **more,
        }
    )


def json_object(members: Mapping[str, Any]) -> str:
    """One JSON object in ASCII; a list of objects has a line for each, so that they can be read.

    Numbers that JSON does not know become null.
    """
    parts = []
    for key, value in members.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            lines = ",\n".join([_dump(item) for item in value])
            parts.append(f"{_dump(key)}: [\n{lines}\n]")
        elif isinstance(value, list) and not value:
            parts.append(f"{_dump(key)}: [\n\n]")
        else:
            parts.append(f"{_dump(key)}: {_dump(value)}")
    return "{" + ", ".join(parts) + "}"


def plain(record: TensorReport | DiffSummary) -> dict[str, Any]:
    """A record as values by the names of its fields, further metrics among them."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return values | dict(values.pop("more"))


def sheet_text(sheet: Sheet, form: Literal["csv", "tsv", "md"]) -> str:
    r"""A sheet as text, with a heading and without the total.

    In CSV and TSV all texts are in quotes, what is not defined is empty, and a text that a
    spreadsheet might take for a formula, or that begins with `'`, has one `'` in front: take the
    first away and it is the text again. Hidden characters (tabs and line ends too) are written as
    `\xNN` in all three.
    """
    sheet = sheet.for_files()
    return _markdown(sheet) if form == "md" else _separated(sheet, "," if form == "csv" else "\t")


def _separated(sheet: Sheet, delimiter: str) -> str:
    rows = [[column.key for column in sheet.columns], *sheet.rows]
    return "".join([delimiter.join(map(safe_cell, row)) + "\n" for row in rows])


def safe_cell(value: Value) -> str:
    """A value for CSV and TSV: no text that a spreadsheet calculates, or that breaks a line."""
    if isinstance(value, str):
        return _quoted(bare_cell(value)) if value else ""
    if isinstance(value, tuple):
        return f'"{_sizes(value)}"' if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return str(value)


def bare_cell(text: str) -> str:
    """A text without quotes, and nothing that a spreadsheet calculates or that breaks a line."""
    safe = clean(text, None)
    first = unicodedata.normalize("NFKC", safe.lstrip(_BEFORE)[:1])[:1]
    return f"'{safe}" if first in _FORMULA or safe.startswith("'") else safe


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _markdown(sheet: Sheet) -> str:
    lines = [
        _line([_escaped(clean(_heading(column), None)) for column in sheet.columns]),
        _line(["---:" if _is_number(column) else "---" for column in sheet.columns]),
    ]
    for row in sheet.rows:
        cells = zip(sheet.columns, row, strict=True)
        lines.append(_line([_markdown_cell(column, value) for column, value in cells]))
    return "".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _heading(column: SheetColumn) -> str:
    band = f" ({column.band})" if column.band else ""
    return f"{column.title or column.key}{band}"


def _is_number(column: SheetColumn) -> bool:
    return column.kind == "count" or column.kind in MEASURED


def _markdown_cell(column: SheetColumn, value: Value) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "n/a" if _is_number(column) else ""
    if isinstance(value, str):
        safe = clean(value, None)
        return _code(safe) if column.kind == "name" else _escaped(safe)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return str(value).lower()
    return _sizes(value) if isinstance(value, tuple) else str(value)


def _escaped(text: str) -> str:
    return text.translate(_MARKDOWN)


def _code(text: str) -> str:
    """A name as code, which no browser takes for a link, a picture or markup."""
    if not text.strip():
        return _escaped(text)
    longest = run = 0
    for char in text:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{text.replace('|', chr(92) + '|')}{space}{fence}"


def _dump(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=True, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=True, allow_nan=False)


def _finite(value: Any) -> Any:
    """The same with null for what is no number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
