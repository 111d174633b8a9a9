"""What the counts over a merged weight say."""

import math
from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from inspect_core.adapters.finding.targets import DORA
from inspect_core.adapters.merges.merge_sums import WIDE_UNITS, Kinds, MergeSums
from inspect_core.adapters.overlay import Target

MOST_UNITS = 1.0
"""Units in the last place that one more rounding on the way moves a sum by."""

LOOSE_UNITS = 4.0
"""Units that a few values may be off by, and all of those of DoRA, whose norms are rounded."""

FEW = 0.05
"""Share of the values that may be off by more than each rounding's unit."""

LEAST_DEVIATION = 0.02
"""DoRA: a share of the change, or of the base, that the rounded norms may be off by."""

NARROW_DEVIATION = 2.0**-8
"""A share of the change that factors which were rounded to a 16-bit dtype may be off by."""

WIDE_DEVIATION = 1e-4
"""The same in a wide dtype."""

SIGMAS = 4.0
"""Standard errors beyond which a deviation is none of rounding's."""

EXPECTED_SPREAD = 6.0
"""Square roots of the expected number of neighbours by which there may be more."""

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


def judge(
    sums: MergeSums, kinds: Kinds, scale: float = 1.0, targets: Sequence[Target] = ()
) -> tuple[Verdict, str]:
    """What the sums of one pass say, and more words about it.

    Args:
        sums: of a pass at some scale.
        kinds: the formats of the base and of the merged weight.
        scale: that scale.
        targets: what was to be merged.
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
    normed = any(target.method == DORA for target in targets)
    if _is_within(sums, kinds, normed, len(targets)) and not _is_systematic(
        sums, kinds, normed, scale
    ):
        return Verdict.CLOSE, f"all values within {within(sums.most_units)} in the last place"
    return Verdict.ELSE, _explained(sums)


def within(most_units: float) -> str:
    """A distance in words."""
    return "one unit" if most_units <= MOST_UNITS else f"{most_units:.2g} units"


def _is_within(sums: MergeSums, kinds: Kinds, normed: bool, steps: int) -> bool:
    """Whether roundings can have moved so many values so far."""
    if kinds.is_wide:
        return sums.most_units <= WIDE_UNITS
    if sums.most_units > LOOSE_UNITS:
        return False
    if normed or steps > 1:  # each adapter's sum is rounded
        return True
    if sums.beyond > FEW * sums.numel:
        return False
    if kinds.base is not kinds.merged:
        return True
    most = sums.expected + EXPECTED_SPREAD * math.sqrt(sums.expected + 1.0)
    return sums.numel - sums.exact <= most


def _is_systematic(sums: MergeSums, kinds: Kinds, normed: bool, scale: float) -> bool:
    """Whether what is left over goes with the change, or with the base: roundings do not."""
    least = WIDE_DEVIATION if kinds.is_wide else NARROW_DEVIATION
    unit = 2.0**-kinds.merged.mantissa_bits
    of_base = unit / 16.0
    if normed:
        of_base = WIDE_UNITS * unit if kinds.is_wide else LEAST_DEVIATION
    least = LEAST_DEVIATION if normed else least
    tolerated = max(SIGMAS * sums.doubt, least * max(1.0, abs(scale)))
    tolerated_base = max(SIGMAS * sums.base_doubt, of_base)
    return abs(sums.deviation) > tolerated or abs(sums.base_deviation) > tolerated_base


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
