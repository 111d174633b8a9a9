"""Merges that are nearly right: what rounding does not explain is not put down to rounding."""

import pytest
import torch
from adapter_models import DTYPES, Merge
from safetensors.torch import load_file, save_file
from test_merge_check import report_of

from inspect_core.adapters.merges.merge_verdict import Verdict


def summed(made, factor=1.0, scale=1.0, more=0.0):
    """`factor * W + scale * D + more`, each summed in float64 and rounded once."""
    from inspect_core.adapters.effect.factors import factors_of
    from inspect_core.opening import Adapted, open_model

    values = {}
    with open_model(Adapted(made.paths[0], (made.paths[1],))) as model:
        for name in made.targets:
            factors = factors_of(model, model.overlay.targets_of(name)[0])
            change = torch.from_numpy(factors.rows(0, factors.shape[0]).copy())
            noise = more * torch.randn(change.shape, dtype=torch.float64)
            total = factor * made.base[name].double() + scale * change + noise
            values[name] = total.to(made.dtype)
    return values


@pytest.mark.parametrize("size", [0.003, 0.03, 0.3, 3.0])
@pytest.mark.parametrize(
    ("dtype", "factor"),
    [("BF16", 1.01), ("BF16", 0.99), ("BF16", 1.002), ("F16", 1.002), ("F32", 1.000001)],
)
def test_a_rescaled_base_is_no_rounding(tmp_path, dtype, factor, size):
    made = Merge(tmp_path, dtype, size=size)
    made.save(summed(made, factor))
    report = report_of(made)
    assert report.overall == "otherwise", report.line
    assert {one.verdict for one in report.modules} == {Verdict.ELSE}


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_noise_below_a_unit_is_no_rounding(tmp_path, dtype):
    made = Merge(tmp_path, dtype, size=0.01)
    made.save(summed(made, more=2e-4 if dtype == "BF16" else 2e-5))
    assert report_of(made).overall == "otherwise"


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
def test_a_scale_that_is_off_by_little(tmp_path, dtype):
    made = Merge(tmp_path, dtype, size=0.3)
    made.save(summed(made, scale=1.015))
    assert report_of(made).overall != "applied with rounding"


@pytest.mark.parametrize("scale", [-1.0, 2.0])
@pytest.mark.parametrize("size", [0.003, 0.01, 0.03])
def test_small_changes_at_likely_scales(tmp_path, size, scale):
    made = Merge(tmp_path, "BF16", size=size)
    made.save(summed(made, scale=scale))
    report = report_of(made)
    assert report.overall == "at another scale", report.modules
    assert {one.scale for one in report.modules} == {scale}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1e-3, 1e-2, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("adapter_dtype", [None, "same"])
def test_real_merges_of_any_size_are_merges(tmp_path, dtype, size, adapter_dtype):
    made = Merge(tmp_path, dtype, size=size, adapter_dtype=adapter_dtype)
    made.save()
    found = {one.verdict for one in report_of(made).modules}
    assert found <= {Verdict.EXACT, Verdict.CLOSE, Verdict.UNTOLD}


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
@pytest.mark.parametrize("size", [0.01, 0.3, 3.0])
def test_products_made_in_the_narrow_dtype_are_merges(tmp_path, dtype, size):
    """As a GPU makes them: each factor, the product and the scaled product are rounded."""
    made = Merge(tmp_path, dtype, size=size)
    parts = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    values = {}
    for name in made.targets:
        path = f"base_model.model.{name.removesuffix('.weight')}"
        a, b = (parts[f"{path}.lora_{part}.weight"].to(made.dtype) for part in "AB")
        values[name] = made.base[name] + (b @ a) * 2.0
    made.save(values)
    found = {one.verdict for one in report_of(made).modules}
    assert found <= {Verdict.EXACT, Verdict.CLOSE, Verdict.UNTOLD}


def test_a_bias_that_nobody_asked_for(tmp_path):
    made = Merge(tmp_path, "BF16")
    made.save({"a.q.bias": torch.ones(48, dtype=torch.bfloat16)})
    report = report_of(made)
    assert report.extra == ("a.q.bias",)
    assert report.overall == "otherwise"
    assert "1 tensor is new: a.q.bias" in report.line


def test_a_tensor_that_could_not_be_compared(tmp_path):
    made = Merge(tmp_path, "BF16")
    made.save({"norm.weight": torch.zeros(40, dtype=torch.uint8)})
    report = report_of(made)
    assert report.overall == "not told"
    assert "norm.weight" in report.line


@pytest.mark.parametrize(
    "buffer",
    [torch.arange(9), torch.ones(3, 3, dtype=torch.bool), torch.arange(4, dtype=torch.uint8)],
)
def test_buffers_of_indices_may_be_missing(tmp_path, buffer):
    made = Merge(tmp_path, "F32")
    path = tmp_path / "base" / "model.safetensors"
    save_file(load_file(path) | {"embeddings.position_ids": buffer}, path)
    made.save()
    report = report_of(made)
    assert report.overall == "applied with rounding"
    assert report.missing == ()
    assert report.buffers == ("embeddings.position_ids",)
    assert "also missing: embeddings.position_ids, a buffer" in report.line


def test_a_known_buffer_of_floats_may_be_missing(tmp_path):
    made = Merge(tmp_path, "F32")
    path = tmp_path / "base" / "model.safetensors"
    save_file(load_file(path) | {"a.rotary_emb.inv_freq": torch.ones(4)}, path)
    made.save()
    assert report_of(made).overall == "applied with rounding"


def test_packed_weights_are_no_buffers(tmp_path):
    made = Merge(tmp_path, "F32")
    path = tmp_path / "base" / "model.safetensors"
    save_file(load_file(path) | {"a.o.qweight": torch.ones(8, 8, dtype=torch.int32)}, path)
    made.save()
    assert report_of(made).overall == "otherwise"


def test_the_line_speaks_of_weights(tmp_path):
    made = Merge(tmp_path, "F32")
    made.save()
    line = report_of(made).line
    assert "merged into 4 weights" in line
    assert "the rest are within" in line


def test_a_tied_weight_that_is_stored_twice_is_nothing_new(tmp_path):
    made = Merge(tmp_path, "F32")
    made.save({"tied.weight": made.base["head.weight"].clone()})
    assert report_of(made).overall == "applied with rounding"
