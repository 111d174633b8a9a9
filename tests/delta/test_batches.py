"""Many small tensors at once are what each of them is alone."""

import numpy as np
import pytest
import torch
from delta_made import Held, encode, tensor
from safetensors.torch import save_file

from inspect_core.checkpoint import Checkpoint, open_checkpoint
from inspect_core.control import Control
from inspect_core.delta.batches import FEWEST, compare_batch
from inspect_core.delta.compare import Comparer
from inspect_core.delta.kernel import CpuKernel
from inspect_core.delta.values import ValueReader
from inspect_core.pairing import Pair

TORCH = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


def made(dtype, count=FEWEST + 30):
    """Two sides of small tensors of many sizes, some empty, some not finite; and their pairs."""
    rng = np.random.default_rng(count)
    sides, infos = (Held({}), Held({})), []
    for number in range(count):
        name, numel = f"t{number}", int(rng.integers(0, 60)) * (number % 7 > 0)
        b = rng.normal(size=numel)
        a = b + rng.choice([0.0, 1e-2, -3.0]) * rng.normal(size=numel)
        if numel and number % 11 == 0:
            (a, b)[number % 2][rng.integers(numel)] = rng.choice([np.nan, np.inf])
        for side, values in zip(sides, (a, b), strict=True):
            side.tensors[name] = encode(values, dtype)
        infos.append(tensor(name, dtype, (numel,)))
    return sides, [Pair(info, info) for info in infos]


def together(sides, pairs):
    return compare_batch(CpuKernel(), (ValueReader(), ValueReader()), sides, pairs)


def swept(sides, pairs, threads=1):
    return [s for _, s in Comparer(CpuKernel(), threads).summaries(*sides, pairs, Control())]


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
def test_each_is_exactly_what_it_is_alone(dtype):
    sides, pairs = made(dtype)
    alone = [swept(sides, [pair])[0] for pair in pairs]
    assert together(sides, pairs) == alone
    assert swept(sides, pairs, 2) == alone
    assert sum(summary.left_out for summary in alone) > 3
    assert any(summary.numel == 0 for summary in alone)


def test_few_and_mixed_ones_are_left_to_others():
    sides, pairs = made("F32")
    assert together(sides, pairs[: FEWEST - 1]) is None
    assert together(sides, [*pairs, Pair(pairs[0].model)]) is None
    halves, others = made("BF16")
    assert together(sides, [*pairs, others[0]]) is None
    assert together(halves, [Pair(tensor("w", "I8", (4,)), tensor("w", "I8", (4,)))] * 99) is None


def saved(folder, values, dtype):
    save_file({name: value.to(TORCH[dtype]) for name, value in values.items()}, folder)
    return open_checkpoint(folder)


@pytest.mark.parametrize("order", ["in order", "mixed", "with gaps"])
def test_neighbours_in_a_file_are_read_in_one_go(tmp_path, order, monkeypatch):
    torch.manual_seed(0)
    values = {f"t{n:03}": torch.randn(n % 13 + 1, 3) for n in range(100)}
    model = saved(tmp_path / "model.safetensors", values, "BF16")
    other = {name: value + 0.01 for name, value in values.items()}
    reference = saved(tmp_path / "base.safetensors", other, "BF16")
    names = sorted(values, key=lambda name: model.tensors[name].start)
    if order == "mixed":
        np.random.default_rng(0).shuffle(names)
    if order == "with gaps":
        names = [name for number, name in enumerate(names) if number % 10]
    pairs = [Pair(model.tensors[name], reference.tensors[name]) for name in names]
    alone = [swept((model, reference), [pair])[0] for pair in pairs]
    reads = []
    real = Checkpoint.read_into

    def counted(self, info, offset, buffer):
        reads.append(len(buffer))
        real(self, info, offset, buffer)

    monkeypatch.setattr(Checkpoint, "read_into", counted)
    assert together((model, reference), pairs) == alone
    assert sum(reads) == sum(pair.nbytes for pair in pairs)
    assert len(reads) <= {"in order": 2, "mixed": 200, "with gaps": 22}[order]


def test_strided_tensors_and_views_are_read_as_they_are(tmp_path):
    """PyTorch's views among plain tensors: nothing of what lies between is taken for them."""
    base = torch.arange(400.0).reshape(20, 20)
    state = {f"w{n}": torch.full((5,), float(n)) for n in range(FEWEST)}
    state |= {"turned": base.T, "part": base[:, 3:5], "last": torch.ones(3)}
    path = tmp_path / "model.pt"
    torch.save(state, path)
    checkpoint = open_checkpoint(path)
    raw = ValueReader().read_all(checkpoint, list(checkpoint.tensors.values()))
    expected = torch.cat([state[name].reshape(-1) for name in checkpoint.tensors])
    assert np.array_equal(raw.view(np.float32), expected.numpy())
