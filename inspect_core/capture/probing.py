"""Small passes ahead of all others: what each module gives, how often, and which is the last.

Their texts have a length that is told from their number, and a second pass proves which token a
value is of, so that a layout is never a guess. Mostly it takes three: a look, the proof, and one
with padding; two more where the proof fails, and as many again where positions may come first.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence

from inspect_core.capture.batch import Batch
from inspect_core.capture.calling import Caller, Enough
from inspect_core.capture.hooks import hooked
from inspect_core.capture.layouts import Extent, Layout, find_layout
from inspect_core.capture.ordering import OWN_ORDER, Ids, Order, find_order
from inspect_core.capture.running import RunningModel
from inspect_core.capture.untrained import refuse_random
from inspect_core.errors import LamellaError
from inspect_core.text import clean

ROWS = 3
POSITIONS = (13, 11, 7, 5)
"""Texts of the pass, and tokens, of what a model takes the most: none is usual as a number of
heads or units."""

PADDING = 4
"""Tokens of padding behind them, to see that they change nothing; fewer in models of few."""

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
        notes: what is good to know, safe to show.
    """

    layouts: Mapping[Call, Layout]
    calls: Mapping[str, int]
    skipped: Mapping[str, str]
    last: Call | None
    notes: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class _Seen:
    order: list[Call] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    found: dict[Call, Layout | str] = field(default_factory=dict)
    values: dict[Call, torch.Tensor] = field(default_factory=dict)

    def layouts(self) -> dict[Call, Layout]:
        return {call: one for call, one in self.found.items() if isinstance(one, Layout)}

    def last(self, modules: Mapping[str, torch.nn.Module]) -> Call | None:
        order = [call for call in self.order if isinstance(self.found[call], Layout)]
        # A module that did not run now may run later, behind the others.
        return order[-1] if order and all(path in self.calls for path in modules) else None


def probe(
    model: RunningModel,
    caller: Caller,
    modules: Mapping[str, torch.nn.Module],
    batch: Batch,
    inputs: bool,
    whole_texts: bool = False,
) -> Probe:
    """Run a model over some tokens of a batch.

    Args:
        model: the model.
        caller: calls it; learns here whether positions come first.
        modules: what is asked for, by path in the tree.
        batch: texts whose tokens are taken.
        inputs: whether what the modules read is asked for.
        whole_texts: whether one result a text will do.

    Raises:
        UsageError: what is asked for comes from weights that no file has.
        LamellaError: the pass fails.
    """
    ids = _ids(batch, _positions(model.most_tokens))
    look = partial(_look, model, caller, modules, ids, inputs, whole_texts)
    pass_over = partial(_once_more, caller, modules, inputs)
    seen, unsteady = _in_order(caller, look, pass_over, modules, ids, _usual(batch))
    untold = {path: calls for path, calls in seen.calls.items() if path in modules}
    layouts = seen.layouts()
    skipped: dict[str, str] = {}
    for path in modules:
        if path not in untold:
            skipped[path] = "it is not called when the model reads text"
        elif not any((path, at) in layouts for at in range(untold[path])):
            skipped[path] = str(seen.found[path, 0])
    order = [call for call in seen.order if call in layouts]
    last = seen.last(modules)
    refuse_random(model, order, seen.values, partial(pass_over, seen, last, ids))
    if order and not caller.splits:
        padding = min(PADDING, model.most_tokens - ids.shape[1])
        caller.splits = padding < 1 or _padding_tells(
            caller, modules, ids, padding, inputs, seen, last
        )
    return Probe(layouts, untold, skipped, last, _notes(unsteady))


def _in_order(
    caller: Caller,
    look: Callable[[], _Seen],
    pass_over: Callable[[_Seen, Call | None, Ids], Mapping[Call, torch.Tensor]],
    modules: Mapping[str, torch.nn.Module],
    ids: Ids,
    usual: Ids,
) -> tuple[_Seen, frozenset[Call]]:
    """What modules give with positions first or second, as is right, and what is not steady."""

    def judged(seen: _Seen) -> Order:
        again = partial(pass_over, seen, seen.last(modules))
        return find_order(seen.layouts(), seen.values, ids, usual, caller.time_first, again)

    seen = look()
    order = judged(seen)
    if order.wrong and caller.splits and not caller.time_first:
        caller.time_first = True
        with suppress(LamellaError):
            other = look()
            found = judged(other)
            if len(found.wrong) < len(order.wrong) and {*other.values} >= {*seen.values}:
                seen, order = other, found
                return _corrected(seen, order), order.unsteady
        caller.time_first = False
    return _corrected(seen, order), order.unsteady


def _corrected(seen: _Seen, order: Order) -> _Seen:
    seen.found.update(order.turned)
    seen.found.update(dict.fromkeys(order.wrong, OWN_ORDER))
    return seen


def _notes(unsteady: frozenset[Call]) -> tuple[str, ...]:
    if not unsteady:
        return ()
    paths = sorted({clean(path) or "the model" for path, _ in unsteady}, key=len)
    more = f" and {len(paths) - 1:,} more modules" if len(paths) > 1 else ""
    return (
        f"two passes over the same texts give different values in {paths[0]}{more}, as "
        "dropout that is always on would: the numbers are those of one pass, in whatever order "
        "it has the tokens",
    )


def _look(
    model: RunningModel,
    caller: Caller,
    modules: Mapping[str, torch.nn.Module],
    ids: Ids,
    inputs: bool,
    whole_texts: bool,
) -> _Seen:
    rows, positions = ids.shape
    seen = _Seen()
    wrong_way: list[str] = []

    def see(path: str, value: object) -> None:
        at = seen.calls.get(path, 0)
        seen.calls[path] = at + 1
        seen.order.append((path, at))
        extent = caller.extent(rows, positions)
        seen.found[path, at] = layout = find_layout(value, extent, whole_texts)
        if isinstance(layout, Layout) and (values := layout.take(value, extent)) is not None:
            seen.values[path, at] = values.clone()

    def see_rnn(path: str, value: object) -> None:
        if _runs_along_rows(value, caller.extent(rows, positions)):
            wrong_way.append(path)

    with hooked(modules, see, inputs), hooked(_time_first(model), see_rnn, inputs=True):
        caller.call(ids, np.ones(ids.shape, np.bool_))
    if wrong_way and not caller.time_first and caller.splits:
        caller.time_first = True
        return _look(model, caller, modules, ids, inputs, whole_texts)
    return seen


def _once_more(
    caller: Caller,
    modules: Mapping[str, torch.nn.Module],
    inputs: bool,
    seen: _Seen,
    last: Call | None,
    ids: Ids,
) -> dict[Call, torch.Tensor]:
    """The values of another pass, up to where it fails."""
    extent = caller.extent(*ids.shape)
    calls: dict[str, int] = {}
    found: dict[Call, torch.Tensor] = {}

    def see(path: str, value: object) -> None:
        call = (path, calls.get(path, 0))
        calls[path] = call[1] + 1
        layout = seen.found.get(call)
        if isinstance(layout, Layout) and (values := layout.take(value, extent)) is not None:
            found[call] = values.clone()
        if call == last:
            raise Enough

    with hooked(modules, see, inputs), suppress(Enough, LamellaError):
        caller.call(ids, np.ones(ids.shape, np.bool_))
    return found


def _padding_tells(
    caller: Caller,
    modules: Mapping[str, torch.nn.Module],
    ids: Ids,
    padding: int,
    inputs: bool,
    seen: _Seen,
    last: Call | None,
) -> bool:
    """Whether padding changes values of tokens, mask or not: convolutions may read it."""
    rows, positions = ids.shape
    padded = np.pad(ids, ((0, 0), (0, padding)))
    attended = np.pad(np.ones(ids.shape, np.bool_), ((0, 0), (0, padding)))
    calls: dict[str, int] = {}
    worst = 0.0

    def see(path: str, value: object) -> None:
        nonlocal worst
        call = (path, calls.get(path, 0))
        calls[path] = call[1] + 1
        layout, before = seen.found.get(call), seen.values.get(call)
        if not isinstance(layout, Layout) or before is None:
            return
        values = layout.take(value, caller.extent(rows, positions + padding))
        if values is not None and values.shape[2] == before.shape[2]:
            apart = (values[:, : before.shape[1]] - before).abs().max()
            size = before.abs().max().clamp(min=1e-30) * SAME.get(before.dtype, _SAME_IN_16_BITS)
            worst = max(worst, float(apart / size))
        if call == last:
            raise Enough

    with hooked(modules, see, inputs), suppress(Enough):
        caller.call(padded, attended)
    return worst > 1


def _positions(most: int) -> int:
    """Tokens of the pass: some less than a model takes, which padding can take."""
    return next((some for some in POSITIONS if some < most), most)


def _usual(batch: Batch) -> Ids:
    """Ids of words."""
    found: Ids = np.unique(batch.ids[batch.word >= 0])
    return found


def _ids(batch: Batch, positions: int) -> Ids:
    """Tokens of a batch, as often as it takes."""
    found: Ids = np.resize(batch.ids[batch.attended], (ROWS, positions))
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
    if isinstance(given, PackedSequence):
        sizes = given.batch_sizes
        return len(sizes) == extent.rows and int(sizes[0]) == extent.positions
    return isinstance(given, torch.Tensor) and given.shape[:2] == (extent.rows, extent.positions)
