"""Which token a value is of: proven by passes in which rows move and tokens change.

A shape does not tell it. A model may take `(positions, rows)`, experts may be given tokens
sorted, and an RNN may read a text from its end, all in the shapes of rows of tokens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from inspect_core.capture.layouts import FLAT, FLAT_TURNED, WHOLE, Layout

Call = tuple[str, int]
"""A module's path, and which of its calls in a pass."""

Ids = NDArray[np.int64]

OWN_ORDER = "it is given the tokens in an order of its own, or mixes texts"

_APART = {torch.float32: (1e-2, 1e-5), torch.float64: (1e-2, 1e-5)}
"""By how much a value must differ, of the token's largest and of the site's, to be another."""

_APART_IN_16_BITS = (0.25, 0.01)
_NEARLY = 0.1
"""The part of that below which a value is the same."""

_MOST = 0.25
"""The share of tokens of a text that may change with the others: ties of experts, capacity."""

_MOVED = (1, 2, 0)
"""Where the rows of `trial` were before: its second is the first, and so on."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was found.

    Attributes:
        turned: calls with another layout than was thought, which proves right.
        wrong: calls whose values are not of the tokens at their places.
        unsteady: calls that give other values for the same ids.
    """

    turned: Mapping[Call, Layout] = field(default_factory=dict)
    wrong: frozenset[Call] = frozenset()
    unsteady: frozenset[Call] = frozenset()


def trial(ids: Ids, usual: Ids, attempt: int) -> tuple[Ids, int]:
    """Three texts in another order: one as it was, one with a token changed, one moved by one.

    Args:
        ids: int64 `(3, positions)`.
        usual: int64, ids of words, which may take the place of others.
        attempt: from 0; other places and tokens.

    Returns:
        The ids, and the position of the token that is another.
    """
    first, second, third = ids
    # Ahead of the middle: read from its end, a text has the token elsewhere.
    places = list(range(1, (len(second) - 1) // 2)) or [0]
    places.sort(key=lambda at: second[at] not in usual)
    at = places[attempt % len(places)]
    old = int(second[at])
    below = np.array([old - 1] if old > 1 else [old])
    others = next(
        (found for one in (usual, np.unique(ids), below) if len(found := one[one != old])),
        np.array([old]),
    )
    changed = second.copy()
    changed[at] = others[5 * attempt % len(others)]
    return np.stack((np.roll(third, 1), first, changed)), at


def find_order(
    layouts: Mapping[Call, Layout],
    values: Mapping[Call, torch.Tensor],
    ids: Ids,
    usual: Ids,
    time_first: bool,
    again: Callable[[Ids], Mapping[Call, torch.Tensor]],
) -> Order:
    """Prove where tokens are: one more pass, and two to be sure of what is wrong.

    Args:
        layouts: where they are thought to be.
        values: of a pass, `(3, positions, units)`.
        ids: of that pass.
        usual: ids of words.
        time_first: whether the model is given `(positions, rows)`.
        again: values of a pass over other ids, as far as there are some.
    """
    turned, wrong = _judge(layouts, values, ids, usual, time_first, again, 0)
    if not turned and not wrong:
        return Order()
    same = again(ids)
    unsteady = {
        call
        for call in (*turned, *wrong)
        if call in same and bool(_apart(values[call], same[call])[0].any())
    }
    doubtful = {call: layouts[call] for call in (*turned, *wrong) if call not in unsteady}
    also, still = _judge(doubtful, values, ids, usual, time_first, again, 1)
    sure = {call: one for call, one in turned.items() if call in also}
    # What is right in one of the two, by ties of experts perhaps, is not wrong.
    neither = {call for call in doubtful if call in still or (call in wrong and call in also)}
    return Order(sure, frozenset(neither), frozenset(unsteady))


def _judge(
    layouts: Mapping[Call, Layout],
    values: Mapping[Call, torch.Tensor],
    ids: Ids,
    usual: Ids,
    time_first: bool,
    again: Callable[[Ids], Mapping[Call, torch.Tensor]],
    attempt: int,
) -> tuple[dict[Call, Layout], set[Call]]:
    """Calls whose tokens are elsewhere, and calls whose tokens are not found."""
    tried, at = trial(ids, usual, attempt)
    after = again(tried)
    moves = not np.array_equal(tried[0], ids[2])
    turned: dict[Call, Layout] = {}
    wrong: set[Call] = set()
    for call, layout in layouts.items():
        if call not in values or call not in after or values[call].shape != after[call].shape:
            continue
        place = None if layout.form == WHOLE else at + layout.decoder
        if _is_right(values[call], after[call], place, moves):
            continue
        pair = [_turn(one, time_first) for one in (values[call], after[call])]
        if layout.form == FLAT and _is_right(pair[0], pair[1], place, moves):
            turned[call] = replace(layout, form=FLAT_TURNED)
        else:
            wrong.add(call)
    return turned, wrong


def _is_right(before: torch.Tensor, after: torch.Tensor, at: int | None, moves: bool) -> bool:
    """Whether values have moved with their tokens.

    Args:
        before: `(3, positions, units)`.
        after: those of `trial`.
        at: the position of the token that is another; None where there are no positions.
        moves: whether the tokens of the third text have moved.
    """
    apart, nearly = _apart(before, after[list(_MOVED)])
    if float(apart[0].float().mean()) > _MOST:
        return False
    if at is None or not apart[1].any():
        return True
    return bool(nearly[1, at]) and (bool(nearly[2].any()) or not moves)


def _apart(before: torch.Tensor, after: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which tokens have other values, and which have not clearly the same: `(rows, positions)`."""
    own, largest = _APART.get(before.dtype, _APART_IN_16_BITS)
    one, other = before.float().nan_to_num(), after.float().nan_to_num()
    size = torch.maximum(one.abs(), other.abs()).amax(-1)
    least = own * size + largest * size.amax() + 1e-30
    change = (one - other).abs().amax(-1)
    return change > least, change > _NEARLY * least


def _turn(values: torch.Tensor, time_first: bool) -> torch.Tensor:
    """Values of a flat row of tokens as they are if it has them in the other order."""
    rows, positions, units = values.shape
    if time_first:
        return values.transpose(0, 1).reshape(rows, positions, units)
    return values.reshape(positions, rows, units).transpose(0, 1)
