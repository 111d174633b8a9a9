"""The app on a live model: its values, its changes in place, its adapters."""

import copy

import numpy as np
import peft
import pytest
import torch
from app_running import running
from torch import nn

from inspect_core.live import register, register_pair
from inspect_core.work.sweep_store import sweep_folder
from tui import reloading


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(reloading, "LOOK_SECONDS", 0.0)


def model() -> nn.Module:
    torch.manual_seed(0)
    # Of different sizes, so that nothing is folded.
    return nn.Sequential(*[nn.Sequential(nn.Linear(6, 6 + k), nn.ReLU()) for k in range(4)])


def moved(one: nn.Module, layer: int) -> nn.Module:
    other = copy.deepcopy(one)
    with torch.no_grad():
        other[layer][0].weight += 1
    return other


def value(run):
    """What the change column says of the row under the cursor."""
    return run.app.session.change(run.tree.current_row).value


async def test_two_live_models_are_compared() -> None:
    before = model()
    after = moved(before, 2)
    async with running(register(after), register(before)) as run:
        await run.shows("8 of 8 tensors compared")
        wanted = torch.linalg.vector_norm(after[2][0].weight - before[2][0].weight)
        base = torch.linalg.vector_norm(before[2][0].weight)
        await run.go_to("2.0.weight")
        assert value(run) == pytest.approx(float(wanted / base), rel=1e-6)
        await run.go_to("2.0.bias")
        assert value(run) == 0
    assert not list((sweep_folder() or "").glob("*"))  # what was found belongs to no file


async def test_a_change_in_place_is_noticed_and_read_again() -> None:
    before = model()
    after = moved(before, 2)
    async with running(register(after), register(before)) as run:
        with torch.no_grad():
            after[1][0].weight += 1
        await run.press("down")
        await run.shows("the model changed since it was read: press R to reload")
        await run.press("R")
        await run.shows("8 of 8 tensors compared")
        await run.go_to("1.0.weight")
        await run.until(lambda: value(run), "the new change")
        assert not run.app.problem


async def test_a_model_that_is_gone_is_said_to_be() -> None:
    before = model()
    after = moved(before, 2)
    async with running(register(after), register(before)) as run:
        del after
        await run.press("R")
        await run.shows("is gone")


async def test_bare_modules_without_a_config() -> None:
    one = model()
    async with running(register(one)) as run:
        assert "1.1" not in run.paths
        run.app.action_bare_modules()
        await run.until(lambda: run.app.session.tree and "ReLU" in run.app.session.tree.module_type)


async def test_the_adapters_of_a_live_model_change_their_weights() -> None:
    one = peft.get_peft_model(model(), peft.LoraConfig(r=2, target_modules=["1.0", "3.0"]))
    layer = one.base_model.model[1][0]
    with torch.no_grad():
        layer.lora_B["default"].weight += 0.5
    now, before = register_pair(one)
    path = "base_model.model.1.0.base_layer.weight"
    async with running(now, before) as run:
        await run.shows("adapter default: active, tunable, LoRA r=2 alpha=8 scaling=4")
        await run.go_to(path)
        weight, delta = layer.base_layer.weight, layer.get_delta_weight("default")
        wanted = (torch.linalg.vector_norm(delta) / torch.linalg.vector_norm(weight)).item()
        assert value(run) == pytest.approx(wanted, rel=1e-6)
        await run.go_to("base_model.model.3.0.base_layer.weight")
        assert value(run) == 0


async def test_meta_tensors_say_that_they_hold_nothing() -> None:
    before = model()
    after = moved(before, 1)
    after[3] = after[3].to("meta")
    async with running(register(after), register(before)) as run:
        await run.shows("6 of 8 tensors compared")
        await run.inspect("3.0.weight")
        await run.shows("meta device")


async def test_values_of_one_model_alone() -> None:
    one = model()
    async with running(register(one)) as run:
        await run.inspect("1.0.weight")
        norm = float(np.linalg.norm(one[1][0].weight.detach().numpy()))
        await run.shows("not zero")
        assert f"L2          {norm:.3g}" in run.text
