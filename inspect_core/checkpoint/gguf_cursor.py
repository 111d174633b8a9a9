"""A walk over the header of a GGUF file: blocks by pread, every length held against the file."""

from struct import Struct
from typing import Any

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.errors import CheckpointError

MAX_HEADER_BYTES = 100_000_000
"""Bytes before the tensors; a vocabulary of 250,000 tokens and its merges take 15 MB."""

MAX_NAME_BYTES = 65_535
"""Length of the longest key or tensor name; the format's own limit for keys."""

MAX_ALL_TEXT = 50_000_000
"""Characters of all names and values that are kept: bytes that are no text are written as four
characters each, and those may take four bytes each in memory."""

BLOCK_BYTES = 1 << 20
"""Bytes read at once."""

CUT_SHORT = "the file is cut short: download or copy it again"

_U32 = Struct("<I")
_U64 = Struct("<Q")


class Cursor:
    """Where in the header one is, and what comes next.

    Args:
        file: the file, read from its first byte on.
    """

    def __init__(self, file: LocalFile) -> None:
        self._file = file
        self._limit = min(file.size, MAX_HEADER_BYTES)
        self._base = 0
        self._block = bytearray()
        self._at = 0
        self._chars = 0

    @property
    def position(self) -> int:
        """Bytes from the start of the file."""
        return self._base + self._at

    @property
    def rest(self) -> int:
        """Bytes that the header may still take."""
        return self._limit - self.position

    def wrong(self, what: str, hint: str = "") -> CheckpointError:
        """An error about this file."""
        return CheckpointError(what, where=str(self._file.path), hint=hint)

    def u32(self) -> int:
        """The next 4 bytes as a number."""
        number: int = self.unpack(_U32)[0]
        return number

    def u64(self) -> int:
        """The next 8 bytes as a number."""
        number: int = self.unpack(_U64)[0]
        return number

    def unpack(self, form: Struct) -> tuple[Any, ...]:
        """The next numbers of a form."""
        self._need(form.size)
        numbers = form.unpack_from(self._block, self._at)
        self._at += form.size
        return numbers

    def length(self, unit: int, what: str) -> int:
        """A count of things that follow, each of at least `unit` bytes.

        Raises:
            CheckpointError: the rest of the file could not hold them.
        """
        count = self.u64()
        if count * unit > self.rest:
            if count * unit > self._file.size - self.position:
                size = f"{self._file.size:,} bytes"
                raise self.wrong(f"{count:,} {what} cannot be in a file of {size}", CUT_SHORT)
            raise self._too_long()
        return count

    def text(self, most: int) -> str | int:
        r"""The next string, or its number of bytes if these are more than `most`.

        What is not UTF-8 is written as `\xNN`.
        """
        length = self.length(1, "bytes of text")
        if length > most:
            self.skip(length)
            return length
        self._need(length)
        raw = self._block[self._at : self._at + length]
        self._at += length
        text = raw.decode(errors="backslashreplace")
        self._chars += len(text)
        if self._chars > MAX_ALL_TEXT:
            what = f"names and texts of more than {MAX_ALL_TEXT:,} characters"
            raise self.wrong(what)
        return text

    def name(self, what: str) -> str:
        """The next string, a short one.

        Raises:
            CheckpointError: it is longer than `MAX_NAME_BYTES`.
        """
        text = self.text(MAX_NAME_BYTES)
        if isinstance(text, int):
            raise self.wrong(f"{what} of {text:,} bytes, more than {MAX_NAME_BYTES:,}")
        return text

    def skip(self, nbytes: int) -> None:
        """Pass over bytes without reading them."""
        if nbytes > self.rest:
            raise self._ends_early()
        self._at += nbytes

    def skip_texts(self, count: int) -> None:
        """Pass over strings: only their lengths are looked at."""
        length_at = _U64.unpack_from
        while count:
            self._need(_U64.size)
            block, at = self._block, self._at
            last = len(block) - _U64.size
            # 400,000 tokens and merges come through here, hence the local names.
            while count and at <= last:
                at += _U64.size + length_at(block, at)[0]
                count -= 1
            self._at = at
            if self.rest < 0:
                raise self._ends_early()

    def _need(self, nbytes: int) -> None:
        """Have the next bytes in the block."""
        if self._at + nbytes <= len(self._block):
            return
        if nbytes > self.rest:
            raise self._ends_early()
        block = bytearray(min(max(nbytes, BLOCK_BYTES), self.rest))
        self._file.read_into(self.position, memoryview(block))
        self._base, self._block, self._at = self.position, block, 0

    def _ends_early(self) -> CheckpointError:
        if self._limit < self._file.size:
            return self._too_long()
        return self.wrong("the file ends in the middle of its header", CUT_SHORT)

    def _too_long(self) -> CheckpointError:
        return self.wrong(f"the header is longer than {MAX_HEADER_BYTES:,} bytes")
