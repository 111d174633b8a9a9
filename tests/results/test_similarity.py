"""The similarity by type: as published where that is right, and right where it is not."""

import math
from pathlib import Path

import numpy as np
import pytest
from results_made import F32, VOLTA, compared, published_case

from inspect_core.pairing import LayerMap
from inspect_core.results.similarity import PUBLISHED, similarity, type_finder


def volta(tmp_path: Path) -> LayerMap:
    path = tmp_path / "volta.toml"
    path.write_text(VOLTA)
    return LayerMap.read(path)


def as_published(rows) -> list[str]:
    """The lines of the published table."""
    lines = []
    for row in rows:
        if row.type in PUBLISHED:
            mean = row.by_tensor
            values = (mean.model, mean.reference, mean.delta, mean.cosine)
            numbers = "\t".join([f"{value:.5f}" for value in values])
            lines.append(f"{PUBLISHED[row.type]}\t{row.compared}\t{numbers}")
    return lines


def by_type(comparison, **options) -> dict:
    return {row.type: row for row in similarity(comparison, **options)}


@pytest.mark.parametrize("original", [False, True])
def test_the_published_table(tmp_path: Path, original: bool) -> None:
    bert, model, told = published_case("a")
    found = compared(tmp_path, bert, model, layer_map=volta(tmp_path))
    expected = told["ORIG_summary_stdout"].strip().splitlines()[3:]
    assert as_published(similarity(found, original)) == expected


def test_names_with_gamma_and_beta_are_norms(tmp_path: Path) -> None:
    """Defect 1: the code prints `unknown type` and counts them under the type before them."""
    bert, _, _ = published_case("a")
    rng = np.random.default_rng(2)
    moved = {name: (v + 0.01 * rng.normal(size=v.shape)).astype(F32) for name, v in bert.items()}
    assert any(name.endswith("LayerNorm.gamma") for name in moved)
    rows = by_type(compared(tmp_path, bert, moved))
    assert rows["norm bias"].tensors == sum(name.endswith("beta") for name in bert) > 0
    assert rows["norm weight"].tensors == sum(name.endswith("gamma") for name in bert) > 0
    assert rows["other bias"].tensors == sum(name.endswith(".bias") for name in bert)
    assert rows["other weight"].tensors == sum(name.endswith(".weight") for name in bert)
    biases = [np.abs(v).mean() for name, v in bert.items() if name.endswith(".bias")]
    assert rows["other bias"].by_tensor.reference == pytest.approx(np.mean(biases), rel=1e-6)
    assert "neither" not in rows


def test_integer_buffers_are_listed_apart(tmp_path: Path) -> None:
    """Defect 1: `position_ids` raised the average of the weights by a factor of ten."""
    base = {"a.weight": np.full((2, 2), 0.5, F32), "a.position_ids": np.arange(512)[None]}
    rows = by_type(compared(tmp_path, base, base))
    assert rows["all weight"].by_tensor.model == rows["all weight"].by_size.model == 0.5
    assert (rows["integer"].tensors, rows["integer"].by_tensor.model) == (1, 255.5)


def test_type_vocabulary_is_no_broadcast(tmp_path: Path) -> None:
    """Defect 2: of one row against two the published delta is 0.436."""
    bert, model, told = published_case("e")
    name = "embeddings.token_type_embeddings.weight"
    assert model[name].shape[0] == 2 and bert[name].shape[0] == 1
    assert told["ORIG_table"][name]["delta"] > 0.4
    found = compared(tmp_path, bert, model, layer_map=volta(tmp_path))
    row = by_type(found)["other weight"]
    assert row.compared in (20, 21)  # left out, or its leading row
    assert row.by_tensor.delta < 0.01 and row.by_tensor.cosine > 0.96


def test_another_shape_is_not_counted_and_breaks_nothing(tmp_path: Path) -> None:
    """Defect 3: one such tensor ended the whole table."""
    base = {"a.weight": np.ones((2, 2), F32), "b.weight": np.ones((3, 2), F32)}
    row = by_type(compared(tmp_path, base, {**base, "b.weight": np.ones((2, 3), F32)}))
    assert (row["other weight"].tensors, row["other weight"].compared) == (2, 1)
    assert row["other weight"].by_tensor.model == 1.0


def test_zero_tensors_have_no_cosine_and_are_counted(tmp_path: Path) -> None:
    """Defect 4: a zero bias made the average cosine of its class NaN."""
    bert, model, told = published_case("g")
    assert "nan" in told["ORIG_summary_stdout"]
    for original in (False, True):
        rows = by_type(
            compared(tmp_path, bert, model, layer_map=volta(tmp_path)), original=original
        )
        row = rows["other bias"]
        assert (row.compared, row.undefined) == (18, 1)
        cosines = [
            line["cossim"]
            for name, line in told["ORIG_table"].items()
            if name.endswith(".bias") and "LayerNorm" not in name and line["transfarred"]
        ]
        defined = [cosine for cosine in cosines if not math.isnan(cosine)]
        assert len(defined) == 17
        assert row.by_tensor.cosine == pytest.approx(np.mean(defined), rel=1e-5)
        assert rows["other weight"].undefined == 0


def test_plain_bert_against_itself_is_paired_without_a_map(tmp_path: Path) -> None:
    """Defect 5: a rename that was applied blindly left 30 of 55 tensors without a partner."""
    bert, model, told = published_case("c")
    assert "total_transferred_weights (tensors) 25" in told["ORIG_summary_stdout"]
    rows = by_type(compared(tmp_path, bert, model))
    assert rows["all bias"].compared + rows["all weight"].compared == 55


def test_numbers_are_those_of_float64(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    shapes = {"a.weight": (4, 5), "b.weight": (7, 3), "n.norm.weight": (5,), "a.bias": (4,)}
    base = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    model = {name: v + 0.1 * rng.normal(size=v.shape) for name, v in base.items()}
    row = by_type(compared(tmp_path, base, model))["other weight"]
    pairs = [(model[n].ravel(), base[n].ravel()) for n in ("a.weight", "b.weight")]
    joined = [np.concatenate(sides) for sides in zip(*pairs, strict=True)]
    deltas = [np.abs(x - y).mean() for x, y in pairs]
    cosines = [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in pairs]
    assert row.numel == 41
    assert row.by_tensor.delta == pytest.approx(np.mean(deltas), rel=1e-9)
    assert row.by_size.delta == pytest.approx(np.abs(joined[0] - joined[1]).mean(), rel=1e-9)
    assert row.by_size.reference == pytest.approx(np.abs(joined[1]).mean(), rel=1e-9)
    assert row.by_tensor.cosine == pytest.approx(np.mean(cosines), rel=1e-9)
    assert row.by_size.cosine == pytest.approx(np.average(cosines, weights=[20, 21]), rel=1e-9)


def test_the_mean_of_nothing(tmp_path: Path) -> None:
    found = compared(tmp_path, {"a.weight": np.ones((2, 2), F32)}, {})
    row = by_type(found)["other weight"]
    assert (row.tensors, row.compared, row.by_tensor.model, row.by_size.cosine) == (
        1,
        0,
        None,
        None,
    )
    assert by_type(found, original=True)["norm bias"].by_tensor.delta == 0.0


TYPES = {
    "model.layers.0.input_layernorm.weight": "norm weight",
    "transformer.h.0.ln_1.bias": "norm bias",
    "h.0.ln1.weight": "norm weight",
    "final_norm.weight": "norm weight",
    "model.norm.weight": "norm weight",
    "x.LayerNorm.gamma": "norm weight",
    "x.LayerNorm.beta": "norm bias",
    "blk.0.attn_norm.weight": "norm weight",
    "downsample.1.weight": "norm weight",
    "downsample.1.bias": "norm bias",
    "normal_proj.weight": "other weight",
    "norm1.linear.weight": "other weight",
    "fc.bias": "other bias",
    "lstm.weight_ih_l0": "other weight",
    "lstm.bias_ih_l0": "other bias",
    "scale.gamma": "neither",
    "alphabet": "neither",
    "logit_scale": "neither",
    "experts.gate_up_proj": "other weight",
    "experts.gate_up_proj_bias": "other bias",
    "quantised.weight": "other weight",
    "step": "integer",
}


def test_types_by_name_shape_and_dtype() -> None:
    matrices = (
        "normal_proj.weight", "norm1.linear.weight", "lstm.weight_ih_l0", "experts.gate_up_proj",
        "quantised.weight",
    )  # fmt: skip
    shapes = {name: (4, 4) if name in matrices else (4,) for name in TYPES}
    shapes["logit_scale"] = ()
    find = type_finder([*shapes.items(), ("fc.weight", (4, 4))])
    dtypes = {"step": "I64", "quantised.weight": "IQ4_NL"}
    found = {name: find(name, shapes[name], dtypes.get(name, "F32")) for name in TYPES}
    assert found == TYPES


def test_long_names_take_no_time() -> None:
    name = "normal_" * 200_000 + ".weight"
    assert type_finder([(name, (4, 4))])(name, (4, 4), "F32") == "other weight"
