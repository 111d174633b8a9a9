"""One small pass ahead of all others: what each module gives, how often, and which is the last.

Its texts have a length that is told from their number, so that a layout is never a guess.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from inspect_core.capture.batch import Batch
from inspect_core.capture.calling import Caller, Enough
from inspect_core.capture.hooks import hooked
from inspect_core.capture.layouts import Extent, Layout, find_layout
from inspect_core.capture.running import RunningModel

ROWS, POSITIONS = 3, 13
"""Texts and tokens of the pass: neither is usual as a number of heads or units."""

PADDING = 4
"""Tokens of padding behind them, to see that they change nothing."""

SAME = {torch.float32: 1e-4, torch.float64: 1e-4}
"""By how much of the largest value padding may change one; noise is a hundredth of that."""

_SAME_IN_16_BITS = 0.05

Call = tuple[str, int]
"""A module's path, and which of its calls in a pass."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a pass will give.

    Attributes:
        layouts: for each call that gives values of tokens, where they are.
        calls: how often each module is called.
        skipped: modules that give nothing of that kind, and why; the reasons are safe.
        last: the call behind which nothing is wanted any more; None where that is not sure.
    """

    layouts: Mapping[Call, Layout]
    calls: Mapping[str, int]
    skipped: Mapping[str, str]
    last: Call | None


@dataclass(eq=False, slots=True)
class _Seen:
    order: list[Call] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    found: dict[Call, Layout | str] = field(default_factory=dict)
    values: dict[Call, torch.Tensor] = field(default_factory=dict)


def probe(
    model: RunningModel,
    caller: Caller,
    modules: Mapping[str, torch.nn.Module],
    batch: Batch,
    inputs: bool,
) -> Probe:
    """Run a model over some tokens of a batch.

    Args:
        model: the model.
        caller: calls it; learns here whether positions come first.
        modules: what is asked for, by path in the tree.
        batch: texts whose tokens are taken.
        inputs: whether what the modules read is asked for.

    Raises:
        LamellaError: the pass fails.
    """
    ids = _ids(batch, min(POSITIONS, model.most_tokens))
    seen = _look(model, caller, modules, ids, inputs)
    untold = {path: calls for path, calls in seen.calls.items() if path in modules}
    layouts = {call: one for call, one in seen.found.items() if isinstance(one, Layout)}
    skipped: dict[str, str] = {}
    for path in modules:
        if path not in untold:
            skipped[path] = "it is not called when the model reads text"
        elif not any((path, at) in layouts for at in range(untold[path])):
            skipped[path] = str(seen.found[path, 0])
    order = [call for call in seen.order if call in layouts]
    # A module that did not run now may run later, behind the others.
    sure = order and all(path in untold for path in modules)
    last = order[-1] if sure else None
    if order and not caller.splits and ids.shape[1] + PADDING <= model.most_tokens:
        caller.splits = _padding_tells(caller, modules, ids, inputs, seen, last)
    return Probe(layouts, untold, skipped, last)


def _look(
    model: RunningModel,
    caller: Caller,
    modules: Mapping[str, torch.nn.Module],
    ids: NDArray[np.int64],
    inputs: bool,
) -> _Seen:
    rows, positions = ids.shape
    seen = _Seen()
    wrong_way: list[str] = []

    def see(path: str, value: object) -> None:
        at = seen.calls.get(path, 0)
        seen.calls[path] = at + 1
        seen.order.append((path, at))
        extent = caller.extent(rows, positions)
        seen.found[path, at] = layout = find_layout(value, extent)
        if isinstance(layout, Layout) and (values := layout.take(value, extent)) is not None:
            seen.values[path, at] = values.clone()

    def see_rnn(path: str, value: object) -> None:
        if _runs_along_rows(value, caller.extent(rows, positions)):
            wrong_way.append(path)

    with hooked(modules, see, inputs), hooked(_time_first(model), see_rnn, inputs=True):
        caller.call(ids, np.ones(ids.shape, np.bool_))
    if wrong_way and not caller.time_first and caller.splits:
        caller.time_first = True
        return _look(model, caller, modules, ids, inputs)
    return seen


def _padding_tells(
    caller: Caller,
    modules: Mapping[str, torch.nn.Module],
    ids: NDArray[np.int64],
    inputs: bool,
    seen: _Seen,
    last: Call | None,
) -> bool:
    """Whether padding changes values of tokens, mask or not: convolutions may read it."""
    rows, positions = ids.shape
    padded = np.pad(ids, ((0, 0), (0, PADDING)))
    attended = np.pad(np.ones(ids.shape, np.bool_), ((0, 0), (0, PADDING)))
    calls: dict[str, int] = {}
    worst = 0.0

    def see(path: str, value: object) -> None:
        nonlocal worst
        call = (path, calls.get(path, 0))
        calls[path] = call[1] + 1
        layout, before = seen.found.get(call), seen.values.get(call)
        if not isinstance(layout, Layout) or before is None:
            return
        values = layout.take(value, caller.extent(rows, positions + PADDING))
        if values is not None and values.shape[2] == before.shape[2]:
            apart = (values[:, : before.shape[1]] - before).abs().max()
            size = before.abs().max().clamp(min=1e-30) * SAME.get(before.dtype, _SAME_IN_16_BITS)
            worst = max(worst, float(apart / size))
        if call == last:
            raise Enough

    with hooked(modules, see, inputs), suppress(Enough):
        caller.call(padded, attended)
    return worst > 1


def _ids(batch: Batch, positions: int) -> NDArray[np.int64]:
    """Tokens of a batch, as often as it takes."""
    found: NDArray[np.int64] = np.resize(batch.ids[batch.attended], (ROWS, positions))
    return found


def _time_first(model: RunningModel) -> dict[str, torch.nn.Module]:
    return {
        path: one
        for path, one in model.modules.items()
        if isinstance(one, torch.nn.RNNBase) and not one.batch_first
    }


def _runs_along_rows(value: object, extent: Extent) -> bool:
    """Whether an RNN that takes positions first was given rows first."""
    args, _ = value if isinstance(value, tuple) else ((), {})
    given = args[0] if args else None
    return isinstance(given, torch.Tensor) and given.shape[:2] == (extent.rows, extent.positions)
