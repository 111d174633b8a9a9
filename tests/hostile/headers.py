"""safetensors files whose header is broken, ambiguous or a lie."""

import struct
from collections.abc import Iterator

from hostile.case import FOUR, SQUARE, SQUARE_JSON, Case, Room, Want, entry, safetensors, to_json

_ONE = b'{"a":%s}' % SQUARE_JSON
_FLAT_JSON = b'{"dtype":"F32","shape":[4],"data_offsets":[0,16]}'

# Files that are too short, too long, or something else.
_WHOLE_FILES: list[tuple[str, bytes, str]] = [
    ("st_empty_file", b"", ""),
    ("st_7_bytes", bytes(7), ""),
    ("st_len_zero", bytes(8), ""),
    ("st_len_u64max", struct.pack("<Q", 2**64 - 1) + b"{}", ""),
    ("st_len_i64min", struct.pack("<Q", 2**63) + b"{}", ""),
    ("st_len_wrap", struct.pack("<Q", 2**64 - 8) + b"{}", "8 + length wraps to 0"),
    ("st_len_past_eof", struct.pack("<Q", 1000) + b"{}", ""),
    ("st_len_big_endian", struct.pack(">Q", len(_ONE)) + _ONE + FOUR, "bytes the wrong way round"),
    (
        "st_lfs_pointer",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 49766\n",
        "a clone without git-lfs",
    ),
    ("st_html_page", b"<!DOCTYPE html><html>403 Forbidden</html>" + b" " * 400, "failed download"),
    ("st_zip", b"PK\x03\x04" + bytes(60), "another format under this name: never guessed"),
    ("st_pickle", b"\x80\x02}q\x00.", "another format under this name: never guessed"),
    ("st_gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "another format under this name"),
    ("st_gzip", b"\x1f\x8b\x08" + bytes(40), ""),
    ("st_cut_in_header", safetensors({"a": SQUARE}, FOUR)[:40], "a download that stopped"),
    ("st_cut_in_data", safetensors({"a": SQUARE}, FOUR)[:-1], "a download that stopped"),
    ("st_bytes_at_the_end", safetensors({"a": SQUARE}, FOUR) + b"\0", "bytes of no tensor"),
]

# Headers given as raw JSON, followed by the four values of one tensor.
_RAW_JSON: list[tuple[str, bytes, Want, str]] = [
    ("st_not_utf8", b'{"\xff\xfe":%s}' % SQUARE_JSON, "reject", ""),
    ("st_overlong_utf8", b'{"\xc0\x80":%s}' % SQUARE_JSON, "reject", ""),
    ("st_cesu8", b'{"\xed\xa0\x80":%s}' % SQUARE_JSON, "reject", "a surrogate in UTF-8"),
    ("st_not_json", b"hello world!!!!!", "reject", ""),
    ("st_json_array", b"[1,2,3]         ", "reject", ""),
    ("st_json_trailing", _ONE + b" {}", "reject", ""),
    ("st_leading_space", b"  " + _ONE, "reject", "the format: it MUST begin with {"),
    ("st_bom", b"\xef\xbb\xbf" + _ONE, "reject", ""),
    ("st_nul_pad", _ONE + b"\0\0", "reject", "the format: spaces alone may follow"),
    ("st_tab_pad", _ONE + b"\t", "reject", "the format: spaces alone may follow"),
    ("st_comment", b'{"a":%s/*x*/}' % SQUARE_JSON, "reject", ""),
    ("st_single_quotes", _ONE.replace(b'"', b"'"), "reject", ""),
    ("st_comma_at_the_end", b'{"a":%s,}' % SQUARE_JSON, "reject", ""),
    (
        "st_dup_key_same",
        b'{"a":%s,"a":%s}' % (SQUARE_JSON, SQUARE_JSON),
        "reject",
        "the format: no duplicate keys",
    ),
    (
        "st_dup_key_diff",
        b'{"a":%s,"a":%s}' % (SQUARE_JSON, _FLAT_JSON),
        "reject",
        "readers differ in which of the two wins",
    ),
    (
        "st_dup_key_hide",
        b'{"a":{"dtype":"F32","shape":[8],"data_offsets":[0,32]},"a":%s}' % SQUARE_JSON,
        "reject",
        "the first entry is invalid, and hidden by the second",
    ),
    (
        "st_dup_key_escaped",
        b'{"a":%s,"\\u0061":%s}' % (SQUARE_JSON, SQUARE_JSON),
        "reject",
        "the same name, spelt in two ways",
    ),
    ("st_dup_inner", _ONE.replace(b'"dtype"', b'"dtype":"F64","dtype"'), "reject", ""),
    (
        "st_dup_inner_escaped",
        _ONE.replace(b'"dtype"', b'"\\u0064type":"F64","dtype"'),
        "reject",
        "",
    ),
    (
        "st_dup_metadata",
        b'{"__metadata__":{"a":"1"},"__metadata__":{"a":"2"},"a":%s}' % SQUARE_JSON,
        "reject",
        "",
    ),
    (
        "st_dup_meta_inner",
        b'{"__metadata__":{"format":"pt","format":"tf"},"a":%s}' % SQUARE_JSON,
        "reject",
        "",
    ),
    (
        "st_dup_meta_escaped",
        b'{"__metadata__":{"a":"1"},"\\u005f_metadata__":{"a":"2"},"a":%s}' % SQUARE_JSON,
        "reject",
        "",
    ),
    ("st_json_nan_ext", _ONE.replace(b"[2,2]", b"[NaN]"), "reject", "NaN is no JSON"),
    ("st_json_float", _ONE.replace(b"[2,2]", b"[2.0,2]"), "reject", ""),
    ("st_json_exponent", _ONE.replace(b"[2,2]", b"[2e0,2]"), "reject", ""),
    ("st_json_minus", _ONE.replace(b"[2,2]", b"[-2,-2]"), "reject", ""),
    ("st_json_bool", _ONE.replace(b"[2,2]", b"[true,4]"), "reject", "a bool is an int in Python"),
    ("st_json_leading_zero", _ONE.replace(b"[2,2]", b"[02,2]"), "reject", ""),
    ("st_json_depth100k", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "reject", "a bomb"),
    (
        "st_json_depth100k_in_meta",
        b'{"__metadata__":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        "reject",
        "a bomb",
    ),
    ("st_json_depth_open", b'{"a":' * 200_000, "reject", "a bomb that never closes"),
    (
        "st_int_5000digits",
        _ONE.replace(b"[2,2]", b"[" + b"9" * 5000 + b"]"),
        "reject",
        "Python's json raises ValueError beyond 4,300 digits",
    ),
    ("st_int_u64_wrap", _ONE.replace(b"[2,2]", b"[18446744073709551620]"), "reject", "4 + 2^64"),
    ("st_meta_null", b'{"__metadata__":null,"a":%s}' % SQUARE_JSON, "warn", "the library opens it"),
    ("st_meta_half_pair", b'{"__metadata__":{"a":"\\ud800"},"a":%s}' % SQUARE_JSON, "reject", ""),
    ("st_name_pair_escaped", b'{"\\ud83d\\ude00":%s}' % SQUARE_JSON, "open", "an honest emoji"),
    ("st_name_slash_escaped", b'{"a\\/b":%s}' % SQUARE_JSON, "open", "honest, if unusual"),
    ("st_spaced_json", _ONE.replace(b":", b" :\n ").replace(b",", b"\t,"), "open", "honest"),
]

_BIG = 2**62
# One tensor `a`, wrongly described; four values follow.
_ENTRIES: list[tuple[str, object, Want, str]] = [
    ("st_no_dtype", {"shape": [2, 2], "data_offsets": [0, 16]}, "reject", ""),
    ("st_no_shape", {"dtype": "F32", "data_offsets": [0, 16]}, "reject", ""),
    ("st_no_offsets", {"dtype": "F32", "shape": [2, 2]}, "reject", ""),
    ("st_info_is_list", ["F32", [2, 2], [0, 16]], "reject", "serde takes a list for a struct"),
    ("st_info_is_null", None, "reject", ""),
    ("st_info_is_text", "F32", "reject", ""),
    ("st_extra_field", {**SQUARE, "evil": "x"}, "warn", "ignored, and said so"),
    ("st_dtype_unknown", entry("F99", [2, 2], 0, 16), "reject", ""),
    ("st_dtype_lower", entry("f32", [2, 2], 0, 16), "reject", ""),
    ("st_dtype_nonstr", entry(1, [2, 2], 0, 16), "reject", ""),
    ("st_dtype_empty", entry("", [2, 2], 0, 16), "reject", ""),
    ("st_dtype_proto", entry("__class__", [2, 2], 0, 16), "reject", "as getattr would find it"),
    ("st_offsets_turned", entry("F32", [2, 2], 16, 0), "reject", ""),
    ("st_offsets_three", {**SQUARE, "data_offsets": [0, 8, 16]}, "reject", ""),
    ("st_offsets_hole", entry("F32", [2, 2], 8, 24), "reject", "bytes of no tensor before it"),
    ("st_too_few_bytes", entry("F32", [2, 3], 0, 16), "reject", ""),
    ("st_too_many_bytes", entry("F32", [2], 0, 16), "reject", ""),
    ("st_beyond_the_file", entry("F32", [2, 4], 0, 32), "reject", ""),
    ("st_product_wraps", entry("F32", [2**32, 2**32, 4], 0, 16), "reject", "2^66 wraps to 4"),
    ("st_product_is_2_63", entry("U8", [2**31, 2**32], 0, 16), "reject", ""),
    ("st_empty_hides_giant", entry("F32", [0, _BIG, _BIG], 0, 0), "reject", "0 x 2^124"),
    ("st_rank_65", entry("F32", [1] * 65, 0, 4), "reject", "numpy holds 64 dimensions"),
    ("st_rank_million", entry("F32", [2] * 1_000_000, 0, 16), "reject", "a product of 2^1000000"),
    ("st_shape_nested", entry("F32", [[2], [2]], 0, 16), "reject", ""),
    ("st_shape_text", entry("F32", ["2", 2], 0, 16), "reject", ""),
]


def headers(room: Room) -> Iterator[Case]:
    """Headers as they must not be, and a few that only look so."""
    for id_, content, note in _WHOLE_FILES:
        yield room.file(id_, content, "reject", note)
    more = struct.pack("<Q", 100_000_001) + b"{}"
    yield room.file("st_len_100MB_plus1", more, sparse=100_000_009)
    yield room.file("st_hdr_99MB_nul", struct.pack("<Q", 99_999_992) + b'{"', sparse=100_000_000)
    yield room.file("st_no_tensors", safetensors(b"{}      "), "open", "empty, and valid")
    for id_, raw, want, note in _RAW_JSON:
        yield room.file(id_, safetensors(raw, FOUR), want, note)
    for id_, info, want, note in _ENTRIES:
        yield room.file(id_, safetensors({"a": info}, FOUR), want, note)
    for id_, metadata in (
        ("st_meta_nonstring", {"n": 3}),
        ("st_meta_nested", {"n": {"x": "y"}}),
        ("st_meta_list", ["x"]),
        ("st_meta_text", "x"),
    ):
        yield room.file(id_, safetensors({"__metadata__": metadata, "a": SQUARE}, FOUR))
    two = {"a": entry("F32", [2, 2], 0, 16), "b": entry("F32", [2, 2], 8, 24)}
    yield room.file("st_overlap", safetensors(two, FOUR * 2), "reject", "two share bytes")
    same = {"a": SQUARE, "b": SQUARE}
    yield room.file("st_aliases", safetensors(same, FOUR), "reject", "two names on the same bytes")
    apart = {"a": SQUARE, "b": entry("F32", [2, 2], 24, 40)}
    yield room.file("st_gap", safetensors(apart, FOUR * 3), "reject", "8 bytes hide between them")
    turned = {"b": entry("F32", [2, 2], 16, 32), "a": SQUARE}
    yield room.file("st_unsorted", safetensors(turned, FOUR * 2), "open", "any order is fine")
    raw = to_json({"a": SQUARE})
    yield room.file("st_padded_1MB", safetensors(raw + b" " * 1_000_000, FOUR), "open", "honest")
