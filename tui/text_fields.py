"""Fields that ask for texts, as typed and as meant: the file, its columns, a tokenizer."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_core.capture.texts.source import TextSource
from inspect_core.errors import UsageError
from inspect_core.text import clean

if TYPE_CHECKING:
    from inspect_core.capture.texts import TextColumns

ENDINGS = (".tsv", ".csv", ".jsonl", ".ndjson", ".txt", ".text", ".md")
"""Of the files that the path completes to; any other can be typed."""


def typed_texts(texts: TextSource, tokenizer: str | None) -> dict[str, str]:
    """What the fields of a file of texts begin with, by their names."""
    return {
        "path": texts.path,
        "text": texts.text or "",
        "tags": texts.tags or "",
        "labels": ",".join(texts.labels),
        "most": "" if texts.most is None else f"{texts.most}",
        "tokenizer": tokenizer or "",
    }


def texts_from(field: Mapping[str, str]) -> TextSource:
    """The texts that the fields mean.

    Args:
        field: what stands in each, without blanks around it (see `typed_texts`).

    Raises:
        UsageError: one of them cannot be read.
    """
    if not field["path"]:
        hint = "a sentence a line, or a table: .tsv, .csv, .jsonl"
        raise UsageError("name a file of texts", hint=hint)
    return TextSource(
        # Typed in the app, where no shell has made it a path.
        str(Path(field["path"]).expanduser()),
        field["text"] or None,
        field.get("tags") or None,
        listed(field["labels"]),
        whole_number(field["most"], "how many texts", 1) if field["most"] else None,
    )


def no_column(source: TextSource, found: "TextColumns") -> str:
    """Which column that is asked for a file has not; `""` where it has all. Safe to show.

    A column of a file before often still stands in its field. What reading alone can tell, as
    whether later objects have a key, is let pass.

    Args:
        source: what is asked for.
        found: what is in the file.
    """
    asked = [name for name in (source.text, source.tags) if name is not None]
    if found.format != "JSON lines":
        asked += [name.removesuffix(":sign") for name in source.labels if name not in found.columns]
    # The name of a column makes a first row a header: it is not known as one before.
    names = {*found.columns, *(found.first[0] if found.first else ())}
    for name in asked:
        place = name.isascii() and name.isdigit() and len(name) < 6
        if name not in names and not (place and 1 <= int(name) <= len(found.columns)):
            lines = found.format == "lines"
            there = ", ".join([clean(one, 20) for one in found.columns[:6]])
            why = "the file is read as lines" if lines else f"the columns are {there}"
            return f"no column '{clean(name, 30)}': {why}"
    return ""


def tokenizer_from(typed: str) -> str | None:
    """The tokenizer's folder or file; None where the field is empty."""
    return str(Path(typed).expanduser()) if typed else None


def listed(typed: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple([name.strip() for name in typed.split(",") if name.strip()])


def whole_number(text: str, what: str, least: int) -> int:
    """A whole number as typed; thousands may be apart by commas.

    Args:
        text: what was typed.
        what: for the message.
        least: no number is smaller.

    Raises:
        UsageError: it is none, or smaller.
    """
    plain = text.replace(",", "")
    # Eleven digits are beyond any file; int() of thousands of them would take its time.
    if not (plain.isascii() and plain.isdigit() and len(plain) < 12 and int(plain) >= least):
        raise UsageError(f"{what}: a whole number from {least}", where=text, hint="such as 2000")
    return int(plain)


def suggested_texts(model: object) -> TextSource:
    """What a dialog begins with: of the bundled model the bundled sentences.

    Args:
        model: what is open.
    """
    from tui.demo import demo_pair, demo_sentences

    if model in demo_pair():
        return TextSource(demo_sentences(), labels=("label",))
    return TextSource("")
