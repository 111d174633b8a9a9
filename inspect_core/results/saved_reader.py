"""Reading a saved result that may come from a stranger: every number is checked before use."""

import zlib
from collections.abc import Container
from itertools import pairwise
from math import prod
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.header import MAX_RANK, parse_header
from inspect_core.checkpoint.strict_json import JsonError, collector_paused, parse_strict
from inspect_core.checkpoint.tensor_info import DTYPES, TensorInfo
from inspect_core.delta.collect import Collect
from inspect_core.delta.summary import COUNTS, SUMS
from inspect_core.errors import CheckpointError
from inspect_core.pairing.match import Match, Pair
from inspect_core.results.comparison import Comparison, Side
from inspect_core.results.saved_columns import (
    ANGLES,
    HISTOGRAMS,
    NONE,
    NUMBERS,
    STATUSES,
    TEXTS,
    UNSIGNED,
    VERSION,
    About,
    SideAbout,
    numpy_dtype,
)
from inspect_core.results.saved_table import (
    MOST_ELEMENTS,
    Columns,
    Contradiction,
    check_partners,
    check_statuses,
    refuse,
    table_of,
)
from inspect_core.results.side_files import FileDifference
from inspect_core.text import clean

MOST_BYTES = 4 << 30
"""Size of the largest file that is read; 200,000 tensors with histograms take a tenth."""

MOST_TEXT_BYTES = {"about": 8 << 20, "shapes": 8 << 20, "reasons": 8 << 20,
                  "joined_names": 16 << 20}  # fmt: skip
"""Size of the largest text of a column; of lists in lists, which take 20 times their text, less
than of names, for which `MOST_NAME_BYTES` holds."""

MOST_NAME_BYTES = 64 << 20
"""200,000 names take a third of it."""

MOST_MATCHES = 500_000
"""Tensors of both sides: 200,000 are the most that are opened without a wait."""

_OF_SOME = frozenset({"counts", "sums", "renamed", "joined"})
"""Columns that have no line for each match."""

_PAIR = STATUSES.index("pair")
_Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


def read_content(file: LocalFile) -> tuple[Comparison, str, str, tuple[int, int]]:
    """Read and check a saved result.

    Returns:
        The comparison, when it was saved, by which version, and the bytes of both sides.

    Raises:
        CheckpointError: it cannot be read, is damaged, contradicts itself, or is of another
            version.
    """
    try:
        if file.size > MOST_BYTES:
            refuse(f"{file.size:,} bytes, more than the {MOST_BYTES:,} accepted here")
        raw = _raw_columns(file)
        with collector_paused():
            return _content(file, raw)
    except (Contradiction, JsonError, msgspec.ValidationError, msgspec.DecodeError) as error:
        what = f"a saved result that is damaged: {error}"
    except UnicodeDecodeError:
        what = "a saved result that is damaged: text that is not UTF-8"
    except RecursionError:
        what = "a saved result that is damaged: it nests too deeply"
    hint = "copy it again, or compare the models again"
    raise CheckpointError(what, where=str(file.path), hint=hint)


def _raw_columns(file: LocalFile) -> Columns:
    """The columns as they are in the file, of the dtypes that they should have."""
    header = parse_header(file, 0)
    version = header.metadata.get("version", "")
    if version != VERSION:
        raise CheckpointError(
            f"a saved result of version {clean(version, 20)}, here version {VERSION} is read",
            where=str(file.path),
            hint="use the lamella that saved it, or compare the models again",
        )
    tensors = {tensor.name: tensor for tensor in header.tensors}
    expected = _expected(tensors)
    for name in expected.keys() ^ tensors.keys():
        refuse(f"'{name}' is {'missing' if name in expected else 'no part of it'}")
    count = max([0, *tensors["status"].shape])
    if count > MOST_MATCHES:
        refuse(f"{count:,} tensors, more than the {MOST_MATCHES:,} accepted here")
    columns: dict[str, NDArray[Any]] = {}
    checksum = 0
    for name, tensor in tensors.items():
        if tensor.dtype not in expected[name]:
            refuse(f"'{name}' is of dtype {tensor.dtype}")
        if name in TEXTS and tensor.nbytes > MOST_TEXT_BYTES.get(name, MOST_NAME_BYTES):
            refuse(f"'{name}' has {tensor.nbytes:,} bytes")
        raw = np.empty(tensor.nbytes, np.uint8)
        file.read_into(tensor.start, raw.data)
        checksum = zlib.crc32(raw.data, checksum)
        columns[name] = _typed(name, raw, tensor)
    if header.metadata.get("checksum") != f"{checksum:08x}":
        refuse("its bytes are not those that were written")
    return columns


def _expected(found: Container[str]) -> dict[str, tuple[str, ...]]:
    """The columns that there must be, and the dtypes that each may have."""
    expected: dict[str, tuple[str, ...]] = {name: (dtype,) for name, dtype in NUMBERS.items()}
    expected |= dict.fromkeys(TEXTS, ("U8",))
    if any(name in found for name in HISTOGRAMS):
        expected |= {"bins_end": ("I64",), "bins_first": ("I32",), "bins_count": UNSIGNED}
    if ANGLES in found:
        expected[ANGLES] = ("F64",)
    return expected


def _typed(name: str, raw: NDArray[np.uint8], tensor: TensorInfo) -> NDArray[Any]:
    dtype = numpy_dtype(tensor.dtype)
    if tensor.dtype == "BOOL" and raw.size and raw.max() > 1:
        refuse(f"'{name}' holds other values than 0 and 1")
    rank = 2 if name in ("counts", "sums", ANGLES) else 1
    if len(tensor.shape) != rank:
        refuse(f"'{name}' has {len(tensor.shape)} dimensions")
    return raw.view(dtype).reshape(tensor.shape)


def _content(file: LocalFile, columns: Columns) -> tuple[Comparison, str, str, tuple[int, int]]:
    about = _about(file, columns["about"])
    names = _strings(columns, "names")
    count = len(names)
    for name in NUMBERS:
        if name not in _OF_SOME and columns[name].size != count:
            refuse(f"'{name}' has {columns[name].size:,} lines for {count:,} matches")
    matches = _matches(columns, about, names)
    check_statuses(columns)
    check_partners(matches, about.rules)
    table = table_of(columns, matches)
    comparison = Comparison(
        model=_side(about.model),
        reference=_side(about.reference),
        matches=tuple(matches),
        rules={clean(rule): number for rule, number in about.rules.items()},
        kept=np.flatnonzero(columns["kept"]).tolist(),
        table=table,
        files=tuple([_file_difference(*found) for found in about.files]),
        collected=_collected(columns),
        made=clean(about.made, 40) or "an unknown date",
    )
    nbytes = (about.model.bytes, about.reference.bytes)
    return comparison, clean(about.made, 40), clean(about.by, 40), nbytes


def _collected(columns: Columns) -> Collect:
    rows = ANGLES in columns
    sums = rows and not np.isnan(columns[ANGLES][:, -1]).all()
    return Collect(HISTOGRAMS[0] in columns, rows, columns=bool(sums))


def _about(file: LocalFile, raw: NDArray[np.uint8]) -> About:
    about = msgspec.convert(parse_strict(str(raw.data, "utf-8")), About)
    if (tuple(about.counts), tuple(about.sums)) != (COUNTS, SUMS):
        by = clean(about.by, 40)
        raise CheckpointError(
            f"a saved result of lamella {by}, which counted other things than this one",
            where=str(file.path),
            hint="use the lamella that saved it, or compare the models again",
        )
    for name in about.dtypes:
        if name not in DTYPES:
            refuse(f"unknown dtype '{clean(name, 40)}'")
    for name in (*about.model.stored.values(), *about.reference.stored.values()):
        if name not in DTYPES:
            refuse(f"unknown dtype '{clean(name, 40)}'")
    if len(about.dtypes) > NONE:
        refuse(f"{len(about.dtypes):,} dtypes")
    numbers = [about.model.tensors, about.model.bytes, about.reference.tensors]
    numbers += [about.reference.bytes, *about.rules.values()]
    if min(numbers) < 0 or max(numbers) > MOST_ELEMENTS:
        refuse("an impossible number of tensors or bytes")
    return about


def _strings(columns: Columns, name: str) -> list[str]:
    found: list[str] = _decoded(columns, name, list[str])
    return found


def _decoded(columns: Columns, name: str, kind: Any) -> Any:
    return msgspec.json.decode(columns[name].tobytes(), type=kind)


def _matches(columns: Columns, about: About, names: list[str]) -> list[Match]:
    reasons = _strings(columns, "reasons")
    shapes = [tuple(shape) for shape in _decoded(columns, "shapes", list[list[_Size]])]
    for shape in shapes:
        if len(shape) > MAX_RANK or prod(size for size in shape if size) > MOST_ELEMENTS:
            refuse(f"an impossible shape of {len(shape)} dimensions")
    _check_indices(columns, "reason", len(reasons))
    _check_indices(columns, "status", len(STATUSES))
    ours = _infos(columns, "", names, shapes, about.dtypes)
    theirs = _infos(columns, "partner_", _partners(columns, names), shapes, about.dtypes)
    for infos in (ours, theirs):
        if sum([info.nbytes + info.numel for info in infos if info is not None]) > MOST_ELEMENTS:
            refuse("tensors of an impossible size")
    known = [name for name, info in zip(names, ours, strict=True) if info is not None]
    if len(set(known)) < len(known):
        refuse("a tensor of the model is there twice")
    joined = _joined(columns, len(names))
    statuses, reason_of = columns["status"].tolist(), columns["reason"].tolist()
    found = []
    for at, (model, reference) in enumerate(zip(ours, theirs, strict=True)):
        sides = _sides(statuses[at], model, reference)
        reason = reasons[reason_of[at]]
        status = STATUSES[statuses[at]]
        found.append(Match(model, reference, status, reason, sides, joined.get(at, ())))
    return found


def _sides(status: int, model: TensorInfo | None, reference: TensorInfo | None) -> Pair | None:
    """The parts that were compared, where the two are not of one size; only how many is known."""
    if status != _PAIR or model is None or reference is None or model.numel == reference.numel:
        return None
    numel = min(model.numel, reference.numel)
    return Pair(*[info._replace(shape=(numel,)) for info in (model, reference)])


def _joined(columns: Columns, count: int) -> dict[int, tuple[str, ...]]:
    """The names of what the partners are made of, where that is several tensors."""
    names = _decoded(columns, "joined_names", list[list[str]])
    places = _places(columns, "joined", len(names), count)
    return {at: tuple(parts) for at, parts in zip(places, names, strict=True)}


def _partners(columns: Columns, names: list[str]) -> list[str]:
    """The partners' names: those of the tensors themselves, unless they are renamed."""
    partners = _strings(columns, "partners")
    found = list(names)
    places = _places(columns, "renamed", len(partners), len(names))
    for at, partner in zip(places, partners, strict=True):
        found[at] = partner
    return found


def _places(columns: Columns, name: str, length: int, count: int) -> list[int]:
    """A column of ascending indices of matches, as long as the list that goes with it."""
    places: list[int] = columns[name].tolist()
    if len(places) != length:
        refuse(f"{length:,} names for {len(places):,} of '{name}'")
    ascending = all(one < other for one, other in pairwise(places))
    if places and (places[0] < 0 or places[-1] >= count or not ascending):
        refuse(f"'{name}' is out of order")
    return places


def _infos(
    columns: Columns,
    prefix: str,
    names: list[str],
    shapes: list[tuple[int, ...]],
    dtypes: list[str],
) -> list[TensorInfo | None]:
    codes, sizes = columns[f"{prefix}dtype"], columns[f"{prefix}shape"]
    _check_indices(columns, f"{prefix}shape", len(shapes))
    if (codes[codes != NONE] >= len(dtypes)).any():
        refuse(f"'{prefix}dtype' leads nowhere")
    nbytes = {
        (code, at): DTYPES[dtypes[code]].nbytes(prod(shapes[at]))
        for code, at in set(zip(codes.tolist(), sizes.tolist(), strict=True))
        if code != NONE
    }
    return [
        None if code == NONE else TensorInfo(name, dtypes[code], shapes[at], 0, 0, nbytes[code, at])
        for name, code, at in zip(names, codes.tolist(), sizes.tolist(), strict=True)
    ]


def _check_indices(columns: Columns, name: str, length: int) -> None:
    if columns[name].size and int(columns[name].max()) >= length:
        refuse(f"'{name}' leads nowhere")


def _side(about: SideAbout) -> Side:
    uri = about.uri if isinstance(about.uri, str) else tuple(about.uri)
    warnings = tuple([clean(warning, 400) for warning in about.warnings])
    dtypes = tuple([clean(dtype, 40) for dtype in about.dtypes])
    stored = {name: clean(dtype, 40) for name, dtype in about.stored.items()}
    return Side(uri, clean(about.title), about.tensors, dtypes, warnings, stored)


def _file_difference(
    file: str, key: str, old: str | None, new: str | None, minor: bool
) -> FileDifference:
    before, after = (None if value is None else clean(value) for value in (old, new))
    return FileDifference(clean(file), clean(key), before, after, minor)
