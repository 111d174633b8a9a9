"""The zip archive that `torch.save` writes: where each stored record lies, and nothing else.

Nothing is unpacked, and no name in it is ever used as a path. The rules are stricter than those
of zip: what two readers could understand differently is refused
(https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT).
"""

import struct
from typing import NamedTuple

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.pytorch.wrong import PyTorchError

MAX_RECORDS = 500_000
"""Most records of an archive; each storage is one."""

MAX_DIRECTORY_BYTES = 64 << 20
"""Longest directory of an archive; an entry of an honest one takes about 70 bytes."""

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END_MAGIC, _END64_MAGIC, _LOCATOR_MAGIC = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ENTRY_MAGIC, _LOCAL_MAGIC = b"PK\x01\x02", b"PK\x03\x04"
_MOST_COMMENT = 0xFFFF
_TOO_BIG = 0xFFFFFFFF
_MANY = 0xFFFF
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_SIZES_FOLLOW = 0x0008
_ZIP64 = 1

_CUT = "the file is cut short or was changed: download or copy it again"


class Record(NamedTuple):
    """One record as the directory has it.

    Attributes:
        name: its name, foreign bytes.
        flags: general purpose flags.
        method: how it is compressed; 0 is stored.
        packed: bytes in the file.
        size: bytes after unpacking.
        header: where its local header starts.
        limit: where the next record or the directory starts.
    """

    name: bytes
    flags: int
    method: int
    packed: int
    size: int
    header: int
    limit: int


class Archive:
    """The records of a zip file; only its directory has been read.

    Raises:
        PyTorchError: the directory breaks a rule.
        CheckpointError: the file cannot be read.
    """

    def __init__(self, file: LocalFile) -> None:
        self._file = file
        self.records = _read_directory(file)

    def place(self, name: bytes) -> tuple[int, int]:
        """First byte of a stored record's content, and one past its last.

        Raises:
            PyTorchError: there is no such record, or it is not plainly stored.
            CheckpointError: the file cannot be read.
        """
        record = self.records.get(name)
        if record is None:
            raise PyTorchError(f"no record '{_text(name)}' in the archive", _CUT)
        shown = f"record '{_text(name)}'"
        _require_stored(record, shown)
        room = record.limit - record.header
        if room < _LOCAL.size:
            raise PyTorchError(f"{shown} overlaps what follows it", _CUT)
        raw = _read(self._file, record.header, min(room, _LOCAL.size + len(name)))
        magic, _, flags, method, *_, packed, size, name_len, extra_len = _LOCAL.unpack_from(raw)
        if magic != _LOCAL_MAGIC or raw[_LOCAL.size :] != name or name_len != len(name):
            raise PyTorchError(f"{shown} is not where the directory says", _CUT)
        unknown = flags & _SIZES_FOLLOW and not (packed or size)
        sizes_agree = (
            unknown or (packed, size) == (record.size,) * 2 or {packed, size} == {_TOO_BIG}
        )
        if method or flags & _ENCRYPTED or not sizes_agree:
            raise PyTorchError(f"{shown} and the directory contradict each other", _CUT)
        start = record.header + _LOCAL.size + name_len + extra_len
        if start + record.size > record.limit:
            raise PyTorchError(f"{shown} overlaps what follows it", _CUT)
        return start, start + record.size

    def read(self, name: bytes, limit: int) -> bytes:
        """The content of a stored record.

        Raises:
            PyTorchError: as `place`, or it is longer than `limit`.
            CheckpointError: the file cannot be read.
        """
        start, stop = self.place(name)
        if stop - start > limit:
            what = f"record '{_text(name)}' has {stop - start:,} bytes, more than the {limit:,}"
            raise PyTorchError(f"{what} that are read")
        return _read(self._file, start, stop - start)


def _require_stored(record: Record, shown: str) -> None:
    if record.flags & _ENCRYPTED:
        raise PyTorchError(f"{shown} is encrypted", "decrypt it first")
    if record.method or record.packed != record.size:
        what = f"{shown} is compressed, which torch.save never does"
        raise PyTorchError(what, "unpack it and pack it again with `zip -0 -r`")


def _read_directory(file: LocalFile) -> dict[bytes, Record]:
    count, size, start = _find_directory(file)
    if count > MAX_RECORDS:
        raise PyTorchError(f"{count:,} records in the archive, more than {MAX_RECORDS:,}")
    if size > MAX_DIRECTORY_BYTES:
        raise PyTorchError(f"the archive's directory has {size:,} bytes, more than is read")
    raw = _read(file, start, size)
    records: list[Record] = []
    at = 0
    for _ in range(count):
        record, at = _entry(raw, at)
        records.append(record)
    if at != size:
        raise PyTorchError("the archive's directory does not have the length it names", _CUT)
    records.sort(key=lambda record: record.header)
    found: dict[bytes, Record] = {}
    limit = start
    for record in reversed(records):
        # The exact length of the local header is checked when the record is asked for.
        if record.header + _LOCAL.size + len(record.name) + record.packed > limit:
            what = f"record '{_text(record.name)}' overlaps what follows it"
            raise PyTorchError(what, _CUT)
        if found.setdefault(record.name, record) is not record:
            raise PyTorchError(f"record '{_text(record.name)}' is in the archive twice")
        found[record.name] = record._replace(limit=limit)
        limit = record.header
    return found


def _find_directory(file: LocalFile) -> tuple[int, int, int]:
    """Number of entries, length and start of the directory."""
    tail_start = max(0, file.size - _END.size - _MOST_COMMENT)
    tail = _read(file, tail_start, file.size - tail_start)
    at = tail.rfind(_END_MAGIC)
    if at < 0 or at + _END.size > len(tail):
        raise PyTorchError("a zip archive without its end", _CUT)
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise PyTorchError("bytes follow the end of the zip archive", _CUT)
    end = tail_start + at
    big = _find_directory64(file, end)
    if big is not None:
        small = ((count, _MANY), (size, _TOO_BIG), (start, _TOO_BIG))
        for value, (said, placeholder) in zip(big, small, strict=True):
            if said not in (value, placeholder):
                raise PyTorchError("the archive's two ends contradict each other", _CUT)
        count, size, start = big
        end -= _LOCATOR.size + _END64.size
    if disk or first_disk or (here != count and big is None):
        raise PyTorchError("an archive of several parts")
    if start + size != end:
        raise PyTorchError("the archive's directory is not where its end says", _CUT)
    return count, size, start


def _find_directory64(file: LocalFile, end: int) -> tuple[int, int, int] | None:
    at = end - _LOCATOR.size
    if at < _END64.size:
        return None
    magic, disk, place, disks = _LOCATOR.unpack(_read(file, at, _LOCATOR.size))
    if magic != _LOCATOR_MAGIC:
        return None
    if disk or disks > 1:
        raise PyTorchError("an archive of several parts")
    if place != at - _END64.size:
        raise PyTorchError("the archive's zip64 end is not where it should be", _CUT)
    fields = _END64.unpack(_read(file, place, _END64.size))
    magic, length, _, _, disk, first_disk, here, count, size, start = fields
    if magic != _END64_MAGIC or length != _END64.size - 12 or disk or first_disk or here != count:
        raise PyTorchError("the archive's zip64 end is broken", _CUT)
    return count, size, start


def _entry(raw: bytes, at: int) -> tuple[Record, int]:
    stop = at + _ENTRY.size
    if stop > len(raw) or raw[at : at + 4] != _ENTRY_MAGIC:
        raise PyTorchError("the archive's directory has fewer entries than its end says", _CUT)
    fields = _ENTRY.unpack_from(raw, at)
    _, _, _, flags, method, _, _, _, packed, size, name_len, extra_len, comment_len = fields[:13]
    disk, header = fields[13], fields[16]
    name = raw[stop : stop + name_len]
    extra = raw[stop + name_len : stop + name_len + extra_len]
    stop += name_len + extra_len + comment_len
    if stop > len(raw) or disk:
        raise PyTorchError("the archive's directory is cut short", _CUT)
    if _TOO_BIG in (packed, size, header):
        size, packed, header = _widen(extra, (size, packed, header))
    return Record(name, flags, method, packed, size, header, 0), stop


def _widen(extra: bytes, values: tuple[int, int, int]) -> list[int]:
    """Take 64-bit values, in this order, from the extra field, for those that say so."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if kind == _ZIP64 and at + length <= len(extra):
            wanted = values.count(_TOO_BIG)
            if length < 8 * wanted:
                break
            wide = iter(struct.unpack_from(f"<{wanted}Q", extra, at))
            return [next(wide) if value == _TOO_BIG else value for value in values]
        at += length
    raise PyTorchError("a zip64 size is missing in the archive's directory", _CUT)


def _read(file: LocalFile, start: int, size: int) -> bytes:
    if start < 0 or start + size > file.size:
        raise PyTorchError("the archive's directory is not inside the file", _CUT)
    raw = bytearray(size)
    file.read_into(start, memoryview(raw))
    return bytes(raw)


def _text(name: bytes) -> str:
    return name[:200].decode("utf-8", "backslashreplace")
