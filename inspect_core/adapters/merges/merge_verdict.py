"""What the counts over a merged weight say."""

import math
from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from inspect_core.adapters.merges.merge_sums import WIDE_UNITS, Kinds, MergeSums
from inspect_core.adapters.overlay import Target

MOST_UNITS = 1.0
"""Units in the last place that one more rounding on the way moves a sum by."""

LOOSE_UNITS = 4.0
"""The same for a merge that rounds several times, as DoRA's does, in a narrow dtype."""

LEAST_DEVIATION = 0.02
"""A scale that is off by less, with all values within some units, is not held against a merge."""

SIGMAS = 4.0
"""Standard errors beyond which a deviation is none of rounding's."""

LEAST_TOLD = 8
"""Values of a row that must tell before the row counts as left out of a merge."""

MOSTLY = 0.5
"""Share of the telling values of a row that are merged where it was merged at all."""


class Verdict(Enum):
    """What became of a weight that an adapter changes; the value is for people."""

    EXACT = "merged exactly"
    CLOSE = "merged up to rounding"
    SCALED = "merged at another scale"
    PARTLY = "merged in part"
    NOT_APPLIED = "not merged"
    ELSE = "changed otherwise"
    NOTHING = "with nothing to merge"
    UNTOLD = "where rounding hides the change"
    MISSING = "missing"
    UNCHECKED = "not checked"


def judge(sums: MergeSums, kinds: Kinds, scale: float = 1.0) -> tuple[Verdict, str]:
    """What the sums of one pass say, and more words about it.

    Args:
        sums: of a pass at some scale.
        kinds: the formats of the base and of the merged weight.
        scale: that scale.
    """
    if sums.dd == 0.0 and not sums.lost:
        if sums.same == sums.numel:
            return Verdict.NOTHING, "the adapter changes nothing here"
        return Verdict.ELSE, "the adapter changes nothing here, and something else did"
    if sums.same == sums.numel and scale == 1.0:
        if not sums.told:
            return Verdict.UNTOLD, "each change is less than half a unit in the last place"
        return Verdict.NOT_APPLIED, ""
    if sums.exact == sums.numel:
        return Verdict.EXACT, ""
    if sums.lost:
        return Verdict.ELSE, f"{sums.lost:,} values are NaN or infinite, or should be"
    part = _lines_left_out(sums) if scale == 1.0 else ""
    if part:
        return Verdict.PARTLY, part
    tolerated = max(SIGMAS * sums.doubt, LEAST_DEVIATION * max(1.0, abs(scale)))
    most = WIDE_UNITS if kinds.is_wide else LOOSE_UNITS
    if sums.most_units <= most and abs(sums.deviation) <= tolerated:
        within = "one unit" if sums.most_units <= MOST_UNITS else f"{sums.most_units:.2g} units"
        return Verdict.CLOSE, f"all values within {within} in the last place"
    return Verdict.ELSE, _explained(sums)


def merged_here_and_there(sums: MergeSums) -> str:
    """What to say where every value that tells is either merged or as before; empty if not so.

    Scattered so, it is the last explanation: a merge at another scale may look like it.
    """
    either = sums.told_same + sums.told_merged == sums.told
    if not either or min(sums.told_same, sums.told_merged) < LEAST_TOLD:
        return ""
    return f"{sums.told_merged / sums.told:.1%} of the values that tell are merged, others not"


def _explained(sums: MergeSums) -> str:
    if sums.residual is None:
        return ""
    share = max(0.0, 1.0 - sums.residual**2)
    text = "<0.1%" if share < 0.001 else f"{share:.1%}"
    return f"the adapter's change explains {text} of what differs from the base"


def _lines_left_out(sums: MergeSums) -> str:
    """Which rows, or columns, are the base's while the others were merged; empty if not so."""
    for what, lines in (("rows", sums.rows), ("columns", sums.columns)):
        if lines is None:
            continue
        told, same, merged = lines
        left_out = (same == told) & (told >= LEAST_TOLD)
        others = (told >= LEAST_TOLD) & ~left_out
        if not left_out.any() or not others.any():
            continue
        if np.all(merged[others] >= MOSTLY * told[others]):
            return f"{what} {_ranges(np.flatnonzero(left_out))} are as in the base"
    return ""


def _ranges(at: NDArray[np.intp], most: int = 3) -> str:
    cuts = np.flatnonzero(np.diff(at) > 1) + 1
    runs = [(int(run[0]), int(run[-1])) for run in np.split(at, cuts)]
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:most]]
    more = f" and {len(at) - sum(b - a + 1 for a, b in runs[:most]):,} more"
    return ", ".join(shown) + (more if len(runs) > most else "")


def likely_scales(targets: Sequence[Target]) -> dict[float, str]:
    """Scales at which merges go wrong, by how it comes about."""
    found = {0.5: "half", 2.0: "twice", 3.0: "three times", -1.0: "subtracted"}
    causes: list[tuple[float, str]] = []
    for target in targets:
        rank, scaling = target.rank, target.scaling
        if rank is not None and rank > 1:
            root = math.sqrt(rank)
            causes.append((1.0 / root, "alpha / r was taken for alpha / sqrt(r)"))
            causes.append((root, "alpha / sqrt(r) was taken for alpha / r"))
        if scaling and scaling > 0.0:
            causes.append((1.0 / scaling, "its scaling was left out"))
            causes.append((scaling, "its scaling was used twice"))
    for scale, cause in causes:
        known = found.get(scale, "")
        if scale != 1.0 and cause not in known:
            found[scale] = f"{known}, or {cause}" if known else cause
    return found


def scale_words(scale: float | None, targets: Sequence[Target] = ()) -> str:
    """A scale in words: the number, and how it may have come about where that is known."""
    if scale is None:
        return "not known"
    known = likely_scales(targets).get(scale, "")
    return f"{scale:.4g}" + (f" ({known})" if known else "")
