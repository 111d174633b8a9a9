"""Whether the numbers of a saved result can be those of one comparison.

What is checked are laws that every pair of tensors obeys, whatever its values. They leave room
for rounding, and for squares that left the range of float64, which only F64 values bring about.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspect_core.delta.rounding import narrow_side
from inspect_core.delta.summary import COUNTS, SUMS

if TYPE_CHECKING:
    from inspect_core.pairing.match import Match

_SLACK = 1e-3
"""Sums in float32 lose about a tenth of this; a lie that is smaller changes nothing."""

_TINY, _HUGE = 1e-140, 1e150
"""Norms below the one may come from squares that vanished, above the other from infinite ones."""

_Line = NDArray[np.float64]


def contradiction(
    counts: NDArray[np.int64], sums: NDArray[np.float64], matches: Sequence["Match"]
) -> str:
    """What is wrong with the numbers of compared tensors; empty where nothing is.

    Args:
        counts: `(len(COUNTS), n)`, none negative and none above `numel`.
        sums: `(len(SUMS), n)`.
        matches: what they are of.
    """
    if not matches:
        return ""
    of = dict(zip(COUNTS, counts, strict=True))
    held = [
        min(match.model.numel, match.reference.numel)
        for match in matches
        if match.model is not None and match.reference is not None
    ]
    if len(held) != len(matches) or (of["numel"] != np.array(held, np.int64)).any():
        return "other numbers of values than the tensors have"
    with np.errstate(all="ignore"):
        return _of_counts(of, matches) or _of_sums(of, dict(zip(SUMS, sums, strict=True)), matches)


def _of_counts(of: dict[str, NDArray[np.int64]], matches: Sequence["Match"]) -> str:
    one, other, lost = of["nonfinite_model"], of["nonfinite_reference"], of["left_out"]
    if (lost < np.maximum(one, other)).any() or (lost > one + other).any():
        return "another number of values left out than of NaN and infinite ones"
    compared = of["numel"] - lost
    if (of["sign_flips"] > np.minimum(of["changed"], compared)).any():
        return "more signs flipped than values changed"
    narrower = [
        narrow_side(match.model.dtype, match.reference.dtype) is not None
        for match in matches
        if match.model is not None and match.reference is not None
    ]
    across = of["across"]
    if (across != np.where(narrower, of["numel"], 0)).any():
        return "rounding to a narrower dtype where there is none, or none where there is"
    if ((of["beyond"] > of["changed"]) | (~(across > 0) & (of["beyond"] != of["changed"]))).any():
        return "other values beyond rounding than changed ones"
    return ""


def _of_sums(
    counts: dict[str, NDArray[np.int64]], sums: dict[str, _Line], matches: Sequence["Match"]
) -> str:
    compared = (counts["numel"] - counts["left_out"]).astype(np.float64)
    most = np.minimum(compared, counts["changed"])
    mean, total, largest = np.abs(sums["sum_d"]), sums["abs_d"], sums["max_abs"]
    norm, beyond = np.sqrt(sums["sq_d"]), np.sqrt(sums["sq_beyond"])
    unchanged = counts["changed"] == 0
    if any((line[unchanged] != 0.0).any() for line in (mean, total, largest, norm, beyond)):
        return "a difference of tensors in which no value changed"
    if (beyond[counts["beyond"] == 0] != 0.0).any() or _over(beyond, 2.0 * norm):
        return "another difference beyond rounding than its count allows"
    without = (counts["changed"] > counts["left_out"]) & (largest == 0.0)
    # The values of a narrower dtype are too far apart for their squares to vanish.
    moved = (counts["across"] > 0) & (counts["beyond"] > counts["left_out"])
    if (without | (moved & (beyond == 0.0))).any():
        return "values that changed without a difference"
    lines = [sums[name] for name in SUMS]
    if any((line[compared == 0.0] != 0.0).any() for line in lines):
        return "sums of tensors without a value that counts"
    wide = np.array(["F64" in _dtypes(match) for match in matches])
    if any((~np.isfinite(line) & ~wide).any() for line in lines):
        return "sums beyond what the values can make up"
    sides = [(largest, total, most), (norm, total, most)]
    ours, theirs = np.sqrt(sums["sq_model"]), np.sqrt(sums["sq_reference"])
    sides += [(ours, sums["abs_model"], compared), (theirs, sums["abs_reference"], compared)]
    wrong = any(_over(size, all_) or _over(all_, count * size) for size, all_, count in sides)
    wrong = wrong or _over(mean, total) or _over(largest, norm)
    wrong = wrong or any(_over(sizes, np.sqrt(count) * size) for size, sizes, count in sides[1:])
    if wrong or (~(counts["across"] > 0) & _differ(beyond, norm, norm)).any():
        return "sums of differences that do not fit each other"
    gap = np.abs(sums["abs_model"] - sums["abs_reference"])
    both = sums["abs_model"] + sums["abs_reference"]
    if _over(gap, total + _SLACK * both) or _over(total, both):
        return "differences that do not fit the sizes of the tensors"
    return _of_angles(sums, wide)


def _of_angles(sums: dict[str, _Line], wide: NDArray[np.bool_]) -> str:
    """The laws of the products, as far as no square left the range of float64."""
    ours, theirs, dot = sums["sq_model"], sums["sq_reference"], sums["dot"]
    small, large = _TINY**2, _HUGE**2
    sound = (np.minimum(ours, theirs) > small) & (np.maximum(ours, theirs) < large)
    if (sound & (np.abs(dot) > (1.0 + _SLACK) * np.sqrt(ours) * np.sqrt(theirs))).any():
        return "a product that is larger than its factors"
    whole = ours + theirs
    if (sound & _differ(sums["sq_d"], whole - 2.0 * dot, whole)).any():
        return "a difference that does not fit the sizes and the product"
    # One block of vanishing squares is enough to spoil the slope: F64 is left out.
    off = _differ(sums["residual"], ours - dot / theirs * dot, ours)
    return "a residual that does not fit the product" if (sound & ~wide & off).any() else ""


def _over(small: _Line, large: _Line) -> bool:
    """Whether any of some sizes is over its bound; what is infinite or NaN may have overflowed."""
    return bool(
        ((small > (1.0 + _SLACK) * large + _TINY) & ~(np.isinf(small) & (large > _HUGE))).any()
    )


def _differ(one: _Line, other: _Line, unit: _Line) -> NDArray[np.bool_]:
    """Where two finite numbers differ by more than the slack of a third."""
    found: NDArray[np.bool_] = np.abs(one - other) > _SLACK * unit + _TINY
    return found & np.isfinite(one) & np.isfinite(other)


def _dtypes(match: "Match") -> tuple[str, ...]:
    return tuple([info.dtype for info in (match.model, match.reference) if info is not None])
