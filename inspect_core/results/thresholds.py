"""Limits on change for scripts: which rows are over one, or cannot be shown to be under it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspect_core.errors import UsageError
from inspect_core.results.groups import Group
from inspect_core.results.selection import falls

if TYPE_CHECKING:
    from inspect_core.delta.metrics import Metric


@dataclass(frozen=True)
class Threshold:
    """A limit on a metric.

    Attributes:
        metric: what is limited.
        limit: the largest value that is allowed.
    """

    metric: "Metric"
    limit: float

    @classmethod
    def parse(cls, text: str, metrics: Mapping[str, "Metric"]) -> "Threshold":
        """A threshold from `KEY=VALUE`.

        Raises:
            UsageError: it is not of this form, or a limit on this metric means nothing.
        """
        key, equals, number = text.partition("=")
        metric = metrics.get(key.strip())
        if metric is None or not equals:
            keys = ", ".join(key for key, metric in metrics.items() if not falls(metric))
            raise UsageError("is not METRIC=VALUE", where=text, hint=f"metrics: {keys}")
        if falls(metric):
            hint = "use one_minus_cosine"
            raise UsageError("the cosine falls where more changes", where=text, hint=hint)
        try:
            limit = float(number)
        except ValueError:
            limit = math.nan
        meant = math.isfinite(limit) or "inf" in number.lower()  # 1e400 was meant as a number
        if not meant or limit < 0.0:
            raise UsageError("the limit is not a number from 0 up", where=text)
        return cls(metric, limit)


@dataclass(frozen=True, slots=True)
class Breach:
    """A row that is over a limit, or of which nobody knows.

    Attributes:
        name: of the row; foreign text.
        metric: key of the limited metric.
        value: its value; None where it has none.
        limit: what was allowed.
        reason: why it fails, for people.
    """

    name: str
    metric: str
    value: float | None
    limit: float
    reason: str

    @property
    def is_over(self) -> bool:
        """Whether its value is known to be over the limit."""
        return self.value is not None and self.value > self.limit


def breaches(groups: Iterable[Group], thresholds: Iterable[Threshold]) -> list[Breach]:
    """The rows that fail, the largest values first within each threshold.

    A row fails where its value is over the limit, and where it cannot be shown not to be: it
    changed and its metric is undefined, a tensor in it changed and has NaN or infinite values
    (which no metric counts), or one has a partner and could not be compared. Identical tensors
    never fail; added and removed ones have nothing to be compared with and are not judged.
    """
    judged = list(groups)
    found: list[Breach] = []
    for threshold in thresholds:
        failed = [breach for group in judged if (breach := _breach(group, threshold)) is not None]
        found += sorted(failed, key=lambda breach: -math.inf if breach.value is None
                        else -breach.value)  # fmt: skip
    return found


def _breach(group: Group, threshold: Threshold) -> Breach | None:
    metric = threshold.metric
    moved = group.counts["changed"] + group.counts["rounded"] > 0
    value = metric.value(group.summary) if moved else None
    if value is not None and value > threshold.limit:
        reason = "over the limit"
    elif group.counts["shape_mismatch"] or group.counts["unsupported"]:
        reason = "not all of it can be compared"
    elif moved and value is None:
        reason = "changed, and the metric is undefined"
    elif moved and group.changed_with_nonfinite:
        reason = "changed, and has NaN or infinite values that no metric counts"
    else:
        return None
    return Breach(group.name, metric.key, value, threshold.limit, reason)
