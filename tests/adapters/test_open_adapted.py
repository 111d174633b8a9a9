"""Adapters on bases whose names differ, several at once, and what is said of them."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft_models import values_of
from safetensors.torch import save_file

from inspect_core.adapters.finding.part_names import part_of
from inspect_core.adapters.finding.places import Places
from inspect_core.errors import CheckpointError, UsageError
from inspect_core.opening import Adapted, open_model
from inspect_core.pairing import pair_checkpoints
from inspect_core.structure.tree import LeafSpec
from inspect_core.work.listings import Opened, listing_of
from inspect_core.work.sweep_store import sweep_key

CONFIG: dict[str, Any] = {
    "peft_type": "LORA", "base_model_name_or_path": "org/base", "r": 2, "lora_alpha": 4,
    "target_modules": ["q_proj"],
}  # fmt: skip
BASE = ["model.layers.0.q_proj.weight", "model.layers.1.q_proj.weight", "model.layers.0.up.weight"]
Q = "model.layers.0.q_proj"


def base(path: Path, names: Sequence[str] = BASE, shape: tuple[int, ...] = (6, 4)) -> str:
    torch.manual_seed(1)
    save_file({name: torch.randn(shape) for name in names}, path)
    return str(path)


def factors(module: str, out: int = 6, into: int = 4, rank: int = 2) -> dict[str, torch.Tensor]:
    return {
        f"base_model.model.{module}.lora_A.weight": torch.randn(rank, into),
        f"base_model.model.{module}.lora_B.weight": torch.randn(out, rank),
    }


def adapter(
    folder: Path, tensors: Mapping[str, torch.Tensor], seed: int = 2, **change: object
) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    save_file({k: torch.randn(v.shape).to(v.dtype) for k, v in tensors.items()},
              folder / "adapter_model.safetensors")  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **change}))
    return str(folder)


@pytest.fixture
def pair(tmp_path) -> tuple[str, str]:
    return base(tmp_path / "base.safetensors"), adapter(tmp_path / "one", factors(Q))


def test_the_tensors_and_how_they_are_shown(pair) -> None:
    with open_model(Adapted(pair[0], (pair[1],))) as made:
        assert list(made.tensors) == [
            f"{Q}.weight", f"{Q}.lora_A.weight", f"{Q}.lora_B.weight",
            "model.layers.0.up.weight", "model.layers.1.q_proj.weight",
        ]  # fmt: skip
        dtypes = [info.dtype for info in made.tensors.values()]
        assert dtypes == ["F64", "F32", "F32", "F32", "F32"]
        specs = made.overlay.specs
        assert specs[f"{Q}.weight"] == LeafSpec("F32", (6, 4), frozen=True)
        assert specs[f"{Q}.lora_A.weight"] == LeafSpec("F32", (2, 4), delta=True)
        assert all(spec.frozen is not spec.delta for spec in specs.values())
        assert made.title == "base.safetensors + one" and made.format == "safetensors"
        totals = listing_of(made).tree.root.totals
        assert (totals.params, totals.tunable, totals.delta) == (72 + 20, 20, 20)


def test_values_are_the_sum_and_files_stay_as_they_are(pair) -> None:
    with open_model(Adapted(pair[0], (pair[1],))) as made:
        a, b = (values_of(made, f"{Q}.lora_{part}.weight") for part in "AB")
        before = values_of(made.overlay.base, f"{Q}.weight")
        assert np.allclose(values_of(made, f"{Q}.weight"), before + 2 * b @ a, rtol=1e-15)
        up = "model.layers.0.up.weight"
        assert np.array_equal(values_of(made, up), values_of(made.overlay.base, up))


def test_only_its_own_tensors_differ_from_its_base(pair) -> None:
    with open_model(Adapted(pair[0], (pair[1],))) as made, open_model(pair[0]) as plain:
        matches = pair_checkpoints(made, plain).matches
        statuses = {match.name: match.status for match in matches}
        assert [n for n, status in statuses.items() if status == "added"] == [
            f"{Q}.lora_A.weight", f"{Q}.lora_B.weight",
        ]  # fmt: skip
        assert sum(status == "pair" for status in statuses.values()) == 3


def test_alone_the_weight_reads_as_the_delta(pair) -> None:
    for uri in (pair[1], Adapted(None, (pair[1],)), f"{pair[1]}/adapter_model.safetensors"):
        with open_model(uri) as alone:
            a, b = (values_of(alone, f"{Q}.lora_{part}.weight") for part in "AB")
            assert np.allclose(values_of(alone, f"{Q}.weight"), 2 * b @ a, rtol=1e-15)
            spec = alone.overlay.specs[f"{Q}.weight"]
            assert spec.computed and listing_of(alone).tree.root.totals.params == 20
            assert alone.uri == uri and alone.overlay.base is None


# Several adapters


def test_several_adapters_add_up_and_keep_their_names(pair, tmp_path) -> None:
    other = adapter(tmp_path / "two", factors(Q, rank=3), seed=3, r=3, use_rslora=True)
    with open_model(Adapted(pair[0], (pair[1], other))) as made:
        names = [name for name in made.tensors if "lora" in name]
        assert names == [
            f"{Q}.lora_{part}.{side}.weight" for side in ("one", "two") for part in "AB"
        ]
        parts = [values_of(made, name) for name in names]
        wanted = values_of(made.overlay.base, f"{Q}.weight")
        wanted = wanted + 2 * parts[1] @ parts[0] + 4 / np.sqrt(3) * parts[3] @ parts[2]
        assert np.allclose(values_of(made, f"{Q}.weight"), wanted, rtol=1e-14)
        assert made.overlay.types[Q] == "LoRA r=2 scale 2 + LoRA r=3 scale 2.309"
        assert [side.name for side in made.overlay.adapters] == ["one", "two"]
        assert [t.adapter for t in made.overlay.targets_of(f"{Q}.weight")] == [0, 1]


def test_folders_of_one_name_are_told_apart(pair, tmp_path) -> None:
    same = adapter(tmp_path / "deep" / "one", factors(Q), seed=3)
    with open_model(Adapted(pair[0], (pair[1], same))) as made:
        assert [side.name for side in made.overlay.adapters] == ["one", "one-2"]
    with pytest.raises(UsageError, match="twice"):
        open_model(Adapted(pair[0], (pair[1], pair[1])))


def test_identity_tells_sets_orders_and_configs_apart(pair, tmp_path) -> None:
    other = adapter(tmp_path / "two", factors(Q), seed=3)
    sets: list[tuple[str, ...]] = [(pair[1],), (other,), (pair[1], other), (other, pair[1])]
    seen = []
    for adapters in sets:
        with open_model(Adapted(pair[0], adapters)) as made, open_model(pair[0]) as plain:
            pairs = {0: pair_checkpoints(made, plain).matches[0].pair}
            seen.append((made.identity, sweep_key(made, plain, pairs)))
            opened = Opened(made.uri, made.identity)
            assert not opened.replaced
            assert len(made.identity) == 1 + 2 * len(adapters)
    assert len({key for _, key in seen}) == len({identity for identity, _ in seen}) == len(sets)
    config = Path(other) / "adapter_config.json"
    config.write_text(config.read_text().replace("4", "8"))
    assert opened.replaced
    with open_model(Adapted(pair[0], (other,))) as made:
        os.utime(pair[0])
        with pytest.raises(CheckpointError):
            made.check_unchanged()


# Names


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("layers.{}.q_proj", "model.layers.{}.q_proj"),
        ("model.layers.{}.q_proj", "layers.{}.q_proj"),
        ("bert.encoder.layer.{}.attention.self.query", "encoder.layer.{}.attention.self.query"),
        ("encoder.layer.{}.query", "0.auto_model.encoder.layer.{}.query"),
        ("transformer.h.{}.attn.c_attn", "h.{}.attn.c_attn"),
        ("vit.layers.{}.attention.q_proj", "vit.encoder.layer.{}.attention.attention.query"),
        ("layers.{}.attention.q_proj", "vit.encoder.layer.{}.attention.attention.query"),
        ("layers.{}.mlp.experts.1.gate_proj", "layers.{}.block_sparse_moe.experts.1.w1"),
    ],
)  # fmt: skip
def test_modules_are_found_by_one_rule_for_all(tmp_path, theirs, ours) -> None:
    path = base(tmp_path / "b.safetensors", [f"{ours.format(n)}.weight" for n in range(3)])
    tensors = factors(theirs.format(0)) | factors(theirs.format(2))
    with open_model(Adapted(path, (adapter(tmp_path / "a", tensors),))) as made:
        targets = [target.weight for target in made.overlay.targets]
        assert targets == [f"{ours.format(n)}.weight" for n in (0, 2)]
        assert f"{ours.format(2)}.lora_A.weight" in made.tensors
        assert not any("of the base" in flag for flag in made.overlay.adapters[0].flags)


def test_what_two_rules_could_mean_is_left_alone() -> None:
    names = ["bert.encoder.q.weight", "roberta.encoder.q.weight"]
    places = Places(names, ["encoder.q"])
    assert places.find("encoder.q") is None
    assert "bert." in places.ambiguous and "roberta." in places.ambiguous


def test_an_exact_name_goes_before_a_rule() -> None:
    places = Places(["model.q.weight", "q.weight", "model.k.weight"], ["q", "k"])
    assert (places.find("q"), places.find("k"), places.find("v")) == ("q", "model.k", None)


def test_two_modules_are_never_one_of_the_base() -> None:
    places = Places(["layers.0.q_proj.weight"], ["layers.0.q_proj", "model.layers.0.q_proj"])
    assert places.find("layers.0.q_proj") == "layers.0.q_proj"
    assert places.find("model.layers.0.q_proj") is None


def test_an_adapter_of_another_model_is_refused(pair, tmp_path) -> None:
    other = adapter(tmp_path / "two", factors("unet.down.0.to_q"))
    with pytest.raises(UsageError, match="fits nothing of the base"):
        open_model(Adapted(pair[0], (other,)))
    with pytest.raises(UsageError, match="an adapter is no base"):
        open_model(Adapted(pair[1], (other,)))
    with pytest.raises(UsageError, match="no adapter is there"):
        open_model(Adapted(pair[0], (pair[0],)))
    with pytest.raises(CheckpointError, match="no such file"):
        open_model(Adapted(pair[0], (str(tmp_path / "nowhere"),)))


def test_parts_of_multihead_attention(tmp_path) -> None:
    """Its three projections are one parameter of another name."""
    path = base(tmp_path / "b.safetensors", ["attn.in_proj_weight", "attn.out_proj.weight"])
    tensors = factors("attn") | {
        "base_model.model.attn.base_layer.out_proj.lora_A.weight": torch.zeros(2, 4),
        "base_model.model.attn.base_layer.out_proj.lora_B.weight": torch.zeros(6, 2),
    }
    folder = adapter(tmp_path / "a", tensors, target_modules=["attn"])
    with open_model(Adapted(path, (folder,))) as made:
        weights = [target.weight for target in made.overlay.targets]
        assert weights == ["attn.in_proj_weight", "attn.out_proj.weight"]
        assert all(made.tensors[name].dtype == "F64" for name in weights)


# Flags


def flags(tmp_path: Path, tensors: Mapping[str, torch.Tensor], **change: object) -> str:
    path = base(tmp_path / "base.safetensors")
    with open_model(Adapted(path, (adapter(tmp_path / "a", tensors, **change),))) as made:
        assert made.overlay is not None
        found = " | ".join(made.overlay.adapters[0].flags)
        assert all(flag in " ".join(made.warnings) for flag in made.overlay.adapters[0].flags)
        assert len(listing_of(made).tree.order) == len(made.tensors)
        return found


def test_keys_that_match_nothing(tmp_path) -> None:
    tensors = factors(Q) | factors("model.layers.9.q_proj") | factors("x.y")
    found = flags(tmp_path, tensors)
    assert "2 of its modules match nothing of the base (model.layers.9.q_proj, x.y)" in found


def test_what_the_config_names_and_the_file_lacks(tmp_path) -> None:
    found = flags(
        tmp_path, factors(Q), target_modules=["q_proj", "v_proj"], modules_to_save=["score"]
    )
    assert "what target_modules names: v_proj" in found
    assert "what modules_to_save names: score" in found


def test_shapes_that_do_not_fit_are_a_note(tmp_path) -> None:
    found = flags(tmp_path, factors(Q) | factors("model.layers.1.q_proj", out=7))
    assert "1 weight without an effective delta: it makes 7x4, the base's is 6x4" in found


def test_a_method_that_is_not_known_is_shown_at_its_place(tmp_path) -> None:
    path = base(tmp_path / "base.safetensors")
    tensors = {f"base_model.model.{Q}.oft_R.weight": torch.zeros(4, 6)}
    folder = adapter(tmp_path / "a", tensors, peft_type="OFT")
    with open_model(Adapted(path, (folder,))) as made:
        assert f"{Q}.oft_R.weight" in made.tensors
        assert made.overlay.specs[f"{Q}.oft_R.weight"].delta
        assert "no change of a weight that is computed" in made.overlay.adapters[0].flags[0]
        assert made.overlay.adapters[0].method == "OFT, no change of weights that is known here"


def test_soft_prompts_stand_in_the_root(tmp_path) -> None:
    path = base(tmp_path / "base.safetensors")
    folder = adapter(
        tmp_path / "a", {"prompt_embeddings": torch.zeros(4, 6)}, peft_type="PROMPT_TUNING"
    )
    with open_model(Adapted(path, (folder,))) as made:
        assert made.overlay.specs["prompt_embeddings"].delta and made.overlay.targets == ()
        assert "prompt_embeddings" in made.overlay.adapters[0].flags[0]


def test_a_name_that_the_base_has_already(tmp_path) -> None:
    path = base(tmp_path / "base.safetensors", [*BASE, f"{Q}.lora_A.weight"])
    with open_model(Adapted(path, (adapter(tmp_path / "a", factors(Q)),))) as made:
        assert f"{Q}.lora_A.weight (2)" in made.tensors
        assert not made.overlay.specs[f"{Q}.lora_A.weight"].delta


def test_a_saved_tensor_of_another_shape_takes_the_place(tmp_path) -> None:
    path = base(tmp_path / "base.safetensors")
    tensors = factors(Q) | {"base_model.model.model.layers.0.up.weight": torch.zeros(9, 4)}
    folder = adapter(tmp_path / "a", tensors, modules_to_save=["up"])
    with open_model(Adapted(path, (folder,))) as made:
        assert made.tensors["model.layers.0.up.weight"].shape == (9, 4)
        (target,) = made.overlay.targets_of("model.layers.0.up.weight")
        assert target.method == "saved" and "shape" in target.note


def test_an_embedding_that_is_saved_and_changed(tmp_path) -> None:
    """PEFT stores a resized embedding beside the factors on it: the factors are on that one."""
    path = base(tmp_path / "base.safetensors", ["embed.weight"])
    module = "base_model.model.embed."
    tensors = {
        f"{module}lora_embedding_A": torch.zeros(2, 9),
        f"{module}lora_embedding_B": torch.zeros(4, 2),
        f"{module}base_layer.weight": torch.zeros(9, 4),
    }
    folder = adapter(tmp_path / "a", tensors, target_modules=["embed"])
    with open_model(Adapted(path, (folder,))) as made:
        assert made.tensors["embed.weight"].shape == (9, 4)
        a, b = values_of(made, "embed.lora_embedding_A"), values_of(made, "embed.lora_embedding_B")
        with open_model(f"{folder}/adapter_model.safetensors") as alone:
            raw = alone.overlay.adapters[0].checkpoint
            saved = values_of(raw, f"{module}base_layer.weight")
        assert np.allclose(values_of(made, "embed.weight"), saved + 2 * (b @ a).T, rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "module", "method", "role", "leaf", "adapter_name"),
    [
        ("base_model.model.a.q.lora_A.weight", "a.q", "LoRA", "A", "lora_A.weight", ""),
        ("base_model.model.a.lora_A.default.weight", "a", "LoRA", "A", "lora_A.weight", "default"),
        ("base_model.model.a.q.lora_B.bias", "a.q", "LoRA", "B_bias", "lora_B.bias", ""),
        ("base_model.model.e.lora_embedding_A", "e", "LoRA", "A", "lora_embedding_A", ""),
        ("base_model.model.e.lora_embedding_A.x", "e", "LoRA", "A", "lora_embedding_A", "x"),
        ("base_model.model.q.base_layer.bias", "q", "", "bias", "bias", ""),
        ("model.h.modules_to_save.x.weight", "model.h", "saved", "weight", "weight", "x"),
        ("base_model.model.e.token_adapter.trainable_tokens_delta", "e", "tokens", "rows",
         "trainable_tokens_delta", ""),
        ("base_model.classifier.weight", "classifier", "", "weight", "weight", ""),
        ("prompt_embeddings", "", "", "prompt_embeddings", "prompt_embeddings", ""),
        ("lora_A", "", "LoRA", "A", "lora_A", ""),
        ("", "", "", "", "", ""),
    ],
)  # fmt: skip
def test_names_taken_apart(name, module, method, role, leaf, adapter_name) -> None:
    part = part_of(name)
    assert part[:5] == (module, method, role, leaf, adapter_name)
