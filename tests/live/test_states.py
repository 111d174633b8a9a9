"""What a tree of a live model marks: frozen, delta, packed, tied, shared, and waiting."""

from typing import Any

import peft
import pytest
import torch
from live_made import net, opened, stir, tiny_llama, value
from torch import nn

from inspect_core.structure.from_modules import model_listing, tree_of_model
from inspect_core.structure.tree import LeafSpec

LLAMA = {
    "LoRA": peft.LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"]),
    "DoRA": peft.LoraConfig(r=2, target_modules=["q_proj"], use_dora=True),
    "LoRA of an embedding": peft.LoraConfig(r=2, target_modules=["embed_tokens"]),
    "LoRA and tokens": peft.LoraConfig(
        r=2, target_modules=["q_proj"], trainable_token_indices={"embed_tokens": [1, 2]}
    ),
    "IA3": peft.IA3Config(target_modules=["q_proj"], feedforward_modules=[]),
    "LoHa": peft.LoHaConfig(r=2, target_modules=["q_proj"]),
    "LoKr": peft.LoKrConfig(r=2, target_modules=["q_proj"]),
    "AdaLoRA": peft.AdaLoraConfig(init_r=2, target_modules=["q_proj"], total_step=9),
    "OFT": peft.OFTConfig(oft_block_size=2, target_modules=["q_proj"]),
    "BOFT": peft.BOFTConfig(boft_block_size=2, target_modules=["q_proj"]),
    "VeRA": peft.VeraConfig(r=2, target_modules=["q_proj"]),
    "HRA": peft.HRAConfig(r=2, target_modules=["q_proj"]),
    "VBLoRA": peft.VBLoRAConfig(
        num_vectors=256, vector_length=2, target_modules=["q_proj"], r=2
    ),
    "RandLoRA": peft.RandLoraConfig(r=2, target_modules=["q_proj"]),
    "FourierFT": peft.FourierFTConfig(n_frequency=3, target_modules=["q_proj"]),
    "LN tuning": peft.LNTuningConfig(target_modules=["input_layernorm"]),
    "prompt": peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
    "prefix": peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
    "p-tuning": peft.PromptEncoderConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=3, encoder_hidden_size=4
    ),
    "adaption prompt": peft.AdaptionPromptConfig(
        task_type="CAUSAL_LM", adapter_layers=2, adapter_len=3
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("config", LLAMA.values(), ids=LLAMA)
def test_delta_is_what_peft_added(config: Any) -> None:
    base = tiny_llama()
    own = {id(tensor) for tensor in (*base.parameters(), *base.buffers())}
    model = peft.get_peft_model(base, config)
    names, specs, _ = model_listing(model)
    listed = dict(zip(names, specs, strict=True))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert listed[name].delta, name
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        assert listed[name].delta == (id(tensor) not in own), name
    assert tree_of_model(model).root.totals.delta >= model.get_nb_trainable_parameters()[0]


def test_a_frozen_delta_is_still_one_and_says_that_it_is_frozen() -> None:
    model = peft.get_peft_model(net(), peft.LoraConfig(r=2, target_modules=["up"]))
    model.requires_grad_(False)
    names, specs, _ = model_listing(model)
    lora = [spec for name, spec in zip(names, specs, strict=True) if "lora_" in name]
    assert lora and all(spec.delta and spec.frozen for spec in lora)
    totals = tree_of_model(model).root.totals
    assert totals.delta and not totals.tunable


def test_opendeltas_mark_and_the_names_of_other_libraries() -> None:
    block = nn.Module()
    block.adapter = nn.Linear(2, 1)
    block.adapter.weight._is_delta = True
    block.adapters = nn.ModuleDict({"mine": nn.ModuleDict({"adapter_down": nn.Linear(2, 1)})})
    block.loras = nn.ModuleDict({"mine": nn.Linear(1, 1, bias=False)})
    names, specs, _ = model_listing(block)
    delta = [name for name, spec in zip(names, specs, strict=True) if spec.delta]
    assert delta == [
        "adapter.weight", "adapters.mine.adapter_down.weight", "adapters.mine.adapter_down.bias",
        "loras.mine.weight",
    ]  # fmt: skip


# Stand-ins: bitsandbytes cannot run everywhere, its classes are known by their names.
class QuantState:
    def __init__(self, shape: torch.Size) -> None:
        self.shape, self.quant_type = shape, "nf4"


class Params4bit(nn.Parameter):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise AssertionError("its own code was called")


class Int8Params(nn.Parameter):
    pass


class Linear4bit(nn.Module):
    def __init__(self, rows: int, columns: int, state: bool = True) -> None:
        super().__init__()
        packed = torch.zeros(rows * columns // 2, 1, dtype=torch.uint8)
        weight = torch.Tensor._make_subclass(Params4bit, packed, False)
        if state:
            weight.__dict__["quant_state"] = QuantState(torch.Size((rows, columns)))
        self._parameters["weight"] = weight
        self.bias = nn.Parameter(torch.zeros(rows))
        self.register_buffer("absmax", torch.zeros(3))


class Linear8bitLt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = Int8Params(torch.zeros(4, 6, dtype=torch.int8), False)
        self.register_buffer("SCB", torch.ones(4))


def test_packed_weights_of_bitsandbytes() -> None:
    names, specs, _ = model_listing(nn.Sequential(Linear4bit(4, 6), Linear8bitLt()))
    assert dict(zip(names, specs, strict=True)) == {
        "0.weight": LeafSpec("NF4", (4, 6), frozen=True, quantised=True),
        "0.bias": LeafSpec("F32", (4,)),
        "0.absmax": LeafSpec("F32", (3,), buffer=True, quantised=True),
        "1.weight": LeafSpec("I8", (4, 6), frozen=True, quantised=True),
        "1.SCB": LeafSpec("F32", (4,), buffer=True, quantised=True),
    }
    totals = tree_of_model(Linear4bit(4, 6)).root.totals
    assert (totals.params, totals.nbytes) == (28, 12 + 16 + 12)


def test_packed_weights_without_their_state_are_listed_as_they_lie() -> None:
    specs = model_listing(Linear4bit(4, 6, state=False))[1]
    assert specs[0] == LeafSpec("U8", (12, 1), frozen=True, quantised=True)


def test_weights_that_bitsandbytes_has_not_packed_yet_are_plain() -> None:
    module = nn.Module()
    module.weight = Int8Params(torch.ones(2, 2), False)
    assert model_listing(module)[1] == [LeafSpec("F32", (2, 2), frozen=True)]
    assert value(opened(module), "weight").tolist() == [[1, 1], [1, 1]]


def test_values_of_packed_weights_are_not_read_and_others_are() -> None:
    checkpoint = opened(nn.Sequential(Linear4bit(4, 6), Linear8bitLt()))
    assert "packed by bitsandbytes" in checkpoint.tensors["0.weight"].unread
    assert "packed by bitsandbytes" in checkpoint.tensors["1.weight"].unread
    assert value(checkpoint, "0.bias").tolist() == [0, 0, 0, 0]
    assert value(checkpoint, "1.SCB").tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("first", ["qweight", "W_q", "weight_packed"])
def test_buffers_that_belong_to_a_packed_weight(first: str) -> None:
    others = {
        "qweight": ("qzeros", "scales", "g_idx"), "W_q": ("zero", "scale"),
        "weight_packed": ("weight_scale",),
    }[first]  # fmt: skip
    module = nn.Module()
    for name in (first, *others, "bias"):
        module.register_buffer(name, torch.zeros(2, dtype=torch.int32))
    names, specs, _ = model_listing(module)
    marked = {name for name, spec in zip(names, specs, strict=True) if spec.quantised}
    assert marked == {first, *others}


def test_a_packed_module_with_buffers_alone_is_in_the_tree() -> None:
    layer = nn.Module()
    for name in ("qweight", "qzeros", "scales"):
        layer.register_buffer(name, torch.zeros(2, 2, dtype=torch.int32))
    tree = tree_of_model(nn.Sequential(nn.Linear(1, 1), layer))
    leaves = dict(tree.root.children)["1"].leaves
    assert [(leaf.name, leaf.spec.quantised) for leaf in leaves] == [
        ("qweight", True), ("qzeros", True), ("scales", True),
    ]  # fmt: skip


def test_scales_alone_are_nothing_packed() -> None:
    module = nn.Module()
    module.scales = nn.Parameter(torch.ones(2))
    assert not model_listing(module)[1][0].quantised


def test_adapters_on_packed_weights_say_that_nothing_is_worked_out() -> None:
    model = peft.get_peft_model(net(torch.float32), peft.LoraConfig(r=2, target_modules=["up"]))
    stir(model).base_model.model.up.base_layer._parameters |= Linear4bit(8, 6)._parameters
    found = opened(model)
    assert any("packed by bitsandbytes" in line for line in found.warnings)
    assert found.tensors["base_model.model.up.base_layer.weight"].dtype == "NF4"


def test_tied_and_shared() -> None:
    shared = nn.Linear(2, 2)
    model = nn.ModuleDict({"a": shared, "b": shared, "c": nn.Linear(2, 2, bias=False)})
    model["c"].weight = shared.weight
    checkpoint = opened(model)
    tree = tree_of_model(model)
    assert list(checkpoint.tensors) == ["a.weight", "a.bias"]
    assert tree.tied == {"b.weight": "a.weight", "b.bias": "a.bias", "c.weight": "a.weight"}
    assert tree.root.totals.params == 6
    for path in ("b", "c"):
        for leaf in dict(tree.root.children)[path].leaves:
            assert leaf.spec.tied and not leaf.spec.stored


def test_lazy_modules() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 1))
    checkpoint = opened(model)
    assert list(checkpoint.tensors) == ["1.weight", "1.bias"]
    (weight, _) = dict(tree_of_model(model).root.children)["0"].leaves
    assert weight.spec == LeafSpec("F32", (), stored=False)


def test_the_roots_own_parameters_and_names_like_markup() -> None:
    model = nn.Module()
    model.register_parameter("w[red]x", nn.Parameter(torch.ones(1)))
    model.add_module("[@click=app:quit]", nn.Linear(1, 1))
    assert list(opened(model).tensors) == [
        "w[red]x", "[@click=app:quit].weight", "[@click=app:quit].bias",
    ]  # fmt: skip


def test_many_names_are_listed_quickly() -> None:
    # 200,000 names; what is held here is the number of visits, not a time.
    block = nn.ModuleList([nn.Linear(1, 1, device="meta") for _ in range(1000)])
    model = nn.ModuleList([block for _ in range(100)])
    names, specs, facts = model_listing(model)
    assert len(names) == 200_000 and len({id(spec) for spec in specs}) == 4
    assert len(facts.tied) == 198_000
