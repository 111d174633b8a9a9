import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_files import ENTRY, FOUR, entry, file_bytes, one_tensor, write, write_index
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from inspect_core.checkpoint import Checkpoint, TensorInfo, open_checkpoint
from inspect_core.checkpoint.byte_source import MAX_OPEN_FILES
from inspect_core.errors import CheckpointError

S1, S2 = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"


def content(checkpoint: Checkpoint, name: str) -> bytes:
    tensor = checkpoint.tensors[name]
    buffer = bytearray(tensor.nbytes)
    checkpoint.read_into(tensor, 0, memoryview(buffer))
    return bytes(buffer)


def two_shards(folder: Path, weight_map: object = None, **more: object) -> Path:
    write(folder / S1, one_tensor("a"))
    write(folder / S2, one_tensor("b", FOUR[::-1]))
    write_index(folder / INDEX, {"a": S1, "b": S2} if weight_map is None else weight_map, **more)
    return folder


def warnings_of(folder: Path) -> list[str]:
    with open_checkpoint(folder) as checkpoint:
        return list(checkpoint.warnings)


def test_index(tmp_path: Path) -> None:
    with open_checkpoint(two_shards(tmp_path, metadata={"total_size": 32})) as checkpoint:
        assert checkpoint.warnings == ()
        assert list(checkpoint.tensors) == ["a", "b"]
        assert [shard.path.name for shard in checkpoint.shards] == [S1, S2]
        assert checkpoint.tensors["b"].shard == 1
        assert content(checkpoint, "b") == FOUR[::-1]
        assert (checkpoint.uri, checkpoint.title) == (str(tmp_path), tmp_path.name)
        assert checkpoint.folder == tmp_path
    assert list(open_checkpoint(tmp_path / INDEX).tensors) == ["a", "b"]


def test_read_into_stays_inside_the_tensor(tmp_path: Path) -> None:
    header = {"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 4, 8)}
    path = write(tmp_path / "x.safetensors", file_bytes(header, b"abcdefgh"))
    with open_checkpoint(path) as checkpoint:
        tensor = checkpoint.tensors["b"]
        buffer = bytearray(2)
        checkpoint.read_into(tensor, 1, memoryview(buffer))
        assert buffer == b"fg"
        checkpoint.read_into(tensor, 4, memoryview(b"").toreadonly())
        for offset, count in [(-1, 1), (3, 2), (0, 5), (5, 0)]:
            with pytest.raises(ValueError, match="of a tensor of 4"):
                checkpoint.read_into(tensor, offset, memoryview(bytearray(count)))


def test_missing_shard(tmp_path: Path) -> None:
    (two_shards(tmp_path) / S2).unlink()
    [warning] = warnings_of(tmp_path)
    assert warning == f"1 shard is missing ({S2}); 1 tensor is not shown"
    (tmp_path / S1).unlink()
    with pytest.raises(CheckpointError, match=r"none of 2 files can be read.*no such file"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("broken", "reason"), [(b"", "empty"), (b"PK\x03\x04" + bytes(60), "zip"), (None, "a pipe")]
)
def test_broken_shard(tmp_path: Path, broken: bytes | None, reason: str) -> None:
    path = two_shards(tmp_path) / S1
    path.unlink()
    write(path, broken) if broken is not None else os.mkfifo(path)
    with open_checkpoint(tmp_path) as checkpoint:
        assert list(checkpoint.tensors) == ["b"]
        assert checkpoint.tensors["b"].shard == 0
        assert content(checkpoint, "b") == FOUR[::-1]
        assert f"1 shard is broken ({S1})" in checkpoint.warnings[0]
        assert reason in checkpoint.warnings[0]


def test_many_missing_shards_are_one_line(tmp_path: Path) -> None:
    weight_map = {f"t{i}": f"m-{i}.safetensors" for i in range(5000)}
    write_index(tmp_path / INDEX, weight_map)
    with pytest.raises(CheckpointError, match="none of 5,000 files") as caught:
        open_checkpoint(tmp_path)
    assert len(str(caught.value)) < 600
    write(tmp_path / "m-7.safetensors", one_tensor("t7"))
    [warning] = warnings_of(tmp_path)
    assert "4,999 shards are missing (m-0.safetensors," in warning
    assert "4,999 tensors are not shown" in warning


@pytest.mark.parametrize(
    ("weight_map", "more", "expected"),
    [
        ({"a": S2, "b": S1}, {}, "2 tensors are in another file than the index says (a, b)"),
        ({"a": S1, "b": S2, "c": S2}, {}, "1 tensor of the index (c): in none of the files"),
        ({"a": S1, "c": S2}, {}, "1 tensor is not in the index (b)"),
        ({}, {}, "the index lists no tensor"),
        ({"a": S1}, {}, f"1 more file lies here ({S2}): not part of what is shown"),
        (None, {"metadata": "x"}, "the index's metadata is not an object"),
        (None, {"metadata": {"total_size": -1}}, "the index's total_size is no size"),
        (None, {"metadata": {"total_size": 10**18}}, "1,000,000,000,000,000,000 bytes"),
    ],
)
def test_odd_index_warns(
    tmp_path: Path, weight_map: object, more: dict[str, Any], expected: str
) -> None:
    assert expected in "\n".join(warnings_of(two_shards(tmp_path, weight_map, **more)))


def test_single_file_beside_the_index_warns(tmp_path: Path) -> None:
    write(two_shards(tmp_path) / "model.safetensors", one_tensor("other"))
    with open_checkpoint(tmp_path) as checkpoint:  # as transformers does
        assert list(checkpoint.tensors) == ["other"]
        assert checkpoint.doubts == checkpoint.warnings
        assert checkpoint.warnings[0].startswith("2 more files lie here")
    for named in (INDEX, "model.safetensors"):
        with open_checkpoint(tmp_path / named) as checkpoint:
            assert checkpoint.warnings == checkpoint.doubts == ()


def test_tensor_in_two_files(tmp_path: Path) -> None:
    both = {"a": ENTRY, "b": entry("F32", [2, 2], 16, 32)}
    write(two_shards(tmp_path) / S2, file_bytes(both, FOUR[::-1] + FOUR))
    with open_checkpoint(tmp_path) as checkpoint:
        assert "1 tensor is in two files (a): shown from" in checkpoint.warnings[0]
        assert content(checkpoint, "a") == FOUR
    write_index(tmp_path / INDEX, {"a": S2, "b": S2, "c": S1})
    with open_checkpoint(tmp_path) as checkpoint:
        assert content(checkpoint, "a") == FOUR[::-1]
    (tmp_path / INDEX).unlink()
    with pytest.raises(CheckpointError, match=f"tensor 'a' is in two files: .*{S1} and .*{S2}"):
        open_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="in two files"):
        open_checkpoint([str(tmp_path / S1), str(tmp_path / S2)])


def test_several_files(tmp_path: Path) -> None:
    (two_shards(tmp_path) / INDEX).unlink()
    uri = [str(tmp_path / S1), str(tmp_path / S2), str(tmp_path / "none.safetensors")]
    with open_checkpoint(uri) as checkpoint:
        assert checkpoint.uri == tuple(uri)
        assert list(checkpoint.tensors) == ["a", "b"]
        assert checkpoint.warnings == ("1 shard is missing (none.safetensors)",)
    assert list(open_checkpoint(str(tmp_path / "*")).tensors) == ["a", "b"]


def test_links(tmp_path: Path) -> None:
    write(tmp_path / "outside.safetensors", one_tensor("secret"))
    folder = tmp_path / "model"
    write_index(folder / INDEX, {"secret": "l.safetensors"})
    (folder / "l.safetensors").symlink_to("../outside.safetensors")
    assert warnings_of(folder) == ["1 file is a link to another folder (l.safetensors)"]
    (folder / "l.safetensors").unlink()
    (folder / "l.safetensors").symlink_to("nowhere")
    with pytest.raises(CheckpointError, match="no such file"):
        open_checkpoint(folder)


def test_cache_links_are_fine(tmp_path: Path) -> None:
    model = tmp_path / "models--org--m"
    write(model / "blobs" / "beef", one_tensor("a"))
    (model / "snapshots" / "abc").mkdir(parents=True)
    (model / "snapshots" / "abc" / "model.safetensors").symlink_to("../../blobs/beef")
    with open_checkpoint(model / "snapshots" / "abc") as checkpoint:
        assert checkpoint.warnings == ()
        assert checkpoint.title == "org/m"
        assert checkpoint.folder == model / "snapshots" / "abc"


@pytest.mark.parametrize(
    ("config", "value", "warning"),
    [
        (b'{"a": 1.5, "b": NaN, "c": [true]}', 1.5, ""),
        (b'\xef\xbb\xbf{"a": 2}', 2, ""),
        (b'{"a": ' + b"9" * 5000 + b"}", float("inf"), ""),
        (b"", None, "not valid JSON"),
        (b"[]", None, "not a JSON object"),
        (b"{", None, "not valid JSON"),
        (b'{"a": "\xff"}', None, "not UTF-8"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None, "too deeply"),
        (b"{}" + b" " * 10_000_000, None, "more than the 10,000,000"),
    ],
    ids=range(9),
)
def test_config(tmp_path: Path, config: bytes, value: object, warning: str) -> None:
    write(tmp_path / "model.safetensors", one_tensor("a"))
    assert open_checkpoint(tmp_path).config is None
    write(tmp_path / "config.json", config)
    with open_checkpoint(tmp_path) as checkpoint:
        if warning:
            assert checkpoint.config is None
            assert "config.json is not used" in checkpoint.warnings[0]
            assert warning in checkpoint.warnings[0]
        else:
            assert checkpoint.config is not None
            assert checkpoint.config["a"] == value
            assert checkpoint.warnings == ()


def test_metadata_and_header_warnings_of_many_shards(tmp_path: Path) -> None:
    for i in range(9):
        header = {"__metadata__": {"format": "pt", "n": str(i)}, f"t{i}": {**ENTRY, "\x1b": 1}}
        write(tmp_path / f"m-{i + 1}-of-9.safetensors", file_bytes(header, FOUR))
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.metadata == {"format": "pt", "n": "0"}
        assert len(checkpoint.warnings) == 4
        assert all(line.isprintable() for line in checkpoint.warnings)
        assert checkpoint.warnings[-1] == "6 more such warnings"


def test_identity_and_change(tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", one_tensor("a"))
    first, again = open_checkpoint(path), open_checkpoint(path)
    assert hash(first.identity) == hash(again.identity)
    assert first.identity == again.identity
    first.check_unchanged()
    os.utime(path, ns=(1, 1))
    with pytest.raises(CheckpointError, match="changed"):
        first.check_unchanged()
    assert open_checkpoint(path).identity != first.identity


def test_shrinking_after_open(tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", one_tensor("a"))
    with open_checkpoint(path) as checkpoint:
        os.truncate(path, path.stat().st_size - 8)
        with pytest.raises(CheckpointError, match="changed while it was read"):
            content(checkpoint, "a")


def test_a_thousand_shards(tmp_path: Path) -> None:
    names = {f"t{i}": f"m-{i:04}.safetensors" for i in range(1000)}
    for name, shard in names.items():
        write(tmp_path / shard, one_tensor(name))
    write_index(tmp_path / INDEX, names)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with open_checkpoint(tmp_path) as checkpoint:
        assert all(content(checkpoint, name) == FOUR for name in names)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + MAX_OPEN_FILES
        assert checkpoint.warnings == ()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.mark.parametrize(
    "name",
    ["esc\x1b]0;x\x1b\\", "new\nline", "[bold][@click=app.quit]", "\udcff", "x" * 243, "UPPER"],
)
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    path = write(
        tmp_path / f"{name}.{'SAFETENSORS' if name == 'UPPER' else 'safetensors'}", one_tensor("a")
    )
    with open_checkpoint(path) as checkpoint:
        assert content(checkpoint, "a") == FOUR
        assert checkpoint.title.isprintable()


def test_opening_imports_nothing_heavy() -> None:
    code = (
        "import sys, inspect_core.checkpoint;"
        "print(*{'numpy', 'torch', 'safetensors', 'huggingface_hub', 'textual'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


NUMPY_TO_DTYPE = {
    "f8": "F64",
    "f4": "F32",
    "f2": "F16",
    "i8": "I64",
    "i1": "I8",
    "u2": "U16",
    "?": "BOOL",
}
ARRAYS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
        lambda n: n != "__metadata__"
    ),
    st.tuples(st.sampled_from(sorted(NUMPY_TO_DTYPE)), st.lists(st.integers(0, 4), max_size=4)),
    max_size=6,
)
TEXTS = st.dictionaries(
    *[st.text(st.characters(exclude_categories=["Cs"]), max_size=8)] * 2, max_size=3
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(ARRAYS, TEXTS)
def test_files_of_the_reference_library_open_equal(
    tmp_path: Path, made: dict[str, tuple[str, list[int]]], metadata: dict[str, str]
) -> None:
    generator = np.random.default_rng(0)
    arrays = {
        name: generator.integers(0, 2, shape).astype(kind) for name, (kind, shape) in made.items()
    }
    path = tmp_path / "x.safetensors"
    save_file(arrays, path, metadata or None)
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.warnings == ()
        assert checkpoint.metadata == metadata
        assert checkpoint.tensors.keys() == arrays.keys()
        for name, array in arrays.items():
            tensor = checkpoint.tensors[name]
            assert isinstance(tensor, TensorInfo)
            assert tensor.shape == array.shape
            assert tensor.dtype == NUMPY_TO_DTYPE[made[name][0]]
            assert content(checkpoint, name) == array.tobytes()
