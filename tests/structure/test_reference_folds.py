"""The same groups as the trees that bigmodelvis 0.0.1 printed, but for its known defects.

`test_listed_defects` has the list of these, and where each is tested.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from inspect_core.structure.from_modules import tree_of_model
from inspect_core.structure.tree import Module

FOLDER = Path(__file__).parents[1] / "reference" / "folding"
LINE = re.compile(
    r"(?P<stem>[│├└─ ]*)(?P<names>\S+?) ?\((?P<type>\w+)\)(?P<leaves>( \w+:\[[\d, ]*\])*)$"
)


class Row(NamedTuple):
    depth: int
    names: str
    type: str
    leaves: tuple[str, ...]


def printed(name: str) -> list[Row]:
    rows = []
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line == "root":
            continue
        match = LINE.match(line)
        assert match, line
        leaves = tuple(re.findall(r"\w+:\[[^]]*\]", match["leaves"]))
        rows.append(Row(len(match["stem"]) // 4, match["names"], match["type"], leaves))
    return rows


def holds_parameters(module: Module) -> bool:
    parameters = any(not leaf.spec.buffer for leaf in module.leaves)
    return parameters or any(holds_parameters(child) for _, child in module.children)


def ours(module: Module, bare: bool, depth: int = 1) -> list[Row]:
    """Our rows as the original would print them: it shows no buffers (its defect 4)."""
    rows = []
    for group in module.groups:
        child = module.children[group.positions[0]][1]
        if not bare and not holds_parameters(child):
            continue
        leaves = tuple(
            f"{leaf.name}:{list(leaf.spec.shape)}" for leaf in child.leaves if not leaf.spec.buffer
        )
        rows += [Row(depth, group.label, child.type, leaves), *ours(child, bare, depth + 1)]
    return rows


def bert() -> nn.Module:
    return BertForMaskedLM(BertConfig())


def bert_with_adapter() -> nn.Module:
    model = bert()
    for layer in model.bert.encoder.layer:
        parts = {"down": nn.Linear(768, 24), "act": nn.ReLU(), "up": nn.Linear(24, 768)}
        layer.attention.adapter = nn.Sequential(OrderedDict(parts))
        for parameter in layer.attention.adapter.parameters():
            parameter._is_delta = True
    return model


def llama() -> nn.Module:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=1000, hidden_size=256, intermediate_size=688, num_hidden_layers=8,
            num_attention_heads=8, num_key_value_heads=2,
        )
    )  # fmt: skip


def gpt2() -> nn.Module:
    return GPT2LMHeadModel(GPT2Config(n_layer=3))


@pytest.mark.parametrize(
    ("name", "build", "bare"),
    [
        ("bert_base_mlm.txt", bert, False),
        ("bert_with_delta_adapter.txt", bert_with_adapter, False),
        ("gpt2_3layer.txt", gpt2, False),
        ("llama_small.txt", llama, False),
        ("bert_base_mlm_nonparams.txt", bert, True),
    ],
)
def test_same_groups(name: str, build: Callable[[], nn.Module], bare: bool) -> None:
    with torch.device("meta"):
        model = build()
    assert ours(tree_of_model(model, bare_modules=bare).root, bare) == printed(name)


def test_same_groups_with_lora() -> None:
    import peft

    base = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=100, hidden_size=64, intermediate_size=96, num_hidden_layers=4,
            num_attention_heads=4, num_key_value_heads=2,
        )
    )  # fmt: skip
    lora = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"])
    tree = tree_of_model(peft.get_peft_model(base, lora))
    # Its defect 5: containers whose modules it hides stay behind, empty.
    expected = [row for row in printed("llama_peft_lora.txt") if row.names != "lora_dropout"]
    assert ours(tree.root, bare=False) == expected


LINES = {
    "bert_base_mlm.txt": 27, "bert_base_mlm_nonparams.txt": 33, "bert_with_delta_adapter.txt": 30,
    "gpt2_3layer.txt": 15, "llama_peft_lora.txt": 30, "llama_small.txt": 14,
}  # fmt: skip


def test_no_line_of_a_reference_is_left_out() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(LINES)
    for name, count in LINES.items():
        assert len(printed(name)) + len(["root"]) == count, name


def test_what_the_original_hides() -> None:
    with torch.device("meta"):
        tree = tree_of_model(llama())
    rows = {path: module for path, module, _ in tree.root.walk()}
    assert [leaf.name for leaf in rows["model.rotary_emb"].leaves if leaf.spec.buffer]
    with torch.device("meta"):
        model = bert()
    # Both names of a tied parameter were printed alike (its defect 7); ours says which owns it.
    assert tree_of_model(model).tied == {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }
