"""Which units of a site a word activates, and how strongly: from an `Output`, on its device."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspect_core.activations.rule import MAGNITUDE, MAX, POSITIVE, TOP, Rule
from inspect_core.capture.output import Output

if TYPE_CHECKING:
    import torch

AT_ONCE = 1 << 24
"""Values of an output that are copied at once, where a copy is needed."""


@dataclass(frozen=True, eq=False, slots=True)
class Activated:
    """Activations of one site for one batch, each word and unit at most once.

    Attributes:
        word: int64 `(n,)`, an index of `Batch.words`; in order.
        unit: int64 `(n,)`.
        activation: float64 `(n,)`, finite and not 0.
        odd: words with an activation that is NaN or infinite; those are left out.
    """

    word: NDArray[np.int64]
    unit: NDArray[np.int64]
    activation: NDArray[np.float64]
    odd: int = 0


def find_activated(output: Output, rule: Rule) -> Activated:
    """The units that each word activates; ties go to the unit with the smaller number.

    Args:
        output: what a module gave for a batch.
        rule: what counts.
    """
    find = _strongest if rule.kind == MAX else _several
    parts = [find(values, word, rule) for values, word in _parts(output)]
    if len(parts) == 1:
        return parts[0]
    nothing = Activated(_NONE, _NONE, _NONE.astype(np.float64))
    parts = parts or [nothing]
    return Activated(
        np.concatenate([part.word for part in parts]),
        np.concatenate([part.unit for part in parts]),
        np.concatenate([part.activation for part in parts]),
        sum(part.odd for part in parts),
    )


_NONE = np.zeros(0, np.int64)


def _parts(output: Output) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
    """Rows, few enough to copy: values `(tokens, units)` and words `(tokens,)`, padded ones too."""
    rows, positions, units = output.values.shape
    step = max(1, AT_ONCE // max(1, positions * units))
    for start in range(0, rows if positions * units else 0, step):
        values = output.values[start : start + step].detach()
        yield values.reshape(-1, units), output.word[start : start + step].reshape(-1)


def _strongest(values: "torch.Tensor", word: "torch.Tensor", rule: Rule) -> Activated:
    """The strongest unit of each word.

    The largest of a word's tokens by unit, then of the units, is the largest of the units of
    each token, then of the tokens: the large table is read once and, but for signs, not copied.
    """
    measured = values.abs() if rule.sign == MAGNITUDE else values
    best, unit = measured.max(dim=-1)
    odd = best.isnan() | best.isposinf()
    wrong = 0
    if bool((odd & (word >= 0)).any()):
        at = (odd & (word >= 0)).nonzero().squeeze(1)
        best[at], unit[at] = _without_odd(measured[at]).max(dim=-1)
        wrong = _distinct(word[at])
    words = word.cpu().numpy()
    belongs = words >= 0
    found = Activated(
        words[belongs], unit.cpu().numpy()[belongs], best.cpu().double().numpy()[belongs], wrong
    )
    found = _joined(found)
    keep = np.isfinite(found.activation) & (found.activation != 0)
    if rule.sign == POSITIVE:
        keep &= found.activation > 0
    return Activated(found.word[keep], found.unit[keep], found.activation[keep], wrong)


def _joined(tokens: Activated) -> Activated:
    """From each token's strongest unit to each word's."""
    if not len(tokens.word):
        return tokens
    starts = np.flatnonzero(np.diff(tokens.word, prepend=-1))
    if len(starts) == len(tokens.word):
        return tokens
    best = np.maximum.reduceat(tokens.activation, starts)
    lengths = np.diff(starts, append=len(tokens.word))
    last = np.iinfo(np.int64).max
    candidates = np.where(tokens.activation == np.repeat(best, lengths), tokens.unit, last)
    return Activated(tokens.word[starts], np.minimum.reduceat(candidates, starts), best, tokens.odd)


def _several(values: "torch.Tensor", word: "torch.Tensor", rule: Rule) -> Activated:
    """The units of each word that are among the strongest, or beyond the threshold."""
    belongs = word >= 0
    word, table = word[belongs], values[belongs]
    if not len(word):
        return Activated(_NONE, _NONE, _NONE.astype(np.float64))
    if rule.sign == MAGNITUDE:
        table.abs_()
    elif rule.sign == POSITIVE:
        table.clamp_(min=0)
    odd = ~(table.amax(dim=1) < np.inf)  # NaN is the largest of any
    wrong = _distinct(word[odd])
    if wrong:
        table = _without_odd(table)
    numbers, table = _by_word(table, word)
    slot, unit, activation = _top(table, rule.k) if rule.kind == TOP else _over(table, rule)
    found = activation.cpu().double().numpy()
    keep = np.isfinite(found) & (found != 0)
    if rule.kind != TOP:
        keep &= found > rule.threshold
    words = numbers[slot].cpu().numpy()
    return Activated(words[keep], unit.cpu().numpy()[keep], found[keep], wrong)


def _distinct(word: "torch.Tensor") -> int:
    """How many words there are, in order."""
    return int((word[1:] != word[:-1]).sum()) + 1 if len(word) else 0


def _without_odd(values: "torch.Tensor") -> "torch.Tensor":
    """A copy in which NaN and infinity are never the strongest."""
    return values.masked_fill(~values.isfinite(), -np.inf)


def _by_word(table: "torch.Tensor", word: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
    """From tokens to words: their numbers, and `(words, units)`, the largest of their tokens."""
    import torch

    numbers, slot = torch.unique_consecutive(word, return_inverse=True)
    if len(numbers) == len(word):
        return word, table
    first = torch.ones_like(word, dtype=torch.bool)
    first[1:] = word[1:] != word[:-1]
    joined = table[first]
    further = slot[~first].unsqueeze(1).expand(-1, table.shape[1])
    joined.scatter_reduce_(0, further, table[~first], "amax")
    return numbers, joined


def _top(table: "torch.Tensor", k: int) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """The `k` strongest of each row. `topk` picks any of equal ones: such rows are sorted."""
    import torch

    k = min(k, table.shape[1])
    best, unit = table.topk(k, dim=1)
    least = best[:, -1:]
    counts = (least != 0) & ~least.isneginf()  # what does not count is dropped, tied or not
    tied = ((table >= least).sum(dim=1) > k) & counts.squeeze(1)
    if bool(tied.any()):
        values, order = table[tied].sort(dim=1, descending=True, stable=True)
        best[tied], unit[tied] = values[:, :k], order[:, :k]
    slot = torch.arange(len(table), device=table.device).repeat_interleave(k)
    return slot, unit.reshape(-1), best.reshape(-1)


def _over(
    table: "torch.Tensor", rule: Rule
) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """All that may be beyond the threshold, which the values' own type can round."""
    rounded = table.new_tensor(rule.threshold)
    slot, unit = ((table >= rounded) & (table != 0)).nonzero(as_tuple=True)
    return slot, unit, table[slot, unit]
