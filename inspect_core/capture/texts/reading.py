"""Texts of a file: checked once from end to end, then read as often as they are needed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from inspect_core.capture.texts.cells import cells_of, shown_value
from inspect_core.capture.texts.columns import (
    Columns,
    find_columns,
    names_and_header,
    text_column,
)
from inspect_core.capture.texts.lines import open_text_file
from inspect_core.capture.texts.rows import Row, format_of, read_rows
from inspect_core.capture.texts.source import Sample, TextSource
from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.control import Control
from inspect_core.errors import LamellaError, UsageError
from inspect_core.text import clean

FIRST_ROWS = 5
"""Rows that a look at a file shows."""

_NAMED_LINES = 3
_SHOWN = 1_000
"""Characters of a cell that a look at a file keeps."""


@dataclass(frozen=True, slots=True)
class TextColumns:
    """What a file of texts looks like; its strings are foreign.

    Attributes:
        columns: names: the header's, the keys of the first object, or numbers from 1.
        has_header: whether the first row is a header; always for JSON lines.
        text: the column that is taken where none is named; None if one must be named.
        rows: how many there are, without the header and without empty lines.
        first: cells of the first ones, long ones cut.
        format: for people: `lines`, `TSV`, `CSV`, `JSON lines`, `CoNLL`.
    """

    columns: tuple[str, ...]
    has_header: bool
    text: str | None
    rows: int
    first: tuple[tuple[str, ...], ...]
    format: str = ""


def look_at_texts(path: str, control: Control | None = None) -> TextColumns:
    """Read a file of texts once and say what is in it.

    Raises:
        LamellaError: the file cannot be read, is not in the format of its name, or is empty.
    """
    source = TextSource(path)
    file = open_text_file(path)
    try:
        rows = read_rows(file, control)
        first = _first(rows, path)
        names, has_header = names_and_header(first, source)
        text = text_column(first, names, source)
        shown = [] if _is_header(first, has_header) else [first]
        count = len(shown)
        for row in rows:
            count += 1
            if len(shown) < FIRST_ROWS:
                shown.append(row)
    finally:
        file.close()
    return TextColumns(
        names,
        has_header,
        names[text] if isinstance(text, int) else text,
        count,
        tuple(_preview(row, names) for row in shown),
        format_of(path).value,
    )


def open_texts(source: TextSource, control: Control | None = None) -> "Texts":
    """Read a file of texts once from end to end, so that all that is wrong is said at once.

    Args:
        source: the file and its columns.
        control: polled while the file is read; told how much of a large file is read.

    Raises:
        LamellaError: the file cannot be read, is not in the format of its name, or holds no
            text; a column is not there.
    """
    if source.most is not None and source.most < 1:
        raise UsageError("at least one text is needed", where=source.path)
    file = open_text_file(source.path)
    try:
        return Texts(source, file, control)
    finally:
        file.close()


class Texts:
    """The texts of a file, read anew whenever they are gone through; none is kept.

    Attributes:
        source: the file and its columns.
        count: how many texts there are.
        labels: names of the label columns; foreign.
        fingerprint: hex digest of the texts with their tags and labels, as they are given.
    """

    def __init__(self, source: TextSource, file: LocalFile, control: Control | None) -> None:
        self.source = source
        self.count = 0
        self._file = file
        self._unfit: list[int] = []
        self._unfit_count = 0
        self._read_through(control)

    def __iter__(self) -> Iterator[Sample]:
        """Give the texts in order.

        Raises:
            FilesChanged: the file is no longer the one that was opened.
        """
        self._file.check_unchanged()
        try:
            yield from self._samples()
        finally:
            self._file.close()

    def sentences(self, numbers: Sequence[int]) -> list[str]:
        """Read some texts again.

        Args:
            numbers: as in `Sample.number`, in any order.

        Returns:
            One text for each number; `""` for a number that no text has.

        Raises:
            FilesChanged: the file is no longer the one that was opened.
        """
        wanted = set(numbers)
        last = max(wanted, default=-1)
        found: dict[int, str] = {}
        if last >= 0:
            for sample in self:
                if sample.number in wanted:
                    found[sample.number] = sample.text
                if sample.number >= last:
                    break
        return [found.get(number, "") for number in numbers]

    def notes(self) -> tuple[str, ...]:
        """What was left out, for people; safe."""
        if not self._unfit_count:
            return ()
        lines = ", ".join(f"{line:,}" for line in self._unfit)
        more = ", ..." if self._unfit_count > len(self._unfit) else ""
        what = "text has" if self._unfit_count == 1 else "texts have"
        return (
            f"{self._unfit_count:,} {what} another number of words than of tags and "
            f"{'is' if self._unfit_count == 1 else 'are'} left out "
            f"(line{'s' if self._unfit_count > 1 else ''} {lines}{more})",
        )

    def _read_through(self, control: Control | None) -> None:
        digest = blake2b(digest_size=20)
        where = self.source.path
        first = _first(read_rows(self._file, control), where)
        self._columns: Columns = find_columns(first, self.source)
        self.labels = self._columns.label_titles()
        _add(digest, self.labels)
        for sample in self._samples(control, self._leave_out):
            self.count += 1
            _add(digest, (sample.text, *sample.labels))
            if sample.tags is not None:
                _add(digest, sample.tags)
        if not self.count:
            raise LamellaError(
                "no text has as many words as tags" if self._unfit_count else "holds no text",
                where=where,
                hint="tags and words are apart by white space" if self._unfit_count else "",
            )
        if isinstance(first.cells, dict):  # the header of a table has all its names
            self._require_keys(first.cells)
        self.fingerprint = digest.hexdigest()

    def _require_keys(self, first: dict[str, object]) -> None:
        """Refuse labels that no object has: each may leave some out, not all."""
        for key in map(str, self._columns.labels):
            if key not in first and not any(
                isinstance(row.cells, dict) and key in row.cells
                for row in read_rows(self._file, None)
            ):
                raise UsageError(
                    f"no column '{clean(key, 60)}' for the labels",
                    where=self.source.path,
                    hint=f"the columns are {', '.join([clean(one, 30) for one in [*first][:8]])}",
                )

    def _leave_out(self, line: int) -> None:
        self._unfit_count += 1
        if len(self._unfit) < _NAMED_LINES:
            self._unfit.append(line)

    def _samples(
        self, control: Control | None = None, unfit: Callable[[int], None] | None = None
    ) -> Iterator[Sample]:
        rows = read_rows(self._file, control)
        columns, where = self._columns, self.source.path
        number = 0
        for at, row in enumerate(rows):
            if at == 0 and _is_header(row, columns.has_header):
                continue
            cells = cells_of(row, columns, where)
            if not cells.text or cells.text.isspace():
                continue
            if cells.tags is not None and len(cells.text.split()) != len(cells.tags):
                if unfit is not None:
                    unfit(row.line)
                continue
            yield Sample(number, cells.text, cells.tags, cells.labels)
            number += 1
            if number == self.source.most:
                return


def _first(rows: Iterator[Row], where: str) -> Row:
    for row in rows:
        return row
    raise LamellaError("holds no text", where=where)


def _is_header(first: Row, has_header: bool) -> bool:
    return has_header and not isinstance(first.cells, dict)


def _preview(row: Row, names: Sequence[str]) -> tuple[str, ...]:
    cells = row.cells
    if not isinstance(cells, dict):
        return tuple(cell[:_SHOWN] for cell in cells)
    return tuple(shown_value(cells.get(name))[:_SHOWN] for name in names)


def _add(digest: "blake2b", parts: Sequence[str]) -> None:
    """Add texts with their lengths, so that none runs into the next."""
    digest.update(len(parts).to_bytes(4, "little"))
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "little"))
        digest.update(raw)
