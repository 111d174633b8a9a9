"""Adapters of a live model: what lamella says of them, and what PEFT says itself."""

import itertools
from collections.abc import Callable, Iterator

import peft
import pytest
import torch
from live_made import net, opened, tiny_llama

from inspect_core.live.adapter_status import AdapterStatus, statuses, told


def two_adapters() -> peft.PeftModel:
    model = peft.get_peft_model(net(), peft.LoraConfig(r=2, target_modules=["up"]), "one")
    model.add_adapter("two", peft.LoraConfig(r=3, target_modules=["up", "down"]))
    return model


def agrees(model: torch.nn.Module) -> tuple[AdapterStatus, ...]:
    """Hold what lamella finds against PEFT's own status of the whole model."""
    found, theirs = statuses(model), peft.get_model_status(model)
    assert sorted(one.name for one in found) == theirs.available_adapters
    if theirs.active_adapters == "irregular":
        assert any("active" in one.irregular for one in found)
    else:
        # PEFT keeps calling an adapter active that was deleted.
        active = set(theirs.active_adapters) & set(theirs.available_adapters)
        assert {one.name for one in found if one.active} == active
        assert not any("active" in one.irregular for one in found)
    if theirs.merged_adapters == "irregular":
        assert any("merged" in one.irregular for one in found)
    else:
        assert sorted(one.name for one in found if one.merged) == theirs.merged_adapters
        assert not any("merged" in one.irregular for one in found)
    for one in found:
        wanted = theirs.requires_grad[one.name]
        assert one.trainable == (None if wanted == "irregular" else wanted)
        layers = [s for s in peft.get_layer_status(model) if one.name in s.available_adapters]
        assert one.modules == len(layers)
        enabled = {layer.enabled for layer in layers}
        assert one.enabled == (enabled.pop() if len(enabled) == 1 else None)
    return found


STEPS: dict[str, Callable[[peft.PeftModel], object]] = {
    "set one": lambda m: m.set_adapter("one"),
    "set two": lambda m: m.set_adapter("two"),
    "set both": lambda m: m.base_model.set_adapter(["one", "two"]),
    "merge": lambda m: m.merge_adapter(),
    "merge two": lambda m: m.merge_adapter(["two"]),
    "unmerge": lambda m: m.unmerge_adapter(),
    "off": lambda m: m.base_model.disable_adapter_layers(),
    "on": lambda m: m.base_model.enable_adapter_layers(),
    "freeze": lambda m: m.requires_grad_(False),
    "delete": lambda m: m.delete_adapter("two"),
    "one layer active": lambda m: m.base_model.model.up.set_adapter(["two"]),
    "one layer merged": lambda m: m.base_model.model.up.merge(adapter_names=["two"]),
    "one layer off": lambda m: m.base_model.model.up.enable_adapters(False),
    "one layer frozen": lambda m: m.base_model.model.up.requires_grad_(False),
}


def ways() -> Iterator[tuple[str, ...]]:
    for count in (1, 2):
        yield from itertools.permutations(STEPS, count)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("steps", ways(), ids=" then ".join)
def test_peft_sees_the_same(steps: tuple[str, ...]) -> None:
    model = two_adapters()
    agrees(model)
    for step in steps:
        try:
            STEPS[step](model)
        except (ValueError, KeyError, IndexError):  # PEFT refuses, as to set what was deleted
            continue
        agrees(model)


def test_what_is_irregular_is_warned_of() -> None:
    model = two_adapters()
    assert not opened(model).warnings
    model.base_model.model.up.merge(adapter_names=["two"])
    found = agrees(model)
    assert [one.irregular for one in found] == [(), ("merged",)]
    assert opened(model).warnings == (
        "adapter two is irregular: some of its modules are merged, others are not",
    )
    assert opened(model).notes == (
        "adapter one: active, tunable, LoRA r=2 alpha=8 scaling=4 on 1 module",
        "adapter two: inactive, merged only in part, frozen,"
        " LoRA r=3 alpha=8 scaling=2.667 on 2 modules",
    )


CONFIGS = {
    "LoRA": peft.LoraConfig(r=2, target_modules=["up"]),
    "DoRA": peft.LoraConfig(r=2, target_modules=["up"], use_dora=True),
    "IA3": peft.IA3Config(target_modules=["up"], feedforward_modules=[]),
    "LoHa": peft.LoHaConfig(r=2, target_modules=["up"]),
    "LoKr": peft.LoKrConfig(r=2, target_modules=["up"]),
    "AdaLoRA": peft.AdaLoraConfig(init_r=2, target_modules=["up"], total_step=9),
    "OFT": peft.OFTConfig(oft_block_size=2, target_modules=["up"]),
    "BOFT": peft.BOFTConfig(boft_block_size=2, target_modules=["up"]),
    "VeRA": peft.VeraConfig(r=2, target_modules=["up"]),
    "HRA": peft.HRAConfig(r=2, target_modules=["up"]),
    "FourierFT": peft.FourierFTConfig(n_frequency=3, target_modules=["up"]),
    "LN tuning": peft.LNTuningConfig(target_modules=["head"]),
    "trainable tokens": peft.TrainableTokensConfig(token_indices=[1], target_modules=["embed"]),
}  # fmt: skip


@pytest.mark.parametrize("method", CONFIGS)
def test_methods_have_their_names_and_their_parameters(method: str) -> None:
    model = peft.get_peft_model(net(torch.float32), CONFIGS[method])
    (found,) = agrees(model)
    assert found.method == method
    tunable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert found.parameters == tunable


@pytest.mark.parametrize(
    ("config", "method"),
    [
        (peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3), "prompt tuning"),
        (peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3), "prefix tuning"),
        (peft.PromptEncoderConfig(
            task_type="CAUSAL_LM", num_virtual_tokens=3, encoder_hidden_size=4,
        ), "p-tuning"),
    ],
)  # fmt: skip
def test_virtual_prompts(config: peft.PeftConfig, method: str) -> None:
    model = peft.get_peft_model(tiny_llama(), config)
    (found,) = statuses(model)
    assert (found.method, found.modules, found.active, found.trainable) == (method, 0, True, True)
    tunable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert found.parameters == tunable
    assert told(found) == f"adapter default: active, tunable, {method}"


def test_adapters_that_were_put_into_a_model_without_peft_around_it() -> None:
    model = peft.inject_adapter_in_model(CONFIGS["LoRA"], net(), "mine")
    (found,) = statuses(model)
    assert (found.name, found.method, found.ranks) == ("mine", "LoRA", (2,))


def test_names_of_adapters_are_made_safe() -> None:
    model = peft.get_peft_model(net(), CONFIGS["LoRA"], "a\x1b[2J")
    assert opened(model).notes == (
        r"adapter a\x1b[2J: active, tunable, LoRA r=2 alpha=8 scaling=4 on 1 module",
    )
    assert statuses(model)[0].name == "a\x1b[2J"


def test_nothing_of_the_layers_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    model = two_adapters()

    def loud(*_: object) -> None:
        raise AssertionError("its own code was called")

    for name in ("_get_available_adapters", "get_delta_weight", "get_base_layer", "set_adapter"):
        monkeypatch.setattr(type(model.base_model.model.up), name, loud)
    assert len(statuses(model)) == 2 and opened(model).overlay is not None


def test_a_model_without_adapters_has_none() -> None:
    assert statuses(tiny_llama()) == ()
    assert opened(tiny_llama()).notes == ()


def test_what_is_switched_off_is_not_called_active() -> None:
    model = peft.get_peft_model(net(), CONFIGS["LoRA"])
    with model.disable_adapter():
        (note,) = opened(model).notes
    assert "switched off" in note and "active" not in note
    assert ": active," in opened(model).notes[0]
