"""What the adapters of a live model change, against what PEFT makes of a merge."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from live_made import net, opened, stir, tiny_llama, value
from safetensors.torch import save_file

from inspect_core import diff
from inspect_core.errors import UsageError
from inspect_core.live import View, register_pair
from inspect_core.opening import open_model
from inspect_core.pairing import pair_checkpoints
from inspect_core.results.comparison import Side
from inspect_core.work.listings import listing_of

MERGING: dict[str, Any] = {
    "LoRA": peft.LoraConfig(r=2, lora_alpha=7, target_modules=["up", "down"]),
    "rsLoRA with patterns": peft.LoraConfig(
        r=4, lora_alpha=3, target_modules=["up", "down"], use_rslora=True,
        rank_pattern={"up": 2}, alpha_pattern={"down": 11},
    ),
    "LoRA of an embedding": peft.LoraConfig(r=2, target_modules=["embed"]),
    "LoRA of a convolution": peft.LoraConfig(r=2, target_modules=["conv"]),
    "LoRA with a bias": peft.LoraConfig(r=2, target_modules=["up"], lora_bias=True),
    "DoRA": peft.LoraConfig(r=2, target_modules=["up", "down"], use_dora=True),
    "LoHa": peft.LoHaConfig(r=2, alpha=5, target_modules=["up", "conv"]),
    "LoKr": peft.LoKrConfig(r=2, alpha=5, target_modules=["up", "conv"]),
    "IA3": peft.IA3Config(target_modules=["up", "down"], feedforward_modules=["down"]),
    "AdaLoRA": peft.AdaLoraConfig(init_r=3, target_modules=["up"], total_step=10),
    "tokens": peft.TrainableTokensConfig(token_indices=[1, 4], target_modules=["embed"]),
    "saved": peft.LoraConfig(r=2, target_modules=["up"], modules_to_save=["head"]),
    "LN tuning": peft.LNTuningConfig(target_modules=["head"]),
}  # fmt: skip


def names_of(model: torch.nn.Module, name: str) -> str:
    """The name in a PEFT model of what a merged model calls `name`."""
    path, _, leaf = name.rpartition(".")
    listed = dict(model.named_parameters(remove_duplicate=False))
    spellings = (
        f"{path}.modules_to_save.default.{leaf}", f"{path}.ln_tuning_layers.default.{leaf}",
        f"{path}.base_layer.{leaf}", name,
    )  # fmt: skip
    return next(
        f"base_model.model.{one}" for one in spellings if f"base_model.model.{one}" in listed
    )


@pytest.mark.parametrize("config", MERGING.values(), ids=MERGING)
def test_a_model_reads_as_it_computes_and_as_it_was_before(config: Any) -> None:
    base = net()
    before = {name: p.detach().clone() for name, p in base.named_parameters()}
    model = stir(peft.get_peft_model(base, copy.deepcopy(config)).double())
    now, reference = register_pair(model)
    assert reference is not None
    with open_model(now) as ours, open_model(reference) as theirs:
        merged = copy.deepcopy(model).merge_and_unload()
        changed = 0
        for name, wanted in merged.named_parameters():
            spelled = names_of(model, name)
            wanted_now = wanted.detach().numpy()
            np.testing.assert_allclose(value(ours, spelled), wanted_now, rtol=1e-10, atol=1e-14)
            np.testing.assert_array_equal(value(theirs, spelled), before[name].numpy())
            changed += not np.array_equal(before[name].numpy(), wanted_now)
        assert changed
        assert ours.overlay is not None
        assert {target.weight for target in ours.overlay.targets} == {
            names_of(model, name)
            for name, wanted in merged.named_parameters()
            if not torch.equal(wanted, before[name])
        }


def test_the_scale_is_the_layers_own() -> None:
    model = stir(peft.get_peft_model(net(), MERGING["LoRA"]))
    layer = model.base_model.model.up
    layer.scale_layer(3.0)
    name = "base_model.model.up.base_layer.weight"
    wanted = layer.get_base_layer().weight + layer.get_delta_weight("default")
    np.testing.assert_allclose(value(opened(model), name), wanted.detach().numpy(), rtol=1e-12)


def two_adapters() -> peft.PeftModel:
    model = peft.get_peft_model(net(), peft.LoraConfig(r=2, target_modules=["up"]), "one")
    model.add_adapter("two", peft.LoraConfig(r=3, target_modules=["up", "down"]))
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return stir(model)


def test_only_active_adapters_count_unless_others_are_named() -> None:
    model = two_adapters()
    layer = model.base_model.model.up
    weight, name = layer.get_base_layer().weight, "base_model.model.up.base_layer.weight"
    for view, adapters in (
        (View(), ["one"]),
        (View(adapters=("two",)), ["two"]),
        (View(adapters=("one", "two")), ["one", "two"]),
        (View(plain=True), []),
    ):
        wanted = weight + sum(layer.get_delta_weight(one) for one in adapters)
        found = value(opened(model, view), name)
        np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-12)
    with pytest.raises(UsageError, match="no adapter three: it has one, two"):
        opened(model, View(adapters=("three",)))


def test_adapters_that_are_switched_off_change_nothing() -> None:
    model = two_adapters()
    model.base_model.disable_adapter_layers()
    assert register_pair(model)[1] is None
    assert opened(model).overlay is None


def test_what_is_merged_is_taken_out_again() -> None:
    model = two_adapters()
    layer = model.base_model.model.up
    name = "base_model.model.up.base_layer.weight"
    before = layer.get_base_layer().weight.detach().clone().numpy()
    model.merge_adapter(["one"])
    after = layer.get_base_layer().weight.detach().numpy()
    now, reference = register_pair(model)
    assert reference is not None
    np.testing.assert_array_equal(value(open_model(now), name), after)
    np.testing.assert_allclose(value(open_model(reference), name), before, rtol=1e-12)


def test_a_method_that_is_not_worked_out_is_said_to_be_so() -> None:
    config = peft.VeraConfig(r=2, target_modules=["up"])
    found = opened(stir(peft.get_peft_model(net(torch.float32), config)))
    assert (
        "base_model.model.up: what it changes is not worked out from a live model" in found.warnings
    )
    assert found.tensors["base_model.model.up.base_layer.weight"].dtype == "F32"


def test_a_model_without_adapters_has_nothing_before_it() -> None:
    assert register_pair(tiny_llama())[1] is None


def test_opening_an_adapted_model_leaves_it_alone() -> None:
    model = two_adapters()
    state = {name: (id(p), p._version, p.requires_grad) for name, p in model.named_parameters()}
    hooks = [len(m._forward_hooks) for m in model.modules()]
    now, reference = register_pair(model)
    assert reference is not None
    for uri in (now, reference):
        with open_model(uri) as found:
            for name in found.tensors:
                value(found, name)
    after = {name: (id(p), p._version, p.requires_grad) for name, p in model.named_parameters()}
    assert after == state and hooks == [len(m._forward_hooks) for m in model.modules()]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_adapted_model_meets_a_checkpoint_of_its_base() -> None:
    base = net()
    before = copy.deepcopy(base)
    config = peft.LoraConfig(r=2, target_modules=["up"], modules_to_save=["head"])
    model = stir(peft.get_peft_model(base, config))
    found = pair_checkpoints(opened(model), opened(before))
    names = {match.reference.name: match for match in found.matches if match.reference}
    assert names.keys() == {name for name, _ in before.named_parameters()}
    assert {match.status for match in names.values()} == {"pair"}
    saved = "base_model.model.head.modules_to_save.default.weight"
    assert names["up.weight"].name == "base_model.model.up.base_layer.weight"
    assert names["head.weight"].name == saved


def test_before_its_adapters_a_model_has_none_of_them() -> None:
    model = two_adapters()
    model.base_model.model.up.set_adapter(["two"])
    now, reference = register_pair(model, ["two", "one"])
    assert reference is not None
    with open_model(now) as ours, open_model(reference) as theirs:
        gone = ours.tensors.keys() - theirs.tensors.keys()
        assert gone == {name for name in ours.tensors if "lora_" in name} and gone
        assert ours.overlay is not None
        assert [side.name for side in ours.overlay.adapters] == ["one", "two"]
        found = ours.overlay.targets_of("base_model.model.down.base_layer.weight")
        assert [(one.adapter, one.rank, one.method) for one in found] == [(1, 3, "LoRA")]
        assert ours.warnings and not theirs.warnings


def test_what_is_computed_takes_the_bytes_of_its_weight() -> None:
    config = peft.LoraConfig(r=2, target_modules=["up", "down"])
    model = stir(peft.get_peft_model(net(torch.float32), config))
    stored = sum(one.numel() * one.element_size() for one in model.parameters())
    checkpoint = opened(model)
    assert any(info.dtype == "F64" for info in checkpoint.tensors.values())
    assert listing_of(checkpoint).nbytes == stored
    assert Side.of(checkpoint).dtypes == ("F32",)


def test_a_live_model_against_a_checkpoint(tmp_path: Path) -> None:
    base = net(torch.float32)
    save_file(dict(base.state_dict()), tmp_path / "model.safetensors")
    folder, before = str(tmp_path), copy.deepcopy(base)
    model = stir(peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["up"])))
    moved = before.up.weight.double() - merged_up(model)
    report = diff(folder, model)
    found = {one.name: one for one in report.tensors}
    up = found["base_model.model.up.base_layer.weight"]
    assert (up.status, up.dtype, up.reference_dtype) == ("changed", "F32", "F32")
    assert up.l2 == pytest.approx(moved.norm().item(), rel=1e-9)
    assert diff(before, folder).summary.identical
    assert diff(before, model).summary.counts["changed"] == 1
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        diff(folder, 3)  # type: ignore[arg-type]


def merged_up(model: torch.nn.Module) -> torch.Tensor:
    layer = model.base_model.model.up
    change = layer.lora_B.default.weight.double() @ layer.lora_A.default.weight.double()
    found: torch.Tensor = layer.base_layer.weight.double() + layer.scaling["default"] * change
    return found.detach()
