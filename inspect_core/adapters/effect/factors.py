"""The values of adapters: read when they are first needed, and kept while there is room."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from math import prod
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from inspect_core.adapters.effect.changes import (
    Add,
    Change,
    Dora,
    Experts,
    Hadamard,
    Matrix,
    Product,
    Reordered,
    Replace,
    Scale,
)
from inspect_core.adapters.effect.values import read_shaped
from inspect_core.adapters.exact.low_rank import Factors, Kronecker, LowRank
from inspect_core.adapters.finding.part_names import IA3, LOHA, LOKR, SAVED, TOKENS
from inspect_core.adapters.finding.targets import DORA
from inspect_core.adapters.overlay import Overlay, Target
from inspect_core.checkpoint.checkpoint import Checkpoint
from inspect_core.checkpoint.tensor_info import TensorInfo

MOST_KEPT_BYTES = 256 << 20
"""Factors that stay in memory: those of some hundred modules of a large model."""


MOST_STACKS = 4
"""Factors of all experts of a layer that stay in memory as they are stored."""


class FactorShelf:
    """The changes that an overlay's adapters make; safe to use from many threads.

    Args:
        adapters: their files, in order.
    """

    def __init__(self, adapters: Sequence[Checkpoint]) -> None:
        self._adapters = list(adapters)
        self._lock = Lock()
        self._kept: OrderedDict[int, tuple[Target, Change, int]] = OrderedDict()
        self._bytes = 0
        self._stacks: OrderedDict[tuple[int, str], Matrix] = OrderedDict()

    def change(self, target: Target) -> Change:
        """What a target without a note does to its weight.

        Raises:
            CheckpointError: the adapter's file cannot be read, or changed.
        """
        with self._lock:
            kept = self._kept.get(id(target))
            if kept is not None:
                self._kept.move_to_end(id(target))
                return kept[1]
        made, size = self._made(target)
        with self._lock:
            # The first of two threads at once wins: a DoRA change keeps norms of its own.
            _, first, _ = self._kept.setdefault(id(target), (target, made, size))
            if first is made:
                self._bytes += size
            while self._bytes > MOST_KEPT_BYTES and len(self._kept) > 1:
                _, (_, _, gone) = self._kept.popitem(last=False)
                self._bytes -= gone
            return first

    def _made(self, target: Target) -> tuple[Change, int]:
        """A change, and about how many bytes it takes."""
        adapter = self._adapters[target.adapter]
        size = 16 * sum(info.numel for info in target.parts.values())
        if target.expert is None:
            return change_of(target, lambda info: read_shaped(adapter, info)), size

        def read(info: TensorInfo) -> Matrix:
            # All experts of a layer are made of the same two tensors, one after the other.
            key = (target.adapter, info.name)
            with self._lock:
                if key in self._stacks:
                    return self._stacks[key]
            made = read_shaped(adapter, info)
            with self._lock:
                self._stacks[key] = made
                while len(self._stacks) > MOST_STACKS:
                    self._stacks.popitem(last=False)
            return made

        return change_of(target, read), size // target.expert.experts


_shelves: "WeakKeyDictionary[Overlay, FactorShelf]" = WeakKeyDictionary()
_shelves_lock = Lock()


def shelf_of(overlay: Overlay) -> FactorShelf:
    """The one shelf of an overlay."""
    with _shelves_lock:
        shelf = _shelves.get(overlay)
        if shelf is None:
            shelf = FactorShelf([side.checkpoint for side in overlay.adapters])
            _shelves[overlay] = shelf
        return shelf


def keep_shelf(overlay: Overlay, shelf: FactorShelf) -> None:
    """Make a shelf that of an overlay: what reads weights and what asks for factors share it."""
    with _shelves_lock:
        _shelves[overlay] = shelf


def factors_of(checkpoint: Checkpoint, target: Target) -> Factors | None:
    """The change of a target's weight in factors, as a matrix `(first dimension, all the rest)`.

    None where it is no sum `W + factors` (DoRA, IA3, what is saved whole, tokens), where it is
    not of so small a rank (LoHa of a large one, all experts in one tensor), or where nothing is
    computed for the target (`Target.note`).

    Raises:
        CheckpointError: the adapter's file cannot be read, or changed.
    """
    if checkpoint.overlay is None or target.note or target.method == SAVED:
        return None
    change = shelf_of(checkpoint.overlay).change(target)
    return change.factors if isinstance(change, Add) else None


def change_of(target: Target, read: Callable[[TensorInfo], Matrix]) -> Change:
    """Put a target's parts together.

    Args:
        target: one without a note, and not saved whole.
        read: gives the values of a part in its shape; they are not written to.
    """
    parts = {role: read(info) for role, info in target.parts.items()}
    if target.method == IA3:
        by = parts["scale"].reshape(-1)
        # One scale for each channel that comes in, which has a column for each place of a kernel.
        width = prod(target.shape[2:]) if target.transposed else 1
        return Scale(np.repeat(by, width), target.transposed)
    if target.method == TOKENS:
        return _tokens(target, parts["rows"])
    rows = target.shape[0] if target.shape else 1
    product = _product(target, parts)
    if target.method != DORA:
        return Add(product)
    shape = (rows, prod(target.shape[1:]))
    return Dora(product, parts["magnitude"].reshape(-1), target.transposed, shape)


def _product(target: Target, parts: Mapping[str, Matrix]) -> Product:
    scaling = target.scaling
    assert scaling is not None
    if target.method == LOHA:
        return _loha(parts, scaling)
    if target.method == LOKR:
        return _lokr(parts, scaling, prod(target.shape[1:]))
    if "bias" in parts:
        return LowRank(scaling * parts["bias"].reshape(-1, 1), np.ones((1, 1)))
    a, b = parts["A"], parts["B"]
    if "E" in parts:
        a = a * parts["E"].reshape(-1, 1)
    if target.expert is not None:
        expert, experts, first, last = target.expert
        b = b.reshape(b.shape[0], -1, experts)[first:last, :, expert]
        a = a.reshape(experts, -1, a.shape[1])[expert]
        return LowRank(np.ascontiguousarray(scaling * b), np.ascontiguousarray(a))
    if is_of_experts(target):
        return _experts(a, scaling * b, target)
    b, a = scaling * b.reshape(b.shape[0], -1), a.reshape(a.shape[0], -1)
    return (
        LowRank(np.ascontiguousarray(a.T), np.ascontiguousarray(b.T))
        if target.transposed
        else (LowRank(b, a))
    )


def is_of_experts(target: Target) -> bool:
    """Whether a target is all experts in one tensor, `(experts, rows, columns)`."""
    factor = target.parts.get("A")
    return len(target.shape) == 3 and factor is not None and len(factor.shape) == 2


def _experts(a: Matrix, b: Matrix, target: Target) -> Experts:
    """PEFT stacks the experts' ranks in blocks in A, and interleaves them in B."""
    experts = target.shape[0]
    right = a.reshape(experts, -1, a.shape[1])
    left = b.reshape(b.shape[0], -1, experts).transpose(2, 0, 1)
    if target.transposed:
        left, right = right.transpose(0, 2, 1), left.transpose(0, 2, 1)
    return Experts(np.ascontiguousarray(left), np.ascontiguousarray(right))


def _loha(parts: Mapping[str, Matrix], scaling: float) -> Hadamard:
    halves = []
    scaling = float(np.float32(scaling))  # PEFT holds LoHa's scale in a float32 tensor
    for k, scale in (("1", scaling), ("2", 1.0)):
        a, b = parts[f"w{k}_a"], parts[f"w{k}_b"]
        kernel = parts.get(f"t{k}")
        if kernel is not None:
            b = np.einsum("ijkl,jr->irkl", kernel, b).reshape(len(kernel), -1)
            a = np.ascontiguousarray(a.T)
        halves.append(LowRank(scale * a, b))
    return Hadamard(*halves)


def _lokr(parts: Mapping[str, Matrix], scaling: float, columns: int) -> Product:
    left = parts["w1"] if "w1" in parts else parts["w1_a"] @ parts["w1_b"]
    if "w2" in parts:
        right = parts["w2"]
    elif "t2" in parts:
        right = np.einsum("ijkl,ip,jr->prkl", parts["t2"], parts["w2_a"], parts["w2_b"])
    else:
        right = parts["w2_a"] @ parts["w2_b"]
    if right.ndim == 3:
        return Reordered(scaling * left, right, columns)
    return Kronecker(scaling * left, right.reshape(right.shape[0], -1))


def _tokens(target: Target, rows: Matrix) -> Replace:
    # Of a row that is named twice the last one counts, as in PEFT.
    last = {row: at for at, row in enumerate(target.tokens)}
    at = np.array(sorted(last), np.int64)
    return Replace(at, rows[[last[row] for row in at.tolist()]])
