"""The header of GGUF files: what the format's own writer writes, and what nobody should."""

import math
import random
import struct
import tracemalloc
from pathlib import Path

import gguf
import numpy as np
import pytest
from checkpoint_files import write
from gguf_files import (
    BOOL,
    F16,
    F32,
    FLOAT32,
    LIST,
    Q4_0,
    Q4_K,
    Q8_0,
    STRING,
    U8,
    U32,
    file_bytes,
    key,
    listed,
    tensor,
    text,
    u32,
    u64,
)
from hypothesis import given
from hypothesis import strategies as st

from inspect_core import open_checkpoint
from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.contents import Contents
from inspect_core.checkpoint.gguf import MAX_ALIGNMENT, MAX_TENSORS, TYPES, parse_gguf
from inspect_core.checkpoint.gguf_cursor import BLOCK_BYTES, MAX_HEADER_BYTES, MAX_NAME_BYTES
from inspect_core.checkpoint.gguf_values import MAX_DEPTH, MAX_TEXT_BYTES, MOST_ITEMS
from inspect_core.checkpoint.tensor_info import DTYPES, GGML_QUANTS
from inspect_core.errors import CheckpointError

FOUR = struct.pack("<4f", 1, 2, 3, 4)


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def parse(path: Path, content: bytes, sparse: int = 0) -> Contents:
    write(path, content)
    if sparse:
        with path.open("r+b") as file:
            file.truncate(sparse)
    opened = LocalFile(path)
    try:
        return parse_gguf(opened, 0)
    finally:
        opened.close()


def refuse(path: Path, match: str, content: bytes, sparse: int = 0) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        parse(path, content, sparse)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert line.isprintable()


# --- tables


def test_types_and_sizes_are_those_of_the_gguf_package() -> None:
    theirs = {kind.value: kind.name for kind in gguf.GGMLQuantizationType}
    # Q8_1 is the type of a sum that ggml never stores; the package and ggml differ on its size.
    assert theirs == {9: "Q8_1", **TYPES}
    for kind, (block, nbytes) in gguf.GGML_QUANT_SIZES.items():
        if kind.name != "Q8_1":
            dtype = DTYPES[kind.name]
            assert (dtype.block, dtype.nbytes(dtype.block)) == (block, nbytes), kind.name


def test_comparable_are_those_that_the_gguf_package_decodes() -> None:
    decoded = set()
    for name in GGML_QUANTS:
        kind = gguf.GGMLQuantizationType[name]
        try:
            gguf.quants.dequantize(np.zeros((1, gguf.GGML_QUANT_SIZES[kind][1]), np.uint8), kind)
        except NotImplementedError:
            continue
        decoded.add(name)
    assert {name for name, dtype in GGML_QUANTS.items() if dtype.comparable} == decoded


def test_every_type_has_its_extent(at: Path) -> None:
    for number, name in TYPES.items():
        size = DTYPES[name].nbytes(512)
        found = parse(at, file_bytes([], [tensor("w", [256, 2], number)], bytes(size)))
        [info] = found.tensors
        assert (info.dtype, info.shape, info.nbytes) == (name, (2, 256), size)
        assert found.warnings == ()
        refuse(at, "cut short", file_bytes([], [tensor("w", [256, 2], number)], bytes(size - 1)))


# --- what the format's own writer writes


def written(path: Path, **tensors: np.ndarray) -> gguf.GGUFWriter:
    writer = gguf.GGUFWriter(path, "llama")
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    return writer


def finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_what_the_writer_wrote(at: Path) -> None:
    rng = np.random.default_rng(1)
    arrays = {
        "token_embd.weight": rng.normal(size=(10, 64)).astype(np.float32),
        "blk.0.attn_norm.weight": rng.normal(size=64).astype(np.float32),
        "blk.0.exps": rng.normal(size=(2, 3, 5, 32)).astype(np.float16),
        "scalar": np.array(7, np.int32).reshape(()),
        "ids": np.arange(5, dtype=np.int64),
        "wide": rng.normal(size=3),
        "bytes": np.arange(7, dtype=np.int8),
        "short": np.arange(9, dtype=np.int16),
    }
    finish(written(at, **arrays))
    with open_checkpoint(str(at)) as checkpoint:
        assert checkpoint.format == "GGUF"
        assert checkpoint.warnings == ()
        assert checkpoint.metadata["general.architecture"] == "llama"
        assert list(checkpoint.tensors) == list(arrays)
        for name, info in checkpoint.tensors.items():
            assert info.shape == arrays[name].shape
            got = bytearray(info.nbytes)
            checkpoint.read_into(info, 0, memoryview(got))
            assert bytes(got) == arrays[name].tobytes(), name
        dtypes = [info.dtype for info in checkpoint.tensors.values()]
        assert dtypes == ["F32", "F32", "F16", "I32", "I64", "F64", "I8", "I16"]


def test_metadata_of_every_type(at: Path) -> None:
    writer = written(at)
    writer.add_uint8("a.u8", 200)
    writer.add_int8("a.i8", -100)
    writer.add_uint16("a.u16", 60000)
    writer.add_int16("a.i16", -30000)
    writer.add_uint32("a.u32", 4_000_000_000)
    writer.add_int32("a.i32", -5)
    writer.add_uint64("a.u64", 2**64 - 1)
    writer.add_int64("a.i64", -(2**63))
    writer.add_float32("a.f32", 1e-5)
    writer.add_float64("a.f64", 0.1)
    writer.add_bool("a.yes", True)
    writer.add_bool("a.no", False)
    writer.add_string("a.text", "ünï")
    writer.add_array("a.list", [64, 0, 64])
    writer.add_array("a.words", ["en", "fr"])
    writer.add_array("a.long", list(range(1000)))
    writer.add_array("a.tokens", [f"t{i}" for i in range(3000)])
    finish(writer)
    found = open_checkpoint(str(at)).metadata
    assert {name[2:]: value for name, value in found.items() if name.startswith("a.")} == {
        "u8": "200", "i8": "-100", "u16": "60000", "i16": "-30000", "u32": "4000000000",
        "i32": "-5", "u64": str(2**64 - 1), "i64": str(-(2**63)), "f32": "1e-05", "f64": "0.1",
        "yes": "true", "no": "false", "text": "ünï", "list": "[64, 0, 64]",
        "words": "[en, fr]", "long": "1,000 values", "tokens": "3,000 strings",
    }  # fmt: skip


@pytest.mark.parametrize("alignment", [8, 32, 4096])
def test_alignment(at: Path, alignment: int) -> None:
    writer = gguf.GGUFWriter(at, "llama")
    writer.add_custom_alignment(alignment)
    first, second = np.arange(3, dtype=np.float32), np.arange(5, dtype=np.float32)
    writer.add_tensor("a", first)
    writer.add_tensor("b", second)
    finish(writer)
    with open_checkpoint(str(at)) as checkpoint:
        assert checkpoint.warnings == ()
        got = bytearray(20)
        checkpoint.read_into(checkpoint.tensors["b"], 0, memoryview(got))
        assert bytes(got) == second.tobytes()


def test_parts_of_a_split_file_open_as_one(tmp_path: Path) -> None:
    for part in (1, 2):
        writer = gguf.GGUFWriter(tmp_path / f"m-0000{part}-of-00002.gguf", "llama")
        writer.add_uint16("split.no", part - 1)
        writer.add_uint16("split.count", 2)
        writer.add_tensor(f"blk.{part}.w", np.full((2, 2), part, np.float32))
        finish(writer)
    files = [str(path) for path in sorted(tmp_path.glob("*.gguf"))]
    with open_checkpoint(files) as checkpoint:
        assert list(checkpoint.tensors) == ["blk.1.w", "blk.2.w"]
        assert checkpoint.metadata["split.no"] == "0"
        got = bytearray(16)
        checkpoint.read_into(checkpoint.tensors["blk.2.w"], 0, memoryview(got))
        assert bytes(got) == np.full(4, 2, np.float32).tobytes()


def test_tokens_are_counted_and_not_kept(at: Path) -> None:
    tokens = key("t", LIST, listed(STRING, [text(b"token %06d" % i) for i in range(200_000)]))
    other = key("u", LIST, listed(FLOAT32, [bytes(4)] * 200_000))
    content = file_bytes([tokens, other], [tensor("w", [4])], FOUR)
    assert len(content) > 4 * BLOCK_BYTES
    write(at, content)
    file = LocalFile(at)
    tracemalloc.start()
    found = parse_gguf(file, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    file.close()
    assert found.metadata == {"t": "200,000 strings", "u": "200,000 values"}
    assert found.tensors[0].start == len(content) - 16
    assert peak < 3 * BLOCK_BYTES


def test_every_block_boundary_is_crossed_alike(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        key("words", LIST, listed(STRING, [text("x" * (i % 40)) for i in range(100)])),
        key("few", LIST, listed(STRING, [text("a"), text("bc")])),
        key("deep", LIST, listed(LIST, [listed(U8, [b"1"] * 30)] * 3)),
        key("text", STRING, text("y" * 77)),
    ]
    content = file_bytes(keys, [tensor("w", [2, 2]), tensor("v", [1], F16, 32)], bytes(34))
    expected = parse(at, content)
    assert expected.metadata["words"] == "100 strings"
    assert expected.metadata["deep"] == "3 lists"
    for size in (1, 7, 8, 9, 64, 100, 1000):
        monkeypatch.setattr("inspect_core.checkpoint.gguf_cursor.BLOCK_BYTES", size)
        assert parse(at, content) == expected


def test_long_texts_are_counted(at: Path) -> None:
    keys = [
        key("short", STRING, text(b"x" * MAX_TEXT_BYTES)),
        key("long", STRING, text(b"x" * (MAX_TEXT_BYTES + 1))),
        key("items", LIST, listed(STRING, [text(b"x" * 5000), text("y")])),
        key("after", U8, b"\7"),
    ]
    found = parse(at, file_bytes(keys)).metadata
    assert found["short"] == "x" * MAX_TEXT_BYTES
    assert found["long"] == "65,537 bytes of text"
    assert found["items"] == "[5,000 bytes of text, y]"
    assert found["after"] == "7"


def test_odd_but_open(at: Path) -> None:
    assert parse(at, file_bytes()).tensors == []
    assert parse(at, file_bytes(version=2)).format == "GGUF"
    empty = parse(at, file_bytes([], [tensor("e", [0, 3]), tensor("f", [2], F32, 0)], FOUR[:8]))
    assert [info.shape for info in empty.tensors] == [(3, 0), (2,)]
    alone = file_bytes([], [tensor("e", [0])])
    assert len(alone) % 32
    assert parse(at, alone).tensors[0].nbytes == 0
    backwards = [tensor("b", [4], F32, 32), tensor("a", [4], F32, 0)]
    found = parse(at, file_bytes([], backwards, bytes(48)))
    assert [info.name for info in found.tensors] == ["b", "a"]
    assert found.warnings == ()
    hole = [tensor("a", [4]), tensor("b", [4], F32, 96)]
    assert "64 bytes between" in parse(at, file_bytes([], hole, bytes(112))).warnings[0]
    padded = file_bytes([], [tensor("a", [4])], FOUR + bytes(16))
    assert parse(at, padded).warnings == ()
    assert "1 bytes after" in parse(at, padded + b"x").warnings[0]


def test_foreign_bytes_are_shown_as_escapes(at: Path) -> None:
    keys = [key(b"k\xff", STRING, text(b"\x1b]52;c;aGk=\x07\xfe"))]
    found = parse(at, file_bytes(keys, [tensor(b"w\x1b[2J\xff", [4])], FOUR))
    assert found.metadata == {"k\\xff": "\x1b]52;c;aGk=\x07\\xfe"}
    assert found.tensors[0].name == "w\x1b[2J\\xff"
    twice = [tensor(b"w\xff", [4]), tensor("w\\xff", [4], F32, 32)]
    refuse(at, "is there twice", file_bytes([], twice, bytes(48)))
    refuse(at, r"\\x1b", file_bytes([], [tensor("\x1b[2J", [4], F32, 1)], bytes(48)))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SHAPES = st.lists(st.integers(0, 3), max_size=3)


@given(
    st.dictionaries(NAMES.filter(lambda name: name != "general.alignment"), NAMES, max_size=5),
    st.dictionaries(NAMES, st.tuples(SHAPES, st.sampled_from(sorted(TYPES))), max_size=6),
    st.sampled_from([1, 8, 32, 64]),
    st.randoms(),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    texts: dict[str, str],
    shapes: dict[str, tuple[list[int], int]],
    alignment: int,
    shuffler: random.Random,
) -> None:
    order = list(shapes)
    shuffler.shuffle(order)  # tensors may lie in another order than they are named in
    dims, places, end = {}, {}, 0
    for name in order:
        sizes, kind = shapes[name]
        dtype = DTYPES[TYPES[kind]]
        dims[name] = [dtype.block * (sizes or [1])[0], *sizes[1:]]
        places[name] = end
        end += -(-dtype.nbytes(math.prod(dims[name])) // alignment) * alignment
    keys = [key(name, STRING, text(value)) for name, value in texts.items()]
    keys.append(key("general.alignment", U32, u32(alignment)))
    entries = [tensor(name, dims[name], kind, places[name]) for name, (_, kind) in shapes.items()]
    path = tmp_path_factory.getbasetemp() / "any.gguf"
    content = file_bytes(keys, entries, bytes(end), alignment=alignment)
    found = parse(path, content)
    base = len(content) - end if end else -(-len(content) // alignment) * alignment
    assert found.metadata == texts | {"general.alignment": str(alignment)}
    assert found.warnings == ()
    assert [info.name for info in found.tensors] == list(shapes)
    for info in found.tensors:
        assert info.dtype == TYPES[shapes[info.name][1]]
        assert list(info.shape) == dims[info.name][::-1]
        assert info.start == base + places[info.name]
        assert info.nbytes == DTYPES[info.dtype].nbytes(info.numel)


# --- what nobody should write


def test_other_versions(at: Path) -> None:
    refuse(at, "version 1", file_bytes(version=1))
    refuse(at, "version 4", file_bytes(version=4))
    refuse(at, "version 0", file_bytes(version=0))
    refuse(at, "big-endian", b"GGUF" + struct.pack(">IQQ", 3, 0, 0))
    refuse(at, "not a GGUF", b"GGML" + bytes(20))
    refuse(at, "not a GGUF", b"GG")


@pytest.mark.parametrize("count", [1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_counts_that_lie(at: Path, count: int) -> None:
    refuse(at, "cannot be in a file|ends in the middle", file_bytes(counts=(count, 0)))
    refuse(at, "cannot be in a file|ends in the middle", file_bytes(counts=(0, count)))
    if count > 1:
        for lie in (
            key("k", STRING, text("abc", count)),
            text("abc", count),
            key("k", LIST, listed(STRING, [text("abc")], count)),
            key("k", LIST, listed(U8, [b"a"], count)),
            key("k", LIST, listed(LIST, [listed(U8, [])], count)),
            key("k", LIST, listed(STRING, [text("a" * 9)] * 20 + [text("x", count)] * 20)),
        ):
            refuse(at, "cannot be in a file|ends in the middle", file_bytes([lie]))
        refuse(at, "cannot be in a file", file_bytes([], [text("abc", count)]))
        two = file_bytes([], [tensor("w", [count, 2])], FOUR)
        refuse(at, "beyond 2\\^63|ends at byte", two)


def test_counts_beyond_reason(at: Path) -> None:
    many = file_bytes(counts=(MAX_TENSORS + 1, 0))
    refuse(at, "more than 1,000,000", many, sparse=MAX_HEADER_BYTES)
    refuse(at, "longer than 100,000,000", file_bytes(counts=(2**32, 0)), sparse=2**40)
    refuse(at, "keys, more than", file_bytes(counts=(0, 100_001)), sparse=MAX_HEADER_BYTES)
    long_text = file_bytes([key("k", STRING, text("", MAX_HEADER_BYTES))])
    refuse(at, "longer than 100,000,000", long_text, sparse=2**30)
    long_list = file_bytes([key("k", LIST, listed(U8, [], MAX_HEADER_BYTES))])
    refuse(at, "longer than 100,000,000", long_list, sparse=2**30)
    long_string = key("k", LIST, listed(STRING, [u64(2**29)], 1000))
    refuse(at, "longer than 100,000,000", file_bytes([long_string]), sparse=2**30)
    refuse(at, "a key of 65,536", file_bytes([key(b"k" * (MAX_NAME_BYTES + 1), U8, b"\0")]))
    refuse(at, "a tensor name of", file_bytes([], [tensor(b"w" * (MAX_NAME_BYTES + 1), [4])], FOUR))


def test_names_that_are_there_twice(at: Path) -> None:
    refuse(at, "'k' is there twice", file_bytes([key("k", U8, b"\0")] * 2))
    same = [tensor("w", [4]), tensor("w", [4], F32, 32)]
    refuse(at, "'w' is there twice", file_bytes([], same, bytes(48)))


def test_values_of_no_type(at: Path) -> None:
    refuse(at, "value type 13", file_bytes([key("k", 13, bytes(16))]))
    refuse(at, "value type 4,294,967,295", file_bytes([key("k", 2**32 - 1, bytes(16))]))
    refuse(at, "value type 77", file_bytes([key("k", LIST, listed(77, [b"a"]))]))
    refuse(at, "neither true nor false", file_bytes([key("k", BOOL, b"\2")]))
    refuse(at, "neither true nor false", file_bytes([key("k", LIST, listed(BOOL, [b"\2"]))]))


def test_lists_in_lists(at: Path) -> None:
    value = listed(U8, [b"a"] * (MOST_ITEMS + 1))
    for _ in range(MAX_DEPTH - 1):
        value = listed(LIST, [value])
    assert parse(at, file_bytes([key("k", LIST, value)])).metadata == {"k": "1 lists"}
    refuse(at, "too many lists", file_bytes([key("k", LIST, listed(LIST, [value]))]))
    deep = (u32(LIST) + u64(1)) * 100_000 + listed(U8, [])
    refuse(at, "too many lists", file_bytes([key("k", LIST, deep)]))
    wide = listed(LIST, [listed(U8, [])] * 100_001)
    refuse(at, "too many lists", file_bytes([key("k", LIST, wide)]))
    many = [key(f"k{i}", LIST, listed(LIST, [listed(U8, [])] * 1001)) for i in range(100)]
    refuse(at, "'k99': too many lists", file_bytes(many))


@pytest.mark.parametrize("alignment", [0, 3, 33, 2 * MAX_ALIGNMENT, 2**32 - 1])
def test_alignments_of_no_use(at: Path, alignment: int) -> None:
    lie = file_bytes([key("general.alignment", U32, u32(alignment))], [tensor("w", [4])], FOUR)
    refuse(at, "not a power of two", lie)


def test_an_alignment_of_another_type(at: Path) -> None:
    for kind, value in ((STRING, text("32")), (LIST, listed(U32, [u32(32)])), (U8, b"\x20")):
        refuse(at, "general.alignment", file_bytes([key("general.alignment", kind, value)]))


def test_shapes_of_no_use(at: Path) -> None:
    refuse(at, "5 dimensions", file_bytes([], [tensor("w", [1] * 5)], FOUR))
    refuse(at, "4,294,967,295 dim", file_bytes([], [tensor("w", [4], rank=2**32 - 1)], FOUR))
    refuse(at, "beyond 2\\^63", file_bytes([], [tensor("w", [2**32, 2**32])], FOUR))
    refuse(at, "beyond 2\\^63", file_bytes([], [tensor("w", [2**61, 0])], FOUR))
    refuse(at, "beyond 2\\^63", file_bytes([], [tensor("w", [2**63 + 256, 0], Q4_K)], FOUR))
    refuse(at, "no whole blocks of 32", file_bytes([], [tensor("w", [16, 2], Q4_0)], bytes(18)))
    refuse(at, "no whole blocks of 256", file_bytes([], [tensor("w", [], Q4_K)], bytes(144)))


@pytest.mark.parametrize("number", [4, 5, 9, 31, 33, 36, 42, 99, 2**31, 2**32 - 1])
def test_types_that_are_not_known(at: Path, number: int) -> None:
    refuse(at, f"'w': ggml type {number} ", file_bytes([], [tensor("w", [4], number)], FOUR))


def test_offsets_of_no_use(at: Path) -> None:
    def two(second: int, size: int = 200) -> bytes:
        return file_bytes([], [tensor("a", [20]), tensor("b", [4], F32, second)], bytes(size))

    assert len(parse(at, two(96)).tensors) == 2
    refuse(at, "'b': starts inside tensor 'a'", two(64))
    refuse(at, "'b': offset 40 is no multiple of 32", two(40))
    refuse(at, "'a': starts inside tensor 'b'", two(0))
    refuse(at, "'b' ends at byte", two(2**32))
    refuse(at, "'e' ends at byte", file_bytes([], [tensor("e", [0], F32, 64)]))
    refuse(at, "'b' ends at byte", two(2**64 - 32))
    refuse(at, "cut short", two(192))


def test_the_end_may_be_missing_anywhere(at: Path) -> None:
    keys = [
        key("general.alignment", U32, u32(32)),
        key("a", LIST, listed(STRING, [text("ab")] * 20)),
        key("b", LIST, listed(LIST, [listed(U8, [b"1"])])),
        key("c", FLOAT32, bytes(4)),
    ]
    entries = [tensor("x", [32], Q8_0), tensor("y", [2, 2], F32, 64)]
    content = file_bytes(keys, entries, bytes(80))
    assert len(parse(at, content).tensors) == 2
    for size in range(len(content)):
        with pytest.raises(CheckpointError):
            parse(at, content[:size])


def test_a_file_that_shrinks_or_is_replaced(at: Path) -> None:
    content = file_bytes([], [tensor("w", [4])], FOUR)
    write(at, content)
    file = LocalFile(at)
    with at.open("r+b") as other:
        other.truncate(30)
    with pytest.raises(CheckpointError):
        parse_gguf(file, 0)
    file.close()


def test_thousands_of_damaged_files_end_in_one_line(at: Path) -> None:
    keys = [
        key("general.architecture", STRING, text("llama")),
        key("a", LIST, listed(STRING, [text("ab")] * 20)),
        key("b", LIST, listed(LIST, [listed(U8, [b"1"])] * 2)),
        key("c", BOOL, b"\1"),
    ]
    entries = [tensor("x", [32, 2], Q8_0), tensor("y", [2, 2], F32, 96)]
    content = file_bytes(keys, entries, bytes(112))
    head = len(content) - 112
    rng = random.Random(7)
    extremes = [0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
    opened = refused = 0
    for _ in range(4000):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(head)
            how = rng.randrange(4)
            if how == 0:
                damaged[place] ^= 1 << rng.randrange(8)
            elif how == 1:
                damaged[place : place + 8] = u64(rng.choice(extremes))
            elif how == 2:
                del damaged[place : place + rng.randint(1, 9)]
            else:
                damaged[place:place] = rng.randbytes(rng.randint(1, 9))
        try:
            found = parse(at, bytes(damaged))
        except CheckpointError as error:
            refused += 1
            assert str(error).isprintable()
        else:
            opened += 1
            for info in found.tensors:
                assert 0 <= info.start <= info.stop <= len(damaged)
                assert info.nbytes == DTYPES[info.dtype].nbytes(info.numel)
    assert opened > 100
    assert refused > 1000


def test_all_names_and_texts_together_are_bounded(
    at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = file_bytes(tensors=[tensor(b"%d" % n + b"\xff" * 50, [0]) for n in range(5)])
    values = file_bytes([key("a", STRING, text(b"\xff" * 240))])
    monkeypatch.setattr("inspect_core.checkpoint.gguf_cursor.MAX_ALL_TEXT", 1_005)
    for content in (names, values):
        parse(at, content)
    monkeypatch.setattr("inspect_core.checkpoint.gguf_cursor.MAX_ALL_TEXT", 960)
    for content in (names, values):
        refuse(at, "texts of more than 960 characters", content)
