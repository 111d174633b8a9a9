"""Heatmaps hold each tensor's own number, on both sides of a model and whatever is missing."""

import numpy as np
import pytest
from results_made import F32, compared

from inspect_core.delta.metrics import METRICS
from inspect_core.results.heatmap import (
    ABSENT,
    NOT_FINITE,
    SAME,
    UNCOMPARED,
    UNDEFINED,
    VALUE,
    HeatSection,
    by_steps,
    heatmap_of,
    side_by_side,
)  # fmt: skip

RNG = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(F32)


def t5(encoder: int = 3, decoder: int = 2) -> dict[str, np.ndarray]:
    tensors = {"shared.weight": normal(6, 4)}
    for stack, depth in (("encoder", encoder), ("decoder", decoder)):
        for k in range(depth):
            at = f"{stack}.block.{k}.layer"
            tensors |= {f"{at}.0.SelfAttention.{p}.weight": normal(4, 4) for p in "qkvo"}
            if stack == "decoder":
                tensors |= {f"{at}.1.EncDecAttention.{p}.weight": normal(4, 4) for p in "qkvo"}
            tensors[f"{at}.{1 + (stack == 'decoder')}.DenseReluDense.wi.weight"] = normal(8, 4)
    return tensors


def moved(base: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: values + F32(0.01 * (k + 1)) * normal(*values.shape)
        for k, (name, values) in enumerate(base.items())
    }


def section_of(sections, title: str) -> HeatSection:
    return next(section for section in sections if section.title == title)


def mean_abs(base, model, name: str) -> float:
    return float(np.abs(model[name].astype(np.float64) - base[name].astype(np.float64)).mean())


def test_every_cell_is_the_metric_of_its_own_tensor(tmp_path) -> None:
    """The published script mixed encoder and decoder, in another order each run."""
    base = t5()
    model = moved(base)
    found = heatmap_of(compared(tmp_path, base, model), METRICS["mean_abs"])
    seen = []
    for section in found.sections:
        for row, kind in enumerate(section.kinds):
            for column, layer in enumerate(section.columns):
                names = section.names[row][column]
                seen += names
                if not names:
                    assert section.states[row, column] == ABSENT
                    continue
                (name,) = names
                if section.has_axis:
                    assert name == f"{section.title}.{layer}.{kind}"
                wanted = mean_abs(base, model, name)
                assert section.values[row, column] == pytest.approx(wanted, rel=1e-6)
    assert sorted(seen) == sorted(base), "embeddings too, and nothing twice"


def test_both_stacks_are_there_with_their_own_kinds(tmp_path) -> None:
    """The published maps were out of reach: all went by a guess at names."""
    base = t5(3, 2)
    found = heatmap_of(compared(tmp_path, base, moved(base)), METRICS["angle_pi"])
    encoder = section_of(found.sections, "encoder.block")
    decoder = section_of(found.sections, "decoder.block")
    assert (len(encoder.columns), len(decoder.columns)) == (3, 2)
    assert any("EncDec" in kind for kind in decoder.kinds)
    assert not any("EncDec" in kind for kind in encoder.kinds)


@pytest.mark.parametrize("layers", [2, 7, 24, 31])
def test_any_number_of_layers(tmp_path, layers) -> None:
    """The published figure has 24 columns, or fewer that are called so."""
    base = {f"model.layers.{k}.mlp.weight": normal(2, 3) for k in range(layers)}
    found = heatmap_of(compared(tmp_path, base, moved(base)), METRICS["rel_l2"])
    assert found.sections[0].columns == tuple(map(str, range(layers)))


def test_a_row_is_never_spread_over_a_matrix(tmp_path) -> None:
    """`[1, c]` against `[r, c]` is refused, not subtracted from each row."""
    base = {f"layers.{k}.w.weight": normal(3, 4) for k in range(3)}
    model = base | {"layers.1.w.weight": normal(1, 4)}
    (section,) = heatmap_of(compared(tmp_path, base, model), METRICS["rel_l2"]).sections
    assert section.states.tolist() == [[SAME, UNCOMPARED, SAME]]
    assert np.isnan(section.values[0, 1])


def test_states_tell_apart_what_a_number_does_not(tmp_path) -> None:
    base = {f"layers.{k}.{p}": normal(2, 2) for k in range(3) for p in ("a", "b")}
    base["layers.0.c"] = np.zeros((2, 2), F32)
    model = dict(base)
    model["layers.1.a"] = base["layers.1.a"] + F32(1.0)
    model["layers.0.c"] = normal(2, 2)
    model["layers.2.new"] = normal(2)
    (section,) = heatmap_of(compared(tmp_path, base, model), METRICS["rel_l2"]).sections
    states = dict(zip(section.kinds, section.states.tolist(), strict=True))
    assert states["a"] == [SAME, VALUE, SAME]
    assert states["b"] == [SAME, SAME, SAME]
    assert states["c"] == [UNDEFINED, ABSENT, ABSENT]
    assert states["new"] == [ABSENT, ABSENT, UNCOMPARED]
    assert (section.values[section.states == SAME] == 0.0).all()


def test_what_became_nan_is_no_plain_zero(tmp_path) -> None:
    base = {f"layers.{k}.a": normal(2, 2) for k in range(4)}
    base["layers.3.a"][0, 0] = np.nan
    model = {name: values.copy() for name, values in base.items()}
    model["layers.1.a"][0, 0] = np.nan
    model["layers.2.a"][0, 0] = np.inf
    model["layers.2.a"][1, 1] += F32(1.0)
    found = compared(tmp_path, base, model)
    (section,) = heatmap_of(found, METRICS["rel_l2"]).sections
    assert section.states.tolist() == [[SAME, NOT_FINITE, NOT_FINITE, SAME]]
    assert np.isnan(section.values[0, 1]) and section.values[0, 2] > 0.0
    (section,) = heatmap_of(found, METRICS["changed_fraction"]).sections
    assert section.values[0].tolist() == [0.0, 0.25, 0.5, 0.0]


def test_only_what_was_asked_for_has_rows_and_columns(tmp_path) -> None:
    base = t5()
    chosen = compared(
        tmp_path, base, moved(base), keep=lambda match: "decoder.block.1" in match.name
    )
    (section,) = heatmap_of(chosen, METRICS["rel_l2"]).sections
    assert (section.title, section.columns) == ("decoder.block", ("1",))
    assert (section.states == VALUE).all()


def test_several_models_are_side_by_side_on_one_scale(tmp_path) -> None:
    base = t5()
    runs = [compared(tmp_path / str(k), base, moved(base)) for k in range(2)]
    found = side_by_side(runs, METRICS["rel_l2"])
    titles = [section.title for section in found.sections]
    assert len(titles) == len(set(titles)) == 2 * len(heatmap_of(runs[0], METRICS["l2"]).sections)
    most = max(float(np.nanmax(section.values)) for section in found.sections)
    assert found.scale("linear").high == most


def test_the_checkpoints_of_a_run_are_rows(tmp_path) -> None:
    base = t5(3, 2)
    models = [moved(base) for _ in range(3)]
    runs = [compared(tmp_path / str(k), base, model) for k, model in enumerate(models)]
    found = by_steps(runs, METRICS["mean_abs"])
    encoder = section_of(found.sections, "encoder.block")
    assert encoder.values.shape == (3, 3) and len(set(encoder.kinds)) == 3
    for row, model in enumerate(models):
        for layer in range(3):
            names = [name for name in base if name.startswith(f"encoder.block.{layer}.")]
            sizes = [base[name].size for name in names]
            wanted = np.average([mean_abs(base, model, n) for n in names], weights=sizes)
            assert encoder.values[row, layer] == pytest.approx(wanted, rel=1e-6)
            assert sorted(encoder.names[row][layer]) == sorted(names)


def test_a_model_with_fewer_layers_has_cells_that_are_not_there(tmp_path) -> None:
    base = {f"layers.{k}.w": normal(2, 2) for k in range(4)}
    short = {name: base[name] for name in list(base)[:2]}
    runs = [compared(tmp_path / "a", base, moved(base)), compared(tmp_path / "b", base, short)]
    (section,) = by_steps(runs, METRICS["rel_l2"]).sections
    assert section.columns == tuple("0123")
    assert section.states[1].tolist() == [SAME, SAME, ABSENT, ABSENT]
