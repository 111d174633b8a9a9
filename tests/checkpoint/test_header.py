import struct
from pathlib import Path
from typing import Any

import pytest
from checkpoint_files import ENTRY, ENTRY_JSON, FOUR, entry, file_bytes, to_json, write
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.checkpoint.byte_source import LocalFile
from inspect_core.checkpoint.contents import Contents
from inspect_core.checkpoint.header import parse_header
from inspect_core.checkpoint.header_json import HeaderJson, parse_carefully, parse_fast
from inspect_core.checkpoint.strict_json import JsonError
from inspect_core.checkpoint.tensor_info import SAFETENSORS_DTYPES, TensorInfo
from inspect_core.errors import CheckpointError


def parse(path: Path, content: bytes, sparse: int = 0) -> Contents:
    write(path, content)
    if sparse:
        with path.open("r+b") as file:
            file.truncate(sparse)
    return parse_header(LocalFile(path), 3)


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "x.safetensors"


def test_tensors_keep_header_order_and_absolute_offsets(at: Path) -> None:
    header = parse(
        at, file_bytes({"b": entry("U8", [3], 4, 7), "a": entry("I16", [2], 0, 4)}, b"7654321")
    )
    base = at.stat().st_size - 7
    assert header.tensors == [
        TensorInfo("b", "U8", (3,), 3, base + 4, base + 7),
        TensorInfo("a", "I16", (2,), 3, base, base + 4),
    ]
    assert type(header.tensors[0]) is TensorInfo
    assert header.warnings == ()


@pytest.mark.parametrize("spot", ["first", "last", "between"])
@pytest.mark.parametrize("text", ["pt", 'a "quoted" \\ text', "käse\U0001f9c0", ""])
def test_metadata(at: Path, spot: str, text: str) -> None:
    two = {"a": entry("U8", [1], 0, 1), "ü": entry("U8", [1], 1, 2)}
    meta: dict[str, Any] = {"__metadata__": {"format": text, "long": "M" * 100_000}}
    whole = {
        "first": meta | two,
        "last": two | meta,
        "between": {"a": two["a"]} | meta | {"ü": two["ü"]},
    }[spot]
    header = parse(at, file_bytes(whole, b"ab"))
    assert header.metadata == meta["__metadata__"]
    assert [tensor.name for tensor in header.tensors] == ["a", "ü"]
    assert parse_fast(to_json(whole)) == parse_carefully(to_json(whole))


def dup(*entries: bytes) -> bytes:
    return file_bytes(b"{" + b",".join(entries) + b"}", FOUR)


WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "7 bytes": (bytes(7), "only 7 bytes"),
    "8 bytes": (bytes(8), "only 8 bytes"),
    "length 0": (bytes(8) + b"{}", "does not start"),
    "u64 max": (struct.pack("<Q", 2**64 - 1) + b"{}", "header of 18,446"),
    "i64 min": (struct.pack("<Q", 2**63) + b"{}", "header of 9,223"),
    "wraps": (struct.pack("<Q", 2**64 - 8) + b"{}", "header of 18,446"),
    "past the end": (struct.pack("<Q", 1000) + b"{}", "1,000 bytes in a file of 10"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64, "git lfs pull"),
    "html": (b"<!DOCTYPE html><html><body>403</body></html>" + b" " * 99, "web page"),
    "html 2": (b"\n  <HTML lang=en>" + b" " * 99, "web page"),
    "zip": (b"PK\x03\x04" + bytes(60), "zip archive, probably a PyTorch file"),
    "pickle": (b"\x80\x02}q\x00." + bytes(60), "pickle"),
    "gguf": (b"GGUF\x03\0\0\0" + bytes(60), "GGUF"),
    "json file": (to_json({"model_type": "llama"}), "JSON text"),
    "not utf-8": (file_bytes(b'{"\xff":' + ENTRY_JSON + b"}", FOUR), "not UTF-8 at byte 2"),
    "overlong": (file_bytes(b'{"\xc0\x80":' + ENTRY_JSON + b"}", FOUR), "not UTF-8"),
    "not utf-8 meta": (file_bytes(b'{"__metadata__":{"a":"\xff"}}'), "not UTF-8"),
    "no json": (file_bytes(b"hello world!!!!!"), "does not start with '{'"),
    "array": (file_bytes(b"[1,2,3]"), "does not start with '{'"),
    "leading space": (file_bytes(b"  " + to_json({"a": ENTRY}), FOUR), "does not start"),
    "bom": (file_bytes(b"\xef\xbb\xbf" + to_json({"a": ENTRY}), FOUR), "does not start"),
    "trailing json": (file_bytes(to_json({"a": ENTRY}) + b" {}", FOUR), "Extra data"),
    "nul padding": (file_bytes(to_json({"a": ENTRY}) + b"\0\0", FOUR), "Extra data"),
    "newline padding": (file_bytes(to_json({"a": ENTRY}) + b" \n ", FOUR), "only spaces"),
    "tab padding": (file_bytes(to_json({"a": ENTRY}) + b"\t", FOUR), "only spaces"),
    "control": (file_bytes(b'{"a\n":' + ENTRY_JSON + b"}", FOUR), "control character"),
    "surrogate": (file_bytes(b'{"\\ud800x":' + ENTRY_JSON + b"}", FOUR), "surrogate"),
    "surrogate meta": (file_bytes(b'{"__metadata__":{"a":"\\udc00"}}'), "surrogate"),
    "twice same": (dup(b'"a":' + ENTRY_JSON, b'"a":' + ENTRY_JSON), "'a' is there twice"),
    "twice escaped": (dup(b'"a":' + ENTRY_JSON, b'"\\u0061":' + ENTRY_JSON), "'a' is there twice"),
    "twice hidden": (
        dup(b'"a":' + ENTRY_JSON.replace(b"16", b"9"), b'"a":' + ENTRY_JSON),
        "'a' is there twice",
    ),
    "twice inside": (dup(b'"a":{"dtype":"F32",' + ENTRY_JSON[1:]), "'dtype' is there twice"),
    "twice in metadata": (
        dup(b'"__metadata__":{"f":"a","f":"b"}', b'"a":' + ENTRY_JSON),
        "'f' is there twice",
    ),
    "two metadata": (
        dup(b'"__metadata__":{"f":"a"}', b'"__metadata__":{}', b'"a":' + ENTRY_JSON),
        "twice",
    ),
    "metadata and entry": (
        dup(b'"__metadata__":{}', b'"__metadata__":' + ENTRY_JSON, b'"a":' + ENTRY_JSON),
        "twice",
    ),
    "metadata entry": (dup(b'"__metadata__":' + ENTRY_JSON), "metadata 'shape' is not a string"),
    "metadata number": (file_bytes({"__metadata__": {"n": 3}}), "metadata 'n' is not a string"),
    "metadata nested": (file_bytes({"__metadata__": {"n": {"x": "y"}}}), "metadata 'n'"),
    "metadata list": (file_bytes({"__metadata__": ["x"]}), "metadata is not an object"),
    "metadata text": (file_bytes({"__metadata__": "x"}), "metadata is not an object"),
    "depth": (file_bytes(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "too deeply"),
    "depth in metadata": (
        file_bytes(b'{"__metadata__":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001),
        "too deeply",
    ),
    "list entry": (file_bytes({"a": ["F32", [2, 2], [0, 16]]}, FOUR), "'a': not an object"),
    "null entry": (file_bytes({"a": None}), "'a': not an object"),
    "no bytes": (file_bytes({"a": ENTRY}), "cut short: 16 bytes are missing"),
    "bytes too many": (file_bytes({"a": ENTRY}, FOUR + b"x"), "1 bytes after the last"),
    "no tensor but bytes": (file_bytes({}, b"x"), "1 bytes after the last"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_file(at: Path, name: str) -> None:
    content, message = WRONG[name]
    with pytest.raises(CheckpointError, match=message) as caught:
        parse(at, content)
    assert caught.value.where == str(at)


N63 = 2**63 - 1
WRONG_ENTRY: list[tuple[dict[str, Any] | bytes, str]] = [
    ({"shape": [2, 2], "data_offsets": [0, 16]}, "no dtype"),
    ({"dtype": "F32", "data_offsets": [0, 16]}, "no shape"),
    ({"dtype": "F32", "shape": [2, 2]}, "no data_offsets"),
    (entry("F99", [2, 2], 0, 16), "unknown dtype 'F99'"),
    (entry("f32", [2, 2], 0, 16), "unknown dtype"),
    (entry("", [2, 2], 0, 16), "unknown dtype ''"),
    (entry("__class__", [2, 2], 0, 16), "unknown dtype"),
    ({**ENTRY, "dtype": 1}, "dtype is not a string"),
    ({**ENTRY, "shape": 4}, "shape is not a list"),
    ({**ENTRY, "shape": "22"}, "shape is not a list"),
    ({**ENTRY, "shape": [2, "2"]}, "shape holds something else"),
    ({**ENTRY, "shape": [2, [2]]}, "shape holds something else"),
    (entry("F32", [4, True], 0, 16), "shape holds something else"),
    (entry("F32", [2, 2.0], 0, 16), "2.0 where only whole numbers"),
    (entry("F32", [2, 1e3], 0, 16), "where only whole numbers"),
    (ENTRY_JSON.replace(b"[2,2]", b"[NaN]"), "NaN where only whole numbers"),
    (ENTRY_JSON.replace(b"[2,2]", b"[-Infinity]"), "where only whole numbers"),
    (ENTRY_JSON.replace(b"[2,2]", b"[" + b"9" * 5000 + b"]"), "a number of 5,000 digits"),
    (entry("F32", [2**63], 0, 16), "shape holds 9223372036854775808"),
    (entry("F32", [-2, -2], 0, 16), "shape holds -2"),
    (entry("F32", [-1], 0, 16), "shape holds -1"),
    (entry("F32", [2, 2], -16, 0), "data_offsets holds -16"),
    ({**ENTRY, "data_offsets": [0]}, "are 1 numbers, not 2"),
    ({**ENTRY, "data_offsets": [0, 16, 16]}, "are 3 numbers, not 2"),
    ({**ENTRY, "data_offsets": []}, "are 0 numbers, not 2"),
    ({**ENTRY, "data_offsets": {"0": 16}}, "data_offsets is not a list"),
    ({**ENTRY, "data_offsets": [False, 16]}, "data_offsets holds something else"),
    (entry("F32", [2, 2], 0, 15), "needs 16 bytes, but data_offsets are 0-15"),
    (entry("F32", [2, 3], 0, 16), r"shape \[2, 3\] of F32 needs 24 bytes, but"),
    (entry("F32", [2, 2], 16, 0), "needs 16 bytes, but data_offsets are 16-0"),
    (entry("F32", [], 0, 16), "needs 4 bytes"),
    (entry("F32", [0], 0, 16), "needs 0 bytes"),
    (entry("F4", [31], 0, 16), "does not fill whole bytes"),
    (entry("F32", [1] * 65, 0, 4), "65 dimensions, more than 64"),
    (entry("F32", [N63] * 200_000, 0, 4), "200,000 dimensions, more than 64"),
    (entry("F32", [N63] * 64, 0, 16), r"beyond 2\^63 bytes"),
    (entry("F32", [2**32, 2**32, 2**32], 0, 0), r"beyond 2\^63 bytes"),
    (entry("U8", [2**32, 2**31], 0, 0), r"beyond 2\^63 bytes"),
    (entry("U8", [0, 2**40, 2**40], 0, 0), r"beyond 2\^63 bytes"),
    (entry("U8", [N63], 0, N63), "bytes are missing at the end"),
    (entry("F32", [2, 2], 8, 24), "starts 8 bytes after the end of the header"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG_ENTRY)
@pytest.mark.parametrize("escaped", [False, True], ids=["", "escaped"])
def test_wrong_entry(at: Path, wrong: dict[str, Any] | bytes, message: str, escaped: bool) -> None:
    name = b'{"\\u0061":' if escaped else b'{"a":'
    raw = wrong if isinstance(wrong, bytes) else to_json(wrong)
    with pytest.raises(CheckpointError, match=message) as caught:
        parse(at, file_bytes(name + raw + b"}", FOUR))
    digits = "number" in message and "numbers, not" not in message
    assert digits or "'a'" in str(caught.value) or "missing at the end" in message


def test_holes_and_overlaps(at: Path) -> None:
    hole = {"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 6, 10)}
    with pytest.raises(CheckpointError, match="'b': starts 2 bytes after the end of tensor 'a'"):
        parse(at, file_bytes(hole, bytes(10)))
    overlap = {"b": entry("U8", [4], 2, 6), "a": entry("U8", [4], 0, 4)}
    with pytest.raises(CheckpointError, match="'b': starts 2 bytes before the end of tensor 'a'"):
        parse(at, file_bytes(overlap, bytes(6)))


def test_large_hostile_headers_end_soon(at: Path) -> None:
    with pytest.raises(CheckpointError, match="header of 100,000,001 bytes"):
        parse(at, struct.pack("<Q", 100_000_001) + b"{}", sparse=100_000_009)
    with pytest.raises(CheckpointError, match="malformed"):
        parse(at, struct.pack("<Q", 99_999_992) + b'{"', sparse=100_000_000)
    bomb = b'{"a":[' + b"[]," * 12_000_000 + b"[]]}"
    with pytest.raises(CheckpointError, match="not one of tensors"):
        parse(at, file_bytes(bomb))
    with pytest.raises(CheckpointError, match="metadata"):
        parse(at, file_bytes(b'{"__metadata__":' + bomb + b"}"))


@pytest.mark.parametrize("dtype", SAFETENSORS_DTYPES)
def test_every_dtype(at: Path, dtype: str) -> None:
    size = SAFETENSORS_DTYPES[dtype].bits
    header = parse(at, file_bytes({"w": entry(dtype, [2, 4], 0, size)}, bytes(size)))
    assert header.tensors[0].dtype == dtype


def test_quantised_dtypes_are_no_part_of_the_format(at: Path) -> None:
    with pytest.raises(CheckpointError, match="unknown dtype 'Q4_K'"):
        parse(at, file_bytes({"w": entry("Q4_K", [256], 0, 144)}, bytes(144)))


def test_odd_but_open(at: Path) -> None:
    assert parse(at, file_bytes(b"{}      ")).tensors == []
    null = parse(at, file_bytes(b'{"__metadata__":null,"a":' + ENTRY_JSON + b"}", FOUR))
    assert "null" in null.warnings[0]
    extra = parse(at, file_bytes({"a": {**ENTRY, "evil": "x"}}, FOUR))
    assert extra.warnings == ("unknown field 'evil' of tensor 'a' is ignored",)
    nested = parse(at, file_bytes({"a": {**ENTRY, "__metadata__": {"x": "y"}}}, FOUR))
    assert nested.metadata == {}
    assert "unknown field '__metadata__'" in nested.warnings[0]
    header = {
        "s": entry("F32", [], 0, 4),
        "e": entry("F32", [0], 4, 4),
        "": entry("F32", [3, 0], 4, 4),
    }
    assert [t.shape for t in parse(at, file_bytes(header, FOUR[:4])).tensors] == [(), (0,), (3, 0)]
    spaced = b'{ "a" :\n' + ENTRY_JSON.replace(b":", b" : ") + b"\t}   "
    assert parse(at, file_bytes(spaced, FOUR)).tensors[0].name == "a"
    for name in ("dtype", "data_offsets", "__metadata__x", "shape"):
        assert parse(at, file_bytes({name: ENTRY}, FOUR)).tensors[0].name == name
    rank = parse(at, file_bytes({"a": entry("F32", [1] * 64, 0, 4)}, FOUR[:4]))
    assert len(rank.tensors[0].shape) == 64


def test_foreign_names_survive_exactly_and_errors_are_clean(at: Path) -> None:
    name = "\x1b]0;title\x07[/x]\u202e.weight\n"
    assert parse(at, file_bytes({name: ENTRY}, FOUR)).tensors[0].name == name
    with pytest.raises(CheckpointError) as caught:
        parse(at, file_bytes({name: entry("\x1b[2J", [2, 2], 0, 16)}, FOUR))
    assert str(caught.value).isprintable()


def test_many_tensors(at: Path) -> None:
    count = 200_000
    entries = (
        b'"l.%d.e.%d.w":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}'
        % (i // 256, i % 256, i, i + 1)
        for i in range(count)
    )
    raw = b'{"__metadata__":{"format":"pt"},' + b",".join(entries) + b"}"
    assert parse_fast(raw) is not None
    header = parse(at, file_bytes(raw, bytes(count)))
    assert len(header.tensors) == count
    assert header.tensors[-1] == TensorInfo(
        "l.781.e.63.w", "U8", (1,), 3, at.stat().st_size - 1, at.stat().st_size
    )


NAMES = st.sampled_from(
    ["a", "b", "dtype", "shape", "data_offsets", "__metadata__", "ü", '"', "\\", ""]
)
NUMBERS = st.one_of(
    st.integers(-1, 20),
    st.sampled_from([True, None, 1.5, 2**63 - 1, 2**63, 10**30, "1"]),
)
FIELDS = st.tuples(
    st.sampled_from(["dtype", "shape", "data_offsets", "extra", "__metadata__"]),
    st.one_of(
        st.sampled_from(["F32", "dtype", "x"]),
        st.lists(NUMBERS, max_size=3),
        st.dictionaries(NAMES, st.text(max_size=2), max_size=2),
    ),
)
GOOD_ENTRY = st.tuples(
    st.permutations(["dtype", "shape", "data_offsets"]),
    st.lists(st.integers(0, 9), max_size=3),
    st.tuples(st.integers(0, 9), st.integers(0, 99)),
).map(
    lambda made: [
        (k, {"dtype": "F32", "shape": made[1], "data_offsets": list(made[2])}[k]) for k in made[0]
    ]
)
TEXTS = st.lists(st.tuples(NAMES, st.text(max_size=3)), max_size=3)
HEADERS = st.lists(
    st.one_of(
        st.tuples(NAMES, GOOD_ENTRY),
        st.tuples(NAMES, GOOD_ENTRY),
        st.tuples(st.just("__metadata__"), TEXTS),
        st.tuples(NAMES, st.lists(FIELDS, max_size=4)),
    ),
    max_size=4,
)


def pairs_to_json(pairs: list[tuple[str, Any]], spaces: str) -> str:
    """JSON of an object given as pairs, so that a key may come twice."""
    inner = ("," + spaces).join(
        f"{to_json(k).decode()}{spaces}:{to_json(v).decode()}" for k, v in pairs
    )
    return "{" + spaces + inner + "}"


def verdict(raw: bytes) -> HeaderJson | None:
    try:
        return parse_carefully(raw)
    except JsonError:
        return None


@given(HEADERS, st.sampled_from(["", " ", "\n\t"]), st.sampled_from(["", " ", "\n"]))
def test_fast_and_careful_agree(header: list[Any], spaces: str, tail: str) -> None:
    members = [f"{to_json(k).decode()}:{pairs_to_json(v, spaces)}" for k, v in header]
    raw = ("{" + ",".join(members) + "}" + tail).encode("utf-8", "surrogatepass")
    fast = parse_fast(raw) if raw.decode(errors="ignore").encode() == raw else None
    if fast is not None:
        assert fast == verdict(raw)


@given(st.lists(GOOD_ENTRY, max_size=3), TEXTS, st.data())
def test_fast_and_careful_agree_on_damaged_headers(
    entries: list[Any], texts: list[tuple[str, str]], data: st.DataObject
) -> None:
    members = [f'"{i}":{pairs_to_json(e, "")}' for i, e in enumerate(entries)]
    members.insert(
        data.draw(st.integers(0, len(members))), f'"__metadata__":{pairs_to_json(texts, "")}'
    )
    raw = bytearray(("{" + ",".join(members) + "}").encode())
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] = data.draw(st.sampled_from(list(b'"\\{}[],:0 -.e1\n')))
    try:
        raw.decode()
    except UnicodeDecodeError:
        return
    fast = parse_fast(bytes(raw))
    if fast is not None:
        assert fast == verdict(bytes(raw))


def test_honest_headers_take_the_fast_path() -> None:
    header = {"__metadata__": {"format": "pt", "x": 'a"b'}, "a": ENTRY}
    assert parse_fast(to_json(header)) is not None
    assert parse_fast(to_json({"a": ENTRY})) is not None
    assert parse_fast(to_json({"a": {**ENTRY, "extra": 1}})) is None
