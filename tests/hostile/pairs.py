"""Two files that must not be compared naively."""

from collections.abc import Iterator

import numpy as np

from hostile.case import Case, Room, Told, packed, write

_Tensors = dict[str, tuple[str, tuple[int, ...], bytes]]


def _f32(values: object) -> bytes:
    return np.asarray(values, "<f4").tobytes()


_A, _B = "a.weight", "b.weight"
_GRID: tuple[str, tuple[int, ...], bytes] = ("F32", (4, 4), _f32(np.arange(16)))
_ROW: tuple[str, tuple[int, ...], bytes] = ("F32", (4,), _f32([1, 2, 3, 4]))
_BASE: _Tensors = {_A: _GRID, _B: _ROW}

_OTHERS: list[tuple[str, _Tensors, str]] = [
    ("p_shape", {_A: ("F32", (2, 8), _GRID[2]), _B: _ROW}, "as many values in another shape"),
    ("p_transposed", {_A: ("F32", (8, 2), _GRID[2]), _B: _ROW}, ""),
    (
        "p_broadcast",
        {_A: ("F32", (1, 4), _f32(np.arange(4))), _B: ("F32", (1,), _f32([1]))},
        "a - b would broadcast in silence",
    ),
    ("p_vocab_resized", {_A: ("F32", (5, 4), _f32(np.arange(20))), _B: _ROW}, "rows were added"),
    ("p_dtype_bf16", {_A: ("BF16", (4, 4), b"\x80\x3f" * 16), _B: _ROW}, "the rounding is change"),
    (
        "p_dtype_int8",
        {_A: ("I8", (4, 4), bytes(range(16))), _B: _ROW},
        "equal values, all the same",
    ),
    ("p_dtype_fp8", {_A: ("F8_E4M3", (4, 4), b"\x38" * 16), _B: _ROW}, "torch cannot subtract it"),
    (
        "p_dtype_u8",
        {_A: ("U8", (4, 4), bytes(range(16))), _B: ("U8", (4,), bytes([9] * 4))},
        "8-bit differences wrap",
    ),
    ("p_dtype_bool", {_A: ("BOOL", (4, 4), b"\1" * 16), _B: _ROW}, "torch cannot subtract it"),
    ("p_dtype_c64", {_A: ("C64", (4, 4), _f32(np.arange(32))), _B: _ROW}, "listed, not compared"),
    ("p_dtype_f4", {_A: ("F4", (4, 4), bytes(8)), _B: _ROW}, "listed, not compared"),
    ("p_missing", {_A: _GRID}, "one is only in the base"),
    ("p_extra", {**_BASE, "lora.weight": ("F32", (2,), _f32([1, 2]))}, "one is only in the model"),
    ("p_disjoint", {"x.weight": _GRID}, "no common name"),
    ("p_empty", {}, "no tensors at all"),
    (
        "p_nan",
        {_A: ("F32", (4, 4), _f32([np.nan] + [1] * 15)), _B: ("F32", (4,), _f32([np.inf] * 4))},
        "NaN poisons naive sums",
    ),
    ("p_inf_minus_inf", {_A: _GRID, _B: ("F32", (4,), _f32([np.inf] * 4))}, ""),
    ("p_names", {f"{_A}\x1b[2J": _GRID, "\u202eb.weight": _ROW}, "names that a table shows"),
]


def pairs(room: Room) -> Iterator[Case]:
    """Models, each to be compared with one base; what is odd shows in the comparison."""
    base = write(room.folder / "base.safetensors", packed(_BASE))
    for id_, tensors, note in _OTHERS:
        path = write(room.folder / f"{id_}.safetensors", packed(tensors))
        told: Told = "open" if id_ == "p_dtype_f4" else "diff"
        yield room.case(id_, path, "warn", note, kind="pair", told=told, base=base)
    prefixed = packed({f"model.{name}": tensor for name, tensor in _BASE.items()})
    path = write(room.folder / "p_prefix.safetensors", prefixed)
    note = "the same under a prefix: paired, and the rule is named; nothing differs"
    yield room.case("p_prefix", path, "open", note, kind="pair", base=base)
    zero: _Tensors = {_A: ("F32", (4, 4), _f32([-0.0, *range(1, 16)])), _B: _ROW}
    path = write(room.folder / "p_minus_zero.safetensors", packed(zero))
    yield room.case("p_minus_zero", path, "open", "0.0 equals -0.0", kind="pair", base=base)
    path = write(room.folder / "p_identical.safetensors", packed(_BASE))
    note = "the change is exactly 0, and the cosine of no change undefined"
    yield room.case("p_identical", path, "open", note, kind="pair", base=base)
