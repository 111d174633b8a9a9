from pathlib import Path
from typing import Any

import pytest
from checkpoint_files import to_json, write
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.checkpoint.index_file import (
    Index,
    parse_index_carefully,
    parse_index_fast,
    read_index,
)
from inspect_core.checkpoint.strict_json import JsonError
from inspect_core.errors import CheckpointError

MAP = {"a": "x.safetensors", "b": "y.safetensors"}


def read(folder: Path, content: bytes) -> Index:
    return read_index(write(folder / "model.safetensors.index.json", content))


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (to_json({"metadata": {"total_size": 32}, "weight_map": MAP}), ""),
        (to_json({"metadata": {"total_size": 32.0}, "weight_map": MAP}), ""),
        (to_json({"weight_map": MAP}), ""),
        (to_json({"weight_map": MAP, "metadata": None}), ""),
        (to_json({"weight_map": MAP, "mergekit_version": "1"}), ""),
        (b"\xef\xbb\xbf" + to_json({"weight_map": MAP}), "byte order mark"),
        (to_json({"metadata": "x", "weight_map": MAP}), "metadata is not an object"),
        (to_json({"metadata": {"total_size": -1}, "weight_map": MAP}), "total_size"),
        (to_json({"metadata": {"total_size": True}, "weight_map": MAP}), "total_size"),
        (to_json({"metadata": {"total_size": "32"}, "weight_map": MAP}), "total_size"),
        (to_json({"metadata": {"total_size": float("nan")}, "weight_map": MAP}), "total_size"),
        (
            b'{"metadata":{"total_size":' + b"9" * 5000 + b'},"weight_map":%s}' % to_json(MAP),
            "total_size",
        ),
        (b'{"metadata":{"total_size":1e999},"weight_map":%s}' % to_json(MAP), "total_size"),
    ],
    ids=range(13),
)
def test_good_index(tmp_path: Path, content: bytes, warning: str) -> None:
    index = read(tmp_path, content)
    assert index.shard_of == MAP
    assert len(index.warnings) == bool(warning)
    assert warning in "".join(index.warnings)
    assert index.total_size in (None, 32)


def test_empty_map(tmp_path: Path) -> None:
    assert read(tmp_path, b'{"weight_map":{}}').warnings == ("the index lists no tensor",)


NOT_PLAIN = [
    "../../x.safetensors",
    "/etc/passwd",
    "/dev/zero",
    "sub/x",
    "..\\x",
    "http://a/b",
    "~/.ssh/x",
    "x\0",
    "",
    ".",
    "..",
]


@pytest.mark.parametrize("shard", NOT_PLAIN)
def test_shards_lie_beside_the_index(tmp_path: Path, shard: str) -> None:
    with pytest.raises(
        CheckpointError, match="shard of tensor 'b', is not the plain name"
    ) as caught:
        read(tmp_path, to_json({"weight_map": {"a": "x", "b": shard}}))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (to_json({"weight_map": MAP})[:-5], "not valid JSON"),
        (to_json({"weight_map": MAP}).decode().encode("utf-16"), "not UTF-8"),
        (to_json({"metadata": {}}), "no weight_map"),
        (to_json({"weight_map": None}), "weight_map is not an object"),
        (to_json({"weight_map": [["a", "x"]]}), "weight_map is not an object"),
        (to_json({"weight_map": {"a": 1}}), "no file for tensor 'a'"),
        (to_json({"weight_map": {"a": None}}), "no file for tensor 'a'"),
        (to_json({"weight_map": {"a": ["x"]}}), "no file for tensor 'a'"),
        (b'{"weight_map":{"a":"x","a":"y"}}', "'a' is there twice"),
        (b'{"weight_map":{"a":"x","\\u0061":"y"}}', "'a' is there twice"),
        (b'{"weight_map":{"a":"x"},"weight_map":{"b":"y"}}', "'weight_map' is there twice"),
        (b'{"metadata":{},"weight_map":{"a":"x"},"metadata":{"":""}}', "'metadata' is there twice"),
        (b'{"metadata":{"q":"1","q":"2"},"weight_map":{"a":"x"}}', "'q' is there twice"),
        (b'{"x":1,"x":2,"weight_map":{"a":"x"}}', "'x' is there twice"),
        (b'{"weight_map":{"a":"\\ud800.safetensors"}}', "surrogate"),
        (b'{"metadata":' + b"[" * 100_000 + b"]" * 100_000 + b',"weight_map":{}}', "too deeply"),
        (b'{"weight_map":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "too deeply"),
        (b'{"weight_map":[' + b"[]," * 12_000_000 + b"[]]}", "not an index of tensors"),
    ],
    ids=range(20),
)
def test_broken_index(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read(tmp_path, content)


def test_size_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "model.safetensors.index.json", b"{")
    with path.open("r+b") as file:
        file.truncate(100_000_001)
    with pytest.raises(CheckpointError, match="more than the 100,000,000"):
        read_index(path)


def test_large_index_takes_the_fast_path() -> None:
    weight_map = {f"l.{i}.w": f"m-{i % 100}.safetensors" for i in range(200_000)}
    found = parse_index_fast(to_json({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    assert found == (weight_map, {"total_size": 1})


KEYS = st.sampled_from(["a", "b", "weight_map", "metadata", "ü", "\\", '"'])
PAIRS = st.lists(st.tuples(KEYS, st.one_of(KEYS, KEYS, st.integers(0, 1))), max_size=3)


@given(st.lists(st.tuples(st.sampled_from(["weight_map", "metadata", "a"]), PAIRS), max_size=3))
def test_fast_and_careful_agree(members: list[tuple[str, list[tuple[str, Any]]]]) -> None:
    def inner(pairs: list[tuple[str, Any]]) -> str:
        return (
            "{" + ",".join(f"{to_json(k).decode()}:{to_json(v).decode()}" for k, v in pairs) + "}"
        )

    raw = ("{" + ",".join(f'"{key}":{inner(pairs)}' for key, pairs in members) + "}").encode()
    try:
        careful = parse_index_carefully(raw)
    except JsonError:
        careful = None
    fast = parse_index_fast(raw)
    assert fast is None or fast == careful
