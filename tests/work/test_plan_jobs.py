"""The jobs of plan mode on files, adapters and live models."""

import pytest

from inspect_core.control import Control
from inspect_core.errors import UsageError
from inspect_core.opening import Live
from inspect_core.plan.plan import Freeze, Pattern, Place, Plan
from inspect_core.work.context import JobContext, Shelf
from inspect_core.work.plan_jobs import PreviewPlan, ReadPlan, WritePlan, structure_of


@pytest.fixture
def context():
    return JobContext(Shelf(), Control(), lambda part: None)


@pytest.fixture
def model(tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    tensors = {f"layers.{k}.attn.weight": np.zeros((4, 4), np.float32) for k in range(3)}
    path = tmp_path / "model.safetensors"
    save_file(tensors, str(path))
    return str(path)


PLACED = Plan((Place(targets=("attn",), rank=2),))


def test_a_plan_is_tried_on_a_file_that_is_looked_at_once(context, model):
    found = PreviewPlan(model, PLACED).run(context)
    assert found.totals.delta == 3 * 2 * 8 and [one.count for one in found.hits] == [3]
    checkpoint = context.open(model)
    assert structure_of(checkpoint, False) is structure_of(checkpoint, False)


def test_nothing_of_an_adapted_model_is_planned(context, model, tmp_path):
    from dataclasses import replace

    from inspect_core.adapters.overlay import AdapterSide, Overlay

    checkpoint = context.open(model)
    side = AdapterSide("one", checkpoint, "LoRA")
    adapted = replace(checkpoint, overlay=Overlay(checkpoint, (side,), ()))
    with pytest.raises(UsageError, match="without adapters"):
        structure_of(adapted, False)


def test_a_live_model_is_planned_with_its_own_states(context):
    import torch

    from inspect_core.live.registry import register

    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    module[0].requires_grad_(False)
    uri = register(module)
    assert isinstance(uri, Live)
    found = PreviewPlan(uri, Plan(), typed=True).run(context)
    assert found.totals.tunable == found.totals.frozen == 20
    thaw = Plan((Freeze((Pattern("0.weight", "exact"),), thaw=True),))
    assert PreviewPlan(uri, thaw, typed=True).run(context).totals.frozen == 4


@pytest.mark.parametrize("name", ["a.toml", "a.json", "a.py", "a.txt", "a.csv", "names.json"])
def test_what_is_written_is_new_and_whole(context, model, tmp_path, name):
    path = tmp_path / name
    job = WritePlan(str(path), model, PLACED)
    assert job.run(context) == str(path) and "attn" in path.read_text("utf-8")
    with pytest.raises(UsageError, match="already"):
        job.run(context)


def test_an_ending_that_says_nothing_is_refused(context, model, tmp_path):
    with pytest.raises(UsageError, match="suffix"):
        WritePlan(str(tmp_path / "plan.xyz"), model, PLACED).run(context)
    assert not (tmp_path / "plan.xyz").exists()


def test_a_plan_file_comes_back(context, model, tmp_path):
    path = str(tmp_path / "plan.toml")
    WritePlan(path, model, PLACED).run(context)
    assert ReadPlan(path).run(context) == PLACED
