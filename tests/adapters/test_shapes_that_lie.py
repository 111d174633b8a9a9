"""Parts of any shapes on a base of any shape: a note, or values that can be read; never a fall."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_core.adapters.effect.computed import Computed, ComputedSource
from inspect_core.adapters.effect.factors import FactorShelf, change_of
from inspect_core.adapters.effect.values import read_shaped
from inspect_core.adapters.finding.groups import Group
from inspect_core.adapters.finding.part_names import PARTS
from inspect_core.adapters.finding.targets import target_of
from inspect_core.checkpoint.adapter_config import AdapterConfig
from inspect_core.checkpoint.byte_source import Stamp
from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo

ROLES: dict[str, list[str]] = {}
for method, role in PARTS.values():
    ROLES.setdefault(method, []).append(role)

TOKENS = 2

sizes = st.sampled_from([0, 1, 2, 2, 2, 2, 3])
shapes = st.lists(sizes, max_size=4).map(tuple)
matrices = st.tuples(sizes, sizes)


class Ones:
    """A file of ones, of any size."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        values = buffer.cast("B").cast("d")
        for at in range(len(values)):
            values[at] = 1.0

    def check_unchanged(self) -> None: ...

    def close(self) -> None: ...

    path = None
    stamp: Stamp | None = None


def tensor(name: str, shape: tuple[int, ...]) -> TensorInfo:
    return TensorInfo(name, "F64", shape, 0, 0, 8 * math.prod(shape))


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, dict[str, TensorInfo], tuple[int, ...]]:
    """Parts that fit a base, but for some of them."""
    method = draw(st.sampled_from(sorted(ROLES)))
    out, into, rank = (draw(st.integers(1, 3)) for _ in range(3))
    fitting: dict[str, tuple[int, ...]] = {
        "A": (rank, into), "B": (out, rank), "magnitude": (out,), "E": (rank, 1), "ranknum": (),
        "scale": draw(st.sampled_from([(1, into), (out, 1)])), "rows": (TOKENS, into),
        "w1_a": (out, rank), "w1_b": (rank, into), "w2_a": (out, rank), "w2_b": (rank, into),
        "t1": (rank, rank, 1, 1), "t2": (rank, rank, 1, 1), "w1": (1, 1), "w2": (out, into),
    }  # fmt: skip
    needed = {"LoRA": {"A", "B"}, "LoKr": {"w1", "w2"}}
    roles = set(ROLES[method])
    some = needed.get(method, {r for r in roles if r[0] != "t"})
    some |= draw(st.sets(st.sampled_from(sorted(roles)), max_size=2))
    lying = draw(st.integers(0, 3)) == 0
    parts = {
        role: tensor(role, draw(shapes) if lying and draw(st.booleans()) else fitting[role])
        for role in sorted(some)
    }
    base = draw(shapes | matrices) if draw(st.integers(0, 3)) == 0 else (out, into)
    return method, parts, base


@settings(max_examples=300, deadline=None)
@given(cases(), st.booleans(), st.booleans(), st.sampled_from([None, True, False]), st.booleans())
def test_any_shapes(case, alone, embedding, conv1d, turned) -> None:
    method, parts, shape = case
    config = AdapterConfig(
        rank=2, alpha=4.0, fan_in_fan_out=turned, token_indices={"": tuple(range(TOKENS))}
    )
    base = None if alone else tensor("w", shape)
    file = Checkpoint("", "", None, (Ones(),), {}, {}, None, ())  # type: ignore[arg-type]
    target = target_of(
        Group(0, "m", method, parts, embedding, conv1d), config, "m", "m.w", base, alone
    )
    assert alone or target.shape == shape or target.note
    if target.note:
        return
    change_of(target, lambda info: read_shaped(file, info))
    numel = math.prod(target.shape)
    under = None if base is None else (file, base)
    weight = Computed(0, target.shape, (target,), under)
    buffer = bytearray(8 * numel)
    ComputedSource([weight], FactorShelf([file]), "made").read_into(0, memoryview(buffer))
