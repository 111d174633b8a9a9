"""Bytes that are made when they are asked for: any range, any thread, the same bytes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.adapters.effect import changes, computed, factors
from inspect_core.adapters.effect.changes import Add, Dora, Experts, Hadamard, Reordered
from inspect_core.adapters.effect.computed import Computed, ComputedSource
from inspect_core.adapters.exact.low_rank import Kronecker, LowRank
from inspect_core.adapters.overlay import Target

RNG = np.random.default_rng(5)
SHAPES = [(7, 5), (0, 4), (3, 2, 2), (1, 9), (6,)]


class Shelf:
    """Changes by the targets' modules."""

    def __init__(self, made: dict[str, Add]) -> None:
        self._made = made

    def change(self, target: Target) -> Add:
        return self._made[target.module]


def source_of() -> tuple[ComputedSource, bytes]:
    weights, made, whole, start = [], {}, [], 0
    for number, shape in enumerate(SHAPES):
        rows, columns = shape[0], int(np.prod(shape[1:]))
        product = LowRank(RNG.normal(size=(rows, 2)), RNG.normal(size=(2, columns)))
        target = Target(0, str(number), "", "LoRA", {}, shape)
        made[target.module] = Add(product)
        weights.append(Computed(start, shape, (target,), None))
        whole.append((product.b @ product.a).tobytes())
        start += 8 * rows * columns
    return ComputedSource(weights, Shelf(made), "made"), b"".join(whole)  # type: ignore[arg-type]


SOURCE, WHOLE = source_of()


def values(raw: bytes) -> object:
    return np.frombuffer(raw, np.float64)


@given(st.data())
@settings(deadline=None)
def test_any_range_is_a_part_of_the_whole(data) -> None:
    start = data.draw(st.integers(0, len(WHOLE)))
    stop = data.draw(st.integers(start, len(WHOLE)))
    all_of_it = bytearray(len(WHOLE))
    SOURCE.read_into(0, memoryview(all_of_it))
    part = bytearray(stop - start)
    SOURCE.read_into(start, memoryview(part))
    # A product of fewer rows may round otherwise: equal but for the last bits.
    wide = slice(start // 8 * 8, -(-stop // 8) * 8)
    mixed = bytearray(all_of_it)
    mixed[start:stop] = part
    assert np.allclose(values(mixed[wide]), values(all_of_it[wide]), rtol=1e-12, atol=1e-14)
    assert np.allclose(values(all_of_it), values(WHOLE), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("block", [1, 7, 1 << 18])
def test_blocks_make_no_difference(monkeypatch, block) -> None:
    monkeypatch.setattr(computed, "BLOCK_VALUES", block)
    got = bytearray(len(WHOLE))
    SOURCE.read_into(0, memoryview(got))
    assert np.allclose(values(got), values(WHOLE), rtol=1e-12, atol=1e-14)


def test_many_threads_read_the_same() -> None:
    def read(number: int) -> bytes:
        got = bytearray(8 * (1 + number % 5))
        SOURCE.read_into(8 * (number % 7), memoryview(got))
        return bytes(got)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(200))) == [read(number) for number in range(200)]


def dense(product: object, rows: int) -> object:
    return product.rows(0, rows)  # type: ignore[attr-defined]


@given(st.integers(0, 12), st.integers(0, 12))
def test_products_by_rows(first, count) -> None:
    rng = np.random.default_rng(first)
    left, right = rng.normal(size=(3, 2)), rng.normal(size=(4, 5))
    kron = Kronecker(left, right)
    stacked = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 2, 5))
    experts = Experts(*stacked)
    halves = [LowRank(rng.normal(size=(12, 2)), rng.normal(size=(2, 10))) for _ in range(2)]
    hadamard = Hadamard(*halves)
    combined = hadamard.combined()
    assert combined is not None and combined.b.shape == (12, 4)
    wanted = {
        kron: np.kron(left, right),
        experts: (stacked[0] @ stacked[1]).reshape(12, 5),
        hadamard: (halves[0].b @ halves[0].a) * (halves[1].b @ halves[1].a),
        combined: (halves[0].b @ halves[0].a) * (halves[1].b @ halves[1].a),
    }
    last = min(12, first + count)
    for product, whole in wanted.items():
        assert np.allclose(product.rows(min(first, last), last), whole[min(first, last) : last])


def test_a_kronecker_product_of_a_convolution_in_one_dimension() -> None:
    import torch

    left, right = RNG.normal(size=(2, 3)), RNG.normal(size=(4, 2, 5))
    wanted = torch.kron(torch.from_numpy(left), torch.from_numpy(right)).numpy().reshape(8, -1)
    made = Reordered(left, right, wanted.shape[1])
    assert np.allclose(made.rows(0, 8), wanted) and np.allclose(made.rows(3, 5), wanted[3:5])


def test_norms_of_columns_take_one_pass(monkeypatch) -> None:
    monkeypatch.setattr(changes, "BLOCK_VALUES", 8)
    base = RNG.normal(size=(9, 4))
    product = LowRank(RNG.normal(size=(9, 2)), RNG.normal(size=(2, 4)))
    asked = []

    def rest(first: int, last: int) -> object:
        asked.append((first, last))
        return base[first:last]

    change = Dora(product, np.arange(1.0, 5.0), True, (9, 4))
    got = [change.apply(base[at : at + 3].copy(), base[at : at + 3], rest, at) for at in (0, 3, 6)]
    full = base + product.b @ product.a
    assert np.allclose(np.vstack(got), np.arange(1.0, 5.0) / np.linalg.norm(full, axis=0) * full)
    assert asked == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 9)]


def test_the_shelf_keeps_what_fits(monkeypatch) -> None:
    from types import SimpleNamespace

    read = []

    def change_of(target: Target, read_part: object) -> Add:
        read.append(target.module)
        return Add(LowRank(np.zeros((1, 1)), np.zeros((1, 1))))

    monkeypatch.setattr(factors, "change_of", change_of)
    monkeypatch.setattr(factors, "MOST_KEPT_BYTES", 16 * 250)
    parts = {"A": SimpleNamespace(numel=100)}
    targets = [Target(0, name, "", "LoRA", parts, ()) for name in "abc"]  # type: ignore[arg-type]
    shelf = factors.FactorShelf([None])  # type: ignore[list-item]
    first = shelf.change(targets[0])
    assert shelf.change(targets[0]) is first
    for target in (targets[1], targets[0], targets[2], targets[0], targets[1]):
        shelf.change(target)
    assert read == ["a", "b", "c", "b"]
