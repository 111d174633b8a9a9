"""A small model in every dtype, adapters that PEFT puts on it, and merges of them."""

import copy
import warnings

import peft
import torch
from safetensors.torch import save_file
from torch import nn

from inspect_core.adapters.effect.factors import factors_of
from inspect_core.opening import Adapted, open_model

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
RANK = 4


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.q = nn.Linear(40, size, bias=False)
        self.v = nn.Linear(40, 48, bias=False)


class Small(nn.Module):
    """Two blocks with two weights each, a norm and a head."""

    def __init__(self):
        super().__init__()
        self.a, self.b = Block(48), Block(32)
        self.norm = nn.LayerNorm(40, bias=False)
        self.head = nn.Linear(40, 8, bias=False)

    def forward(self, x):
        return self.head(self.norm(x)) + self.a.q(x).sum() + self.b.v(x).sum()


def weights(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def plain(model):
    """The tensors of a merged model, by the base's names."""
    return weights(model)


class Merge:
    """A base, an adapter with trained-looking factors, and places for merges.

    Args:
        folder: where the files go.
        dtype: of the base.
        adapter_dtype: `same` puts the factors into the base's dtype; else they are float32, as
            PEFT keeps them, or float64 for a base of float64.
        kind: `lora`, `dora` or `ia3`.
        size: of the factors, in units of the weights.
        config: more of `LoraConfig`.
    """

    def __init__(self, folder, dtype="F32", adapter_dtype=None, kind="lora", size=0.3, **config):
        torch.manual_seed(3)
        self.folder, self.dtype, self.kind = folder, DTYPES[dtype], kind
        self._model = Small().to(self.dtype)
        for name, value in self._model.named_parameters():
            if name != "norm.weight":
                value.data.normal_(0.0, 0.05)
        self.base = weights(self._model)
        (folder / "base").mkdir(exist_ok=True)
        save_file(self.base, folder / "base" / "model.safetensors")
        self._config = config
        self.adapted = self._adapt(copy.deepcopy(self._model), config)
        torch.manual_seed(5)
        for name, value in self.adapted.named_parameters():
            if adapter_dtype == "same":
                value.data = value.data.to(self.dtype)
            if "lora_A" in name:
                value.data.normal_(0.0, 0.2)
            elif "lora_B" in name:
                value.data.normal_(0.0, 0.2 * size)
            elif "magnitude" in name or "ia3_l" in name:
                value.data.mul_(1.0 + 0.05 * torch.randn_like(value))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.adapted.save_pretrained(folder / "adapter")

    def _adapt(self, model, config):
        if self.kind == "ia3":
            made = peft.IA3Config(target_modules=["q", "v"], feedforward_modules=["v"])
        else:
            made = peft.LoraConfig(
                r=RANK, lora_alpha=8, target_modules=["q", "v"], use_dora=self.kind == "dora",
                **config,
            )  # fmt: skip
        cast = self.dtype != torch.float64
        model = peft.get_peft_model(model, made, autocast_adapter_dtype=cast)
        return model if cast else model.double()

    @property
    def paths(self):
        return tuple(str(self.folder / name) for name in ("base", "adapter", "merged"))

    @property
    def targets(self):
        return [f"{block}.{name}.weight" for block in "ab" for name in "qv"]

    def peft_merged(self):
        return plain(copy.deepcopy(self.adapted).merge_and_unload())

    def merged_twice(self):
        """The adapter merged into what it was merged into already."""
        model = Small().to(self.dtype)
        model.load_state_dict(self.peft_merged())
        again = self._adapt(model, self._config)
        again.load_state_dict(
            {n: v for n, v in self.adapted.state_dict().items() if "lora_" in n}, strict=False
        )
        return plain(again.merge_and_unload())

    def merged_with(self, **config):
        """The adapter's tensors merged by another config."""
        again = self._adapt(copy.deepcopy(self._model), self._config | config)
        again.load_state_dict(
            {n: v for n, v in self.adapted.state_dict().items() if "lora_" in n}, strict=False
        )
        return plain(again.merge_and_unload())

    def rounded_once(self, name, scale=1.0):
        """W + scale * change in float64, rounded once to the base's dtype."""
        with open_model(Adapted(self.paths[0], (self.paths[1],))) as model:
            [target] = model.overlay.targets_of(name)
            factors = factors_of(model, target)
            change = torch.from_numpy(factors.rows(0, factors.shape[0]).copy())
        exact = self.base[name].double() + scale * change
        if self.dtype != torch.bfloat16:
            return exact.to(self.dtype)
        once = exact.float()  # torch rounds twice; an odd float32 keeps the second one honest
        high = once.double().abs() > exact.abs()
        bits = once.view(torch.int32) - high.int()
        odd = torch.where(once.double() == exact, once.view(torch.int32), bits | 1)
        return odd.view(torch.float32).bfloat16()

    def save(self, changed=None, without=()):
        """Write the merged checkpoint: PEFT's own merge, with some tensors exchanged."""
        merged = self.peft_merged() | (changed or {})
        (self.folder / "merged").mkdir(exist_ok=True)
        kept = {name: value.contiguous() for name, value in merged.items() if name not in without}
        save_file(kept, self.folder / "merged" / "model.safetensors")
