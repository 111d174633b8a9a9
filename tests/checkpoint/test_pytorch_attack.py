"""Pickles made to show other values than torch does, or to keep their reader busy."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoint_files import FOUR, write
from pickle_files import (
    legacy_file,
    name,
    number,
    numbers,
    state,
    storage,
    tensor,
    text,
    zip_file,
)

from inspect_core.checkpoint import Checkpoint, open_checkpoint
from inspect_core.errors import CheckpointError

ROOM = "inspect_core.checkpoint.pytorch"
OTHER = struct.pack("<4f", 100, 101, 102, 103)
DATA = {"0": FOUR, "1": OTHER}
V2 = name("torch._utils", "_rebuild_tensor_v2")
PARAMETER = name("torch.nn.parameter", "Parameter")
ORDERED = name("collections", "OrderedDict")
TENSOR_1 = tensor(stored=storage("1"))
NEG = state({"neg": b"\x88"})


def call(function: bytes, *args: bytes) -> bytes:
    return function + b"(" + b"".join(args) + b"tR"


def marked(marks: bytes) -> bytes:
    return call(V2, storage(), number(0), numbers((4,)), numbers((1,)), b"\x89", b"}", marks)


def with_state(value: bytes, made: bytes = tensor()) -> bytes:
    function = name("torch._utils", "_rebuild_parameter_with_state")
    return call(function, made, b"\x89", call(ORDERED), value)


def from_type(value: bytes) -> bytes:
    view = (storage(), number(0), numbers((4,)), numbers((1,)), b"\x89", b"}")
    args = b"(" + b"".join(view) + b"t"
    function = name("torch._tensor", "_rebuild_from_type_v2")
    return call(function, V2, name("torch", "Tensor"), args, value)


NEW_VIEW = b"(" + storage("1") + number(0) + numbers((4,)) + numbers((1,)) + b"t"


def values(checkpoint: Checkpoint) -> dict[str, list[float]]:
    found = {}
    for key, info in checkpoint.tensors.items():
        buffer = bytearray(info.nbytes)
        checkpoint.read_into(info, 0, memoryview(buffer))
        found[key] = [one for (one,) in struct.iter_unpack("<f", buffer)]
    return found


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(write(folder / "x.pt", content))
    return str(caught.value)


LEFT_OUT = {
    "build": (tensor() + NEW_VIEW + b"b", "changed after it was made"),
    "build_elsewhere": (tensor() + b"q\x00" + b"h\x00" + NEW_VIEW + b"b0", "changed after"),
    "build_parameter": (
        call(PARAMETER, tensor()) + b"(" + TENSOR_1 + b"\x89\x89}Ntb",
        "changed after it was made",
    ),
    "parameter_data": (with_state(state({"data": TENSOR_1})), "given other values"),
    "slots_data": (with_state(b"N" + state({"data": TENSOR_1}) + b"\x86"), "given other values"),
    "from_type_data": (from_type(state({"data": TENSOR_1})), "given other values"),
    "state_of_a_class": (
        with_state(call(name("a", "b")) + text("data") + TENSOR_1 + b"s"),
        "given other values or an unknown state",
    ),
    "neg": (marked(NEG), "its neg bit set"),
    "neg_ordered": (marked(call(ORDERED, NEG)), "its neg bit set"),
    "neg_counter": (marked(call(name("collections", "Counter"), NEG)), "its neg bit set"),
    "neg_of_a_class": (marked(call(name("a", "Map"), NEG)), "marks that are not known"),
    "neg_false": (marked(state({"neg": b"\x89"})), "its neg bit set"),
    "neg_elsewhere": (marked(b"(" + text("neg") + b"t"), "marks that are not known"),
    "other_mark": (marked(state({"new": b"\x88"})), "marks that are not known"),
    "plain_values": (call(name("torch", "FloatTensor"), b"]" + number(1) + b"a"), "plain values"),
    "parameter_of_nothing": (call(PARAMETER), "plain values"),
    "unknown_rebuild": (call(name("torch._utils", "_rebuild_new"), storage()), "is not known"),
    "too_few": (call(V2, storage()), "in a way that is not known"),
}


@pytest.mark.parametrize("make", [zip_file, legacy_file])
@pytest.mark.parametrize("kind", sorted(LEFT_OUT))
def test_what_torch_would_change_is_left_out(
    tmp_path: Path, make: Callable[..., bytes], kind: str
) -> None:
    made, reason = LEFT_OUT[kind]
    value = state({"good": tensor(), "w": made})
    if make is zip_file:
        content = zip_file(value, DATA)
    else:
        stored = struct.pack("<q", 4) + FOUR + struct.pack("<q", 4) + OTHER
        keys = ("0", "1") if storage("1") in made else ("0",)
        content = legacy_file(value, stored[: 24 * len(keys)], keys)
    with open_checkpoint(write(tmp_path / "x.pt", content)) as checkpoint:
        assert values(checkpoint) == {"good": [1, 2, 3, 4]}
        [line] = [line for line in checkpoint.warnings if "left out" in line]
        assert reason in line


SAME = {
    "parameter": call(PARAMETER, tensor(), b"\x89"),
    "new_parameter": PARAMETER + tensor() + b"\x85\x81",
    "empty_marks": marked(b"}"),
    "no_marks": marked(b"N"),
    "attributes": with_state(state({"tensor_parallel": b"\x88"})),
    "no_state": with_state(b"N"),
    "from_type": from_type(b"NN\x86"),
    "data_of_another": with_state(b"}", with_state(b"}")),
    "arguments_in_a_list": V2 + b"](" + storage() + number(0) + numbers((4,)) + numbers((1,))
    + b"\x89" + b"}eR",
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(SAME))
def test_same_values_as_torch(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "x.pt", zip_file(state({"w": SAME[kind]})))
    expected = torch.load(path, weights_only=True)["w"].tolist()
    with open_checkpoint(path) as checkpoint:
        assert values(checkpoint) == {"w": expected} == {"w": [1, 2, 3, 4]}
        assert checkpoint.warnings == ()


def test_a_tensor_keeps_the_values_of_which_another_has_others(tmp_path: Path) -> None:
    value = b"}" + text("a") + tensor() + b"q\x00s" + text("b")
    value += with_state(state({"data": TENSOR_1}), b"h\x00") + b"s"
    path = write(tmp_path / "x.pt", zip_file(value, DATA))
    assert torch.load(path)["a"].tolist() == [1, 2, 3, 4]
    with open_checkpoint(path) as checkpoint:
        assert values(checkpoint) == {"a": [1, 2, 3, 4]}


def test_what_writes_into_a_storage_is_refused(tmp_path: Path) -> None:
    value = state({"a": tensor(), "b": with_state(state({"real": TENSOR_1}))})
    path = write(tmp_path / "x.pt", zip_file(value, DATA))
    assert torch.load(path)["a"].tolist() == [100, 101, 102, 103]
    assert "writes into its own tensors" in refusal(tmp_path, path.read_bytes())
    changed = tensor(stored=storage() + state({"_untyped_storage": b"N"}) + b"b")
    assert "changes a storage" in refusal(tmp_path, zip_file(state({"w": changed})))


def test_a_mark_counts_even_if_it_says_false(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pt", zip_file(state({"w": marked(state({"neg": b"\x89"}))})))
    assert torch.load(path)["w"].tolist() == [-1, -2, -3, -4]
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint.tensors) == []


def test_sizes_are_those_at_the_call(tmp_path: Path) -> None:
    sizes = b"]q\x00" + number(2) + b"a0]q\x01" + number(1) + b"a0"
    view = call(V2, storage(), number(0), b"h\x00", b"h\x01", b"\x89", b"}")
    later = b"h\x00" + number(2) + b"a0" + b"h\x01" + number(1) + b"a0"
    path = write(tmp_path / "x.pt", zip_file(sizes + state({"w": view}) + later))
    assert torch.load(path, weights_only=False)["w"].tolist() == [1, 2]
    with open_checkpoint(path) as checkpoint:
        assert values(checkpoint) == {"w": [1, 2]}


@pytest.mark.parametrize(
    "made",
    [
        call(ORDERED, b"h\x00"),
        ORDERED + state({"w": tensor()}) + b"\x85\x81",
    ],
)
def test_a_dict_made_of_another_is_its_own(tmp_path: Path, made: bytes) -> None:
    value = b"}q\x000" + made + b"h\x00" + text("x") + tensor() + b"s0"
    path = write(tmp_path / "x.pt", zip_file(value))
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint.tensors) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (text("w") + tensor(), text("w") + state({"x": tensor()})),
        (text("w") + state({"x": tensor()}), text("w") + tensor()),
        (text("w") + tensor(), text("w") + b"N"),
        (number(1) + tensor(), b"\x88" + TENSOR_1),
        (number(1) + tensor(), b"G" + struct.pack(">d", 1) + TENSOR_1),
    ],
)
def test_a_key_that_is_there_twice(tmp_path: Path, first: bytes, second: bytes) -> None:
    content = zip_file(b"}(" + first + second + b"u", DATA)
    assert len(torch.load(write(tmp_path / "x.pt", content))) == 1
    assert "is twice in the same dict" in refusal(tmp_path, content)


DICT = b"}(" + b"K\x00N" * 50 + b"u"
PAIRS = b"](" + b"NN\x86" * 50 + b"Ne"
BASE = name("copyreg", "_reconstructor")


@pytest.mark.parametrize(
    "made",
    [
        DICT + b"q\x000" + (ORDERED + b"h\x00\x85R0") * 100,
        PAIRS + b"q\x000" + (ORDERED + b"h\x00\x85R0") * 100,
        DICT + b"q\x000" + (name("collections", "Counter") + b"h\x00\x85R0") * 100,
        DICT + b"q\x000" + (name("collections", "defaultdict") + b"Nh\x00\x86R0") * 100,
        PAIRS + b"q\x000" + (name("builtins", "set") + b"h\x00\x85R0") * 100,
        PAIRS + b"q\x000" + (BASE + b"NNh\x00\x87R0") * 100,
        PAIRS + b"q\x000" + (V2 + b"h\x00R0") * 100,
    ],
    ids=range(7),
)
def test_containers_are_not_looked_through_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bytes
) -> None:
    monkeypatch.setattr(f"{ROOM}.machine.MAX_SCANNED", 500)
    said = refusal(tmp_path, zip_file(made + b"}"))
    assert "take more than 500 entries of containers" in said


def modules(inner: bytes) -> bytes:
    """Many modules that share one state."""
    parts = b"".join(text(key) + b"}" for key in ("_parameters", "_buffers", "_modules"))
    shared = b"}(" + inner + parts + b"uq\x000"
    return shared + b"](" + (name("a", "b") + b")\x81h\x00b") * 100 + b"e"


def test_modules_with_one_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    monkeypatch.setattr(f"{ROOM}.walk.MAX_VISITS", 5_000)
    names = b"](" + text("x") * 200 + b"e"
    said = refusal(tmp_path, zip_file(modules(text("_non_persistent_buffers_set") + names)))
    assert "more than 5,000 entries" in said
    # A key is asked for 300 times, but found where it was.
    from inspect_core.checkpoint.pytorch.values import Mapping

    class Counted(Mapping):
        def __getitem__(self, at):  # type: ignore[no-untyped-def]
            nonlocal looks
            looks += 1
            return super().__getitem__(at)

    counted = Counted([item for at in range(500) for item in (f"{at}", at)])
    assert [counted.get("7") for _ in range(300)] == [7] * 300
    assert looks <= 500 + 300
    counted += ["7", "later", "x" * 100, 1]
    assert (counted.get("7"), counted.has("8"), counted.has("x" * 100)) == ("later", True, False)


def test_names_of_globals_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{ROOM}.machine.MAX_NAMES", 100)
    many = b"".join(name("a", f"b{at}") + b"0" for at in range(101))
    said = refusal(tmp_path, zip_file(many + b"}"))
    assert "asks for more than 100 different names" in said
    again = zip_file(name("a", "b") + b"0" + (name("a", "b") + b"0") * 200 + b"}")
    with open_checkpoint(write(tmp_path / "x.pt", again)) as checkpoint:
        assert "asks Python for a.b" in checkpoint.warnings[0]
    monkeypatch.setattr(f"{ROOM}.machine.MAX_NAMES_CHARS", 100)
    few = b"".join(name("a" * 30, f"b{at}") + b"0" for at in range(4))
    assert "different names" in refusal(tmp_path, zip_file(few + b"}"))


def test_a_shape_of_many_dimensions_is_not_multiplied(tmp_path: Path) -> None:
    long = tensor(shape=(1,) * 1_000, strides=(1,) * 1_000)
    content = zip_file(state({"model": state({"w": tensor()}), "beside": state({"x": long})}))
    with open_checkpoint(write(tmp_path / "x.pt", content)) as checkpoint:
        assert [(one.tensors, one.nbytes) for one in checkpoint.aside] == [(1, 0)]


def test_all_repeated_values_together_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspect_core.checkpoint.repeats.MAX_ALL_REPEATED_BYTES", 10_000)
    wide = tensor(shape=(1_000,), strides=(0,))
    for shard in (1, 2):
        entries = {f"w{shard}{at}": wide for at in range(2)} | {f"plain{shard}": tensor()}
        path = tmp_path / f"pytorch_model-{shard:05}-of-00002.bin"
        write(path, zip_file(state(entries)))
    with open_checkpoint(tmp_path) as checkpoint:
        assert list(checkpoint.tensors) == ["w10", "w11", "plain1", "plain2"]
        [line] = [line for line in checkpoint.warnings if "left out" in line]
        assert "2 tensors are left out (w20: it repeats its values to 4,000 bytes" in line


def test_reads_of_a_request_are_its_share_of_the_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strided = "inspect_core.checkpoint.strided"
    monkeypatch.setattr(f"{strided}.BLOCK_BYTES", 4)
    monkeypatch.setattr(f"{strided}.MAX_READS", 0)
    monkeypatch.setattr(f"{strided}.BYTES_PER_READ", 40)
    monkeypatch.setattr(f"{strided}.MIN_READS", 10)
    torch.save({"w": torch.arange(2_000.0)[::20]}, tmp_path / "x.pt")
    with open_checkpoint(tmp_path / "x.pt") as checkpoint:
        info = checkpoint.tensors["w"]
        assert values(checkpoint)["w"] == list(range(0, 2_000, 20))
        monkeypatch.setattr(f"{strided}.BYTES_PER_READ", 1 << 30)
        monkeypatch.setattr(f"{strided}.MAX_READS", 60)
        checkpoint.read_into(info, 0, memoryview(bytearray(40)))
        with pytest.raises(CheckpointError, match="too far from each other"):
            checkpoint.read_into(info, 0, memoryview(bytearray(200)))
