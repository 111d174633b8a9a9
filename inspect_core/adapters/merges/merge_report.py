"""What a check of a merge found, as plain values and in one line."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inspect_core.adapters.merges.merge_verdict import Verdict, within
from inspect_core.text import clean

MOST_NAMES = 3
"""Names in a line; of the others only the number."""

Overall = Literal[
    "applied", "applied with rounding", "not applied", "in part", "at another scale", "otherwise",
    "not told",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModuleMerge:
    """One weight that the adapters change, as it is in the merged checkpoint.

    Attributes:
        weight: its name in the base; foreign text.
        merged_name: its name in the merged checkpoint; None where that has none.
        method: what changes it: `LoRA`; several joined by ` + `.
        verdict: see `merge_verdict.Verdict`.
        dtype: of the merged weight.
        numel: its values.
        exact: values that are W + change rounded once.
        adjacent: values that are a neighbour of that in the merged dtype.
        same: values that are the base's.
        most_units: the largest distance from W + change, rounded, in units in the last place of
            the largest of W, the change and their sum.
        scale: least-squares factor of the change in what was changed, or the factor that
            explains all values; None where the change is zero, or nothing was computed.
        residual: what the change at that factor leaves of M - W, as a share of its norm.
        note: what else there is to say, for people; holds no foreign text.
    """

    weight: str
    merged_name: str | None
    method: str
    verdict: Verdict
    dtype: str = ""
    numel: int = 0
    exact: int = 0
    adjacent: int = 0
    same: int = 0
    most_units: float = 0.0
    scale: float | None = None
    residual: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge did.

    Attributes:
        base: title of the base, safe to show.
        adapters: of the adapters, safe to show.
        merged: of what was checked, safe to show.
        modules: every weight that the adapters change, in the base's order.
        identical: how many other tensors have the base's values.
        rounded: how many of these only up to rounding to another dtype.
        changed: names in the base of other tensors whose values differ; foreign text.
        unchecked: names of other tensors whose values could not be compared; foreign text.
        missing: names of the base's other tensors that the merged checkpoint lacks.
        extra: names that only the merged checkpoint has; foreign text.
        buffers: of the base's tensors that the merged checkpoint lacks and nobody misses: a
            model makes them anew; foreign text.
    """

    base: str
    adapters: tuple[str, ...]
    merged: str
    modules: tuple[ModuleMerge, ...]
    identical: int
    rounded: int
    changed: tuple[str, ...]
    unchecked: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    buffers: tuple[str, ...] = ()

    @property
    def counts(self) -> Counter[Verdict]:
        """How many modules have each verdict."""
        return Counter(module.verdict for module in self.modules)

    @property
    def overall(self) -> Overall:
        """One verdict for all modules and all other tensors."""
        found = {verdict for verdict in self.counts if verdict is not Verdict.NOTHING}
        if self.changed or self.missing or self.extra or found & {Verdict.ELSE, Verdict.MISSING}:
            return "otherwise"
        if self.unchecked or Verdict.UNCHECKED in found or not found - {Verdict.UNTOLD}:
            return "not told"
        found -= {Verdict.UNTOLD}
        if Verdict.SCALED in found:
            return "at another scale" if found == {Verdict.SCALED} else "otherwise"
        if found == {Verdict.NOT_APPLIED}:
            return "not applied"
        if found & {Verdict.NOT_APPLIED, Verdict.PARTLY}:
            return "in part"
        return "applied" if found == {Verdict.EXACT} else "applied with rounding"

    @property
    def line(self) -> str:
        """What there is to say, in one line; safe to show."""
        counts = self.counts
        nothing = counts.pop(Verdict.NOTHING, 0)
        total = counts.total() or nothing
        weights = "1 weight" if total == 1 else f"{total:,} weights"
        parts = [_STARTS[self.overall].format(weights=weights)]
        if len(counts) > 1 or self.overall in ("otherwise", "not told"):
            said = [
                f"{counts[verdict]:,} {verdict.value}" for verdict in Verdict if counts[verdict]
            ]
            parts += [", ".join(said)] if said else []
        if nothing:
            parts.append(f"{nothing:,} {Verdict.NOTHING.value}")
        if self.overall == "applied with rounding":
            parts.append(self._values)
        scales = {one.note for one in self.modules if one.verdict is Verdict.SCALED}
        if scales:
            parts.append("scale " + ", ".join(sorted(scales)[:MOST_NAMES]))
        why = dict.fromkeys(
            [one.note for one in self.modules if one.verdict is Verdict.UNCHECKED and one.note]
        )
        parts += list(why)[:MOST_NAMES]
        if self._odd_modules:
            parts.append(f"see {_some(self._odd_modules)}")
        for names, one, many in (
            (self.changed, "other tensor changed", "other tensors changed"),
            (self.missing, "other tensor is missing", "other tensors are missing"),
            (self.unchecked, "other tensor was not compared", "other tensors were not compared"),
            (self.extra, "tensor is new", "tensors are new"),
        ):
            if names:
                parts.append(f"{len(names):,} {one if len(names) == 1 else many}: {_some(names)}")
        if self.buffers:
            what = "a buffer" if len(self.buffers) == 1 else "buffers"
            parts.append(f"also missing: {_some(self.buffers)}, {what} that a model makes anew")
        if self.identical and not (self.changed or self.missing or self.unchecked):
            others = "all {:,} other tensors are" if self.identical > 1 else "the other tensor is"
            same = "as in the base, rounded" if self.rounded else "identical"
            parts.append(f"{others.format(self.identical)} {same}")
        return "; ".join(parts)

    @property
    def _values(self) -> str:
        """How many values are how close, over all modules that were merged."""
        merged = [one for one in self.modules if one.verdict in _MERGED]
        total, exact = sum(one.numel for one in merged), sum(one.exact for one in merged)
        next_to = sum(one.adjacent for one in merged)
        said = f"{exact:,} of {total:,} values are the rounded sum"
        if next_to:
            said += f", {next_to:,} a neighbour of it"
        rest = total - exact - next_to
        if rest:
            most = max(one.most_units for one in merged)
            said += f", the rest are within {within(most)} in the last place"
        return said

    @property
    def _odd_modules(self) -> list[str]:
        """Modules to look at, where others were merged as they should be."""
        fine = {*_MERGED, Verdict.NOTHING}
        odd = [one.weight for one in self.modules if one.verdict not in fine]
        return odd if len(odd) < len(self.modules) else []


_MERGED = frozenset({Verdict.EXACT, Verdict.CLOSE})

_STARTS: dict[Overall, str] = {
    "applied": "merged exactly: each value of {weights} is the rounded sum",
    "applied with rounding": "merged into {weights}, up to rounding",
    "not applied": "not merged: {weights} as in the base",
    "in part": "merged in part",
    "at another scale": "{weights} merged at another scale than the adapter's own",
    "otherwise": "not what this adapter makes of this base",
    "not told": "it cannot be told whether it was merged",
}


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(clean(name, 80) for name in names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES:,} more"
