"""The published numbers of transformer-weight-diffs: reproduced where right, repaired where not."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from delta_made import Held, encode, tensor
from safetensors.numpy import save_file

from inspect_core.control import Control
from inspect_core.delta.collect import EVERYTHING
from inspect_core.delta.compare import Comparer
from inspect_core.delta.kernel import CpuKernel
from inspect_core.delta.metrics import METRICS, ORIGINALS
from inspect_core.pairing import Pair
from inspect_core.results.comparison import compare

REFERENCE = Path(__file__).parent.parent / "reference" / "weight_diffs"
ORIGINAL = json.loads((REFERENCE / "edge_cases.original_behaviour.json").read_text())


def reference_rows():
    tables = json.loads((REFERENCE / "t5_small_layout_tiny.expected.json").read_text())["tables"]
    return [row for side in tables.values() for rows in side.values() for row in rows]


def summaries_of(pairs, dtype="F32"):
    """The summaries of (model, reference) arrays, by one sweep that collects everything."""
    model, reference, infos = Held({}), Held({}), []
    for number, (a, b) in enumerate(pairs):
        name = f"t{number}"
        model.tensors[name] = encode(np.ravel(a), dtype)
        reference.tensors[name] = encode(np.ravel(b), dtype)
        infos.append(tensor(name, dtype, np.shape(a)))
    wanted = [Pair(info, info) for info in infos]
    found = Comparer(CpuKernel(), 2).summaries(model, reference, wanted, Control(), EVERYTHING)
    return [summary for _, summary in found]


def summary_of(a, b, dtype="F32"):
    return summaries_of([(a, b)], dtype)[0]


@pytest.fixture(scope="module")
def published():
    """Each row of the published tables with the summary of its pair of matrices."""
    rows = reference_rows()
    with np.load(REFERENCE / "t5_small_layout_tiny.npz") as file:
        assert len(file.files) == 2 * len(rows) == 192
        pairs = [(file[f"ft/{row['key']}"], file[f"ref/{row['key']}"]) for row in rows]
    return list(zip(rows, summaries_of(pairs), strict=True))


COLUMNS = {
    "l1_sum": "sum_abs", "l1_mean": "mean_abs", "l2": "l2", "max_abs": "max_abs",
    "cos_flat": "cosine", "angular_flat_pi": "angle_pi", "rel_l2": "rel_l2",
    "angular_rowmean_pi": "row_angle_pi",
}  # fmt: skip


@pytest.mark.parametrize(("column", "key"), COLUMNS.items())
def test_float64_columns_are_reproduced(published, column, key):
    for row, summary in published:
        assert METRICS[key].value(summary) == pytest.approx(row[column], rel=1e-9), row["key"]


def test_the_induced_norm_is_reproduced(published):
    for row, summary in published:
        got = ORIGINALS["l1"].value(summary)
        assert got == pytest.approx(row["induced_1norm_f64"], rel=1e-9)
        assert got == pytest.approx(row["ORIG_l1"], rel=1e-5)
        assert summary.l2 == pytest.approx(row["ORIG_norm_default"], rel=1e-5)


def test_the_original_angular_distance_is_reproduced(published):
    """Within 1e-5 as a distance: the original's float32 cosines hold no more of small angles."""
    for row, summary in published:
        assert ORIGINALS["cossim"].value(summary) == pytest.approx(row["ORIG_cossim"], abs=1e-5)


def test_the_lorenz_area_is_reproduced_within_its_bound(published):
    for row, summary in published:
        low, high = summary.lorenz_bounds
        assert low <= row["lorenz_area_f64"] <= high
        assert high - low < 0.01
        assert summary.lorenz_area == pytest.approx(row["lorenz_area_f64"], abs=0.005)


def test_every_published_column_is_looked_at():
    known = {*COLUMNS, "key", "shape", "ORIG_l1", "ORIG_norm_default", "ORIG_cossim"}
    assert {*reference_rows()[0]} == known | {"induced_1norm_f64", "lorenz_area_f64"}


# --- where the original is wrong (`ORIGINAL` holds what it gives)


@pytest.fixture(scope="module")
def edges():
    with np.load(REFERENCE / "edge_inputs.npz") as file:
        return file["W"], file["W_zero_row"]


def distances(summary):
    return METRICS["row_angle_pi"].value(summary), ORIGINALS["cossim"].value(summary)


def test_identical_matrices_are_at_no_distance(edges):
    assert ORIGINAL["identical_8x5"]["sim_matrix"] > 4e-5
    for dtype in ("F32", "F16", "BF16"):
        got = summary_of(edges[0], edges[0], dtype)
        assert distances(got) == (0.0, 0.0)
        assert ORIGINALS["l1"].value(got) == ORIGINAL["identical_8x5"]["get_norm_1"] == 0.0


def test_a_negated_matrix_is_at_the_greatest_distance(edges):
    assert "math domain error" in ORIGINAL["negated_8x5"]["sim_matrix"]
    got = summary_of(-edges[0], edges[0])
    assert distances(got) == (1.0, pytest.approx(math.pi / 3.141))
    assert ORIGINALS["l1"].value(got) == pytest.approx(ORIGINAL["negated_8x5"]["get_norm_1"], 1e-5)
    # The original could not tell 429 of 2000 random rows from an error.
    rows = np.random.default_rng(0).normal(size=(2000, 64))
    assert METRICS["row_angle_pi"].value(summary_of(-rows, rows)) == pytest.approx(1.0, rel=1e-15)


@pytest.mark.parametrize("case", ["zero_ref_8x5", "both_zero"])
def test_a_zero_matrix_is_at_no_known_distance(edges, case):
    zero = np.zeros_like(edges[0])
    got = summary_of(edges[0] if case == "zero_ref_8x5" else zero, zero)
    assert METRICS["row_angle_pi"].value(got) is METRICS["angle_pi"].value(got) is None
    assert got.rows.undefined == 8
    published = ORIGINAL[case]
    assert ORIGINALS["cossim"].value(got) == pytest.approx(published["sim_matrix"], rel=1e-5)
    assert ORIGINALS["l1"].value(got) == pytest.approx(published["get_norm_1"], rel=1e-5)


def test_a_zero_row_is_left_out_and_counted(edges):
    weight, with_zero_row = edges
    got = summary_of(with_zero_row, weight)
    assert METRICS["row_angle_pi"].value(got) == 0.0
    assert (got.rows.rows, got.rows.undefined) == (8, 1)
    published = ORIGINAL["one_zero_row"]
    assert ORIGINALS["cossim"].value(got) == pytest.approx(published["sim_matrix"], abs=1e-4)
    assert ORIGINALS["l1"].value(got) == pytest.approx(published["get_norm_1"], rel=1e-5)


def test_vectors_scalars_and_stacks_have_angles_too():
    """The original averages cosines of single numbers, or fails."""
    assert "IndexError" in ORIGINAL["scalar"]["sim_matrix"]
    rng = np.random.default_rng(0)
    vector, scalar, stack = rng.normal(size=5), np.array(2.0), rng.normal(size=(2, 3, 4))
    got = summary_of(vector + 0.5, vector)
    assert METRICS["row_angle_pi"].value(got) == pytest.approx(
        METRICS["angle_pi"].value(got), 1e-12
    )
    assert ORIGINALS["l1"].value(got) == pytest.approx(2.5, rel=1e-6)
    got = summary_of(-scalar, scalar)
    assert distances(got)[0] == 1.0
    assert ORIGINALS["l1"].value(got) == 4.0
    got = summary_of(stack * 3, stack, "F64")
    assert got.rows.rows == 2
    assert METRICS["row_angle_pi"].value(got) == pytest.approx(0.0, abs=1e-12)
    assert ORIGINALS["l1"].value(got) is None  # no matrix


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_low_precision_is_not_computed_in_low_precision(edges, dtype):
    """A weight and 1.001 of it: what its dtype makes of that, and nothing more."""
    a, b = (np.array(side, np.float64) for side in (edges[0] * 1.001, edges[0]))
    got = summary_of(a, b, dtype)
    rounded = [encode(side, dtype) for side in (a, b)]
    kind = np.float16 if dtype == "F16" else None
    x, y = (
        raw.view(kind).astype(np.float64) if kind else
        (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        for raw in rounded
    )  # fmt: skip
    x, y = x.reshape(8, 5), y.reshape(8, 5)
    cross = [np.linalg.norm(r - y[i] * (r @ y[i]) / (y[i] @ y[i])) for i, r in enumerate(x)]
    along = [r @ y[i] / np.linalg.norm(y[i]) for i, r in enumerate(x)]
    expected = np.mean(np.arctan2(cross, along)) / math.pi
    assert METRICS["row_angle_pi"].value(got) == pytest.approx(expected, rel=1e-9)
    case = ORIGINAL["bf16_8x5" if dtype == "BF16" else "fp16_8x5"]
    assert METRICS["row_angle_pi"].value(got) < case["sim_matrix"] / 2
    assert ORIGINALS["l1"].value(got) == pytest.approx(case["get_norm_1"], rel=0.02)


def test_nan_and_infinity_are_left_out_and_counted(edges):
    for bad in (math.nan, math.inf):
        broken = edges[0].copy()
        broken[3, 2] = bad
        got = summary_of(broken, edges[0])
        assert (got.left_out, got.changed, got.rows.undefined) == (1, 1, 0)
        assert distances(got) == (0.0, 0.0)
        assert ORIGINALS["l1"].value(got) == 0.0


def test_integers_are_compared_like_all_else():
    assert "RuntimeError" in ORIGINAL["int8"]["sim_matrix"]
    a, b = np.array([[3, 4], [1, 0]]), np.array([[3, 4], [0, -1]])
    got = summary_of(a, b, "I8")
    assert METRICS["row_angle_pi"].value(got) == pytest.approx(0.25)
    assert ORIGINALS["l1"].value(got) == 1.0


def test_an_empty_matrix_has_no_numbers():
    assert "ZeroDivisionError" in ORIGINAL["empty_0x5"]["sim_matrix"]
    got = summary_of(np.empty((0, 5)), np.empty((0, 5)))
    for metric in (*METRICS.values(), *ORIGINALS.values()):
        assert metric.value(got) is None


@pytest.mark.parametrize(("case", "shape"), [
    ("shape_mismatch_rows", (9, 5)), ("broadcastable_1x5", (1, 5)),
])  # fmt: skip
def test_other_shapes_are_refused_with_a_reason(tmp_path, case, shape, edges):
    """The original compares the first rows, or broadcasts."""
    assert case in ORIGINAL
    paths = [tmp_path / f"{side}.safetensors" for side in ("base", "model")]
    for path, value in zip(paths, (edges[0], np.ones(shape, np.float32)), strict=True):
        save_file({"w": value}, path)
    found = compare(*paths, collect=EVERYTHING)
    assert found.status(0) == "shape_mismatch"
    assert found.summary(0) is None
    assert "5" in found.matches[0].reason
