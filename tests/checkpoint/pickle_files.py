"""Files of torch.save, honest and not, put together opcode by opcode."""

import io
import struct
import zipfile
from collections.abc import Mapping

from checkpoint_files import FOUR

MAGIC = 0x1950A86A20F9469CFC6C
PROTO, STOP = b"\x80\x02", b"."


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def storage(key: str = "0", numel: int = 4, cls: str = "FloatStorage") -> bytes:
    body = text("storage") + name("torch", cls) + text(key) + text("cpu") + number(numel)
    return b"(" + body + b"tQ"


def tensor(
    shape: tuple[int, ...] = (4,),
    strides: tuple[int, ...] = (1,),
    offset: int = 0,
    stored: bytes = storage(),
) -> bytes:
    args = stored + number(offset) + numbers(shape) + numbers(strides) + b"\x89}"
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + args + b"tR"


def state(entries: Mapping[str, bytes]) -> bytes:
    items = b"".join(text(key) + value for key, value in entries.items())
    return b"}(" + items + b"u"


def program(value: bytes) -> bytes:
    return PROTO + value + STOP


def records(pickle: bytes, data: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    storages = {"0": FOUR} if data is None else data
    return {
        "x/data.pkl": pickle,
        "x/byteorder": b"little",
        **{f"x/data/{key}": raw for key, raw in storages.items()},
        "x/version": b"3\n",
    }


def zipped(entries: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for key, raw in entries.items():
            archive.writestr(key, raw)
    return out.getvalue()


def zip_file(value: bytes, data: Mapping[str, bytes] | None = None) -> bytes:
    return zipped(records(program(value), data))


def legacy_file(value: bytes, data: bytes | None = None, keys: tuple[str, ...] = ("0",)) -> bytes:
    value = value.replace(b"tQ", b"NtQ")  # a storage has one field more here
    system = state({"protocol_version": number(1001), "little_endian": b"\x88"})
    listed = b"](" + b"".join(map(text, keys)) + b"e"
    parts = [number(MAGIC), number(1001), system, value, listed]
    tail = struct.pack("<q", 4) + FOUR if data is None else data
    return b"".join(map(program, parts)) + tail
