"""Layouts as the transformers library writes and loads them, made by itself."""

from pathlib import Path
from typing import Any

import pytest
from pairing_made import differ

from inspect_core.checkpoint import Checkpoint, open_checkpoint
from inspect_core.pairing import pair_checkpoints

transformers = pytest.importorskip("transformers")

SMALL: dict[str, dict[str, Any]] = {
    "mixtral": {
        "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "vocab_size": 40,
        "num_attention_heads": 4, "num_key_value_heads": 2, "num_local_experts": 3,
    },
    "qwen2_moe": {
        "hidden_size": 16, "intermediate_size": 24, "moe_intermediate_size": 8, "vocab_size": 40,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "num_experts": 3, "shared_expert_intermediate_size": 8,
    },
    "vit": {
        "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 4, "image_size": 8, "patch_size": 4,
    },
    "dinov2": {
        "hidden_size": 16, "mlp_ratio": 2, "num_hidden_layers": 2, "num_attention_heads": 4,
        "image_size": 8, "patch_size": 4, "use_swiglu_ffn": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", SMALL)
def test_what_is_saved_and_what_is_in_memory(tmp_path: Path, kind: str) -> None:
    """The library saves these in their old layout; the model in memory has the new one."""
    from safetensors.torch import save_file

    config = transformers.AutoConfig.for_model(kind, **SMALL[kind])
    model = transformers.AutoModel.from_config(config)
    model.save_pretrained(tmp_path / "old")
    (tmp_path / "new").mkdir()
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    save_file(state, tmp_path / "new" / "model.safetensors")
    config.save_pretrained(tmp_path / "new")
    with open_checkpoint(tmp_path / "old") as old, open_checkpoint(tmp_path / "new") as new:
        assert set(old.tensors) != set(new.tensors)
        check(old, new)
        check(new, old)


def check(model: Checkpoint, reference: Checkpoint) -> None:
    for match in pair_checkpoints(model, reference).matches:
        assert match.status == "pair", (match.name, match.reason)
        assert differ(model, reference, match) == 0.0, match.reason
