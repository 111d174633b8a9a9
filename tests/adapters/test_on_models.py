"""Adapters on models of the transformers library, and several adapters on one weight."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers as tf
from peft_models import Model, as_numpy, make, rel, values_of
from safetensors.torch import save_file
from torch import nn

from inspect_core.adapters.finding.part_names import part_of
from inspect_core.adapters.overlay import Target
from inspect_core.opening import Adapted, open_model

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 30}
pytestmark = pytest.mark.filterwarnings("ignore")


def bert() -> nn.Module:
    return tf.BertForSequenceClassification(tf.BertConfig(**SMALL, intermediate_size=24))


def gpt2() -> nn.Module:
    return tf.GPT2LMHeadModel(tf.GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=30))


def llama() -> nn.Module:
    return tf.LlamaForCausalLM(tf.LlamaConfig(**SMALL, intermediate_size=24))


def mixtral() -> nn.Module:
    config = tf.MixtralConfig(**SMALL, intermediate_size=24, num_local_experts=3)
    config.num_key_value_heads = 2
    return tf.MixtralForCausalLM(config)


def vit() -> nn.Module:
    small = {**SMALL, "intermediate_size": 24, "image_size": 8, "patch_size": 4}
    return tf.ViTForImageClassification(tf.ViTConfig(**small))


def t5() -> nn.Module:
    return tf.T5ForConditionalGeneration(
        tf.T5Config(d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2, vocab_size=30)
    )


LORA = {"r": 4, "lora_alpha": 6}
CASES: list[tuple[Callable[[], nn.Module], dict[str, Any], int]] = [
    (bert, {"target_modules": ["query", "value"], "task_type": "SEQ_CLS"}, 4),
    (bert, {"target_modules": ["word_embeddings", "dense"], "use_dora": True}, 8),
    (gpt2, {"target_modules": ["c_attn", "c_proj", "c_fc"]}, 8),
    (gpt2, {"target_modules": ["c_proj"], "use_dora": True, "fan_in_fan_out": True}, 4),
    (llama, {"target_modules": "all-linear"}, 14),
    (mixtral, {"target_modules": [], "target_parameters": [
        "mlp.experts.gate_up_proj", "mlp.experts.down_proj"]}, 18),
    (vit, {"target_modules": ["q_proj", "v_proj", "projection"]}, 5),
    (t5, {"target_modules": ["q", "wi", "wo"]}, 14),
]  # fmt: skip


@pytest.mark.parametrize(("model", "change", "count"), CASES)
def test_adapters_of_library_models(tmp_path, model, change, count) -> None:
    """The base is saved as the library saves it: with its config, tied weights once."""
    torch.manual_seed(0)
    original = model().to(torch.float64)
    original.save_pretrained(tmp_path / "base")
    tuned = peft.get_peft_model(original, peft.LoraConfig(**LORA, **change))
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) / 4)
    tuned.save_pretrained(str(tmp_path / "lora"))
    merged = tuned.merge_and_unload().state_dict()
    with open_model(Adapted(str(tmp_path / "base"), (str(tmp_path / "lora"),))) as made:
        targets = [t for t in made.overlay.targets if t.method != "saved"]
        assert len(targets) == count
        assert not made.overlay.adapters[0].flags
        for target in targets:
            before = values_of(made.overlay.base, target.weight)
            delta = values_of(made, target.weight) - before
            wanted = theirs(target, merged) - before
            assert rel(delta, wanted) < 1e-10, target.weight


def theirs(target: Target, merged: dict[str, torch.Tensor]) -> Any:
    """The merged weight, by peft's name of the module; of an expert, its rows."""
    module = part_of(target.parts["A"].name).module
    if target.expert is None:
        return as_numpy(merged[f"{module}.weight"])
    expert, _, first, last = target.expert
    leaf = "down_proj" if target.weight.endswith("w2.weight") else "gate_up_proj"
    return as_numpy(merged[f"{module}.{leaf}"])[expert, first:last]


def test_a_base_without_the_prefix_of_what_was_tuned(tmp_path) -> None:
    torch.manual_seed(0)
    original = bert()
    original.bert.save_pretrained(tmp_path / "base")
    config = peft.LoraConfig(**LORA, target_modules=["query"], task_type="SEQ_CLS")
    peft.get_peft_model(original, config).save_pretrained(str(tmp_path / "lora"))
    with open_model(Adapted(str(tmp_path / "base"), (str(tmp_path / "lora"),))) as made:
        weights = [t.weight for t in made.overlay.targets if t.method == "LoRA"]
        assert weights == [f"encoder.layer.{n}.attention.self.query.weight" for n in (0, 1)]
        assert made.overlay.specs["classifier.weight"].delta


@pytest.mark.parametrize("kinds", [("lora", "lora"), ("dora", "dora"), ("dora", "lora")])
@pytest.mark.parametrize("targets", [["q_proj", "up"], ["conv", "embed"]])
def test_two_adapters_are_merged_one_after_the_other(tmp_path, kinds, targets) -> None:
    torch.manual_seed(0)
    model = Model().to(torch.float64)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_file(before, tmp_path / "base.safetensors")
    configs = [
        peft.LoraConfig(r=2 + at, lora_alpha=5, target_modules=targets, use_dora=kind == "dora")
        for at, kind in enumerate(kinds)
    ]
    tuned = peft.get_peft_model(model, configs[0], adapter_name="one")
    tuned.add_adapter("two", configs[1])
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_" in name:
                parameter.add_(torch.randn_like(parameter) / 4)
    tuned.save_pretrained(str(tmp_path))
    merged = tuned.merge_and_unload(adapter_names=["one", "two"]).state_dict()
    folders = (str(Path(tmp_path) / "one"), str(Path(tmp_path) / "two"))
    with open_model(Adapted(str(tmp_path / "base.safetensors"), folders)) as made:
        assert len(made.overlay.targets) == 2 * sum(
            not torch.equal(before[name], merged[name]) for name in before
        )
        for name, tensor in merged.items():
            assert np.abs(values_of(made, name) - as_numpy(tensor)).max() < 1e-12, name


def test_an_adapter_acts_on_what_those_before_it_made(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = make(tmp_path / "a", peft.LoraConfig(target_modules=["q_proj"]))
    second = make(tmp_path / "b", peft.IA3Config(target_modules=["q_proj"], feedforward_modules=[]))
    name = "layers.0.q_proj.weight"
    with open_model(Adapted(first.base, (first.adapter, second.adapter))) as made:
        scale = values_of(made, "layers.0.q_proj.ia3_l.adapter-2")
        assert np.allclose(values_of(made, name), as_numpy(first.merged[name]) * scale, rtol=1e-14)
