"""The `*.safetensors.index.json` or `*.bin.index.json` that says which shard holds which tensor."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from inspect_core.checkpoint.byte_source import read_whole
from inspect_core.checkpoint.contents import PYTORCH, SAFETENSORS
from inspect_core.checkpoint.strict_json import (
    JsonError,
    collector_paused,
    parse_strict_with_floats,
)
from inspect_core.errors import CheckpointError

MAX_INDEX_BYTES = 100_000_000
"""Size of the largest index accepted; 200,000 tensors take about 20 MB."""

MAX_SHARDS = 20_000
"""Files that an index may name; the largest published models have a few hundred. Each costs a
look at the disk, and a million that are missing would cost 20 s and a gigabyte."""

_MOST_UNTYPED_BYTES = 32 << 20
"""Length up to which JSON of any structure is parsed: lists of lists take 20 times their text."""

_BOM = b"\xef\xbb\xbf"


class Index(NamedTuple):
    """What an index file says.

    Attributes:
        shard_of: file name by tensor name; every file name is a plain one.
        total_size: bytes of all tensors, if the index says so.
        warnings: what is odd but harmless, one line each; foreign text is in them.
    """

    shard_of: dict[str, str]
    total_size: int | None
    warnings: tuple[str, ...]


class _IndexJson(msgspec.Struct, forbid_unknown_fields=True):
    weight_map: dict[str, str]
    metadata: msgspec.Raw = msgspec.Raw()


_DECODER = msgspec.json.Decoder(_IndexJson)


def format_of_index(path: Path) -> str:
    """The format of all files that an index names; by its own name."""
    return PYTORCH if path.name.lower().endswith(".bin.index.json") else SAFETENSORS


def read_index(path: Path) -> Index:
    """Read and check an index file; no shard is touched.

    Raises:
        CheckpointError: the file is unreadable or broken, or names a shard in another folder.
    """
    raw = read_whole(path, MAX_INDEX_BYTES)
    warnings: list[str] = []
    if raw.startswith(_BOM):
        warnings.append("the index starts with a byte order mark")
        raw = raw.removeprefix(_BOM)
    try:
        str(raw, "utf-8")
        with collector_paused():
            shard_of, metadata = parse_index_fast(raw) or parse_index_carefully(raw)
        _require_plain_names(shard_of)
    except UnicodeDecodeError as error:
        what = f"the index is not UTF-8 at byte {error.start:,}"
        raise CheckpointError(what, where=str(path)) from None
    except JsonError as error:
        raise CheckpointError(str(error), where=str(path)) from None
    if not shard_of:
        warnings.append("the index lists no tensor")
    total_size = _total_size(metadata, warnings)
    return Index(shard_of, total_size, tuple(warnings))


def parse_index_fast(raw: bytes) -> tuple[dict[str, str], object] | None:
    """Parse with the typed decoder, or return None to leave it to the careful one.

    The typed decoder lets the last of two equal keys win. Without a backslash every quote ends
    or begins a string, so a string too many betrays the duplicate.

    Returns:
        The weight map and the metadata, None where there is none.
    """
    if b"\\" in raw:
        return None
    try:
        found = _DECODER.decode(raw)
        metadata_text = bytes(found.metadata)
        metadata = parse_strict_with_floats(str(metadata_text, "utf-8")) if metadata_text else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, JsonError):
        return None
    keys = 2 if metadata_text else 1
    strings = keys + 2 * len(found.weight_map)
    if raw.count(b'"') != 2 * strings + metadata_text.count(b'"'):
        return None
    return found.weight_map, metadata


def parse_index_carefully(raw: bytes) -> tuple[dict[str, str], object]:
    """Parse the slow way, which can say what is wrong.

    Raises:
        JsonError: the index breaks a rule.
    """
    if len(raw) > _MOST_UNTYPED_BYTES:
        try:
            _DECODER.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise JsonError(f"not an index of tensors: {error}") from None
    found = parse_strict_with_floats(str(raw, "utf-8"))
    if not isinstance(found, dict):
        raise JsonError("the index is not a JSON object")
    if "weight_map" not in found:
        raise JsonError("the index has no weight_map")
    weight_map = found["weight_map"]
    if not isinstance(weight_map, dict):
        raise JsonError("weight_map is not an object")
    for tensor, shard in weight_map.items():
        if not isinstance(shard, str):
            raise JsonError(f"weight_map names no file for tensor '{tensor}'")
    return weight_map, found.get("metadata")


def _require_plain_names(shard_of: dict[str, str]) -> None:
    checked: set[str] = set()
    for tensor, shard in shard_of.items():
        if shard in checked:
            continue
        if shard in ("", ".", "..") or any(char in shard for char in "/\\\0"):
            raise JsonError(
                f"'{shard}', the shard of tensor '{tensor}', is not the plain name of a file"
                " beside the index"
            )
        checked.add(shard)
    if len(checked) > MAX_SHARDS:
        raise JsonError(f"the index names {len(checked):,} files, more than {MAX_SHARDS:,}")


def _total_size(metadata: object, warnings: list[str]) -> int | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        warnings.append("the index's metadata is not an object")
        return None
    size = metadata.get("total_size")
    if size is None:
        return None
    # Old writers put a float there, so a whole one is fine.
    number = isinstance(size, int | float) and not isinstance(size, bool)
    if not number or not 0 <= size < 2**63 or size != int(size):
        warnings.append("the index's total_size is no size")
        return None
    return int(size)
