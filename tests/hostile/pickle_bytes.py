"""Pickles written opcode by opcode, and the archives of torch.save around them."""

import io
import struct
import zipfile
from collections.abc import Mapping

from hostile.case import FOUR

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


_RECORDS = {"data/0": FOUR, "data/1": FOUR}


def program(body: bytes, protocol: int = 2) -> bytes:
    """A whole pickle."""
    return b"\x80" + bytes([protocol]) + body + b"."


def named(module: str, name: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    """BINUNICODE."""
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    """BININT or LONG1."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def tuple_of(*items: bytes) -> bytes:
    """MARK, the items, TUPLE."""
    return b"(" + b"".join(items) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    """REDUCE."""
    return function + tuple_of(*arguments) + b"R"


def dict_of(items: Mapping[str, bytes]) -> bytes:
    """EMPTY_DICT and SETITEMS."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def storage(
    key: str = "0", numel: int = 4, kind: str = "FloatStorage", place: str = "cpu"
) -> bytes:
    """The persistent id of a storage."""
    return (
        tuple_of(text("storage"), named("torch", kind), text(key), text(place), number(numel))
        + b"Q"
    )


def tensor(
    stored: bytes | None = None,
    offset: int = 0,
    size: tuple[int, ...] = (2, 2),
    stride: tuple[int, ...] = (2, 1),
    function: str = "_rebuild_tensor_v2",
) -> bytes:
    """A tensor on a storage."""
    return call(
        named("torch._utils", function),
        storage() if stored is None else stored,
        number(offset),
        tuple_of(*map(number, size)),
        tuple_of(*map(number, stride)),
        b"\x89",
        call(named("collections", "OrderedDict")),
    )


def archive(
    pickle: bytes, records: Mapping[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED
) -> bytes:
    """A zip as torch.save writes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        made.writestr("archive/data.pkl", pickle)
        made.writestr("archive/byteorder", "little")
        for name, content in (_RECORDS if records is None else records).items():
            made.writestr(f"archive/{name}", content)
        made.writestr("archive/version", "3\n")
    return out.getvalue()


def legacy(pickle: bytes, keys: tuple[str, ...] = ("0",), tail: bytes | None = None) -> bytes:
    """A file of torch.save before 1.6: five pickles, then the storages."""
    info = {"protocol_version": number(PROTOCOL), "little_endian": b"\x88", "type_sizes": b"}"}
    parts = [number(MAGIC), number(PROTOCOL), dict_of(info)]
    listed = b"](" + b"".join(map(text, keys)) + b"e"
    data = struct.pack("<q", 4) + FOUR if tail is None else tail
    return b"".join(map(program, parts)) + pickle + program(listed) + data


def legacy_tensor(numel: int = 4) -> bytes:
    """A tensor whose storage is described as the old format did."""
    stored = (
        tuple_of(
            text("storage"), named("torch", "FloatStorage"), text("0"), text("cpu"),
            number(numel), b"N",
        )
        + b"Q"
    )  # fmt: skip
    return tensor(stored)


def zip_of(records: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content in records.items():
            made.writestr(name, content)
    return out.getvalue()
