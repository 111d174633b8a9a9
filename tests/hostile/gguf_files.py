"""GGUF files whose counts, strings, types and offsets lie."""

import struct
from collections.abc import Iterator, Sequence

from hostile.case import FOUR, Case, Room, Want

F32, Q4_0 = 0, 2
UINT32, BOOL, STRING, ARRAY = 4, 7, 8, 9
_ALIGNMENT = 32

_u32 = struct.Struct("<I").pack
_u64 = struct.Struct("<Q").pack


def string(text: str | bytes, length: int | None = None) -> bytes:
    """A length and UTF-8; the length may lie."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return _u64(len(raw) if length is None else length) + raw


def pair(key: str | bytes, kind: int, value: bytes) -> bytes:
    """One entry of the metadata."""
    return string(key) + _u32(kind) + value


def info(
    name: str | bytes = "w",
    dims: Sequence[int] = (2, 2),
    kind: int = F32,
    offset: int = 0,
    rank: int | None = None,
) -> bytes:
    """One tensor; the number of its dimensions may lie."""
    sizes = b"".join(map(_u64, dims))
    return (
        string(name) + _u32(len(dims) if rank is None else rank) + sizes + _u32(kind) + _u64(offset)
    )


def gguf(
    pairs: Sequence[bytes] = (),
    infos: Sequence[bytes] = (),
    data: bytes = b"",
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A GGUF file; counts are those of tensors and of metadata, and may lie."""
    tensors, keys = counts or (len(infos), len(pairs))
    head = b"GGUF" + _u32(version) + _u64(tensors) + _u64(keys) + b"".join(pairs) + b"".join(infos)
    return head + bytes(-len(head) % _ALIGNMENT) + data


_ARCH = pair("general.architecture", STRING, string("llama"))
_ARCH_ESC = pair("general.architecture", STRING, string("\x1b[2J"))
_DATA = FOUR + bytes(16)
_TWO = [info("a"), info("b", offset=32)]
_NESTED = _u32(ARRAY) + _u64(1)

_FILES: list[tuple[str, bytes, Want, str]] = [
    ("gg_good", gguf([_ARCH], [info()], _DATA), "open", ""),
    ("gg_v2", gguf([_ARCH], [info()], _DATA, version=2), "open", ""),
    ("gg_no_tensors", gguf([_ARCH]), "any", "a vocabulary alone is honest"),
    ("gg_v1", gguf([_ARCH], [info()], _DATA, version=1), "reject", "counts of 32 bits then"),
    ("gg_v99", gguf([_ARCH], [info()], _DATA, version=99), "reject", ""),
    ("gg_big_endian", b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + bytes(64), "reject", ""),
    ("gg_magic_only", b"GGUF", "reject", ""),
    ("gg_cut_in_counts", gguf()[:20], "reject", ""),
    ("gg_tensors_2_63", gguf([_ARCH], [info()], _DATA, counts=(2**63, 1)), "reject", ""),
    ("gg_tensors_1e9", gguf([_ARCH], [info()], _DATA, counts=(10**9, 1)), "reject", ""),
    ("gg_keys_2_64", gguf([_ARCH], [info()], _DATA, counts=(1, 2**64 - 1)), "reject", ""),
    ("gg_text_2_63", gguf([string("k", 2**63)], [], counts=(0, 1)), "reject", ""),
    ("gg_text_wraps", gguf([string("k", 2**64 - 8)], [], counts=(0, 1)), "reject", ""),
    ("gg_value_2_40", gguf([pair("k", STRING, string("v", 2**40))]), "reject", ""),
    ("gg_array_2_62", gguf([pair("k", ARRAY, _u32(UINT32) + _u64(2**62))]), "reject", "wraps to 0"),
    ("gg_array_1e9", gguf([pair("k", ARRAY, _u32(STRING) + _u64(10**9))]), "reject", ""),
    ("gg_array_depth", gguf([pair("k", ARRAY, _NESTED * 100_000 + _u32(BOOL) + _u64(0))]), "reject",
     "arrays in arrays"),
    ("gg_key_type", gguf([pair("k", 99, _u64(0))]), "reject", "its size is not known"),
    ("gg_bool_2", gguf([pair("k", BOOL, b"\2")], [info()], _DATA), "said", ""),
    ("gg_dup_key", gguf([_ARCH, _ARCH], [info()], _DATA), "reject", ""),
    ("gg_dup_name", gguf([_ARCH], [info(), info(offset=32)], _DATA * 2), "reject", ""),
    ("gg_type_99", gguf([_ARCH], [info(kind=99)], _DATA), "said", ""),
    ("gg_rank_5", gguf([_ARCH], [info(dims=(1,) * 5)], _DATA), "said", "the format has 4"),
    ("gg_rank_2_31", gguf([_ARCH], [info(rank=2**31)], _DATA), "reject", ""),
    ("gg_dims_wrap", gguf([_ARCH], [info(dims=(2**32, 2**32, 4))], _DATA), "reject", ""),
    ("gg_dims_0", gguf([_ARCH], [info(dims=(0, 2))], _DATA), "any", ""),
    ("gg_scalar", gguf([_ARCH], [info(dims=())], _DATA), "any", ""),
    ("gg_block_cut", gguf([_ARCH], [info(dims=(33, 1), kind=Q4_0)], _DATA), "reject", ""),
    ("gg_offset_past", gguf([_ARCH], [info(offset=2**40)], _DATA), "reject", ""),
    ("gg_offset_2_64", gguf([_ARCH], [info(offset=2**64 - 32)], _DATA), "reject", "wraps"),
    ("gg_offset_odd", gguf([_ARCH], [info(offset=7)], _DATA * 2), "reject", "not aligned"),
    ("gg_overlap", gguf([_ARCH], [info("a"), info("b")], _DATA), "reject", "two share bytes"),
    ("gg_two", gguf([_ARCH], _TWO, _DATA * 2), "open", ""),
    ("gg_cut_in_data", gguf([_ARCH], _TWO, _DATA + FOUR[:5]), "reject", "a download that stopped"),
    ("gg_cut_in_infos", gguf([_ARCH], _TWO, counts=(3, 1)), "reject", ""),
    ("gg_key_not_utf8", gguf([pair(b"k\xff", BOOL, b"\1"), _ARCH], [info()], _DATA), "any", ""),
    ("gg_name_not_utf8", gguf([_ARCH], [info(b"w\xff\xfe")], _DATA), "any", ""),
    ("gg_name_empty", gguf([_ARCH], [info("")], _DATA), "any", ""),
    ("gg_name_escape", gguf([_ARCH], [info("\x1b]0;PWNED\x07[/]\n")], _DATA), "open", ""),
    ("gg_name_1MB", gguf([_ARCH], [info("n" * 1_000_000)], _DATA), "any", "the format has 64"),
    ("gg_arch_escape", gguf([_ARCH_ESC], [info()], _DATA), "open", ""),
]  # fmt: skip


def gguf_files(room: Room) -> Iterator[Case]:
    """Small files, then large vocabularies and many keys."""
    for id_, content, want, note in _FILES:
        yield _gg(room, id_, content, want, note)
    for id_, align in (("gg_align_0", 0), ("gg_align_3", 3), ("gg_align_2_31", 2**31)):
        pairs = [_ARCH, pair("general.alignment", UINT32, _u32(align))]
        yield _gg(room, id_, gguf(pairs, [info()], _DATA), "reject", "no sensible alignment")
    text = [_ARCH, pair("general.alignment", STRING, string("32"))]
    yield _gg(room, "gg_align_text", gguf(text, [info()], _DATA), "said", "a text for a number")
    keys = [pair(f"key.{k}", UINT32, _u32(k)) for k in range(90_000)]
    yield _gg(room, "gg_90k_keys", gguf([_ARCH, *keys], [info()], _DATA), "any", "")
    words = b"".join(string(f"\x1b[2Jtoken {k}") for k in range(150_000))
    vocabulary = pair("tokenizer.ggml.tokens", ARRAY, _u32(STRING) + _u64(150_000) + words)
    yield _gg(room, "gg_150k_tokens", gguf([_ARCH, vocabulary], [info()], _DATA), "open", "honest")
    long = pair("general.description", STRING, string("\x1b]0;x\x07" * 200_000))
    yield _gg(room, "gg_long_text", gguf([_ARCH, long], [info()], _DATA), "open", "")
    many = [info(f"blk.{k}.w", (1,), F32, 32 * k) for k in range(20_000)]
    yield _gg(room, "gg_20k_tensors", gguf([_ARCH], many, _DATA * 20_000), "open", "")


def _gg(room: Room, id_: str, content: bytes, want: Want, note: str) -> Case:
    return room.file(id_, content, want, note, name=f"{id_}.gguf", kind="gguf")
