"""Weights that no file has: what depends on them is never shown, wherever it runs."""

import json

import pytest
import torch
import transformers
from running_made import family, run, save, some_texts
from safetensors.torch import load_file, save_file

from inspect_core.capture.loading import load_model
from inspect_core.capture.sites import block_paths
from inspect_core.checkpoint import open_checkpoint
from inspect_core.errors import UsageError

_AXK: dict[str, object] = {
    "vocab_size": 60, "hidden_size": 16, "intermediate_size": 24, "moe_intermediate_size": 8,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8,
    "q_lora_rank": 8, "kv_lora_rank": 8, "qk_head_dim": 16, "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8, "v_head_dim": 8, "n_group": 1, "topk_group": 1, "n_routed_experts": 4,
    "n_shared_experts": 1, "num_experts_per_tok": 2, "max_position_embeddings": 40,
    "mlp_layer_types": ["dense", "sparse"], "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip


def masked(folder, without):
    """A BERT with a head for masked words, some of whose tensors no file has."""
    options = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(
        vocab_size=60, intermediate_size=24, max_position_embeddings=40, **options
    )
    return lacking(transformers.BertForMaskedLM(config).eval(), folder, without)


def lacking(module, folder, without):
    path = save(module, folder)
    file = folder / "model.safetensors"
    kept = {n: t.clone() for n, t in load_file(file).items() if without not in n}
    save_file(kept, file)
    return load_model(open_checkpoint(path))


@pytest.mark.parametrize("inputs", [False, True])
def test_what_runs_behind_weights_that_no_file_has_is_refused(tmp_path, inputs):
    model = masked(tmp_path, "predictions.transform")
    assert "cls.predictions.transform.dense" in model.untrained
    with pytest.raises(UsageError, match=r"decoder.*no weights of cls\.predictions\.transform"):
        run(model, some_texts((4, 7)), ["cls.predictions.decoder"], inputs=inputs)


def test_what_runs_beside_them_is_shown(tmp_path):
    model = masked(tmp_path, "predictions.transform")
    paths = [*block_paths(model), "bert"]
    kept, report = run(model, some_texts((4, 7)), paths)
    assert [site.path for site in report.sites] == ["bert", *block_paths(model)]
    assert all(torch.isfinite(one).all() for own in kept.values.values() for one in own.values())
    # The passes themselves run with what was loaded, whatever was tried before.
    assert all(torch.isfinite(one).all() for one in model.module.parameters())


def test_a_head_whose_input_is_trained_is_measured_where_only_what_follows_is_random(tmp_path):
    module = family("roberta")
    model = lacking(module, tmp_path, "lm_head.layer_norm")
    assert model.untrained == ("lm_head.layer_norm",)
    run(model, some_texts((4,)), ["lm_head.dense"])
    with pytest.raises(UsageError, match="would be random"):
        run(model, some_texts((4,)), ["lm_head.decoder"])


def test_what_the_library_would_not_miss_is_missed_here(tmp_path):
    config = transformers.AXK1Config(**_AXK)
    torch.manual_seed(0)
    module = transformers.AXK1ForCausalLM(config).eval()
    with pytest.raises(UsageError, match=r"1 weights of AXK1ForCausalLM .*correction_bias"):
        lacking(module, tmp_path, "e_score_correction_bias")


@pytest.mark.parametrize("kind", ["Marian", "Pegasus"])
def test_tables_that_are_computed_need_no_file(tmp_path, kind):
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=60, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, pad_token_id=0,
        eos_token_id=2, decoder_start_token_id=0, forced_eos_token_id=None,
        max_position_embeddings=40,
    )  # fmt: skip
    torch.manual_seed(0)
    module = getattr(transformers, f"{kind}MTModel" if kind == "Marian"
                     else f"{kind}ForConditionalGeneration")(config).eval()  # fmt: skip
    wanted = module.get_encoder().embed_positions.weight.clone()
    model = lacking(module, tmp_path, "embed_positions")
    assert not model.untrained
    assert torch.equal(model.module.get_encoder().embed_positions.weight, wanted)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == kind.lower()
