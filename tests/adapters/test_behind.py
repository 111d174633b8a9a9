"""When a difference is exactly known factors, and what the app then asks of them."""

import numpy as np
import pytest
import torch
from adapter_models import Merge
from peft import LoHaConfig, LoKrConfig, LoraConfig
from peft_models import make, values_of
from safetensors.torch import load_file, save_file

from inspect_core.adapters.exact import behind
from inspect_core.adapters.exact.behind import FactorFacts, change_in_factors, factors_behind
from inspect_core.adapters.exact.low_rank import LowRank
from inspect_core.control import Control
from inspect_core.delta.heat import MatrixView, Window
from inspect_core.opening import Adapted, open_model
from inspect_core.pairing import Pair, pair_checkpoints
from inspect_core.results.spectra import spectra
from inspect_core.work.context import JobContext, Shelf
from inspect_core.work.inspections import Inspect, ZoomIn
from inspect_core.work.spectra import FindProfile, FindSpectrum

NAME = "a.q.weight"


@pytest.fixture
def made(tmp_path):
    return Merge(tmp_path)


def context():
    return JobContext(Shelf(), Control(), lambda part: None)


def pair_of(model, reference, name=NAME):
    return next(m.pair for m in pair_checkpoints(model, reference).matches if m.name == name)


def test_the_difference_to_the_base_is_the_factors(made):
    base, adapter, _ = made.paths
    with open_model(Adapted(base, (adapter,))) as model, open_model(base) as reference:
        pair = pair_of(model, reference)
        factors = factors_behind(model, reference, pair)
        difference = values_of(model, NAME) - values_of(reference, NAME)
        np.testing.assert_allclose(factors.rows(0, 48), difference, atol=1e-15)
        turned = factors_behind(reference, model, pair_of(reference, model))
        np.testing.assert_allclose(turned.rows(0, 48), -difference, atol=1e-15)
        other = pair_of(model, reference, "norm.weight")
        assert factors_behind(model, reference, other) is None, "nothing is changed there"
        assert factors_behind(model, model, Pair(pair.model)) is None, "its own values are more"


def test_an_adapter_alone_is_its_factors(made):
    with open_model(Adapted(None, (made.paths[1],))) as model:
        tensor = model.tensors[NAME]
        factors = factors_behind(model, None, Pair(tensor))
        np.testing.assert_array_equal(factors.rows(0, 48), values_of(model, NAME))
        own = next(t for name, t in model.tensors.items() if "lora_A" in name)
        assert factors_behind(model, None, Pair(own)) is None


def test_two_adapters_on_one_base(made, tmp_path):
    (tmp_path / "second").mkdir()
    second = Merge(tmp_path / "second")
    base = made.paths[0]
    weights = load_file(second.folder / "adapter" / "adapter_model.safetensors")
    save_file(
        {name: 2.0 * value for name, value in weights.items()},
        second.folder / "adapter" / "adapter_model.safetensors",
    )
    uris = [Adapted(base, (path,)) for path in (made.paths[1], second.paths[1])]
    with open_model(uris[0]) as one, open_model(uris[1]) as other:
        factors = factors_behind(one, other, pair_of(one, other))
        expected = values_of(one, NAME) - values_of(other, NAME)
        np.testing.assert_allclose(factors.rows(0, 48), expected, atol=1e-14)
    with open_model(Adapted(base, (made.paths[1], second.paths[1]))) as both:
        summed = change_in_factors(both, NAME)
        np.testing.assert_allclose(summed.rows(0, 48), -5.0 / 3.0 * expected, atol=1e-14)


def test_no_factors_behind_another_base_or_another_tensor(made, tmp_path):
    base, adapter, _ = made.paths
    copy = tmp_path / "copy.safetensors"
    save_file(made.base, copy)
    with open_model(Adapted(base, (adapter,))) as model, open_model(str(copy)) as reference:
        assert factors_behind(model, reference, pair_of(model, reference)) is None
    with open_model(Adapted(base, (adapter,))) as model, open_model(base) as reference:
        pair = Pair(model.tensors[NAME], reference.tensors["a.v.weight"])
        assert factors_behind(model, reference, pair) is None


def test_methods_without_factors_are_read(tmp_path):
    made = Merge(tmp_path, kind="dora")
    base, adapter, _ = made.paths
    with open_model(Adapted(base, (adapter,))) as model, open_model(base) as reference:
        assert factors_behind(model, reference, pair_of(model, reference)) is None


@pytest.mark.parametrize(
    "config",
    [
        LoraConfig(r=3, target_modules=["q_proj", "conv"], init_lora_weights=False),
        LoHaConfig(r=2, target_modules=["q_proj", "conv"]),
        LoKrConfig(r=2, target_modules=["q_proj", "conv"]),
    ],
    ids=["lora", "loha", "lokr"],
)
def test_spectra_from_factors_are_those_of_the_values(tmp_path, config):
    made = make(tmp_path, config)
    with_adapter = Adapted(made.base, (made.adapter,))
    found = {one.name: one for one in spectra(made.base, with_adapter)}
    for name in ("layers.0.q_proj.weight", "layers.1.conv.weight"):
        spectrum = found[name].spectrum
        assert "from" in spectrum.method
        difference = (made.merged[name] - made.before[name]).numpy()
        expected = np.linalg.svd(difference.reshape(len(difference), -1), compute_uv=False)
        count = min(len(expected), len(spectrum.values))
        np.testing.assert_allclose(spectrum.values[:count], expected[:count], atol=1e-12)
        assert spectrum.changed is None
    assert not found["layers.0.square.weight"].spectrum.values.any()
    job = FindSpectrum(with_adapter, made.base, "layers.0.q_proj.weight", "layers.0.q_proj.weight")
    ours = job.run(context()).spectrum
    np.testing.assert_array_equal(ours.values, found["layers.0.q_proj.weight"].spectrum.values)


def test_a_large_change_is_pooled_unasked_and_made_when_asked(made, monkeypatch):
    base, adapter, _ = made.paths
    model = Adapted(base, (adapter,))
    full = Inspect(model, base, NAME, NAME, (6, 5)).run(context())
    assert full.factors is None
    monkeypatch.setattr(behind, "MOST_BLOCK_VALUES", 100)
    quick = Inspect(model, base, NAME, NAME, (6, 5)).run(context())
    np.testing.assert_allclose(quick.heat.mean, full.heat.mean, atol=1e-9)
    assert np.isnan(quick.heat.cells[1:3]).all()
    assert quick.summary.compared == 0, "no value was seen"
    facts = quick.factors
    assert facts.l2 == pytest.approx(full.summary.l2, rel=1e-6)
    assert facts.mean == pytest.approx(full.summary.mean, rel=1e-5)
    assert (facts.rank, facts.kind) == (4, "factors of rank 4")
    assert facts.nbytes == 8 * 48 * 40
    asked = Inspect(model, base, NAME, NAME, (6, 5), asked=True).run(context())
    assert asked.factors is None
    assert asked.summary.max_abs == full.summary.max_abs
    view, window = MatrixView(48, 40), Window(8, 3, 40, 31)
    zoomed = ZoomIn(model, base, NAME, NAME, view, window, (4, 7)).run(context())
    monkeypatch.undo()
    expected = ZoomIn(model, base, NAME, NAME, view, window, (4, 7)).run(context())
    np.testing.assert_allclose(zoomed.mean, expected.mean, atol=1e-9)
    assert np.isnan(zoomed.cells[2]).all()


def test_units_of_a_large_change_have_the_norms_of_its_values(made, monkeypatch):
    base, adapter, _ = made.paths
    job = FindProfile(Adapted(base, (adapter,)), base, NAME, NAME)
    full = job.run(context()).profile
    monkeypatch.setattr(behind, "MOST_BLOCK_VALUES", 100)
    quick = job.run(context()).profile
    for side in ("rows", "columns"):
        found, expected = getattr(quick, side), getattr(full, side)
        np.testing.assert_allclose(found.l2, expected.l2, rtol=1e-9)
        assert found.length == expected.length
        assert found.movers(3) == expected.movers(3)
        assert np.isnan(found.rel_l2).all()
        assert np.isnan(found.mean_abs).all()


def test_facts_of_factors_that_are_not_finite_say_so():
    facts = FactorFacts.of(LowRank(np.full((3, 1), np.inf), np.ones((1, 2))))
    assert np.isnan(facts.l2)
    assert "NaN" in facts.note


def test_a_change_of_400_gb_is_shown_from_its_factors(tmp_path):
    """An adapter of 14 MB whose change nobody can hold; nothing of it is made."""
    module = "model.layers.0.up"
    rng = torch.Generator().manual_seed(0)
    a = torch.randn(8, 224_000, generator=rng)
    b = torch.randn(224_000, 8, generator=rng)
    prefix = f"base_model.model.{module}"
    save_file(
        {f"{prefix}.lora_A.weight": a, f"{prefix}.lora_B.weight": b},
        tmp_path / "adapter_model.safetensors",
    )
    (tmp_path / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["up"], '
        '"base_model_name_or_path": "x/y"}'
    )
    model = Adapted(None, (str(tmp_path),))
    name = f"{module}.weight"
    expected = 2.0 * np.sqrt(np.sum((b.T @ b).double().numpy() * (a @ a.T).double().numpy()))
    detail = Inspect(model, None, name, None, (20, 50)).run(context())
    assert detail.factors.l2 == pytest.approx(expected, rel=1e-4)
    assert detail.factors.nbytes == 8 * 224_000**2
    assert np.isfinite(detail.heat.mean).all()
    profile = FindProfile(model, None, name, None).run(context()).profile
    assert np.sum(profile.rows.sq_d) == pytest.approx(expected**2, rel=1e-4)
    spectrum = FindSpectrum(model, None, name, None).run(context()).spectrum
    assert spectrum.rank == 8
    assert spectrum.energy == pytest.approx(expected**2, rel=1e-4)
