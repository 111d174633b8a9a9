"""What a hostile case is, and how the files of one are written, byte by byte."""

import json
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Want = Literal["open", "warn", "reject", "said", "any"]
"""How opening must end: clean, with a warning, with an error of one line, with either of these
two (a reader may leave out a part or refuse the whole), or in any of these ways."""

Kind = Literal["safetensors", "pickle", "gguf", "index", "adapter", "config", "pair", "shrink"]

Told = Literal["open", "check", "diff"]
"""Who can see what a warning is about: headers alone, `check` (values), `diff` (two files)."""

FOUR = struct.pack("<4f", 1, 2, 3, 4)
SQUARE: dict[str, Any] = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
SQUARE_JSON = b'{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}'


@dataclass(frozen=True)
class Case:
    """One thing a stranger may hand out.

    Attributes:
        id: unique name.
        group: which module made it.
        path: what to open.
        kind: what it claims to be.
        want: how opening it must end.
        note: what is wrong with it, and why it must end so.
        told: who must show the warning, where `want` is `warn`.
        base: the other side of a pair.
        values: whether its tensors may be read; a sparse giant would take minutes.
    """

    id: str
    group: str
    path: Path
    kind: Kind
    want: Want
    note: str = ""
    told: Told = "open"
    base: Path | None = None
    values: bool = True


class Room:
    """A folder for the cases of one group.

    Args:
        root: the folder of all groups; nothing is written outside of it.
        group: the name of this one.
    """

    def __init__(self, root: Path, group: str) -> None:
        self.root = root
        self.group = group
        self.folder = root / group
        self.folder.mkdir(parents=True)

    def case(
        self,
        id_: str,
        path: Path,
        want: Want = "reject",
        note: str = "",
        *,
        kind: Kind = "safetensors",
        told: Told = "open",
        base: Path | None = None,
        values: bool = True,
    ) -> Case:
        """Describe what was written."""
        return Case(id_, self.group, path, kind, want, note, told, base, values)

    def file(
        self,
        id_: str,
        content: bytes,
        want: Want = "reject",
        note: str = "",
        *,
        name: str = "",
        kind: Kind = "safetensors",
        told: Told = "open",
        sparse: int = 0,
        values: bool = True,
    ) -> Case:
        """Write one file, and describe it.

        Args:
            id_: the case.
            content: its first bytes.
            want: how it must end.
            note: why.
            name: of the file; the case's own by default.
            kind: what it claims to be.
            told: who shows the warning.
            sparse: size to which a hole extends the file.
            values: whether its tensors may be read.
        """
        path = self.folder / (name or f"{id_}.safetensors")
        write(path, content, sparse)
        return self.case(id_, path, want, note, kind=kind, told=told, values=values)

    def files(
        self,
        id_: str,
        contents: Mapping[str, bytes],
        want: Want = "reject",
        note: str = "",
        *,
        kind: Kind = "index",
        told: Told = "open",
    ) -> Case:
        """Write a folder of files, and describe it."""
        folder = self.subfolder(id_)
        for name, content in contents.items():
            write(folder / name, content)
        return self.case(id_, folder, want, note, kind=kind, told=told)

    def subfolder(self, name: str) -> Path:
        """Make a folder."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def write(path: Path, content: bytes, sparse: int = 0) -> Path:
    """Write a file, then extend it by a hole up to `sparse` bytes."""
    with path.open("wb") as file:
        file.write(content)
        if sparse:
            file.truncate(sparse)
    return path


def to_json(value: object) -> bytes:
    """Compact JSON in UTF-8, lone surrogates included."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def entry(dtype: object, shape: Sequence[object], start: int, stop: int) -> dict[str, Any]:
    """A tensor as a safetensors header has it."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file; a header of bytes is taken as it is, any other is padded.

    Args:
        header: the JSON, or what becomes it.
        data: what follows.
        length: what the file says of the header's length; the truth by default.
    """
    raw = header if isinstance(header, bytes) else to_json(header)
    if not isinstance(header, bytes):
        raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def packed(
    tensors: Mapping[str, tuple[str, Sequence[int], bytes]],
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """A valid safetensors file of tensors given as dtype, shape and bytes."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    data = b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = entry(dtype, shape, len(data), len(data) + len(raw))
        data += raw
    return safetensors(header, data)


def squares(names: Sequence[str]) -> bytes:
    """A valid file of 2 x 2 tensors of these names."""
    return packed(dict.fromkeys(names, ("F32", (2, 2), FOUR)))


def is_root() -> bool:
    """Whether permissions stop nobody."""
    return os.geteuid() == 0
