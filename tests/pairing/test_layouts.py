"""The same weights in another layout: every tensor finds its partner, and nothing differs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairing_made import Arrays, by_name, differ, listed, read, saved

from inspect_core.checkpoint import Checkpoint
from inspect_core.pairing import Pairing, pair_checkpoints
from inspect_core.pairing.by_layout import PARTS_A_NAME
from inspect_core.pairing.layouts import UNTOLD
from inspect_core.pairing.names import pair_tensors

HIDDEN, INNER, HEADS, KEYS, SIZE = 16, 24, 4, 2, 4
RANDOM = np.random.default_rng(7)


def values(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, dtype=np.float32)


def llama(prefix: str = "model.layers.0.") -> dict[str, np.ndarray]:
    """A layer with separate projections."""
    return {
        f"{prefix}self_attn.q_proj.weight": values(HEADS * SIZE, HIDDEN),
        f"{prefix}self_attn.k_proj.weight": values(KEYS * SIZE, HIDDEN),
        f"{prefix}self_attn.v_proj.weight": values(KEYS * SIZE, HIDDEN),
        f"{prefix}self_attn.o_proj.weight": values(HIDDEN, HEADS * SIZE),
        f"{prefix}mlp.gate_proj.weight": values(INNER, HIDDEN),
        f"{prefix}mlp.up_proj.weight": values(INNER, HIDDEN),
        f"{prefix}mlp.down_proj.weight": values(HIDDEN, INNER),
    }


LLAMA = {
    "model_type": "llama", "hidden_size": HIDDEN, "num_attention_heads": HEADS,
    "num_key_value_heads": KEYS, "head_dim": SIZE,
}  # fmt: skip


def phi3(split: Arrays, prefix: str = "model.layers.0.") -> dict[str, np.ndarray]:
    """The same layer with fused projections."""
    qkv = [split[f"{prefix}self_attn.{part}_proj.weight"] for part in "qkv"]
    halves = [split[f"{prefix}mlp.{part}_proj.weight"] for part in ("gate", "up")]
    rest = {name: value for name, value in split.items() if "o_proj" in name or "down" in name}
    return {
        f"{prefix}self_attn.qkv_proj.weight": np.concatenate(qkv),
        f"{prefix}mlp.gate_up_proj.weight": np.concatenate(halves),
        **rest,
    }


def same(model: Checkpoint, reference: Checkpoint) -> Pairing:
    """Everything is paired, and nothing differs."""
    pairing = pair_checkpoints(model, reference)
    for match in pairing.matches:
        assert match.status == "pair", (match.name, match.reason)
        assert differ(model, reference, match) == 0.0, (match.name, match.reason)
    assert sum(pairing.rules.values()) == len(model.tensors)
    return pairing


def both_ways(
    tmp_path: Path,
    one: Arrays,
    other: Arrays,
    configs: tuple[Mapping[str, object] | None, Mapping[str, object] | None],
) -> tuple[Pairing, Pairing]:
    first, second = (
        saved(tmp_path / "one", one, configs[0]),
        saved(tmp_path / "two", other, configs[1]),
    )
    return same(first, second), same(second, first)


@pytest.mark.parametrize("configs", [(LLAMA, LLAMA), (None, LLAMA)])
def test_fused_and_split_projections(tmp_path: Path, configs: tuple) -> None:
    split = llama()
    there, back = both_ways(tmp_path, split, phi3(split), configs)
    matches = by_name(there)
    query = matches["model.layers.0.self_attn.q_proj.weight"]
    assert query.reference.name == "model.layers.0.self_attn.qkv_proj.weight"
    assert query.reason == ("fused and split projections: part of qkv_proj.weight in the reference")
    assert there.rules == {"same name": 2, "fused and split projections": 5}
    fused = by_name(back)["model.layers.0.self_attn.qkv_proj.weight"]
    assert len(fused.partners) == 3
    assert fused.pair.model == fused.model  # drawn as it lies in the file
    assert back.rules == {"same name": 2, "fused and split projections": 2}


def test_without_a_config_uneven_projections_are_not_guessed(tmp_path: Path) -> None:
    split = llama()
    one, two = saved(tmp_path / "a", split), saved(tmp_path / "b", phi3(split))
    match = by_name(pair_checkpoints(two, one))["model.layers.0.self_attn.qkv_proj.weight"]
    assert match.status == "added"
    assert match.reason == "ambiguous: no config says how its queries, keys and values are fused"


def test_a_prefix_and_another_layout(tmp_path: Path) -> None:
    split = llama("layers.0.")
    fused = {f"model.{name}": value for name, value in phi3(split, "layers.0.").items()}
    there, _ = both_ways(tmp_path, split, fused, (LLAMA, LLAMA))
    query = by_name(there)["layers.0.self_attn.q_proj.weight"]
    assert query.reason.endswith("prefix 'model.' added")


@pytest.mark.parametrize("family", ["gpt_neox", "bloom", "falcon"])
def test_projections_fused_head_by_head(tmp_path: Path, family: str) -> None:
    parts = {part: values(HEADS * SIZE, HIDDEN) for part in ("query", "key", "value")}
    biases = {part: values(HEADS * SIZE) for part in parts}
    path = "h.0.attention."
    split = {f"{path}{part}.weight": value for part, value in parts.items()}
    split |= {f"{path}{part}.bias": value for part, value in biases.items()}
    by_head = [value.reshape(HEADS, 1, SIZE, HIDDEN) for value in parts.values()]
    biases_by_head = [value.reshape(HEADS, 1, SIZE) for value in biases.values()]
    fused = {
        f"{path}query_key_value.weight": np.concatenate(by_head, 1).reshape(-1, HIDDEN),
        f"{path}query_key_value.bias": np.concatenate(biases_by_head, 1).reshape(-1),
    }
    config = {"model_type": family, "hidden_size": HIDDEN, "n_head": HEADS}
    both_ways(tmp_path, split, fused, (None, config))


def test_falcons_groups(tmp_path: Path) -> None:
    q, k, v = (values(KEYS, n, SIZE, HIDDEN) for n in (HEADS // KEYS, 1, 1))
    split = {
        "h.0.q_proj.weight": q.reshape(-1, HIDDEN),
        "h.0.k_proj.weight": k.reshape(-1, HIDDEN),
        "h.0.v_proj.weight": v.reshape(-1, HIDDEN),
    }
    fused = {"h.0.query_key_value.weight": np.concatenate([q, k, v], 1).reshape(-1, HIDDEN)}
    config = {
        "model_type": "falcon", "hidden_size": HIDDEN, "num_attention_heads": HEADS,
        "num_kv_heads": KEYS, "new_decoder_architecture": True, "multi_query": True,
    }  # fmt: skip
    both_ways(tmp_path, split, fused, (None, config))


def test_one_head_of_keys_after_the_queries(tmp_path: Path) -> None:
    parts = [values(HIDDEN, HIDDEN), values(SIZE, HIDDEN), values(SIZE, HIDDEN)]
    split = {f"h.0.{p}_proj.weight": value for p, value in zip("qkv", parts, strict=True)}
    fused = {"h.0.query_key_value.weight": np.concatenate(parts)}
    config = {
        "model_type": "falcon", "hidden_size": HIDDEN, "num_attention_heads": HEADS,
        "multi_query": True,
    }  # fmt: skip
    both_ways(tmp_path, split, fused, (None, config))


def test_an_unknown_family_is_not_guessed(tmp_path: Path) -> None:
    split = {f"h.0.{p}_proj.weight": values(HIDDEN, HIDDEN) for p in "qkv"}
    fused = {"h.0.query_key_value.weight": values(3 * HIDDEN, HIDDEN)}
    one, two = saved(tmp_path / "a", split), saved(tmp_path / "b", fused)
    what = "ambiguous: no config says how its queries, keys and values are fused"
    for pairing, status in (
        (pair_checkpoints(two, one), "added"),
        (pair_checkpoints(one, two), "removed"),
    ):
        assert {m.reason for m in pairing.matches if m.status == status} == {what}


def test_multihead_attention(tmp_path: Path) -> None:
    split = {f"attn.{p}_proj.weight": values(HIDDEN, HIDDEN) for p in "qkv"}
    split |= {f"attn.{p}_proj.bias": values(HIDDEN) for p in "qkv"}
    fused = {
        f"attn.in_proj_{leaf}": np.concatenate([split[f"attn.{p}_proj.{leaf}"] for p in "qkv"])
        for leaf in ("weight", "bias")
    }
    both_ways(tmp_path, split, fused, (None, None))


def experts(count: int = 3) -> dict[str, np.ndarray]:
    path = "model.layers.0.block_sparse_moe."
    found = {f"{path}gate.weight": values(count, HIDDEN)}
    for expert in range(count):
        found[f"{path}experts.{expert}.w1.weight"] = values(INNER, HIDDEN)
        found[f"{path}experts.{expert}.w2.weight"] = values(HIDDEN, INNER)
        found[f"{path}experts.{expert}.w3.weight"] = values(INNER, HIDDEN)
    return found


def in_one(apart: Arrays, count: int = 3) -> dict[str, np.ndarray]:
    path = "model.layers.0.block_sparse_moe."
    w = [[apart[f"{path}experts.{e}.w{n}.weight"] for e in range(count)] for n in (1, 2, 3)]
    pairs = zip(w[0], w[2], strict=True)
    return {
        "model.layers.0.mlp.gate.weight": apart[f"{path}gate.weight"],
        "model.layers.0.mlp.experts.gate_up_proj": np.stack([np.concatenate(p) for p in pairs]),
        "model.layers.0.mlp.experts.down_proj": np.stack(w[1]),
    }


def test_experts_in_one_tensor_and_in_several(tmp_path: Path) -> None:
    apart = experts()
    there, back = both_ways(tmp_path, apart, in_one(apart), (None, None))
    assert there.rules == {"experts in one tensor and in several": 9, "other spelling": 1}
    whole = by_name(back)["model.layers.0.mlp.experts.gate_up_proj"]
    assert whole.pair.model == whole.model and len(whole.partners) == 6
    assert whole.reference.name.endswith("w1.weight + 5 more")


def test_a_missing_expert_is_said(tmp_path: Path) -> None:
    apart = experts()
    few = {name: value for name, value in apart.items() if ".experts.2.w3" not in name}
    one, two = saved(tmp_path / "a", in_one(apart)), saved(tmp_path / "b", few)
    match = by_name(pair_checkpoints(one, two))["model.layers.0.mlp.experts.gate_up_proj"]
    assert match.status == "added"
    assert "1 of its 6 parts have no partner (model.layers.0.mlp.experts.2.up_proj" in match.reason


def test_experts_stored_the_other_way_round(tmp_path: Path) -> None:
    apart = experts()
    straight = in_one(apart)
    turned = {n: v.transpose(0, 2, 1) if v.ndim == 3 else v for n, v in straight.items()}
    both_ways(tmp_path, apart, turned, (None, {"model_type": "llama4_text"}))
    both_ways(
        tmp_path / "whole",
        straight,
        turned,
        ({"model_type": "mixtral"}, {"model_type": "llama4_text"}),
    )


def test_square_experts_are_not_guessed(tmp_path: Path) -> None:
    apart = {f"m.experts.{e}.down_proj.weight": values(8, 8) for e in range(2)}
    whole = {"m.experts.down_proj": np.stack(list(apart.values()))}
    one, two = saved(tmp_path / "a", whole), saved(tmp_path / "b", apart)
    reason = pair_checkpoints(one, two).matches[0].reason
    assert reason == "its matrices are square, and no config says which way they are stored"


@pytest.mark.parametrize("family", ["qwen3_vl_moe", "nobodys"])
def test_square_experts_of_a_family_that_has_both_are_not_guessed(
    tmp_path: Path, family: str
) -> None:
    apart = {f"m.experts.{e}.down_proj.weight": values(8, 8) for e in range(2)}
    whole = {"m.experts.down_proj": np.stack(list(apart.values()))}
    one = saved(tmp_path / "a", whole, {"model_type": family, "text_config": {"hidden_size": 8}})
    reason = pair_checkpoints(one, saved(tmp_path / "b", apart)).matches[0].reason
    assert reason.startswith("its matrices are square")


@pytest.mark.parametrize("turn", [False, True])
def test_the_width_says_which_way_experts_are_stored(tmp_path: Path, turn: bool) -> None:
    apart = experts()
    config = {"model_type": "qwen3_vl_moe", "text_config": {"hidden_size": HIDDEN}}
    whole = in_one(apart)
    if turn:
        whole = {n: v.transpose(0, 2, 1) if v.ndim == 3 else v for n, v in whole.items()}
    both_ways(tmp_path, apart, whole, (None, config))


def conv1d(linear: Arrays) -> dict[str, np.ndarray]:
    return {n: v.T if v.ndim == 2 and ".c_" in n else v for n, v in linear.items()}


def linear_gpt2() -> dict[str, np.ndarray]:
    return {
        "h.0.attn.c_attn.weight": values(3 * HIDDEN, HIDDEN),
        "h.0.attn.c_attn.bias": values(3 * HIDDEN),
        "h.0.attn.c_proj.weight": values(HIDDEN, HIDDEN),
        "h.0.mlp.c_fc.weight": values(4 * HIDDEN, HIDDEN),
        "h.0.mlp.c_proj.weight": values(HIDDEN, 4 * HIDDEN),
        "wte.weight": values(50, HIDDEN),
    }


def test_conv1d_against_linear(tmp_path: Path) -> None:
    straight = linear_gpt2()
    there, _ = both_ways(tmp_path, straight, conv1d(straight), (None, None))
    # Square, equal in name and shape: only the file's other matrices tell that it is turned.
    square = by_name(there)["h.0.attn.c_proj.weight"]
    assert square.reason == "transposed: stored [in, out] in the reference"


SQUARE = "h.0.attn.c_proj.weight"


def turned(ours: Arrays, theirs: Arrays, *configs: Mapping[str, object] | None) -> str:
    """Why the square matrix of two listed files is paired as it is, or is not."""
    shapes = [{name: value.shape for name, value in side.items()} for side in (ours, theirs)]
    one, two = (listed(side, config) for side, config in zip(shapes, configs, strict=True))
    return by_name(pair_checkpoints(one, two))[SQUARE].reason


@pytest.mark.parametrize(
    "lie",
    [
        {"zz.c_attn.weight": values(6, 2)},
        {"h.0.zz.c_attn.weight": values(6, 2)},
        {"h.1.attn.c_attn.weight": values(3 * HIDDEN, HIDDEN)},
    ],
)
def test_a_foreign_witness_turns_no_square(lie: Arrays) -> None:
    base = conv1d(linear_gpt2())
    config = {"model_type": "gpt2"}
    assert not turned({**base, **lie}, base, config, config).startswith("transposed")
    assert not turned({**base, **lie}, base, None, None).startswith("transposed")
    alone = {SQUARE: base[SQUARE]}
    assert turned({**alone, **lie}, alone, config, config) in ("same name", UNTOLD)


def test_a_square_is_turned_for_certain_where_config_and_witness_agree() -> None:
    straight = linear_gpt2()
    shapes = [{n: v.shape for n, v in side.items()} for side in (straight, conv1d(straight))]
    for config, sure in (({"model_type": "gpt2"}, True), (None, False)):
        pairing = pair_checkpoints(listed(shapes[0]), listed(shapes[1], config))
        match = by_name(pairing)[SQUARE]
        assert match.status == "pair" and (match.doubt == "") == sure


def test_conv1d_against_split_projections(tmp_path: Path) -> None:
    straight = linear_gpt2()
    split = {n: v for n, v in straight.items() if "c_attn" not in n}
    for leaf in ("weight", "bias"):
        parts = np.split(straight[f"h.0.attn.c_attn.{leaf}"], 3)
        split |= {f"h.0.attn.{p}_proj.{leaf}": v for p, v in zip("qkv", parts, strict=True)}
    fused = {n: v for n, v in straight.items() if "c_attn" in n or "wte" in n}
    few = {n: v for n, v in split.items() if ("_proj" in n and ".c_" not in n) or "wte" in n}
    both_ways(tmp_path, few, conv1d(fused), (None, {"model_type": "gpt2", "n_head": 4}))


def test_a_transposed_square_under_another_name_is_nobodys(tmp_path: Path) -> None:
    pairing = pair_checkpoints(listed({"a.weight": (8, 2)}), listed({"a.weight": (2, 8)}))
    assert [match.status for match in pairing.matches] == ["shape_mismatch"]


def test_gamma_and_beta(tmp_path: Path) -> None:
    new = {"bert.LayerNorm.weight": values(4), "bert.LayerNorm.bias": values(4)}
    old = {
        "LayerNorm.gamma": new["bert.LayerNorm.weight"],
        "LayerNorm.beta": new["bert.LayerNorm.bias"],
    }
    there, _ = both_ways(tmp_path, new, old, (None, None))
    assert by_name(there)["bert.LayerNorm.weight"].reason == (
        "other spelling: LayerNorm.gamma in the reference, prefix 'bert.' stripped"
    )


def test_gamma_is_renamed_only_where_the_target_is_free() -> None:
    names = {"ls.gamma": (4,), "ls.weight": (4,), "alphabeta.bias": (4,)}
    pairing = pair_checkpoints(listed(names), listed(names))
    assert pairing.rules == {"same name": 3}
    pairing = pair_checkpoints(
        listed({"ls.gamma": (4,), "ls.weight": (4,)}), listed({"ls.weight": (4,)})
    )
    assert [m.status for m in pairing.matches] == ["added", "pair"]
    both = listed({"ls.gamma": (4,), "ls.weight": (4,)})
    pairing = pair_checkpoints(both, listed({"bert.ls.weight": (4,), "bert.x": (1,)}))
    assert by_name(pairing)["ls.weight"].status == "pair"
    assert by_name(pairing)["ls.gamma"].status == "added"


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "status"),
    [
        ("embeddings.word_embeddings.weight", (10, 4), (8, 4), "pair"),
        ("lm_head.weight", (8, 4), (10, 4), "pair"),
        ("lm_head.bias", (8,), (10,), "pair"),
        ("transformer.wte.weight", (8, 4), (10, 4), "pair"),
        ("shared.weight", (8, 4), (10, 4), "pair"),
        ("cls.predictions.bias", (8,), (10,), "pair"),
        ("embeddings.word_embeddings.weight", (10, 4), (8, 5), "shape_mismatch"),
        ("output.weight", (8, 4), (10, 4), "pair"),
        ("token_embd.weight", (8, 4), (10, 4), "pair"),
        ("tok_embeddings.weight", (8, 4), (10, 4), "pair"),
        ("output.bias", (8,), (10,), "pair"),
        ("time_embed.weight", (10, 4), (8, 4), "shape_mismatch"),
        ("patch_embed.weight", (10, 4), (8, 4), "shape_mismatch"),
        ("router_embed.weight", (10, 4), (8, 4), "shape_mismatch"),
        ("embeddings.position_embeddings.weight", (10, 4), (8, 4), "shape_mismatch"),
        ("embeddings.token_type_embeddings.weight", (2, 4), (1, 4), "pair"),
        ("transformer.wpe.weight", (8, 4), (10, 4), "shape_mismatch"),
        ("score.weight", (8, 4), (10, 4), "shape_mismatch"),
        ("a.output.weight", (8, 4), (10, 4), "shape_mismatch"),
        ("embeddings.LayerNorm.bias", (8,), (10,), "shape_mismatch"),
        ("mlp.shared_expert.gate_proj.weight", (8, 4), (10, 4), "shape_mismatch"),
        ("cls.predictions.transform.dense.weight", (8, 4), (10, 4), "shape_mismatch"),
        ("a.weight", (5, 4), (4, 4), "shape_mismatch"),
        ("embed.weight", (0, 4), (4, 4), "shape_mismatch"),
    ],
)  # fmt: skip
def test_first_rows_of_a_vocabulary(
    name: str, ours: tuple[int, ...], theirs: tuple[int, ...], status: str
) -> None:
    pairing = pair_checkpoints(listed({name: ours}), listed({name: theirs}))
    (match,) = pairing.matches
    assert match.status == status
    if status == "pair":
        few = min(ours[0], theirs[0])
        assert match.reason.startswith(f"first {few} rows compared")
        assert match.pair.model.shape == match.pair.reference.shape == (few, *ours[1:])


def test_the_first_rows_are_those_of_the_file(tmp_path: Path) -> None:
    table = values(10, 4)
    one = saved(tmp_path / "a", {"model.embed_tokens.weight": table, "model.x.w": table[:2]})
    two = saved(tmp_path / "b", {"embed_tokens.weight": table[:7], "x.w": table[:2]})
    match = by_name(pair_checkpoints(one, two))["model.embed_tokens.weight"]
    assert differ(one, two, match) == 0.0
    np.testing.assert_array_equal(read(one, match.pair.model), table[:7])


parts_of_names = st.sampled_from(
    ["bert", "model", "experts", "0", "1", "w1", "gate_up_proj", "down_proj", "qkv_proj", "c_attn",
     "q_proj", "query", "c_proj", "weight", "bias", "gamma", "embed_tokens", "query_key_value"]
)  # fmt: skip
shapes = st.sampled_from([(), (0,), (6,), (6, 2), (2, 6), (12, 4), (2, 4, 4), (2, 8, 4), (4, 4)])
sides = st.dictionaries(
    st.lists(parts_of_names, min_size=1, max_size=4).map(".".join), shapes, max_size=10
)
configs = st.none() | st.fixed_dictionaries(
    {
        "model_type": st.sampled_from(["gpt2", "gpt_neox", "falcon", "llama", "gpt_oss", 3, ""]),
        "hidden_size": st.sampled_from([2, 4, 0, -1, "x", 10**30]),
        "num_attention_heads": st.sampled_from([1, 2, 3, 0, None]),
    },
    optional={"multi_query": st.booleans(), "num_key_value_heads": st.sampled_from([1, 2, True])},
)


@settings(deadline=None)
@given(sides, sides, configs, configs)
def test_each_tensor_is_in_exactly_one_match(ours, theirs, config, other) -> None:
    model, reference = listed(ours, config), listed(theirs, other)
    pairing = pair_checkpoints(model, reference)
    assert [m.model for m in pairing.matches if m.model] == list(model.tensors.values())
    lone = [m.reference.name for m in pairing.matches if m.model is None]
    taken = {
        name
        for m in pairing.matches
        if m.model is not None and m.reference is not None
        for name in m.partners or (m.reference.name,)
    }
    assert not taken & set(lone)
    assert sorted([*taken, *lone]) == sorted(theirs)
    for match in pairing.matches:
        assert match.reason
        if match.pair is not None and match.pair.reference is not None:
            assert match.pair.model.shape == match.pair.reference.shape
    twosided = [m for m in pairing.matches if m.model and m.reference]
    assert sum(pairing.rules.values()) == len(twosided)


@settings(deadline=None)
@given(sides, sides, configs, st.randoms(use_true_random=False))
def test_the_order_of_the_names_does_not_matter(ours, theirs, config, random) -> None:
    def shuffled(names: dict) -> dict:
        items = list(names.items())
        random.shuffle(items)
        return dict(items)

    def told(one: dict, other: dict) -> set:
        pairing = pair_checkpoints(listed(one, config), listed(other))
        return {
            (m.name, m.status, m.reference.name if m.reference else "")
            for m in pairing.matches
            if m.status == "pair"
        }

    assert told(ours, theirs) == told(shuffled(ours), shuffled(theirs))


def test_a_very_large_pair_of_other_layouts() -> None:
    count = 20_000
    one = {f"model.layers.{n}.block_sparse_moe.experts.{e}.w1.weight": (4, 2)
           for n in range(count // 100) for e in range(100)}  # fmt: skip
    two = {
        name.replace("block_sparse_moe", "mlp").replace("w1", "gate_proj"): s
        for name, s in one.items()
    }
    pairing = pair_checkpoints(listed(one), listed(two))
    assert pairing.rules == {"other spelling": count}


def test_experts_beyond_number_are_left_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspect_core.pairing.by_layout.MOST_PARTS", 16)
    monkeypatch.setattr("inspect_core.pairing.by_layout.PARTS_A_NAME", 0)
    names = {f"{n}.experts.down_proj": (8, 2, 3) for n in range(5)}
    apart = {f"{n}.experts.{e}.down_proj.weight": (2, 3) for n in range(5) for e in range(8)}
    config = {"model_type": "mixtral"}
    pairing = pair_checkpoints(listed(names, config), listed(apart))
    assert [m.status for m in pairing.matches[:5]] == ["pair", "pair", "added", "added", "added"]


def test_few_bytes_do_not_become_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspect_core.pairing.by_layout.MOST_PARTS", 100)
    names = {f"{n}.experts.down_proj": (40, 2, 3) for n in range(50)}
    found = []
    monkeypatch.setattr(
        "inspect_core.pairing.by_layout.pair_tensors",
        lambda ours, theirs: found.extend([*ours, *theirs]) or pair_tensors(ours, theirs),
    )
    other = {f"{name}.weight": (40, 3, 2) for name in names}
    pair_checkpoints(listed(names, {"model_type": "mixtral"}), listed(other))
    assert len(found) < 2 * (100 + PARTS_A_NAME * 100) + 100


def test_gpt_oss_alternates_gate_and_up(tmp_path: Path) -> None:
    apart = experts()
    whole = in_one(apart)
    gate_up = whole["model.layers.0.mlp.experts.gate_up_proj"]
    woven = np.stack([gate_up[:, :INNER], gate_up[:, INNER:]], axis=2).reshape(gate_up.shape)
    oss = whole | {"model.layers.0.mlp.experts.gate_up_proj": woven.transpose(0, 2, 1)}
    oss["model.layers.0.mlp.experts.down_proj"] = whole[
        "model.layers.0.mlp.experts.down_proj"
    ].transpose(0, 2, 1)
    both_ways(tmp_path, apart, oss, (None, {"model_type": "gpt_oss"}))


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("h.0.attn.qkv_proj.weight", {"model_type": "codegen"}),
        ("h.0.attn.c_attn.weight", {"model_type": "gpt_bigcode", "multi_query": False}),
        ("h.0.attn.in_proj.weight", {"model_type": "deberta"}),
        ("h.0.mixer.in_proj.weight", {"model_type": "mamba"}),
        ("h.0.attn.wqkv.weight", {"model_type": "internlm2"}),
    ],
)
def test_an_order_of_its_own_is_not_guessed(name: str, config: Mapping[str, object]) -> None:
    path = name.rsplit(".", 2)[0]
    split = {f"{path}.{p}_proj.weight": (HIDDEN, HIDDEN) for p in "qkv"}
    pairing = pair_checkpoints(listed({name: (3 * HIDDEN, HIDDEN)}, config), listed(split))
    assert {match.status for match in pairing.matches} == {"added", "removed"}


def test_equal_names_are_the_same_name_beside_turned_matrices(tmp_path: Path) -> None:
    """GPT-2's biases, where one side stores its weights [in, out]."""
    straight = linear_gpt2()
    there, _ = both_ways(tmp_path, straight, conv1d(straight), (None, None))
    reasons = {name: match.reason for name, match in by_name(there).items()}
    biases = [name for name in reasons if name.endswith("bias")]
    assert biases and {reasons[name] for name in biases} == {"same name"}
    assert "other spelling" not in there.rules
