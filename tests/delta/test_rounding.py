"""What rounding explains: a pair in two float dtypes, and signs that flipped."""

import math
from itertools import pairwise

import numpy as np
import pytest
from delta_made import (
    FLOATS,
    TORCH,
    Held,
    assert_close,
    chunk_of,
    encode,
    random_raw,
    rounded_raw,
    tensor,
    widen,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.control import Control
from inspect_core.delta.compare import Comparer
from inspect_core.delta.kernel import Chunk, CpuKernel
from inspect_core.delta.rounding import FORMATS, narrow_side
from inspect_core.delta.summary import COUNTS, Summary
from inspect_core.delta.torch_kernel import TorchKernel
from inspect_core.pairing import Pair

ACROSS = [(n, w) for n in FLOATS for w in FLOATS if FORMATS[n].width < FORMATS[w].width]
EQUALLY_WIDE = [("BF16", "F16"), ("F8_E4M3", "F8_E5M2"), ("F32", "F32"), ("BF16", "BF16")]


def summary_of(raw_a, dtype_a, raw_b, dtype_b):
    return CpuKernel().compare(chunk_of(raw_a, dtype_a, raw_b, dtype_b), False, None)[0]


def both_ways(narrow_raw, narrow, wide_raw, wide):
    yield summary_of(narrow_raw, narrow, wide_raw, wide)
    yield summary_of(wide_raw, wide, narrow_raw, narrow)


def hard_values(rng, dtype, numel):
    """Any bits, ordinary values, values around every exponent, ties, infinities and NaN."""
    width = TORCH[dtype].itemsize
    sizes = rng.choice([1.0, 1.5, 1.0 + 2.0**-8, 1.0 + 2.0**-11, 1.0 + 3 * 2.0**-9], numel)
    scaled = sizes * rng.choice([-1.0, 1.0], numel) * 2.0 ** rng.integers(-160, 128, numel)
    ends = [0.0, -0.0, math.inf, -math.inf, math.nan, 65504, 65519, 65520, 448, 464, 1e30]
    parts = [
        rng.integers(0, 256, numel * width, np.uint8),
        random_raw(rng, dtype, numel),
        encode(scaled, dtype),
        encode(ends, dtype),
    ]
    return np.concatenate(parts)


@pytest.mark.parametrize(("narrow", "wide"), ACROSS)
def test_what_torch_rounds_is_explained_whatever_the_value(narrow, wide):
    wide_raw = hard_values(np.random.default_rng(3), wide, 3000)
    narrow_raw = rounded_raw(wide_raw, wide, narrow)
    for got in both_ways(narrow_raw, narrow, wide_raw, wide):
        assert got.changed > 3000
        assert got.left_out > 0
        assert (got.beyond, got.sq_beyond) == (0, 0.0)
        assert got.across == got.numel
        assert got.beyond_fraction == got.rel_l2_beyond == 0.0


@pytest.mark.parametrize(("narrow", "wide"), ACROSS)
def test_what_moved_is_counted_against_the_rounded_value(narrow, wide):
    rng = np.random.default_rng(5)
    numel = 4000
    wide_raw = random_raw(rng, wide, numel)
    narrow_raw = rounded_raw(wide_raw, wide, narrow)
    width = TORCH[narrow].itemsize
    moved = rng.choice(numel, 300, replace=False)
    narrow_raw.reshape(numel, width)[moved, 0] ^= 1  # one unit in the last place
    near, far = widen(narrow_raw, narrow), widen(rounded_raw(wide_raw, wide, narrow), narrow)
    for got in both_ways(narrow_raw, narrow, wide_raw, wide):
        # One whose neighbour happens to be the wide value itself has not changed at all.
        assert got.beyond == (near != far).sum() == 300
        assert got.sq_beyond == pytest.approx(((near - far) ** 2).sum(), rel=1e-12)
        assert got.explained == pytest.approx(max(0.0, 1 - got.sq_beyond / got.sq_d), abs=1e-12)
        assert 0.0 < got.beyond_fraction < got.changed_fraction


def test_a_frozen_layer_saved_in_bf16_is_unchanged_up_to_rounding():
    """The trained one beside it is not, and together they merge."""
    rng = np.random.default_rng(0)
    frozen, trained = (rng.normal(scale=0.02, size=(64, 48)).astype(np.float32) for _ in "ab")
    moved = trained + rng.normal(scale=1e-3, size=trained.shape).astype(np.float32)
    raws = {"frozen": frozen, "trained": trained}
    reference = Held({n: v.reshape(-1).view(np.uint8) for n, v in raws.items()})
    model = Held({"frozen": encode(frozen, "BF16"), "trained": encode(moved, "BF16")})
    pairs = [Pair(tensor(n, "BF16", (64, 48)), tensor(n, "F32", (64, 48))) for n in raws]
    (_, one), (_, two) = Comparer(CpuKernel(), 2).summaries(model, reference, pairs, Control())
    assert one.changed > 2900
    assert (one.beyond, one.beyond_fraction, one.rel_l2_beyond, one.explained) == (0, 0.0, 0.0, 1.0)
    assert two.beyond > 2000
    assert two.explained < 0.1
    both = one + two
    assert both.beyond == two.beyond
    assert both.rel_l2_beyond == pytest.approx(two.rel_l2_beyond / math.sqrt(2), rel=0.05)
    assert 0.0 < both.explained < 0.1


@pytest.mark.parametrize(("dtype_a", "dtype_b"), [*EQUALLY_WIDE, ("I8", "F32"), ("I64", "I64")])
def test_nothing_is_explained_where_neither_is_narrower(dtype_a, dtype_b):
    rng = np.random.default_rng(1)
    got = summary_of(
        random_raw(rng, dtype_a, 2000), dtype_a, random_raw(rng, dtype_b, 2000), dtype_b
    )
    assert narrow_side(dtype_a, dtype_b) is None
    assert got.across == 0
    assert got.beyond == got.changed > 0
    assert got.sq_beyond == got.sq_d
    assert got.explained is None
    assert got.rel_l2_beyond == got.rel_l2


def test_a_tensor_alone_differs_beyond_rounding():
    raw = encode([1.0, 0.0, 2.0], "BF16")
    got = CpuKernel().compare(chunk_of(raw, "BF16"), False, None)[0]
    assert (got.changed, got.beyond, got.across, got.sign_flips) == (2, 2, 0, 0)


def test_decoded_blocks_are_not_called_rounding():
    wide = np.random.default_rng(0).normal(size=100)
    raw_a, raw_b = encode(wide, "F32"), encode(wide, "BF16")
    chunk = Chunk(raw_a, "F32", raw_b, "BF16", 100, decoded=True)
    got = CpuKernel().compare(chunk, False, None)[0]
    assert (got.across, got.beyond) == (0, got.changed)
    assert got.changed > 50


def test_an_overflow_to_infinity_is_explained_and_a_finite_value_in_its_place_is_not():
    wide = encode([1e5, -1e5, 1e5, 1e5, math.nan, math.inf, 3.0], "F32")
    narrow = encode([math.inf, -math.inf, -math.inf, 65504.0, math.nan, 1.0, math.nan], "F16")
    got = summary_of(narrow, "F16", wide, "F32")
    # Not explained: the other sign, a clipped value, a number for an infinity, a NaN for 3.
    assert (got.changed, got.beyond, got.left_out) == (7, 4, 6)
    assert got.sq_beyond == got.sq_d == (1e5 - 65504.0) ** 2


@pytest.mark.parametrize("kernel", [CpuKernel(), TorchKernel("cpu")])
@pytest.mark.parametrize(("narrow", "wide"), ACROSS)
def test_of_a_nan_only_a_nan_is_the_rounded_value(kernel, narrow, wide):
    """Not the infinity, nor the largest value, that anything too large becomes."""
    largest = FORMATS[narrow].overflow
    ends = [largest, -largest, FORMATS[narrow].largest, 0.0, 1.0]
    narrow_raw = encode([*ends, *[math.nan] * 5], narrow)
    wide_raw = encode([math.nan] * 10, wide)
    wide_raw[5 * TORCH[wide].itemsize :] |= encode([-0.0] * 5, wide)  # the NaN of the other sign
    for sides in [(narrow_raw, narrow, wide_raw, wide), (wide_raw, wide, narrow_raw, narrow)]:
        got = kernel.compare(chunk_of(*sides), False, None)[0]
        assert (got.changed, got.beyond, got.left_out) == (10, 5, 10)


@pytest.mark.parametrize("kernel", [CpuKernel(), TorchKernel("cpu")])
@pytest.mark.parametrize(("narrow", "wide"), ACROSS)
def test_what_is_explained_is_what_torch_casts(kernel, narrow, wide):
    """Any bits against any bits, and against the neighbours of the rounded value."""
    rng = np.random.default_rng(11)
    wide_raw = hard_values(rng, wide, 700)
    rounded = rounded_raw(wide_raw, wide, narrow)
    random = rng.integers(0, 256, rounded.size, np.uint8)
    extremes = encode([math.nan, math.inf, -math.inf, FORMATS[narrow].largest], narrow)
    extremes = np.resize(extremes, rounded.size)
    near = rounded.copy()
    near[:: TORCH[narrow].itemsize] ^= 1
    x = widen(wide_raw, wide)
    for narrow_raw in (rounded, random, extremes, near):
        y, cast = widen(narrow_raw, narrow), widen(rounded, narrow)
        explained = (y == cast) | (np.isnan(y) & np.isnan(cast)) | (y == x)
        if math.isfinite(FORMATS[narrow].overflow):  # larger values may saturate or be NaN
            saturated = np.isnan(y) | (y == np.copysign(FORMATS[narrow].largest, x))
            explained |= (np.abs(x) > FORMATS[narrow].largest) & saturated
        got = kernel.compare(chunk_of(narrow_raw, narrow, wide_raw, wide), False, None)[0]
        assert got.beyond == (~explained).sum()


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16", "I64", "I8"])
def test_sign_flips_need_both_values_and_opposite_signs(dtype):
    a = [1.0, -1.0, 0.0, -0.0, 0.0, 2.0, -3.0, 5.0] * 400
    b = [-1.0, 1.0, -1.0, 1.0, 0.0, 2.0, -1.0, 0.0] * 400
    got = summary_of(encode(a, dtype), dtype, encode(b, dtype), dtype)
    assert got.sign_flips == 800
    assert got.sign_flip_fraction == 0.25


@pytest.mark.parametrize(("dtype", "tiny"), [("F64", 5e-324), ("F32", 1e-45), ("F16", 6e-8)])
def test_signs_of_the_smallest_values_count(dtype, tiny):
    """Their product is zero in float64, or would be in float32."""
    got = summary_of(encode([tiny] * 9, dtype), dtype, encode([-tiny] * 9, dtype), dtype)
    assert got.sign_flips == 9


def test_a_value_that_is_not_finite_has_no_sign_to_flip():
    got = summary_of(
        encode([math.inf, -1.0, -1.0], "F32"), "F32", encode([-1.0, math.nan, 1.0], "F32"), "F32"
    )
    assert (got.sign_flips, got.compared) == (1, 1)


VALUES = st.one_of(st.floats(width=32), st.floats(-4, 4, width=32), st.sampled_from([0.0, -0.0]))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40),
    st.sampled_from([("BF16", "F32"), ("F32", "BF16"), ("F16", "F32"), ("F32", "F32")]),
    st.lists(st.integers(0, 40), max_size=5),
    st.randoms(),
)
def test_any_chunking_in_any_order_gives_the_whole(pairs, dtypes, cuts, random):
    a, b = ([pair[side] for pair in pairs] for side in (0, 1))
    keep = [i % 3 > 0 for i in range(len(pairs))]  # two thirds differ by rounding alone, if at all
    a = [y if kept else x for x, y, kept in zip(a, b, keep, strict=True)]
    bounds = sorted({0, len(pairs), *(min(cut, len(pairs)) for cut in cuts)})
    if len(bounds) == 1:
        bounds = [0, len(pairs)]

    def part(i, j):
        return summary_of(
            encode(a[i:j], dtypes[0]), dtypes[0], encode(b[i:j], dtypes[1]), dtypes[1]
        )

    parts = [part(i, j) for i, j in pairwise(bounds)]
    random.shuffle(parts)
    whole, merged = part(0, len(pairs)), Summary.merged([*parts, Summary()])
    assert_close(merged, whole)
    assert [getattr(merged, n) for n in COUNTS] == [getattr(whole, n) for n in COUNTS]
    assert whole.beyond <= whole.changed


def test_parts_of_both_kinds_merge():
    """A tensor in two dtypes and one in a single one: each explains its own part."""
    rng = np.random.default_rng(2)
    raw = random_raw(rng, "F32", 500)
    rounded = summary_of(rounded_raw(raw, "F32", "BF16"), "BF16", raw, "F32")
    moved = summary_of(random_raw(rng, "F32", 500), "F32", raw, "F32")
    both = rounded + moved
    assert (both.beyond, both.across) == (moved.changed, 500)
    assert both.sq_beyond == moved.sq_d
    assert both.explained == pytest.approx(rounded.sq_d / both.sq_d)
