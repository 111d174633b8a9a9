"""What factors give against what their product gives, on the shapes of a 7B model's LoRA.

    python benchmarks/adapters.py [norms] [spectra] [heat] [compare] [huge] [--rank 16] [--runs 5]

norms    L2 of every module: from the factors, against the norm of the product
spectra  all singular values that are not zero: from the factors, against those of the product by
         the means of `lamella diff --spectrum` (one module of each shape; minutes a run)
heat     pooled to 40 x 100 cells: from the factors, against the product's own cells
compare  two adapters, all modules: overlaps of subspaces, cosine, relative L2 (seconds, no ratio:
         the product of a 7B model twice is 104 GB in float64)
huge     a change of 400 GB from factors of 14 MB: seconds and memory, nothing to compare with

All of them by default. Factors are made up; every product is float64 and is made and dropped
module by module, so 1 GB of memory is enough. Medians, in turn, printed as ratios.
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from measure import machine, medians, own_peak, seconds_of

from inspect_core.adapters.exact.factor_heat import pooled
from inspect_core.adapters.exact.factor_spectrum import find_factor_spectrum, measure
from inspect_core.adapters.exact.low_rank import LowRank
from inspect_core.adapters.exact.norms import l2
from inspect_core.adapters.exact.overlap import overlap
from inspect_core.delta.heat import MatrixView

LAYERS = 32
SHAPES = {
    "q_proj": (4096, 4096), "k_proj": (4096, 4096), "v_proj": (4096, 4096),
    "o_proj": (4096, 4096), "gate_proj": (11008, 4096), "up_proj": (11008, 4096),
    "down_proj": (4096, 11008),
}  # fmt: skip
"""Weights of one layer of Llama-2-7B."""

GRID = (40, 100)
HUGE = 224_000
"""Rows and columns of a float64 matrix of 400 GB."""


def made(rank: int, rows: int, columns: int, seed: int = 0) -> LowRank:
    rng = np.random.default_rng(seed)
    return LowRank(rng.normal(size=(rows, rank)) / rank, rng.normal(size=(rank, columns)))


def layer(rank: int, seed: int = 0) -> list[LowRank]:
    return [made(rank, *shape, seed + at) for at, shape in enumerate(SHAPES.values())]


def product(factors: LowRank) -> np.ndarray:
    return factors.rows(0, factors.shape[0])


def told(label: str, ways: list[Callable[[], object]], runs: int, times: int = 1) -> None:
    """Print the medians of the factors' way and the product's, and their ratio."""
    ours, theirs = medians([partial(seconds_of, way) for way in ways], runs)
    ratio = theirs / ours
    print(
        f"  {label:34}  factors {times * ours:9.4f} s   product {times * theirs:9.3f} s   "
        f"{ratio:8.0f} x",
        flush=True,
    )


def norms_of(rank: int, runs: int) -> None:
    print(f"\nnorms: {LAYERS} layers of {len(SHAPES)} modules, rank {rank} (one layer, times 32)")
    one = layer(rank)

    def from_factors() -> list[float]:
        return [l2(factors) for factors in one]

    def from_products() -> list[float]:
        return [float(np.linalg.norm(product(factors))) for factors in one]

    np.testing.assert_allclose(from_factors(), from_products(), rtol=1e-12)
    told("L2 of 224 modules", [from_factors, from_products], runs, LAYERS)


def spectra_of(rank: int, runs: int) -> None:
    print(f"\nspectra: one module of each shape, rank {rank}")
    for rows, columns in dict.fromkeys(SHAPES.values()):
        factors = made(rank, rows, columns)

        def from_factors(factors: LowRank = factors) -> np.ndarray:
            return find_factor_spectrum(factors).values

        def from_product(factors: LowRank = factors) -> np.ndarray:
            return randomised(product(factors))

        np.testing.assert_allclose(from_factors(), from_product()[:rank], rtol=1e-6)
        told(f"{rows} x {columns}", [from_factors, from_product], runs)


def randomised(matrix: np.ndarray) -> np.ndarray:
    """The largest singular values as `lamella diff --spectrum` finds them for a large matrix."""
    from inspect_core.checkpoint.tensor_info import TensorInfo
    from inspect_core.control import Control
    from inspect_core.delta.spectrum import find_spectrum
    from inspect_core.pairing import Pair

    class Held:
        raw = matrix.reshape(-1).view(np.uint8)

        def read_into(self, tensor: TensorInfo, offset: int, buffer: memoryview) -> None:
            buffer[:] = self.raw[offset : offset + buffer.nbytes].data

    tensor = TensorInfo("w", "F64", matrix.shape, 0, 0, matrix.nbytes)
    view = MatrixView.of(matrix.shape)
    return find_spectrum(Held(), Held(), Pair(tensor), view, Control()).values


def heat_of(rank: int, runs: int) -> None:
    print(f"\nheat: {GRID[0]} x {GRID[1]} cells, rank {rank}")
    for rows, columns in dict.fromkeys(SHAPES.values()):
        factors, view = made(rank, rows, columns), MatrixView(rows, columns)
        down, across = (
            -(-np.arange(n) * size // n) for n, size in zip(GRID, (rows, columns), strict=True)
        )

        def from_factors(factors: LowRank = factors, view: MatrixView = view) -> np.ndarray:
            return pooled(factors, view, GRID).cells[0]

        def from_product(
            factors: LowRank = factors, down: np.ndarray = down, across: np.ndarray = across
        ) -> np.ndarray:
            return np.add.reduceat(np.add.reduceat(product(factors), down), across, axis=1)

        np.testing.assert_allclose(from_factors(), from_product(), atol=1e-8)
        told(f"{rows} x {columns}", [from_factors, from_product], runs)


def compare(rank: int, runs: int) -> None:
    print(f"\ncompare: two adapters of rank {rank} on {LAYERS * len(SHAPES)} modules")
    pairs = list(zip(layer(rank), layer(rank, 100), strict=True))

    def all_of_them() -> None:
        for one, other in pairs:
            overlap(one, other)

    (seconds,) = medians([partial(seconds_of, all_of_them)], runs)
    print(f"  overlaps, cosine, relative L2       {LAYERS * seconds:9.3f} s")


def huge(rank: int, runs: int) -> None:
    factors = made(rank, HUGE, HUGE)
    view = MatrixView(HUGE, HUGE)
    kept = (factors.a.nbytes + factors.b.nbytes) / 1e6
    print(f"\nhuge: a change of {8 * HUGE * HUGE / 1e9:.0f} GB from factors of {kept:.0f} MB")
    before = own_peak()
    ways = {
        "L2": partial(l2, factors),
        "spectrum": partial(find_factor_spectrum, factors),
        "norm, ranks, largest value": partial(measure, factors),
        "pooled": partial(pooled, factors, view, GRID),
    }
    taken = medians([partial(seconds_of, way) for way in ways.values()], runs)
    for label, seconds in zip(ways, taken, strict=True):
        print(f"  {label:34}  {seconds:9.4f} s")
    print(f"  {'memory beyond the factors':34}  {own_peak() - before:9.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {
        "huge": huge, "norms": norms_of, "heat": heat_of, "compare": compare,
        "spectra": spectra_of,
    }  # fmt: skip
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(parts):
        parser.error(f"no such part: {', '.join(unknown)}")
    print(machine())
    for name, part in parts.items():
        if name in asked.parts or not asked.parts:
            part(asked.rank, asked.runs)


if __name__ == "__main__":
    main()
