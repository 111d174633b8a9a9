"""What a live model says of itself, without running any of it."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from inspect_core.checkpoint.tensor_info import DTYPES
from inspect_core.structure.from_modules import (
    dtype_name,
    is_adapter_name,
    model_listing,
    tree_of_model,
)
from inspect_core.structure.tree import LeafSpec


def tiny_llama() -> nn.Module:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=16, hidden_size=8, intermediate_size=12, num_hidden_layers=3,
            num_attention_heads=2, num_key_value_heads=1,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (torch.float32, "F32"), (torch.bfloat16, "BF16"), (torch.float8_e4m3fn, "F8_E4M3"),
        (torch.uint16, "U16"), (torch.bool, "BOOL"), (torch.complex64, "C64"),
        (torch.complex128, "COMPLEX128"), (torch.qint8, "QINT8"),
    ],
)  # fmt: skip
def test_dtype_names(dtype: torch.dtype, name: str) -> None:
    assert dtype_name(dtype) == name


def test_dtype_names_are_the_formats() -> None:
    from safetensors.torch import _TYPES

    for name, dtype in _TYPES.items():
        if name in DTYPES and name != "F4":  # two values of F4 are one element in torch
            assert dtype_name(dtype) == name


def test_listing_of_a_small_module() -> None:
    norm = nn.BatchNorm1d(3)
    norm.weight.requires_grad_(False)
    names, specs, facts = model_listing(nn.Sequential(nn.Linear(2, 3), norm))
    listed = dict(zip(names, specs, strict=True))
    assert names[:4] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert listed["0.weight"] == LeafSpec("F32", (3, 2))
    assert listed["1.weight"] == LeafSpec("F32", (3,), frozen=True)
    assert listed["1.num_batches_tracked"] == LeafSpec("I64", (), buffer=True)
    assert facts.types == {"": "Sequential", "0": "Linear", "1": "BatchNorm1d"}
    assert facts.buffers == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    assert list(facts.leaves) == names


def test_buffers_that_are_not_saved_are_listed() -> None:
    module = nn.Module()
    module.register_buffer("table", torch.zeros(2), persistent=False)
    assert model_listing(module)[1] == [LeafSpec("F32", (2,), buffer=True)]
    assert model_listing(module)[0] == ["table"]


def test_nothing_is_run() -> None:
    class Loud(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise AssertionError("forward was called")

        def named_parameters(self, *args: object, **kwargs: object):  # type: ignore[override]
            raise AssertionError("its own code was called")

        def extra_repr(self) -> str:
            raise AssertionError("its own code was called")

    assert tree_of_model(Loud(2, 2)).root.totals.params == 6


def test_parametrised_weights_are_not_computed() -> None:
    layer = parametrizations.weight_norm(nn.Linear(2, 3))
    names = model_listing(layer)[0]
    assert sorted(names) == [
        "bias",
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    ]


def test_scripted_modules() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x)

    traced = torch.jit.trace(Net(), torch.zeros(1, 2))
    names, _, facts = model_listing(traced)
    assert names == ["fc.weight", "fc.bias"] and not facts.tied
    assert facts.types["fc"] == "Linear"


def test_tied_gpt2() -> None:
    with torch.device("meta"):
        model = GPT2LMHeadModel(GPT2Config(n_layer=2))
    tree = tree_of_model(model)
    assert tree.tied == {"lm_head.weight": "transformer.wte.weight"}
    assert tree.root.totals.params == sum(p.numel() for p in model.parameters())
    (leaf,) = dict(tree.root.children)["lm_head"].leaves
    assert leaf.spec == LeafSpec("F32", (50257, 768), tied=True, stored=False)


def test_shared_modules_inside_shared_modules_end() -> None:
    block: nn.Module = nn.Linear(1, 1)
    for _ in range(12):
        block = nn.ModuleList([block, block])
    names, specs, facts = model_listing(block)
    assert len(names) == 2 * 2**12 and sum(spec.stored for spec in specs) == 2
    assert set(facts.tied.values()) == {"0." * 12 + "weight", "0." * 12 + "bias"}


def test_too_many_names_of_shared_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspect_core.structure.from_modules.MOST_VISITS", 200)
    block: nn.Module = nn.Linear(1, 1)
    for _ in range(60):
        block = nn.ModuleList([block, block])
    last = nn.Linear(1, 1)
    names, _, _ = model_listing(nn.ModuleList([block, last]))
    assert "1.weight" in names and len(names) < 500


@pytest.mark.parametrize(
    ("name", "adapter"),
    [
        ("base_model.model.layers.0.q_proj.lora_A.default.weight", True),
        ("layers.0.q_proj.lora_magnitude_vector.default.weight", True),
        ("embed.lora_embedding_B", True), ("k.ia3_l.default", True), ("q.hada_w1_a.default", True),
        ("q.lokr_w2", True), ("prompt_embeddings", True),
        ("score.modules_to_save.default.weight", True), ("score.original_module.weight", False),
        ("layers.0.q_proj.base_layer.weight", False), ("explora_A.weight", False),
        ("adapter.down.weight", False), ("prompt_encoder.weight", False),
    ],
)  # fmt: skip
def test_adapter_names(name: str, adapter: bool) -> None:
    assert is_adapter_name(name) is adapter


def test_lora_is_delta_and_the_base_frozen() -> None:
    import peft

    lora = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], modules_to_save=["lm_head"])
    tree = tree_of_model(peft.get_peft_model(tiny_llama(), lora))
    names, specs, _ = model_listing(peft.get_peft_model(tiny_llama(), lora))
    delta = {name for name, spec in zip(names, specs, strict=True) if spec.delta}
    tuned = {n for n, s in zip(names, specs, strict=True) if not s.frozen and not s.buffer}
    assert delta == tuned and len(delta) == 3 * 2 * 2 + 1
    assert tree.root.totals.delta == tree.root.totals.tunable
    assert tree.root.type == "PeftModel"


def test_virtual_prompts_are_delta() -> None:
    import peft

    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    names, specs, _ = model_listing(peft.get_peft_model(tiny_llama(), config))
    delta = [name for name, spec in zip(names, specs, strict=True) if spec.delta]
    assert delta == ["prompt_encoder.default.embedding.weight"]
