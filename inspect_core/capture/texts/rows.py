"""Rows of a file of texts, in the format that its name tells; a bad row names its line."""

import csv
import json
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from inspect_core.capture.texts.lines import read_lines
from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.strict_json import JsonError, parse_strict_with_floats
from inspect_core.control import Control
from inspect_core.errors import LamellaError

MOST_COLUMNS = 10_000
"""Columns of a row."""

MOST_ROW = 1 << 22
"""Characters of a row of a CSV over all its lines, and of a sentence of a CoNLL file."""


class Format(Enum):
    """How a file holds its texts."""

    LINES = "lines"
    TSV = "TSV"
    CSV = "CSV"
    JSONL = "JSON lines"
    CONLL = "CoNLL"
    CONLLU = "CoNLL-U"


_BY_SUFFIX = {
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".csv": Format.CSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSONL,
    ".conll": Format.CONLL,
    ".bio": Format.CONLL,
    ".iob": Format.CONLL,
    ".conllu": Format.CONLLU,
}


class Row(NamedTuple):
    """One row.

    Attributes:
        line: where it begins, from 1.
        cells: by column; of JSON by key, values of any kind.
    """

    line: int
    cells: tuple[str, ...] | dict[str, object]


def format_of(path: str) -> Format:
    """The format of a file, by its name; anything unknown is lines."""
    return _BY_SUFFIX.get(Path(path).suffix.lower(), Format.LINES)


def read_rows(file: LocalFile, control: Control | None = None) -> Iterator[Row]:
    """Read a file row by row; rows without anything are passed over.

    Raises:
        LamellaError: as `read_lines`; and a row is not what the format asks for.
    """
    where = str(file.path)
    lines = read_lines(file, control)
    match format_of(where):
        case Format.LINES:
            return (Row(number, (line,)) for number, line in lines if line.strip())
        case Format.TSV:
            return _even(_tsv(lines, where), where)
        case Format.CSV:
            return _even(_csv(lines, where), where)
        case Format.JSONL:
            return _json(lines, where)
        case Format.CONLL:
            return _conll(lines, where, universal=False)
        case Format.CONLLU:
            return _conll(lines, where, universal=True)


def _tsv(lines: Iterable[tuple[int, str]], where: str) -> Iterator[Row]:
    # A TSV quotes nothing: a quotation mark is a character like any other.
    for number, line in lines:
        if line:
            _check_columns(line.count("\t") + 1, number, where)
            yield Row(number, tuple(line.split("\t")))


def _csv(lines: Iterable[tuple[int, str]], where: str) -> Iterator[Row]:
    first = last = size = 0

    def feed() -> Iterator[str]:
        nonlocal first, last, size
        for number, line in lines:
            first, last = first or number, number
            size += len(line) + 1
            if size > MOST_ROW:
                raise _never_ending(first, where)
            yield line + "\n"

    # The module's limit is of the whole process; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), MOST_ROW))
    reader = csv.reader(feed(), strict=True)
    while True:
        first = size = 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise _never_ending(first, where) from None
            raise LamellaError(
                f"line {last:,} is no CSV: {error}",
                where=where,
                hint='a quotation mark inside a quoted cell is written twice: ""',
            ) from None
        if cells:
            _check_columns(len(cells), first, where)
            yield Row(first, tuple(cells))


def _never_ending(first: int, where: str) -> LamellaError:
    return LamellaError(
        f"a quoted cell of the row in line {first:,} never ends",
        where=where,
        hint="quotation marks come in pairs; name the file .tsv if its columns are apart by tabs",
    )


def _check_columns(count: int, line: int, where: str) -> None:
    if count > MOST_COLUMNS:
        raise LamellaError(
            f"line {line:,} has {count:,} columns, more than the {MOST_COLUMNS:,} accepted",
            where=where,
        )


def _even(rows: Iterable[Row], where: str) -> Iterator[Row]:
    """The same rows, which must have as many columns as the first."""
    wanted = first = 0
    for row in rows:
        if not wanted:
            wanted, first = len(row.cells), row.line
        if len(row.cells) != wanted:
            raise LamellaError(
                f"line {row.line:,} has {len(row.cells):,} columns, line {first:,} has {wanted:,}",
                where=where,
                hint="each row needs the same columns",
            )
        yield row


def _json(lines: Iterable[tuple[int, str]], where: str) -> Iterator[Row]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            found = parse_strict_with_floats(line)
        except JsonError as error:
            if number == 1 and line.lstrip().startswith(("[", "{")) and _is_cut(line):
                raise _one_document(where) from None
            raise LamellaError(f"line {number:,}: {error}", where=where) from None
        if isinstance(found, list) and number == 1:
            raise _one_document(where)
        if not isinstance(found, dict):
            raise LamellaError(
                f"line {number:,} is no JSON object",
                where=where,
                hint='each line is one text: {"text": "..."}',
            )
        _check_columns(len(found), number, where)
        yield Row(number, found)


def _is_cut(line: str) -> bool:
    """Whether a value begins on this line and goes on after it."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return error.pos >= len(line.rstrip())
    except RecursionError:
        return False
    return False


def _one_document(where: str) -> LamellaError:
    return LamellaError(
        "one JSON document, not one object a line",
        where=where,
        hint="write it as JSON lines, for example: jq -c '.[]' OLD > NEW.jsonl",
    )


def _conll(lines: Iterable[tuple[int, str]], where: str, *, universal: bool) -> Iterator[Row]:
    """One row a sentence: its words in each column, joined by spaces."""
    words: list[list[str]] = []
    first = size = 0
    for number, line in lines:
        if not line.strip():
            if words:
                yield _sentence(words, first)
            words, size = [], 0
            continue
        if (universal and line.startswith("#")) or line.startswith("-DOCSTART-"):
            continue
        cells = line.split("\t") if "\t" in line else line.split()
        if universal and not cells[0].isdigit():  # `3-4` and `3.1` are written beside 3 and 4
            continue
        first = first if words else number
        size += len(line)
        _check_columns(len(cells), number, where)
        _check_word(cells, words, number, where)
        if size > MOST_ROW:
            raise LamellaError(
                f"the sentence of line {first:,} is longer than {MOST_ROW:,} characters",
                where=where,
                hint="put a blank line between sentences",
            )
        words.append(cells)
    if words:
        yield _sentence(words, first)


def _check_word(cells: list[str], before: list[list[str]], line: int, where: str) -> None:
    if before and len(cells) != len(before[0]):
        raise LamellaError(
            f"line {line:,} has {len(cells):,} columns, the one before it {len(before[0]):,}",
            where=where,
            hint="each word of a sentence needs the same columns",
        )


def _sentence(words: list[list[str]], line: int) -> Row:
    # A cell with a space in it, or nothing, would no longer be one word.
    columns = zip(*words, strict=True)
    return Row(line, tuple(" ".join("_".join(cell.split()) or "_" for cell in c) for c in columns))
