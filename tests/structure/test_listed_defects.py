"""What the original tree did wrong, and that ours does not: one test or more for each.

The original is bigmodelvis 0.0.1, and the freezing of OpenDelta that goes with it; `DEFECTS` has
what was found when it was run, by number, and which tests hold it. Its trees that were right are
in `test_reference_folds`.
"""

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import (
    BertConfig,
    BertForPreTraining,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from inspect_core.structure.branch import Branch
from inspect_core.structure.build import build_tree
from inspect_core.structure.common import common_tree
from inspect_core.structure.fold import short_names
from inspect_core.structure.from_modules import tree_of_model
from inspect_core.structure.tree import LeafSpec, ModuleTree

TESTS = Path(__file__).parents[1]

DEFECTS: dict[str, tuple[str, ...]] = {
    "1: siblings of other types fold together": (
        "structure/test_folding.py::test_type_is_part_of_sameness",
        "structure/test_listed_defects.py::test_an_embedding_and_a_head_of_t5_stay_apart",
        "structure/test_listed_defects.py::test_attention_and_cross_attention_stay_apart",
    ),
    "2: trees of other nesting have one fingerprint": (
        "structure/test_folding.py::test_nesting_does_not_collide",
        "structure/test_listed_defects.py::test_brackets_count",
        "structure/test_listed_defects.py::test_only_equal_trees_fold",
    ),
    "3: ranges of one, 007 as 7, mixed names, members that cannot be had again": (
        "structure/test_folding.py::test_short_names",
        "structure/test_folding.py::test_short_names_parse_back",
        "structure/test_listed_defects.py::test_layers_with_and_without_lora",
        "structure/test_listed_defects.py::test_a_fold_knows_its_members_exactly",
    ),
    "4: no parameters of the root, no buffers, one fold of several dtypes": (
        "structure/test_folding.py::test_the_root_shows_its_own_parameters",
        "structure/test_folding.py::test_buffers_are_visible_and_split",
        "structure/test_folding.py::test_dtypes_split",
    ),
    "5: invisible modules split folds, and leave empty containers": (
        "structure/test_folding.py::test_invisible_modules_do_not_split",
        "structure/test_folding.py::test_containers_of_nothing_are_hidden",
        "structure/test_listed_defects.py::test_dropout_alone_makes_no_row",
    ),
    "6: a frozen adapter is only an adapter, and one of peft is none": (
        "structure/test_folding.py::test_one_frozen_member_stands_alone",
        "structure/test_folding.py::test_frozen_and_delta_are_two_things",
        "structure/test_from_modules.py::test_lora_is_delta_and_the_base_frozen",
        "plan/test_preview.py::test_freezing_all_but_some_leaves_delta_parameters_alone",
    ),
    "7: a shared module is listed once, a tied parameter twice without a mark": (
        "structure/test_folding.py::test_tied_parameters_are_marked_and_counted_once",
        "structure/test_folding.py::test_a_shared_module_is_shown_under_both_names",
        "structure/test_listed_defects.py::test_both_names_of_what_is_shared_lead_to_one_owner",
    ),
    "8: any trouble starts an interactive shell": (
        "structure/test_folding.py::test_uninitialised_parameters_do_not_crash",
        "structure/test_folding.py::test_depth_is_no_recursion_error",
        "structure/test_folding.py::test_a_module_inside_itself_ends",
        "structure/test_listed_defects.py::test_odd_modules_are_trees",
    ),
    "9: markup in names is eaten, and nothing is counted": (
        "structure/test_folding.py::test_names_with_markup_are_kept",
        "structure/test_folding.py::test_one_frozen_member_stands_alone",
    ),
    "10: in the common structure poolers and heads disappear, and OPT crashes": (
        "structure/test_common_tree.py::test_nothing_disappears",
        "structure/test_common_tree.py::test_made_up_names_and_types",
        "structure/test_common_names.py::test_injective_and_total_on_made_up_names",
        "structure/test_listed_defects.py::test_pooler_and_heads_stay_in_the_common_structure",
        "structure/test_listed_defects.py::test_opt_has_a_common_structure",
    ),
    "11: a parameter beside submodules is frozen though it is excluded by its name": (
        "plan/test_preview.py::test_exclude_spares_subtrees_and_parameters_by_their_own_name",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_has_its_tests(defect: str) -> None:
    for place in DEFECTS[defect]:
        file, _, name = place.partition("::")
        text = (TESTS / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), place


def rows(tree: ModuleTree) -> list[str]:
    """The path of every row of the folded tree."""
    found: list[str] = []

    def collect(branch: Branch) -> None:
        found.append(branch.path)
        for child in branch.branches:
            collect(child)

    collect(Branch.root(tree))
    return found


def holding(**children: nn.Module) -> nn.Module:
    root = nn.Module()
    for name, child in children.items():
        root.add_module(name, child)
    return root


def t5(**more: object) -> nn.Module:
    sizes = {"num_layers": 3, "d_model": 16, "d_kv": 8, "num_heads": 2, "d_ff": 32}
    with torch.device("meta"):
        return T5ForConditionalGeneration(T5Config(vocab_size=40, **sizes, **more))


def test_an_embedding_and_a_head_of_t5_stay_apart() -> None:
    found = rows(tree_of_model(t5(tie_word_embeddings=False)))
    assert "shared" in found and "lm_head" in found
    # The first block differs from the others by its relative_attention_bias.
    assert "encoder.block.0" in found and "encoder.block.1-2" in found


def test_attention_and_cross_attention_stay_apart() -> None:
    class Attention(nn.Linear):
        pass

    class CrossAttention(nn.Linear):
        pass

    block = holding(attn=Attention(4, 4), crossattn=CrossAttention(4, 4), again=Attention(4, 4))
    assert rows(tree_of_model(block)) == ["", "attn,again", "crossattn"]


def test_brackets_count() -> None:
    """{A {a}, B {b}} and {A {a, B {b}}}, which were one fingerprint."""

    def inner(**more: nn.Module) -> nn.Module:
        return holding(a=nn.Linear(2, 2), **more)

    flat = [holding(A=inner(), B=holding(b=nn.Linear(2, 2))) for _ in range(2)]
    deep = holding(A=inner(B=holding(b=nn.Linear(2, 2))))
    tree = tree_of_model(nn.ModuleList([flat[0], deep, flat[1]]))
    assert [group.label for group in tree.root.groups] == ["0,2", "1"]


nested = st.recursive(
    st.just(()), lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=8
)


@given(nested, nested)
def test_only_equal_trees_fold(one: tuple, other: tuple) -> None:
    def names(tree: tuple, path: str) -> list[str]:
        own = [f"{path}.w"]
        return own + [n for at, inner in enumerate(tree) for n in names(inner, f"{path}.m{at}")]

    listed = [*names(one, "x"), *names(other, "y")]
    tree = build_tree(listed, [LeafSpec("F32", (2,))] * len(listed))
    assert (len(tree.root.groups) == 1) == (one == other)


def test_layers_with_and_without_lora() -> None:
    import peft

    config = LlamaConfig(
        vocab_size=20, hidden_size=8, intermediate_size=12, num_hidden_layers=4,
        num_attention_heads=2, num_key_value_heads=1,
    )  # fmt: skip
    lora = peft.LoraConfig(r=2, target_modules=["q_proj"], layers_to_transform=[1, 2])
    found = rows(tree_of_model(peft.get_peft_model(LlamaForCausalLM(config), lora)))
    labels = {path.rpartition("layers.")[2] for path in found if path.count("layers.") == 1}
    assert {label for label in labels if "." not in label} == {"0,3", "1-2"}


@given(st.lists(st.sampled_from(["0", "1", "2", "3", "6", "007", "shared", "a-b", "0-4"]),
                unique=True, min_size=2))  # fmt: skip
def test_a_fold_knows_its_members_exactly(names: list[str]) -> None:
    tree = build_tree([f"{name}.w" for name in names], [LeafSpec("F32", (2,))] * len(names))
    (fold,) = Branch.root(tree).branches
    assert sorted(fold.names) == sorted(names) and fold.label == short_names(fold.names)
    members = {member.names[0]: member.firsts[0] for member in fold.members()}
    assert {name: tree.order[first] for name, first in members.items()} == {
        name: at for at, name in enumerate(names)
    }


def test_dropout_alone_makes_no_row() -> None:
    block = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Sequential(nn.Dropout(), nn.GELU()))
    assert rows(tree_of_model(block)) == ["", "0"]
    assert rows(tree_of_model(block, bare_modules=True)) == ["", "0", "1", "2", "2.0", "2.1"]


def test_both_names_of_what_is_shared_lead_to_one_owner() -> None:
    shared = nn.Linear(3, 3)
    net = holding(left=holding(proj=shared), right=holding(proj=shared), head=nn.Linear(3, 3))
    net.head.weight = shared.weight
    tree = tree_of_model(net)
    assert tree.tied == {
        "right.proj.weight": "left.proj.weight", "right.proj.bias": "left.proj.bias",
        "head.weight": "left.proj.weight",
    }  # fmt: skip
    assert {"left", "left.proj", "right", "right.proj", "head"} <= set(rows(tree))
    assert tree.root.totals.params == sum(p.numel() for p in net.parameters())


def test_odd_modules_are_trees() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2))

        def extra_repr(self) -> str:
            raise RuntimeError("asked to describe itself")

        @property
        def shape(self) -> tuple[int, ...]:
            raise RuntimeError("asked for its shape")

    lazy = nn.Sequential(nn.LazyConv2d(3, 2), nn.LazyLinear(2))
    meta = nn.Linear(2, 2, device="meta")
    none = nn.Linear(2, 2, bias=False)
    none.register_buffer("later", None)
    net = holding(broken=Broken(), lazy=lazy, meta=meta, none=none, empty=nn.Module())
    found = rows(tree_of_model(net))
    assert found == ["", "broken", "lazy", "lazy.0", "lazy.1", "meta", "none"]
    assert rows(tree_of_model(nn.Module())) == [""]


def test_pooler_and_heads_stay_in_the_common_structure() -> None:
    with torch.device("meta"):
        model = BertForPreTraining(BertConfig(num_hidden_layers=2))
    made, names = common_tree(tree_of_model(model))
    found = {path for path, module, _ in made.root.walk() if module.leaves}
    wanted = {"pooler.dense", "lm_head", "lm_head.dense", "lm_head.layer_norm", "sentence_head"}
    assert wanted <= found
    assert len(names.common) == len(set(names.common)) > len(list(model.parameters()))
    assert made.root.totals.params == sum(p.numel() for p in model.parameters())


def test_opt_has_a_common_structure() -> None:
    config = OPTConfig(num_hidden_layers=3, word_embed_proj_dim=512)
    with torch.device("meta"):
        model = OPTForCausalLM(config)
    made, names = common_tree(tree_of_model(model))
    assert names.family == "opt" and names.known == len(names.names)
    assert "decoder.block.0-2" in rows(made)
    assert {"decoder.block.0-2.attn.q,k,v,proj", "decoder.block.0-2.ff.w1"} <= set(rows(made))
