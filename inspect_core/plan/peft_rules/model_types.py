"""What PEFT 0.21 knows of model types: default targets, fused experts, heads.

Copied from its tables, and compared with them in the tests.
"""

from collections.abc import Mapping


def _listed(text: str) -> dict[str, tuple[str, ...]]:
    """The table of lines `type type: name name`."""
    table: dict[str, tuple[str, ...]] = {}
    for line in text.strip().splitlines():
        types, _, names = line.partition(":")
        table.update(dict.fromkeys(types.split(), tuple(names.split())))
    return table


LORA_TARGETS: Mapping[str, tuple[str, ...]] = _listed(
    """
    t5 mt5: q v
    bart opt gptj gpt_neo llama llama4 mistral mixtral stablelm: q_proj v_proj
    gemma gemma2 gemma3_text qwen2 qwen3: q_proj v_proj
    gpt2 gpt_bigcode: c_attn
    bloom gpt_neox chatglm RefinedWebModel RefinedWeb falcon: query_key_value
    blip-2: q v q_proj v_proj
    bert roberta xlm-roberta electra layoutlm: query value
    deberta-v2: query_proj value_proj
    deberta: in_proj
    mpt: Wqkv
    btlm: c_proj c_attn
    codegen: qkv_proj
    phi: q_proj v_proj fc1 fc2
    nemotron_h: q_proj k_proj v_proj o_proj
    rwkv: key value receptance output
    rwkv7: r_proj k_proj v_proj o_proj key value
    """
)
"""`target_modules` of LoRA where none are given, by `model_type`."""

LORA_EXPRESSIONS: Mapping[str, str] = {"gemma4": r".*language_model\..*\.(q_proj|v_proj)"}
"""The same where it is one expression."""

IA3_TARGETS: Mapping[str, tuple[str, ...]] = _listed(
    """
    t5: k v wo
    mt5: k v wi_1
    gpt2 gpt_bigcode: c_attn mlp.c_proj
    bloom: query_key_value mlp.dense_4h_to_h
    roberta bert: key value output.dense
    opt: q_proj k_proj fc2
    gptj: q_proj v_proj fc_out
    gpt_neox RefinedWebModel RefinedWeb falcon: query_key_value dense_4h_to_h
    gpt_neo: q_proj v_proj c_proj
    bart phi: q_proj v_proj fc2
    llama mistral: k_proj v_proj down_proj
    llama4 gemma gemma2 gemma3_text qwen2 qwen3: q_proj v_proj down_proj
    mixtral: k_proj v_proj w2
    deberta-v2: key_proj value_proj output.dense
    deberta: in_proj output.dense
    """
)
"""`target_modules` of IA3 where none are given."""

IA3_FEEDFORWARD: Mapping[str, tuple[str, ...]] = _listed(
    """
    t5: wo
    mt5:
    gpt2 gpt_bigcode: mlp.c_proj
    bloom: mlp.dense_4h_to_h
    roberta bert deberta-v2 deberta: output.dense
    opt bart phi: fc2
    gptj: fc_out
    gpt_neox RefinedWeb RefinedWebModel falcon: dense_4h_to_h
    gpt_neo: c_proj
    llama llama4 mistral gemma gemma2 gemma3_text qwen2 qwen3: down_proj
    mixtral: w2
    """
)
"""`feedforward_modules` of IA3 where neither is given."""

_QWEN2_MOE = """
     Dots3NoteTextModel afmoe deepseek_v2 deepseek_v3 deepseek_v32 dots1 ernie4_5_moe
     glm4_moe glm4_moe_lite glm_moe_dsa glm4v_moe longcat_flash solar_open mellum qwen3_moe
     beam qwen3_omni_moe qwen3_omni_moe_thinker qwen3_omni_moe_text qwen3_next hunyuan_v1_moe
     flex_olmo olmoe exaone_moe cohere2_moe UnlimitedOcrTextModel
"""
MIXTURES: Mapping[str, str] = {
    **dict.fromkeys(("mixtral", "minimax", "minimax_m2"), "mixtral"),
    **dict.fromkeys(_QWEN2_MOE.split(), "qwen2_moe"),
}
"""`model_type` -> the naming of its experts before transformers 5 fused them into one tensor."""

V4_NAMES: Mapping[str, Mapping[str, str]] = {
    "mixtral": {
        "gate": "gate.weight",
        "w1": "gate_up_proj",
        "w3": "gate_up_proj",
        "w2": "down_proj",
    },
    "qwen2_moe": {
        "gate": "gate.weight",
        "gate_proj": "gate_up_proj",
        "up_proj": "gate_up_proj",
        "down_proj": "down_proj",
    },
}
"""For each naming: an old module's name -> the parameter that PEFT adapts in its place."""

FUSED: Mapping[str, tuple[str, ...]] = {
    "mixtral": ("w1", "w3"),
    "qwen2_moe": ("gate_proj", "up_proj"),
}
"""The old modules that `gate_up_proj` is made of: one is not to be had without the other."""

FUSED_PARAMETER = "gate_up_proj"

SAVED_BY_TASK: Mapping[str, tuple[str, ...]] = {
    "SEQ_CLS": ("classifier", "score"),
    "TOKEN_CLS": ("classifier", "score"),
    "QUESTION_ANS": ("qa_outputs",),
}
"""What PEFT saves whole for a task, whatever the config says."""

SAVED_LATE = frozenset({"TOKEN_CLS", "QUESTION_ANS"})
"""Tasks whose head PEFT 0.21 saves after it has put the adapters on: it does not spare the head."""

GENERATING = frozenset({"CAUSAL_LM", "SEQ_2_SEQ_LM"})
"""Tasks for which PEFT needs a model that can generate."""

TASKS = frozenset({*SAVED_BY_TASK, "SEQ_2_SEQ_LM", "CAUSAL_LM", "FEATURE_EXTRACTION"})
"""`task_type`s."""

CLASSIFIERS = ("score", "classifier")
"""Heads of classification that `all-linear` leaves out."""

HEADS = (
    "lm_head.decoder", "lm_head.out_proj", "lm_head", "cls.predictions.decoder",
    "predictions.decoder", "generator_lm_head", "mlm_score.decoder", "vocab_projector",
    "pred_layer.proj", "lm_loss", "embed_out", "output_projection", "proj_out",
)  # fmt: skip
"""Output layers of the library's models, which `all-linear` leaves out; the first there is."""

MAMBA = frozenset({"falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h"})
"""Families in which PEFT refuses `MAMBA_REFUSED`."""

MAMBA_REFUSED = frozenset({"out_proj", "conv1d"})
