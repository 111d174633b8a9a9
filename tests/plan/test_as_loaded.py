"""Plans on files whose names transformers changes on loading: made on the class's names."""

from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    ViTConfig,
    ViTForImageClassification,
)  # fmt: skip

from inspect_core.opening import open_model
from inspect_core.plan.plan import Place, Plan
from inspect_core.plan.preview import preview, trainable_names
from inspect_core.plan.written.export import config_of
from inspect_core.structure.from_modules import model_listing
from inspect_core.work.plan_jobs import structure_of

SMALL = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2}
MODELS = {
    "vit": lambda: ViTForImageClassification(
        ViTConfig(intermediate_size=24, image_size=32, **SMALL)
    ),
    "mixtral": lambda: MixtralForCausalLM(
        MixtralConfig(
            intermediate_size=24, vocab_size=32, num_key_value_heads=1, num_local_experts=4, **SMALL
        )
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def saved(request, tmp_path_factory):
    """A model, the folder it was saved in and its opened checkpoint."""
    torch.manual_seed(0)
    model, folder = MODELS[request.param](), tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    return request.param, model, open_model(str(folder))


PLACES = {
    "vit": (Place(targets=("q_proj",)), Place(target_expression="all-linear")),
    "mixtral": (Place(targets=("q_proj", "w1", "w3")), Place(target_expression="all-linear")),
}


@pytest.mark.parametrize("which", [0, 1])
def test_a_plan_on_a_file_is_what_peft_makes_of_the_loaded_model(saved, which):
    kind, _, checkpoint = saved
    place = PLACES[kind][which]
    structure = structure_of(checkpoint, typed=True)
    found = trainable_names(*structure, Plan((place,)), checkpoint.config)
    made = config_of(place)
    made.pop("peft_type")
    peft = get_peft_model(MODELS[kind](), LoraConfig(**made))
    wanted = {n: tuple(p.shape) for n, p in peft.named_parameters() if p.requires_grad}
    assert found == wanted
    shown = preview(*structure, Plan((place,)), checkpoint.config)
    assert shown.totals.params == sum(p.numel() for p in peft.parameters())
    assert "as transformers loads it" in shown.note


def test_names_that_only_the_file_has_are_refused_as_peft_refuses_them(saved):
    kind, _, checkpoint = saved
    if kind != "vit":
        pytest.skip("mixtral's old names are taken by peft")
    structure = structure_of(checkpoint, typed=True)
    shown = preview(*structure, Plan((Place(targets=("query",)),)), checkpoint.config)
    assert "no module to adapt" in shown.error
    assert not shown.counted
    assert shown.hits[0].suggestion == "q_proj"


def test_nothing_of_the_class_listing_has_a_place_in_the_file(saved):
    _, model, checkpoint = saved
    structure = structure_of(checkpoint, typed=True)
    tree = preview(*structure, Plan(), checkpoint.config).tree
    assert len(tree.order) == 0
    assert tree.root.totals.params == sum(p.numel() for p in model.parameters())
    assert {spec.dtype for spec in structure.specs} == {"F32"}


def test_a_file_of_the_class_names_keeps_its_own_tree(tmp_path):
    config = MixtralConfig(intermediate_size=24, vocab_size=32, num_key_value_heads=1, **SMALL)
    from transformers import LlamaConfig

    small = LlamaConfig(intermediate_size=24, vocab_size=32, **SMALL)
    AutoModelForCausalLM.from_config(small).save_pretrained(tmp_path)
    checkpoint = open_model(str(tmp_path))
    structure = structure_of(checkpoint, typed=True)
    assert list(structure.names) == list(checkpoint.tensors)
    assert structure.facts.note == ""
    assert config.model_type == "mixtral"


def test_a_config_of_another_model_is_not_taken_for_the_loaded_one(tmp_path):
    from safetensors.torch import save_file

    save_file({"a.q_proj.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    MODELS["vit"]().config.save_pretrained(tmp_path)
    checkpoint = open_model(str(tmp_path))
    structure = structure_of(checkpoint, typed=True)
    assert list(structure.names) == ["a.q_proj.weight"]
    assert "by the file's names" in structure.facts.note


def test_without_types_the_names_are_the_files(saved):
    _, _, checkpoint = saved
    assert list(structure_of(checkpoint, typed=False).names) == list(checkpoint.tensors)


def test_a_head_that_is_the_output_layer_in_name_only_is_adapted():
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    config = Wav2Vec2Config(
        intermediate_size=24, vocab_size=32, conv_dim=(8, 8), conv_stride=(2, 2),
        conv_kernel=(3, 3), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        num_feat_extract_layers=2, **SMALL,
    )  # fmt: skip
    for place in (
        Place(target_expression="all-linear"),
        Place(targets=("pos_conv_embed.conv",)),
    ):
        with torch.device("meta"):
            model, other = Wav2Vec2ForCTC(config), Wav2Vec2ForCTC(config)
        found = trainable_names(*model_listing(model), Plan((place,)), config.to_dict())
        made = config_of(place)
        made.pop("peft_type")
        peft = get_peft_model(other, LoraConfig(**made), low_cpu_mem_usage=True)
        wanted = {n: tuple(p.shape) for n, p in peft.named_parameters() if p.requires_grad}
        assert found == wanted


def test_a_layout_that_a_linear_layer_takes_back_goes_with_fused_experts(saved):
    kind, _, checkpoint = saved
    if kind != "mixtral":
        pytest.skip("it has no experts")
    structure = structure_of(checkpoint, typed=True)
    both = Place(targets=("q_proj", "w1", "w3"), fan_in_fan_out=True)
    alone = replace(both, targets=("w1", "w3"))
    assert not preview(*structure, Plan((both,)), checkpoint.config).error
    assert "fan_in_fan_out" in preview(*structure, Plan((alone,)), checkpoint.config).error
