"""Merges that PEFT makes, rightly and wrongly, and what is said of them."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from adapter_models import DTYPES, Merge
from peft import LoraConfig
from peft_models import Model, make
from safetensors.torch import load_file, save_file

from inspect_core.adapters.merges.merge_check import check_merge
from inspect_core.adapters.merges.merge_verdict import Verdict
from inspect_core.checkpoint import open_checkpoint
from inspect_core.control import Control
from inspect_core.errors import Cancelled, UsageError
from inspect_core.opening import Adapted, open_model


@pytest.fixture
def merge(tmp_path):
    return lambda dtype="F32", **config: Merge(tmp_path, dtype, **config)


def report_of(merge, control=None):
    base, adapter, merged = merge.paths
    with (
        open_checkpoint(base) as one,
        open_model(Adapted(base, (adapter,))) as two,
        open_checkpoint(merged) as three,
    ):
        return check_merge(one, two, three, control)


def verdicts(report):
    return {module.weight.rsplit(".", 2)[-2]: module.verdict for module in report.modules}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("adapter_dtype", [None, "same"])
def test_a_real_merge_is_applied(merge, dtype, adapter_dtype):
    made = merge(dtype, adapter_dtype=adapter_dtype)
    made.save()
    report = report_of(made)
    assert len(report.modules) == 4
    assert report.overall in ("applied", "applied with rounding"), report.line
    for module in report.modules:
        assert module.verdict in (Verdict.EXACT, Verdict.CLOSE)
        assert module.most_units <= (1.0 if "16" in dtype else 4.0)
        assert module.exact > 0.6 * module.numel
        assert module.scale == pytest.approx(1.0, abs=0.2)
    assert (report.changed, report.missing, report.extra) == ((), (), ())
    assert report.identical == 2
    assert "other tensors are identical" in report.line
    assert pickle.loads(pickle.dumps(report)) == report


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sum_that_is_rounded_once_is_exact(merge, dtype):
    made = merge(dtype)
    made.save({name: made.rounded_once(name) for name in made.targets})
    report = report_of(made)
    assert report.overall == "applied"
    assert all(module.exact == module.numel for module in report.modules)
    assert report.line.startswith("merged exactly: each value of 4 weights is the rounded sum")


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_neighbouring_value_is_counted(merge, dtype):
    made = merge(dtype)
    values = made.rounded_once("a.q.weight")
    values[3, 5] = torch.nextafter(values[3, 5], torch.tensor(1e9, dtype=values.dtype))
    made.save({name: made.rounded_once(name) for name in made.targets} | {"a.q.weight": values})
    found = report_of(made).modules[0]
    assert found.verdict is Verdict.CLOSE
    assert (found.numel - found.exact, found.adjacent) == (1, 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_forgotten_adapter(merge, dtype):
    made = merge(dtype)
    made.save(made.base)
    report = report_of(made)
    assert report.overall == "not applied"
    assert set(verdicts(report).values()) == {Verdict.NOT_APPLIED}
    assert all(module.scale == 0.0 for module in report.modules)
    assert report.line.startswith("not merged: 4 weights as in the base")


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_module_that_was_missed(merge, dtype):
    made = merge(dtype)
    made.save({"b.q.weight": made.base["b.q.weight"]})
    report = report_of(made)
    assert report.overall == "in part"
    assert [one.weight for one in report.modules if one.verdict is Verdict.NOT_APPLIED] == [
        "b.q.weight"
    ]
    assert "1 not merged" in report.line
    assert "b.q.weight" in report.line


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [0.5, 2.0, -1.0, 0.37])
def test_a_merge_at_another_scale(merge, dtype, scale):
    made = merge(dtype)
    made.save({name: made.rounded_once(name, scale) for name in made.targets})
    report = report_of(made)
    assert report.overall == "at another scale"
    assert set(verdicts(report).values()) == {Verdict.SCALED}, report.modules
    for module in report.modules:
        assert module.scale == pytest.approx(scale, rel=1e-2)
    assert f"scale {scale:.2g}"[:8] in report.line


@pytest.mark.parametrize("dtype", ["F64", "F32", "BF16"])
def test_a_merge_made_twice(merge, dtype):
    made = merge(dtype)
    made.save(made.merged_twice())
    report = report_of(made)
    assert set(verdicts(report).values()) == {Verdict.SCALED}, report.modules
    assert {module.scale for module in report.modules} == {2.0}
    assert "twice" in report.modules[0].note


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_a_mistaken_rslora_scale(merge, dtype):
    made = merge(dtype, use_rslora=True)
    made.save(made.merged_with(use_rslora=False))
    report = report_of(made)
    assert set(verdicts(report).values()) == {Verdict.SCALED}, report.modules
    assert report.modules[0].scale == pytest.approx(0.5)
    assert "half, or alpha / r was taken for alpha / sqrt(r)" in report.modules[0].note


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_part_of_a_weight_that_was_left_out(merge, dtype, axis):
    made = merge(dtype)
    values = made.rounded_once("a.q.weight")
    part = (slice(10, 20), slice(None))[:: 1 if axis == 0 else -1]
    values[part] = made.base["a.q.weight"][part]
    made.save({"a.q.weight": values})
    found = report_of(made).modules[0]
    assert found.verdict is Verdict.PARTLY
    assert found.note == f"{('rows', 'columns')[axis]} 10-19 are as in the base"


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_something_else_is_not_a_merge(merge, dtype):
    made = merge(dtype)
    noise = torch.randn(48, 40, dtype=torch.float64) * 0.01
    noisy = (made.rounded_once("a.q.weight").double() + noise).to(made.dtype)
    made.save({"a.q.weight": noisy})
    found = report_of(made)
    assert found.modules[0].verdict is Verdict.ELSE
    assert "explains" in found.modules[0].note
    assert found.modules[0].residual > 0.1
    assert found.overall == "otherwise"


def test_a_value_that_became_nan(merge):
    made = merge()
    values = made.rounded_once("a.q.weight")
    values[0, 0] = torch.nan
    made.save({"a.q.weight": values})
    found = report_of(made).modules[0]
    assert found.verdict is Verdict.ELSE
    assert "1 values are NaN" in found.note


def test_what_the_adapter_does_not_touch(merge):
    made = merge()
    other = made.base["norm.weight"] + 1.0
    made.save({"norm.weight": other, "more": torch.ones(2)}, without=("head.weight",))
    report = report_of(made)
    assert report.changed == ("norm.weight",)
    assert report.missing == ("head.weight",)
    assert report.extra == ("more",)
    assert report.overall == "otherwise"
    assert "norm.weight" in report.line
    assert "head.weight" in report.line


def test_a_merge_saved_in_a_narrower_dtype(merge):
    made = merge("F32")
    merged = made.peft_merged()
    made.save({name: value.bfloat16() for name, value in merged.items()})
    report = report_of(made)
    assert report.overall in ("applied", "applied with rounding"), report.line
    assert (report.identical, report.rounded) == (2, 2)
    made.save({name: value.bfloat16() for name, value in made.base.items()})
    assert report_of(made).overall == "not applied"


def test_changes_below_the_rounding_cannot_be_told(merge):
    made = merge("BF16", size=1e-9)
    made.save()
    report = report_of(made)
    assert report.overall == "not told"
    assert set(verdicts(report).values()) == {Verdict.UNTOLD}


def test_an_adapter_that_never_trained(merge):
    made = merge("F32", size=0.0)
    made.save()
    report = report_of(made)
    assert set(verdicts(report).values()) == {Verdict.NOTHING}
    assert report.overall == "not told"


@pytest.mark.parametrize("dtype", ["F64", "F32", "BF16"])
@pytest.mark.parametrize("kind", ["dora", "ia3"])
def test_methods_that_depend_on_the_base(merge, dtype, kind):
    made = merge(dtype, kind=kind)
    made.save()
    report = report_of(made)
    assert report.overall in ("applied", "applied with rounding"), report.modules
    made.save(made.base)
    assert report_of(made).overall == "not applied"


def test_nothing_on_it_and_nobody_waiting(merge):
    made = merge()
    made.save()
    with open_checkpoint(made.paths[0]) as base, pytest.raises(UsageError, match="no adapter"):
        check_merge(base, base, base)
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        report_of(made, control)


def test_large_weights_are_read_in_blocks(merge, monkeypatch):
    from inspect_core.adapters.merges import merge_sums

    made = merge("BF16")
    values = made.rounded_once("a.q.weight")
    values[10:20] = made.base["a.q.weight"][10:20]
    made.save({"a.q.weight": values})
    whole = report_of(made)
    monkeypatch.setattr(merge_sums, "BLOCK_VALUES", 77)
    parts = report_of(made)
    for one, other in zip(whole.modules, parts.modules, strict=True):
        assert (one.verdict, one.exact, one.adjacent, one.same, one.note) == (
            other.verdict, other.exact, other.adjacent, other.same, other.note,
        )  # fmt: skip
        assert one.scale == pytest.approx(other.scale)
    assert np.isfinite(parts.modules[0].scale)


def test_weights_that_are_stored_the_other_way_round(tmp_path):
    config = LoraConfig(r=2, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True)
    made = make(tmp_path, config, Model(turned=True), torch.float32)
    merged = tmp_path / "merged.safetensors"
    save_file({name: value.contiguous() for name, value in made.merged.items()}, merged)
    paths = made.base, made.adapter, str(merged)
    report = report_of(SimpleNamespace(paths=paths))
    assert len(report.modules) == 4
    assert report.overall in ("applied", "applied with rounding"), report.line
    left_out = dict(made.merged)
    name = "layers.0.c_attn.weight"
    left_out[name] = made.merged[name].clone()
    left_out[name][:, 12:24] = made.before[name][:, 12:24]
    save_file({key: value.contiguous() for key, value in left_out.items()}, merged)
    report = report_of(SimpleNamespace(paths=paths))
    assert report.overall == "in part"
    assert "columns 12-23 are as in the base" in [module.note for module in report.modules]


def test_names_with_a_prefix_of_their_own(merge):
    made = merge()
    made.save()
    path = made.folder / "merged" / "model.safetensors"
    save_file({f"model.{name}": value for name, value in load_file(path).items()}, path)
    report = report_of(made)
    assert report.overall == "applied with rounding", report.line
    assert report.modules[0].merged_name == "model.a.q.weight"


def test_two_adapters_merged_one_after_the_other(merge, tmp_path):
    made = merge("F64")
    base, adapter, merged = made.paths
    (tmp_path / "other").mkdir()
    other = Merge(tmp_path / "other", "F64", kind="ia3")
    made.save()
    with (
        open_checkpoint(base) as one,
        open_model(Adapted(base, (adapter, other.paths[1]))) as both,
        open_checkpoint(merged) as three,
    ):
        report = check_merge(one, both, three)
    assert report.modules[0].method == "LoRA + IA3"
    assert report.overall == "otherwise", "only the first of them was merged"


@pytest.mark.parametrize("dtype", ["F64", "F32"])
def test_single_values_that_were_left_out(merge, dtype):
    made = merge(dtype)
    values = made.peft_merged()["a.q.weight"]
    left_out = torch.rand(values.shape, generator=torch.Generator().manual_seed(1)) < 0.25
    values[left_out] = made.base["a.q.weight"][left_out]
    made.save({"a.q.weight": values})
    found = report_of(made).modules[0]
    assert found.verdict is Verdict.PARTLY
    share = 1.0 - float(left_out.double().mean())
    assert found.note.startswith(f"{share:.1%}")


def test_nan_in_the_base_stays_and_tells_nothing(merge):
    made = merge()
    made.base["a.q.weight"][4, :3] = torch.nan
    save_file(made.base, made.folder / "base" / "model.safetensors")
    made.save({name: made.rounded_once(name) for name in made.targets})
    assert report_of(made).modules[0].verdict is Verdict.EXACT
    made.save(made.base)
    assert report_of(made).modules[0].verdict is Verdict.NOT_APPLIED
