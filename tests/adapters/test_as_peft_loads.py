"""What peft makes of an adapter when it loads it from files, whatever its config claims."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from peft_models import as_numpy, values_of
from safetensors.torch import load_file, save_file
from torch import nn

from inspect_core.checkpoint import adapter_patterns
from inspect_core.checkpoint.adapter_config import AdapterConfig
from inspect_core.checkpoint.adapter_patterns import resolved
from inspect_core.checkpoint.adapter_scope import Scope
from inspect_core.errors import UsageError
from inspect_core.opening import Adapted, open_model

Tensors = dict[str, torch.Tensor]
PEFT = "base_model.model."
Q, UP = "layers.0.q", "layers.0.up"


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(8, 8)
        self.up = nn.Linear(8, 12)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Layer(), Layer()])
        self.norm = nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer.q(x) + layer.up(x)[..., :8]
        return x


class Case:
    """A base and one adapter on disk."""

    def __init__(self, folder: Path, config: peft.PeftConfig, name: str = "adapter") -> None:
        torch.manual_seed(0)
        self.model = Model()
        self.base = str(folder / "base.safetensors")
        self.adapter = str(folder / name)
        save_file(self.model.state_dict(), self.base)
        tuned = peft.get_peft_model(copy.deepcopy(self.model), config)
        with torch.no_grad():
            for parameter in tuned.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1 * torch.randn_like(parameter))
        tuned.save_pretrained(self.adapter)

    def edit(self, **change: object) -> None:
        path = Path(self.adapter, "adapter_config.json")
        config = {**json.loads(path.read_text()), **change}
        path.write_text(json.dumps({k: v for k, v in config.items() if v != "absent"}))

    def tensors(self, change: Callable[[Tensors], Tensors]) -> None:
        path = Path(self.adapter, "adapter_model.safetensors")
        tensors = load_file(path)
        save_file({**tensors, **change(tensors)}, path)

    def merged(self) -> Mapping[str, torch.Tensor]:
        loaded = peft.PeftModel.from_pretrained(copy.deepcopy(self.model), self.adapter)
        return loaded.merge_and_unload().state_dict()

    def opened(self, *more: str) -> tuple[dict[str, Any], str]:
        """Values of the base's tensors, and all flags."""
        with open_model(Adapted(self.base, (self.adapter, *more))) as made:
            assert made.overlay is not None
            flags = " | ".join(flag for side in made.overlay.adapters for flag in side.flags)
            return {name: values_of(made, name) for name in self.model.state_dict()}, flags

    def check(self) -> str:
        got, flags = self.opened()
        for name, wanted in self.merged().items():
            np.testing.assert_allclose(got[name], as_numpy(wanted), atol=2e-6, err_msg=name)
        return flags

    def unchanged(self, *names: str) -> str:
        got, flags = self.opened()
        for name in names:
            assert (got[name] == as_numpy(self.model.state_dict()[name])).all(), name
        return flags


def lora(**change: Any) -> peft.LoraConfig:
    return peft.LoraConfig(**{"r": 2, "lora_alpha": 6, "target_modules": ["q", "up"], **change})


# What peft loads otherwise than the file or the config says


def test_adalora_that_was_pruned(tmp_path) -> None:
    config = peft.AdaLoraConfig(
        init_r=4, target_r=2, lora_alpha=6, target_modules=["q", "up"], total_step=20, tinit=1,
        tfinal=2, deltaT=1,
    )  # fmt: skip
    torch.manual_seed(0)
    case = Case(tmp_path, config, "first")
    tuned = peft.get_peft_model(copy.deepcopy(case.model), config)
    optimiser = torch.optim.Adam([p for p in tuned.parameters() if p.requires_grad], 1e-2)
    for step in range(20):
        x = torch.randn(16, 8)
        ((tuned(x) - x.roll(1, 1)) ** 2).mean().backward()
        optimiser.step()
        tuned.base_model.update_and_allocate(step + 1)
        optimiser.zero_grad()
    case.adapter = str(tmp_path / "pruned")
    tuned.save_pretrained(case.adapter)
    ranks = {t.shape[0] for n, t in load_file(f"{case.adapter}/adapter_model.safetensors").items()
             if "lora_E" in n}  # fmt: skip
    assert ranks - {4}  # something was pruned
    case.check()
    with open_model(Adapted(case.base, (case.adapter,))) as made:
        assert made.overlay.adapters[0].method.startswith("AdaLoRA ")
    case.edit(init_r="absent")
    assert "its scale is not known" in case.unchanged(f"{Q}.weight")


def test_the_flag_of_stored_in_out_is_no_linears(tmp_path) -> None:
    case = Case(tmp_path, lora())
    case.edit(fan_in_fan_out=True)
    case.check()


def test_nor_is_it_for_ia3(tmp_path) -> None:
    case = Case(tmp_path, peft.IA3Config(target_modules=["q", "up"], feedforward_modules=["up"]))
    case.edit(fan_in_fan_out=True)
    case.check()


def test_rslora_is_loras_alone(tmp_path) -> None:
    case = Case(tmp_path, peft.LoHaConfig(r=4, alpha=6, target_modules=["q"]))
    case.edit(use_rslora=True)
    case.check()


def test_magnitudes_are_doras_alone(tmp_path) -> None:
    case = Case(tmp_path, lora(use_dora=True))
    case.check()
    case.edit(use_dora=False)
    case.check()


@pytest.mark.parametrize(
    "change",
    [{"target_modules": ["q"]}, {"target_modules": r".*\.q"}, {"exclude_modules": ["up"]},
     {"exclude_modules": ".*up"}, {"layers_to_transform": [1], "layers_pattern": "layers"}],
)  # fmt: skip
def test_what_the_config_leaves_out_is_not_loaded(tmp_path, change) -> None:
    case = Case(tmp_path, lora())
    case.edit(**change)
    assert "the config leaves it out" in case.check()


def test_a_bias_of_a_factor_that_the_config_does_not_say(tmp_path) -> None:
    case = Case(tmp_path, lora())
    case.tensors(lambda _: {f"{PEFT}{Q}.lora_B.bias": torch.ones(8)})
    assert "does not say lora_bias" in case.check()
    Case(tmp_path, lora(lora_bias=True)).check()


@pytest.mark.parametrize("leaf", ["weight", "bias", "base_layer.weight", "base_layer.bias"])
def test_a_plain_parameter_of_a_module_with_factors(tmp_path, leaf) -> None:
    case = Case(tmp_path, lora())
    shape = (8, 8) if "weight" in leaf else (8,)
    case.tensors(lambda _: {f"{PEFT}{Q}.{leaf}": torch.ones(shape)})
    assert ("PEFT does not load it" in case.check()) is ("base_layer" not in leaf)


def test_a_wrapper_in_a_wrapper_that_is_not_there(tmp_path) -> None:
    case = Case(tmp_path, lora())
    case.tensors(lambda had: {n.replace(".lora", ".base_layer.lora"): 9 * t
                              for n, t in had.items() if Q in n})  # fmt: skip
    assert "PEFT puts no wrapper there" in case.check()


# What has no number


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_4", "olora"])
def test_what_changes_the_base_when_it_is_loaded(tmp_path, init) -> None:
    case = Case(tmp_path, lora(init_lora_weights=init))
    assert f"init_lora_weights {init}: PEFT takes" in case.unchanged(f"{Q}.weight", f"{UP}.weight")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"init_lora_weights": "corda"}, "init_lora_weights corda"),
        ({"init_lora_weights": "loftq"}, "init_lora_weights loftq"),
        ({"kasa_config": {}}, "kasa_config"),
        ({"layer_replication": [[0, 2], [1, 2]]}, "layer_replication"),
        ({"use_dora": True}, "it has no magnitudes"),
        ({"peft_type": "VERA"}, "the config says VERA, its tensors are LoRA's"),
        ({"peft_type": "IA3"}, "the config says IA3"),
        ({"peft_type": "ADALORA", "init_r": 2}, "the config says ADALORA"),
        ({"alpha_pattern": {"(?:zz){i,d}": 600}}, "its scale is not known"),
        ({"alpha_pattern": {"[[:alpha:]]": 600}}, "its scale is not known"),
    ],
)
def test_what_a_config_makes_unknown(tmp_path, change, words) -> None:
    case = Case(tmp_path, lora())
    case.edit(**change)
    assert words in case.unchanged(f"{Q}.weight", f"{UP}.weight")


@pytest.mark.parametrize("init", ["orthogonal", "gaussian", "eva", "mica"])
def test_other_first_factors_leave_the_base_alone(tmp_path, init) -> None:
    case = Case(tmp_path, lora())
    case.edit(init_lora_weights=init)
    assert "PEFT takes" not in case.opened()[1]


@pytest.mark.parametrize(
    "renamed",
    [
        lambda name: name.removeprefix(PEFT),
        lambda name: name.replace(".weight", ".evil.weight"),
        lambda name: name.replace("lora_A", "lora_down").replace("lora_B", "lora_up"),
        lambda name: name.replace("lora_A.weight", "lora_embedding_A"),
    ],
)
def test_two_tensors_that_are_one_part(tmp_path, renamed) -> None:
    case = Case(tmp_path, lora())
    case.tensors(lambda had: {renamed(n): 9 * t for n, t in had.items() if Q in n})
    assert "two tensors are one part of it" in case.unchanged(f"{Q}.weight")


def test_factors_the_wrong_way_round(tmp_path) -> None:
    case = Case(tmp_path, lora())
    a, b = f"{PEFT}{UP}.lora_A.weight", f"{PEFT}{UP}.lora_B.weight"
    case.tensors(lambda had: {a: had[b].T.contiguous(), b: had[a].T.contiguous()})
    assert "it makes 8x12, the base's is 12x8" in case.unchanged(f"{UP}.weight")


# Several adapters


def saving(case: Case, folder: Path, name: str, value: float, **change: object) -> str:
    other = Case(folder, lora(target_modules=["q"]), name)
    other.edit(**change)
    whole = {f"{PEFT}norm.{leaf}": torch.full((8,), value) for leaf in ("weight", "bias")}
    other.tensors(lambda _: whole)
    return other.adapter


@pytest.mark.parametrize("saved", [["norm"], None])
def test_two_that_bring_one_module_whole(tmp_path, saved) -> None:
    """The first one's is used where each keeps its own; the base itself holds the last one's."""
    case = Case(tmp_path, lora(target_modules=["up"]))
    one = saving(case, tmp_path, "one", 1.0, modules_to_save=saved)
    two = saving(case, tmp_path, "two", 2.0, modules_to_save=saved)
    loaded = peft.PeftModel.from_pretrained(copy.deepcopy(case.model), one, adapter_name="one")
    loaded.load_adapter(two, adapter_name="two")
    loaded.base_model.set_adapter("one")
    wanted = loaded.merge_and_unload().state_dict()["norm.weight"]
    case.adapter = one
    got, flags = case.opened(two)
    assert (got["norm.weight"] == as_numpy(wanted)).all()
    assert "brings it too" in flags


def test_one_adapter_by_two_names(tmp_path) -> None:
    case = Case(tmp_path, lora())
    (tmp_path / "again").symlink_to(case.adapter)
    with pytest.raises(UsageError, match="the same adapter twice"):
        case.opened(str(tmp_path / "again"))


# Limits


def test_only_so_many_expressions_are_run(monkeypatch) -> None:
    monkeypatch.setattr(adapter_patterns, "MOST_EXPRESSIONS", 3)
    patterns = {f"x{number}+": number for number in range(1, 9)}
    found = resolved(AdapterConfig(rank=4, rank_pattern=patterns), {"x2": None, "x8": None})
    assert (found.rank_of("x2"), found.rank_of("x8")) == (2, None)


def test_modules_of_experts_are_only_so_many(tmp_path, monkeypatch) -> None:
    from inspect_core.adapters.finding import separate_experts
    from inspect_core.adapters.side import open_side

    monkeypatch.setattr(separate_experts, "MOST_WANTED", 100)
    tensors = {f"{PEFT}l.{at}.e.lora_A.weight": torch.zeros(64, 2) for at in range(8)}
    tensors |= {f"{PEFT}l.{at}.f.lora_A.weight": torch.zeros(64, 0) for at in range(8)}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_parameters": ["e.w", "f.w"]}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    side = open_side(str(tmp_path), 0)
    assert len(list(separate_experts.experts_wanted(side))) == 100
    side.checkpoint.close()


# The modules that a config takes


@pytest.mark.parametrize(
    "change",
    [
        {"target_modules": ["q"]},
        {"target_modules": ["layers.0.q", "up"]},
        {"target_modules": r".*\.(q|up)"},
        {"target_modules": ["q", "up"], "exclude_modules": ["1.q"]},
        {"target_modules": ["q", "up"], "exclude_modules": r".*\.1\..*"},
        {"target_modules": ["q", "up"], "layers_to_transform": [0, 10]},
        {"target_modules": ["q"], "layers_to_transform": 1, "layers_pattern": ["layers"]},
        {"target_modules": ["q", "up"], "layers_to_transform": [1], "layers_pattern": "blocks"},
        {"target_modules": ["q", "up"], "modules_to_save": ["layers.1"]},
    ],
)
def test_the_rule_is_that_of_peft(tmp_path, change) -> None:
    from peft.tuners.tuners_utils import _ExcludedModule, check_target_module_exists

    from inspect_core.checkpoint.adapter_config_file import read_adapter_config

    made = {"peft_type": "LORA", "r": 1, "lora_alpha": 1, **change}
    (tmp_path / "adapter_config.json").write_text(json.dumps(made))
    config, _ = read_adapter_config(tmp_path)
    scope, theirs = Scope(config), peft.LoraConfig(**change)
    for module in (
        "layers.0.q", "layers.1.q", "layers.1.up", "m.layers.10.q", "m.layers.1.q", "q", "m.up",
        "m.blocks.1.up", "layers.1.experts.0.q", "m.layers.1.experts.0.up", "other",
    ):  # fmt: skip
        taken = check_target_module_exists(theirs, module)
        wanted = bool(taken) and not isinstance(taken, _ExcludedModule)
        assert scope.leaves_out(module) is not wanted, module


def test_what_an_expression_cannot_settle_is_not_left_out() -> None:
    assert not Scope(AdapterConfig(target_expression="[[:alpha:]]+")).leaves_out("q")
    assert not Scope(AdapterConfig(target_expression="all-linear")).leaves_out("q")
    assert not Scope(None).leaves_out("q")
