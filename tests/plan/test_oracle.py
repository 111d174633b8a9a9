"""The preview against peft itself: `get_peft_model` on models without memory."""

import contextlib
import functools
import re
import warnings

import pytest
import torch
import transformers
from peft import IA3Config, LoraConfig, get_peft_model
from placements import ANYWHERE, CASES
from transformers import initialization

from inspect_core.errors import UsageError
from inspect_core.plan.plan import Place, Plan
from inspect_core.plan.preview import preview, trainable_names
from inspect_core.plan.written.export import config_of
from inspect_core.structure.from_modules import model_listing

WIDE = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 32}
MODELS = {
    "bert": ("BertForMaskedLM", transformers.BertConfig, {**WIDE, "num_hidden_layers": 3}),
    "bert-cls": (
        "BertForSequenceClassification", transformers.BertConfig, {**WIDE, "num_hidden_layers": 3},
    ),
    "roberta": ("RobertaForMaskedLM", transformers.RobertaConfig, {**WIDE, "num_hidden_layers": 3}),
    "roberta-cls": (
        "RobertaForSequenceClassification", transformers.RobertaConfig,
        {**WIDE, "num_hidden_layers": 2},
    ),
    "gpt2": (
        "GPT2LMHeadModel", transformers.GPT2Config,
        {"n_embd": 16, "n_head": 2, "n_layer": 3, "vocab_size": 32},
    ),
    "t5": (
        "T5ForConditionalGeneration", transformers.T5Config,
        {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "vocab_size": 32},
    ),
    "opt": (
        "OPTForCausalLM", transformers.OPTConfig,
        {"hidden_size": 16, "ffn_dim": 24, "num_attention_heads": 2, "num_hidden_layers": 3,
         "vocab_size": 32, "word_embed_proj_dim": 8},
    ),
    "llama": (
        "LlamaForCausalLM", transformers.LlamaConfig,
        {**WIDE, "num_hidden_layers": 3, "num_key_value_heads": 1},
    ),
    "mixtral": (
        "MixtralForCausalLM", transformers.MixtralConfig,
        {**WIDE, "num_hidden_layers": 2, "num_local_experts": 4, "num_key_value_heads": 1},
    ),
    "vit": (
        "ViTForImageClassification", transformers.ViTConfig,
        {**WIDE, "num_hidden_layers": 3, "image_size": 32},
    ),
    "whisper": (
        "WhisperForConditionalGeneration", transformers.WhisperConfig,
        {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
         "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24,
         "vocab_size": 64, "num_mel_bins": 4, "pad_token_id": 0},
    ),
}  # fmt: skip


@functools.cache
def config_for(name: str) -> transformers.PreTrainedConfig:
    _, kind, sizes = MODELS[name]
    return kind(**sizes, attn_implementation="eager")


def fresh(name: str) -> torch.nn.Module:
    with torch.device("meta"), initialization.no_init_weights():
        model = getattr(transformers, MODELS[name][0])(config_for(name))
        model.tie_weights()
    return model


@functools.cache
def listing(name: str) -> tuple:
    return model_listing(fresh(name))


def by_peft(name: str, place: Place) -> tuple[dict[str, tuple[int, ...]], int]:
    settings = config_of(place)
    kind = IA3Config if settings.pop("peft_type") == "IA3" else LoraConfig
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(fresh(name), kind(**settings), low_cpu_mem_usage=True)
    named = list(model.named_parameters())
    names = {n: tuple(p.shape) for n, p in named if p.requires_grad}
    return names, sum(p.numel() for _, p in named)


def check(name: str, place: Place) -> None:
    """Names, shapes and counts are peft's; where it raises, the preview says so."""
    names, specs, facts = listing(name)
    config = config_for(name).to_dict()
    try:
        shown = preview(names, specs, facts, Plan((place,)), config)
    except UsageError:
        with pytest.raises(re.error):
            by_peft(name, place)
        return
    try:
        expected, params = by_peft(name, place)
    except (ValueError, TypeError, AttributeError, re.error, UsageError) as error:
        assert shown.error, f"peft refuses: {error}"
        with pytest.raises(UsageError):
            trainable_names(names, specs, facts, Plan((place,)), config)
        return
    assert shown.error == ""
    assert trainable_names(names, specs, facts, Plan((place,)), config) == expected
    tunable = sum(torch.Size(shape).numel() for shape in expected.values())
    assert (shown.totals.tunable, shown.totals.params) == (tunable, params)
    assert shown.tree.root.totals.tunable == tunable


PAIRS = [(name, place) for name in MODELS for place in (*ANYWHERE, *CASES[name])]


@pytest.mark.parametrize(
    ("name", "place"), PAIRS, ids=[f"{name}-{at}" for at, (name, _) in enumerate(PAIRS)]
)
def test_what_would_be_trained_is_what_peft_trains(name: str, place: Place) -> None:
    check(name, place)


def test_every_family_has_twenty_placements_that_peft_takes() -> None:
    taken = dict.fromkeys(MODELS, 0)
    for name, place in PAIRS:
        names, specs, facts = listing(name)
        with contextlib.suppress(UsageError):
            config = config_for(name).to_dict()
            taken[name] += preview(names, specs, facts, Plan((place,)), config).error == ""
    assert min(taken.values()) >= 20, taken


PREFIXED = [
    ("bert", "bert."), ("roberta-cls", "roberta."), ("gpt2", "transformer."), ("opt", "model."),
    ("llama", "model."), ("vit", "vit."), ("mixtral", "model."), ("whisper", "model."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "prefix"), PREFIXED)
def test_a_file_without_the_class_s_prefix_gives_the_class_s_names(name: str, prefix: str) -> None:
    from inspect_core.structure.meta import facts_from_config

    names, specs, _ = listing(name)
    kept = [
        (n.removeprefix(prefix), s) for n, s in zip(names, specs, strict=True) if s.stored
    ]  # the file of the bare model: heads keep their names
    config = {**config_for(name).to_dict(), "architectures": [MODELS[name][0]]}
    stored = [n for n, _ in kept]
    facts, _ = facts_from_config(config, stored)
    assert facts.types
    for place in (
        Place(target_expression="all-linear"),
        Place(target_expression="all-linear", bias="all", modules_to_save=("norm", "LayerNorm")),
        Place(targets=("query", "q_proj", "c_attn"), layers=(1,)),
    ):
        expected, _ = by_peft(name, place)
        assert (
            trainable_names(stored, [s for _, s in kept], facts, Plan((place,)), config) == expected
        )
        if name == "mixtral":
            continue  # no target names the fused experts
        whole = tuple(
            n.removeprefix("base_model.model.").split(".lora_")[0]
            for n in expected
            if ".lora_" in n
        )
        again = Place(
            targets=tuple(dict.fromkeys(whole)),
            bias=place.bias,
            modules_to_save=place.modules_to_save,
        )
        assert (
            trainable_names(stored, [s for _, s in kept], facts, Plan((again,)), config) == expected
        )


class Odd(torch.nn.Module):
    """Layers that the library's models have not: groups, attention of torch, one module twice."""

    def __init__(self) -> None:
        super().__init__()
        self.deep = torch.nn.Conv2d(8, 8, 3, groups=4)
        self.wide = torch.nn.Conv3d(2, 4, 1)
        self.line = torch.nn.Conv1d(4, 6, 5)
        self.attention = torch.nn.MultiheadAttention(8, 2)
        self.uneven = torch.nn.MultiheadAttention(8, 2, kdim=4, vdim=4)
        self.first = torch.nn.Linear(8, 8)
        self.again = self.first
        self.narrow = torch.nn.Linear(8, 4, bias=False).half()
        self.table = torch.nn.Embedding(10, 8)
        self.tied = torch.nn.Linear(8, 10, bias=False)
        self.tied.weight = self.table.weight
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(8) for _ in range(2))
        self.own = torch.nn.Parameter(torch.zeros(3))


ODD = [
    Place(targets=targets, method=method, rank=rank, modules_to_save=saved, bias=bias)
    for method in ("lora", "dora", "ia3")
    for targets, rank, saved, bias in (
        (("deep",), 4, (), "none"), (("deep",), 6, (), "none"), (("wide", "line"), 2, (), "none"),
        (("attention",), 2, (), "none"), (("uneven",), 2, (), "none"), (("first",), 2, (), "none"),
        (("again", "narrow"), 2, (), "none"), (("again",), 2, (), "none"),
        (("table", "tied"), 3, (), "none"), (("first",), 2, ("table", "tied"), "none"),
        (("first",), 2, ("attention",), "all"), (("line", "first"), 1, ("norms.1",), "lora_only"),
        (("narrow",), 1, ("norms",), "none"), (("attention.out_proj",), 2, (), "none"),
        (("first",), 1, ("first",), "none"), (("norms.0",), 1, (), "none"),
    ) if not (method == "ia3" and bias != "none")
]  # fmt: skip
ODD += [Place(target_expression="all-linear", task=task) for task in ("", "SEQ_CLS")]


@pytest.mark.parametrize("place", ODD, ids=range(len(ODD)))
def test_odd_layers_are_adapted_as_peft_does(place: Place) -> None:
    with torch.device("meta"):
        model, other = Odd(), Odd()
    names, specs, facts = model_listing(model)
    settings = config_of(place)
    kind = IA3Config if settings.pop("peft_type") == "IA3" else LoraConfig
    shown = preview(names, specs, facts, Plan((place,)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adapted = get_peft_model(other, kind(**settings), low_cpu_mem_usage=True)
    except (ValueError, TypeError, AttributeError) as error:
        assert shown.error, f"peft refuses: {error}"
        return
    expected = {n: tuple(p.shape) for n, p in adapted.named_parameters() if p.requires_grad}
    assert shown.error == ""
    assert trainable_names(names, specs, facts, Plan((place,))) == expected
    params = sum(p.numel() for p in adapted.parameters())
    assert shown.totals.params == params


def test_a_module_to_save_inside_of_another_is_refused() -> None:
    names, specs, facts = listing("vit")
    place = Place(targets=("q_proj",), modules_to_save=("embeddings",))
    shown = preview(names, specs, facts, Plan((place,)), config_for("vit").to_dict())
    assert "patch_embeddings and a module around it" in shown.error


def test_tables_are_those_of_peft() -> None:
    from peft.utils import constants
    from peft.utils import transformers_weight_conversion as conversion
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    from inspect_core.plan.peft_rules import model_types as ours

    lora = dict(constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING)
    expressions = {k: lora.pop(k) for k in list(lora) if isinstance(lora[k], str)}
    assert expressions == ours.LORA_EXPRESSIONS
    assert {k: tuple(v) for k, v in lora.items()} == ours.LORA_TARGETS
    ia3 = constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING
    assert {k: tuple(v) for k, v in ia3.items()} == ours.IA3_TARGETS
    fed = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING
    assert {k: tuple(v) for k, v in fed.items()} == ours.IA3_FEEDFORWARD
    families = conversion._MODEL_TO_CONVERSION_PATTERN
    moe = {k: v for k, v in families.items() if v in conversion._MOE_TARGET_MODULE_MAPPING}
    known = {k: v for k, v in moe.items() if get_checkpoint_conversion_mapping(k) is not None}
    assert known == ours.MIXTURES
    assert conversion._MOE_TARGET_MODULE_MAPPING == ours.V4_NAMES
    fused = conversion._MOE_FUSED_TARGETS
    assert {k: tuple(v["gate_up_proj"]) for k, v in fused.items()} == ours.FUSED
