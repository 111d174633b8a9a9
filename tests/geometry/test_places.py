"""The layers of many families, by what runs when."""

import sys
from pathlib import Path

import pytest
import torch

from inspect_core.errors import LamellaError
from inspect_core.geometry.places import BLOCKS, NORM1, NORM2, layer_paths

sys.path.append(str(Path(__file__).parents[1] / "capture"))
from running_made import family, live

LLAMA = (
    "input_layernorm",
    "post_attention_layernorm",
    "model.embed_tokens",
    "model.norm",
    "model.layers",
)
GPT2 = ("ln_1", "ln_2", "transformer.drop", "transformer.ln_f", "transformer.h")
OPT = (
    "self_attn_layer_norm", "final_layer_norm", "model.decoder.embed_tokens",
    "model.decoder.final_layer_norm", "model.decoder.layers",
)  # fmt: skip
BEFORE = [("llama", LLAMA), ("qwen3", LLAMA), ("mixtral", LLAMA), ("gpt2", GPT2), ("opt", OPT)]


@pytest.mark.parametrize(("name", "parts"), BEFORE)
def test_norms_before_what_they_belong_to(name, parts):
    norm1, norm2, first, last, blocks = parts
    model = live(family(name))
    assert layer_paths(model, BLOCKS) == (first, f"{blocks}.0", f"{blocks}.1", last)
    for where, norm in ((NORM1, norm1), (NORM2, norm2)):
        wanted = (first, f"{blocks}.0.{norm}", f"{blocks}.1.{norm}", last)
        assert layer_paths(model, where) == wanted


@pytest.mark.parametrize(("name", "stem"), [("bert", ""), ("roberta", "roberta.")])
def test_norms_behind_what_they_belong_to(name, stem):
    model, layer = live(family(name)), f"{stem}encoder.layer"
    first = f"{stem}embeddings"
    assert layer_paths(model, BLOCKS) == (first, f"{layer}.0", f"{layer}.1")
    ends = (f"{layer}.0.output.LayerNorm", f"{layer}.1.output.LayerNorm")
    assert layer_paths(model, NORM1) == (first, *ends)
    inside = (f"{layer}.0.attention.output.LayerNorm", f"{layer}.1.attention.output.LayerNorm")
    assert layer_paths(model, NORM2) == (first, *inside, ends[1])


def test_an_encoder_and_a_decoder():
    model = live(family("t5"))
    assert layer_paths(model, BLOCKS) == tuple(
        f"{side}.{part}"
        for side in ("encoder", "decoder")
        for part in ("embed_tokens", "block.0", "block.1", "final_layer_norm")
    )
    assert "decoder.block.1.layer.2.layer_norm" in layer_paths(model, NORM2)
    assert "decoder.block.1.layer.0.layer_norm" in layer_paths(model, NORM1)
    bart = layer_paths(live(family("bart")), NORM2)
    assert "model.decoder.layers.0.encoder_attn_layer_norm" in bart
    assert "model.encoder.layers.0.self_attn_layer_norm" in bart
    assert layer_paths(live(family("bart")), BLOCKS)[3] == "model.decoder.layernorm_embedding"


def test_opt_with_norms_behind():
    found = layer_paths(live(family("opt", do_layer_norm_before=False)), NORM2)
    assert found[1] == "model.decoder.layers.0.self_attn_layer_norm"


def test_logits_are_no_layer():
    for name in ("llama", "gpt2", "t5", "opt", "mixtral"):
        for where in (BLOCKS, NORM1, NORM2):
            assert not any("lm_head" in path for path in layer_paths(live(family(name)), where))


def test_modes_and_hooks_are_as_before():
    module = family("gpt2").train()
    layer_paths(live(module), NORM1)
    assert module.training
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in module.modules())


class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.look_up = torch.nn.Embedding(60, 4)
        self.out = torch.nn.Linear(4, 4)

    def forward(self, ids):
        return self.out(self.look_up(ids))


def test_a_model_without_blocks():
    model = live(Plain())
    assert layer_paths(model, BLOCKS) == ("look_up", "out")
    with pytest.raises(LamellaError, match="no norms before attention"):
        layer_paths(model, NORM1)
    with pytest.raises(LamellaError, match="no place 'logits'"):
        layer_paths(model, "logits")
