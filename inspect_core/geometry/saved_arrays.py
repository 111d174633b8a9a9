"""Layers in files of arrays: numpy's .npy and .npz, and what `open_checkpoint` reads.

Nothing of a file is run: numpy's pickles are refused, those of PyTorch go through our own reader.
Sizes are held against the bytes that are there before memory is taken.
"""

import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.checkpoint import Checkpoint, open_checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.errors import LamellaError
from inspect_core.geometry.room import Room
from inspect_core.text import clean

NPY, NPZ = ".npy", ".npz"
TENSORS = (".pt", ".pth", ".bin", ".safetensors")
SUFFIXES = (NPY, NPZ, *TENSORS)

NAMELESS = "tensor"
"""What `open_checkpoint` calls the only tensor of a file that gives it no name."""

MOST_UNPACKED = 64
"""Bytes that one byte of a compressed array may become: numbers hardly shrink, and zeros that
fill a disk do."""

_HEADER = 10_000
_PIECE = 1 << 24
_SMALL = 1 << 20

Float = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Stored:
    """One array of a file, not read yet.

    Attributes:
        name: foreign.
        shape: sizes.
        why: why it is no layer; `""` where it is one.
        read: reads it, float32 or float64 `(rows, units)`, into a room.
    """

    name: str
    shape: tuple[int, ...]
    why: str
    read: Callable[[Room], Float]


def stored_arrays(path: Path) -> Iterator[Stored]:
    """The arrays of a file, in its order; each must be read before the next one is asked for.

    Raises:
        LamellaError: it cannot be read as what its name says.
    """
    suffix = path.suffix.lower()
    if suffix in TENSORS:
        with open_checkpoint(path) as checkpoint:
            for tensor in checkpoint.tensors.values():
                yield _of_tensor(checkpoint, tensor, path)
        return
    LocalFile(path).close()  # a pipe or a folder is refused here
    with path.open("rb") as file:
        if suffix == NPY:
            yield _of_stream(path.stem, file, path.stat().st_size, path)
            return
        with _archive(file, path) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(NPY):
                    yield from _of_entry(archive, entry, path)


def entry_bytes(path: Path, name: str, most: int) -> bytes | None:
    """The values of one array of bytes in an .npz file; None where it has none of this name.

    Raises:
        LamellaError: the file is broken, or the array is longer than `most` or of other things.
    """
    LocalFile(path).close()
    with path.open("rb") as file, _archive(file, path) as archive:
        try:
            entry = archive.getinfo(name + NPY)
        except KeyError:
            return None
        _require_honest(entry, name, path)
        if entry.file_size > most + _HEADER:
            raise broken(path, f"'{name}' takes {entry.file_size:,} bytes")
        try:
            with archive.open(entry) as stream:
                dtype, shape, _ = _header(stream, path)
                content = stream.read(most + 1)
        except _BROKEN as error:
            raise broken(path, str(error)) from None
        if dtype != np.uint8 or len(shape) != 1 or len(content) != shape[0]:
            raise broken(path, f"'{name}' does not hold bytes")
        return content


def broken(path: Path, why: str) -> LamellaError:
    """An error about a file whose content is not what it should be."""
    return LamellaError(
        f"cannot be read: {clean(' '.join(why.split()), 200)}",
        where=str(path),
        hint="copy it again, or save it anew",
    )


_BROKEN = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)
"""What zipfile raises for archives that are cut, encrypted, or packed in a way it does not know."""


def _archive(file: IO[bytes], path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except _BROKEN as error:
        raise broken(path, str(error)) from None


def _require_honest(entry: zipfile.ZipInfo, name: str, path: Path) -> None:
    """Refuse what would become far more than it is."""
    if entry.file_size > max(_SMALL, entry.compress_size * MOST_UNPACKED):
        raise broken(path, f"'{name}' would become {entry.file_size:,} bytes")


def _of_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Iterator[Stored]:
    name = entry.filename.removesuffix(NPY)
    _require_honest(entry, name, path)
    try:
        stream = archive.open(entry)
    except _BROKEN as error:
        raise broken(path, str(error)) from None
    with stream:
        yield _of_stream(name, stream, entry.file_size, path)


def _of_stream(name: str, stream: IO[bytes], size: int, path: Path) -> Stored:
    dtype, shape, by_columns = _header(stream, path)
    why = _why_not(dtype, shape)
    numel = int(np.prod(shape, dtype=object))
    if not why and numel * dtype.itemsize != size - stream.tell():
        held, wanted = size - stream.tell(), numel * dtype.itemsize
        raise broken(path, f"'{name}' holds {held:,} bytes, its shape wants {wanted:,}")

    def read(room: Room) -> Float:
        values: Float = room.array(shape, _kept_as(dtype))
        # What is stored column by column is read so.
        target = values.T if by_columns else values
        for start, stop in _pieces(target.shape, dtype.itemsize):
            raw = _exactly(stream, (stop - start) * target.shape[1] * dtype.itemsize, path)
            target[start:stop] = _decoded(raw, dtype).reshape(stop - start, -1)
        return values

    return Stored(name, shape, why, read)


def _header(stream: IO[bytes], path: Path) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    form = np.lib.format
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = form.read_magic(stream)
            reader = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
            if version not in reader:
                raise ValueError(f"version {version} of the format is not read")
            shape, by_columns, dtype = reader[version](stream, max_header_size=_HEADER)
    except Exception as error:  # the header is text in Python's syntax, and may break in any way
        raise broken(path, f"no array of numpy: {error}") from None
    if any(type(size) is not int or size < 0 for size in shape):
        raise broken(path, "a shape with sizes below 0")
    return dtype, shape, by_columns


def _why_not(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    if dtype.hasobject:
        return "it holds Python objects, which are never loaded"
    if not _is_brain(dtype) and dtype.kind != "f":
        return f"its values are {clean(str(dtype), 40)}, not floating-point numbers"
    return _axes(shape)


def _axes(shape: tuple[int, ...]) -> str:
    """Why a shape is none of texts and units; `""` where it is one."""
    if len(shape) == 2:
        return "" if shape[1] else "it has 0 units"
    what = "axis" if len(shape) == 1 else "axes"
    return f"it has {len(shape)} {what}, not texts and units"


def _is_brain(dtype: np.dtype[Any]) -> bool:
    """Whether it is bfloat16, which numpy does not know and saves as two bytes."""
    return dtype.kind == "V" and dtype.names is None and dtype.shape == () and dtype.itemsize == 2


def _kept_as(dtype: np.dtype[Any]) -> type[np.floating]:
    return np.float64 if dtype.kind == "f" and dtype.itemsize >= 8 else np.float32


def _decoded(raw: bytes | bytearray, dtype: np.dtype[Any]) -> NDArray[Any]:
    if not _is_brain(dtype):
        return np.frombuffer(raw, dtype)
    return _widened(np.frombuffer(raw, "<u2"))


def _widened(halves: NDArray[np.uint16]) -> NDArray[np.float32]:
    wide: NDArray[np.float32] = (halves.astype(np.uint32) << 16).view(np.float32)
    return wide


def _pieces(shape: tuple[int, ...], width: int) -> Iterator[tuple[int, int]]:
    """First and last rows of pieces that are read at once."""
    rows, units = shape
    height = max(1, _PIECE // max(1, units * width))
    return ((start, min(start + height, rows)) for start in range(0, rows, height))


def _exactly(stream: IO[bytes], size: int, path: Path) -> bytes:
    try:
        raw = stream.read(size)
    except _BROKEN as error:
        raise broken(path, str(error)) from None
    if len(raw) != size:
        raise broken(path, "it is cut short")
    return raw


_TORCH = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def _of_tensor(checkpoint: Checkpoint, tensor: TensorInfo, path: Path) -> Stored:
    why = tensor.unread
    if not why and tensor.dtype not in _TORCH:
        why = f"its values are {clean(tensor.dtype, 40)}, not floating-point numbers"
    if not why:
        why = _axes(tensor.shape)

    def read(room: Room) -> Float:
        dtype = np.dtype(_TORCH[tensor.dtype])
        values: Float = room.array(tensor.shape, _kept_as(dtype))
        units = tensor.shape[1]
        for start, stop in _pieces(tensor.shape, dtype.itemsize):
            raw = bytearray((stop - start) * units * dtype.itemsize)
            offset = start * units * dtype.itemsize
            checkpoint.read_into(tensor, offset, memoryview(raw))
            piece = np.frombuffer(raw, dtype)
            piece = _widened(piece) if tensor.dtype == "BF16" else piece
            values[start:stop] = piece.reshape(stop - start, units)
        return values

    name = path.stem if tensor.name == NAMELESS else tensor.name
    return Stored(name, tensor.shape, why, read)
