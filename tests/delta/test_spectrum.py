"""Singular values against numpy's, and the rank of a low-rank update in every dtype."""

import numpy as np
import pytest
from delta_made import encode, widen
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.checkpoint.tensor_info import TensorInfo
from inspect_core.control import Control
from inspect_core.delta.heat import MatrixView
from inspect_core.delta.panels import SIGNIFICANT_BITS, Panels, variances
from inspect_core.delta.spectrum import find_spectrum
from inspect_core.errors import Cancelled, UsageError
from inspect_core.pairing.match import Pair


@pytest.fixture
def rng():
    return np.random.default_rng(4)


class Held:
    """A source of one tensor's bytes, and how many were read at most at once."""

    def __init__(self, raw):
        self.raw, self.most, self.reads = raw, 0, 0

    def read_into(self, tensor, offset, buffer):
        self.most, self.reads = max(self.most, len(buffer)), self.reads + 1
        buffer[:] = self.raw[offset : offset + len(buffer)].data


def side(values, dtype):
    raw = encode(values, dtype)
    return Held(raw), TensorInfo("w", dtype, np.shape(values), 0, 0, raw.size)


def spectrum(values, dtype="F64", base=None, base_dtype=None, index=0, control=None, **more):
    model, tensor = side(values, dtype)
    reference, partner = (model, None) if base is None else side(base, base_dtype or dtype)
    view = MatrixView.of(tensor.shape, index)
    control = control or Control()
    return find_spectrum(model, reference, Pair(tensor, partner), view, control, **more)


def weight(rng, rows, columns):
    """Like a trained weight: heavy tails, and rows and columns of different size."""
    values = 0.03 * rng.standard_t(6, (rows, columns))
    values *= np.exp(0.3 * rng.normal(size=(rows, 1)))
    return (values * np.exp(0.3 * rng.normal(size=(1, columns)))).astype(np.float32)


def update(rng, base, rank, size):
    """B @ A of a rank, its norm a share of that of the base."""
    rows, columns = base.shape
    found = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns))
    return found * (size * np.linalg.norm(base) / np.linalg.norm(found))


def decaying(rng, rows, columns, ratio):
    """A matrix whose singular values are ratio^k."""
    short = min(rows, columns)
    left = np.linalg.qr(rng.normal(size=(rows, short)))[0]
    right = np.linalg.qr(rng.normal(size=(columns, short)))[0]
    return (left * ratio ** np.arange(short)) @ right.T


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
@pytest.mark.parametrize("rank", [1, 4, 8, 16, 64])
@pytest.mark.parametrize("shape", [(192, 192), (96, 400), (500, 128)])
def test_a_merged_lora_shows_its_rank(rng, shape, rank, dtype):
    base = widen(encode(weight(rng, *shape), dtype), dtype).reshape(shape)
    found = spectrum(base + update(rng, base, rank, 0.2), dtype, base)
    assert (found.rank, found.exact, found.rank_is_bound) == (rank, True, False)
    assert found.noise_dtype == dtype
    assert 0.5 * rank <= found.effective_rank <= rank + 1e-9


@pytest.mark.parametrize("base_dtype", ["F32", "BF16"])
def test_the_rank_shows_when_only_one_side_or_both_were_rounded(rng, base_dtype):
    base = weight(rng, 256, 256)
    merged = base + update(rng, base, 8, 0.05)
    assert spectrum(merged, "BF16", base, base_dtype).rank == 8


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
@pytest.mark.parametrize("rank", [8, 40])
def test_the_randomised_rank_is_the_exact_one(rng, rank, dtype):
    base = widen(encode(weight(rng, 300, 260), dtype), dtype).reshape(300, 260)
    merged = base + update(rng, base, rank, 0.2)
    found = spectrum(merged, dtype, base, most_exact=0, top=64)
    assert (found.rank, found.exact, found.rank_is_bound) == (rank, False, False)
    assert "randomised" in found.method


def test_pure_rounding_has_no_rank_and_says_so(rng):
    base = weight(rng, 200, 300)
    found = spectrum(base, "BF16", base, "F32")
    assert found.rank is None and found.effective_rank is None
    assert found.untold == "all of it is within the rounding noise of BF16"
    assert 0.4 < found.values[0] / found.noise < 1.0  # the estimate is no wild guess


def test_a_full_fine_tune_has_full_rank(rng):
    base = weight(rng, 150, 100)
    found = spectrum(base + 0.002 * rng.normal(size=base.shape), "F32", base)
    assert found.rank == 100 and 85 < found.effective_rank < 100


def test_a_full_rank_beyond_what_was_computed_is_a_bound(rng):
    base = weight(rng, 150, 140)
    moved = base + 0.002 * rng.normal(size=base.shape)
    found = spectrum(moved, "F32", base, most_exact=0, top=32)
    assert (found.rank, found.rank_is_bound, found.effective_rank) == (32, True, None)


@pytest.mark.parametrize("most_exact", [0, 1024])
def test_identical_tensors_have_rank_zero(rng, most_exact):
    base = weight(rng, 90, 70)
    found = spectrum(base, "F32", base, most_exact=most_exact)
    assert (found.rank, found.effective_rank, found.stable_rank) == (0, 0.0, None)
    assert found.energy == found.noise == 0.0 and not found.untold and not found.values.any()
    assert not found.top_energy.any() and found.drop is None


@pytest.mark.parametrize("shape", [(40, 40), (200, 30), (30, 200), (1, 50), (50, 1)])
@pytest.mark.parametrize("panel_values", [64, 700, None])
def test_exact_values_are_those_of_numpy(rng, shape, panel_values):
    a, b = rng.normal(size=shape), rng.normal(size=shape)
    found = spectrum(a, "F64", b, panel_values=panel_values)
    expected = np.linalg.svd(a - b, compute_uv=False)
    np.testing.assert_allclose(found.values, expected, rtol=1e-12, atol=1e-13)
    assert found.energy == pytest.approx(np.sum((a - b) ** 2), rel=1e-13)
    assert found.top_energy[-1] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("shape", [(260, 240), (240, 500), (600, 210)])
@pytest.mark.parametrize("panel_values", [9000, None])
@pytest.mark.parametrize("longest_row", [1, 1 << 16])
def test_randomised_values_are_the_largest_of_numpy(
    rng, shape, panel_values, longest_row, monkeypatch
):
    monkeypatch.setattr("inspect_core.delta.spectrum.LONGEST_ROW", longest_row)
    matrix = decaying(rng, *shape, 0.9)
    found = spectrum(matrix, most_exact=0, top=24, panel_values=panel_values)
    expected = np.linalg.svd(matrix, compute_uv=False)[:24]
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)
    assert found.energy == pytest.approx(np.sum(matrix**2), rel=1e-12)
    share = np.cumsum(expected**2) / np.sum(matrix**2)
    np.testing.assert_allclose(found.top_energy, share, rtol=1e-6)


def test_the_same_pair_gives_the_same_numbers(rng):
    matrix = rng.normal(size=(150, 130))
    one, two = (spectrum(matrix, most_exact=0, top=16) for _ in range(2))
    assert one.values.tolist() == two.values.tolist()


def test_a_slow_spectrum_says_that_its_values_still_move(rng):
    matrix = rng.normal(size=(400, 390))
    found = spectrum(matrix, most_exact=0, top=16)
    expected = np.linalg.svd(matrix, compute_uv=False)[:16]
    assert np.all(found.values <= expected * (1 + 1e-12)) and np.all(found.values > 0.9 * expected)
    assert "the last moved them by up to" in found.method


def test_values_without_a_reference(rng):
    values = weight(rng, 60, 80)
    found = spectrum(values, "F32")
    expected = np.linalg.svd(values.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(found.values, expected, rtol=1e-10)
    assert found.rank == 60 and found.stable_rank == pytest.approx(
        np.sum(expected**2) / expected[0] ** 2
    )


def test_a_slice_of_experts_is_a_matrix_of_its_own(rng):
    experts = rng.normal(size=(5, 20, 24))
    base = experts.copy()
    base[3] += update(rng, experts[3], 2, 0.1)
    assert [spectrum(experts, "F32", base, index=k).rank for k in range(5)] == [0, 0, 0, 2, 0]


def test_a_convolution_is_flattened(rng):
    kernel = rng.normal(size=(12, 4, 3, 3))
    found = spectrum(kernel)
    expected = np.linalg.svd(kernel.reshape(12, 36), compute_uv=False)
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(), (7,), (0, 4)])
def test_what_is_no_matrix_is_refused(shape):
    with pytest.raises(UsageError, match=r"singular values|one number|no values"):
        spectrum(np.zeros(shape))


@pytest.mark.parametrize("most_exact", [0, 1024])
def test_nan_and_infinity_are_counted_and_refused(rng, most_exact):
    values = rng.normal(size=(30, 20))
    values[3, 4], values[20, 1], values[29, 19] = np.nan, np.inf, -np.inf
    with pytest.raises(UsageError, match="3 positions"):
        spectrum(values, "F32", np.zeros((30, 20)), most_exact=most_exact, panel_values=100)


def test_the_same_infinity_on_both_sides_is_counted(rng):
    values = rng.normal(size=(8, 8))
    values[2, 2] = np.inf
    with pytest.raises(UsageError, match="1 positions"):
        spectrum(values, "F32", values)


def test_squares_beyond_float64_are_refused():
    with pytest.raises(UsageError, match="range of float64"):
        spectrum(np.full((4, 4), 1e200))


def test_the_rank_of_quantised_values_is_not_told(rng):
    tensor = TensorInfo("w", "Q8_0", (4, 32), 0, 0, 4 * 34)
    raw = rng.integers(0, 60, tensor.nbytes, np.uint8)
    found = find_spectrum(
        Held(raw), Held(raw), Pair(tensor), MatrixView.of(tensor.shape), Control()
    )
    assert found.rank is None and "Q8_0" in found.untold


def test_a_column_of_ten_million_is_read_in_panels():
    class Ones:
        most = 0

        def read_into(self, tensor, offset, buffer):
            Ones.most = max(Ones.most, len(buffer))
            np.frombuffer(buffer, np.float32)[:] = 1.0

    count = 10_000_000
    tensor = TensorInfo("w", "F32", (count, 1), 0, 0, 4 * count)
    found = find_spectrum(Ones(), Ones(), Pair(tensor), MatrixView.of(tensor.shape), Control())
    assert found.values.tolist() == pytest.approx([count**0.5]) and found.rank == 1
    assert Ones.most <= 4 << 22


@pytest.mark.parametrize("shape", [(500, 20), (20, 500)])
def test_a_pass_reads_each_value_once_and_panels_are_bounded(rng, shape):
    source, tensor = side(rng.normal(size=shape), "F32")
    wide = shape[1] > shape[0]
    panels = Panels(source, source, Pair(tensor), MatrixView.of(shape), wide, 1000)
    read = list(panels.first_pass(Control()))
    assert [panel.shape for panel in read] == [(50, 20)] * 10
    assert source.most <= 4000 and source.reads == (10 if shape[0] > 20 else 200)
    matrix = np.vstack(read) if shape[0] > 20 else np.vstack(read).T
    np.testing.assert_array_equal(matrix, widen(source.raw, "F32").reshape(shape))


@pytest.mark.parametrize("most_exact", [0, 1024])
def test_it_stops_between_panels(rng, most_exact):
    seen = []

    def stop(progress):
        seen.append(progress)
        control.cancel()

    control = Control(stop)
    with pytest.raises(Cancelled):
        spectrum(rng.normal(size=(90, 30)), control=control, panel_values=300,
                 most_exact=most_exact)  # fmt: skip
    assert len(seen) == 1 and 0 < seen[0].bytes_done < seen[0].bytes_total


@pytest.mark.parametrize("dtype", SIGNIFICANT_BITS)
def test_the_variance_is_that_of_the_neighbours(rng, dtype):
    values = widen(encode(rng.normal(size=200) * 2.0 ** rng.integers(-8, 5, 200), dtype), dtype)
    values = values[values != 0.0]
    size = np.abs(values)
    # The next larger number is the one that half a step and a bit more rounds to.
    for value, variance in zip(size, variances(values, dtype), strict=True):
        step = np.sqrt(12.0 * variance)
        above, same = widen(encode(np.array([value + step, value + 0.4 * step]), dtype), dtype)
        if dtype != "F64":
            assert above == value + step and same == value
        else:
            assert step == np.spacing(value)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_energy_is_the_sum_of_squared_values(rows, columns, seed):
    matrix = np.random.default_rng(seed).normal(size=(rows, columns))
    found = spectrum(matrix, panel_values=50)
    assert np.sum(found.values**2) == pytest.approx(found.energy, rel=1e-12)
    assert np.all(np.diff(found.values) <= 0.0) and len(found.values) == min(rows, columns)
    assert 1.0 - 1e-9 <= found.stable_rank <= found.rank + 1e-9


def test_a_fall_in_the_values_is_found(rng):
    matrix = update(rng, np.ones((40, 30)), 5, 1.0) + 1e-4 * rng.normal(size=(40, 30))
    at, ratio = spectrum(matrix).drop
    assert at == 5 and ratio > 50


@pytest.mark.parametrize("most_exact", [0, 1024])
def test_a_rank_is_a_bound_where_the_noise_hides_a_part(rng, most_exact):
    """A strong rank 2 on a full-rank change that is about as large as rounding to BF16."""
    base = widen(encode(weight(rng, 300, 260), "BF16"), "BF16").reshape(300, 260)
    small = 0.3 * 2.0**-8 * np.abs(base) * rng.normal(size=base.shape)
    merged = base + update(rng, base, 2, 0.002) + small
    found = spectrum(merged, "BF16", base, most_exact=most_exact)
    assert found.changed_fraction < 0.9 and 0 < found.rank < 20
    assert found.buried and found.rank_is_bound and found.effective_rank is None
    assert found.stable_rank > found.rank


def test_a_small_full_rank_change_beyond_the_noise_is_no_exact_rank(rng):
    """Each value moves by some roundings: below the noise of the largest rows, but no noise."""
    base = widen(encode(weight(rng, 300, 260), "BF16"), "BF16").reshape(300, 260)
    merged = base + 0.02 * np.abs(base) * rng.normal(size=base.shape)
    found = spectrum(merged, "BF16", base)
    assert 0 < found.rank < 260 and found.rank_is_bound


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_a_rank_of_a_few_rows_is_no_bound(rng, dtype):
    base = widen(encode(weight(rng, 300, 260), dtype), dtype).reshape(300, 260)
    merged = base.copy()
    merged[40:60] += update(rng, base[40:60], 3, 0.3)
    for sides in ((merged, base), (merged.T, base.T)):
        found = spectrum(np.ascontiguousarray(sides[0]), dtype, np.ascontiguousarray(sides[1]))
        assert (found.rank, found.rank_is_bound) == (3, False)
