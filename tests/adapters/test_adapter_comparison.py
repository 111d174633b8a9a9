"""Two adapters against each other, held to the changes as matrices."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from adapter_models import Merge
from safetensors.torch import load_file, save_file

from inspect_core.adapters.exact.adapter_comparison import SAME_START, compare_adapters
from inspect_core.control import Control
from inspect_core.errors import UsageError
from inspect_core.opening import Adapted, open_model
from inspect_core.work.adapter_jobs import CheckMerge, CompareAdapters
from inspect_core.work.context import JobContext, Shelf


@pytest.fixture
def two(tmp_path):
    """An adapter, and another with its own numbers, on the same base."""
    one = Merge(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    config = Path(one.paths[1], "adapter_config.json").read_text()
    (other / "adapter_config.json").write_text(config)
    torch.manual_seed(11)
    weights = load_file(f"{one.paths[1]}/adapter_model.safetensors")
    save_file(
        {name: 0.1 * torch.randn_like(value) for name, value in weights.items()},
        other / "adapter_model.safetensors",
    )
    return one, str(other)


def compared(one, other, bases=(None, None)):
    uris = [Adapted(base, (path,)) for base, path in zip(bases, (one, other), strict=True)]
    with open_model(uris[0]) as first, open_model(uris[1]) as second:
        return compare_adapters(first, second)


def change(folder, module):
    weights = load_file(f"{folder}/adapter_model.safetensors")
    a, b = (
        weights[f"base_model.model.{module}.lora_{half}.weight"].double().numpy() for half in "AB"
    )
    return 2.0 * b @ a


def test_numbers_are_those_of_the_matrices(two):
    made, other = two
    report = compared(made.paths[1], other)
    modules = ["a.q", "a.v", "b.q", "b.v"]
    assert [one.module for one in report.modules] == modules
    ours, theirs = ([change(folder, name) for name in modules] for folder in (made.paths[1], other))
    for found, first, second in zip(report.modules, ours, theirs, strict=True):
        size = np.linalg.norm(first) * np.linalg.norm(second)
        assert found.overlap.cosine == pytest.approx(np.vdot(first, second) / size, rel=1e-9)
        assert found.overlap.rel_l2 == pytest.approx(
            np.linalg.norm(first - second) / np.linalg.norm(second), rel=1e-9
        )
        assert found.overlap.input.ranks == (4, 4)
        assert found.overlap.input.expected == 4 / 40
        assert (found.methods, found.ranks, found.note) == (("LoRA", "LoRA"), (4, 4), "")
    whole, others = (np.concatenate([one.ravel() for one in each]) for each in (ours, theirs))
    assert report.l2[0] == pytest.approx(np.linalg.norm(whole), rel=1e-10)
    cosine = whole @ others / np.linalg.norm(whole) / np.linalg.norm(others)
    assert report.cosine == pytest.approx(cosine, rel=1e-9)
    far = np.linalg.norm(whole - others) / np.linalg.norm(others)
    assert report.rel_l2 == pytest.approx(far, rel=1e-9)
    mean, expected = report.mean_overlap("input")
    assert expected == pytest.approx(0.1)
    assert 0.0 < mean < 0.5
    assert (report.only_one, report.only_other, report.remarks) == ((), (), ())
    assert pickle.loads(pickle.dumps(report)) == report


def test_an_adapter_is_itself_on_a_base_or_alone(two):
    made, _ = two
    base, adapter, _ = made.paths
    for bases in ((None, None), (base, base), (base, None)):
        report = compared(adapter, adapter, bases)
        assert report.cosine == pytest.approx(1.0)
        assert report.rel_l2 == pytest.approx(0.0, abs=1e-12)
        assert all(one.overlap.output.full == pytest.approx(1.0) for one in report.modules)


def test_modules_that_only_one_of_them_has(two):
    made, other = two
    path = f"{other}/adapter_model.safetensors"
    save_file({name: x for name, x in load_file(path).items() if ".a.q." not in name}, path)
    report = compared(made.paths[1], other)
    assert report.only_one == ("a.q.weight",)
    assert len(report.modules) == 3
    assert compared(other, made.paths[1]).only_other == ("a.q.weight",)


def test_names_that_differ_by_a_prefix(two):
    made, other = two
    path = f"{other}/adapter_model.safetensors"
    renamed = {
        name.replace("base_model.model.", "base_model.model.deep."): value
        for name, value in load_file(path).items()
    }
    plain = compared(made.paths[1], other)
    save_file(renamed, path)
    for report in (compared(made.paths[1], other), compared(other, made.paths[1])):
        assert len(report.modules) == 4
        assert report.cosine == pytest.approx(plain.cosine)
        assert (report.only_one, report.only_other) == ((), ())


def test_one_random_start_is_told_from_one_task(two):
    made, other = two
    ours = load_file(f"{made.paths[1]}/adapter_model.safetensors")
    path = f"{other}/adapter_model.safetensors"
    save_file(
        {n: ours[n] if "lora_A" in n else value for n, value in load_file(path).items()}, path
    )
    report = compared(made.paths[1], other)
    assert report.mean_overlap("input")[0] == pytest.approx(1.0)
    assert report.mean_overlap("output")[0] < 0.5
    assert SAME_START in report.remarks


def test_what_has_no_numbers_says_why(two, tmp_path):
    made, other = two
    path = Path(other, "adapter_model.safetensors")
    weights = load_file(path)
    for name in weights:
        if ".a.q.lora_B" in name:
            weights[name] = torch.zeros_like(weights[name])
        if ".b.q.lora_B" in name:
            weights[name] = torch.randn(20, 4)
    save_file(weights, path)
    report = compared(made.paths[1], other)
    notes = {one.module: one.note for one in report.modules}
    assert "never trained" in notes["a.q"]
    assert "shapes" in notes["b.q"]
    assert report.modules[2].overlap is None
    assert "1 of 4 weights have no numbers" in report.remarks
    dora = Merge(tmp_path, kind="dora")
    config = json.loads(Path(dora.paths[1], "adapter_config.json").read_text())
    assert config["use_dora"]
    assert all(one.note for one in compared(dora.paths[1], other).modules)
    assert compared(dora.paths[1], other).cosine is None


def test_jobs_give_the_same(two):
    made, other = two
    base, adapter, merged = made.paths
    made.save()
    context = JobContext(Shelf(), Control(), lambda part: None)
    job = CompareAdapters(Adapted(None, (adapter,)), Adapted(None, (other,)))
    assert job.run(context) == compared(adapter, other)
    merge = CheckMerge(base, Adapted(base, (adapter,)), merged)
    assert merge.run(context).overall == "applied with rounding"
    for one in (job, merge):
        assert pickle.loads(pickle.dumps(one)) == one
    with open_model(base) as plain, pytest.raises(UsageError, match="no adapter"):
        compare_adapters(plain, plain)
