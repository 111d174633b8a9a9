"""`check`: what a checkpoint is, and what is found in it."""

import json
import struct

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter, quants
from health_files import CONFIG, PEFT, f32, filled, pair, write_adapter, write_safetensors

from inspect_core import check
from inspect_core.control import Control
from inspect_core.delta.compare import Comparer
from inspect_core.delta.kernel import CpuKernel
from inspect_core.errors import Cancelled, CheckpointError
from inspect_core.health.findings import headline
from inspect_core.health.job import CheckHealth
from inspect_core.health.report import to_json
from inspect_core.health.values import Values, look
from inspect_core.work.backend import Threads

NAN, INF = float("nan"), float("inf")


def checked(tmp_path, tensors, **more):
    return check(str(write_safetensors(tmp_path / "m.safetensors", tensors, **more)))


def lines(report, severity):
    return [headline(finding) for finding in report.of(severity)]


# --- values


def test_nonfinite_values_are_problems(tmp_path):
    report = checked(
        tmp_path,
        {"good": f32(1, 2), "bad": f32(NAN, INF, -INF, 0, 1, -0.0), "worse": f32(NAN, NAN)},
    )
    assert lines(report, "problem") == [
        "bad: 1 NaN, 1 inf, 1 -inf of 6 values",
        "worse: 2 NaN of 2 values",
    ]
    assert not report.sound
    assert [tensor.values.nonfinite for tensor in report.tensors] == [0, 3, 2]


def test_bytes_that_are_no_bool_are_a_problem(tmp_path):
    report = checked(tmp_path, {"mask": ("BOOL", (4,), bytes([0, 1, 2, 255]))})
    assert lines(report, "problem") == ["mask: 2 of 4 values are neither 0 nor 1"]


def test_values_near_the_limit_are_a_warning(tmp_path):
    half = np.array([65504, -65504, 65504, 1], "<f2").tobytes()
    report = checked(tmp_path, {"h": ("F16", (4,), half), "f": f32(3.4e38, -3.4e38, 1)})
    assert lines(report, "warning") == [
        "h: 3 of 4 values within 1% of the limit of F16, 65504",
        "f: 2 of 3 values within 1% of the limit of F32, 3.40282e+38",
    ]
    assert report.sound


def test_scaled_bytes_reach_their_limit_by_design(tmp_path):
    report = checked(tmp_path, {"w": ("F8_E4M3", (3,), bytes([0x7E, 0xFE, 0x38]))})
    assert report.findings == ()
    assert report.tensors[0].values.high == 448.0


def test_constants_are_notes(tmp_path):
    tensors = {
        "a.bias": f32(0, 0), "b.bias": f32(0, -0.0), "norm": f32(1, 1, 1), "half": f32(0.5, 0.5),
        "ids": ("I64", (2,), struct.pack("<2q", 2**62, 2**62)), "one": f32(7, shape=()),
        "mixed": f32(0, 1), "empty": f32(shape=(0, 5)),
    }  # fmt: skip
    report = checked(tmp_path, tensors)
    assert lines(report, "note") == [
        "2 tensors: all zero (a.bias, b.bias)",
        "norm: every value is 1",
        "half: every value is 0.5",
        f"ids: every value is {2**62}",
    ]
    assert report.sound
    assert len(report.findings) == 4


def test_denormals_and_unaligned_values_are_ordinary(tmp_path):
    tensors = {"odd": ("U8", (1,), b"\x01"), "w": f32(1e-45, 1e-40, -1e-39, 0)}
    assert checked(tmp_path, tensors).findings == ()


def test_dtypes_that_diff_does_not_read(tmp_path):
    report = checked(tmp_path, {
        "c": ("C64", (1,), f32(1, NAN)[2]), "e8": ("F8_E8M0", (2,), bytes([127, 255])),
        "f4": ("F4", (4,), b"\x12\x34"),
    })  # fmt: skip
    assert lines(report, "problem") == ["c: 1 NaN of 2 values", "e8: 1 NaN of 2 values"]
    assert lines(report, "note") == ["c: of C64, which diff does not compare"]
    assert [line.split(" is ")[0] for line in lines(report, "warning")] == [
        "1 tensor of F8_E8M0",
        "1 tensor of F4",
    ]
    assert report.tensors[2].values is None


@pytest.mark.parametrize("threads", [1, 3])
def test_large_tensors_are_the_sum_of_their_chunks(monkeypatch, tmp_path, threads):
    from inspect_core.checkpoint import open_checkpoint
    from inspect_core.delta import compare

    monkeypatch.setattr(compare, "CHUNK_VALUES", 1000)
    rng = np.random.default_rng(5)
    shapes = [(), (0,), (999,), (1000,), (1001,), (7, 5000), (3,)]
    raws = [rng.integers(0, 256, 2 * int(np.prod(shape)), np.uint8) for shape in shapes]
    tensors = {
        str(at): ("BF16", shape, raw.tobytes())
        for at, (shape, raw) in enumerate(zip(shapes, raws, strict=True))
    }
    path = write_safetensors(tmp_path / "m.safetensors", tensors)
    progress = []
    with open_checkpoint(str(path)) as checkpoint:
        comparer = Comparer(CpuKernel(), threads)
        infos = list(checkpoint.tensors.values())
        parts = comparer.measured(checkpoint, infos, look, Control(progress.append))
        seen = [Values()] * len(infos)
        for at, part in parts:
            seen[at] = seen[at] + part
    assert seen == [look(raw, "BF16") for raw in raws]
    assert [values.numel for values in seen] == [info.numel for info in infos]
    total = sum(raw.size for raw in raws)
    assert (progress[-1].done, progress[-1].bytes_done) == (len(infos), total)
    assert all(step.bytes_done <= total for step in progress)


# --- files


def test_without_values_only_the_files_are_looked_at(tmp_path):
    path = write_safetensors(tmp_path / "m.safetensors", {"w": f32(NAN)})
    report = check(str(path), values=False)
    assert report.sound
    assert (report.values_read, report.bytes_read) == (False, 0)
    assert report.tensors[0].values is None


def test_missing_and_broken_parts_are_problems(tmp_path):
    write_safetensors(tmp_path / "a.safetensors", {"a": f32(1, 2)})
    (tmp_path / "b.safetensors").write_bytes(b"nothing")
    shard_of = {name: f"{name}.safetensors" for name in "abc"}
    shard_of["lost"] = "a.safetensors"
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shard_of}))
    found = lines(check(str(tmp_path)), "problem")
    assert [line.split(" (")[0] for line in found] == [
        "1 shard is broken",
        "1 shard is missing",
        "1 tensor of the index",
    ]


def test_a_set_that_is_not_whole_is_a_problem(tmp_path):
    write_safetensors(tmp_path / "m-00001-of-00002.safetensors", {"a": f32(1, 2)})
    (line,) = lines(check(str(tmp_path)), "problem")
    assert line.startswith("1 of 2 files are missing")


def test_an_odd_index_is_a_warning(tmp_path):
    write_safetensors(tmp_path / "a.safetensors", {"a": f32(1, 2)})
    index = {"weight_map": {"a": "a.safetensors"}, "metadata": {"total_size": 7}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    report = check(str(tmp_path))
    assert (len(report.of("warning")), report.sound) == (1, True)


def test_what_cannot_be_read_raises(tmp_path):
    with pytest.raises(CheckpointError):
        check(str(tmp_path / "no.safetensors"))


def test_cancelled(tmp_path):
    path = write_safetensors(tmp_path / "m.safetensors", {"w": f32(1, 2)})
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        check(str(path), control=control)


# --- what it is


def test_a_model_and_bare_weights(tmp_path):
    weights = {"model.w": filled(2, 3), "b": ("BF16", (2,), b"\0\0\x80\x3f")}
    report = checked(tmp_path, weights)
    assert (report.identity.kind, report.identity.family) == ("weights", None)
    assert (report.identity.parameters, report.identity.nbytes) == (8, 28)
    assert report.identity.dtypes == {"F32": 1, "BF16": 1}
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 8}
    (tmp_path / "config.json").write_text(json.dumps(config))
    report = check(str(tmp_path))
    assert (report.identity.kind, report.identity.family) == ("model", "LlamaForCausalLM")
    assert "no tokenizer lies beside the weights" in lines(report, "note")
    (tmp_path / "tokenizer.json").write_text("{}")
    assert "no tokenizer lies beside the weights" not in lines(check(str(tmp_path)), "note")


@pytest.mark.parametrize("classes", [[], [3], "LlamaModel", None])
def test_a_family_by_the_model_type(tmp_path, classes):
    write_safetensors(tmp_path / "model.safetensors", {"w": f32(1, 2)})
    config = {"architectures": classes, "model_type": "llama"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert check(str(tmp_path)).identity.family == "llama"


def test_an_optimizer(tmp_path):
    state = {"optimizer.state.0.exp_avg": f32(1, 2), "optimizer.state.0.exp_avg_sq": f32(1, 2)}
    assert checked(tmp_path, state).identity.kind == "optimizer state"
    assert checked(tmp_path, {**state, "w": f32(1)}).identity.kind == "training checkpoint"
    empty = checked(tmp_path, {})
    assert (empty.identity.kind, lines(empty, "note")) == ("nothing", ["it holds no tensors"])


def test_a_pytorch_training_checkpoint(tmp_path):
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    path = tmp_path / "step.pt"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    report = check(str(path))
    assert (report.identity.kind, report.identity.format) == ("training checkpoint", "PyTorch")
    assert any(line.startswith("beside the model: optimizer") for line in lines(report, "note"))


def test_quantised_values_are_looked_at_decoded(tmp_path):
    blocks = quants.quantize(np.linspace(-1, 1, 64, dtype=np.float32), GGMLQuantizationType.Q8_0)
    broken = blocks.copy()
    broken[34:36] = [0x00, 0x7C]  # the second block's scale, an infinite half
    path = tmp_path / "m.gguf"
    writer = GGUFWriter(path, "llama")
    for name, raw in (("good", blocks), ("broken", broken)):
        writer.add_tensor(name, raw, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    report = check(str(path))
    assert (report.identity.kind, report.identity.family) == ("model", "llama")
    good, bad = report.tensors
    assert (good.values.numel, good.values.nonfinite) == (64, 0)
    assert (good.values.low, good.values.high) == pytest.approx((-1, 1), abs=1e-3)
    assert bad.values.nonfinite == 32
    assert [finding.tensors for finding in report.of("problem")] == [("broken",)]


# --- adapters


def test_a_trained_adapter(tmp_path):
    report = check(str(write_adapter(tmp_path)))
    assert (report.identity.kind, report.identity.adapter.rank) == ("adapter", 4)
    assert lines(report, "note") == [f"{PEFT}lora_B.weight: every value is 1"]
    assert lines(report, "warning") == []


def test_an_adapter_that_never_trained(tmp_path):
    tensors = {**pair(b=0.0), **pair("base_model.model.x.k_proj.", b=0.0)}
    report = check(str(write_adapter(tmp_path, tensors=tensors)))
    (line,) = lines(report, "warning")
    assert line.startswith("2 tensors: all zero in every module: this adapter was never trained")
    assert lines(report, "note") == []
    assert report.sound


def test_an_adapter_trained_in_part(tmp_path):
    tensors = {**pair(b=0.0), **pair("base_model.model.x.k_proj.")}
    (line,) = lines(check(str(write_adapter(tmp_path, tensors=tensors))), "warning")
    assert line == f"{PEFT}lora_B.weight: all zero: 1 of 2 modules change nothing"


def test_a_target_that_nothing_belongs_to(tmp_path):
    config = {**CONFIG, "target_modules": ["q_proj", "v_proj"]}
    (line,) = lines(check(str(write_adapter(tmp_path, config))), "warning")
    assert line == "no tensor belongs to what target_modules names: v_proj"


# --- the job and the JSON


def test_the_job_gives_the_same_report(tmp_path):
    path = str(write_safetensors(tmp_path / "m.safetensors", {"w": f32(1, NAN)}))
    backend = Threads()
    try:
        report = backend.submit(CheckHealth(path)).result(30)
    finally:
        backend.close()
    assert to_json(report) == to_json(check(path))


def test_json(tmp_path):
    name, key = "w\x1b[31m\u202e", "k\x1b"
    report = checked(
        tmp_path, {name: f32(1, NAN, 3), "f4": ("F4", (2,), b"\0")}, metadata={key: "v"}
    )
    text = to_json(report)
    assert text.isascii()
    assert "\x1b" not in text
    found = json.loads(text)
    assert found["metadata"] == {key: "v"}
    assert found["counts"] == {"problem": 1, "warning": 1, "note": 0}
    assert (found["sound"], found["kind"], found["parameters"]) == (False, "weights", 5)
    assert found["findings"][0] == {
        "severity": "problem", "kind": "nonfinite", "tensors": [name], "text": "1 NaN of 3 values",
    }  # fmt: skip
    assert found["tensors"][0] == {
        "name": name, "dtype": "F32", "shape": [3], "numel": 3,
        "values": {
            "numel": 3, "nan": 1, "plus_inf": 0, "minus_inf": 0, "near_limit": 0, "odd_bools": 0,
            "low": 1.0, "high": 3.0,
        },
    }  # fmt: skip
    assert found["tensors"][1]["values"] is None


def test_json_of_an_adapter(tmp_path):
    found = json.loads(to_json(check(str(write_adapter(tmp_path)))))
    assert (found["kind"], found["family"]) == ("adapter", None)
    assert (found["adapter"]["type"], found["adapter"]["target_modules"]) == ("LORA", ["q_proj"])
