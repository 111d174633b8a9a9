"""Valid files whose values, or dtypes, break naive arithmetic."""

import struct
from collections.abc import Iterator

import numpy as np

from hostile.case import FOUR, Case, Room, Told, Want, packed

_Tensors = dict[str, tuple[str, tuple[int, ...], bytes]]
_ONLY_VALUES = "nothing in the header tells: only what reads values can"


def _f32(values: object) -> bytes:
    return np.asarray(values, "<f4").tobytes()


def _u16(*values: int) -> bytes:
    return np.array(values, "<u2").tobytes()


_EVERY_DTYPE: _Tensors = {
    "f64": ("F64", (2,), bytes(16)),
    "i64": ("I64", (2,), struct.pack("<2q", 2**63 - 1, -(2**63))),
    "u64": ("U64", (2,), b"\xff" * 16),
    "f32": ("F32", (2,), _f32([1, 2])),
    "i32": ("I32", (2,), b"\x01\0\0\0" * 2),
    "u32": ("U32", (2,), b"\xff" * 8),
    "c64": ("C64", (1,), _f32([1, 2])),
    "bf16": ("BF16", (2,), b"\x80\x3f\x00\x40"),
    "f16": ("F16", (2,), b"\0\x3c" * 2),
    "i16": ("I16", (2,), b"\1\0" * 2),
    "u16": ("U16", (2,), b"\1\0" * 2),
    "f8_e4m3": ("F8_E4M3", (4,), bytes([0x38, 0x7F, 0xFF, 0])),
    "f8_e5m2": ("F8_E5M2", (4,), bytes([0x3C, 0x7C, 0x7D, 0])),
    "i8": ("I8", (2,), b"\x80\x7f"),
    "u8": ("U8", (2,), b"\0\xff"),
    "bool": ("BOOL", (2,), b"\0\1"),
}

_NAN_BITS = np.array([0x7FC00000, 0x7F800001, 0xFFC00000, 0xFFFFFFFF], "<u4").tobytes()
_HALVES = _f32(np.full(4096, 0.5))

# id, dtype, shape, bytes, what must be seen, why
_ONE_TENSOR: list[tuple[str, str, tuple[int, ...], bytes, Want, str]] = [
    (
        "v_nan_inf",
        "F32",
        (2, 3),
        _f32([[np.nan, np.inf, -np.inf], [0, 1, -0.0]]),
        "warn",
        _ONLY_VALUES,
    ),
    ("v_all_nan", "F32", (2, 2), _f32([np.nan] * 4), "warn", _ONLY_VALUES),
    ("v_all_inf", "F32", (2, 2), _f32([np.inf] * 4), "warn", _ONLY_VALUES),
    ("v_nan_payloads", "F32", (4,), _NAN_BITS, "warn", f"other bits; {_ONLY_VALUES}"),
    ("v_f16_nan", "F16", (2,), _u16(0x7E01, 0xFC00), "warn", _ONLY_VALUES),
    ("v_bf16_nan", "BF16", (2,), _u16(0x7FC1, 0xFF80), "warn", _ONLY_VALUES),
    ("v_f8_e4m3_nan", "F8_E4M3", (2,), b"\x7f\xff", "warn", _ONLY_VALUES),
    ("v_f8_e5m2_inf", "F8_E5M2", (2,), b"\x7c\xfd", "warn", _ONLY_VALUES),
    ("v_f64_nan", "F64", (2,), struct.pack("<2d", np.nan, 1.0), "warn", _ONLY_VALUES),
    ("v_denormal", "F32", (4,), _f32([1e-45, 1e-40, -1e-39, 0]), "open", "a GPU may flush to 0"),
    ("v_all_equal", "F32", (64, 64), _HALVES, "open", "no spread; the cosine of no change is 0/0"),
    ("v_all_zero", "F32", (64, 64), bytes(16384), "open", ""),
    ("v_f32_max", "F32", (4,), _f32([3.4e38, -3.4e38, 3.4e38, 1]), "warn", f"sums; {_ONLY_VALUES}"),
    ("v_f16_max", "F16", (4,), np.array([65504, -65504, 65504, 1], "<f2").tobytes(), "warn",
     f"a - b is beyond float16; {_ONLY_VALUES}"),
    ("v_f64_max", "F64", (2,), struct.pack("<2d", 1.79e308, -1.79e308), "warn",
     f"squares are beyond float64; {_ONLY_VALUES}"),
    ("v_bool_2", "BOOL", (4,), bytes([0, 1, 2, 255]), "warn", f"no bools; {_ONLY_VALUES}"),
    ("v_f8_e8m0", "F8_E8M0", (4,), bytes([0, 127, 128, 255]), "warn", "listed, not read"),
    ("v_f8_e4m3fnuz", "F8_E4M3FNUZ", (4,), bytes([0, 127, 128, 255]), "warn", "listed, not read"),
    ("v_f8_e5m2fnuz", "F8_E5M2FNUZ", (4,), bytes([0, 127, 128, 255]), "warn", "listed, not read"),
    ("v_f4", "F4", (4,), b"\x12\x34", "warn", "two values a byte: listed, not read"),
    ("v_f4_odd", "F4", (3,), b"\x12\x34", "reject", "a byte and a half"),
    ("v_f6", "F6_E2M3", (4,), b"\x12\x34\x56", "warn", "listed, not read"),
]  # fmt: skip


def values(room: Room) -> Iterator[Case]:
    """Values at the ends of their dtypes and beyond."""
    for id_, dtype, shape, raw, want, note in _ONE_TENSOR:
        told: Told = "check" if _ONLY_VALUES in note else "open"
        yield room.file(id_, packed({"w": (dtype, shape, raw)}), want, note, told=told)
    yield room.file(
        "v_dtypes", packed(_EVERY_DTYPE), "open",
        "every dtype that libraries write; that the C64 is only listed is a note of `check`",
    )  # fmt: skip
    empty: _Tensors = {
        "scalar": ("F32", (), _f32([7])),
        "empty": ("F32", (0,), b""),
        "empty2d": ("F32", (0, 5), b""),
        "empty3": ("BF16", (3, 0, 2), b""),
    }
    yield room.file("v_scalar_and_empty", packed(empty), "open")
    unaligned: _Tensors = {"a": ("U8", (1,), b"\1"), "b": ("F32", (2, 2), FOUR)}
    yield room.file("v_unaligned", packed(unaligned), "open", "an F32 at an odd byte")
    ones: _Tensors = {"a": ("F32", (1,) * 64, FOUR[:4])}
    yield room.file("v_rank_64", packed(ones), "open", "as many dimensions as numpy has")
