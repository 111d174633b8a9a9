"""Layers across and kinds down for the models there are, and for those that no one foresaw.

Trees from names alone: what a header has.
"""

import re
from collections.abc import Iterable

import pytest

from inspect_core.structure.branch import Branch
from inspect_core.structure.build import build_tree
from inspect_core.structure.kinds import short_kinds, shortest_kinds
from inspect_core.structure.overview import Section, overview
from inspect_core.structure.tree import LeafSpec


def sections(
    names: Iterable[str], shapes: dict[str, tuple[int, ...]] | None = None
) -> list[Section]:
    """The sections of a model; every tensor is in exactly one cell."""
    listed = list(names)
    specs = [LeafSpec("F32", (shapes or {}).get(name, (2, 2))) for name in listed]
    tree = build_tree(listed, specs)
    found = overview(Branch.root(tree))
    seen = [at for s in found for row in s.cells for cell in row for at in cell]
    assert sorted(seen) == list(range(len(listed)))
    for section in found:
        for kind, cells in zip(section.kinds, section.cells, strict=True):
            called = f"{section.stem}{kind}".split("*")
            for name in [listed[tree.order[at]] for cell in cells for at in cell]:
                assert name.startswith(called[0]) and name.endswith(called[-1])
                assert re.fullmatch(r"\d+".join(map(re.escape, called)), name)
        assert len(set(section.kinds)) == len(section.kinds)
        for short in (short_kinds(section.kinds), shortest_kinds(section.kinds)):
            assert len(set(short)) == len(short), "no two rows have one label"
    return found


def axes(found: list[Section]) -> dict[str, int]:
    return {s.title: len(s.columns) for s in found if s.columns != ("",)}


def both(*modules: str) -> list[str]:
    return [f"{module}.{leaf}" for module in modules for leaf in ("weight", "bias")]


def bert(layers: int = 12) -> list[str]:
    names = ["embeddings.word_embeddings.weight", *both("embeddings.LayerNorm")]
    for k in range(layers):
        at = f"encoder.layer.{k}"
        names += both(*[f"{at}.attention.self.{p}" for p in ("query", "key", "value")])
        names += both(f"{at}.attention.output.dense", f"{at}.attention.output.LayerNorm")
        names += both(f"{at}.intermediate.dense", f"{at}.output.dense", f"{at}.output.LayerNorm")
    return [*names, *both("pooler.dense")]


def t5(encoder: int = 6, decoder: int = 4) -> list[str]:
    names = ["shared.weight"]
    for stack, depth in (("encoder", encoder), ("decoder", decoder)):
        for k in range(depth):
            at = f"{stack}.block.{k}.layer"
            names += [f"{at}.0.SelfAttention.{p}.weight" for p in "qkvo"]
            if k == 0:
                names.append(f"{at}.0.SelfAttention.relative_attention_bias.weight")
            names.append(f"{at}.0.layer_norm.weight")
            last = 1
            if stack == "decoder":
                names += [f"{at}.1.EncDecAttention.{p}.weight" for p in "qkvo"]
                names.append(f"{at}.1.layer_norm.weight")
                last = 2
            names += [f"{at}.{last}.DenseReluDense.{p}.weight" for p in ("wi", "wo")]
            names.append(f"{at}.{last}.layer_norm.weight")
        names.append(f"{stack}.final_layer_norm.weight")
    return names


def gpt2(layers: int = 12) -> list[str]:
    names = ["wte.weight", "wpe.weight"]
    for k in range(layers):
        parts = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")
        names += both(*[f"h.{k}.{part}" for part in parts])
    return [*names, *both("ln_f")]


def llama(layers: int = 32, prefix: str = "model") -> list[str]:
    names = [f"{prefix}.embed_tokens.weight"]
    for k in range(layers):
        names += [f"{prefix}.layers.{k}.self_attn.{p}_proj.weight" for p in "qkvo"]
        names += [f"{prefix}.layers.{k}.mlp.{p}_proj.weight" for p in ("gate", "up", "down")]
        names += [f"{prefix}.layers.{k}.{p}.weight" for p in ("input_layernorm", "post_norm")]
    return [*names, f"{prefix}.norm.weight", "lm_head.weight"]


def mixtral(layers: int = 4, experts: int = 8, fused: bool = False) -> list[str]:
    names = ["model.embed_tokens.weight"]
    for k in range(layers):
        at = f"model.layers.{k}"
        names += [f"{at}.self_attn.{p}_proj.weight" for p in "qkvo"]
        moe = f"{at}.block_sparse_moe"
        names.append(f"{moe}.gate.weight")
        if fused:
            names += [f"{moe}.experts.gate_up_proj", f"{moe}.experts.down_proj"]
        else:
            names += [f"{moe}.experts.{e}.w{w}.weight" for e in range(experts) for w in (1, 2, 3)]
    return [*names, "lm_head.weight"]


def deepseek(layers: int = 6, experts: int = 64, dense: int = 2) -> list[str]:
    names = ["model.embed_tokens.weight"]
    parts = ("gate_proj", "up_proj", "down_proj")
    for k in range(layers):
        at = f"model.layers.{k}"
        names += [f"{at}.self_attn.{p}.weight" for p in ("q_a_proj", "kv_b_proj", "o_proj")]
        if k < dense:
            names += [f"{at}.mlp.{p}.weight" for p in parts]
        else:
            names += [f"{at}.mlp.gate.weight", f"{at}.mlp.gate.e_score_correction_bias"]
            names += [f"{at}.mlp.shared_experts.{p}.weight" for p in parts]
            names += [f"{at}.mlp.experts.{e}.{p}.weight" for e in range(experts) for p in parts]
    return names


def vit(layers: int = 12, prefix: str = "") -> list[str]:
    names = [f"{prefix}embeddings.cls_token", f"{prefix}embeddings.patch.projection.weight"]
    for k in range(layers):
        at = f"{prefix}encoder.layers.{k}"
        names += both(*[f"{at}.self_attn.{p}_proj" for p in "qkv"], f"{at}.mlp.fc1")
        names += both(f"{at}.mlp.fc2", f"{at}.layer_norm1", f"{at}.layer_norm2")
    return [*names, *both(f"{prefix}final_layer_norm")]


def unet() -> list[str]:
    names = both("conv_in", "time_embedding.linear_1", "time_embedding.linear_2")
    for side, blocks, resnets in (("down_blocks", 4, 2), ("up_blocks", 4, 3)):
        for k in range(blocks):
            for r in range(resnets):
                names += both(*[f"{side}.{k}.resnets.{r}.{p}" for p in ("conv1", "norm1", "conv2")])
            names += both(*[f"{side}.{k}.attentions.{r}.proj_in" for r in range(resnets)])
    names += both(*[f"mid_block.resnets.{r}.{p}" for r in (0, 1) for p in ("conv1", "conv2")])
    return [*names, *both("mid_block.attentions.0.proj_in", "conv_out")]


def test_bert_has_its_three_dense_in_three_rows() -> None:
    layers, outside = sections(bert())
    assert (layers.title, len(layers.columns), len(layers.kinds)) == ("encoder.layer", 12, 16)
    assert all(len(cell) == 1 for row in layers.cells for cell in row)
    labels = shortest_kinds(layers.kinds)
    dense = [label for label in labels if label.endswith("dense")]
    assert dense == ["attention.output.dense", "intermediate.dense", "output.dense"]
    assert {"query", "key", "value", "query.bias"} < set(labels)
    assert "embeddings.word_embeddings.weight" in outside.kinds


def test_t5_has_encoder_and_decoder_of_their_own_depth() -> None:
    found = sections(t5(6, 4))
    assert axes(found) == {"encoder.block": 6, "decoder.block": 4}
    encoder, decoder = found[:2]
    assert len(encoder.kinds) == 9 and len(decoder.kinds) == 14
    assert "layer.1.EncDecAttention.q.weight" in decoder.kinds
    assert not any("EncDec" in kind for kind in encoder.kinds)
    # The norms of a block's two or three parts are not one.
    assert sum(kind.endswith("layer_norm.weight") for kind in decoder.kinds) == 3
    assert all(len(cell) <= 1 for s in found for row in s.cells for cell in row)
    (odd,) = [at for at, kind in enumerate(encoder.kinds) if "relative" in kind]
    assert [len(cell) for cell in encoder.cells[odd]] == [1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (gpt2(), {"h": 12}),
        (llama(), {"model.layers": 32}),
        (mixtral(), {"model.layers": 4}),
        (mixtral(fused=True), {"model.layers": 4}),
        (deepseek(), {"model.layers": 6}),
        (vit(), {"encoder.layers": 12}),
        (bert(1), {}),
        (["weight", "bias"], {}),
        ([], {}),
    ],
    ids=["gpt2", "llama", "mixtral", "fused", "deepseek", "vit", "one", "none", "empty"],
)
def test_the_layers_are_the_axis(names: list[str], wanted: dict[str, int]) -> None:
    assert axes(sections(names)) == wanted


def test_experts_are_one_kind_and_those_shared_another() -> None:
    layers = sections(deepseek())[0]
    (routed,) = [k for k, kind in enumerate(layers.kinds) if kind == "mlp.experts.*.up_proj.weight"]
    assert [len(cell) for cell in layers.cells[routed]] == [0, 0, 64, 64, 64, 64]
    (dense,) = [k for k, kind in enumerate(layers.kinds) if kind == "mlp.up_proj.weight"]
    assert [len(cell) for cell in layers.cells[dense]] == [1, 1, 0, 0, 0, 0]
    assert "mlp.shared_experts.up_proj.weight" in layers.kinds


def test_experts_of_other_shapes_are_still_experts() -> None:
    names = mixtral(2, 8)
    odd = {"model.layers.1.block_sparse_moe.experts.3.w1.weight": (1, 2)}
    layers = sections(names, odd)[0]
    (row,) = [k for k, kind in enumerate(layers.kinds) if kind.endswith("experts.*.w1.weight")]
    assert [len(cell) for cell in layers.cells[row]] == [8, 8]


def test_albert_has_one_group_and_no_axis() -> None:
    group = "encoder.albert_layer_groups.0.albert_layers.0"
    names = [*both("embeddings.LayerNorm"), *both(f"{group}.attention.query", f"{group}.ffn")]
    (only,) = sections(names)
    assert only.columns == ("",) and f"{group}.ffn.weight" in only.kinds


def test_a_unet_has_an_axis_for_each_side() -> None:
    found = sections(unet())
    assert axes(found) == {"down_blocks": 4, "up_blocks": 4, "mid_block.resnets": 2}
    up = next(section for section in found if section.title == "up_blocks")
    assert [len(cell) for cell in up.cells[up.kinds.index("resnets.*.conv1.weight")]] == [3] * 4


def test_two_towers_are_two_sections() -> None:
    clip = [*vit(12, "vision_model."), *vit(8, "text_model."), "visual_projection.weight"]
    assert axes(sections(clip)) == {
        "vision_model.encoder.layers": 12, "text_model.encoder.layers": 8,
    }  # fmt: skip
    llava = [*llama(4, "language_model.model"), *vit(3, "vision_tower.vision_model.")]
    assert axes(sections([*llava, *both("projector.linear_1")])) == {
        "language_model.model.layers": 4, "vision_tower.vision_model.encoder.layers": 3,
    }  # fmt: skip


def test_towers_alike_are_two_sections_also_where_they_fold() -> None:
    names = [f"{side}.layers.{k}.w.weight" for side in ("left", "right") for k in range(3)]
    tree = build_tree(names, [LeafSpec("F32", (2,))] * len(names))
    (fold,) = Branch.root(tree).branches
    assert fold.label == "left,right"
    assert [s.title for s in overview(fold)] == ["left.layers", "right.layers"]
    (inside,) = fold.branches[0].branches
    both_sides = overview(inside)
    assert [(s.title, s.columns) for s in both_sides] == [
        ("left.layers", ("0", "1", "2")), ("right.layers", ("0", "1", "2")),
    ]  # fmt: skip
    seen = [at for s in both_sides for row in s.cells for cell in row for at in cell]
    assert sorted(seen) == list(range(6))


def test_the_layers_of_an_lstm_are_in_the_names_of_its_weights() -> None:
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ways = [f"_l{k}{way}" for k in range(3) for way in ("", "_reverse")]
    names = [f"lstm.{kind}{way}" for way in ways for kind in kinds]
    found = sections(["embed.weight", *names, *both("decoder")])
    assert axes(found) == {"lstm": 3}
    lstm = next(section for section in found if section.title == "lstm")
    assert len(lstm.kinds) == 8 and "weight_ih_l*_reverse" in lstm.kinds


def test_names_with_slashes_have_their_layers_too() -> None:
    parts = ("attention/query/kernel", "attention/key/kernel", "output/kernel", "output/bias")
    names = [f"bert/encoder/layer_{k}/{part}" for k in range(4) for part in parts]
    found = sections([*names, "bert/embeddings/word"])
    assert axes(found) == {"bert/encoder": 4}
    assert found[-1].kinds == ("bert/embeddings/word",)


def test_modules_with_a_number_in_their_names() -> None:
    names = [f"enc.layer_{k}.{p}.weight" for k in range(5) for p in ("q", "k", "v")]
    found = sections([*names, "head.weight"])
    assert axes(found) == {"enc.layer_*": 5}
    assert found[0].columns == tuple("01234")
    assert found[0].paths[3] == "enc.layer_3"


def test_the_parts_of_a_block_are_not_layers() -> None:
    assert axes(sections(both("conv1", "conv2", "fc1", "fc2"))) == {}
    assert axes(sections(["w1.weight", "w2.weight", "w3.weight"])) == {}


def test_the_steps_of_a_sequence_are_not_layers() -> None:
    names = [*[f"0.{name}" for name in bert(4)], *both("1.pool"), "2.scale"]
    found = sections(names)
    assert axes(found) == {"0.encoder.layer": 4}


@pytest.mark.parametrize("name", ["\x1b[31m", "[/]", "9" * 300, "a" * 5000 + "1", "²", "-1", "0x1"])
def test_hostile_numbers_are_names(name: str) -> None:
    names = [f"{name}{k}.w" for k in range(6)] + [f"leaf{name}{k}" for k in range(6)]
    sections(names)


def test_many_experts_in_many_layers_take_no_time_to_speak_of() -> None:
    names = deepseek(layers=20, experts=256, dense=1)
    found = sections(names)
    assert len(names) > 14_000 and axes(found) == {"model.layers": 20}
