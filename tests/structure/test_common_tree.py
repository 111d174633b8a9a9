"""A tree under common names holds the same tensors: their numbers, types, ties and states stay."""

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from test_common_names import MODELS, PARTS
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
)

from inspect_core.structure.branch import Branch, module_around
from inspect_core.structure.build import ModuleFacts, build_tree
from inspect_core.structure.common import common_tree
from inspect_core.structure.from_modules import tree_of_model
from inspect_core.structure.tree import LeafSpec, ModuleTree


def leaves(tree: ModuleTree) -> dict[str, tuple[LeafSpec, int]]:
    """Every leaf by its full name: its spec, and its tensor in the listing (-1 for none)."""
    found: dict[str, tuple[LeafSpec, int]] = {}
    for path, module, first in tree.root.walk():
        for leaf, offset in zip(module.leaves, module.leaf_offsets, strict=True):
            name = f"{path}.{leaf.name}" if path else leaf.name
            assert name not in found
            found[name] = leaf.spec, tree.order[first + offset] if leaf.spec.stored else -1
    return found


def same_leaves(tree: ModuleTree) -> ModuleTree:
    """The tree under common names, compared with the tree it was made of."""
    made, names = common_tree(tree)
    own, common = leaves(tree), leaves(made)
    assert len(own) == len(common) == len(names.names)
    assert {name: common[called] for name, (called, _) in names.items().items()} == own
    assert sorted(made.order) == sorted(tree.order)
    assert made.root.totals == tree.root.totals
    assert made.untyped == tree.untyped
    called = {name: common for name, (common, _) in names.items().items()}
    assert made.tied == {called[name]: called[owner] for name, owner in tree.tied.items()}
    return made


def types(tree: ModuleTree) -> dict[str, str]:
    return {path: module.type for path, module, _ in tree.root.walk()}


@pytest.mark.parametrize("name", MODELS)
def test_nothing_disappears(name: str) -> None:
    kind = getattr(transformers, name)
    with torch.device("meta"):
        model = kind(kind.config_class(**MODELS[name][1]))
    same_leaves(tree_of_model(model))


def test_bert_with_its_types() -> None:
    with torch.device("meta"):
        tree = same_leaves(tree_of_model(BertForMaskedLM(BertConfig())))
    found = types(tree)
    assert found[""] == "BertForMaskedLM"
    block = "encoder.block.7"
    assert found["encoder"] == "BertEncoder" and found[block] == "BertLayer"
    assert found[f"{block}.attn"] == "BertAttention"
    assert found[f"{block}.attn.q"] == found[f"{block}.ff.w2"] == "Linear"
    assert found[f"{block}.attn.layer_norm"] == "LayerNorm"
    # No module of BERT holds just these: it is of the view alone.
    assert found[f"{block}.ff"] == ""
    assert [group.label for group in dict(tree.root.children)["encoder"].children[0][1].groups] == [
        "0-11"
    ]
    assert tree.tied["lm_head.decoder.weight"] == "embeddings.word.weight"


def test_t5_has_its_blocks_not_their_lists() -> None:
    config = T5Config(num_layers=2, d_model=16, d_ff=32, num_heads=2, d_kv=8, vocab_size=40)
    with torch.device("meta"):
        found = types(same_leaves(tree_of_model(T5ForConditionalGeneration(config))))
    assert found["decoder.block"] == "ModuleList" and found["decoder.block.1"] == "T5Block"
    assert found["decoder.block.1.cross_attn"] == "T5LayerCrossAttention"
    assert found["encoder.block.0.ff"] == "T5LayerFF"


def test_states_and_buffers_stay() -> None:
    with torch.device("meta"):
        model = GPT2LMHeadModel(GPT2Config(n_layer=3))
    model.transformer.h[1].mlp.c_fc.weight.requires_grad_(False)
    model.transformer.h[2].attn.c_attn.weight._is_delta = True
    model.transformer.h[0].register_buffer("steps", torch.zeros(2))
    tree = same_leaves(tree_of_model(model))
    common = leaves(tree)
    assert common["decoder.block.1.ff.w1.weight"][0].frozen
    assert common["decoder.block.2.attn.qkv.weight"][0].delta
    assert common["decoder.block.0.steps"][0].buffer


def test_what_a_plan_adds_stays_without_a_number() -> None:
    planned = LeafSpec("F32", (2, 4), delta=True, stored=False, planned=True)
    names = ["h.0.attn.c_attn.weight", "wte.weight"]
    facts = ModuleFacts(added={"h.0.attn.c_attn.lora_A.default.weight": planned})
    tree = same_leaves(build_tree(names, [LeafSpec("F32", (4, 4))] * 2, facts))
    assert leaves(tree)["decoder.block.0.attn.qkv.lora_A.default.weight"] == (planned, -1)
    assert tree.root.totals.delta == 8 and tree.root.totals.tensors == 2


def test_a_lora_lies_at_its_place() -> None:
    import peft

    config = GPT2Config(n_layer=2, n_embd=8, n_head=2, vocab_size=20, n_positions=8)
    lora = peft.LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True)
    tree = same_leaves(tree_of_model(peft.get_peft_model(GPT2LMHeadModel(config), lora)))
    found = leaves(tree)
    assert found["decoder.block.1.attn.qkv.lora_A.default.weight"][0].delta
    assert found["decoder.block.1.attn.qkv.base_layer.weight"][0].frozen


def test_siblings_come_in_one_order() -> None:
    """A file lists them as it likes, by the alphabet mostly."""
    parts = ("v_proj", "o_proj", "k_proj", "q_proj")
    names = ["lm_head.weight", *[f"model.layers.0.self_attn.{part}.weight" for part in parts]]
    names += ["model.layers.0.input_layernorm.weight", "model.layers.0.mlp.odd.weight"]
    names += [f"model.layers.0.mlp.{part}_proj.weight" for part in ("down", "up", "gate")]
    names += ["model.embed_tokens.weight"]
    tree = same_leaves(build_tree(names, [LeafSpec("F32", (2, 2))] * len(names)))
    assert [path for path, module, _ in tree.root.walk() if module.leaves] == [
        "embeddings.word",
        *[f"decoder.block.0.attn.{part}" for part in ("q", "k", "v", "proj", "layer_norm")],
        *[f"decoder.block.0.ff.{part}" for part in ("w1", "w3", "w2", "odd")],
        "lm_head",
    ]


def test_numbers_of_blocks_come_in_order_and_holes_stay() -> None:
    names = [f"h.{block}.ln_1.weight" for block in (10, 2, 0)]
    tree = same_leaves(build_tree(names, [LeafSpec("F32", (2,))] * 3))
    (blocks,) = Branch.root(tree).branches[0].branches
    assert [child.label for child in blocks.branches] == ["0,2,10"]
    assert list(tree.order) == [2, 1, 0]


def test_a_model_that_nothing_knows_is_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
    tree = tree_of_model(net)
    made = same_leaves(tree)
    assert (list(leaves(made)), types(made)) == (list(leaves(tree)), types(tree))


paths = st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map(".".join)


@given(
    st.lists(paths, unique=True, max_size=25), st.dictionaries(paths, st.sampled_from("AB")),
)  # fmt: skip
def test_made_up_names_and_types(names: list[str], kinds: dict[str, str]) -> None:
    specs = [LeafSpec("F32", (len(name) % 3 + 1,)) for name in names]
    same_leaves(build_tree(names, specs, ModuleFacts(types=kinds)))


@given(st.lists(paths.filter(lambda path: path[:1] != "."), min_size=1, unique=True))
def test_the_module_around_some_names(names: list[str]) -> None:
    around = module_around(names)
    parts = around.split(".") if around else []
    assert all(name.split(".")[:-1][: len(parts)] == parts for name in names)
    longer = {tuple(name.split(".")[:-1][: len(parts) + 1]) for name in names}
    assert len(longer) > 1 or longer == {tuple(parts)}
