"""Representations in files: those that other programs saved, layer by layer, and our own."""

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspect_core.capture.memory import free_bytes
from inspect_core.capture.texts.source import TextSource
from inspect_core.checkpoint.byte_source import unreadable
from inspect_core.checkpoint.strict_json import JsonError, parse_plain
from inspect_core.control import Control
from inspect_core.errors import LamellaError, UsageError
from inspect_core.geometry.representations import POOLINGS, Representations
from inspect_core.geometry.room import Room
from inspect_core.geometry.saved_arrays import (
    NPY,
    NPZ,
    SUFFIXES,
    Float,
    broken,
    entry_bytes,
    stored_arrays,
)
from inspect_core.geometry.saved_labels import labelled_rows, same_names
from inspect_core.new_file import write_new
from inspect_core.text import clean

ABOUT = "lamella"
"""The array of an .npz file of ours that holds all but the values, as JSON."""

VERSION = 1

MOST_ABOUT, MOST_ABOUT_ROW = 1 << 20, 1 << 10
"""Bytes of it, and for each row: as Python's objects they take many times as much."""

_ROWS = 1 << 12
_SHOWN = 60


def read_representations(
    path: str | os.PathLike[str],
    labels: TextSource | None = None,
    *,
    title: str | None = None,
    control: Control | None = None,
    room: Room | None = None,
) -> Representations:
    """Read saved representations: one array `(texts, units)` a layer.

    Args:
        path: an .npy file (one layer); an .npz, .pt or .safetensors file (a layer an array or
            tensor); or a folder of such files. Layers whose names all have numbers come in the
            order of these, 2 before 10; else those of a file in its order.
        labels: the texts with their labels; a row belongs to the text that it was made of where
            the file says so, else to that of its number. None for the labels in the file, if it is
            one of ours.
        title: safe to show; None for the file's own, or its name.
        control: polled between layers.
        room: where the values are kept.

    Raises:
        LamellaError: nothing usable is there, layers are of other texts than the first one, or
            the labels are.
    """
    place = Path(path)
    control, room = control or Control(), room or Room()
    files = _files(place)
    about = _about(files[0]) if len(files) == 1 and files[0].suffix.lower() == NPZ else None
    layers, notes = _layers(files, room, control, about)
    rows = len(layers[0][1])
    if about is not None and len(about.samples) != rows:
        raise broken(place, f"{len(about.samples):,} numbers of texts for {rows:,} rows")
    samples = np.full(rows, -1, np.int64) if about is None else about.samples
    named = () if about is None else about.labels
    if labels is not None:
        samples, named = labelled_rows(
            labels, samples, None if about is None else about.digests, place, control
        )
    return Representations(
        title=title or (about.title if about else "") or clean(place.name, _SHOWN),
        names=tuple(name for name, _ in layers),
        values=[values for _, values in layers],
        labels=named,
        samples=samples,
        pooling="" if about is None else about.pooling,
        notes=(*(about.notes if about else ()), *notes, *same_names(named)),
        digests=None if about is None else about.digests,
    )


def write_representations(space: Representations, path: str | os.PathLike[str]) -> None:
    """Write all layers into one .npz file, which numpy reads, too: `np.load(path)["layer"]`.

    It reads back equal. It is there whole or not at all, and never over another file.

    Args:
        space: what to write.
        path: a new file that ends in .npz.

    Raises:
        LamellaError: it is there, has another ending, or cannot be written.
    """
    place = Path(path)
    if place.suffix.lower() != NPZ:
        raise UsageError("representations are saved as .npz", where=str(place))
    write_new(place, _parts(space))


@dataclass(frozen=True, eq=False, slots=True)
class _About:
    """What a file of ours says beside the values."""

    title: str
    names: dict[str, str]
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    samples: NDArray[np.int64]
    pooling: str
    notes: tuple[str, ...]
    digests: NDArray[np.uint64] | None


def _files(place: Path) -> list[Path]:
    try:
        if not place.is_dir():
            found = [place]
        else:
            found = [one for one in place.iterdir() if one.suffix.lower() in SUFFIXES]
            found.sort(key=lambda one: _natural(one.name))
    except (OSError, ValueError) as error:
        raise unreadable(place, error) from error
    kinds = ", ".join(SUFFIXES)
    if not found:
        raise LamellaError("holds no saved layers", where=str(place), hint=f"they end in {kinds}")
    if found[0].suffix.lower() not in SUFFIXES:
        raise LamellaError(
            "no file of saved representations", where=str(place), hint=f"they end in {kinds}"
        )
    return found


def _layers(
    files: Sequence[Path], room: Room, control: Control, about: _About | None
) -> tuple[list[tuple[str, Float]], list[str]]:
    found: dict[str, Float] = {}
    left_out: list[str] = []
    for file in files:
        for one in stored_arrays(file):
            control.check()
            if about is not None and one.name not in about.names:
                continue
            name = one.name if about is None else about.names[one.name]
            if len(files) > 1 and name != file.stem:
                name = f"{file.stem}.{name}"
            if one.why:
                left_out.append(f"{clean(name, _SHOWN)} is left out: {one.why}")
                continue
            if name in found:
                raise broken(file, f"layer '{name}' is there twice")
            rows = len(next(iter(found.values()))) if found else one.shape[0]
            if one.shape[0] != rows:
                raise LamellaError(
                    f"'{clean(name, _SHOWN)}' has {one.shape[0]:,} rows, the layers before it "
                    f"{rows:,}: they must be of the same texts",
                    where=str(file),
                )
            _require_memory(one.shape, name, file)
            found[name] = one.read(room)
    if not found:
        raise LamellaError(
            left_out[0] if left_out else "holds no saved layers",
            where=str(files[0] if len(files) == 1 else files[0].parent),
            hint="a layer is an array of texts by units",
        )
    if about is not None:
        if len(found) + len(left_out) != len(about.names):
            raise broken(files[0], "layers are missing")
        ours = [(name, found[name]) for name in about.names.values() if name in found]
        return ours, left_out[:_NOTES]
    layers = list(found.items())
    if all(any(map(str.isdigit, name)) for name in found):
        layers.sort(key=lambda layer: _natural(layer[0]))
    more = [f"{len(left_out) - _NOTES:,} more arrays are left out"]
    return layers, [*left_out[:_NOTES], *(more if len(left_out) > _NOTES else [])]


def _require_memory(shape: tuple[int, ...], name: str, file: Path) -> None:
    """Refuse a layer before it is read whose points, float64 and around their mean, do not fit."""
    needed, free = 2 * 8 * shape[0] * shape[1], free_bytes()
    if free is not None and needed > free:
        raise LamellaError(
            f"'{clean(name, _SHOWN)}' needs {needed / 1e6:,.1f} MB of memory as float64, and "
            f"{free / 1e6:,.1f} MB are free",
            where=str(file),
            hint="save fewer texts or units",
        )


_NOTES = 3


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts by the numbers in a name; a number as text without zeros, for it may be long."""
    parts = re.split(r"([0-9]+)", name)
    return [
        (len(part.lstrip("0")), part.lstrip("0")) if at % 2 else (0, part)
        for at, part in enumerate(parts)
    ]


def _about(file: Path) -> _About | None:
    """What a file of ours says of itself; None of another program's."""
    rows = max((one.shape[0] for one in stored_arrays(file) if not one.why), default=0)
    raw = entry_bytes(file, ABOUT, MOST_ABOUT + rows * MOST_ABOUT_ROW)
    if raw is None:
        return None
    try:
        found = parse_plain(raw.decode())
        if not isinstance(found, dict) or found["version"] != VERSION:
            raise ValueError("it is of another version of lamella")
        names = found["names"]
        made = _About(
            title=clean(_text(found["title"]), _SHOWN),
            names={_text(key): _text(name) for key, name in names.items()},
            labels=tuple((_text(name), _texts(column)) for name, column in found["labels"]),
            samples=np.array([_number(number) for number in found["samples"]], np.int64),
            pooling=_text(found["pooling"]),
            notes=tuple(clean(note, 400) for note in _texts(found["notes"])),
            digests=_digests(found.get("digests")),
        )
    except (JsonError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise broken(file, f"what it says of itself is wrong: {error}") from None
    if (
        any(len(column) != len(made.samples) for _, column in made.labels)
        or (made.pooling and made.pooling not in POOLINGS)
        or (made.digests is not None and len(made.digests) != len(made.samples))
    ):
        raise broken(file, "what it says of itself contradicts itself")
    return made


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is needed")
    return value


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise ValueError("a list is needed")
    return tuple(map(_text, values))


def _digests(value: object) -> NDArray[np.uint64] | None:
    """Of hex digits; None where a file does not have them."""
    if value is None:
        return None
    return np.frombuffer(bytes.fromhex(_text(value)), "<u8").astype(np.uint64)


def _number(value: object) -> int:
    if type(value) is not int or not -1 <= value < 1 << 62:
        raise ValueError("a number of a text is needed")
    return value


class _Sink(io.RawIOBase):
    """Takes what is written, for whoever comes to take it from here."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        raw = bytes(memoryview(part))  # type: ignore[arg-type]
        self.parts.append(raw)
        return len(raw)

    def taken(self) -> list[bytes]:
        taken, self.parts = self.parts, []
        return taken


def _key(at: int, names: Sequence[str]) -> str:
    """What a layer is called in the archive: its name, where that can be one there."""
    if names[at].isprintable() and names[at] != ABOUT:
        return names[at]
    key = f"layer {at}"
    while key in names:
        key += "_"
    return key


def _parts(space: Representations) -> Iterator[bytes]:
    keys = {_key(at, space.names): name for at, name in enumerate(space.names)}
    about = {
        "version": VERSION, "title": space.title, "names": keys, "labels": space.labels,
        "samples": space.samples.tolist(), "pooling": space.pooling, "notes": space.notes,
    }  # fmt: skip
    if space.digests is not None:
        about["digests"] = space.digests.astype("<u8").tobytes().hex()
    raw = np.frombuffer(json.dumps(about).encode("ascii"), np.uint8)
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, values in zip((ABOUT, *keys), (raw, *space.values), strict=True):
            # A fixed date, so that the same layers give the same file.
            entry = zipfile.ZipInfo(f"{name}{NPY}")
            with archive.open(entry, "w", force_zip64=True) as stream:
                header = np.lib.format.header_data_from_array_1_0(np.ascontiguousarray(values[:0]))
                np.lib.format.write_array_header_1_0(stream, header | {"shape": values.shape})
                for start in range(0, len(values), _ROWS):
                    stream.write(np.ascontiguousarray(values[start : start + _ROWS]).tobytes())
                    yield from sink.taken()
        yield from sink.taken()
    yield from sink.taken()
