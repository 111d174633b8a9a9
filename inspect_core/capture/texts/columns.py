"""Which columns of a file are meant: found by name or number, never guessed from their content."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inspect_core.capture.texts.cells import kind_of
from inspect_core.capture.texts.rows import Format, Row, format_of
from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import UsageError
from inspect_core.text import clean

TEXT_NAMES = (
    "text", "sentence", "inputs", "input", "content", "review", "gloss", "tokens", "document",
)  # fmt: skip
"""Names of columns that hold the text, the first one that is there; case does not matter."""

SIGN = ":sign"
"""Behind the name of a label column: its numbers count by their sign alone."""

LINE = "line"
"""The only column of a file that is read as lines."""

MOST_NAMED = 6
"""Columns that a message lists."""

_CONLL_TEXT = {Format.CONLL: "1", Format.CONLLU: "2"}
_SAMPLE = 30


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a row has what is wanted: indices of a table, or keys of an object.

    Attributes:
        names: of all columns: the header's, or numbers from 1; foreign.
        has_header: whether the first row is a header.
        text: of the text.
        tags: of the tags; None without.
        labels: of the labels.
        signs: for each of them whether its numbers count by their sign.
    """

    names: tuple[str, ...]
    has_header: bool
    text: int | str
    tags: int | str | None
    labels: tuple[int | str, ...]
    signs: tuple[bool, ...] = ()

    def title(self, column: int | str) -> str:
        """What a column is called: its name, or `column 3`; foreign."""
        if isinstance(column, str):
            return column
        return self.names[column] if self.has_header else f"column {column + 1}"

    def label_titles(self) -> tuple[str, ...]:
        """What the labels are called: as their columns, with `SIGN` where that is what counts."""
        both = zip(self.labels, self.signs, strict=True)
        return tuple(f"{self.title(column)}{SIGN if sign else ''}" for column, sign in both)


def names_and_header(first: Row, source: TextSource) -> tuple[tuple[str, ...], bool]:
    """The names of the columns, and whether the first row holds them.

    A table has a header where the first row holds a name that is asked for, or, as its text, one
    of `TEXT_NAMES`.
    """
    if isinstance(first.cells, dict):
        return tuple(first.cells), True
    kind = format_of(source.path)
    numbers = tuple(str(number + 1) for number in range(len(first.cells)))
    if kind is Format.LINES:
        return (LINE,), False
    if kind in _CONLL_TEXT:
        return numbers, False
    labels = [_without_sign(name, first.cells)[0] for name in source.labels]
    asked = [name for name in (source.text, source.tags, *labels) if name is not None]
    # A number is always a place: the first label of a table without a header is often `1`.
    called = [name for name in asked if _number(name, len(first.cells)) is None]
    if any(name in first.cells for name in called):
        return first.cells, True
    known = {cell.casefold() for cell in first.cells} & set(TEXT_NAMES)
    if source.text is None:
        return (first.cells, True) if known else (numbers, False)
    # `3` is the column even where there are names: a header must not become a text.
    place = _number(source.text, len(first.cells))
    if place is not None and first.cells[place].casefold() in TEXT_NAMES:
        return first.cells, True
    return numbers, False


def text_column(first: Row, names: Sequence[str], source: TextSource) -> int | str | None:
    """The column of the text: the one asked for, a known name, or the only one; None if unclear.

    Raises:
        UsageError: the one asked for is not there.
    """
    kind = format_of(source.path)
    wanted = source.text if source.text is not None else _CONLL_TEXT.get(kind)
    if kind is Format.LINES and wanted is not None and wanted not in (LINE, "1"):
        raise UsageError(
            f"no column '{wanted}': the file is read as lines",
            where=source.path,
            hint="a table has a name that ends in .tsv, .csv or .jsonl",
        )
    if wanted is not None:
        return 0 if kind is Format.LINES else _column(wanted, first, names, source, "text")
    folded = [name.casefold() for name in names]
    known = next((folded.index(name) for name in TEXT_NAMES if name in folded), None)
    if isinstance(first.cells, dict):
        texts = [name for name, value in first.cells.items() if isinstance(value, str)]
        only = texts[0] if len(texts) == 1 else None
        return names[known] if known is not None else only
    return known if known is not None else (0 if len(names) == 1 else None)


def find_columns(first: Row, source: TextSource) -> Columns:
    """The columns that a source asks for.

    Args:
        first: the first row of the file.
        source: what is asked for.

    Raises:
        UsageError: a column is not there, or several could be the text.
    """
    names, has_header = names_and_header(first, source)
    kind = format_of(source.path)
    text = text_column(first, names, source)
    if text is None:
        raise _unclear(first, names, has_header, source)
    if kind in _CONLL_TEXT and source.labels:
        raise UsageError(
            "a CoNLL file says something of each word, not of a text",
            where=source.path,
            hint="give one of its columns as the tags",
        )
    if kind is Format.LINES and (source.tags is not None or source.labels):
        raise UsageError(
            "a file of lines has no columns for tags or labels",
            where=source.path,
            hint="a table has a name that ends in .tsv, .csv or .jsonl",
        )
    tags = None
    if source.tags is not None:
        tags = _column(source.tags, first, names, source, "tags")
    wanted = [_without_sign(name, names) for name in source.labels]
    labels = tuple(_column(name, first, names, source, "labels") for name, _ in wanted)
    return Columns(names, has_header, text, tags, labels, tuple(sign for _, sign in wanted))


def _without_sign(wanted: str, names: Sequence[str]) -> tuple[str, bool]:
    """The column of a label, and whether its sign is meant; a name that is there is that column."""
    if wanted.endswith(SIGN) and wanted != SIGN and wanted not in names:
        return wanted.removesuffix(SIGN), True
    return wanted, False


def _number(wanted: str, count: int) -> int | None:
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 and 1 <= int(wanted) <= count:
        return int(wanted) - 1
    return None


def _column(
    wanted: str, first: Row, names: Sequence[str], source: TextSource, what: str
) -> int | str:
    if isinstance(first.cells, dict):
        # A key that is not in the first object may be in the others: labels are often left out.
        if wanted in names or what == "labels":
            return wanted
    else:
        place = _number(wanted, len(names))
        if place is not None:
            return place
        if names.count(wanted) > 1:
            raise UsageError(
                f"several columns are called '{wanted}'",
                where=source.path,
                hint=f"give its number, from 1 to {len(names)}",
            )
        if wanted in names:
            return names.index(wanted)
    raise UsageError(
        f"no column '{wanted}' for the {what}",
        where=source.path,
        hint=f"the columns are {_listed(first, names)}",
    )


def _unclear(first: Row, names: Sequence[str], has_header: bool, source: TextSource) -> UsageError:
    example = f"--text-column {_example(first, names)}"
    said = "by its key" if isinstance(first.cells, dict) else "by its name or number"
    listed = _listed(first, names)
    return UsageError(
        f"which column is the text? The first row has {listed}",
        where=source.path,
        hint=f"say it {said}, for example {example}",
    )


def _example(first: Row, names: Sequence[str]) -> str:
    """The column with the longest first cell, most probably the text."""
    pairs = zip(names, _values(first), strict=True)
    return clean(max(pairs, key=lambda pair: len(pair[1]))[0], _SAMPLE) if names else "NAME"


def _values(first: Row) -> Iterator[str]:
    cells = first.cells.values() if isinstance(first.cells, dict) else first.cells
    return (cell if isinstance(cell, str) else kind_of(cell) for cell in cells)


def _listed(first: Row, names: Sequence[str]) -> str:
    pairs = list(zip(names, _values(first), strict=True))
    shown = [clean(name, _SAMPLE) for name, _ in pairs[:MOST_NAMED]]
    if names != first.cells:  # a header says enough
        shown = [
            f"{name}: {_quoted(value)}" for name, (_, value) in zip(shown, pairs, strict=False)
        ]
    more = f" and {len(pairs) - MOST_NAMED:,} more" if len(pairs) > MOST_NAMED else ""
    return ", ".join(shown) + more if shown else "none"


def _quoted(value: str) -> str:
    return f"'{clean(value, _SAMPLE)}'"
