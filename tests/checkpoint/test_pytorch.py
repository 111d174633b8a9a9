"""Files that torch.save wrote, against what torch itself reads back."""

import argparse
import os
import subprocess
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import one_tensor, write, write_index
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from inspect_core import diff, module_tree
from inspect_core.checkpoint import Checkpoint, open_checkpoint
from inspect_core.checkpoint.contents import Aside
from inspect_core.errors import CheckpointError

BOTH = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL", torch.complex64: "C64", torch.uint16: "U16",
    torch.uint32: "U32", torch.uint64: "U64", torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2", torch.float8_e4m3fnuz: "F8_E4M3FNUZ",
    torch.float8_e5m2fnuz: "F8_E5M2FNUZ", torch.float8_e8m0fnu: "F8_E8M0",
}  # fmt: skip


def save(value: object, path: Path, zipped: bool = True, **more: Any) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped, **more)
    return path


def content(checkpoint: Checkpoint, name: str) -> bytes:
    tensor = checkpoint.tensors[name]
    buffer = bytearray(tensor.nbytes)
    checkpoint.read_into(tensor, 0, memoryview(buffer))
    return bytes(buffer)


def raw(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().reshape(-1).clone(memory_format=torch.contiguous_format)
    return bytes(flat.view(torch.uint8).numpy()) if flat.numel() else b""


def assert_equal(checkpoint: Checkpoint, expected: dict[str, torch.Tensor]) -> None:
    assert list(checkpoint.tensors) == list(expected)
    for name, tensor in expected.items():
        info = checkpoint.tensors[name]
        assert info.shape == tuple(tensor.shape)
        assert info.dtype == DTYPES[tensor.dtype]
        assert content(checkpoint, name) == raw(tensor)


@BOTH
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_dtype(tmp_path: Path, zipped: bool, protocol: int) -> None:
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for dtype, name in DTYPES.items():
        values = torch.randint(0, 2, (3, 5), generator=generator)
        tensors[f"x.{name}"] = values.to(dtype)
    tensors |= {"scalar": torch.tensor(7.0), "empty": torch.zeros(0, 3), "one": torch.ones(1, 1)}
    path = save(tensors, tmp_path / "x.pt", zipped, pickle_protocol=protocol)
    with open_checkpoint(path) as checkpoint:
        assert (checkpoint.format, checkpoint.metadata, checkpoint.aside) == ("PyTorch", {}, ())
        assert [line for line in checkpoint.warnings if "not compared" not in line] == []
        assert_equal(checkpoint, tensors)


@BOTH
def test_views_and_shared_storages(tmp_path: Path, zipped: bool) -> None:
    x = torch.arange(120.0).reshape(2, 3, 4, 5)
    views = {
        "x": x, "permuted": x.permute(3, 1, 0, 2), "sliced": x[:, 1:, ::2], "tail": x[1],
        "row": x[0, 1, 2], "expanded": torch.ones(1, 3).expand(4, 3), "t": x[0, 0].T,
        "windows": x.view(-1).as_strided((6, 4), (2, 1), 3), "one": x[1:, :, :, 2:3],
    }  # fmt: skip
    with open_checkpoint(save(views, tmp_path / "x.pt", zipped)) as checkpoint:
        assert checkpoint.warnings == ()
        assert_equal(checkpoint, views)
        assert {n for n, t in checkpoint.tensors.items() if t.strides is None} == {
            "x", "tail", "row",
        }  # fmt: skip
        for name, view in views.items():
            tensor, whole = checkpoint.tensors[name], raw(view)
            for offset in range(0, len(whole), 7):
                for size in (1, 4, 11, 64):
                    buffer = bytearray(min(size, len(whole) - offset))
                    checkpoint.read_into(tensor, offset, memoryview(buffer))
                    assert buffer == whole[offset : offset + len(buffer)]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(st.data())
def test_any_view(tmp_path: Path, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    strides = data.draw(st.lists(st.integers(0, 9), min_size=len(shape), max_size=len(shape)))
    offset = data.draw(st.integers(0, 3))
    view = torch.arange(200, dtype=torch.int16).as_strided(shape, strides, offset)
    with open_checkpoint(save({"v": view}, tmp_path / "x.pt")) as checkpoint:
        whole, tensor = raw(view), checkpoint.tensors["v"]
        assert content(checkpoint, "v") == whole
        start = data.draw(st.integers(0, len(whole)))
        buffer = bytearray(data.draw(st.integers(0, len(whole) - start)))
        checkpoint.read_into(tensor, start, memoryview(buffer))
        assert buffer == whole[start : start + len(buffer)]


@pytest.mark.parametrize("most_block", [64, 1000, 1 << 20])
def test_large_views_in_bounded_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_block: int
) -> None:
    monkeypatch.setattr("inspect_core.checkpoint.strided.BLOCK_BYTES", 64)
    monkeypatch.setattr("inspect_core.checkpoint.strided.MOST_BLOCK_BYTES", most_block)
    x = torch.arange(40_000, dtype=torch.int32).reshape(200, 200)
    views = {"t": x.T, "column": x[:, 7], "corner": x[3:90, 100:]}
    with open_checkpoint(save(views, tmp_path / "x.pt")) as checkpoint:
        assert_equal(checkpoint, views)
        monkeypatch.setattr("inspect_core.checkpoint.strided.MAX_READS", 3)
        monkeypatch.setattr("inspect_core.checkpoint.strided.MIN_READS", 3)
        monkeypatch.setattr("inspect_core.checkpoint.strided.BYTES_PER_READ", 1 << 30)
        with pytest.raises(CheckpointError, match=r"too far from each other.*contiguous"):
            content(checkpoint, "column")


def test_a_tensor_that_repeats_its_values_for_ever_is_left_out(tmp_path: Path) -> None:
    wide = torch.ones(1).expand(1 << 40)
    with open_checkpoint(save({"a": torch.ones(2), "w": wide}, tmp_path / "x.pt")) as checkpoint:
        assert list(checkpoint.tensors) == ["a"]
        assert (
            "left out (w: it repeats its values to 4,398,046,511,104 bytes)"
            in (checkpoint.warnings[0])
        )


@BOTH
def test_tied_names(tmp_path: Path, zipped: bool) -> None:
    weight = torch.ones(4, 3)
    tied = {f"m{i}.weight": weight for i in range(6)} | {"part": weight[1:], "b": torch.ones(1)}
    with open_checkpoint(save(tied, tmp_path / "x.pt", zipped)) as checkpoint:
        assert_equal(checkpoint, tied)
        [line] = checkpoint.warnings
        assert "5 tensors share values with another name (m1.weight with m0.weight," in line
        assert "and 2 more" in line


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
        self.head = torch.nn.Linear(4, 3, bias=False)
        self.head.weight = torch.nn.Parameter(self.body[0].weight.detach().T)
        self.again = self.body[0]
        self.register_buffer("table", torch.arange(3), persistent=False)
        self.register_buffer("kept", torch.arange(3))
        self.register_parameter("none", None)
        self.buffer = torch.nn.Buffer(torch.ones(2))
        self.parent = [self]


@BOTH
def test_a_whole_module(tmp_path: Path, zipped: bool) -> None:
    net = Net()
    expected = {name: tensor.detach() for name, tensor in net.state_dict().items()}
    for value in (net, {"model": net, "epoch": 4}, torch.nn.DataParallel(net)):
        names = dict(value.state_dict()) if isinstance(value, torch.nn.Module) else expected
        with open_checkpoint(save(value, tmp_path / "x.pt", zipped)) as checkpoint:
            assert_equal(checkpoint, names)
            text = "\n".join(checkpoint.warnings)
            assert "a whole module was pickled" in text
            assert "its code was not run" in text
            assert "Net" in text
            assert "asks Python for" in text


@BOTH
def test_the_model_in_a_training_checkpoint(tmp_path: Path, zipped: bool) -> None:
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = {
        "epoch": 3, "loss": 0.25, "best": True, "note": "a\x1b[31m", "none": None,
        "optimizer_states": [optimizer.state_dict()], "state_dict": net.state_dict(),
        "lr_schedulers": [{"last_epoch": 3}], "rng_state": torch.get_rng_state(),
        "hyper_parameters": {"lr": 0.1},
    }  # fmt: skip
    with open_checkpoint(save(state, tmp_path / "x.ckpt", zipped)) as checkpoint:
        assert_equal(checkpoint, dict(net.state_dict()))
        assert checkpoint.warnings == ()
        assert checkpoint.metadata == {
            "epoch": "3", "loss": "0.25", "best": "True", "note": "a\\x1b[31m",
        }  # fmt: skip
        moments = 2 * 4 * (6 + 2)
        assert checkpoint.aside == (
            Aside("optimizer_states", 6, moments + 2 * 4),
            Aside("rng_state", 1, torch.get_rng_state().numel()),
        )


@pytest.mark.parametrize(
    ("made", "names", "aside", "warning"),
    [
        ({"model": {"w": 1}}, ["w"], [], ""),
        ({"model": {"state_dict": {"w": 1}, "step": 3}}, ["w"], [], ""),
        ({"module": {"module.a.w": 1}}, ["module.a.w"], [], ""),
        ({"ema": {"w": 1}, "model": {"w": 2}}, ["w"], ["ema"], "shown is 'model' only; beside"),
        ({"model": {}, "net": {"w": 2}}, ["w"], [], ""),
        ({"model": "resnet", "params": {"w": 2}}, ["w"], [], ""),
        ({"generator": {"w": 1}, "critic": {"w": 1}}, ["generator.w", "critic.w"], [], ""),
        ({"a.w": 1, "optimizer": {"state": [1]}}, ["a.w"], ["optimizer"], ""),
        ({"a.w": 1, "optimizer": {"lr": "x"}}, ["a.w"], [], ""),
        ({"state": {0: {"exp_avg": 1}}, "param_groups": []}, ["state.0.exp_avg"], [], ""),
        ({"optimizer": {"state": {0: 1}}}, ["optimizer.state.0"], [], ""),
        ({"amp_layer.w": 1, "rng": 2}, ["amp_layer.w", "rng"], [], ""),
        ([1, {"w": 2}], ["0", "1.w"], [], ""),
        (1, ["tensor"], [], "one tensor without a name"),
        ({}, [], [], "no tensor in this file"),
        ("text", [], [], "no tensor in this file"),
        ({("a", 1): 1, 2: 2}, ["[0]", "2"], [], ""),
        (OrderedDict(a=defaultdict(list, b=1)), ["a.b"], [], ""),
    ],
)
def test_containers(
    tmp_path: Path, made: object, names: list[str], aside: list[str], warning: str
) -> None:
    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            filled = {key: fill(one) for key, one in value.items()}
            return value.__class__(list, filled) if isinstance(value, defaultdict) else filled
        if isinstance(value, list):
            return [fill(one) for one in value]
        number = isinstance(value, int) and value != 3
        return torch.full((value,), float(value)) if number else value

    with open_checkpoint(save(fill(made), tmp_path / "x.pt")) as checkpoint:
        assert list(checkpoint.tensors) == names
        assert [entry.name for entry in checkpoint.aside] == aside
        assert warning in "\n".join(checkpoint.warnings)
        assert bool(warning) == bool(checkpoint.warnings)


def test_foreign_objects_are_named_and_not_made(tmp_path: Path) -> None:
    state = {
        "args": argparse.Namespace(lr=1, path=Path("x")),
        "scores": np.ones(3), "score": np.float64(3), "names": {"a", "b"}, "size": torch.Size([2]),
        "dtype": torch.float32, "device": torch.device("cpu"), "bytes": b"x", "big": 2**100,
        "model": {"w": torch.ones(2)},
    }  # fmt: skip
    for protocol in (2, 4):
        path = save(state, tmp_path / "x.pt", pickle_protocol=protocol)
        with open_checkpoint(path) as checkpoint:
            assert list(checkpoint.tensors) == ["w"]
            [line] = checkpoint.warnings
            assert "asks Python for argparse.Namespace, pathlib" in line
            assert "nothing of it was run" in line


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation")
def test_tensors_of_other_kinds_are_left_out_and_named(tmp_path: Path) -> None:
    class Sub(torch.Tensor):
        pass

    globals()["Sub"] = Sub
    Sub.__qualname__ = "Sub"
    made = {
        "a": torch.ones(2),
        "quantised": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.empty(3, device="meta"),
        "sub": torch.ones(3).as_subclass(Sub),
        "complex": torch.ones(3, dtype=torch.complex128),
        "conjugate": torch.ones(3, dtype=torch.complex64).conj(),
    }
    with open_checkpoint(save(made, tmp_path / "x.pt")) as checkpoint:
        assert list(checkpoint.tensors) == ["a"]
        text = checkpoint.warnings[0]
        assert "6 tensors are left out (quantised: quantised, sparse: sparse, meta: with" in text
    del made["quantised"], made["sparse"], made["meta"]
    with open_checkpoint(save(made, tmp_path / "x.pt")) as checkpoint:
        text = checkpoint.warnings[0]
        assert "sub: of a tensor class of its own, complex: dtype complex128" in text
        assert "conjugate: a view with its conj bit set" in text


def tiny() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {"head.weight": torch.rand(5, 4, generator=generator)} | {
        f"model.layers.{layer}.{part}.weight": torch.rand(4, 6, generator=generator)
        for layer in range(4)
        for part in ("query", "value")
    }


@BOTH
def test_a_bin_file_is_the_same_model_as_its_safetensors(tmp_path: Path, zipped: bool) -> None:
    tensors = tiny()
    save_file(tensors, tmp_path / "model.safetensors")
    transposed = {name: tensor.T.contiguous().T for name, tensor in tensors.items()}
    path = save(transposed, tmp_path / "x.bin", zipped)
    # In one order: the library writes names sorted.
    trees = [
        [(name, [(leaf.name, leaf.spec) for leaf in module.leaves]) for name, module, _ in found]
        for found in (module_tree(uri).root.walk() for uri in (path, tmp_path))
    ]
    assert trees[0] == trees[1]
    report = diff(tmp_path / "model.safetensors", path)
    assert {tensor.status for tensor in report.tensors} == {"identical"}
    transposed["head.weight"] = transposed["head.weight"] + 0.5
    changed = diff(tmp_path / "model.safetensors", save(transposed, path, zipped))
    assert [t.name for t in changed.tensors if t.status == "changed"] == ["head.weight"]
    assert changed.summary.max_abs == pytest.approx(0.5)


def test_sharded_with_an_index(tmp_path: Path) -> None:
    tensors = tiny()
    names = [f"pytorch_model-0000{i}-of-00002.bin" for i in (1, 2)]
    weight_map = {name: names[at % 2] for at, name in enumerate(tensors)}
    for shard in names:
        save({n: tensors[n] for n, at in weight_map.items() if at == shard}, tmp_path / shard)
    size = sum(tensor.nbytes for tensor in tensors.values())
    index = write_index(
        tmp_path / "pytorch_model.bin.index.json", weight_map, metadata={"total_size": size}
    )
    for uri in (tmp_path, index):
        with open_checkpoint(uri) as checkpoint:
            assert checkpoint.warnings == ()
            assert checkpoint.format == "PyTorch"
            assert sorted(checkpoint.tensors) == sorted(tensors)
            assert content(checkpoint, "head.weight") == raw(tensors["head.weight"])
    with open_checkpoint([str(tmp_path / name) for name in names]) as checkpoint:
        assert len(checkpoint.tensors) == len(tensors)
    write(tmp_path / names[0], one_tensor("a"))
    with open_checkpoint(index) as checkpoint:
        assert f"1 shard is broken ({names[0]})" in checkpoint.warnings[0]
    (tmp_path / names[1]).unlink()
    with pytest.raises(CheckpointError, match="a safetensors file; open it by itself"):
        open_checkpoint(index)


def test_shared_values_count_once_in_an_index(tmp_path: Path) -> None:
    weight = torch.ones(4)
    save({"a": weight, "b": weight}, tmp_path / "p.bin")
    index = tmp_path / "p.bin.index.json"
    for size, warnings in ((16, 1), (32, 1), (48, 2)):
        write_index(index, {"a": "p.bin", "b": "p.bin"}, metadata={"total_size": size})
        assert len(open_checkpoint(index).warnings) == warnings


def test_a_name_forbids_and_never_chooses(tmp_path: Path) -> None:
    good = one_tensor("a")
    for name in ("x.bin", "x.pt", "noext", "x.gguf"):
        with open_checkpoint(write(tmp_path / name, good)) as checkpoint:
            assert (list(checkpoint.tensors), checkpoint.format) == (["a"], "safetensors")
    for zipped in (True, False):
        path = save({"a": torch.ones(2)}, tmp_path / "x.safetensors", zipped)
        with pytest.raises(CheckpointError, match=r"PyTorch file; its name .* rename it to \.pt"):
            open_checkpoint(path)
        with open_checkpoint(path.rename(tmp_path / "weights")) as checkpoint:
            assert checkpoint.format == "PyTorch"
    write(tmp_path / "evil.bin", b"\x80\x02.")
    index = write_index(tmp_path / "model.safetensors.index.json", {"a": "evil.bin"})
    with pytest.raises(CheckpointError, match=r"pickle.*; here only safetensors files belong"):
        open_checkpoint(index)


def test_several_formats_together(tmp_path: Path) -> None:
    one = write(tmp_path / "a.safetensors", one_tensor("a"))
    two = save({"b": torch.ones(2)}, tmp_path / "b.pt")
    with open_checkpoint([str(one), str(two)]) as checkpoint:
        assert list(checkpoint.tensors) == ["a", "b"]
        assert checkpoint.format == "safetensors + PyTorch"


def test_aside_adds_up_over_files(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        state = {"model": {name: torch.ones(2)}, "optimizer": {"m": torch.ones(3)}}
        paths.append(str(save(state, tmp_path / f"{name}.pt")))
    with open_checkpoint(paths) as checkpoint:
        assert checkpoint.aside == (Aside("optimizer", 2, 24),)


def test_a_file_that_shrinks(tmp_path: Path) -> None:
    path = save({"w": torch.ones(1000)}, tmp_path / "x.pt")
    with open_checkpoint(path) as checkpoint:
        os.truncate(path, 2000)
        with pytest.raises(CheckpointError, match="changed while it was read"):
            content(checkpoint, "w")


def test_twenty_thousand_tensors(tmp_path: Path) -> None:
    names = [f"model.layers.{i}.weight" for i in range(20_000)]
    path = save(dict(zip(names, torch.rand(20_000, 2).unbind(), strict=True)), tmp_path / "x.pt")
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint.tensors) == names


def test_reading_imports_no_torch(tmp_path: Path) -> None:
    path = save({"w": torch.arange(6.0).reshape(2, 3).T}, tmp_path / "x.pt")
    code = (
        "import sys; from inspect_core.checkpoint import open_checkpoint\n"
        "c = open_checkpoint(sys.argv[1]); t = c.tensors['w']\n"
        "assert not {'numpy', 'torch', 'pickle', 'zipfile'} & set(sys.modules)\n"
        "b = bytearray(t.nbytes); c.read_into(t, 0, memoryview(b))\n"
        "print(*{'torch', 'zipfile'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(arguments, cwd=root, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout.strip()) == ("", "")
