"""An audit says that nothing is proven where it cannot know: it must not be fooled."""

import json

import numpy as np
import pytest
from results_files import write_model

from inspect_core.checkpoint import Checkpoint
from inspect_core.checkpoint.contents import GGUF
from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.pairing import Match, pair_checkpoints
from inspect_core.results.audit import _bits_of, audit
from inspect_core.results.comparison import compare
from inspect_core.results.records import is_identical


def f32(*values):
    return np.array(values, np.float32)


W = np.arange(16, dtype=np.float32).reshape(4, 4)
SHARD = "model-00001-of-00001.safetensors"


def index(folder, **shard_of):
    text = json.dumps({"metadata": {}, "weight_map": shard_of})
    (folder / "model.safetensors.index.json").write_text(text)


@pytest.fixture
def base(tmp_path):
    return write_model(tmp_path / "base" / "model.safetensors", {"w": W})


def test_a_single_file_is_taken_before_an_index_and_is_no_proof(tmp_path, base) -> None:
    folder = tmp_path / "model"
    moved = write_model(folder / "model.safetensors", {"w": W + 1})
    write_model(folder / SHARD, {"w": W})
    index(folder, w=SHARD)
    assert audit(base, folder, frozen=["*"]).broken  # transformers loads the single file
    write_model(folder / "model.safetensors", {"w": W})
    found = audit(base, folder, frozen=["*"])
    assert not found.held and not found.broken and not found.unproven
    assert found.doubts[0].startswith("model: 1 more file lies here")
    assert audit(base, moved, frozen=["*"]).held


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pytorch_model.bin", "weights in another format too"),
        ("adapter_model.safetensors", "1 more file lies here"),
        ("adapter_config.json", "an adapter lies here too"),
    ],
)
def test_what_lies_beside_the_file_is_no_proof(tmp_path, base, name, why) -> None:
    named = write_model(tmp_path / "model" / "model.safetensors", {"w": W})
    (tmp_path / "model" / name).write_text("{}")
    found = audit(base, tmp_path / "model", frozen=["*"])
    assert not found.held and why in found.doubts[0]
    assert not audit(tmp_path / "model", base, frozen=["*"]).held  # the base is no surer
    assert audit(base, named, frozen=["*"]).held


def test_a_tensor_in_two_shards_is_no_proof(tmp_path) -> None:
    base = write_model(tmp_path / "base.safetensors", {"w": W, "x": W})
    folder = tmp_path / "model"
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    write_model(folder / one, {"w": W})
    write_model(folder / two, {"w": W + 1, "x": W})
    index(folder, w=one, x=two)
    assert "1 tensor is in two files" in audit(base, folder, frozen=["*"]).doubts[0]


def test_a_shard_that_is_missing_on_both_sides_is_no_proof(tmp_path) -> None:
    folder = tmp_path / "model"
    write_model(folder / SHARD, {"w": W})
    index(folder, w=SHARD, x="model-00002-of-00002.safetensors")
    assert "1 shard is missing" in audit(folder, folder, frozen=["*"]).doubts[0]


def test_weights_that_the_config_names_are_no_proof(tmp_path, base) -> None:
    write_model(tmp_path / "model" / "model.safetensors", {"w": W})
    text = json.dumps({"transformers_weights": "other.safetensors"})
    (tmp_path / "model" / "config.json").write_text(text)
    found = audit(base, tmp_path / "model", frozen=["*"])
    assert "config.json says that the weights are 'other.safetensors'" in found.doubts[0]


def test_one_of_several_models_in_a_file_is_no_proof(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    paths = [str(tmp_path / name) for name in ("base.pt", "model.pt")]
    for path in paths:
        tensors = {"w": torch.ones(2)}
        torch.save({"model": tensors, "ema": tensors}, path)
    assert "shown is 'model' only" in audit(*paths, frozen=["*"]).doubts[0]


def test_tensors_that_are_left_out_on_both_sides_are_no_proof(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    paths = [str(tmp_path / name) for name in ("base.pt", "model.pt")]
    for path, scale in zip(paths, (0.1, 0.2), strict=True):
        whole = torch._make_per_tensor_quantized_tensor(torch.ones(2, dtype=torch.int8), scale, 0)
        torch.save({"a.w": torch.ones(2), "q.w": whole}, path)
    found = audit(*paths, frozen=["*"])
    assert [(t.name, t.verdict) for t in found.tensors] == [
        ("q.w", "unproven"),
        ("a.w", "identical"),
    ]
    assert found.tensors[0].reason.startswith("not read in the model: ")
    only = audit(*paths, trained=["q"])
    assert [(t.expected, t.as_expected) for t in only.tensors] == [("trained", None)]
    assert audit(*paths, frozen=["a"]).held


def test_rows_that_the_model_lacks_are_no_proof(tmp_path) -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    name = "model.embed_tokens.weight"
    paths = [
        write_model(tmp_path / f"{len(part)}.safetensors", {name: part})
        for part in (rows, rows[:3])
    ]
    found = audit(*paths, frozen=["*"])
    assert [t.verdict for t in found.tensors] == ["unproven"]


def test_experts_that_the_model_lacks_are_no_proof(tmp_path) -> None:
    whole = np.arange(96, dtype=np.float32).reshape(4, 4, 6)
    paths = [
        write_model(tmp_path / "base.safetensors", {"m.experts.gate_proj": whole}),
        *(
            write_model(
                tmp_path / f"{count}.safetensors",
                {f"m.experts.{at}.gate_proj.weight": whole[at] for at in range(count)},
            )
            for count in (2, 4)
        ),
    ]
    few = audit(*paths[:2], frozen=["*"])
    assert {t.verdict for t in few.tensors} == {"unproven"}
    assert audit(paths[0], paths[2], frozen=["*"]).held


def test_fused_experts_of_fewer_than_the_base_are_no_proof(tmp_path) -> None:
    parts = np.arange(96, dtype=np.float32).reshape(2, 2, 4, 6)
    base = {f"m.experts.{n}_proj": part for n, part in zip(("gate", "up"), parts, strict=True)}
    fused = np.concatenate([base["m.experts.gate_proj"], base["m.experts.up_proj"]], axis=1)
    old = write_model(tmp_path / "base.safetensors", base)
    for count in (1, 2):
        tensors = {"m.experts.gate_up_proj": fused[:count]}
        found = audit(old, write_model(tmp_path / f"{count}.safetensors", tensors), frozen=["*"])
        assert found.held == (count == 2)


def test_a_transposed_square_is_no_proof_without_a_config(tmp_path) -> None:
    block = "h.0.attn."
    square, wide = W, np.arange(48, dtype=np.float32).reshape(12, 4)
    linear = {f"{block}c_attn.weight": wide, f"{block}c_proj.weight": square}
    turned = {name: value.T.copy() for name, value in linear.items()}
    model = write_model(tmp_path / "model" / "model.safetensors", linear)
    base = write_model(tmp_path / "base" / "model.safetensors", turned)
    found = {t.name: t.verdict for t in audit(base, model, frozen=["*"]).tensors}
    assert found == {f"{block}c_attn.weight": "identical", f"{block}c_proj.weight": "unproven"}
    (tmp_path / "base" / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    found = {t.name: t.verdict for t in audit(base, model, frozen=["*c_proj*"]).tensors}
    assert found == {f"{block}c_proj.weight": "identical"}


def test_what_was_left_out_on_both_sides_is_not_called_identical(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    path = str(tmp_path / "a.pt")
    torch.save({"a.w": torch.ones(2), "q.w": torch._neg_view(torch.ones(2))}, path)
    found = compare(path, path)
    assert found.unread == ("q.w",) and not is_identical(found)
    few = compare(path, path, keep=lambda match: match.name == "a.w")
    assert few.unread == () and is_identical(few)


@pytest.mark.parametrize("unlike", [False, True])
def test_equal_bits_that_mean_otherwise_prove_nothing(unlike) -> None:
    info = TensorInfo("w", "F32", (2,), 0, 0, 8)
    match = Match(info, info, "unsupported", "stored plus 1", unlike=unlike)
    assert (_bits_of(match, None) is None) == unlike


def test_a_gguf_norm_plus_one_is_unlike(tmp_path) -> None:
    shapes = {"output_norm.weight": TensorInfo("output_norm.weight", "F32", (4,), 0, 0, 16)}
    metadata = {"general.architecture": "gemma", "gemma.block_count": "1"}
    model = Checkpoint("", "", None, (), shapes, metadata, None, (), GGUF)
    norm = {"model.norm.weight": TensorInfo("model.norm.weight", "F32", (4,), 0, 0, 16)}
    config = {"model_type": "gemma", "num_hidden_layers": 1}
    base = Checkpoint("", "", None, (), norm, {}, config, ())
    (match,) = pair_checkpoints(model, base).matches
    assert match.status == "unsupported" and match.unlike
