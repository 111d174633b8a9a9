"""Small models on the meta device, and plans that are tried on them."""

from collections.abc import Mapping

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)  # fmt: skip

from inspect_core.plan.plan import Freeze, Place, Plan
from inspect_core.plan.written.spelling import pattern_of
from inspect_core.structure.from_modules import model_listing

SMALL = {"hidden_size": 16, "intermediate_size": 32, "vocab_size": 64}
CONFIGS = {
    "bert": BertConfig(num_hidden_layers=4, num_attention_heads=2, **SMALL),
    "gpt2": GPT2Config(n_layer=3, n_embd=16, n_head=2, vocab_size=64, n_positions=32),
    "t5": T5Config(num_layers=2, d_model=16, d_ff=32, d_kv=8, num_heads=2, vocab_size=64),
    "llama": LlamaConfig(
        num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, **SMALL
    ),
}
CLASSES = {
    "bert": BertForSequenceClassification,
    "gpt2": GPT2LMHeadModel,
    "t5": T5ForConditionalGeneration,
    "llama": LlamaForCausalLM,
}


def model_of(kind: str) -> torch.nn.Module:
    """A fresh model: what peft does to one stays in it."""
    with torch.device("meta"):
        return CLASSES[kind](CONFIGS[kind])


def listing_of_kind(kind: str):
    """Names, specs, facts and config of a model."""
    return (*model_listing(model_of(kind)), CONFIGS[kind].to_dict())


def trained(model: torch.nn.Module) -> Mapping[str, tuple[int, ...]]:
    """What would be trained."""
    return {n: tuple(p.shape) for n, p in model.named_parameters() if p.requires_grad}


def freeze(*texts: str, but: tuple[str, ...] = ()) -> Freeze:
    return Freeze(tuple(map(pattern_of, texts)), False, tuple(map(pattern_of, but)))


def thaw(*texts: str, but: tuple[str, ...] = ()) -> Freeze:
    return Freeze(tuple(map(pattern_of, texts)), True, tuple(map(pattern_of, but)))


QV = Place(targets=("query", "value"))

FREEZING = {
    "embeddings": ("bert", Plan((freeze("embeddings"),))),
    "two layers": ("bert", Plan((freeze("embeddings", "*.layer.[0-1]"),))),
    "all but norms": ("bert", Plan((freeze("*", but=("LayerNorm",)),))),
    "biases only": ("bert", Plan((freeze("*"), thaw("bias")))),
    "a regex": ("bert", Plan((freeze(r"re:.*\.attention\..*"), thaw("layer.3")))),
    "one by name": ("bert", Plan((freeze("=bert.pooler.dense.weight"),))),
    "a tied embedding": ("gpt2", Plan((freeze("wte"),))),
    "numbers": ("gpt2", Plan((freeze("transformer.h.{n}.mlp"), thaw("h.2")))),
    "a tied head": ("t5", Plan((freeze("shared", "encoder"),))),
    "nothing": ("llama", Plan()),
}
"""Plans without adapters."""

PLACING = {
    "lora": ("bert", Plan((QV,))),
    "layers": ("bert", Plan((Place(targets=("query",), layers=(1, 3), rank=2),))),
    "dora": ("bert", Plan((Place("dora", ("query", "output.dense"), rank=4),))),
    "saved": ("bert", Plan((Place(targets=("key",), modules_to_save=("classifier",)),))),
    "biases": ("bert", Plan((Place(targets=("key",), bias="all"),))),
    "ranks": ("bert", Plan((Place(targets=("key", "query"), rank_pattern={"key": 3}),))),
    "ia3": ("bert", Plan((Place("ia3", ("key", "output.dense"), feedforward=("output.dense",)),))),
    "expression": ("gpt2", Plan((Place(target_expression=r".*\.h\.[01]\..*c_attn"),))),
    "all linear": ("llama", Plan((Place(target_expression="all-linear", exclude=("o_proj",)),))),
    "type's own": ("t5", Plan((Place(),))),
    "frozen before": ("bert", Plan((freeze("embeddings"), QV))),
}
"""Plans that one PEFT config says as they are."""

TOGETHER = {
    "two ranks": (
        "bert",
        Plan((Place(targets=("query",), rank=2, alpha=4), Place(targets=("value",), rank=6))),
    ),
    "two ranks by layer": (
        "llama",
        Plan(
            (
                Place(targets=("q_proj",), layers=(0,), rank=2),
                Place(targets=("q_proj", "v_proj"), layers=(1, 2), rank=4, alpha=16),
            )
        ),
    ),
    "two feedforwards": (
        "t5",
        Plan((Place("ia3", ("k", "v")), Place("ia3", ("wo",), feedforward=("wo",)))),
    ),
    "two saved": (
        "bert",
        Plan((Place(targets=("query",), modules_to_save=("classifier",)), Place(targets=("key",)))),
    ),
}
"""Plans whose placements one config says together."""

AFTER = {
    "thawed head": ("bert", Plan((QV, thaw("classifier")))),
    "thawed norms": ("bert", Plan((QV, thaw("LayerNorm", but=("layer.0",))))),
    "thawed all": ("bert", Plan((QV, thaw("*")))),
    "thawed target": ("bert", Plan((QV, thaw("query")))),
    "frozen delta": ("bert", Plan((QV, freeze("layer.0")))),
    "frozen all": ("bert", Plan((QV, thaw("classifier"), freeze("*")))),
    "frozen factor": ("bert", Plan((QV, freeze("lora_A")))),
    "saved and thawed": (
        "bert",
        Plan((Place(targets=("key",), modules_to_save=("classifier",)), thaw("classifier"))),
    ),
    "by whole name": ("gpt2", Plan((Place(), thaw("=transformer.ln_f", "transformer.h.{n}.ln_1")))),
}
"""Plans that go on after a placement, which PEFT's config cannot say."""

ALL_PLANS = {**FREEZING, **PLACING, **TOGETHER, **AFTER}
