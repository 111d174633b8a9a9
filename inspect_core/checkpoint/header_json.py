"""The JSON of a safetensors header: a fast parser, and a careful one for when it cannot decide."""

from typing import Annotated, NamedTuple, TypeGuard

import msgspec

from inspect_core.checkpoint.strict_json import JsonError, parse_strict, parse_strict_prefix

_MOST_UNTYPED_BYTES = 32 << 20
"""Length up to which JSON of any structure is parsed: lists of lists take 20 times their text."""

_METADATA_BYTES = (1 << 16, 8 << 20)
"""Where the end of the metadata is sought: near first, which is cheap, then as far as sensible."""

_MAX_SIZE = 2**63 - 1
_METADATA = "__metadata__"
_METADATA_KEY = b'"__metadata__"'
_FIELDS = ("dtype", "shape", "data_offsets")

_Size = Annotated[int, msgspec.Meta(ge=0, le=_MAX_SIZE)]


class Entry(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One tensor as the header has it; numbers are 0 to 2^63 - 1, and nothing else is checked."""

    dtype: str
    shape: tuple[_Size, ...]
    data_offsets: tuple[_Size, _Size]


class HeaderJson(NamedTuple):
    """A header's content, in its order."""

    entries: dict[str, Entry]
    metadata: dict[str, str]
    warnings: tuple[str, ...]


_ENTRIES = msgspec.json.Decoder(dict[str, Entry])
_QUOTES_OF_ENTRY = 2 * len(("name", "dtype", "its value", "shape", "data_offsets"))
# Stands in for the metadata, which has another type than the entries.
_PLACEHOLDER = b'{"dtype":"","shape":[],"data_offsets":[0,0]}'


def parse_fast(raw: bytes) -> HeaderJson | None:
    """Parse a header with the typed decoder, or return None to leave it to the careful one.

    The typed decoder lets the last of two equal keys win. Without a backslash every quote
    begins or ends a string, so a string too many betrays the duplicate.

    Args:
        raw: the header, valid UTF-8.
    """
    split = _split_metadata(raw)
    if split is None or b"\\" in split[0] or not _ends_well(raw):
        return None
    rest, metadata = split
    try:
        entries = _ENTRIES.decode(rest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if rest.count(b'"') != _QUOTES_OF_ENTRY * len(entries):
        return None
    if metadata is not None and entries.pop(_METADATA, None) is None:
        return None
    return HeaderJson(entries, metadata or {}, ())


def _split_metadata(raw: bytes) -> tuple[bytes, dict[str, str] | None] | None:
    """Swap the metadata's value for the placeholder; None if it is no object of strings.

    A key of that name inside an entry is swapped too, and then refused as an unknown field.
    """
    key = raw.find(_METADATA_KEY)
    if key < 0:
        return raw, None
    start = raw.find(b"{", key)
    if start < 0 or raw[key + len(_METADATA_KEY) : start].strip(b" \t\r\n") != b":":
        return None
    for most in _METADATA_BYTES:
        # The end may be cut inside a character: the value has ended before, or fails as JSON.
        text = str(raw[start : start + most], "utf-8", errors="replace")
        try:
            value, length = parse_strict_prefix(text)
        except JsonError:
            continue
        if not _is_text_by_text(value):
            return None
        end = start + (length if text.isascii() else len(text[:length].encode()))
        return raw[:start] + _PLACEHOLDER + raw[end:], value
    return None


def _is_text_by_text(value: object) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _ends_well(raw: bytes) -> bool:
    return not raw[raw.rfind(b"}") + 1 :].strip(b" ")


def parse_carefully(raw: bytes) -> HeaderJson:
    """Parse a header the slow way, which can say what is wrong and where.

    Args:
        raw: the header, valid UTF-8.

    Raises:
        JsonError: the header breaks a rule.
    """
    if len(raw) > _MOST_UNTYPED_BYTES:
        _require_entries(raw)
    found = parse_strict(str(raw, "utf-8"))
    if not _ends_well(raw):
        raise JsonError("only spaces may follow the header's JSON")
    if not isinstance(found, dict):
        raise JsonError("the header is not a JSON object")
    warnings: list[str] = []
    metadata = _metadata(found.pop(_METADATA, {}), warnings)
    entries: dict[str, Entry] = {}
    extra: dict[str, list[str]] = {}
    for name, entry in found.items():
        entries[name] = _entry(name, entry)
        for field in entry.keys() - set(_FIELDS):
            extra.setdefault(field, []).append(name)
    for field, names in sorted(extra.items()):
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        warnings.append(f"unknown field '{field}' of tensor '{names[0]}'{more} is ignored")
    return HeaderJson(entries, metadata, tuple(warnings))


def _require_entries(raw: bytes) -> None:
    split = _split_metadata(raw)
    try:
        if split is None:
            raise JsonError("the metadata is not an object of strings")
        _ENTRIES.decode(split[0])
    except (msgspec.DecodeError, RecursionError) as error:
        raise JsonError(f"the header is not one of tensors: {error}") from None


def _metadata(value: object, warnings: list[str]) -> dict[str, str]:
    if value is None:
        warnings.append("the metadata is null instead of an object")
        return {}
    if not isinstance(value, dict):
        raise JsonError("the metadata is not an object")
    for key, text in value.items():
        if not isinstance(text, str):
            raise JsonError(f"metadata '{key}' is not a string")
    return value


def _entry(name: str, entry: object) -> Entry:
    if not isinstance(entry, dict):
        raise JsonError(f"tensor '{name}': not an object with dtype, shape and data_offsets")
    for field in _FIELDS:
        if field not in entry:
            raise JsonError(f"tensor '{name}': no {field}")
    dtype = entry["dtype"]
    if not isinstance(dtype, str):
        raise JsonError(f"tensor '{name}': dtype is not a string")
    shape = _sizes(name, "shape", entry["shape"])
    offsets = _sizes(name, "data_offsets", entry["data_offsets"])
    if len(offsets) != 2:
        raise JsonError(f"tensor '{name}': data_offsets are {len(offsets):,} numbers, not 2")
    return Entry(dtype, shape, (offsets[0], offsets[1]))


def _sizes(name: str, field: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise JsonError(f"tensor '{name}': {field} is not a list")
    for number in value:
        # A bool is an int in Python, and must not be one here.
        if type(number) is not int:
            raise JsonError(f"tensor '{name}': {field} holds something else than numbers")
        if not 0 <= number <= _MAX_SIZE:
            raise JsonError(f"tensor '{name}': {field} holds {number}")
    return tuple(value)
