"""Which texts are meant, and what a text is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextSource:
    """A file of texts and its columns; small, picklable, not opened.

    A column is a name of the header, or a number from 1.

    Attributes:
        path: the file: `.tsv`, `.csv`, `.jsonl` (`.ndjson`) are tables, `.conll` (`.conllu`) has
            one word a line, anything else is lines.
        text: the column of the text; None finds it (`text`, `sentence`, ..., or the only one).
        tags: a column with one tag for each word, both apart by white space; None without.
        labels: columns whose values are features of the whole text; `rating:sign` takes the
            numbers of a column by their sign: `positive`, `negative` or `zero`.
        most: take at most so many texts, the first ones; None for all.
    """

    path: str
    text: str | None = None
    tags: str | None = None
    labels: tuple[str, ...] = ()
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One text.

    Attributes:
        number: its place in the file, counted from 0 without empty ones and those whose tags do
            not fit their words.
        text: as written; foreign.
        tags: one for each word between white space; None without such a column.
        labels: one for each of `TextSource.labels`; `""` where the cell is empty.
        asked: the text that a prompt asks about; None for a text that is no prompt.
    """

    number: int
    text: str
    tags: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()
    asked: str | None = None
