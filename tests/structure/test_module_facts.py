"""Types from a config: in the file's own paths, and nothing of a stranger's is run."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from inspect_core.structure import meta
from inspect_core.structure.build import NO_FACTS, build_tree
from inspect_core.structure.meta import facts_from_config
from inspect_core.structure.tree import LeafSpec, ModuleTree

BERT = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
SMALL = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2}


def names_of(kind: type[nn.Module], config: object) -> list[str]:
    with torch.device("meta"):
        return sorted(kind(config).state_dict())


def without(names: list[str], *parts: str) -> list[str]:
    return [name for name in names if not any(part in name for part in parts)]


def tree_of(config: dict[str, Any], names: list[str], bare: bool = False) -> ModuleTree:
    facts, _ = facts_from_config(config, names)
    return build_tree(names, [LeafSpec("F32", (4, 4))] * len(names), facts, bare)


def types_of(tree: ModuleTree) -> dict[str, str]:
    return {path: module.type for path, module, _ in tree.root.walk()}


def test_bert_bare() -> None:
    names = names_of(BertModel, BertConfig())
    facts, note = facts_from_config(BERT, names)
    assert note == "BertForMaskedLM, prefix 'bert.' added: 197 of 199 tensor names match"
    assert facts.types[""] == "BertModel"
    assert facts.types["encoder.layer.11.attention.self.query"] == "Linear"
    assert "pooler.dense" not in facts.types and "cls" not in facts.types
    assert not facts.tied and len(facts.leaves) == 197


def test_bert_prefixed() -> None:
    names = names_of(BertForMaskedLM, BertConfig())
    facts, note = facts_from_config({"model_type": "bert"}, names)
    assert note == "BertModel, prefix 'bert.' stripped: 197 of 204 tensor names match"
    assert facts.types["bert"] == "BertModel" and "" not in facts.types
    facts, note = facts_from_config(BERT, without(names, "decoder"))
    assert note == "BertForMaskedLM: 202 of 202 tensor names match"
    assert facts.types[""] == "BertForMaskedLM"
    assert facts.tied == {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }
    assert facts.shapes["cls.predictions.decoder.weight"] == ("F32", (30522, 768))


def test_the_order_is_the_models() -> None:
    names = names_of(BertModel, BertConfig(num_hidden_layers=1))
    tree = tree_of({**BERT, "num_hidden_layers": 1}, names)
    assert [name for name, _ in tree.root.children] == ["embeddings", "encoder", "pooler"]
    embeddings = dict(tree.root.children)["embeddings"]
    assert [name for name, _ in embeddings.children] == [
        "word_embeddings",
        "position_embeddings",
        "token_type_embeddings",
        "LayerNorm",
    ]
    norm = dict(embeddings.children)["LayerNorm"]
    assert [leaf.name for leaf in norm.leaves] == ["weight", "bias"]


def test_modules_without_tensors_stand_where_their_parent_does() -> None:
    names = names_of(BertModel, BertConfig(num_hidden_layers=1))
    bare = types_of(tree_of({**BERT, "num_hidden_layers": 1}, names, bare=True))
    assert bare["embeddings.dropout"] == "Dropout"
    assert not any(path.startswith("cls") for path in bare)
    assert types_of(tree_of({**BERT, "num_hidden_layers": 1}, names)).keys() < bare.keys()


def test_old_layer_norm_names() -> None:
    names = names_of(BertForMaskedLM, BertConfig(num_hidden_layers=1))
    old = [
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("Norm.bias", "Norm.beta")
        for name in names
    ]
    tree = tree_of({**BERT, "num_hidden_layers": 1}, sorted(old))
    assert types_of(tree)["bert.embeddings.LayerNorm"] == "LayerNorm"
    norm = next(m for p, m, _ in tree.root.walk() if p == "bert.embeddings.LayerNorm")
    assert [leaf.name for leaf in norm.leaves] == ["gamma", "beta"]


@pytest.mark.parametrize("prefix", ["model.", "module.", "_orig_mod.", "base_model.model."])
def test_wrappers(prefix: str) -> None:
    names = [prefix + name for name in names_of(BertForMaskedLM, BertConfig(num_hidden_layers=1))]
    facts, note = facts_from_config({**BERT, "num_hidden_layers": 1}, names)
    assert f"prefix '{prefix}' stripped: 28 of 28" in note
    assert facts.types[f"{prefix}bert.encoder.layer.0"] == "BertLayer"
    assert facts.types[prefix[:-1]] == "BertForMaskedLM"


LLAMA = {**SMALL, "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 16,
         "num_attention_heads": 2}  # fmt: skip


def test_llama_tied() -> None:
    small = {**SMALL, "vocab_size": 16, "num_attention_heads": 2}
    names = names_of(LlamaForCausalLM, LlamaConfig(**small))
    left_out = without(names, "lm_head")
    facts, note = facts_from_config({**LLAMA, "tie_word_embeddings": True, "dtype": "bfloat16"},
                                    left_out)  # fmt: skip
    assert note.startswith("LlamaForCausalLM: ")
    assert facts.tied == {"lm_head.weight": "model.embed_tokens.weight"}
    assert facts.shapes == {"lm_head.weight": ("BF16", (16, 8))}
    tree = build_tree(left_out, [LeafSpec("BF16", (4, 4))] * len(left_out), facts)
    assert types_of(tree)["lm_head"] == "Linear"
    assert tree.root.totals.tensors == len(left_out)
    assert facts_from_config({**LLAMA, "tie_word_embeddings": False}, names)[0].tied == {}
    assert facts_from_config({**LLAMA, "tie_word_embeddings": True}, names[:1])[0].tied == {
        "model.embed_tokens.weight": "lm_head.weight"
    }, "the owner is the name that the file has"


def test_an_adapters_file_has_types_by_module() -> None:
    names = [
        f"base_model.model.model.layers.{layer}.self_attn.{kind}_proj.lora_{half}.weight"
        for layer in range(2)
        for kind in "qv"
        for half in "AB"
    ]
    facts, note = facts_from_config(LLAMA, names)
    assert "'base_model.model.' stripped: 0 of 8 tensor names match, 8 lie in modules" in note
    assert facts.types["base_model.model.model.layers.1.self_attn.q_proj"] == "Linear"
    assert facts.types["base_model.model"] == "LlamaForCausalLM"


def test_t5() -> None:
    small = {"d_model": 8, "d_ff": 12, "d_kv": 4, "num_heads": 2, "num_layers": 2, "vocab_size": 9}
    names = without(
        names_of(T5ForConditionalGeneration, T5Config(**small)), "embed_tokens", "lm_head"
    )
    config = {**small, "model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}
    facts, _ = facts_from_config(config, names)
    assert set(facts.tied.values()) == {"shared.weight"}
    assert facts.tied.keys() == {
        "encoder.embed_tokens.weight",
        "decoder.embed_tokens.weight",
        "lm_head.weight",
    }
    tree = tree_of(config, names)
    assert types_of(tree)["encoder"] == "T5Stack"
    assert [name for name, _ in tree.root.children] == ["shared", "encoder", "decoder", "lm_head"]


def test_mixtral_with_separate_experts() -> None:
    small = {**SMALL, "vocab_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
    names = ["lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"]
    for layer in range(2):
        head = f"model.layers.{layer}."
        names += [f"{head}self_attn.{kind}_proj.weight" for kind in "qkvo"]
        names += [f"{head}block_sparse_moe.experts.{e}.w1.weight" for e in range(4)]
    config = {**small, "model_type": "mixtral", "architectures": ["MixtralForCausalLM"]}
    facts, note = facts_from_config(config, names)
    assert note == "MixtralForCausalLM: 11 of 19 tensor names match"
    types = types_of(tree_of(config, names))
    assert types["model.layers.0.self_attn.q_proj"] == "Linear"
    assert types["model.layers.0.block_sparse_moe.experts.3"] == ""
    assert not any("mlp" in path for path in facts.types), "the file has no such module"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1e+09"),
        ({"num_hidden_layers": [5000]}, "num_hidden_layers is 5000"),
        ({"num_hidden_layers": float("inf")}, "num_hidden_layers is inf"),
        ({"num_hidden_layers": "12"}, "does not build"),
        ({"hidden_size": "768"}, "does not build"),
        ({"hidden_size": float("nan")}, "does not build"),
        ({"hidden_size": None}, "does not build"),
        ({"num_attention_heads": 0}, "does not build"),
        ({"vocab_size": 10**18}, "does not build"),
        ({"vocab_size": -1}, "does not build"),
        ({"hidden_act": "\x1b[2Jnone"}, "does not build"),
        ({"id2label": 7}, "does not build"),
        ({"num_labels": 10**12}, "num_labels is 1e+12"),
        ({"self": 1}, "does not build"),
        ({"text_config": {"num_experts": 10**7}}, "num_experts is 1e+07"),
        ({"a": [{"b": {"decoder_layers": 10**7}}]}, "decoder_layers is 1e+07"),
        ({"model_type": "evil\x1b[31m"}, r"model_type 'evil\x1b[31m' is not one"),
        ({"model_type": None}, "names no model_type"),
        ({"model_type": ["bert"]}, "names no model_type"),
        ({"model_type": "swin", "depths": [2, 10**8]}, "depths is 1e+08"),
        ({"model_type": "swin", "depths": [1000] * 1000}, "depths is 1e+06"),
    ],
)
def test_hostile_configs(change: dict[str, object], words: str) -> None:
    names = names_of(BertModel, BertConfig(num_hidden_layers=1))
    facts, note = facts_from_config({**BERT, **change}, names)
    assert facts == NO_FACTS
    assert note.startswith("no module types: ") and words in note
    assert note.isprintable() and len(note) < 500


def test_no_config_at_all() -> None:
    for config in ({}, {"architectures": ["BertModel"]}, []):
        assert facts_from_config(config, ["a"])[0] == NO_FACTS  # type: ignore[arg-type]


def test_infinity_as_the_library_writes_it() -> None:
    config = {"model_type": "mamba2", "time_step_limit": [0.0, {"__float__": "Infinity"}],
              "num_hidden_layers": 1}  # fmt: skip
    assert facts_from_config(config, ["backbone.norm_f.weight"])[1].startswith("Mamba2Model")


def test_nested_configs_end() -> None:
    config: dict[str, object] = {"model_type": "bert"}
    for _ in range(3000):
        config = {"model_type": "bert", "text_config": config}
    assert "nested too deep" in facts_from_config(config, ["a"])[1]
    deep: list[object] = []
    for _ in range(3000):
        deep = [deep]
    assert "nested too deep" in facts_from_config({**BERT, "id2label": deep}, ["a"])[1]


def test_too_many_modules_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta, "MOST_MODULES", 50)
    facts, note = facts_from_config(BERT, ["embeddings.LayerNorm.weight"])
    assert facts == NO_FACTS and "more than 50 modules" in note
    assert nn.Sequential(nn.ReLU()), "the limit is gone with the config"


def test_names_of_another_model() -> None:
    facts, note = facts_from_config(BERT, ["conv.weight", "stem.0.bias"])
    assert facts == NO_FACTS
    assert note == "no module types: 0 of 2 tensor names match BertForMaskedLM"
    assert facts_from_config(BERT, [])[0] == NO_FACTS


@pytest.mark.parametrize("asked", ["os.system", "BertTokenizer", "LlamaModel", 5, None, "Trainer"])
def test_only_listed_classes_are_built(asked: object) -> None:
    names = names_of(BertModel, BertConfig(num_hidden_layers=1))
    config = {"model_type": "bert", "num_hidden_layers": 1, "architectures": [asked]}
    assert facts_from_config(config, names)[1].startswith("BertModel: ")


def test_no_code_no_network_no_question_no_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("reached outside")

    spoor = tmp_path / "ran"
    code = f"open({str(spoor)!r}, 'w').write('x')\nfrom transformers import BertModel as Evil\n"
    (tmp_path / "modeling_evil.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr("builtins.input", forbidden)
    here = str(tmp_path)
    reach = {
        "auto_map": dict.fromkeys(("AutoConfig", "AutoModel"), f"{here}--modeling_evil.Evil"),
        "_name_or_path": here,
        "name_or_path": here,
        "attn_implementation": "someone/kernels",
        "_attn_implementation": "someone/kernels",
        "experts_implementation": "someone/kernels",
        "use_kernels": True,
        "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True},
        "num_hidden_layers": 1,
    }
    names = names_of(BertModel, BertConfig(num_hidden_layers=1))
    _, note = facts_from_config({**BERT, **reach, "architectures": ["Evil"]}, names)
    assert note.startswith("BertModel: ")
    nested = {**SMALL, **reach, "model_type": "llama", "num_attention_heads": 2}
    outer = {"model_type": "llava", "text_config": nested, "auto_map": reach["auto_map"]}
    assert "Llava" in facts_from_config(outer, ["model.language_model.norm.weight"])[1]
    backbone = {"model_type": "detr", "backbone": here, "use_timm_backbone": False,
                "use_pretrained_backbone": True}  # fmt: skip
    facts_from_config(backbone, ["a"])
    unknown = {**reach, "model_type": "evil", "architectures": ["Evil"]}
    assert "not one the library knows" in facts_from_config(unknown, names)[1]
    assert not spoor.exists() and "modeling_evil" not in sys.modules
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_the_surroundings_are_as_before() -> None:
    from huggingface_hub import constants

    before = (constants.HF_HUB_OFFLINE, input, sys.stdout, sys.stderr, torch.get_default_dtype())
    facts_from_config(BERT, ["a"])
    facts_from_config({**BERT, "hidden_size": "x"}, ["a"])
    after = (constants.HF_HUB_OFFLINE, input, sys.stdout, sys.stderr, torch.get_default_dtype())
    assert before == after
    assert nn.Linear(2, 2).weight.device.type == "cpu"
