"""A GGUF file against the model that it was made of."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from pairing_made import by_name, differ, saved

from inspect_core.checkpoint import Checkpoint, open_checkpoint
from inspect_core.pairing import pair_checkpoints

HIDDEN, INNER, HEADS, KEYS, SIZE, WORDS = 64, 96, 4, 2, 16, 40
RANDOM = np.random.default_rng(3)

CONFIG = {
    "hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_key_value_heads": KEYS,
    "num_hidden_layers": 1, "head_dim": SIZE,
}  # fmt: skip


def values(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, dtype=np.float32)


def written(
    path: Path, arch: str, tensors: dict[str, np.ndarray], quantised: tuple[str, ...] = ()
) -> Checkpoint:
    """A GGUF file by the library's own writer."""
    writer = gguf.GGUFWriter(path, arch)
    writer.add_block_count(1)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEYS)
    writer.add_embedding_length(HIDDEN)
    for name, value in tensors.items():
        if name in quantised:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return open_checkpoint(path)


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """As llama.cpp's conversion reorders queries and keys."""
    apart = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return apart.swapaxes(1, 2).reshape(weight.shape)


def model() -> dict[str, np.ndarray]:
    path = "model.layers.0."
    return {
        "model.embed_tokens.weight": values(WORDS, HIDDEN),
        "model.norm.weight": values(HIDDEN),
        "lm_head.weight": values(WORDS, HIDDEN),
        f"{path}input_layernorm.weight": values(HIDDEN),
        f"{path}self_attn.q_proj.weight": values(HEADS * SIZE, HIDDEN),
        f"{path}self_attn.k_proj.weight": values(KEYS * SIZE, HIDDEN),
        f"{path}self_attn.v_proj.weight": values(KEYS * SIZE, HIDDEN),
        f"{path}self_attn.o_proj.weight": values(HIDDEN, HEADS * SIZE),
    }


def converted(tensors: dict[str, np.ndarray], reorder: bool) -> dict[str, np.ndarray]:
    path = "model.layers.0."
    q, k = (tensors[f"{path}self_attn.{part}_proj.weight"] for part in "qk")
    return {
        "token_embd.weight": tensors["model.embed_tokens.weight"],
        "output_norm.weight": tensors["model.norm.weight"],
        "output.weight": tensors["lm_head.weight"],
        "blk.0.attn_norm.weight": tensors[f"{path}input_layernorm.weight"],
        "blk.0.attn_q.weight": permuted(q, HEADS) if reorder else q,
        "blk.0.attn_k.weight": permuted(k, KEYS) if reorder else k,
        "blk.0.attn_v.weight": tensors[f"{path}self_attn.v_proj.weight"],
        "blk.0.attn_output.weight": tensors[f"{path}self_attn.o_proj.weight"],
    }


def same(one: Checkpoint, other: Checkpoint) -> None:
    for model, reference in ((one, other), (other, one)):
        pairing = pair_checkpoints(model, reference)
        for match in pairing.matches:
            assert match.status == "pair", (match.name, match.reason)
            assert differ(model, reference, match) == 0.0, (match.name, match.reason)


@pytest.mark.parametrize(("arch", "reorder"), [("llama", True), ("qwen2", False)])
def test_names_and_the_order_of_rows(tmp_path: Path, arch: str, reorder: bool) -> None:
    tensors = model()
    one = saved(tmp_path / "a", tensors, {**CONFIG, "model_type": arch})
    two = written(tmp_path / "b.gguf", arch, converted(tensors, reorder))
    same(one, two)
    query = by_name(pair_checkpoints(one, two))["model.layers.0.self_attn.q_proj.weight"]
    assert query.reference.name == "blk.0.attn_q.weight"
    assert query.reason.startswith("llama.cpp's names")
    assert ("reordered by head" in query.reason) == reorder


def test_quantised_rows_are_reordered_too(tmp_path: Path) -> None:
    from inspect_core.results.records import diff

    tensors = model()
    saved(tmp_path / "a", tensors, CONFIG)
    name = "blk.0.attn_q.weight"
    written(tmp_path / "b.gguf", "llama", converted(tensors, reorder=True), (name,))
    found = {t.name: t for t in diff(tmp_path / "b.gguf", tmp_path / "a").tensors}
    query = found["model.layers.0.self_attn.q_proj.weight"]
    assert query.reference_name == name and query.reference_dtype == "Q8_0"
    assert 0 < query.rel_l2 < 0.01  # the rounding; of rows in another order it is about 1.4
    assert query.numel == HEADS * SIZE * HIDDEN


def test_an_unknown_order_is_not_compared(tmp_path: Path) -> None:
    tensors = model()
    one = saved(tmp_path / "a", tensors, CONFIG)
    two = written(tmp_path / "b.gguf", "plamo", converted(tensors, reorder=False))
    matches = by_name(pair_checkpoints(one, two))
    query = matches["model.layers.0.self_attn.q_proj.weight"]
    assert query.status == "unsupported"
    assert "not known here" in query.reason
    assert matches["model.layers.0.self_attn.v_proj.weight"].status == "pair"


def test_an_unknown_architecture_is_said(tmp_path: Path) -> None:
    tensors = model()
    one = saved(tmp_path / "a", tensors, CONFIG)
    two = written(tmp_path / "b.gguf", "nobodys", converted(tensors, reorder=False))
    reasons = {m.reason for m in pair_checkpoints(one, two).matches if m.model is not None}
    assert reasons == {"llama.cpp's architecture 'nobodys' is not known here"}


def test_norms_plus_one_are_not_compared(tmp_path: Path) -> None:
    tensors = model()
    one = saved(tmp_path / "a", tensors, CONFIG)
    two = written(tmp_path / "b.gguf", "gemma", converted(tensors, reorder=False))
    for first, second in ((one, two), (two, one)):
        matches = pair_checkpoints(first, second).matches
        norms = [m for m in matches if m.name.endswith("norm.weight")]
        assert len(norms) == 2
        assert {(m.status, m.reason) for m in norms} == {
            ("unsupported", "llama.cpp stores this norm plus 1")
        }


def test_experts(tmp_path: Path) -> None:
    apart = {
        f"model.layers.0.block_sparse_moe.experts.{e}.{w}.weight": values(*shape)
        for e in range(3)
        for w, shape in (("w1", (INNER, HIDDEN)), ("w2", (HIDDEN, INNER)), ("w3", (INNER, HIDDEN)))
    }
    apart["model.layers.0.block_sparse_moe.gate.weight"] = values(3, HIDDEN)
    path = "model.layers.0.block_sparse_moe."
    stacked = {
        f"blk.0.ffn_{name}_exps.weight": np.stack(
            [apart[f"{path}experts.{e}.{w}.weight"] for e in range(3)]
        )
        for w, name in (("w1", "gate"), ("w2", "down"), ("w3", "up"))
    }
    stacked["blk.0.ffn_gate_inp.weight"] = apart[f"{path}gate.weight"]
    one = saved(tmp_path / "a", apart, CONFIG)
    two = written(tmp_path / "b.gguf", "llama", stacked)
    same(one, two)
    halves = [stacked[f"blk.0.ffn_{name}_exps.weight"] for name in ("gate", "up")]
    fused = {
        "model.layers.0.mlp.experts.gate_up_proj": np.concatenate(halves, axis=1),
        "model.layers.0.mlp.experts.down_proj": stacked["blk.0.ffn_down_exps.weight"],
        "model.layers.0.mlp.gate.weight": stacked["blk.0.ffn_gate_inp.weight"],
    }
    same(saved(tmp_path / "c", fused, {**CONFIG, "model_type": "mixtral"}), two)


def test_gpt2(tmp_path: Path) -> None:
    attention, bias = values(3 * HIDDEN, HIDDEN), values(3 * HIDDEN)
    inner = values(4 * HIDDEN, HIDDEN)
    library = {
        "transformer.h.0.attn.c_attn.weight": attention.T,
        "transformer.h.0.attn.c_attn.bias": bias,
        "transformer.h.0.mlp.c_fc.weight": inner.T,
    }
    one = saved(tmp_path / "a", library, {"model_type": "gpt2", "n_head": HEADS, "n_embd": HIDDEN})
    names = ("blk.0.attn_qkv.weight", "blk.0.attn_qkv.bias", "blk.0.ffn_up.weight")
    two = written(
        tmp_path / "b.gguf", "gpt2", dict(zip(names, (attention, bias, inner), strict=True))
    )
    same(one, two)


def test_projections_fused_head_by_head(tmp_path: Path) -> None:
    parts = [values(HEADS, 1, SIZE, HIDDEN) for _ in range(3)]
    fused = {
        "gpt_neox.layers.0.attention.query_key_value.weight": np.concatenate(parts, 1).reshape(
            -1, HIDDEN
        )
    }
    stacked = {"blk.0.attn_qkv.weight": np.concatenate([p.reshape(-1, HIDDEN) for p in parts])}
    config = {"model_type": "gpt_neox", "hidden_size": HIDDEN, "num_attention_heads": HEADS}
    one = saved(tmp_path / "a", fused, config)
    same(one, written(tmp_path / "b.gguf", "gptneox", stacked))


def test_gate_and_up_stay_together_where_llama_cpp_has_them_so(tmp_path: Path) -> None:
    whole = {"model.layers.0.mlp.gate_up_proj.weight": values(2 * INNER, HIDDEN)}
    one = saved(tmp_path / "a", whole, CONFIG)
    same(
        one,
        written(tmp_path / "b.gguf", "phi3", {"blk.0.ffn_up.weight": next(iter(whole.values()))}),
    )
