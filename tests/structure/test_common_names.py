"""One set of names over all architectures: nothing disappears, and no two tensors get one."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from inspect_core.structure.common import common_names
from inspect_core.structure.common.families import FAMILIES
from inspect_core.structure.common.matching import table_of

SMALL = {"num_hidden_layers": 2}

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "BertForMaskedLM": ("bert", SMALL),
    "BertModel": ("bert", SMALL),
    "RobertaForMaskedLM": ("bert", SMALL),
    "ElectraForMaskedLM": ("bert", SMALL),
    "MPNetForMaskedLM": ("bert", SMALL),
    "DebertaForMaskedLM": ("bert", SMALL | {"relative_attention": True, "pos_att_type": ["c2p"]}),
    "DebertaV2ForMaskedLM": (
        "bert", SMALL | {"relative_attention": True, "norm_rel_ebd": "layer_norm"},
    ),
    "DistilBertForMaskedLM": ("distilbert", {"n_layers": 2}),
    "AlbertForMaskedLM": ("albert", {}),
    "ModernBertForMaskedLM": ("modernbert", SMALL),
    "GPT2LMHeadModel": ("gpt", {"n_layer": 2}),
    "GPTJForCausalLM": ("gpt", {"n_layer": 2}),
    "GPTNeoXForCausalLM": ("gpt", SMALL),
    "BloomForCausalLM": ("gpt", {"n_layer": 2}),
    "FalconForCausalLM": ("gpt", SMALL),
    "OPTForCausalLM": ("opt", SMALL | {"word_embed_proj_dim": 512}),
    "T5ForConditionalGeneration": ("t5", {"num_layers": 2}),
    "BartForConditionalGeneration": ("bart", {"encoder_layers": 2, "decoder_layers": 2}),
    "WhisperForConditionalGeneration": ("bart", {"encoder_layers": 2, "decoder_layers": 2}),
    "LlamaForCausalLM": ("llama", SMALL),
    "MistralForCausalLM": ("llama", SMALL),
    "Qwen2ForCausalLM": ("llama", SMALL),
    "Qwen3ForCausalLM": ("llama", SMALL),
    "GemmaForCausalLM": ("llama", SMALL),
    "PhiForCausalLM": ("llama", SMALL),
    "Phi3ForCausalLM": ("llama", SMALL | {"pad_token_id": 0}),
    "Gemma2ForCausalLM": ("gemma2", SMALL),
    "Olmo2ForCausalLM": ("gemma2", SMALL),
    "MixtralForCausalLM": ("llama", SMALL),
    "Qwen2MoeForCausalLM": ("llama", SMALL),
    "Qwen3MoeForCausalLM": ("llama", SMALL),
    "DeepseekV3ForCausalLM": ("llama", SMALL | {"first_k_dense_replace": 1}),
    "GptOssForCausalLM": ("llama", SMALL),
    "ViTForImageClassification": ("vit", SMALL),
    "CLIPModel": ("clip", {}),
    "Wav2Vec2ForCTC": ("wav2vec2", SMALL),
}  # fmt: skip

ATTENTION = {"attn.q", "attn.k", "attn.v", "attn.proj", "attn.layer_norm"}
DENSE = {"ff.w1", "ff.w2", "ff.layer_norm"}

INSIDE: dict[str, set[str]] = {
    "BertForMaskedLM": ATTENTION | DENSE,
    "RobertaForMaskedLM": ATTENTION | DENSE,
    "ElectraForMaskedLM": ATTENTION | DENSE,
    "MPNetForMaskedLM": ATTENTION | DENSE,
    "DebertaV2ForMaskedLM": ATTENTION | DENSE,
    "DistilBertForMaskedLM": ATTENTION | DENSE,
    "GPT2LMHeadModel": {"attn.qkv", "attn.proj", "attn.layer_norm"} | DENSE,
    "OPTForCausalLM": ATTENTION | DENSE,
    "ViTForImageClassification": ATTENTION | DENSE,
    "LlamaForCausalLM": ATTENTION | DENSE | {"ff.w3"},
    "Qwen3ForCausalLM": ATTENTION | DENSE | {"ff.w3", "attn.q_norm", "attn.k_norm"},
    "Phi3ForCausalLM": {"attn.qkv", "attn.proj", "attn.layer_norm", "ff.w13", "ff.w2"}
    | {"ff.layer_norm"},
    "MixtralForCausalLM": ATTENTION | {"moe.router", "moe.experts", "ff.layer_norm"},
    "Gemma2ForCausalLM": ATTENTION
    | DENSE
    | {"ff.w3", "attn.post_layer_norm", "ff.post_layer_norm"},
}
"""What a block of a model holds, each and nothing else."""


def built(name: str) -> tuple[list[str], dict[str, Any]]:
    """The names of a model on the meta device, and its config."""
    kind = getattr(transformers, name)
    with torch.device("meta"):
        model = kind(kind.config_class(**MODELS[name][1]))
    return list(model.state_dict()), model.config.to_dict()


def checked(names: Sequence[str], config: Mapping[str, object] | None = None) -> dict[str, str]:
    """Own names to common ones: all of them, and all different."""
    found = common_names(names, config)
    assert list(found.names) == list(names)
    assert len(found.common) == len(found.own) == len(set(found.common)) == len(names)
    assert {common: own for own, common in zip(names, found.common, strict=True)} == {
        common: own for common, (own, _) in found.sources().items()
    }
    return dict(zip(names, found.common, strict=True))


def paths(common: Mapping[str, str], block: str) -> set[str]:
    """The modules inside a block."""
    inside = {name.removeprefix(f"{block}.") for name in common.values() if name.startswith(block)}
    return {name.rpartition(".")[0] for name in inside}


@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_is_known(name: str) -> None:
    names, config = built(name)
    checked(names, config)
    for given_config in (config, None):
        found = common_names(names, given_config)
        assert found.family == MODELS[name][0]
        unknown = [own for own, (_, is_own) in found.items().items() if is_own]
        assert unknown in ([], ["final_logits_bias"]), unknown


@pytest.mark.parametrize("name", INSIDE)
def test_what_is_in_a_block(name: str) -> None:
    common = checked(built(name)[0])
    (stack,) = {n.split(".block.")[0] for n in common.values() if ".block." in n}
    assert paths(common, f"{stack}.block.1") == INSIDE[name]


def test_encoder_and_decoder_have_blocks_of_their_own() -> None:
    for name in ("T5ForConditionalGeneration", "BartForConditionalGeneration"):
        common = checked(built(name)[0])
        assert paths(common, "encoder.block.1") == ATTENTION | DENSE
        cross = {path.replace("attn", "cross_attn") for path in ATTENTION}
        assert paths(common, "decoder.block.1") == ATTENTION | cross | DENSE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("BertForMaskedLM", "RobertaForMaskedLM"),
        ("BertForMaskedLM", "MPNetForMaskedLM"),
        ("GPT2LMHeadModel", "GPTNeoXForCausalLM"),
        ("LlamaForCausalLM", "MistralForCausalLM"),
        ("MixtralForCausalLM", "Qwen3MoeForCausalLM"),
    ],
)
def test_the_same_places_in_two_architectures(one: str, other: str) -> None:
    first, second = (set(checked(built(name)[0]).values()) for name in (one, other))
    blocks = {name for name in first if ".block.1." in name}
    assert len(blocks) > 5
    assert blocks <= second | {f"decoder.block.1.ff.{leaf}.bias" for leaf in ("w1", "w2")}


@pytest.mark.parametrize(
    ("own", "common"),
    [
        ("model.layers.3.mlp.experts.17.gate_proj.weight", "moe.experts.17.w1.weight"),
        ("model.layers.3.mlp.experts.17.up_proj.weight", "moe.experts.17.w3.weight"),
        ("model.layers.3.block_sparse_moe.experts.7.w2.weight", "moe.experts.7.w2.weight"),
        ("model.layers.3.block_sparse_moe.gate.weight", "moe.router.weight"),
        ("model.layers.3.mlp.gate.e_score_correction_bias", "moe.router.e_score_correction_bias"),
        ("model.layers.3.self_attn.q_proj.weight_scale_inv", "attn.q.weight_scale_inv"),
        ("model.layers.3.self_attn.q_proj.lora_A.default.weight", "attn.q.lora_A.default.weight"),
        ("model.layers.3.self_attn.q_proj.base_layer.weight", "attn.q.base_layer.weight"),
        ("model.layers.3.self_attn.odd.weight", "attn.odd.weight"),
        ("model.layers.3.odd", "odd"),
    ],
)
@pytest.mark.parametrize("wrapper", ["", "base_model.model.", "module.", "language_model."])
def test_single_names(own: str, common: str, wrapper: str) -> None:
    rest = [f"{wrapper}model.embed_tokens.weight", f"{wrapper}model.norm.weight"]
    found = common_names([*rest, wrapper + own])
    name, is_own = found.items()[wrapper + own]
    assert name == f"decoder.block.3.{common}"
    assert is_own == ("odd" in own)


def test_layer_norms_in_old_files() -> None:
    names = [f"bert.embeddings.LayerNorm.{leaf}" for leaf in ("gamma", "beta")]
    assert list(checked(names).values()) == [
        "embeddings.layer_norm.weight", "embeddings.layer_norm.bias",
    ]  # fmt: skip
    both = [*names, "bert.embeddings.LayerNorm.weight"]
    assert checked(both)[names[0]] == names[0], "two would have one name"


def test_names_of_llama_cpp() -> None:
    parts = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    names = ["token_embd.weight", "output_norm.weight", "output.weight"]
    names += [f"blk.1.{part}.weight" for part in (*parts, "attn_norm", "ffn_norm")]
    common = checked(names)
    assert paths(common, "decoder.block.1") == ATTENTION | DENSE | {"ff.w3"}
    bert = [f"blk.0.{part}.weight" for part in (*parts, "attn_output_norm", "layer_output_norm")]
    assert common_names(["token_types.weight", *bert]).family == "llama.cpp encoder"


def test_model_type_decides_between_equals() -> None:
    names = ["model.layers.0.self_attn.q_proj.weight", "model.embed_tokens.weight"]
    assert common_names(names, {"model_type": "gemma2"}).family == "gemma2"
    assert common_names(names, {"model_type": "llama"}).family == "llama"
    inner = {"model_type": "llava", "text_config": {"model_type": "gemma2"}}
    assert common_names(names, inner).family == "gemma2"
    assert common_names(names, {"model_type": ["odd"], "text_config": 3}).family == "llama"


def test_a_name_that_another_really_has_stays_its_own() -> None:
    names = ["wte.weight", "h.0.ln_1.weight", "embeddings.word.weight"]
    assert list(checked(names).values()) == [
        "wte.weight", "decoder.block.0.attn.layer_norm.weight", "embeddings.word.weight",
    ]  # fmt: skip
    # Whoever is called like one that gave way gives way, too.
    chain = ["wte.weight", "transformer.wte.weight", "embeddings.word.weight"]
    assert list(checked(chain).values()) == chain


PARTS = [
    "model", "bert", "transformer", "encoder", "decoder", "layer", "layers", "h", "0", "1", "01",
    "attention", "self", "query", "attn", "c_attn", "q", "word", "wte", "embeddings", "block",
    "weight", "bias", "gamma", "beta", "", "LayerNorm", "mlp", "experts", "w1", "lm_head", "[/]",
]  # fmt: skip
made_up = st.lists(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=7).map(".".join), unique=True, max_size=30
)


@given(made_up)
def test_injective_and_total_on_made_up_names(names: list[str]) -> None:
    checked(names)


@given(
    st.sampled_from(["bert.encoder.layer", "transformer.h", "model.layers", "decoder.layers"]),
    made_up,
)
def test_injective_and_total_on_nearly_real_names(place: str, ends: list[str]) -> None:
    known = [f"{place}.{block}.{end}" for block in range(2) for end in ends]
    checked([*dict.fromkeys([*known, *ends])])


def test_hostile_names() -> None:
    names = ["", ".", "..a", "a." * 5000, "model." * 60_000 + "x", "h.0." + "9" * 10_000 + ".w"]
    names += ["h.٣.ln_1.weight", "h.-1.ln_1.weight", "h.007.ln_1.weight", "h.0.ln_1.weight"]
    common = checked([*names, "\x1b[31m", "h.0.attn.c_attn.\x1b]52;c;x\x07"])
    assert common["h.0.ln_1.weight"] == "decoder.block.0.attn.layer_norm.weight"
    assert common["h.007.ln_1.weight"] == "h.007.ln_1.weight"


def test_nothing_known_and_nothing_at_all() -> None:
    assert checked(["conv1.weight", "fc.bias"]) == {
        "conv1.weight": "conv1.weight", "fc.bias": "fc.bias",
    }  # fmt: skip
    assert common_names([]).family == "" and "no table" in common_names(["x"]).told


def test_a_table_has_no_line_twice_and_no_place_for_two() -> None:
    for family in FAMILIES:
        root = table_of(family)
        assert root.below and root.to is None
        for at, to, _ in family.blocks:
            assert at.count("{n}") == to.count("{n}") > 0


def test_many_experts() -> None:
    parts = ("gate_proj", "up_proj", "down_proj")
    names = [
        f"model.layers.{layer}.mlp.experts.{expert}.{part}.weight"
        for layer in range(20)
        for expert in range(256)
        for part in parts
    ]
    found = common_names(names)
    assert found.known == len(names) == 15_360 == len(set(found.common))
    assert found.common[-1] == "decoder.block.19.moe.experts.255.w2.weight"
