"""What an adapter does to a weight and is not known: never read as the base's, unchanged."""

import json

import peft
import pytest
import torch
from peft_models import Model, make
from safetensors.torch import save_file

from inspect_core.adapters.merges.merge_check import check_merge
from inspect_core.checkpoint import open_checkpoint
from inspect_core.opening import Adapted, open_model
from inspect_core.pairing import pair_checkpoints

TARGETS = ["square", "up"]
METHODS = {
    "VeRA": lambda: peft.VeraConfig(target_modules=["square"], r=4),
    "OFT": lambda: peft.OFTConfig(target_modules=TARGETS, oft_block_size=4),
    "MiSS": lambda: peft.MissConfig(target_modules=TARGETS, r=4),
    "HRA": lambda: peft.HRAConfig(target_modules=TARGETS, r=4),
}


def statuses(made):
    with (
        open_checkpoint(made.base) as base,
        open_model(Adapted(made.base, (made.adapter,))) as adapted,
    ):
        return {match.name: match for match in pair_checkpoints(adapted, base).matches}


@pytest.mark.parametrize("method", METHODS)
def test_methods_that_are_not_understood(tmp_path, method):
    made = make(tmp_path, METHODS[method](), dtype=torch.float32)
    found = statuses(made)
    touched = [
        name for name in made.before if not torch.equal(made.before[name], made.merged[name])
    ]
    assert touched
    for name in touched:
        assert found[name].status == "unsupported", name
        assert f"does not know how {method.upper()} changes weights" in found[name].reason
        assert found[name].unlike
    assert found["head.weight"].status == "pair"
    merged = tmp_path / "merged.safetensors"
    save_file({name: value.contiguous() for name, value in made.merged.items()}, merged)
    with (
        open_checkpoint(made.base) as base,
        open_model(Adapted(made.base, (made.adapter,))) as adapted,
        open_checkpoint(str(merged)) as third,
    ):
        report = check_merge(base, adapted, third)
    assert report.overall == "not told"
    assert "; ;" not in report.line
    assert set(touched) <= {one.weight for one in report.modules}
    assert report.changed == ()
    assert f"does not know how {method.upper()}" in report.line


def test_prompts_change_no_weight(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    base = tmp_path / "base.safetensors"
    save_file(Model().state_dict(), base)
    save_file({"prompt_embeddings": torch.ones(4, 12)}, folder / "adapter_model.safetensors")
    config = {"peft_type": "PROMPT_TUNING", "task_type": "CAUSAL_LM", "num_virtual_tokens": 4}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    with open_checkpoint(str(base)) as one, open_model(Adapted(str(base), (str(folder),))) as two:
        found = pair_checkpoints(two, one).matches
        assert {match.status for match in found if match.name in one.tensors} == {"pair"}
        report = check_merge(one, two, one)
    assert report.overall == "not told"
    assert "; ;" not in report.line


def test_a_change_without_a_scale_is_not_the_base(tmp_path):
    made = make(tmp_path, peft.LoraConfig(r=4, target_modules=["up"]), dtype=torch.float32)
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps({"peft_type": "LORA", "target_modules": ["up"]}))
    match = statuses(made)["layers.0.up.weight"]
    assert match.status == "unsupported"
    assert "its scale is not known" in match.reason
    with (
        open_checkpoint(made.base) as base,
        open_model(Adapted(made.base, (made.adapter,))) as adapted,
    ):
        back = {one.name: one.status for one in pair_checkpoints(base, adapted).matches}
        assert back["layers.0.up.weight"] == "unsupported"
        assert back["layers.0.up.bias"] == "pair"
        assert len(adapted.overlay.targets_of("layers.0.up.weight")) == 1
        assert adapted.overlay.targets_of("nothing") == []
