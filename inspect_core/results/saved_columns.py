"""What a saved result is made of: its columns, and how they are written."""

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.delta.summary import COUNTS, SUMS
from inspect_core.pairing.match import Match, Status
from inspect_core.results.comparison import Comparison, Side

VERSION = "1"
"""Grows whenever a file means something else; other versions are not read."""

STATUSES: tuple[str, ...] = get_args(Status)
"""What the column `status` indexes."""

DTYPE_NAMES = tuple(DTYPES)
"""What is written as a dtype's name; the column indexes the file's own list."""

NONE = 255
"""Index of a dtype where there is no tensor."""

TEXTS = ("about", "names", "partners", "joined_names", "reasons", "shapes")
"""Columns that are JSON: an object, then lists; `partners` are those of `renamed` matches, and
`joined_names` the names that the partners of `joined` matches are made of."""

NUMBERS: dict[str, str] = {
    "counts": "I64",  # (len(COUNTS), seen)
    "sums": "F64",  # (len(SUMS), seen)
    "renamed": "I64",  # matches whose partner has another name, ascending
    "joined": "I64",  # matches whose partner is made of several tensors, ascending
    "reason": "U32",  # like all below: for each match, here an index into `reasons`
    "shape": "U32",  # into `shapes`
    "partner_shape": "U32",
    "status": "U8",  # into STATUSES
    "dtype": "U8",  # into the dtypes of `about`; NONE where only the reference has it
    "partner_dtype": "U8",
    "kept": "BOOL",  # whether it was asked for
    "seen": "BOOL",  # whether it was compared
    "apart": "BOOL",
}
"""Columns of numbers and their dtypes."""

HISTOGRAMS = ("bins_end", "bins_first", "bins_count")
"""Columns of a table with histograms, as `PackedHistograms` has them: I64, I32, unsigned."""

ANGLES = "rows"
"""Column of a table with `RowAngles`: F64 `(seen, 4)`."""

UNSIGNED = ("U64", "U32", "U16", "U8")

_NUMPY: dict[str, np.dtype[Any]] = {
    "I64": np.dtype("<i8"), "F64": np.dtype("<f8"), "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"), "U64": np.dtype("<u8"), "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"), "BOOL": np.dtype("?"),
}  # fmt: skip


class SideAbout(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A `Side`, and the bytes of its tensors."""

    uri: str | list[str]
    title: str
    tensors: int
    bytes: int
    dtypes: list[str]
    warnings: list[str]
    stored: dict[str, str] = {}


class About(msgspec.Struct, forbid_unknown_fields=True):
    """What the file says of itself.

    Attributes:
        made: when, in UTC.
        by: version of the program.
        model: the new one.
        reference: the base.
        rules: as in `Comparison`.
        dtypes: what the dtype columns index.
        counts: names of the lines of `counts`.
        sums: names of the lines of `sums`.
        files: differences beside the weights: file, key, old, new, whether minor.
    """

    made: str
    by: str
    model: SideAbout
    reference: SideAbout
    rules: dict[str, int]
    dtypes: list[str]
    counts: list[str]
    sums: list[str]
    files: list[tuple[str, str, str | None, str | None, bool]]


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The numpy dtype of a column."""
    return _NUMPY[dtype]


def file_parts(comparison: Comparison, made: str, by: str) -> Iterator[bytes]:
    """The bytes of the file, piece by piece.

    Args:
        comparison: what to save.
        made: when, in UTC.
        by: version of the program.
    """
    columns = {**_numbers(comparison), **_parts(comparison), **_texts(comparison, made, by)}
    # Widest first, so that each lies on a multiple of its own size.
    columns = dict(sorted(columns.items(), key=lambda column: -numpy_dtype(column[1][0]).itemsize))
    checksum = 0
    entries: dict[str, Any] = {}
    at = 0
    for name, (dtype, shape, raw) in columns.items():
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        checksum = zlib.crc32(raw, checksum)
    metadata = {"lamella": "result", "version": VERSION, "checksum": f"{checksum:08x}"}
    header = _json({"__metadata__": metadata, **entries})
    header += b" " * (-len(header) % 8)
    yield len(header).to_bytes(8, "little")
    yield header
    for _, _, raw in columns.values():
        yield raw


_Column = tuple[str, list[int], bytes]
"""Dtype, shape, bytes."""


def _numbers(found: Comparison) -> dict[str, _Column]:
    matches, table = found.matches, found.table
    shapes, reasons = _indices(_shapes(matches)), _indices([match.reason for match in matches])
    dtypes = _indices(_dtypes(matches))
    kept = np.zeros(len(matches), np.bool_)
    kept[np.asarray(found.kept, np.int64)] = True
    # A table may end before what only the reference has.
    seen, apart = np.zeros_like(kept), np.zeros_like(kept)
    seen[: len(table.seen)], apart[: len(table.apart)] = table.seen, table.apart
    columns: dict[str, Any] = {
        "counts": table.counts[:, table.seen],
        "sums": table.sums[:, table.seen],
        "renamed": [at for at, match in enumerate(matches) if _renamed(match)],
        "joined": [at for at, match in enumerate(matches) if match.partners],
        "reason": [reasons[match.reason] for match in matches],
        "status": [STATUSES.index(match.status) for match in matches],
        "kept": kept,
        "seen": seen,
        "apart": apart,
    }
    for prefix, side in (("", "model"), ("partner_", "reference")):
        infos: list[TensorInfo | None] = [getattr(match, side) for match in matches]
        columns[f"{prefix}shape"] = [0 if info is None else shapes[info.shape] for info in infos]
        columns[f"{prefix}dtype"] = [NONE if info is None else dtypes[info.dtype] for info in infos]
    return {name: _column(dtype, columns[name]) for name, dtype in NUMBERS.items()}


def _parts(found: Comparison) -> dict[str, _Column]:
    """What only some tables have."""
    parts = found.table.taken(np.flatnonzero(found.table.seen)).parts
    columns = {} if parts.angles is None else {ANGLES: _column("F64", parts.angles)}
    packed = parts.histograms
    if packed is not None:
        columns["bins_end"] = _column("I64", packed.ends)
        columns["bins_first"] = _column("I32", packed.first)
        columns["bins_count"] = _column(f"U{8 * packed.counts.itemsize}", packed.counts)
    return columns


def _column(dtype: str, values: Sequence[int] | NDArray[Any]) -> _Column:
    array = np.ascontiguousarray(values, numpy_dtype(dtype))
    return dtype, list(array.shape), array.tobytes()


def _texts(found: Comparison, made: str, by: str) -> dict[str, _Column]:
    matches = found.matches
    about = About(
        made=made,
        by=by,
        model=_side(found.model, [match.model for match in matches]),
        reference=_side(found.reference, [match.reference for match in matches]),
        rules={_text(rule): number for rule, number in found.rules.items()},
        dtypes=list(_indices(_dtypes(matches))),
        counts=list(COUNTS),
        sums=list(SUMS),
        files=[(f.file, f.key, f.old, f.new, f.minor) for f in found.files],
    )
    partners = [match.reference for match in matches if _renamed(match)]
    texts: dict[str, Any] = {
        "about": msgspec.to_builtins(about),
        "names": [_text(match.name) for match in matches],
        "partners": [_text(partner.name) for partner in partners if partner is not None],
        "joined_names": [list(map(_text, match.partners)) for match in matches if match.partners],
        "reasons": list(map(_text, _indices([match.reason for match in matches]))),
        "shapes": list(_indices(_shapes(matches))),
    }
    columns = {}
    for name in TEXTS:
        raw = _json(texts[name])
        columns[name] = "U8", [len(raw)], raw
    return columns


def _side(side: Side, infos: Iterable[TensorInfo | None]) -> SideAbout:
    uri = _text(side.uri) if isinstance(side.uri, str) else list(map(_text, side.uri))
    nbytes = sum([info.nbytes for info in infos if info is not None])
    warnings = list(map(_text, side.warnings))
    stored = {_text(name): dtype for name, dtype in side.stored.items()}
    dtypes = list(side.dtypes)
    return SideAbout(uri, _text(side.title), side.tensors, nbytes, dtypes, warnings, stored)


def _renamed(match: Match) -> bool:
    model, reference = match.model, match.reference
    return model is not None and reference is not None and model.name != reference.name


def _infos(matches: Iterable[Match]) -> Iterator[TensorInfo]:
    for match in matches:
        yield from [info for info in (match.model, match.reference) if info is not None]


def _shapes(matches: Iterable[Match]) -> list[tuple[int, ...]]:
    # The first one also stands where there is no tensor.
    return [(), *[info.shape for info in _infos(matches)]]


def _dtypes(matches: Iterable[Match]) -> list[str]:
    return [info.dtype for info in _infos(matches)]


def _indices(values: Iterable[Any]) -> dict[Any, int]:
    """The distinct values in order of appearance, and the place of each."""
    return {value: at for at, value in enumerate(dict.fromkeys(values))}


def _text(text: str) -> str:
    """Text that UTF-8 can hold: a path of the command line may have bytes that are none."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
