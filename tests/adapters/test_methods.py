"""Every method whose change of weights is computed, against what peft itself merges."""

from collections.abc import Callable
from typing import Any

import numpy as np
import peft
import pytest
import torch
from peft_models import Made, Mixture, Model, as_numpy, make, rel, values_of
from torch import nn

from inspect_core.checkpoint import Checkpoint
from inspect_core.opening import Adapted, open_model

LINEAR = ["q_proj", "square", "up"]
CONV = ["conv", "point", "line"]
TURNED = ["c_attn", "c_proj"]


def lora(targets: list[str] = LINEAR, **more: Any) -> Callable[[], peft.PeftConfig]:
    return lambda: peft.LoraConfig(**{"r": 4, "lora_alpha": 6, "target_modules": targets, **more})


def ia3(targets: list[str], forward: list[str]) -> Callable[[], peft.PeftConfig]:
    return lambda: peft.IA3Config(target_modules=targets, feedforward_modules=forward)


def loha(targets: list[str] = LINEAR, **more: Any) -> Callable[[], peft.PeftConfig]:
    return lambda: peft.LoHaConfig(**{"r": 4, "alpha": 6, "target_modules": targets, **more})


def lokr(targets: list[str] = LINEAR, **more: Any) -> Callable[[], peft.PeftConfig]:
    return lambda: peft.LoKrConfig(**{"r": 2, "alpha": 3, "target_modules": targets, **more})


PLAIN: dict[str, Callable[[], peft.PeftConfig]] = {
    "lora": lora(),
    "lora of rank 1": lora(r=1, lora_alpha=1),
    "lora, one module": lora(["layers.1.up"]),
    "lora, all linear": lora("all-linear"),
    "lora by an expression": lora(r".*\.(0|1)\.(up|square)"),
    "lora, rank beyond the sizes": lora(r=40),
    "rslora": lora(use_rslora=True),
    "ranks by patterns": lora(rank_pattern={"square": 2, "layers.1.up": 3, "up": 5}),
    "alphas by patterns": lora(alpha_pattern={"q_proj": 32, "0.up": 5}),
    "patterns of both, rslora": lora(
        use_rslora=True, rank_pattern={"up": 9, "layers.0.up": 3}, alpha_pattern={"up": 1}
    ),
    "expressions": lora(
        rank_pattern={r"layers\.(0|1)\.up": 3, "^layers.0.square": 2},
        alpha_pattern={r".*q_proj": 32, "l.*1.square": 11},
    ),
    "embedding": lora(["embed", "q_proj"]),
    "convolutions": lora(CONV),
    "lora with a bias": lora(["q_proj", "up", "conv"], lora_bias=True),
    "all biases": lora(["q_proj", "up"], bias="all"),
    "biases of lora": lora(["q_proj", "up"], bias="lora_only"),
    "saved modules": lora(["q_proj"], modules_to_save=["head", "norm"]),
    "layers": lora(["q_proj", "up"], layers_to_transform=[1], layers_pattern="layers"),
    "pissa's residual": lora(["q_proj"], init_lora_weights="gaussian"),
    "dora": lora(use_dora=True),
    "dora, rslora": lora(use_dora=True, use_rslora=True),
    "dora of an embedding": lora(["embed", "q_proj"], use_dora=True),
    "dora of convolutions": lora(CONV, use_dora=True),
    "dora, saved modules": lora(["up"], use_dora=True, modules_to_save=["head"]),
    "tokens beside lora": lora(["q_proj"], trainable_token_indices={"embed": [3, 1, 7]}),
    "tokens": lambda: peft.TrainableTokensConfig(target_modules=["embed"], token_indices=[9, 0]),
    "ia3": ia3(LINEAR, ["up", "square"]),
    "ia3, outputs": ia3(LINEAR, []),
    "ia3, inputs": ia3(LINEAR, LINEAR),
    "ia3 of convolutions": ia3(["conv", "point"], ["point"]),
    "ia3 of a convolution's inputs": ia3(["conv"], ["conv"]),
    "ia3 and saved modules": lambda: peft.IA3Config(
        target_modules=["up"], feedforward_modules=[], modules_to_save=["head"]
    ),
    "loha": loha(),
    "loha of a large rank": loha(r=12),
    "loha, patterns": loha(rank_pattern={"up": 2}, alpha_pattern={"square": 20}),
    "loha of convolutions": loha(CONV),
    "loha, tucker": loha(CONV, use_effective_conv2d=True),
    "lokr": lokr(),
    "lokr, both decomposed": lokr(r=1, decompose_both=True),
    "lokr, factor": lokr(decompose_factor=2, decompose_both=True),
    "lokr, patterns": lokr(rank_pattern={"up": 1}, alpha_pattern={"square": 20}),
    "lokr of convolutions": lokr(CONV, r=1),
    "lokr of convolutions, whole": lokr(CONV, r=9),
    "lokr, tucker": lokr(["conv"], r=1, use_effective_conv2d=True),
    "adalora": lambda: peft.AdaLoraConfig(
        init_r=4, target_r=2, lora_alpha=6, target_modules=LINEAR, total_step=10
    ),
    "layer norms": lambda: peft.LNTuningConfig(target_modules=["norm"]),
}
ON_CONV1D: dict[str, Callable[[], peft.PeftConfig]] = {
    "lora of Conv1D": lora(TURNED, fan_in_fan_out=True),
    "lora of Conv1D, not said": lora(TURNED),
    "lora of Conv1D and Linear": lora([*TURNED, "q_proj", "square"], fan_in_fan_out=True),
    "dora of Conv1D": lora(TURNED, fan_in_fan_out=True, use_dora=True),
    "ia3 of Conv1D": ia3(TURNED, ["c_proj"]),
}
EXPERTS: dict[str, Callable[[], peft.PeftConfig]] = {
    "experts": lora([], target_parameters=["experts.gate_up", "experts.down"]),
    "experts, one": lora([], r=2, target_parameters=["experts.down"]),
}

CASES: list[tuple[str, Callable[[], peft.PeftConfig], Callable[[], nn.Module]]] = [
    *((name, config, Model) for name, config in PLAIN.items()),
    *((name, config, lambda: Model(turned=True)) for name, config in ON_CONV1D.items()),
    *((name, config, Mixture) for name, config in EXPERTS.items()),
]
NAMES = [name for name, _, _ in CASES]

BITS = {torch.float32: 24, torch.bfloat16: 8, torch.float16: 11}


def opened(made: Made) -> Checkpoint:
    return open_model(Adapted(made.base, (made.adapter,)))


def changed(made: Made) -> set[str]:
    return {n for n, tensor in made.merged.items() if not torch.equal(tensor, made.before[n])}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "config", "model"), CASES, ids=NAMES)
def test_the_effective_delta_is_that_of_peft(tmp_path, name, config, model) -> None:
    made = make(tmp_path, config(), model())
    assert changed(made)
    with opened(made) as checkpoint:
        overlay = checkpoint.overlay
        assert overlay is not None
        assert {target.weight for target in overlay.targets} == changed(made)
        for weight, merged in made.merged.items():
            before = as_numpy(made.before[weight])
            delta = values_of(checkpoint, weight) - before
            if weight in changed(made):
                assert rel(delta, as_numpy(merged) - before) < 1e-10, weight
            else:
                assert not delta.any(), weight
        assert not any(flag for side in overlay.adapters for flag in side.flags)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("name", "config", "model"), CASES, ids=NAMES)
def test_the_changed_weight_is_that_of_peft(tmp_path, name, config, model, dtype) -> None:
    """Within a unit in the last place of the weight.

    peft adds the product to a bf16 weight in float32, and to a float32 one what float32 made of
    the product: there an error is one of the product's terms, as large as others of the row.
    DoRA in float32 divides by a norm in float32 and multiplies twice: three more roundings.
    """
    made = make(tmp_path, config(), model(), dtype, noise=0.05)
    with opened(made) as checkpoint:
        for weight, merged in made.merged.items():
            wanted, before = as_numpy(merged), as_numpy(made.before[weight])
            got = as_numpy(torch.from_numpy(values_of(checkpoint, weight)).to(dtype))
            size = np.maximum(np.abs(wanted), np.abs(before))
            if dtype is torch.float32:
                size = np.max(size.reshape(len(size), -1), axis=1).reshape(
                    -1, *[1] * (size.ndim - 1)
                )
            unit = 2.0 ** (np.floor(np.log2(size)) - BITS[dtype] + 1)
            units = 4 if "dora" in name and dtype is torch.float32 else 1
            assert np.all(np.abs(got - wanted) <= units * unit), weight
