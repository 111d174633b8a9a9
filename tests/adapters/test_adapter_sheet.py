"""What a sheet says of each module, against the changes as PEFT merges them."""

import pickle

import numpy as np
import peft
import pytest
import torch
from adapter_models import Merge
from peft_models import Mixture, make
from safetensors.torch import load_file, save_file

from inspect_core.adapters.exact import adapter_sheet as module
from inspect_core.adapters.exact.adapter_sheet import adapter_sheet
from inspect_core.control import Control
from inspect_core.errors import Cancelled, UsageError
from inspect_core.opening import Adapted, open_model
from inspect_core.work.adapter_jobs import FindAdapterSheet
from inspect_core.work.context import JobContext, Shelf


def sheet_of(base, adapter, **how):
    with open_model(Adapted(base, (adapter,))) as checkpoint:
        return adapter_sheet(checkpoint, **how)


def deltas(made):
    return {
        name: (made.merged[name] - before).double().numpy().reshape(len(before), -1)
        for name, before in made.before.items()
        if name in made.merged and not torch.equal(made.merged[name], before)
    }


CONFIGS = {
    "lora": peft.LoraConfig(r=3, lora_alpha=6, target_modules=["q_proj", "conv"]),
    "rslora": peft.LoraConfig(r=4, lora_alpha=6, target_modules=["up"], use_rslora=True),
    "loha": peft.LoHaConfig(r=2, target_modules=["q_proj"]),
    "lokr": peft.LoKrConfig(r=2, target_modules=["q_proj", "up"]),
}


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("with_base", [False, True])
def test_numbers_from_factors_are_those_of_the_merge(tmp_path, kind, with_base):
    made = make(tmp_path, CONFIGS[kind])
    found, expected = sheet_of(made.base, made.adapter, with_base=with_base), deltas(made)
    assert {row.weight for row in found.modules} == set(expected)
    for row in found.modules:
        change = expected[row.weight]
        values = np.linalg.svd(change, compute_uv=False)
        kept = values[values > 1e-12 * values[0]]
        shares = kept / kept.sum()
        assert row.l2 == pytest.approx(np.linalg.norm(change), rel=1e-10)
        assert row.energy == pytest.approx(np.square(change).sum(), rel=1e-10)
        assert row.largest == pytest.approx(values[0], rel=1e-10)
        entropy = np.exp(-(shares * np.log(shares)).sum())
        assert row.effective_rank == pytest.approx(entropy, rel=1e-8)
        assert row.never_trained is False
        assert (row.nonfinite, row.note) == (0, "")
        base = made.before[row.weight].numpy()
        if with_base:
            assert row.rel_l2 == pytest.approx(row.l2 / np.linalg.norm(base), rel=1e-12)
        else:
            assert row.rel_l2 is None
    total = np.linalg.norm([np.linalg.norm(change) for change in expected.values()])
    assert found.l2 == pytest.approx(total, rel=1e-10)
    assert found.unknown == 0
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize("kind", ["dora", "ia3"])
def test_what_depends_on_the_base_is_computed_where_it_may_be_read(tmp_path, kind):
    made = Merge(tmp_path, "F64", kind=kind)
    base, adapter, _ = made.paths
    for row in sheet_of(base, adapter).modules:
        assert row.l2 is None
        assert "needs reading" in row.note
        assert "of the base: not computed" in row.note
        assert row.never_trained is False
    merged = made.peft_merged()
    for row in sheet_of(base, adapter, with_base=True).modules:
        change = (merged[row.weight] - made.base[row.weight]).double().norm()
        assert row.l2 == pytest.approx(float(change), rel=1e-6)
        assert row.base_l2 == pytest.approx(float(made.base[row.weight].norm()))
    alone = sheet_of(None, adapter)
    assert all("needs" in row.note or "base" in row.note for row in alone.modules)


def test_experts_in_one_tensor_are_measured_together(tmp_path):
    torch.manual_seed(1)
    config = peft.LoraConfig(r=2, target_modules=[], target_parameters=["experts.down"])
    made = make(tmp_path, config, Mixture())
    [row] = sheet_of(made.base, made.adapter).modules
    change = deltas(made)[row.weight]
    assert row.l2 == pytest.approx(np.linalg.norm(change), rel=1e-10)
    each = change.reshape(made.before[row.weight].shape)
    tops = [np.linalg.svd(one, compute_uv=False)[0] for one in each]
    assert row.largest == pytest.approx(max(tops), rel=1e-10)


def test_a_product_without_small_factors_is_made_to_be_measured(tmp_path, monkeypatch):
    made = make(tmp_path, peft.LoHaConfig(r=5, target_modules=["q_proj"]))
    for row in sheet_of(made.base, made.adapter).modules:
        assert row.l2 == pytest.approx(np.linalg.norm(deltas(made)[row.weight]), rel=1e-10)
        assert row.largest is None
        assert "made" in row.note
    monkeypatch.setattr(module, "MOST_MADE", 10)
    for row in sheet_of(made.base, made.adapter).modules:
        assert row.l2 is None
        assert "not computed" in row.note


def rewrite(folder, change):
    path = f"{folder}/adapter_model.safetensors"
    save_file({name: change(name, value) for name, value in load_file(path).items()}, path)


def test_an_adapter_that_never_trained(tmp_path):
    made = Merge(tmp_path)
    base, adapter, _ = made.paths
    rewrite(adapter, lambda name, x: torch.zeros_like(x) if "a.q.lora_B" in name else x)
    found = sheet_of(base, adapter)
    assert found.untrained == ("a.q",)
    assert found.modules[0].l2 == 0.0
    assert "1 of 4 modules" in found.remarks[0]
    rewrite(adapter, lambda name, x: torch.zeros_like(x) if "lora_B" in name else x)
    assert "all modules" in sheet_of(base, adapter).remarks[0]


@pytest.mark.parametrize("kind", ["dora", "ia3"])
def test_one_that_never_trained_and_depends_on_its_base(tmp_path, kind):
    made = Merge(tmp_path, kind=kind, size=0.0)
    if kind == "ia3":
        rewrite(made.paths[1], lambda name, x: torch.ones_like(x))
    assert len(sheet_of(*made.paths[:2]).untrained) == 4


def test_values_that_are_not_finite_are_counted(tmp_path):
    made = Merge(tmp_path)
    base, adapter, _ = made.paths

    def spoil(name, value):
        value = value.clone()
        if "b.v.lora_A" in name:
            value[0, :3] = torch.nan
        return value

    rewrite(adapter, spoil)
    found = sheet_of(base, adapter)
    row = next(row for row in found.modules if row.module == "b.v")
    assert row.nonfinite == 3
    assert np.isnan(row.l2)
    assert (row.largest is None or np.isnan(row.largest), row.effective_rank) == (True, None)
    assert any("NaN" in remark and "b.v" in remark for remark in found.remarks)


def test_tensors_saved_whole(tmp_path):
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["head"])
    made = make(tmp_path, config)
    rows = {row.weight: row for row in sheet_of(made.base, made.adapter, with_base=True).modules}
    change = made.merged["head.weight"] - made.before["head.weight"]
    assert rows["head.weight"].l2 == pytest.approx(float(change.norm()), rel=1e-10)
    rows = {row.weight: row for row in sheet_of(made.base, made.adapter).modules}
    assert rows["head.weight"].l2 is None
    assert "needs reading" in rows["head.weight"].note


def test_the_job_gives_the_same_and_can_be_stopped(tmp_path):
    made = Merge(tmp_path)
    base, adapter, _ = made.paths
    seen = []
    context = JobContext(Shelf(), Control(seen.append), lambda part: None)
    job = FindAdapterSheet(Adapted(base, (adapter,)))
    assert pickle.loads(pickle.dumps(job)) == job
    assert job.run(context) == sheet_of(base, adapter)
    assert (seen[-1].done, seen[-1].total) == (4, 4)
    context.control.cancel()
    with pytest.raises(Cancelled):
        job.run(context)
    with open_model(base) as plain, pytest.raises(UsageError, match="no adapter"):
        adapter_sheet(plain)
