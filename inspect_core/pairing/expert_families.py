"""Which way model families store the matrices of their experts, where one tensor holds them all.

Derived from the modelling files and the `conversion_mapping` of transformers 5.
"""

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing.facts import Facts

INWARD = frozenset({
    "llama4", "llama4_text", "gpt_oss", "openai_privacy_filter", "aria", "aria_text",
})  # fmt: skip
"""Families that store the matrix of an expert `[in, out]`."""

UPRIGHT = frozenset({
    "afmoe", "cohere2_moe", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4", "dots1",
    "ernie4_5_moe", "ernie4_5_vl_moe", "ernie4_5_vl_moe_text", "exaone_moe", "flex_olmo",
    "gemma4", "gemma4_text", "glm4_moe", "glm4_moe_lite", "glm4v_moe", "glm4v_moe_text",
    "glm_moe_dsa", "granitemoe", "granitemoehybrid", "granitemoeshared", "hunyuan_v1_moe", "jamba",
    "kimi_linear", "lfm2_moe", "longcat_flash", "minimax", "minimax_m2", "mistral4", "mixtral",
    "olmoe", "phimoe", "qwen2_moe", "qwen3_5_moe", "qwen3_5_moe_text", "qwen3_moe", "qwen3_next",
    "qwen3_omni_moe", "qwen3_omni_moe_text", "solar_open",
})  # fmt: skip
"""Families that store it `[out, in]`, as most do. Not among them is `qwen3_vl_moe`, whose files
have it either way: transformers turns it where the shape says so."""


def stored_inward(info: TensorInfo, module: str, facts: tuple[Facts, Facts]) -> bool | None:
    """Whether the matrices of all experts in one tensor are stored `[in, out]`.

    The shape says so where the model's width is known and only one side has it; then the
    family. Of square matrices only a family that is known tells; of others a wrong answer
    pairs nothing, as the shapes then differ.

    Args:
        info: the tensor, 3-D.
        module: `gate_up_proj`, `gate_proj`, `up_proj` or `down_proj`.
        facts: of its checkpoint, then of the other.

    Returns:
        None where nothing tells.
    """
    first, second = info.shape[1:]
    family = facts[0].family
    width = facts[0].width or facts[1].width
    if width and (first == width) != (second == width):
        return (first == width) != (module == "down_proj")
    if family in INWARD:
        return True
    return False if first != second or family in UPRIGHT else None
