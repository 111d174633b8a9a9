"""Small checkpoints, honest and not, built byte by byte."""

import json
import struct
from pathlib import Path
from typing import Any

FOUR = struct.pack("<4f", 1, 2, 3, 4)
ENTRY: dict[str, Any] = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
ENTRY_JSON = b'{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}'


def entry(dtype: str, shape: list[Any], start: int, stop: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def to_json(value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def file_bytes(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else to_json(header)
    if not isinstance(header, bytes):
        raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def one_tensor(name: str, data: bytes = FOUR) -> bytes:
    return file_bytes({name: ENTRY}, data)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_index(path: Path, weight_map: object, **more: object) -> Path:
    return write(path, to_json({"weight_map": weight_map, **more}))
