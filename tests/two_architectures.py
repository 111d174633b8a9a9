"""The same weights as an OPT and as a GPT-2: two architectures that hold one model."""

from collections.abc import Mapping

import numpy as np

GPT2 = {"model_type": "gpt2", "n_layer": 2, "n_embd": 8, "n_head": 2}
OPT = {
    "model_type": "opt", "num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2,
}  # fmt: skip


def opt() -> dict[str, np.ndarray]:
    """An OPT of two blocks; its square matrices are not symmetric."""
    rng = np.random.default_rng(5)

    def made(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    tensors = {
        "model.decoder.embed_tokens.weight": made(12, 8),
        "model.decoder.embed_positions.weight": made(6, 8),
    }
    for block in range(2):
        at = f"model.decoder.layers.{block}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            tensors[f"{at}.self_attn.{part}.weight"] = made(8, 8)
            tensors[f"{at}.self_attn.{part}.bias"] = made(8)
        tensors |= {f"{at}.fc1.weight": made(32, 8), f"{at}.fc1.bias": made(32)}
        tensors |= {f"{at}.fc2.weight": made(8, 32), f"{at}.fc2.bias": made(8)}
        for norm in ("self_attn_layer_norm", "final_layer_norm"):
            tensors |= {f"{at}.{norm}.weight": made(8), f"{at}.{norm}.bias": made(8)}
    norm = "model.decoder.final_layer_norm"
    return tensors | {f"{norm}.weight": made(8), f"{norm}.bias": made(8)}


def as_gpt2(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same weights as GPT-2 lays them out: queries, keys and values in one, `[in, out]`."""
    at = "model.decoder"
    made = {
        "wte.weight": tensors[f"{at}.embed_tokens.weight"],
        "wpe.weight": tensors[f"{at}.embed_positions.weight"],
        "ln_f.weight": tensors[f"{at}.final_layer_norm.weight"],
        "ln_f.bias": tensors[f"{at}.final_layer_norm.bias"],
    }
    for block in range(2):
        own, new = f"{at}.layers.{block}", f"h.{block}"
        for leaf in ("weight", "bias"):
            qkv = [tensors[f"{own}.self_attn.{part}_proj.{leaf}"] for part in "qkv"]
            made[f"{new}.attn.c_attn.{leaf}"] = np.concatenate(qkv)
            made[f"{new}.attn.c_proj.{leaf}"] = tensors[f"{own}.self_attn.out_proj.{leaf}"]
            made[f"{new}.mlp.c_fc.{leaf}"] = tensors[f"{own}.fc1.{leaf}"]
            made[f"{new}.mlp.c_proj.{leaf}"] = tensors[f"{own}.fc2.{leaf}"]
            made[f"{new}.ln_1.{leaf}"] = tensors[f"{own}.self_attn_layer_norm.{leaf}"]
            made[f"{new}.ln_2.{leaf}"] = tensors[f"{own}.final_layer_norm.{leaf}"]
    turned = (".c_attn.weight", ".c_proj.weight", ".c_fc.weight")
    return {name: value.T if name.endswith(turned) else value for name, value in made.items()}
