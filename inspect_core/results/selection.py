"""Which groups are listed, and in which order."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inspect_core.results.comparison import Comparison
from inspect_core.results.groups import By, Group

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric

Sort = Literal["change", "name"]

Row = tuple[str, Mapping[int, Group]]
"""A name, and its groups by the number of their model."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What of the groups is listed.

    Attributes:
        sort: by `change` (the most first), by `name`, or as they come for None.
        top: how many of those that changed the most; None for all.
        over: only what the metric puts at this or above it, and what changed and is not all in
            the metric, as it has NaN or infinite values.
    """

    sort: Sort | None = None
    top: int | None = None
    over: float | None = None

    def of(self, groups: Sequence[Group], metric: "Metric") -> list[Group]:
        """The groups to list.

        What changed and has no number (away from zero, NaN, a sum that overflowed) counts as
        more than any number: no limit hides it, and it comes first.
        """
        rows = [(group.name, {0: group}) for group in groups]
        return [found[0] for _, found in self.of_rows(rows, metric)]

    def of_rows(self, rows: Sequence[Row], metric: "Metric") -> list[Row]:
        """The rows to list; one with several groups counts as the one that changed the most."""
        wanted = list(rows)
        if self.over is not None:
            limit = self.over
            wanted = [row for row in wanted if _any_reaches(row, metric, limit)]
        if self.top is not None:
            movers = [row for row in wanted if any(map(changed, row[1].values()))]
            wanted = sorted(movers, key=lambda row: _most(row, metric))[: self.top]
        if self.sort == "name":
            return sorted(wanted, key=lambda row: natural(row[0]))
        if self.sort == "change":
            return sorted(wanted, key=lambda row: _most(row, metric))
        return wanted


def side_by_side(
    comparisons: Sequence[Comparison], groups: Sequence[Sequence[Group]], by: By
) -> list[Row]:
    """Groups of several models of equal name in one row, as they come.

    Tensors are named after their partner in the base, whatever a model calls them, unless it
    is the partner of several; layers and kinds have the base's prefix. Of groups of one model
    that are called the same each has a row.
    """
    rows: dict[tuple[str, int], dict[int, Group]] = {}
    for at, (comparison, some) in enumerate(zip(comparisons, groups, strict=True)):
        names = _names_in_base(comparison, some, by)
        seen: Counter[str] = Counter()
        for name, group in zip(names, some, strict=True):
            rows.setdefault((name, seen[name]), {})[at] = group
            seen[name] += 1
    return [(name, found) for (name, _), found in rows.items()]


def _names_in_base(comparison: Comparison, groups: Sequence[Group], by: By) -> list[str]:
    if by == "type":
        return [group.name for group in groups]
    if by != "tensor":
        return [_with_prefix_of_base(comparison, group) for group in groups]
    partners = [comparison.matches[group.indices[0]].reference for group in groups]
    times = Counter([partner.name for partner in partners if partner is not None])
    return [
        group.name if partner is None or times[partner.name] > 1 else partner.name
        for group, partner in zip(groups, partners, strict=True)
    ]


def _with_prefix_of_base(comparison: Comparison, group: Group) -> str:
    """The name of a layer or kind with the prefix that most of its tensors have in the base."""
    prefixes: Counter[tuple[str, str]] = Counter()
    for at in group.indices:
        match = comparison.matches[at]
        if match.model is not None and match.reference is not None:
            prefixes[_before_what_they_share(match.model.name, match.reference.name)] += 1
    if not prefixes:
        return group.name
    (ours, theirs), _ = prefixes.most_common(1)[0]
    return theirs + group.name[len(ours) :] if group.name.startswith(ours) else group.name


def _before_what_they_share(one: str, other: str) -> tuple[str, str]:
    """What stands in each of two names before the last components that are the same."""
    parts, others = one.split("."), other.split(".")
    shared = 0
    for ours, theirs in zip(reversed(parts), reversed(others), strict=False):
        if ours != theirs:
            break
        shared += 1
    ends = parts[: len(parts) - shared], others[: len(others) - shared]
    return "".join([f"{part}." for part in ends[0]]), "".join([f"{part}." for part in ends[1]])


def natural(name: str) -> list[str | tuple[int, str]]:
    """A key that puts layer 2 before layer 10, without making numbers of a stranger's digits."""
    parts = re.split("([0-9]+)", name)
    return [(len(p.lstrip("0")), p) if at % 2 else p for at, p in enumerate(parts)]


def falls(metric: "Metric") -> bool:
    """Whether a metric is the smaller, the more has changed."""
    return metric.key == "cosine"


def changed(group: Group) -> bool:
    """Whether a value of a group is another one, rounding included."""
    return group.counts["changed"] + group.counts["rounded"] > 0


def _any_reaches(row: Row, metric: "Metric", limit: float) -> bool:
    return any(_reaches(group, metric, limit) for group in row[1].values())


def _reaches(group: Group, metric: "Metric", limit: float) -> bool:
    if not changed(group):
        return False
    value = metric.value(group.summary)
    if value is None or group.changed_with_nonfinite:
        return True
    return value <= limit if falls(metric) else value >= limit


def _most(row: Row, metric: "Metric") -> tuple[int, float]:
    return min([_change(group, metric) for group in row[1].values()])


def _change(group: Group, metric: "Metric") -> tuple[int, float]:
    """What has no number, what changed by its number, what was rounded, what has none, equal."""
    counts = group.counts
    if not changed(group):
        return (4 if counts["identical"] == group.tensors else 3), 0.0
    value = metric.value(group.summary)
    rank = 1 if counts["changed"] else 2
    if value is None:
        return (0 if counts["changed"] else 2), 0.0
    return rank, value if falls(metric) else -value
