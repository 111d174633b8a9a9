"""Lines of a file of texts: strict UTF-8 of bounded length, wrong ones refused with their place."""

import stat
from collections.abc import Iterator
from pathlib import Path

from inspect_core.checkpoint.byte_source import LocalFile, unreadable
from inspect_core.control import Control, Progress
from inspect_core.errors import LamellaError

MOST_LINE = 1 << 20
"""Bytes of one line. A longer one is no text that a model reads at once."""

_CHUNK = 1 << 18
_REPORT_EVERY = 1 << 24
_BOM = b"\xef\xbb\xbf"

_FOREIGN = (
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet", "save its texts as .csv or .tsv"),
    (b"BZh", "a bzip2 archive", "unpack it first"),
    (b"\xfd7zXZ\x00", "an xz archive", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it first"),
    (b"PAR1", "a Parquet table", "save its texts as .jsonl or .tsv"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8: iconv -f UTF-16 -t UTF-8 OLD > NEW"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8: iconv -f UTF-16 -t UTF-8 OLD > NEW"),
)
"""First bytes of what is often given instead."""

_BINARY = "give a file of texts, in UTF-8"
_RECODE = "save it as UTF-8, for example: iconv -f LATIN1 -t UTF-8 OLD > NEW"
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
"""What no text of any encoding holds."""


def open_text_file(path: str) -> LocalFile:
    """Open a file of texts for reading.

    Raises:
        LamellaError: it is missing, cannot be read, or is no regular file.
    """
    place = Path(path)
    if path == "-":
        hint = "texts are read twice: save them to a file"
        raise LamellaError("standard input is not read", where=path, hint=hint)
    try:
        mode = place.stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(place, error) from error
    if stat.S_ISDIR(mode):
        raise LamellaError("a folder, not a file of texts", where=path, hint="give a file in it")
    if not stat.S_ISREG(mode):
        raise LamellaError(
            "not a regular file", where=path, hint="texts are read twice: save them to a file"
        )
    return LocalFile(place)


def read_lines(file: LocalFile, control: Control | None = None) -> Iterator[tuple[int, str]]:
    """Read a file line by line.

    Args:
        file: the file; any number of readers may be under way.
        control: polled between chunks; told how much of a large file is read.

    Yields:
        The number of a line, from 1, and the line without its end, LF or CR LF.

    Raises:
        LamellaError: the text is no UTF-8, holds NUL, has a line longer than `MOST_LINE` bytes,
            or the file is of another kind.
        FilesChanged: the file is not the one that was opened.
    """
    number, rest = 0, b""
    for chunk in _chunks(file, control):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            number += 1
            yield number, _decoded(line, number, file)
        if len(rest) > MOST_LINE:
            raise _too_long(number + 1, file)
    if rest:
        yield number + 1, _decoded(rest, number + 1, file)


def _chunks(file: LocalFile, control: Control | None) -> Iterator[bytes]:
    for offset in range(0, file.size, _CHUNK):
        if control is not None:
            control.check()
            if offset and offset % _REPORT_EVERY == 0:
                control.report(Progress(offset, file.size, "bytes", offset, file.size))
        buffer = bytearray(min(_CHUNK, file.size - offset))
        file.read_into(offset, memoryview(buffer))
        # What was read may be half old, half new: said before anything is made of it.
        file.check_unchanged()
        chunk = bytes(buffer)
        if offset == 0:
            _require_text(chunk, file)
            chunk = chunk.removeprefix(_BOM)
        yield chunk


def _require_text(head: bytes, file: LocalFile) -> None:
    for magic, what, hint in _FOREIGN:
        if head.startswith(magic):
            raise LamellaError(f"{what}, not plain text", where=str(file.path), hint=hint)


def _decoded(line: bytes, number: int, file: LocalFile) -> str:
    if len(line) > MOST_LINE:
        raise _too_long(number, file)
    if b"\0" in line:
        at = line.index(b"\0") + 1
        raise LamellaError(
            f"line {number:,} holds a NUL at byte {at:,}: this is no plain text",
            where=str(file.path),
            hint=_BINARY,
        )
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise LamellaError(
            f"line {number:,} is not UTF-8: byte {error.start + 1:,} of it is 0x{byte:02x}",
            where=str(file.path),
            hint=_BINARY if _is_binary(line) else _RECODE,
        ) from None


def _is_binary(line: bytes) -> bool:
    return len(line.translate(None, _CONTROLS)) < len(line)


def _too_long(number: int, file: LocalFile) -> LamellaError:
    return LamellaError(
        f"line {number:,} is longer than {MOST_LINE:,} bytes",
        where=str(file.path),
        hint="put each text on a line of its own",
    )
